package sip

import (
	"runtime/debug"
	"time"

	"parley"
	"parley/internal/control"
	"parley/internal/media"
	"parley/internal/sip/message"
	"parley/internal/sip/transaction"

	sipgo "github.com/emiago/sipgo/sip"
)

// phase is how far a call has come.
type phase uint8

const (
	phaseCalling  phase = iota // out: not answered yet, or not usable yet
	phaseRinging               // in: not answered yet
	phaseAccepted              // in: answered with our offer, whose answer comes with the ACK
	phaseUp                    // Answered was told
	phaseOver                  // Ended was told; maybe something is owed to the far end
)

// call is one call. Its goroutine runs the closures in its inbox and alone
// knows the fields below it. It is the control.Call of the use cases.
type call struct {
	agent *Agent
	id    parley.ID
	inbox *inbox
	media *negotiation

	events control.CallEvents // nil until Incoming has returned one
	phase  phase
	debts  int     // what is still to be done for the far end
	dialog *dialog // nil until there is one
	flow   message.Flow
	ack    *unacked // our 2xx to an INVITE that has no ACK yet
	bye    bool     // a BYE is owed once the ACK has come
	out    *outgoing
	in     *incoming
	change changes
}

// newCall makes a call that is run by start.
func (a *Agent) newCall(id parley.ID, p phase) *call {
	c := &call{agent: a, id: id, inbox: newInbox(), phase: p}
	c.media = newNegotiation(a.open, media.SessionConfig{Call: id, Facts: facts{c}, CNAME: newTag()})
	return c
}

// run does what comes, until the call is over and nothing is owed.
func (c *call) run() {
	for !c.done() {
		for _, f := range c.inbox.take() {
			c.guarded(f)
		}
	}
	c.agent.forget(c)
	for _, f := range c.inbox.close() {
		c.guarded(f)
	}
}

func (c *call) done() bool { return c.phase == phaseOver && c.debts == 0 }

// guarded runs f; a panic ends the call.
func (c *call) guarded(f func()) {
	defer func() {
		if p := recover(); p != nil {
			c.agent.panics.Add(1)
			c.agent.cfg.Logger.Error("panic in a call, which is ended", "call", c.id, "panic", p, "stack", string(debug.Stack()))
			c.abort()
		}
	}()
	f()
}

// abort ends a call that panicked as well as that goes.
func (c *call) abort() {
	defer func() {
		if p := recover(); p != nil {
			c.agent.cfg.Logger.Error("panic while a call was aborted", "call", c.id, "panic", p)
			c.phase, c.debts = phaseOver, 0
		}
	}()
	c.debts = 0 // who was to settle them may have panicked
	c.hangup(control.ReasonError)
}

// post gives f to the call's goroutine; false if that has ended.
func (c *call) post(f func()) bool { return c.inbox.put(f) }

// owe keeps the call's goroutine until settle: something is to be done for
// the far end.
func (c *call) owe() { c.debts++ }

func (c *call) settle() { c.debts = max(0, c.debts-1) }

// timer runs something on the call's goroutine later.
type timer struct {
	t    *time.Timer
	over bool // for the call's goroutine: the closure may be in the inbox already
}

func (c *call) after(d time.Duration, f func()) *timer {
	t := &timer{}
	t.t = time.AfterFunc(d, func() {
		c.post(func() {
			if !t.over {
				t.over = true
				f()
			}
		})
	})
	return t
}

// stop is for the call's goroutine, and for a timer that may be nil.
func (t *timer) stop() {
	if t != nil {
		t.over = true
		t.t.Stop()
	}
}

// finish tells that the call has ended, once, and ends its media. What is owed
// to the far end goes on.
func (c *call) finish(reason string, status int) {
	if c.phase == phaseOver {
		return
	}
	c.phase = phaseOver
	c.stopWaiting()
	c.change.drop(errOver)
	c.media.close()
	c.agent.cfg.Logger.Debug("call ended", "call", c.id, "reason", reason, "status", status)
	if c.events != nil {
		c.events.Ended(control.CallEnd{At: c.agent.cfg.Now(), Reason: reason, Status: status})
	}
}

// stopWaiting stops the timers of a call that is over.
func (c *call) stopWaiting() {
	if c.out != nil {
		c.out.deadline.stop()
	}
	if c.in != nil {
		c.in.deadline.stop()
	}
}

// errOver: the call has ended.
var errOver = parley.Errorf(parley.CodeCallEnded, "the call has ended")

// Session implements control.Call.
func (c *call) Session() *media.Session {
	s, _ := c.media.session().(*media.Session)
	return s
}

// Answer implements control.Call.
func (c *call) Answer(mix *media.Mix) { c.post(func() { c.accept(mix) }) }

