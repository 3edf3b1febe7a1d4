package audiofile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"parley/internal/audiofile"
	"parley/internal/codec/g711"
)

// builder makes WAV files chunk by chunk.
type builder struct{ bytes.Buffer }

func (b *builder) put(values ...any) *builder {
	for _, v := range values {
		if s, ok := v.(string); ok {
			v = []byte(s)
		}
		if err := binary.Write(b, binary.LittleEndian, v); err != nil {
			panic(err)
		}
	}
	return b
}

// chunk adds a chunk with its byte of padding.
func (b *builder) chunk(id string, contents []byte) *builder {
	b.put(id, uint32(len(contents)), contents)
	if len(contents)%2 == 1 {
		b.put(byte(0))
	}
	return b
}

// file is the chunks with the RIFF header in front.
func (b *builder) file() []byte {
	var f builder
	return f.put("RIFF", uint32(b.Len()+4), "WAVE", b.Bytes()).Bytes()
}

// format is the contents of a plain fmt chunk.
func format(tag, channels, rate, bits int) []byte {
	var b builder
	block := (bits + 7) / 8 * channels
	return b.put(uint16(tag), uint16(channels), uint32(rate), uint32(rate*block), uint16(block), uint16(bits)).Bytes()
}

// extensible is the contents of a fmt chunk of the extensible kind.
func extensible(tag, channels, rate, container, valid int) []byte {
	var b builder
	b.put(format(0xfffe, channels, rate, container), uint16(22), uint16(valid), uint32(0), uint16(tag))
	return b.put("\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71").Bytes()
}

// encodings writes 16-bit samples in each encoding, as exactly as it allows.
var encodings = []struct {
	name      string
	tag, bits int
	put       func(b *builder, s int16)
	error     int // greatest difference after reading
}{
	{"PCM 8 bit", 1, 8, func(b *builder, s int16) { b.put(byte(int(s)>>8 + 128)) }, 255},
	{"PCM 16 bit", 1, 16, func(b *builder, s int16) { b.put(s) }, 0},
	{"PCM 24 bit", 1, 24, func(b *builder, s int16) { b.put(byte(0), s) }, 0},
	{"PCM 32 bit", 1, 32, func(b *builder, s int16) { b.put(uint16(0), s) }, 0},
	{"float 32 bit", 3, 32, func(b *builder, s int16) { b.put(float32(s) / 32768) }, 0},
	{"float 64 bit", 3, 64, func(b *builder, s int16) { b.put(float64(s) / 32768) }, 0},
	{"A-law", 6, 8, func(b *builder, s int16) { b.put(g711.EncodeA(nil, []int16{s})) }, 1024},
	{"µ-law", 7, 8, func(b *builder, s int16) { b.put(g711.EncodeMu(nil, []int16{s})) }, 1024},
}

func TestEveryEncodingRateAndNumberOfChannels(t *testing.T) {
	want := []int16{0, 1, -1, 100, -100, 12345, -12345, math.MaxInt16, math.MinInt16}
	for _, e := range encodings {
		for _, rate := range []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 96000} {
			for _, channels := range []int{1, 2, 6} {
				for _, fmtChunk := range [][]byte{format(e.tag, channels, rate, e.bits), extensible(e.tag, channels, rate, e.bits, e.bits)} {
					name := fmt.Sprintf("%s, %d Hz, %d channels, format of %d bytes", e.name, rate, channels, len(fmtChunk))
					var data, b builder
					for _, s := range want {
						for range channels {
							e.put(&data, s)
						}
					}
					file := b.chunk("fmt ", fmtChunk).chunk("data", data.Bytes()).file()
					r, err := audiofile.NewReader(bytes.NewReader(file))
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					if info := r.Info(); info.Encoding != e.name || info.SampleRate != rate || info.Channels != channels {
						t.Fatalf("%s: info %+v", name, info)
					}
					got := readAll(t, r)
					if len(got) != len(want) {
						t.Fatalf("%s: %d samples, want %d", name, len(got), len(want))
					}
					for i, s := range want {
						if d := int(s) - int(got[i]); max(d, -d) > e.error {
							t.Fatalf("%s: sample %d is %d, want %d", name, i, got[i], s)
						}
					}
				}
			}
		}
	}
}

