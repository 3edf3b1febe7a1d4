package audiofile_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/internal/audiofile"
	"parley/internal/audiotest"
	"parley/internal/resample"
)

// readAll gives all samples of a reader, asked for in pieces of an odd size.
func readAll(t testing.TB, r audiofile.Reader) []int16 {
	t.Helper()
	samples, err := drain(r)
	if err != nil {
		t.Fatal(err)
	}
	return samples
}

func drain(r audiofile.Reader) ([]int16, error) {
	var samples []int16
	buf := make([]int16, 777)
	for {
		n, err := r.Read(buf)
		samples = append(samples, buf[:n]...)
		if errors.Is(err, io.EOF) {
			return samples, nil
		}
		if err != nil {
			return samples, err
		}
	}
}

func load(t testing.TB, name string) []byte {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// spoken is what all files in testdata say: the first speaker, from start for d.
func spoken(start, d time.Duration) []int16 {
	speech := audiotest.Speech(1)
	from := audiotest.Samples(audiotest.SpeechRate, start)
	return speech[from : from+audiotest.Samples(audiotest.SpeechRate, d)]
}

// The files in testdata were made by sox and lame from the embedded speech.
func TestFilesOfOtherPrograms(t *testing.T) {
	wav := func(encoding string, rate, channels int) audiofile.Info {
		return audiofile.Info{Format: "wav", Encoding: encoding, SampleRate: rate, Channels: channels, Duration: 200 * time.Millisecond}
	}
	mp3 := func(rate, channels int) audiofile.Info {
		return audiofile.Info{Format: "mp3", Encoding: "MPEG layer III", SampleRate: rate, Channels: channels, Duration: 2 * time.Second}
	}
	cases := []struct {
		name     string
		info     audiofile.Info
		likeness float64
	}{
		{"pcm8-8000.wav", wav("PCM 8 bit", 8000, 1), 0.99},
		{"alaw-8000.wav", wav("A-law", 8000, 1), 0.999},
		{"mulaw-8000.wav", wav("µ-law", 8000, 1), 0.999},
		{"pcm16-11025-stereo.wav", wav("PCM 16 bit", 11025, 2), 0.99},
		{"pcm24-16000.wav", wav("PCM 24 bit", 16000, 1), 0.99},
		{"pcm32-12000.wav", wav("PCM 32 bit", 12000, 1), 0.99},
		{"float32-22050.wav", wav("float 32 bit", 22050, 1), 0.99},
		{"float64-8000.wav", wav("float 64 bit", 8000, 1), 0.9999},
		{"pcm16-48000.wav", wav("PCM 16 bit", 48000, 1), 0.99},
		{"pipe-8000.wav", wav("PCM 16 bit", 8000, 1), 0.9999},
		{"mpeg1-44100-vbr-id3.mp3", mp3(44100, 2), 0.98},
		{"mpeg1-48000-40k-crc.mp3", mp3(48000, 1), 0.98},
		{"mpeg2-22050-32k.mp3", mp3(22050, 1), 0.98}, // garbled by go-mp3 alone
		{"mpeg2-24000-32k.mp3", mp3(24000, 1), 0.98},
		{"mpeg25-11025-24k.mp3", mp3(11025, 1), 0.98}, // refused by go-mp3 alone
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			file := load(t, c.name)
			info, err := audiofile.Probe(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			// Without LAME's tag the encoder's padding counts as sound.
			if d := info.Duration - c.info.Duration; d < 0 || d > 150*time.Millisecond {
				t.Errorf("duration %v, want %v", info.Duration, c.info.Duration)
			}
			info.Duration = c.info.Duration
			if info != c.info {
				t.Errorf("info %+v, want %+v", info, c.info)
			}
			r, err := audiofile.NewReader(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			start := time.Second
			if c.info.Format == "mp3" {
				start = 0
			}
			want := spoken(start, c.info.Duration)
			resampler := resample.New(c.info.SampleRate, audiotest.SpeechRate)
			sound := append(readAll(t, r), make([]int16, c.info.SampleRate/100)...)
			heard := make([]int16, len(sound))
			n, _ := resampler.Process(heard, sound)
			lag, likeness := audiotest.Correlate(want, heard[:n], 2000)
			t.Logf("%d samples, lag %d, likeness %.5f", len(sound), lag, likeness)
			if likeness < c.likeness {
				t.Errorf("like what was said by %.5f, want %.5f", likeness, c.likeness)
			}
		})
	}
}

func TestMP3WithLAMEsTagIsAsLongAsItsSource(t *testing.T) {
	r, err := audiofile.NewReader(bytes.NewReader(load(t, "mpeg1-44100-vbr-id3.mp3")))
	if err != nil {
		t.Fatal(err)
	}
	// To the sample, so that it loops without a gap.
	if n := len(readAll(t, r)); n != 2*44100 || r.Info().Duration != 2*time.Second {
		t.Errorf("%d samples, %v by the tag; want %d and 2 s", n, r.Info().Duration, 2*44100)
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	speech := audiotest.WAV(8000, spoken(0, time.Second))
	vbr := load(t, "mpeg1-44100-vbr-id3.mp3")
	tagOnly := append([]byte("ID3\x03\x00\x00\x00\x00\x00\x0a"), make([]byte, 10)...)
	cases := []struct {
		name string
		file []byte
		err  error
		text string
	}{
		{"no bytes", nil, audiofile.ErrEmpty, "empty: the file has no bytes"},
		{"PDF", []byte("%PDF-1.7\n%âãÏÓ\n1 0 obj\n"), audiofile.ErrNotAudio, `not audio: begins with "%PDF-1.7\n%âãÏ"`},
		{"HTML", []byte("<!DOCTYPE html><html><body>404"), audiofile.ErrNotAudio, `not audio: begins with "<!DOCTYPE html><"`},
		{"PNG", []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), audiofile.ErrNotAudio, "not audio: begins with bytes 89 50 4e 47"},
		{"one byte", []byte{0xff}, audiofile.ErrNotAudio, "not audio: begins with bytes ff"},
		{"zeros", make([]byte, 200_000), audiofile.ErrNotAudio, "not audio: begins with bytes 00 00"},
		{"Ogg", []byte("OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), audiofile.ErrUnsupported, "unsupported: Ogg"},
		{"AVI", []byte("RIFF\x00\x00\x00\x00AVI LIST"), audiofile.ErrUnsupported, `RIFF of type "AVI "`},
		{"tag alone", tagOnly, audiofile.ErrNotAudio, "not audio: begins with an ID3 tag, but no MP3 follows it"},
		{"WAV header cut", speech[:20], audiofile.ErrCutShort, "cut short: header promises 16 bytes of description, 0 are there"},
		{"WAV cut in its chunks", speech[:38], audiofile.ErrCutShort, "cut short: header promises 16044 bytes, 38 are there"},
		{"WAV cut in its sound", speech[:5000], audiofile.ErrCutShort, "cut short: header promises 16000 bytes of sound, 4956 are there"},
		{"WAV header alone", audiotest.WAV(8000, nil), audiofile.ErrEmpty, "empty: WAV without sound in it"},
		{"MP3 cut", vbr[:len(vbr)/2], audiofile.ErrCutShort, "cut short: header promises 78 frames, "},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := audiofile.Probe(bytes.NewReader(c.file))
			if !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %v, want %q", err, c.text)
			}
		})
	}
}

