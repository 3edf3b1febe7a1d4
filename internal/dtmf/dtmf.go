// Package dtmf sends and receives keypad digits as RTP telephone events
// (RFC 4733). It is arithmetic on payloads, timestamps and the time that the
// caller gives: packets may be lost, repeated or out of order, and still each
// key press is one digit.
package dtmf

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"
)

// ErrShort: a payload without a whole event block (RFC 4733 section 2.3).
var ErrShort = errors.New("dtmf: payload shorter than an event")

// digits are the keys in the order of their event codes (RFC 4733 section 3.2).
const digits = "0123456789*#ABCD"

// blockSize is the length of an event block in bytes.
const blockSize = 4

// Digit is one key press.
type Digit struct {
	// Key is one of 0 to 9, *, #, A to D.
	Key byte
	// Duration is how long the key was held.
	Duration time.Duration
	// Timestamp is the RTP timestamp at which the press began.
	Timestamp uint32
}

// Event is an event block of a payload (RFC 4733 section 2.3).
type Event struct {
	// Code is the event code; 0 to 15 are the keys.
	Code byte
	// End is the E bit: the event is over.
	End bool
	// Volume is the level in -dBm0, 0 to 63.
	Volume byte
	// Duration is the time since the event (or its segment) began, in units of
	// the RTP clock.
	Duration uint16
}

// parse reads the block at the start of b, which has at least blockSize bytes.
func parse(b []byte) Event {
	return Event{
		Code:     b[0],
		End:      b[1]&0x80 != 0,
		Volume:   b[1] & 0x3f,
		Duration: binary.BigEndian.Uint16(b[2:]),
	}
}

// Append appends e as an event block to dst and returns it.
func (e Event) Append(dst []byte) []byte {
	flags := e.Volume & 0x3f
	if e.End {
		flags |= 0x80
	}
	return append(dst, e.Code, flags, byte(e.Duration>>8), byte(e.Duration))
}

// Key is the key of an event code; ok is false for events that are not keys.
func Key(code byte) (key byte, ok bool) {
	if int(code) >= len(digits) {
		return 0, false
	}
	return digits[code], true
}

// Code is the event code of a key (a to d count as A to D); ok is false for
// bytes that are not keys.
func Code(key byte) (code byte, ok bool) {
	if key >= 'a' && key <= 'd' {
		key -= 'a' - 'A'
	}
	i := strings.IndexByte(digits, key)
	return byte(max(i, 0)), i >= 0
}

// duration is units of a clock of rate Hz as time.
func duration(units uint64, rate uint32) time.Duration {
	return time.Duration(units) * time.Second / time.Duration(rate)
}
