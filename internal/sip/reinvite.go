package sip

import (
	"errors"
	"math/rand/v2"
	"strconv"
	"time"

	"parley"
	"parley/internal/control"
	"parley/internal/media"
	"parley/internal/sip/message"
	"parley/internal/sip/transaction"

	sipgo "github.com/emiago/sipgo/sip"
)

// change is something that we want of the far end in the middle of a call, by
// a re-INVITE: another hold, or another media session.
type change struct {
	relocate bool
	mix      *media.Mix  // whose shard the new session is for
	ports    int         // how many were tried for it
	hold     bool        // where relocate is not set
	done     func(error) // may be nil
}

func (ch *change) tell(err error) {
	if ch.done != nil {
		ch.done(err)
	}
}

// changes are those of one call: one goes on at a time.
type changes struct {
	waiting []*change
	now     *change
	pause   *timer         // after a 491; nil when it is over
	sent    *sipgo.Request // the last re-INVITE
	ack     *acked         // the ACK to it
}

// drop ends all of them with err.
func (cs *changes) drop(err error) {
	cs.pause.stop()
	all := cs.waiting
	if cs.now != nil {
		all = append([]*change{cs.now}, all...)
	}
	cs.waiting, cs.now = nil, nil
	for _, ch := range all {
		ch.tell(err)
	}
}

// Hold implements control.Call.
func (c *call) Hold(hold bool) {
	c.post(func() {
		if c.phase != phaseUp {
			return
		}
		// Of several that wait only the last counts.
		for _, ch := range c.change.waiting {
			if !ch.relocate {
				ch.hold = hold
				return
			}
		}
		c.want(&change{hold: hold})
	})
}

// Move implements control.Call.
func (c *call) Move(mix *media.Mix, done func(error)) {
	ok := c.post(func() {
		s := c.media.session()
		switch {
		case c.phase == phaseOver:
			done(errOver)
		case c.phase != phaseUp || s == nil:
			done(parley.Errorf(parley.CodeNotJoined, "the call is not up yet"))
		case s.SameShard(mix):
			done(nil)
		default:
			c.want(&change{relocate: true, mix: mix, done: done})
		}
	})
	if !ok {
		done(errOver)
	}
}

// want asks for a change, now or when those before it are done.
func (c *call) want(ch *change) {
	c.change.waiting = append(c.change.waiting, ch)
	c.next()
}

// next begins the next change, if nothing stands against it: no request of
// ours that is not answered, no INVITE of the far end that is not acknowledged
// (RFC 3261 section 14.1).
func (c *call) next() {
	cs := &c.change
	idle := cs.now == nil && cs.pause == nil && c.ack == nil && c.media.offer == nil
	if c.phase == phaseOver || c.dialog == nil || !idle || len(cs.waiting) == 0 {
		return
	}
	cs.now, cs.waiting = cs.waiting[0], cs.waiting[1:]
	c.begin(cs.now)
}

// begin sends the re-INVITE of a change.
func (c *call) begin(ch *change) {
	s, hold := c.media.session(), c.media.hold
	switch {
	case ch.relocate:
		var err error
		if s, err = c.media.start(ch.mix, c.media.peer); err != nil {
			c.concluded(ch, err)
			return
		}
		ch.ports++
	case ch.hold == hold:
		c.concluded(ch, nil)
		return
	default:
		hold = ch.hold
	}
	c.ask(sipgo.INVITE, c.media.makeOffer(s, hold), func(m *message.Message, err error) {
		if err == nil && m.Status < 300 {
			c.changed(ch, m)
		} else {
			c.unchanged(ch, m, err)
		}
	})
}

// unchanged takes the refusal of our re-INVITE, or that there was no answer.
func (c *call) unchanged(ch *change, m *message.Message, err error) {
	c.media.withdraw()
	switch {
	case c.phase == phaseOver:
	case err != nil || m.Status == 408:
		// Whoever does not answer at all is gone (RFC 3261 section 12.2.1.2).
		c.finish(control.ReasonUnreachable, statusIn(m))
		c.sendBye()
	case m.Status == 481:
		c.finish(control.ReasonHangup, m.Status)
		c.sendBye()
	case m.Status == 491:
		cs := &c.change
		cs.now, cs.waiting = nil, append([]*change{ch}, cs.waiting...)
		cs.pause = c.after(c.glareDelay(), func() {
			cs.pause = nil
			c.next()
		})
	default:
		c.concluded(ch, parley.Errorf(parley.CodeInternal, "the far end refused a change of the call: %d %s", m.Status, message.Phrase(m.Status)))
	}
}

