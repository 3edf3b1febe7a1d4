package phone

import (
	"fmt"
	"math/rand/v2"
	"time"

	"parley/internal/sdp"
)

// local is what the phone can do in the call, with that direction. The call is
// locked.
func (c *Call) local(d sdp.Direction) sdp.Local {
	l := sdp.Local{
		Addr: c.stream.local(), Codecs: c.phone.cfg.Codecs, DTMFPayloadType: sdp.DTMFPayloadType,
		PTime: c.phone.cfg.PTime, Direction: d, SessionID: uint64(rand.Uint32()), Previous: c.previous,
	}
	if l.PTime == 0 {
		l.PTime = 20 * time.Millisecond
	}
	if c.phone.cfg.NoDigits {
		l.DTMFPayloadType = 0
	}
	return l
}

// makeOffer writes an offer with that direction, which counts as sent.
func (c *Call) makeOffer(d sdp.Direction) sdp.Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	offer := sdp.MakeOffer(c.local(d))
	c.previous = &offer
	return offer
}

// takeAnswer applies the answer to our offer.
func (c *Call) takeAnswer(offer sdp.Session, body []byte) error {
	answer, err := sdp.Parse(body)
	if err != nil {
		return err
	}
	n, err := sdp.AcceptAnswer(offer, answer)
	if err != nil {
		return err
	}
	return c.agree(n)
}

// answerOffer applies an offer and writes the answer to it.
func (c *Call) answerOffer(body []byte) ([]byte, error) {
	offer, err := sdp.Parse(body)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	answer, n, err := sdp.Answer(offer, c.local(c.direction))
	if err == nil {
		c.previous = &answer
	}
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if err := c.agree(n); err != nil {
		return nil, err
	}
	if h := c.phone.cfg.Hooks.AnswerSDP; h != nil {
		return h(body), nil
	}
	return answer.Bytes(), nil
}

// agree lets media flow as negotiated.
func (c *Call) agree(n sdp.Negotiated) error {
	before := c.Direction()
	active := c.stream.active()
	if err := c.stream.configure(n); err != nil {
		return fmt.Errorf("media: %w", err)
	}
	c.phone.sender.wake()
	if !active || before != n.Direction {
		c.trace("media", fmt.Sprintf("%v %s %v with %v", n.Direction, n.Codec.Name, n.PTime, n.Remote))
	}
	return nil
}
