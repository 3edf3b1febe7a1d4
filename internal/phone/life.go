package phone

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// EndReason says how a call ended.
type EndReason string

// The reasons.
const (
	LocalHangup   EndReason = "local_hangup"   // the phone sent BYE
	RemoteHangup  EndReason = "remote_hangup"  // the other side sent BYE
	LocalCancel   EndReason = "local_cancel"   // the phone took its INVITE back before it was answered
	RemoteCancel  EndReason = "remote_cancel"  // the other side took its INVITE back
	LocalRefusal  EndReason = "local_refusal"  // the phone refused the INVITE; Status says with what
	RemoteRefusal EndReason = "remote_refusal" // the other side refused; Status says with what
	NoResponse    EndReason = "no_response"    // no response at all came to a request
	NoACK         EndReason = "no_ack"         // the phone answered, and no ACK came in 32 s
	Failed        EndReason = "failed"         // Err says why
)

// End is how and when a call ended.
type End struct {
	Reason EndReason
	Status int       // of the final response, where there was one that matters
	Err    error     // with Failed
	At     time.Time // by the phone's clock
}

// String is the reason with its status or error.
func (e End) String() string {
	switch {
	case e.Err != nil:
		return fmt.Sprintf("%s: %v", e.Reason, e.Err)
	case e.Status != 0:
		return fmt.Sprintf("%s %d", e.Reason, e.Status)
	}
	return string(e.Reason)
}

// life is what happened to a call. Each channel is closed once; ringing,
// answered and ended after the event was told (tell), so that whoever waits for
// them finds the events in order.
type life struct {
	ringing  chan struct{} // a provisional response other than 100 came or went
	answered chan struct{}
	acked    chan struct{} // the ACK to the 2xx came (incoming calls)
	back     chan struct{} // an outgoing call is to be taken back
	ended    chan struct{}

	mu           sync.Mutex // guards what follows
	ringingAt    time.Time
	answeredAt   time.Time // set: the call was answered
	takenBack    bool
	end          End // with a reason: the call is over
	provisionals []int
	wasAcked     bool
}

func newLife() life {
	return life{
		ringing: make(chan struct{}), answered: make(chan struct{}), acked: make(chan struct{}),
		back: make(chan struct{}), ended: make(chan struct{}),
	}
}

// done reports whether c is closed.
func done(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (l *life) ring(status int, now time.Time, tell func()) {
	l.mu.Lock()
	first := l.ringingAt.IsZero()
	if first {
		l.ringingAt = now
	}
	l.provisionals = append(l.provisionals, status)
	l.mu.Unlock()
	tell()
	if first {
		close(l.ringing)
	}
}

// answer makes the call answered, unless it has ended, was answered or taken
// back before: then it is false.
func (l *life) answer(now time.Time, tell func()) bool {
	l.mu.Lock()
	if l.end.Reason != "" || !l.answeredAt.IsZero() || l.takenBack {
		l.mu.Unlock()
		return false
	}
	l.answeredAt = now
	l.mu.Unlock()
	tell()
	close(l.answered)
	return true
}

// takeBack asks that an outgoing call be cancelled; false: it was answered, and
// only a BYE can end it.
func (l *life) takeBack(tell func()) bool {
	l.mu.Lock()
	answered, first := !l.answeredAt.IsZero(), !l.takenBack
	l.takenBack = l.takenBack || !answered
	l.mu.Unlock()
	if answered {
		return false
	}
	if first {
		close(l.back)
		tell()
	}
	return true
}

func (l *life) ack() {
	l.mu.Lock()
	first := !l.wasAcked
	l.wasAcked = true
	l.mu.Unlock()
	if first {
		close(l.acked)
	}
}

// finish ends the call, once.
func (l *life) finish(e End, tell func()) {
	l.mu.Lock()
	first := l.end.Reason == ""
	if first {
		l.end = e
	}
	l.mu.Unlock()
	if first {
		tell()
		close(l.ended)
	}
}

// Ringing is closed when the first provisional response over 100 came (or, of
// an incoming call, went).
func (c *Call) Ringing() <-chan struct{} { return c.life.ringing }

// Answered is closed when the call was answered: its 2xx came, or went.
func (c *Call) Answered() <-chan struct{} { return c.life.answered }

// Acknowledged is closed when the ACK to the phone's 2xx came.
func (c *Call) Acknowledged() <-chan struct{} { return c.life.acked }

// Ended is closed when the call is over; End then says how.
func (c *Call) Ended() <-chan struct{} { return c.life.ended }

// RingingAt is when Ringing was closed, zero before.
func (c *Call) RingingAt() time.Time {
	c.life.mu.Lock()
	defer c.life.mu.Unlock()
	return c.life.ringingAt
}

// AnsweredAt is when Answered was closed, zero before.
func (c *Call) AnsweredAt() time.Time {
	c.life.mu.Lock()
	defer c.life.mu.Unlock()
	return c.life.answeredAt
}

// End is how the call ended; zero before Ended is closed.
func (c *Call) End() End {
	c.life.mu.Lock()
	defer c.life.mu.Unlock()
	return c.life.end
}

// Provisionals are the provisional responses over 100 that came or went, in
// their order.
func (c *Call) Provisionals() []int {
	c.life.mu.Lock()
	defer c.life.mu.Unlock()
	return slices.Clone(c.life.provisionals)
}