func statusIn(m *message.Message) int {
	if m == nil {
		return 0
	}
	return m.Status
}

// changed takes the 2xx to our re-INVITE: it is acknowledged in any case.
func (c *call) changed(ch *change, m *message.Message) {
	before := c.media.held
	_ = c.dialog.refresh(m) // without a Contact the far end stays where it was
	err := errNoOffer
	if c.phase != phaseOver {
		err = c.media.takeAnswer(m.Body())
	}
	c.change.ack = &acked{}
	c.owe()
	c.sendAck(c.dialog, c.change.sent, c.change.ack, func() {
		c.settle()
		switch {
		case c.phase == phaseOver:
		case err == nil:
			c.heldChanged(before)
			c.concluded(ch, nil)
		case errors.Is(err, media.ErrAddressInUse) && ch.relocate && ch.ports < maxPorts:
			c.begin(ch)
		default:
			// The far end has changed and we cannot follow.
			c.agent.cfg.Logger.Info("answer that cannot be used", "call", c.id, "error", err)
			c.concluded(ch, err)
			c.finish(control.ReasonError, 0)
			c.sendBye()
		}
	})
}

// concluded ends a change and begins the next.
func (c *call) concluded(ch *change, err error) {
	c.change.now = nil
	ch.tell(err)
	c.next()
}

// glareDelay is how long to wait after a 491 (RFC 3261 section 14.1): longer
// for whoever made the Call-ID.
func (c *call) glareDelay() time.Duration {
	if c.out != nil {
		return 2100*time.Millisecond + time.Duration(rand.IntN(191))*10*time.Millisecond
	}
	return time.Duration(rand.IntN(201)) * 10 * time.Millisecond
}

// reinvited answers a re-INVITE of the far end (RFC 3261 section 14.2). A
// refused one changes nothing.
func (c *call) reinvited(s *transaction.Server) {
	if c.glare(s) {
		return
	}
	m := &s.Message
	var body []byte
	before := c.media.held
	if len(m.Body()) == 0 {
		body = c.media.makeOffer(c.media.session(), c.media.hold)
	} else if body = c.answerOffer(s); body == nil {
		return
	}
	_ = c.dialog.refresh(m)
	c.flow = m.Reply
	res := s.Answer(200)
	res.AppendHeader(c.agent.contact(m.Reply))
	appendAbilities(res)
	setSDP(res, body)
	c.respond2xx(s, res)
	c.heldChanged(before)
}

// updated answers an UPDATE (RFC 3311): with an offer it is like a re-INVITE
// that needs no ACK, without one it may move the far end.
func (c *call) updated(s *transaction.Server) {
	m := &s.Message
	before := c.media.held
	var body []byte
	if len(m.Body()) > 0 {
		if c.glare(s) {
			return
		}
		if body = c.answerOffer(s); body == nil {
			return
		}
	}
	_ = c.dialog.refresh(m)
	res := s.Answer(200)
	res.AppendHeader(c.agent.contact(m.Reply))
	appendAbilities(res)
	if body != nil {
		setSDP(res, body)
	} else {
		res.SetBody(nil)
	}
	c.respond(s, res)
	c.heldChanged(before)
}

// glare refuses an offer that meets one of ours (491), or that comes before
// the last was answered (500).
func (c *call) glare(s *transaction.Server) bool {
	switch {
	case c.phase == phaseRinging || c.phase == phaseCalling && c.change.now == nil:
		res := s.Answer(500)
		res.AppendHeader(sipgo.NewHeader("Retry-After", strconv.Itoa(rand.IntN(11))))
		c.respond(s, res)
		return true
	case c.media.offer != nil:
		c.respond(s, s.Answer(491))
		return true
	}
	return false
}

// answerOffer makes the answer to the offer in a request; nil if the request
// was refused.
func (c *call) answerOffer(s *transaction.Server) []byte {
	if status, right := contentFault(&s.Message); status != 0 {
		res := s.Answer(status)
		res.AppendHeader(right)
		c.respond(s, res)
		return nil
	}
	body, err := c.media.answer(s.Message.Body())
	if err != nil {
		c.agent.cfg.Logger.Debug("offer that cannot be answered", "call", c.id, "error", err)
		status := refusalOf(err)
		if status == 503 {
			status = 488 // the call goes on as it is
		}
		c.respond(s, s.Answer(status))
		return nil
	}
	return body
}
