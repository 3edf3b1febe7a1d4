package audiofile

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// errNoFrames: no MPEG audio where it should begin.
var errNoFrames = errors.New("no MPEG audio frames")

const (
	// search is how far after the tags the first frame is looked for: some
	// programs leave padding there, recorded streams begin inside a frame.
	search = 64 << 10
	// chainLength is how many frames must follow one on another to tell MPEG
	// audio from garbage that looks like the beginning of a frame.
	chainLength = 4
	// maxFrame is the longest frame: layer III, 320 kbit/s at 32 kHz, or
	// layer II, 384 kbit/s.
	maxFrame = 1729
)

// frames cuts a file into MPEG audio frames. Whatever lies between them, tags
// and garbage, is passed over.
type frames struct {
	r      *bufio.Reader
	first  frameHeader
	synced bool  // the next frame is expected at once
	count  int64 // frames given
	junk   int64 // bytes passed over
	buf    [maxFrame]byte
}

// newFrames finds the first frame in r; errNoFrames where there is none.
func newFrames(r io.Reader) (*frames, error) {
	f := &frames{r: bufio.NewReaderSize(r, 16<<10), synced: true}
	if err := f.skipTags(); err != nil {
		return nil, err
	}
	for offset := range search {
		b, err := f.r.Peek(chainLength*maxFrame + frameHeaderSize)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if len(b) < frameHeaderSize {
			break
		}
		if n, whole := chain(b); n == chainLength || whole && offset == 0 {
			f.first = headerAt(b)
			return f, nil
		}
		if _, err := f.r.Discard(1); err != nil {
			return nil, err
		}
	}
	return nil, errNoFrames
}

// skipTags passes over the ID3v2 tags at the start (id3.org, ID3v2.4.0
// section 3.1).
func (f *frames) skipTags() error {
	for {
		b, err := f.r.Peek(10)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(b) < 10 || string(b[:3]) != "ID3" {
			return nil
		}
		size := 10 + (int(b[6]&0x7f)<<21 | int(b[7]&0x7f)<<14 | int(b[8]&0x7f)<<7 | int(b[9]&0x7f))
		if b[5]&0x10 != 0 {
			size += 10 // a footer
		}
		if _, err := f.r.Discard(size); errors.Is(err, io.EOF) {
			return errNoFrames
		} else if err != nil {
			return err
		}
	}
}

// chain counts the frames that follow one on another at the start of b, up to
// chainLength. whole reports whether b, which is then the rest of the file,
// ends with them or with a tag.
func chain(b []byte) (n int, whole bool) {
	if len(b) < frameHeaderSize || !headerAt(b).valid() {
		return 0, false
	}
	first := headerAt(b)
	for n < chainLength {
		if len(b) < frameHeaderSize || bytes.HasPrefix(b, []byte("TAG")) || bytes.HasPrefix(b, []byte("APETAGEX")) {
			return n, n > 0
		}
		h := headerAt(b)
		if !h.valid() || !h.like(first) {
			return n, false
		}
		if h.size() > len(b) {
			return n, n > 0 // the last one is not whole
		}
		b = b[h.size():]
		n++
	}
	return n, false
}

// next gives the next whole frame, valid until the next call; io.EOF after the
// last one.
func (f *frames) next() (frameHeader, []byte, error) {
	for {
		b, err := f.r.Peek(maxFrame + frameHeaderSize)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, nil, err
		}
		if len(b) < frameHeaderSize {
			return 0, nil, io.EOF
		}
		h := headerAt(b)
		if h.valid() && h.like(f.first) && f.plausible(h, b) {
			frame := f.buf[:copy(f.buf[:], b[:h.size()])]
			f.synced = true
			f.count++
			_, err := f.r.Discard(len(frame))
			return h, frame, err
		}
		f.synced = false
		f.junk++
		if _, err := f.r.Discard(1); err != nil {
			return 0, nil, err
		}
	}
}

// plausible reports whether the frame that h begins is all there and, after
// garbage, is followed by another one.
func (f *frames) plausible(h frameHeader, b []byte) bool {
	size := h.size()
	if size > len(b) {
		return false
	}
	if f.synced {
		return true
	}
	b = b[size:]
	return len(b) >= frameHeaderSize && headerAt(b).valid() && headerAt(b).like(f.first)
}
