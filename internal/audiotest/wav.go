package audiotest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrWAV: not a WAV file of 16-bit PCM, or one that is cut short.
var ErrWAV = errors.New("audiotest: not a whole 16-bit PCM WAV")

// WAV is samples as a WAV file, 16-bit mono.
func WAV(rate int, samples []int16) []byte {
	var b bytes.Buffer
	size := uint32(2 * len(samples))
	b.WriteString("RIFF")
	put(&b, 36+size)
	b.WriteString("WAVEfmt ")
	put(&b, uint32(16), uint16(1), uint16(1), uint32(rate), uint32(2*rate), uint16(2), uint16(16))
	b.WriteString("data")
	put(&b, size)
	put(&b, samples)
	return b.Bytes()
}

func put(b *bytes.Buffer, values ...any) {
	for _, v := range values {
		// Writing numbers to a bytes.Buffer cannot fail.
		_ = binary.Write(b, binary.LittleEndian, v)
	}
}

// ParseWAV reads a WAV file of 16-bit PCM; several channels are averaged. It
// is strict and small; what customers send is read by package audiofile.
func ParseWAV(file []byte) (samples []int16, rate int, err error) {
	if len(file) < 12 || string(file[:4]) != "RIFF" || string(file[8:12]) != "WAVE" {
		return nil, 0, fmt.Errorf("%w: no RIFF header", ErrWAV)
	}
	channels := 0
	for rest := file[12:]; len(rest) >= 8; {
		id, size := string(rest[:4]), int(binary.LittleEndian.Uint32(rest[4:]))
		if size > len(rest)-8 {
			return nil, 0, fmt.Errorf("%w: chunk %q of %d bytes, %d are there", ErrWAV, id, size, len(rest)-8)
		}
		chunk := rest[8 : 8+size]
		switch id {
		case "fmt ":
			if size < 16 || binary.LittleEndian.Uint16(chunk) != 1 || binary.LittleEndian.Uint16(chunk[14:]) != 16 {
				return nil, 0, fmt.Errorf("%w: format % x", ErrWAV, chunk)
			}
			channels, rate = int(binary.LittleEndian.Uint16(chunk[2:])), int(binary.LittleEndian.Uint32(chunk[4:]))
		case "data":
			if channels < 1 || rate < 1 {
				return nil, 0, fmt.Errorf("%w: no format before the data", ErrWAV)
			}
			return average(chunk, channels), rate, nil
		}
		rest = rest[min(8+size+size&1, len(rest)):]
	}
	return nil, 0, fmt.Errorf("%w: no data", ErrWAV)
}

func average(data []byte, channels int) []int16 {
	samples := make([]int16, len(data)/2/channels)
	for i := range samples {
		var sum int
		for c := range channels {
			sum += int(int16(binary.LittleEndian.Uint16(data[2*(i*channels+c):])))
		}
		samples[i] = int16(sum / channels)
	}
	return samples
}

// ReadWAV reads a WAV file of 16-bit PCM from r.
func ReadWAV(r io.Reader) (samples []int16, rate int, err error) {
	file, err := io.ReadAll(r)
	if err != nil {
		return nil, 0, err
	}
	return ParseWAV(file)
}

// LoadWAV reads the WAV file of 16-bit PCM at path.
func LoadWAV(path string) (samples []int16, rate int, err error) {
	file, err := os.ReadFile(path)
	if err != nil {
		return nil, 0, err
	}
	if samples, rate, err = ParseWAV(file); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	return samples, rate, nil
}

// SaveWAV writes samples to path as a WAV file, 16-bit mono.
func SaveWAV(path string, rate int, samples []int16) error {
	return os.WriteFile(path, WAV(rate, samples), 0o644)
}
