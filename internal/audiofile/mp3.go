package audiofile

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hajimehoshi/go-mp3"
)

const (
	// decoderDelay is by how many samples every layer III decoder is late;
	// encoders do not count it in the delay that they tell.
	decoderDelay = 529
	// tried is how many frames of an MP3 file are decoded to check it.
	tried = 16
	// stereo is the number of bytes in one sample of go-mp3's output, which
	// always has two channels.
	stereo = 4
)

// mp3Reader is the sound of an MP3 file.
type mp3Reader struct {
	info    Info
	stream  *frameStream
	decoder *mp3.Decoder
	tag     tag
	first   frameHeader

	raw   [1152 * stereo]byte
	buf   []int16 // what ready is a part of
	ready []int16 // decoded and not read yet
	skip  int     // samples still to be left out at the start
	hold  int     // samples to be left out at the end
	ended bool
}

// newMP3Reader finds the first frame and decodes it; errNoFrames where there
// is none.
func newMP3Reader(r io.Reader) (*mp3Reader, error) {
	f, err := newFrames(r)
	if err != nil {
		return nil, err
	}
	h, frame, err := f.next()
	if err != nil {
		return nil, err
	}
	if h.layer() != layer3 {
		return nil, fmt.Errorf("%w: MPEG audio of layer II; must be layer III (MP3)", ErrUnsupported)
	}
	if h.rate() == 8000 {
		return nil, fmt.Errorf("%w: MP3 of 8000 Hz (MPEG 2.5); must be 11025 Hz at least, or WAV", ErrUnsupported)
	}
	m := &mp3Reader{
		info:   Info{Format: FormatMP3, Encoding: "MPEG layer III", SampleRate: h.rate(), Channels: h.channels()},
		stream: &frameStream{frames: f},
		first:  h,
		skip:   decoderDelay,
	}
	if tag, ok := parseTag(h, frame); ok {
		m.tag = tag
		f.count--
		if tag.delay+tag.padding > 0 {
			m.skip, m.hold = decoderDelay+tag.delay, max(0, tag.padding-decoderDelay)
		}
		m.info.Duration = m.duration(tag.frames)
	} else {
		m.stream.put(h, frame)
	}
	err = m.guard(func() (err error) {
		m.decoder, err = mp3.NewDecoder(m.stream)
		return err
	})
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: MP3 without sound in it", ErrEmpty)
	}
	return m, err
}

// duration is the time that a number of frames takes, without what the encoder
// added.
func (m *mp3Reader) duration(frames int64) time.Duration {
	samples := frames*int64(m.first.samples()) - int64(m.tag.delay+m.tag.padding)
	return duration(max(samples, 0), m.info.SampleRate)
}

// guard runs what go-mp3 does. Its errors, and its panics, which damaged files
// have provoked, become ErrDamaged; io.EOF and the file's own errors stay what
// they are.
func (m *mp3Reader) guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: MP3 frame %d: %v", ErrDamaged, m.stream.frames.count, p)
		}
	}()
	err = f()
	switch {
	case err == nil:
		return nil
	case m.stream.err != nil:
		return m.stream.err
	}
	return fmt.Errorf("%w: MP3 frame %d: %w", ErrDamaged, m.stream.frames.count, err)
}

// Info describes the file.
func (m *mp3Reader) Info() Info { return m.info }

// Read gives the next samples; see Reader.
func (m *mp3Reader) Read(samples []int16) (int, error) {
	for len(m.ready) <= m.hold && !m.ended {
		if err := m.decode(); err != nil {
			return 0, err
		}
	}
	n := copy(samples, m.ready[:max(0, len(m.ready)-m.hold)])
	m.ready = m.ready[n:]
	if n == 0 && m.ended && len(samples) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// decode adds to m.ready what go-mp3 gives next.
func (m *mp3Reader) decode() error {
	var n int
	err := m.guard(func() (err error) {
		n, err = m.decoder.Read(m.raw[:])
		return err
	})
	if errors.Is(err, io.EOF) {
		m.ended = true
		return nil
	}
	if err != nil {
		return err
	}
	m.ready = append(m.buf[:0], m.ready...)
	for b := m.raw[:n/stereo*stereo]; len(b) > 0; b = b[stereo:] {
		left, right := int16(uint16(b[0])|uint16(b[1])<<8), int16(uint16(b[2])|uint16(b[3])<<8)
		m.ready = append(m.ready, int16((int32(left)+int32(right))>>1))
	}
	m.buf = m.ready
	left := min(m.skip, len(m.ready))
	m.ready = m.ready[left:]
	m.skip -= left
	return nil
}

// probe goes through the rest of the file: it decodes the beginning and counts
// the frames.
func (m *mp3Reader) probe(r io.Seeker) (Info, error) {
	var samples [1152]int16
	for range tried {
		if _, err := m.Read(samples[:]); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return Info{}, err
		}
	}
	f := m.stream.frames
	for {
		if _, _, err := f.next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return Info{}, err
		}
	}
	size, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return Info{}, err
	}
	switch {
	// Encoders differ in whether they count the frame with the tag.
	case m.tag.frames > f.count+1:
		return Info{}, fmt.Errorf("%w: header promises %d frames, %d are there", ErrCutShort, m.tag.frames, f.count)
	case f.junk > size/2:
		return Info{}, fmt.Errorf("%w: of %d bytes, %d are no MP3 frames", ErrDamaged, size, f.junk)
	}
	m.info.Duration = m.duration(f.count)
	return m.info, nil
}
