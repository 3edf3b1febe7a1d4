// Package codec turns frames of samples into RTP payloads and back. Each
// algorithm is a sub-package; this one gives them one shape and their names in
// SDP.
package codec

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"parley/internal/codec/g711"
)

// Dynamic is the PayloadType of a Format that has none of its own.
const Dynamic = -1

// Errors of this package.
var (
	// ErrUnknown: no encoder or decoder for the format.
	ErrUnknown = errors.New("codec: unknown format")
	// ErrShortBuffer: the payload holds more samples than the buffer takes.
	ErrShortBuffer = errors.New("codec: payload longer than the buffer")
)

// Format is an audio encoding as SDP names it. Formats are compared with ==.
// The zero Format is none.
type Format struct {
	// Name is the encoding name of the rtpmap attribute (RFC 8866 section
	// 6.6), in the letter case in which it is registered.
	Name string
	// ClockRate is the rate of RTP timestamps, in Hz.
	ClockRate int
	// SampleRate is the rate of the samples that the encoder takes and the
	// decoder gives, in Hz.
	SampleRate int
	// PayloadType is the static payload type (RFC 3551 section 6), or Dynamic.
	PayloadType int
}

// The formats. They are never changed.
var (
	// PCMU is G.711 µ-law.
	PCMU = Format{Name: "PCMU", ClockRate: 8000, SampleRate: 8000, PayloadType: 0}
	// PCMA is G.711 A-law.
	PCMA = Format{Name: "PCMA", ClockRate: 8000, SampleRate: 8000, PayloadType: 8}
)

// Formats gives all formats that have an encoder and a decoder, the preferred
// ones first.
func Formats() []Format { return []Format{PCMU, PCMA} }

// ByName finds a format by its encoding name (in any letter case, RFC 8866
// section 6.6) and clock rate.
func ByName(name string, clockRate int) (Format, bool) {
	return find(func(f Format) bool {
		return strings.EqualFold(f.Name, name) && f.ClockRate == clockRate
	})
}

// ByPayloadType finds the format that a static payload type stands for.
func ByPayloadType(pt uint8) (Format, bool) {
	return find(func(f Format) bool { return f.PayloadType == int(pt) })
}

func find(match func(Format) bool) (Format, bool) {
	all := Formats()
	if i := slices.IndexFunc(all, match); i >= 0 {
		return all[i], true
	}
	return Format{}, false
}

// String is the format as in an rtpmap attribute: "PCMU/8000".
func (f Format) String() string { return fmt.Sprintf("%s/%d", f.Name, f.ClockRate) }

// Encoder makes payloads of one stream. It is used by one goroutine at a time.
type Encoder interface {
	// Encode appends the payload of frame, whole frames of any length at the
	// format's SampleRate, to dst and returns it. It allocates only where dst
	// is too small.
	Encode(dst []byte, frame []int16) []byte
}

// Decoder reads payloads of one stream. It is used by one goroutine at a time.
type Decoder interface {
	// Decode writes the samples of payload to dst and reports how many. A
	// payload of more samples than dst takes gives ErrShortBuffer; dst then
	// holds the first ones.
	Decode(dst []int16, payload []byte) (n int, err error)
}

// NewEncoder makes an encoder of format; ErrUnknown where there is none.
func NewEncoder(format Format) (Encoder, error) {
	switch format.Name {
	case PCMU.Name:
		return muLaw{}, nil
	case PCMA.Name:
		return aLaw{}, nil
	}
	return nil, fmt.Errorf("%w %v", ErrUnknown, format)
}

// NewDecoder makes a decoder of format; ErrUnknown where there is none.
func NewDecoder(format Format) (Decoder, error) {
	switch format.Name {
	case PCMU.Name:
		return muLaw{}, nil
	case PCMA.Name:
		return aLaw{}, nil
	}
	return nil, fmt.Errorf("%w %v", ErrUnknown, format)
}

// muLaw and aLaw are G.711 as Encoder and Decoder.
type (
	muLaw struct{}
	aLaw  struct{}
)

func (muLaw) Encode(dst []byte, frame []int16) []byte { return g711.EncodeMu(dst, frame) }
func (aLaw) Encode(dst []byte, frame []int16) []byte  { return g711.EncodeA(dst, frame) }

func (muLaw) Decode(dst []int16, payload []byte) (int, error) {
	return checked(g711.DecodeMu(dst, payload), len(payload))
}

func (aLaw) Decode(dst []int16, payload []byte) (int, error) {
	return checked(g711.DecodeA(dst, payload), len(payload))
}

// checked is n with ErrShortBuffer where samples were left over.
func checked(n, samples int) (int, error) {
	if n < samples {
		return n, ErrShortBuffer
	}
	return n, nil
}
