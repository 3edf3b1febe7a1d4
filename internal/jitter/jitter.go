// Package jitter turns the packets of an RTP stream, as they arrive, into
// frames on a beat: in order, at a steady pace, with what is missing concealed
// and with no more delay than the path's own unsteadiness needs.
//
// Everything happens in the time that the caller gives. A Buffer has a fixed
// size and never allocates.
package jitter

import "time"

// Decoder reads payloads of one stream, as codec.Decoder does.
type Decoder interface {
	Decode(dst []int16, payload []byte) (n int, err error)
}

// Config says what a Buffer is for.
type Config struct {
	// Decoder reads the payloads. One byte of payload is one sample and one
	// tick of the RTP clock, as in G.711.
	Decoder Decoder
	// Rate is the sample rate in Hz, 8000.
	Rate int
	// Frame is how many samples a Pop takes: 20 ms.
	Frame int
}

// The bounds of a Buffer.
const (
	// MaxPayload is the longest payload that Push takes: 60 ms at 8 kHz.
	MaxPayload = 480

	// holdTime is how long playing waits for a packet that is late, all in
	// all; the delay cannot grow by more than this at once.
	holdTime = 200 * time.Millisecond
	// jumpTime is the longest gap that is concealed; over a longer one that
	// the clock knows nothing of, playing jumps.
	jumpTime = 200 * time.Millisecond
	// lateRun is how many packets must come late in a row, none in time, for
	// the stream to be taken up anew where they are.
	lateRun = 4
)

// Kind says what a frame is made of.
type Kind uint8

// The kinds of frames.
const (
	Empty     Kind = iota // silence: the stream has not begun, or has paused
	Played                // what the far end said
	Concealed             // at least a part of it is made up
)

// Stats counts what a Buffer has done since New.
type Stats struct {
	Late       int64 // packets that came after their time
	Duplicates int64 // packets that came twice
	Overflows  int64 // packets dropped because the buffer was full
	Resyncs    int64 // times that playing jumped to another part of the stream
	Played     int64 // frames of kind Played
	Concealed  int64 // frames of kind Concealed
	Inserted   int64 // samples made up
	Removed    int64 // samples cut out to shorten the delay
	// Delay is the time from a packet's arrival to the Pop that begins to play
	// it, averaged over the last packets.
	Delay time.Duration
}

// Buffer is the jitter buffer of one stream. It is used by one goroutine at a
// time.
type Buffer struct {
	dec   Decoder
	rate  int
	frame int
	beat  time.Duration // of a frame

	queue queue
	audio audio
	mask  concealer
	delay delayTracker

	begun    bool          // next is valid
	next     uint32        // timestamp of the first sample not decoded yet
	held     int           // samples made up since the last decoded one, next standing still
	idle     bool          // held for so long that next runs on
	popped   time.Duration // time of the last Pop
	lates    int           // packets late in a row
	cooldown int           // Pops until audible cutting is allowed again
	stats    Stats
}

// New makes an empty Buffer.
func New(cfg Config) *Buffer {
	b := &Buffer{dec: cfg.Decoder, rate: cfg.Rate, frame: cfg.Frame}
	b.beat = b.duration(cfg.Frame)
	b.Reset()
	return b
}

// Reset forgets the stream, because another one begins; the counts stay. What
// was heard before still serves to hide the seam.
func (b *Buffer) Reset() {
	b.queue.clear()
	b.audio.drop(b.audio.pending())
	b.delay.reset()
	b.begun, b.idle = false, false
	b.held, b.lates = 0, 0
}

// SetDecoder changes how payloads from now on are read, and forgets those that
// wait.
func (b *Buffer) SetDecoder(dec Decoder) {
	b.dec = dec
	b.Reset()
}

// Stats tells what has happened so far.
func (b *Buffer) Stats() Stats {
	s := b.stats
	s.Delay = max(0, b.delay.average)
	return s
}

func (b *Buffer) duration(samples int) time.Duration {
	return time.Duration(samples) * time.Second / time.Duration(b.rate)
}

func (b *Buffer) samples(d time.Duration) int {
	return int(d * time.Duration(b.rate) / time.Second)
}

// Push takes the payload of a packet that arrived at the time given, and copies
// it. Payloads that are empty or longer than MaxPayload are ignored.
func (b *Buffer) Push(timestamp uint32, payload []byte, arrival time.Duration) {
	if len(payload) == 0 || len(payload) > MaxPayload {
		return
	}
	if b.begun && !b.accept(timestamp, len(payload), arrival) {
		return
	}
	for len(payload) > 0 {
		n := min(len(payload), cellSize)
		switch b.queue.insert(timestamp, payload[:n]) {
		case duplicate:
			b.stats.Duplicates++
			return
		case overflow:
			b.stats.Overflows++
		}
		timestamp += uint32(n)
		payload = payload[n:]
	}
}

