package phone

import (
	"context"
	"errors"
	"fmt"

	"github.com/emiago/sipgo/sip"

	"parley/internal/sdp"
)

// Hangup ends the call as its state wants it: CANCEL before an outgoing one is
// answered, 480 before an incoming one is, else BYE. It returns when the other
// side has responded, and nil where the call had ended before. A refused or
// unanswered BYE is an error; the call has ended all the same.
func (c *Call) Hangup(ctx context.Context) error {
	switch {
	case done(c.life.ended):
		return nil
	case c.incoming:
		if err := c.Reject(sip.StatusTemporarilyUnavailable); !errors.Is(err, ErrState) {
			return err
		}
		return c.byeAfterACK(ctx)
	case !c.life.takeBack(func() { c.trace("cancelling", "") }):
		return c.bye(ctx, End{Reason: LocalHangup})
	}
	select {
	case <-c.life.ended:
		return nil
	case <-ctx.Done():
		c.finish(End{Reason: LocalCancel})
		return context.Cause(ctx)
	}
}

// byeAfterACK is bye for an incoming call: it may send a BYE only when the ACK
// to its 2xx has come (RFC 3261 section 15).
func (c *Call) byeAfterACK(ctx context.Context) error {
	select {
	case <-c.life.acked:
	case <-c.life.ended:
		return nil
	case <-ctx.Done(): // no ACK will help any more
	}
	return c.bye(ctx, End{Reason: LocalHangup})
}

// bye ends the call and tells the other side.
func (c *Call) bye(ctx context.Context, e End) error {
	c.finish(e)
	_, err := c.phone.exchange(ctx, func() *sip.Request { return c.dialog.request(sip.BYE) })
	if err != nil {
		return fmt.Errorf("BYE: %w", err)
	}
	return nil
}

// Hold asks that media flow like that, by a re-INVITE: sdp.SendOnly or
// sdp.Inactive hold the other side, sdp.SendRecv takes it back. It returns when
// the other side has agreed. The error of a refusal is a *StatusError, of 491
// for instance (RFC 3261 section 14.1), and leaves everything as it was.
func (c *Call) Hold(ctx context.Context, d sdp.Direction) error {
	c.mu.Lock()
	busy, before := c.pending, c.direction
	c.pending = true
	c.mu.Unlock()
	if busy {
		return fmt.Errorf("re-INVITE: %w: another one is under way", ErrState)
	}
	err := c.reinvite(ctx, d)
	c.mu.Lock()
	c.pending, c.direction = false, d
	if err != nil {
		c.direction = before
	}
	c.mu.Unlock()
	return err
}

// Unhold lets media flow both ways again.
func (c *Call) Unhold(ctx context.Context) error { return c.Hold(ctx, sdp.SendRecv) }

func (c *Call) reinvite(ctx context.Context, d sdp.Direction) error {
	if !done(c.life.answered) || done(c.life.ended) {
		return fmt.Errorf("re-INVITE: %w: it is not answered, or over", ErrState)
	}
	offer := c.makeOffer(d)
	res, err := c.phone.exchange(ctx, func() *sip.Request {
		req := c.dialog.request(sip.INVITE)
		setSDP(req, offer.Bytes())
		return req
	})
	if err != nil {
		return fmt.Errorf("re-INVITE: %w", err)
	}
	c.dialog.refresh(res.Contact())
	err = c.takeAnswer(offer, res.Body())
	c.acknowledge(res, nil)
	if err != nil {
		return fmt.Errorf("re-INVITE: %w", err)
	}
	return nil
}
