package audiofile

import (
	"encoding/binary"
	"errors"
	"io"
)

// HeaderSize is the length of Header, after which the samples begin.
const HeaderSize = 44

// MaxDataSize is the greatest number of bytes of sound that a WAV file can
// tell: 74 hours at 8 kHz.
const MaxDataSize = 0xffffffff - HeaderSize

// ErrTooLong: more sound than a WAV file can tell.
var ErrTooLong = errors.New("longer than a WAV file can be")

// Header is the beginning of a WAV file of 16-bit mono samples at rate with
// size bytes of sound, at most MaxDataSize.
func Header(rate int, size int64) [HeaderSize]byte {
	var h [HeaderSize]byte
	le := binary.LittleEndian
	copy(h[0:], "RIFF")
	le.PutUint32(h[4:], uint32(size+HeaderSize-8))
	copy(h[8:], "WAVEfmt ")
	le.PutUint32(h[16:], 16)
	le.PutUint16(h[20:], tagPCM)
	le.PutUint16(h[22:], 1)
	le.PutUint32(h[24:], uint32(rate))
	le.PutUint32(h[28:], uint32(2*rate))
	le.PutUint16(h[32:], 2)
	le.PutUint16(h[34:], 16)
	copy(h[36:], "data")
	le.PutUint32(h[40:], uint32(size))
	return h
}

// Append appends samples to dst as the bytes that a WAV file has, and returns
// it.
func Append(dst []byte, samples []int16) []byte {
	for _, s := range samples {
		dst = append(dst, byte(s), byte(uint16(s)>>8))
	}
	return dst
}

// Writer writes a WAV file of 16-bit mono samples. It is used by one goroutine
// at a time.
type Writer struct {
	w    io.WriteSeeker
	rate int
	size int64
	buf  []byte
}

// NewWriter begins a file at the start of w. The header is right after Close.
func NewWriter(w io.WriteSeeker, rate int) (*Writer, error) {
	h := Header(rate, 0)
	if _, err := w.Write(h[:]); err != nil {
		return nil, err
	}
	return &Writer{w: w, rate: rate}, nil
}

// Write adds samples. ErrTooLong: none of them was written.
func (w *Writer) Write(samples []int16) error {
	if w.size+int64(2*len(samples)) > MaxDataSize {
		return ErrTooLong
	}
	w.buf = Append(w.buf[:0], samples)
	n, err := w.w.Write(w.buf)
	w.size += int64(n)
	return err
}

// Close writes the header. It does not close what it writes to.
func (w *Writer) Close() error {
	if _, err := w.w.Seek(0, io.SeekStart); err != nil {
		return err
	}
	h := Header(w.rate, w.size)
	_, err := w.w.Write(h[:])
	return err
}
