package audiofile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Format tags of the fmt chunk (RFC 2361 and mmreg.h).
const (
	tagPCM        = 0x0001
	tagFloat      = 0x0003
	tagALaw       = 0x0006
	tagMuLaw      = 0x0007
	tagExtensible = 0xfffe
)

// What is taken. Below and above are no sounds that anyone would mean.
const (
	minRate     = 4_000
	maxRate     = 192_000
	maxChannels = 16
)

const (
	riffHeader  = 12 // "RIFF", size, "WAVE"
	chunkHeader = 8  // id, size
	fmtSize     = 40 // the longest fmt chunk that has a meaning (extensible)
)

// subtypeTail ends the GUID of every extensible subtype that stands for a
// format tag.
const subtypeTail = "\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"

func isWAV(head []byte) bool {
	return len(head) >= riffHeader && (string(head[:4]) == "RIFF" || string(head[:4]) == "RF64") &&
		string(head[8:12]) == "WAVE"
}

// wavFormat is what the fmt chunk says.
type wavFormat struct {
	tag      uint16
	channels int
	rate     int
	block    int // bytes in one sample of all channels
	bits     int
}

// parseFormat reads a fmt chunk.
func parseFormat(b []byte) (wavFormat, error) {
	if len(b) < 16 {
		return wavFormat{}, fmt.Errorf("%w: WAV format of %d bytes, 16 at least", ErrDamaged, len(b))
	}
	le := binary.LittleEndian
	f := wavFormat{
		tag:      le.Uint16(b),
		channels: int(le.Uint16(b[2:])),
		rate:     int(le.Uint32(b[4:])),
		block:    int(le.Uint16(b[12:])),
		bits:     int(le.Uint16(b[14:])),
	}
	if f.tag == tagExtensible {
		if len(b) < fmtSize || string(b[26:40]) != subtypeTail {
			return wavFormat{}, fmt.Errorf("%w: WAV of an extensible kind without a known subtype", ErrUnsupported)
		}
		f.tag = le.Uint16(b[24:])
	}
	switch {
	case f.channels < 1 || f.channels > maxChannels:
		return wavFormat{}, fmt.Errorf("%w: WAV of %d channels; must be 1 to %d", ErrUnsupported, f.channels, maxChannels)
	case f.rate < minRate || f.rate > maxRate:
		return wavFormat{}, fmt.Errorf("%w: WAV of %d Hz; must be %d to %d", ErrUnsupported, f.rate, minRate, maxRate)
	}
	return f, nil
}

// newWAVReader reads the chunks up to the sound.
func newWAVReader(r io.ReadSeeker, size int64) (*wavReader, error) {
	header := make([]byte, riffHeader)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	s := wavScanner{r: r, at: riffHeader, size: size, riff: int64(binary.LittleEndian.Uint32(header[4:]))}
	for {
		id, length, err := s.next()
		if err != nil {
			return nil, err
		}
		switch id {
		case "ds64":
			err = s.sizes64(length)
		case "fmt ":
			err = s.readFormat(length)
		case "data":
			return s.data(length)
		}
		if err != nil {
			return nil, err
		}
		if err := s.skip(length); err != nil {
			return nil, err
		}
	}
}

// wavScanner goes through the chunks of a WAV file.
type wavScanner struct {
	r      io.ReadSeeker
	at     int64 // offset of the current chunk's contents
	size   int64 // of the file
	riff   int64 // what the header says that follows its first 8 bytes
	data64 int64 // size of the data chunk, of an RF64 file (EBU Tech 3306)
	format *wavFormat
}

// next reads the header of the chunk at s.at.
func (s *wavScanner) next() (id string, length int64, err error) {
	if s.size-s.at < chunkHeader {
		if promised := s.riff + chunkHeader; promised > s.size {
			return "", 0, fmt.Errorf("%w: header promises %d bytes, %d are there", ErrCutShort, promised, s.size)
		}
		return "", 0, fmt.Errorf("%w: WAV without sound in it", ErrEmpty)
	}
	var h [chunkHeader]byte
	if _, err := io.ReadFull(s.r, h[:]); err != nil {
		return "", 0, err
	}
	s.at += chunkHeader
	return string(h[:4]), int64(binary.LittleEndian.Uint32(h[4:])), nil
}

// skip goes to the chunk after the one of length, which is followed by a byte
// of padding where length is odd.
func (s *wavScanner) skip(length int64) error {
	s.at += length + length&1
	if s.at > s.size {
		s.at = s.size
	}
	_, err := s.r.Seek(s.at, io.SeekStart)
	return err
}

// contents reads the first bytes of a chunk, at most limit.
func (s *wavScanner) contents(length, limit int64) ([]byte, error) {
	b := make([]byte, min(length, limit))
	if int64(len(b)) > s.size-s.at {
		return nil, fmt.Errorf("%w: header promises %d bytes of description, %d are there", ErrCutShort, length, s.size-s.at)
	}
	_, err := io.ReadFull(s.r, b)
	return b, err
}

func (s *wavScanner) readFormat(length int64) error {
	b, err := s.contents(length, fmtSize)
	if err != nil {
		return err
	}
	f, err := parseFormat(b)
	s.format = &f
	return err
}

func (s *wavScanner) sizes64(length int64) error {
	b, err := s.contents(length, 16)
	if err == nil && len(b) == 16 {
		s.data64 = int64(binary.LittleEndian.Uint64(b[8:]))
	}
	return err
}

// data makes the reader of the sound, which is the chunk of length at s.at.
func (s *wavScanner) data(length int64) (*wavReader, error) {
	if s.format == nil {
		return nil, fmt.Errorf("%w: WAV with no format before its sound", ErrDamaged)
	}
	there := s.size - s.at
	switch {
	case length == 0xffffffff && s.data64 > 0:
		length = s.data64
	case length == 0xffffffff, length >= 0x7ffff000 && length <= 0x7fffffff:
		// Written to a pipe by programs that could not know how long it would
		// be (ffmpeg the one, sox the other): it goes on to the end.
		length = min(length, there)
	}
	if length > there {
		return nil, fmt.Errorf("%w: header promises %d bytes of sound, %d are there", ErrCutShort, length, there)
	}
	w, err := newSamples(s.r, *s.format)
	if err != nil {
		return nil, err
	}
	w.left = length / int64(w.block)
	if w.left == 0 {
		return nil, fmt.Errorf("%w: WAV without sound in it", ErrEmpty)
	}
	w.info.Duration = duration(w.left, w.info.SampleRate)
	return w, nil
}

// wavReader is the sound of a WAV file.
type wavReader struct {
	info    Info
	r       io.Reader
	block   int // bytes in one sample of all channels
	width   int // bytes in one sample of one channel
	convert func(b []byte) float64
	left    int64 // samples to come
	buf     []byte
}

// Info describes the file.
func (w *wavReader) Info() Info { return w.info }

// Read gives the next samples; see Reader.
func (w *wavReader) Read(samples []int16) (int, error) {
	if w.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(samples)), int64(len(w.buf)/w.block), w.left))
	buf := w.buf[:n*w.block]
	if got, err := io.ReadFull(w.r, buf); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			missing := w.left*int64(w.block) - int64(got)
			return 0, fmt.Errorf("%w: the file ended %d bytes early", ErrCutShort, missing)
		}
		return 0, err
	}
	for i := range n {
		frame := buf[i*w.block:]
		var sum float64
		for c := range w.info.Channels {
			sum += w.convert(frame[c*w.width:])
		}
		samples[i] = round(sum / float64(w.info.Channels))
	}
	w.left -= int64(n)
	return n, nil
}
