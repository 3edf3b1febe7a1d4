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

// life is what happened to a call. The channels are closed once.
type life struct {
	ringing  chan struct{} // a provisional response other than 100 came or went
	answered chan struct{}
	acked    chan struct{} // the ACK to the 2xx came (incoming calls)
	ended    chan struct{}

	mu           sync.Mutex // guards what follows
	ringingAt    time.Time
	answeredAt   time.Time
	end          End
	provisionals []int
}

func newLife() life {
	return life{
		ringing: make(chan struct{}), answered: make(chan struct{}),
		acked: make(chan struct{}), ended: make(chan struct{}),
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

func (l *life) ring(status int, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.provisionals = append(l.provisionals, status)
	if !done(l.ringing) {
		l.ringingAt = now
		close(l.ringing)
	}
}

// answer is false where the call had ended, or was answered, before.
func (l *life) answer(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if done(l.ended) || done(l.answered) {
		return false
	}
	l.answeredAt = now
	close(l.answered)
	return true
}

func (l *life) ack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !done(l.acked) {
		close(l.acked)
	}
}

// finish is false where the call had ended before.
func (l *life) finish(e End) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if done(l.ended) {
		return false
	}
	l.end = e
	close(l.ended)
	return true
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
