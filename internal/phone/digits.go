package phone

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// keys are the digits in the order of their event codes (RFC 4733 section 3.2).
const keys = "0123456789*#ABCD"

const (
	toneTime  = 100 * time.Millisecond // how long each digit is pressed
	pauseTime = 100 * time.Millisecond // and the silence after it
	endCopies = 3                      // packets that say that the digit ended (RFC 4733 section 2.5.1.4)
	keyVolume = 10                     // −dBm0
)

// keypad sends digits as RFC 4733 events, one step for each packet that would
// else be sound. It is not safe for concurrent use.
type keypad struct {
	queue   []press
	begun   bool
	start   uint32 // timestamp of the event
	elapsed uint32 // timestamp units since then
	ends    int    // end packets sent
}

type press struct {
	code byte
	done chan<- struct{} // closed after the digit, where not nil
}

// push queues digits; done is closed when the last one and its pause are over.
func (k *keypad) push(digits string, done chan<- struct{}) error {
	var queue []press
	for _, r := range strings.ToUpper(digits) {
		code := strings.IndexRune(keys, r)
		if code < 0 {
			return fmt.Errorf("no such digit %q: %s are", r, keys)
		}
		queue = append(queue, press{code: byte(code)})
	}
	if len(queue) == 0 {
		close(done)
		return nil
	}
	queue[len(queue)-1].done = done
	k.queue = append(k.queue, queue...)
	return nil
}

// event is one RFC 4733 packet to send.
type event struct {
	payload   [4]byte
	timestamp uint32
	marker    bool
}

// step is what to send at timestamp in place of size samples of sound: an
// event, a pause in which nothing of the keypad is sent (ok false, busy true),
// or nothing.
func (k *keypad) step(timestamp, size uint32) (e event, ok, busy bool) {
	if len(k.queue) == 0 {
		return event{}, false, false
	}
	tone, pause := units(toneTime), units(pauseTime)
	p := k.queue[0]
	if !k.begun {
		k.begun, k.start, k.elapsed, k.ends = true, timestamp, 0, 0
	}
	first := k.elapsed == 0
	k.elapsed += size
	e = event{timestamp: k.start, marker: first}
	switch {
	case k.elapsed < tone:
		e.payload = eventPayload(p.code, false, k.elapsed)
		return e, true, true
	case k.ends < endCopies:
		k.ends++
		e.payload = eventPayload(p.code, true, max(tone, size))
		return e, true, true
	case k.elapsed < tone+pause+endCopies*size:
		return event{}, false, true
	}
	k.queue, k.begun = k.queue[1:], false
	if p.done != nil {
		close(p.done)
	}
	return event{}, false, true
}

func units(d time.Duration) uint32 { return uint32(d * sampleRate / time.Second) }

func eventPayload(code byte, end bool, duration uint32) (b [4]byte) {
	b[0], b[1] = code, keyVolume
	if end {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], uint16(duration))
	return b
}

// Digit is a digit that the phone received.
type Digit struct {
	Key      byte          // one of "0123456789*#ABCD"
	Duration time.Duration // what the last packet said
	Ended    bool          // an end packet came
	At       time.Time     // when the first packet came
}

// digitLog gathers digits out of RFC 4733 packets: one for each timestamp. It
// is not safe for concurrent use.
type digitLog struct {
	digits []Digit
	starts []uint32
}

// packet takes one event packet and reports whether a new digit began.
func (l *digitLog) packet(timestamp uint32, payload []byte, now time.Time) bool {
	if len(payload) < 4 || int(payload[0]) >= len(keys) {
		return false
	}
	d := Digit{
		Key: keys[payload[0]], Ended: payload[1]&0x80 != 0, At: now,
		Duration: time.Duration(binary.BigEndian.Uint16(payload[2:])) * time.Second / sampleRate,
	}
	for i, start := range l.starts {
		if start == timestamp {
			known := &l.digits[i]
			known.Duration, known.Ended = max(known.Duration, d.Duration), known.Ended || d.Ended
			return false
		}
	}
	l.digits, l.starts = append(l.digits, d), append(l.starts, timestamp)
	return true
}

func (l *digitLog) String() string {
	b := make([]byte, len(l.digits))
	for i, d := range l.digits {
		b[i] = d.Key
	}
	return string(b)
}