// accept judges a packet of a running stream by its time, and reports whether
// it is still wanted.
func (b *Buffer) accept(timestamp uint32, n int, arrival time.Duration) bool {
	ahead := int(int32(timestamp - b.next))
	if ahead+n > 0 {
		b.lates = 0
		// Where in what is still to be played the packet begins.
		offset := b.audio.pending() + max(0, ahead-b.held)
		b.delay.observe(b.popped+b.beat+b.duration(offset)-arrival, arrival)
		return true
	}
	if b.queue.n > 0 {
		b.lates = 0
	}
	b.lates++
	if b.lates < lateRun {
		b.stats.Late++
		b.delay.observe(0, arrival)
		return false
	}
	// Nothing but late packets: the sender has begun anew, or the path has
	// become slower by more than holdTime.
	b.stats.Resyncs++
	b.Reset()
	return true
}

// Pop fills frame with the next samples. now is the time of the beat: what
// arrived before it could be played. Pops are a frame's duration apart.
func (b *Buffer) Pop(frame []int16, now time.Duration) Kind {
	b.popped = now
	if !b.begun && !b.begin() {
		clear(frame)
		return Empty
	}
	made := 0
	for b.audio.pending() < len(frame) {
		if gap := b.decodeNext(); gap > 0 {
			n := min(gap, len(frame)-b.audio.pending())
			b.conceal(n)
			made += n
		}
	}
	if made == 0 {
		b.shorten(len(frame))
	}
	b.audio.take(frame)
	switch {
	case made == 0:
		b.stats.Played++
		return Played
	case b.idle:
		return Empty
	}
	b.stats.Concealed++
	return Concealed
}

// Skip leaves out n samples, because the beat has left out that time.
func (b *Buffer) Skip(n int) {
	if !b.begun {
		return
	}
	pending := min(n, b.audio.pending())
	b.audio.drop(pending)
	b.next += uint32(n - pending)
}

// begin starts playing with the oldest packet, if there is one.
func (b *Buffer) begin() bool {
	if b.queue.n == 0 {
		return false
	}
	b.begun, b.idle = true, false
	b.held = 0
	b.next = b.queue.head().timestamp
	return true
}

// decodeNext decodes the packet whose turn it is. Where that is missing, it
// reports how many samples have to be made up: b.frame where nothing has come.
func (b *Buffer) decodeNext() (gap int) {
	for b.queue.n > 0 {
		head := b.queue.head()
		ahead := int(int32(head.timestamp - b.next))
		if ahead+head.len() <= 0 {
			b.queue.remove()
			b.stats.Late++
			continue
		}
		// A gap counts as over when as much time has been made up. If more has,
		// the packet was late: from here on everything is played that much
		// later.
		if gap = ahead - b.held; gap > 0 && gap <= b.samples(jumpTime) {
			return gap
		}
		b.decode(head, ahead, gap)
		b.queue.remove()
		return 0
	}
	return b.frame
}

// decode plays head, which lies ahead of b.next by so many samples.
func (b *Buffer) decode(head *cell, ahead, gap int) {
	if gap > 0 {
		b.stats.Resyncs++
		b.delay.reset()
	} else if b.held > 0 {
		b.delay.shift(b.duration(b.held - max(0, ahead)))
	}
	if ahead > 0 {
		b.next += uint32(ahead)
	}
	payload := head.payload()[max(0, -ahead):]
	dst := b.audio.extend(len(payload))
	n, _ := b.dec.Decode(dst, payload) // dst is as long as the payload
	clear(dst[n:])
	if b.mask.running {
		b.mask.join(dst)
	}
	b.next += uint32(len(payload))
	b.held, b.idle = 0, false
}

// conceal makes up n samples. For holdTime the stream stands still meanwhile,
// so that a late packet can still be played; after that it runs on.
func (b *Buffer) conceal(n int) {
	if !b.mask.running {
		b.mask.begin(b.audio.past())
	}
	b.mask.fill(b.audio.extend(n))
	b.stats.Inserted += int64(n)
	if b.held < b.samples(holdTime) {
		b.held += n
		return
	}
	b.idle = true
	b.next += uint32(n)
}
