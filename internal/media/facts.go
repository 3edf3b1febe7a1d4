package media

import (
	"sync/atomic"
	"time"

	"parley"
)

// Facts is told what a session hears. Its methods are called on a goroutine of
// the plane's own, in order for each session, and must not block for long:
// other sessions' facts wait.
type Facts interface {
	// Talking: the participant began or stopped talking. Debounced: it takes
	// some 100 ms of speech to begin and about a second of silence to stop.
	Talking(call parley.ID, talking bool, at time.Time)
	// Digit: a key was pressed, and held for duration (RFC 4733).
	Digit(call parley.ID, digit byte, duration time.Duration, at time.Time)
	// Silent: no packet has come for SilenceTimeout although the far end
	// should be sending. Told again only after a packet has come.
	Silent(call parley.ID, at time.Time)
}

// factKind is what a fact is about.
type factKind uint8

const (
	factTalking factKind = iota
	factDigit
	factSilent
	factDone  // a playing has ended: fn
	factChore // work of the shard that must not hold up the beat: fn
)

// fact is what a shard has to tell.
type fact struct {
	kind     factKind
	talking  bool
	digit    byte
	duration time.Duration
	at       time.Time
	session  *Session
	fn       func()
}

// tell passes f on; nothing is told of a session that has been closed.
func (f *fact) tell() {
	if f.fn != nil {
		f.fn()
		return
	}
	s := f.session
	if s.closed.Load() || s.facts == nil {
		return
	}
	switch f.kind {
	case factTalking:
		s.facts.Talking(s.call, f.talking, f.at)
	case factDigit:
		s.facts.Digit(s.call, f.digit, f.duration, f.at)
	case factSilent:
		s.facts.Silent(s.call, f.at)
	}
}

// ringSize is how many facts of a shard can wait.
const ringSize = 1 << 12

// ring takes facts from one shard to the plane's facts goroutine, without a
// lock: the shard alone moves tail, the other alone moves head.
type ring struct {
	head, tail atomic.Uint64
	facts      [ringSize]fact
}

// put adds f; false when the ring is full.
func (r *ring) put(f fact) bool {
	tail := r.tail.Load()
	if tail-r.head.Load() == ringSize {
		return false
	}
	r.facts[tail%ringSize] = f
	r.tail.Store(tail + 1)
	return true
}

// get takes the oldest fact.
func (r *ring) get() (f fact, ok bool) {
	head := r.head.Load()
	if head == r.tail.Load() {
		return f, false
	}
	f = r.facts[head%ringSize]
	r.facts[head%ringSize] = fact{}
	r.head.Store(head + 1)
	return f, true
}

// tellFacts is the facts goroutine: it runs until quit is closed, and then
// tells what is left.
func (p *Plane) tellFacts(quit <-chan struct{}) {
	for {
		for again := true; again; {
			again = false
			for _, s := range p.shards {
				if f, ok := s.facts.get(); ok {
					p.guard(f.tell)
					again = true
				}
			}
		}
		select {
		case <-p.wake:
			continue
		default:
		}
		select {
		case <-p.wake:
		case <-quit:
			for _, s := range p.shards {
				for f, ok := s.facts.get(); ok; f, ok = s.facts.get() {
					p.guard(f.tell)
				}
			}
			return
		}
	}
}
