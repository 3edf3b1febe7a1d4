package dtmf

import (
	"fmt"
	"time"
)

const (
	// endPackets is how often the end of an event is sent (RFC 4733 section
	// 2.5.1.4).
	endPackets = 3
	// volume is the level that is told, in -dBm0.
	volume = 10
)

// Packet is a telephone-event packet to send; sequence number and SSRC are the
// stream's own.
type Packet struct {
	Timestamp uint32
	Marker    bool
	Payload   [blockSize]byte
}

// Sender makes the packets of key presses, one for each packet interval, to be
// sent in place of sound. It is used by one goroutine at a time.
type Sender struct {
	rate  uint32
	queue []key
	// of the press that is being sent:
	start   uint32
	elapsed uint32 // 0: not begun
	ends    int    // end packets sent
	pause   uint32 // of the pause after it, how much has passed
}

// key is a press to send, in units of the RTP clock.
type key struct {
	code        byte
	tone, pause uint32
}

// NewSender makes a sender for a stream whose RTP clock runs at clockRate Hz.
func NewSender(clockRate int) *Sender { return &Sender{rate: uint32(clockRate)} }

// Press queues keys, each held for tone and followed by at least pause. It
// refuses, without queueing any, what is no key and a tone that is not
// positive or cannot be told in one segment (8 s at 8 kHz).
func (s *Sender) Press(keys string, tone, pause time.Duration) error {
	units := func(d time.Duration) int64 { return int64(d) * int64(s.rate) / int64(time.Second) }
	if t := units(tone); t < 1 || t > segment {
		return fmt.Errorf("dtmf: a tone of %v: must be from %v to %v", tone, duration(1, s.rate), duration(segment, s.rate))
	}
	if pause < 0 || pause > time.Hour {
		return fmt.Errorf("dtmf: a pause of %v: must be from 0 to 1 h", pause)
	}
	presses := make([]key, len(keys))
	for i := range len(keys) {
		code, ok := Code(keys[i])
		if !ok {
			return fmt.Errorf("dtmf: %q is no key: must be one of %s", keys[i], digits)
		}
		presses[i] = key{code, uint32(units(tone)), uint32(units(pause))}
	}
	s.queue = append(s.queue, presses...)
	return nil
}

// Busy reports whether presses, or the pause after one, are still to be sent.
func (s *Sender) Busy() bool { return len(s.queue) > 0 }

// Next gives the packet for the interval of length units that begins at
// timestamp. ok is false when there is none to send: the interval is sound's.
// Call it once for each interval.
func (s *Sender) Next(timestamp, length uint32) (p Packet, ok bool) {
	if len(s.queue) == 0 {
		return Packet{}, false
	}
	k := s.queue[0]
	if s.ends == endPackets {
		if s.pause < k.pause {
			s.pause += length
			return Packet{}, false
		}
		s.queue, s.elapsed, s.ends, s.pause = s.queue[1:], 0, 0, 0
		return s.Next(timestamp, length)
	}
	if s.ends > 0 {
		s.pause += length
	}
	if s.elapsed == 0 {
		s.start, p.Marker = timestamp, true
	}
	s.elapsed = min(s.elapsed+length, k.tone)
	if s.elapsed == k.tone {
		s.ends++
	}
	p.Timestamp = s.start
	Event{Code: k.code, End: s.ends > 0, Volume: volume, Duration: uint16(s.elapsed)}.Append(p.Payload[:0])
	return p, true
}
