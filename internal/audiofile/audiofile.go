// Package audiofile reads the sound files that customers bring, WAV and MP3,
// as 16-bit mono samples, and says what is wrong with those that cannot be
// read. It writes WAV.
//
// Files come from outside: every reader here takes any bytes without a panic,
// and memory does not grow with what a header claims.
package audiofile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Errors of a file that cannot be read. They are wrapped with what was found;
// the text is fit for the customer's eyes.
var (
	// ErrNotAudio: no file of a kind that is known here.
	ErrNotAudio = errors.New("not audio")
	// ErrEmpty: no bytes, or a header without sound after it.
	ErrEmpty = errors.New("empty")
	// ErrCutShort: the file ends before its own header says.
	ErrCutShort = errors.New("cut short")
	// ErrUnsupported: audio, but of a kind that is not read here.
	ErrUnsupported = errors.New("unsupported")
	// ErrDamaged: a WAV or MP3 file with contents that contradict each other.
	ErrDamaged = errors.New("damaged")
)

// The formats of Info.
const (
	FormatWAV = "wav"
	FormatMP3 = "mp3"
)

// Info describes a file.
type Info struct {
	// Format is FormatWAV or FormatMP3.
	Format string
	// Encoding says how samples are written, for people: "PCM 16 bit".
	Encoding string
	// SampleRate is in Hz.
	SampleRate int
	// Channels is the number of channels in the file. They are averaged into
	// one when read.
	Channels int
	// Duration is the length of the sound; 0 where an MP3 file does not say it
	// at its beginning and has not been read through.
	Duration time.Duration
}

// Reader gives the sound of a file.
type Reader interface {
	// Info describes the file.
	Info() Info
	// Read fills samples with the next mono samples, at Info().SampleRate, and
	// reports how many. At the end it gives 0, io.EOF. Any other error is one
	// of this package's or the file's own.
	Read(samples []int16) (n int, err error)
}

// sniff is how much of a file is looked at to tell what it is.
const sniff = 16

// NewReader reads r from its start and makes a Reader of its sound. The error
// says what was found instead of sound: one of this package's, or that of r.
// The reader uses r until its end, and does not close it.
func NewReader(r io.ReadSeeker) (Reader, error) {
	head, size, err := begin(r)
	if err != nil {
		return nil, err
	}
	if isWAV(head) {
		return newWAVReader(r, size)
	}
	if foreign := known(head); foreign != "" {
		return nil, fmt.Errorf("%w: %s", ErrUnsupported, foreign)
	}
	m, err := newMP3Reader(r)
	switch {
	case err == nil:
		return m, nil
	case !errors.Is(err, errNoFrames):
		return nil, err
	case bytes.HasPrefix(head, []byte("ID3")):
		return nil, fmt.Errorf("%w: begins with an ID3 tag, but no MP3 follows it", ErrNotAudio)
	default:
		return nil, fmt.Errorf("%w: begins with %s", ErrNotAudio, quote(head))
	}
}

// Probe checks that r is sound from its start to its end, without decoding all
// of it, and describes it. The errors are those of NewReader.
func Probe(r io.ReadSeeker) (Info, error) {
	reader, err := NewReader(r)
	if err != nil {
		return Info{}, err
	}
	if m, ok := reader.(*mp3Reader); ok {
		return m.probe(r)
	}
	return reader.Info(), nil
}

// begin reads the first bytes of r and its size, and goes back to the start.
func begin(r io.ReadSeeker) (head []byte, size int64, err error) {
	if size, err = r.Seek(0, io.SeekEnd); err != nil {
		return nil, 0, err
	}
	if size == 0 {
		return nil, 0, fmt.Errorf("%w: the file has no bytes", ErrEmpty)
	}
	if _, err = r.Seek(0, io.SeekStart); err != nil {
		return nil, 0, err
	}
	head = make([]byte, min(size, sniff))
	if _, err = io.ReadFull(r, head); err != nil {
		return nil, 0, err
	}
	_, err = r.Seek(0, io.SeekStart)
	return head, size, err
}

// known names audio of kinds that are not read here, by a file's first bytes;
// empty for everything else.
func known(head []byte) string {
	for magic, name := range map[string]string{
		"OggS": "Ogg", "fLaC": "FLAC", "FORM": "AIFF", ".snd": "Sun audio", "#!AMR": "AMR",
		"\x1aE\xdf\xa3": "Matroska or WebM", "caff": "CAF", "RIFX": "big-endian WAV", "riff": "Wave64",
	} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return name
		}
	}
	if len(head) >= 8 && string(head[4:8]) == "ftyp" {
		return "MP4"
	}
	if bytes.HasPrefix(head, []byte("RIFF")) && len(head) >= 12 {
		return fmt.Sprintf("RIFF of type %q", head[8:12])
	}
	return ""
}

// quote is the beginning of a file for an error message: as text where it is
// text, else in hexadecimal.
func quote(head []byte) string {
	text := strings.ToValidUTF8(string(head), "") // a character may be cut in two
	printable := len(head)-len(text) < utf8.UTFMax
	for _, c := range text {
		printable = printable && (unicode.IsPrint(c) || unicode.IsSpace(c))
	}
	if printable && text != "" {
		return fmt.Sprintf("%q", text)
	}
	return fmt.Sprintf("bytes % x", head)
}

// duration is the time that samples take at rate.
func duration(samples int64, rate int) time.Duration {
	seconds, rest := samples/int64(rate), samples%int64(rate)
	return time.Duration(seconds)*time.Second + time.Duration(rest)*time.Second/time.Duration(rate)
}