func TestChannelsAreAveraged(t *testing.T) {
	var data, b builder
	data.put([]int16{1000, 3000, -32768, -32768, 32767, 32767, 5, -5})
	file := b.chunk("fmt ", format(1, 2, 8000, 16)).chunk("data", data.Bytes()).file()
	r, err := audiofile.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := readAll(t, r), []int16{2000, -32768, 32767, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestFloatsBeyondFullScaleAndNoNumbers(t *testing.T) {
	var data, b builder
	data.put([]float32{2, -2, float32(math.NaN()), float32(math.Inf(1)), 0.5})
	file := b.chunk("fmt ", format(3, 1, 8000, 32)).chunk("data", data.Bytes()).file()
	r, err := audiofile.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := readAll(t, r), []int16{32767, -32768, 0, 0, 16384}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestChunksInAnyOrderAndOfOddLength(t *testing.T) {
	sound := []byte{1, 0, 2, 0, 3, 0}
	pcm := format(1, 1, 8000, 16)
	rf64 := func() []byte {
		var b, size builder
		size.put(uint64(0), uint64(len(sound)), uint64(3), uint32(0))
		b.chunk("ds64", size.Bytes()).chunk("fmt ", pcm).put("data", uint32(0xffffffff), sound)
		file := b.file()
		copy(file, "RF64")
		return file
	}
	var list, streamed, trailing, frame builder
	cases := map[string][]byte{
		"LIST and an odd chunk before the sound": list.chunk("LIST", []byte("INFOISFT\x04\x00\x00\x00abcd")).
			chunk("fmt ", pcm).chunk("fact", []byte{3, 0, 0, 0}).chunk("odd ", []byte{1, 2, 3}).chunk("data", sound).file(),
		"chunks after the sound, the last cut": trailing.chunk("fmt ", pcm).chunk("data", sound).put("LIST", uint32(500), "abc").file(),
		"length unknown, to the end":           streamed.chunk("fmt ", pcm).put("data", uint32(0xffffffff), sound).file(),
		"half a sample at the end":             frame.chunk("fmt ", pcm).chunk("data", append(sound[:6:6], 9)).file(),
		"RF64":                                 rf64(),
	}
	for name, file := range cases {
		r, err := audiofile.NewReader(bytes.NewReader(file))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, want := readAll(t, r), []int16{1, 2, 3}; !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestWAVOfUnknownKinds(t *testing.T) {
	foreign := extensible(1, 1, 8000, 16, 16)
	foreign[30] ^= 1
	cases := []struct {
		name   string
		format []byte
		err    error
		text   string
	}{
		{"ADPCM", format(0x11, 1, 8000, 4), audiofile.ErrUnsupported, "WAV with encoding 0x0011 of 4 bits"},
		{"MP3 inside", format(0x55, 2, 44100, 0), audiofile.ErrUnsupported, "encoding 0x0055"},
		{"PCM of 40 bits", format(1, 1, 8000, 40), audiofile.ErrUnsupported, "PCM 40 bit of 40 bits"},
		{"no channels", format(1, 0, 8000, 16), audiofile.ErrUnsupported, "WAV of 0 channels; must be 1 to 16"},
		{"1 kHz", format(1, 1, 1000, 16), audiofile.ErrUnsupported, "WAV of 1000 Hz; must be 4000 to 192000"},
		{"foreign subtype", foreign, audiofile.ErrUnsupported, "without a known subtype"},
		{"short format", make([]byte, 14), audiofile.ErrDamaged, "WAV format of 14 bytes"},
		{"blocks too short", append(format(1, 2, 8000, 16)[:12:12], 2, 0, 16, 0), audiofile.ErrDamaged, "in blocks of 2 bytes"},
	}
	for _, c := range cases {
		var b builder
		file := b.chunk("fmt ", c.format).chunk("data", make([]byte, 100)).file()
		if _, err := audiofile.NewReader(bytes.NewReader(file)); !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, want %q", c.name, err, c.text)
		}
	}
	var b builder
	if _, err := audiofile.NewReader(bytes.NewReader(b.chunk("data", make([]byte, 100)).file())); !errors.Is(err, audiofile.ErrDamaged) {
		t.Errorf("no format: %v, want ErrDamaged", err)
	}
}

func TestHugeHeaderDoesNotTakeMemory(t *testing.T) {
	var b builder
	file := b.chunk("fmt ", format(1, 16, 8000, 32)).put("data", uint32(0x70000000), make([]byte, 64)).file()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := audiofile.NewReader(bytes.NewReader(file)); !errors.Is(err, audiofile.ErrCutShort) {
		t.Errorf("%v, want ErrCutShort", err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 500_000 {
		t.Errorf("%d bytes taken for a file of %d", n, len(file))
	}
}
