package dtmf

import "time"

const (
	// silence ends an event whose end packets were all lost. Senders repeat a
	// running event every 20 to 50 ms.
	silence = 300 * time.Millisecond
	// forget is how long nothing must have come before a timestamp older than
	// all known ones counts as a sender's restart, not as a late packet.
	forget = 5 * time.Second
	// stale is how far a late packet may lie behind the newest event.
	stale = 10 * time.Second
	// memory is the number of events remembered so that their late packets are
	// not taken for new ones.
	memory = 32
	// segment is the longest duration that a block can tell; a longer event is
	// continued in segments that far apart (RFC 4733 section 2.5.1.3).
	segment = 0xffff
)

// Receiver makes digits of the telephone-event packets of one RTP stream, in
// whatever order they come and however many of them are lost: each press gives
// one Digit, when its end is known. Make a new one when the SSRC changes.
//
// It does not allocate. It is used by one goroutine at a time. The zero
// Receiver is not usable.
type Receiver struct {
	rate   uint32
	events [memory]press // the first n, in order of start
	n      int
	open   int // how many of them are not reported yet
	heard  time.Time
}

// press is an event that packets have told of.
type press struct {
	start    uint32 // RTP timestamp
	code     byte
	ended    bool // a packet with the E bit came
	reported bool
	length   uint32    // the longest duration told, over all segments
	heard    time.Time // when the last packet came
}

// NewReceiver makes a receiver for a stream whose RTP clock runs at clockRate Hz.
func NewReceiver(clockRate int) *Receiver { return &Receiver{rate: uint32(clockRate)} }

// Receive takes the payload of a telephone-event packet, which came at now and
// whose RTP header has timestamp. Events that are not keys are ignored. The
// error is ErrShort or nil. Call Next after it.
func (r *Receiver) Receive(timestamp uint32, payload []byte, now time.Time) error {
	if len(payload) < blockSize {
		return ErrShort
	}
	// A payload may hold several events, each beginning where the one before
	// it ends (RFC 4733 section 2.5.1.5).
	for ; len(payload) >= blockSize; payload = payload[blockSize:] {
		e := parse(payload)
		if _, ok := Key(e.Code); ok {
			r.block(timestamp, e, now)
		}
		timestamp += uint32(e.Duration)
	}
	r.heard = now
	return nil
}

// block takes one event block that began at timestamp.
func (r *Receiver) block(timestamp uint32, e Event, now time.Time) {
	p, offset := r.find(timestamp, e.Code)
	if p == nil {
		if p = r.insert(timestamp, e.Code, now); p == nil {
			return
		}
	}
	p.length = max(p.length, offset+uint32(e.Duration))
	p.ended = p.ended || e.End
	p.heard = now
}

// find gives the known press that a block belongs to, and how far behind its
// start the block's segment begins.
func (r *Receiver) find(timestamp uint32, code byte) (*press, uint32) {
	for i := r.n - 1; i >= 0; i-- {
		p := &r.events[i]
		if p.code != code {
			continue
		}
		offset := timestamp - p.start
		if offset == 0 {
			return p, 0
		}
		if !p.ended && offset%segment == 0 && offset <= p.length+segment {
			return p, offset
		}
	}
	return nil, 0
}

// insert makes room for a new press in the order of start. It gives nil where
// the press is too old, or where too many are open.
func (r *Receiver) insert(timestamp uint32, code byte, now time.Time) *press {
	if r.n > 0 && int32(timestamp-r.events[0].start) < 0 && now.Sub(r.heard) >= forget {
		r.n, r.open = 0, 0
	}
	i := r.n
	for i > 0 && int32(timestamp-r.events[i-1].start) < 0 {
		i--
	}
	if i < r.n && duration(uint64(r.events[r.n-1].start-timestamp), r.rate) > stale {
		return nil
	}
	if r.n == memory {
		if i == 0 || !r.events[0].reported {
			return nil
		}
		copy(r.events[:], r.events[1:])
		r.n--
		i--
	}
	copy(r.events[i+1:r.n+1], r.events[i:r.n])
	r.events[i] = press{start: timestamp, code: code, heard: now}
	r.n++
	r.open++
	return &r.events[i]
}

// Next gives the next digit that is over by now, in the order in which the
// keys were pressed; ok is false when there is none. Call it after Receive and
// on each beat until ok is false; without an open press it costs a comparison.
//
// A press is over when a packet said so, when a later one is over, or when no
// packet has told of it for 300 ms.
func (r *Receiver) Next(now time.Time) (d Digit, ok bool) {
	if r.open == 0 {
		return Digit{}, false
	}
	for i := range r.n {
		p := &r.events[i]
		if p.reported {
			continue
		}
		length := p.length
		switch {
		case p.ended || now.Sub(p.heard) >= silence:
		case r.endsAfter(i):
			length = min(length, r.events[i+1].start-p.start)
		default:
			return Digit{}, false
		}
		p.reported = true
		r.open--
		return Digit{Key: digits[p.code], Duration: duration(uint64(length), r.rate), Timestamp: p.start}, true
	}
	return Digit{}, false
}

// endsAfter reports whether a press after the i-th is over.
func (r *Receiver) endsAfter(i int) bool {
	for _, p := range r.events[i+1 : r.n] {
		if p.ended {
			return true
		}
	}
	return false
}