// failing is a file whose disk breaks at an offset.
type failing struct {
	*bytes.Reader
	at int64
}

var errDisk = errors.New("input/output error")

func (f failing) Read(p []byte) (int, error) {
	left := f.at - (f.Size() - int64(f.Len()))
	if left <= 0 {
		return 0, errDisk
	}
	return f.Reader.Read(p[:min(int64(len(p)), left)])
}

func TestErrorsOfTheDiskArePassedOn(t *testing.T) {
	for _, name := range []string{"pcm16-48000.wav", "mpeg1-44100-vbr-id3.mp3"} {
		file := load(t, name)
		for at := range int64(len(file)) {
			if at > 200 && at%1499 != 0 {
				continue
			}
			r, err := audiofile.NewReader(failing{bytes.NewReader(file), at})
			if err == nil {
				_, err = drain(r)
			}
			if !errors.Is(err, errDisk) {
				t.Fatalf("%s failing at %d: %v, want the disk's error", name, at, err)
			}
		}
	}
}

func TestFileThatShrinksWhileItIsRead(t *testing.T) {
	file := audiotest.WAV(8000, spoken(0, time.Second))
	r, err := audiofile.NewReader(&shrunk{bytes.NewReader(file), 9000})
	if err != nil {
		t.Fatal(err)
	}
	_, err = drain(r)
	if !errors.Is(err, audiofile.ErrCutShort) {
		t.Errorf("%v, want ErrCutShort", err)
	}
}

// shrunk is a file that ends before its size.
type shrunk struct {
	*bytes.Reader
	at int64
}

func (f *shrunk) Read(p []byte) (int, error) {
	left := f.at - (f.Size() - int64(f.Len()))
	if left <= 0 {
		return 0, io.EOF
	}
	return f.Reader.Read(p[:min(int64(len(p)), left)])
}

func TestWriterMakesWhatTheReaderReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.wav")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := audiofile.NewWriter(f, 16000)
	if err != nil {
		t.Fatal(err)
	}
	want := audiotest.Noise(16000, -10, time.Second, 1)
	for part := range slices.Chunk(want, 333) {
		if err := w.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	got, rate, err := audiotest.LoadWAV(path)
	if err != nil || rate != 16000 || !slices.Equal(got, want) {
		t.Errorf("%d samples at %d Hz, %v; want %d at 16000", len(got), rate, err, len(want))
	}
}

func TestHeaderIsThatOfOthers(t *testing.T) {
	want := audiotest.WAV(8000, make([]int16, 4000))[:audiofile.HeaderSize]
	if got := audiofile.Header(8000, 8000); !bytes.Equal(got[:], want) {
		t.Errorf("header\n% x, want\n% x", got, want)
	}
}
