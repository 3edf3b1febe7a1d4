package audiofile

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"parley/internal/pcm"
)

// blocks is how many samples are read from a WAV file at a time.
const blocks = 1024

// newSamples makes the reader of samples written as f says; left and duration
// are set by the caller.
func newSamples(r io.Reader, f wavFormat) (*wavReader, error) {
	width := (f.bits + 7) / 8
	name, convert := encoding(f.tag, width)
	if convert == nil {
		return nil, fmt.Errorf("%w: WAV with %s of %d bits; must be PCM of 8 to 32, float of 32 or 64, A-law or µ-law of 8 bits",
			ErrUnsupported, name, f.bits)
	}
	if f.block == 0 {
		f.block = width * f.channels
	}
	if f.block < width*f.channels {
		return nil, fmt.Errorf("%w: WAV with %d channels of %d bits in blocks of %d bytes", ErrDamaged, f.channels, f.bits, f.block)
	}
	return &wavReader{
		info:    Info{Format: FormatWAV, Encoding: name, SampleRate: f.rate, Channels: f.channels},
		r:       r,
		block:   f.block,
		width:   width,
		convert: convert,
		buf:     make([]byte, blocks*f.block),
	}, nil
}

// encoding names an encoding and gives the function that reads one sample in
// it, width bytes, to the scale of 16 bits; nil where there is none.
func encoding(tag uint16, width int) (name string, convert func(b []byte) float64) {
	switch tag {
	case tagPCM:
		return fmt.Sprintf("PCM %d bit", 8*width), pcmConversion(width)
	case tagFloat:
		return fmt.Sprintf("float %d bit", 8*width), floatConversion(width)
	case tagALaw:
		return "A-law", lawConversion(width, pcm.ALaw)
	case tagMuLaw:
		return "µ-law", lawConversion(width, pcm.MuLaw)
	}
	return fmt.Sprintf("encoding %#04x", tag), nil
}

// pcmConversion reads integers; those with fewer bits than their bytes hold
// are left-aligned (RIFF specification), so the bytes alone matter.
func pcmConversion(width int) func(b []byte) float64 {
	switch width {
	case 1: // unsigned, as the only one
		return func(b []byte) float64 { return float64(int(b[0])-128) * 256 }
	case 2:
		return func(b []byte) float64 { return float64(int16(binary.LittleEndian.Uint16(b))) }
	case 3:
		return func(b []byte) float64 {
			return float64(int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24)) / 65536
		}
	case 4:
		return func(b []byte) float64 { return float64(int32(binary.LittleEndian.Uint32(b))) / 65536 }
	}
	return nil
}

// floatConversion reads floating point, full scale at ±1. What is no number
// is silence.
func floatConversion(width int) func(b []byte) float64 {
	scale := func(v float64) float64 {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return 0
		}
		return v * 32768
	}
	switch width {
	case 4:
		return func(b []byte) float64 { return scale(float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))) }
	case 8:
		return func(b []byte) float64 { return scale(math.Float64frombits(binary.LittleEndian.Uint64(b))) }
	}
	return nil
}

func lawConversion(width int, law func(code byte) int16) func(b []byte) float64 {
	if width != 1 {
		return nil
	}
	return func(b []byte) float64 { return float64(law(b[0])) }
}

// round is v as a sample, held at the limits.
func round(v float64) int16 {
	return int16(max(math.MinInt16, min(math.MaxInt16, math.Round(v))))
}