// Reject implements control.Call.
func (c *call) Reject(status int) {
	if status < 400 || status > 699 {
		status = 603
	}
	c.post(func() {
		if c.phase == phaseRinging {
			c.refuse(status, reasonOf(status))
		}
	})
}

// Hangup implements control.Call.
func (c *call) Hangup(reason string) { c.post(func() { c.hangup(reason) }) }

// hangup ends the call in the way that its state asks for.
func (c *call) hangup(reason string) {
	switch c.phase {
	case phaseCalling:
		c.cancel(reason)
	case phaseRinging:
		c.refuse(statusOf(reason), reason)
	case phaseAccepted, phaseUp:
		c.finish(reason, 0)
		c.sendBye()
	case phaseOver:
	}
}

// sendBye ends the dialog. Who was called must not before the ACK has come
// (RFC 3261 section 15).
func (c *call) sendBye() {
	if c.ack != nil {
		c.bye = true
		return
	}
	c.ask(sipgo.BYE, nil, nil)
}

// answered tells that the call is up.
func (c *call) answered() {
	c.phase = phaseUp
	c.stopWaiting()
	c.in = nil // the INVITE and its offer
	c.agent.answered.Add(1)
	c.events.Answered(c.agent.cfg.Now())
	if c.media.held {
		c.events.Held(true, c.agent.cfg.Now())
	}
}

// heldChanged tells what an exchange has changed of the far end's hold.
func (c *call) heldChanged(before bool) {
	if c.phase == phaseUp && c.media.held != before {
		c.events.Held(c.media.held, c.agent.cfg.Now())
	}
}

// ask sends a request within the dialog, answers a challenge to it, and hands
// the final answer, or the error instead of one, to done, which may be nil.
// body is an offer, or nil.
func (c *call) ask(method sipgo.RequestMethod, body []byte, done func(m *message.Message, err error)) {
	req := c.dialog.request(method)
	if body != nil {
		setSDP(req, body)
	} else {
		req.SetBody(nil)
	}
	c.owe()
	finally := func(m *message.Message, err error) {
		c.settle()
		if done != nil {
			done(m, err)
		}
	}
	h, err := c.dialog.hop()
	if err != nil {
		finally(nil, err)
		return
	}
	c.reach(c.agent.ctx, h, c.flow, func(f message.Flow, err error) {
		if err != nil {
			finally(nil, err)
			return
		}
		if method != sipgo.BYE {
			req.AppendHeader(c.agent.contact(f))
		}
		c.sendWithin(req, f, finally)
	})
}

// sendWithin sends a request that ask has made.
func (c *call) sendWithin(req *sipgo.Request, f message.Flow, done func(m *message.Message, err error)) {
	req.PrependHeader(c.agent.via(f, newBranch()))
	if req.IsInvite() {
		c.change.sent = req
	}
	final := false
	c.transact(req, f, func(m *message.Message, err error) {
		switch {
		case err == nil && m.Status < 200:
		case final: // a 2xx to a re-INVITE, repeated
			c.change.ack.repeat()
		default:
			final = true // of this transaction
			if err == nil {
				if again := c.authorize(req, m, f, c.dialog.localSeq+1); again != nil {
					c.dialog.localSeq++
					c.sendWithin(again, f, done)
					return
				}
			}
			done(m, err)
		}
	})
}

// transact sends a request and hands what comes of it to handle, on the call's
// goroutine as long as that runs.
func (c *call) transact(req *sipgo.Request, f message.Flow, handle func(m *message.Message, err error)) *transaction.Client {
	req.SetTransport(f.Network())
	return c.agent.layer.Send(req, f, func(m *message.Message, err error) {
		if !c.post(func() { handle(m, err) }) && m != nil {
			c.agent.late(req, m, f)
		}
	})
}

// setSDP gives a message a session description.
func setSDP(m sipgo.Message, body []byte) {
	m.AppendHeader(sipgo.NewHeader("Content-Type", "application/sdp"))
	m.SetBody(body)
}

// facts are what a call's media tells; they go through the call's goroutine,
// so that nothing is told after Ended or beside it.
type facts struct{ c *call }

func (f facts) tell(t func(control.CallEvents)) {
	f.c.post(func() {
		if f.c.events != nil && f.c.phase != phaseOver {
			t(f.c.events)
		}
	})
}

// Talking implements media.Facts.
func (f facts) Talking(call parley.ID, talking bool, at time.Time) {
	f.tell(func(e control.CallEvents) { e.Talking(call, talking, at) })
}

// Digit implements media.Facts.
func (f facts) Digit(call parley.ID, digit byte, duration time.Duration, at time.Time) {
	f.tell(func(e control.CallEvents) { e.Digit(call, digit, duration, at) })
}

// Silent implements media.Facts.
func (f facts) Silent(call parley.ID, at time.Time) {
	f.tell(func(e control.CallEvents) { e.Silent(call, at) })
}
