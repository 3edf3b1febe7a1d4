package phone

import (
	"fmt"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Answering says what the phone does with an incoming call. The zero value
// rings (180) and answers at once.
type Answering struct {
	Ringing    []int         // the provisional responses, in order, at once; nil: 180; empty: none
	After      time.Duration // from then to the final response
	Status     int           // the final response; 0: 200. 486 is busy, 603 declined
	Wait       bool          // sends no final response: Answer, Reject, Hangup or the other side decide
	EarlyMedia bool          // provisional responses from 181 on carry the answer, and sound is sent
}

// follow goes through the script for an incoming call.
func (c *Call) follow(a Answering) {
	ringing := a.Ringing
	if ringing == nil {
		ringing = []int{sip.StatusRinging}
	}
	for _, status := range ringing {
		if err := c.ring(status, a.EarlyMedia && status > sip.StatusRinging); err != nil {
			c.trace("error", err.Error())
		}
	}
	var after <-chan time.Time
	if !a.Wait {
		timer := time.NewTimer(a.After)
		defer timer.Stop()
		after = timer.C
	}
	select {
	case <-after:
	case <-c.decided:
		return
	case <-c.phone.closing.Done():
		return
	}
	var err error
	if a.Status == 0 || a.Status == sip.StatusOK {
		err = c.Answer()
	} else {
		err = c.Reject(a.Status)
	}
	if err != nil {
		c.trace("error", err.Error())
	}
}

// decide makes the caller the one who sends the final response.
func (c *Call) decide() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.incoming || done(c.decided) {
		return false
	}
	close(c.decided)
	return true
}

// Ring sends a provisional response (101 to 199) to an incoming call.
func (c *Call) Ring(status int) error { return c.ring(status, false) }

// Progress sends a provisional response with the answer to the offer, after
// which sound flows: early media.
func (c *Call) Progress(status int) error { return c.ring(status, true) }

func (c *Call) ring(status int, media bool) error {
	if !c.incoming || done(c.decided) {
		return fmt.Errorf("response %d: %w", status, ErrState)
	}
	var body []byte
	if media {
		var err error
		if body, err = c.earlyAnswer(); err != nil {
			return fmt.Errorf("early media: %w", err)
		}
	}
	if err := c.phone.respond(c.server, c.response(status, body)); err != nil {
		return err
	}
	c.life.ring(status, c.phone.cfg.Now(), func() { c.trace("ringing", fmt.Sprint(status)) })
	return nil
}

// earlyAnswer is the answer to the INVITE's offer, the same each time.
func (c *Call) earlyAnswer() ([]byte, error) {
	c.mu.Lock()
	early, offer := c.early, c.invite.Body()
	c.mu.Unlock()
	if early != nil || len(offer) == 0 {
		return early, nil
	}
	answer, err := c.answerOffer(offer)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.early = answer
	c.mu.Unlock()
	return answer, nil
}

// response is one to the INVITE that began the call.
func (c *Call) response(status int, body []byte) *sip.Response {
	return c.phone.inviteResponse(c.invite, c.dialog.local.tag, status, body)
}

// inviteResponse is a response to an INVITE, with our tag and contact.
func (p *Phone) inviteResponse(invite *sip.Request, tag string, status int, body []byte) *sip.Response {
	res := sip.NewResponseFromRequest(invite, status, reasonPhrase(status), nil)
	if to := res.To(); to != nil {
		to.Params = sip.HeaderParams{{K: "tag", V: tag}}
	}
	if status < 300 {
		res.AppendHeader(&sip.ContactHeader{Address: p.contact()})
		res.AppendHeader(sip.NewHeader("Allow", allow))
	}
	setSDP(res, body)
	return res
}

// Answer accepts an incoming call with 200. The error wraps ErrState where it
// has its final response already; a call that has no sound in common with the
// phone is refused with 488.
func (c *Call) Answer() error {
	if !c.decide() {
		return fmt.Errorf("answer: %w", ErrState)
	}
	body, err := c.finalDescription()
	if err != nil {
		c.phone.refuse(c.server, c.invite, sip.StatusNotAcceptableHere)
		c.finish(End{Reason: LocalRefusal, Status: sip.StatusNotAcceptableHere})
		return fmt.Errorf("answer: %w", err)
	}
	acked := c.expectACK(c.invite.CSeq().SeqNo)
	res := c.response(sip.StatusOK, body)
	if err := c.phone.respond(c.server, res); err != nil {
		c.finish(End{Reason: RemoteCancel})
		return fmt.Errorf("answer: %w", err)
	}
	c.life.answer(c.phone.cfg.Now(), func() { c.trace("answered", "") })
	c.phone.start(func() { c.repeatUntilACK(c.server, res, acked) })
	return nil
}

// finalDescription is the body of the 200: the answer, or an offer where the
// INVITE had none (RFC 3261 section 13.2.1).
func (c *Call) finalDescription() ([]byte, error) {
	if len(c.invite.Body()) > 0 {
		return c.earlyAnswer()
	}
	return c.offerInResponse(), nil
}

// offerInResponse makes an offer whose answer the ACK will bring.
func (c *Call) offerInResponse() []byte {
	offer := c.makeOffer(c.direction)
	c.mu.Lock()
	c.unheard = &offer
	c.mu.Unlock()
	return offer.Bytes()
}

// Reject refuses an incoming call with a final response (300 to 699). The error
// wraps ErrState where it has one already.
func (c *Call) Reject(status int) error {
	if !c.decide() {
		return fmt.Errorf("response %d: %w", status, ErrState)
	}
	err := c.phone.respond(c.server, c.response(status, nil))
	c.finish(End{Reason: LocalRefusal, Status: status})
	return err
}

// The times of RFC 3261 section 13.3.1.4, by which a 2xx is sent again.
const (
	firstRepeat = 500 * time.Millisecond
	lastRepeat  = 4 * time.Second
	ackTime     = 32 * time.Second
)

// expectACK gives the channel that is closed when the ACK to the 2xx of the
// INVITE with that sequence number comes.
func (c *Call) expectACK(seq uint32) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	acked := make(chan struct{})
	c.acks[seq] = acked
	return acked
}

// repeatUntilACK sends the 2xx again and again until its ACK comes; without one
// it ends the call.
func (c *Call) repeatUntilACK(tx *sip.ServerTx, res *sip.Response, acked <-chan struct{}) {
	interval := firstRepeat
	repeat, limit := time.NewTimer(interval), time.NewTimer(ackTime)
	defer repeat.Stop()
	defer limit.Stop()
	for {
		select {
		case <-acked:
			return
		case ack := <-tx.Acks():
			c.takeACK(ack)
		case <-repeat.C:
			if err := tx.Respond(res); err != nil {
				c.trace("error", err.Error())
			}
			interval = min(2*interval, lastRepeat)
			repeat.Reset(interval)
		case <-limit.C:
			if err := c.bye(c.phone.closing, End{Reason: NoACK}); err != nil {
				c.trace("error", err.Error())
			}
			return
		case <-c.life.ended:
			return
		case <-c.phone.closing.Done():
			return
		}
	}
}
