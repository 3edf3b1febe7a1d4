package phone

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/emiago/sipgo/sip"

	"parley/internal/sdp"
)

// cancelTime is how long a 487 may take after the CANCEL (RFC 3261 section
// 9.1).
const cancelTime = 32 * time.Second

// Dial sends an INVITE to uri ("sip:bob@host:port", or without the scheme) and
// returns the call, which goes on by itself: Ringing, Answered and Ended say
// how. ctx bounds only the sending, which may need a name looked up or a
// connection made; to take the call back, use Hangup.
func (p *Phone) Dial(ctx context.Context, uri string) (*Call, error) {
	target, err := parseURI(uri)
	if err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	c, err := newCall(p, outgoingDialog(p, target), false)
	if err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	d := &dialing{call: c}
	if !p.cfg.Faults.NoOffer {
		offer := c.makeOffer(sdp.SendRecv)
		d.offer = &offer
	}
	c.invite = d.request()
	if !p.adopt(c) {
		c.stream.close()
		return nil, ErrClosed
	}
	c.trace("dialing", target.String())
	tx, err := p.send(ctx, c.invite)
	if err != nil {
		c.finish(End{Reason: Failed, Err: err})
		return nil, fmt.Errorf("phone: INVITE: %w", err)
	}
	if !p.start(func() { d.run(tx) }) {
		return nil, ErrClosed
	}
	return c, nil
}

// dialing is an outgoing call until its final response. Its goroutine alone
// uses it.
type dialing struct {
	call    *Call
	offer   *sdp.Session // nil: the other side offers
	tried   bool         // credentials were sent
	taken   bool         // CANCEL was sent
	proceed bool         // a provisional response came
}

func (d *dialing) request() *sip.Request {
	req := d.call.dialog.request(sip.INVITE)
	if d.offer != nil {
		setSDP(req, d.offer.Bytes())
	}
	return req
}

// run follows the INVITE transaction to the call's answer or end.
func (d *dialing) run(tx *sip.ClientTx) {
	c := d.call
	back, late := c.life.back, (<-chan time.Time)(nil)
	for {
		select {
		case res := <-tx.Responses():
			if h := c.phone.cfg.Hooks.Received; h != nil {
				h(res)
			}
			next, over := d.response(tx, res)
			if over {
				return
			}
			tx = next
		case <-back:
			back = nil
			late = time.After(cancelTime)
		case <-late:
			c.finish(End{Reason: LocalCancel})
			return
		case <-tx.Done():
			c.finish(d.noFinal(tx.Err()))
			return
		case <-c.phone.closing.Done():
			return
		}
		if back == nil && d.proceed && !d.taken {
			d.sendCancel()
		}
	}
}

// noFinal is the end of a call whose INVITE got no final response.
func (d *dialing) noFinal(err error) End {
	switch {
	case d.taken:
		return End{Reason: LocalCancel}
	case errors.Is(err, sip.ErrTransactionTimeout):
		return End{Reason: NoResponse}
	}
	return End{Reason: Failed, Err: err}
}

// response takes a response. It gives the transaction to go on with, which is
// another one after a challenge, or that the INVITE is over.
func (d *dialing) response(tx *sip.ClientTx, res *sip.Response) (next *sip.ClientTx, over bool) {
	c := d.call
	switch {
	case res.IsProvisional():
		d.provisional(res)
		return tx, false
	case res.IsSuccess():
		d.success(res)
		return nil, true
	case challenged(res) && !d.tried && c.phone.cfg.Account.Username != "" && !done(c.life.back):
		d.tried = true
		next, err := d.retry(res)
		if err != nil {
			c.finish(End{Reason: Failed, Err: err, Status: res.StatusCode})
			return nil, true
		}
		d.proceed = false
		return next, false
	case done(c.life.back) && res.StatusCode == sip.StatusRequestTerminated:
		c.finish(End{Reason: LocalCancel, Status: res.StatusCode})
	default:
		c.finish(End{Reason: RemoteRefusal, Status: res.StatusCode})
	}
	return nil, true
}

// provisional takes 1xx. A description in it is early media (RFC 3261 section
// 13.2.1): it is heard, and answered by sound.
func (d *dialing) provisional(res *sip.Response) {
	c := d.call
	d.proceed = true
	if res.StatusCode == sip.StatusTrying {
		return
	}
	if len(res.Body()) > 0 && d.offer != nil {
		if err := c.takeAnswer(*d.offer, res.Body()); err != nil {
			c.trace("error", "early media: "+err.Error())
		}
	}
	c.life.ring(res.StatusCode, c.phone.cfg.Now(), func() {
		c.trace("ringing", fmt.Sprintf("%d %s", res.StatusCode, res.Reason))
	})
}

// retry sends the INVITE again with credentials.
func (d *dialing) retry(res *sip.Response) (*sip.ClientTx, error) {
	c := d.call
	req := d.request()
	if err := c.phone.authorize(req, res); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.invite = req
	c.mu.Unlock()
	return c.phone.send(c.phone.closing, req)
}

// success takes the 2xx: acknowledges it, lets media flow, or hangs up where
// the call was taken back meanwhile (RFC 3261 section 9.1) or cannot be.
func (d *dialing) success(res *sip.Response) {
	c := d.call
	c.dialog.confirm(res)
	var answer []byte
	var err error
	switch {
	case d.offer == nil:
		answer, err = c.answerOffer(res.Body())
	case len(res.Body()) > 0 || !c.stream.active(): // else the answer was in a provisional response
		err = c.takeAnswer(*d.offer, res.Body())
	}
	// First answered, then the ACK: it permits the other side to hang up.
	answered := err == nil && c.life.answer(c.phone.cfg.Now(), func() { c.trace("answered", "") })
	c.acknowledge(res, answer)
	switch {
	case err != nil:
		d.bye(End{Reason: Failed, Err: err})
	case !answered:
		d.bye(End{Reason: LocalCancel, Status: res.StatusCode})
	}
}

func (d *dialing) bye(e End) {
	if err := d.call.bye(d.call.phone.closing, e); err != nil {
		d.call.trace("error", err.Error())
	}
}

// sendCancel takes the INVITE back (RFC 3261 section 9.1).
func (d *dialing) sendCancel() {
	d.taken = true
	c := d.call
	c.phone.start(func() {
		if err := c.SendCancel(c.phone.closing); err != nil {
			c.trace("error", err.Error())
		}
	})
}

// SendCancel sends a CANCEL for the call's INVITE now, in whatever state the
// call is, and waits for its response; it changes nothing else. Scripts that
// end a call use Hangup; this is for the CANCEL that comes too late or too
// early. The error of a refusal is a *StatusError.
func (c *Call) SendCancel(ctx context.Context) error {
	c.mu.Lock()
	invite := c.invite.Clone()
	c.mu.Unlock()
	if c.incoming {
		return fmt.Errorf("CANCEL: %w: the call came in", ErrState)
	}
	req := sip.NewRequest(sip.CANCEL, invite.Recipient)
	req.AppendHeader(invite.Via().Clone())
	sip.CopyHeaders("Route", invite, req)
	sip.CopyHeaders("From", invite, req)
	sip.CopyHeaders("To", invite, req)
	sip.CopyHeaders("Call-ID", invite, req)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: invite.CSeq().SeqNo, MethodName: sip.CANCEL})
	c.phone.complete(req)
	tx, err := c.phone.send(ctx, req)
	if err != nil {
		return fmt.Errorf("CANCEL: %w", err)
	}
	res, err := c.phone.final(ctx, tx, nil)
	if err != nil {
		return fmt.Errorf("CANCEL: %w", err)
	}
	if !res.IsSuccess() {
		return statusError(sip.CANCEL, res)
	}
	return nil
}

// acknowledge sends the ACK to a 2xx, and keeps it for further copies of the
// 2xx (RFC 3261 section 13.2.2.4).
func (c *Call) acknowledge(res *sip.Response, body []byte) {
	ack := c.dialog.build(sip.ACK, res.CSeq().SeqNo)
	setSDP(ack, body)
	c.mu.Lock()
	c.ack = ack
	c.mu.Unlock()
	c.sendACK()
}

// sendACK sends the kept ACK.
func (c *Call) sendACK() {
	c.mu.Lock()
	ack := c.ack
	c.mu.Unlock()
	if ack == nil || c.phone.cfg.Faults.NoACK {
		return
	}
	c.phone.write(ack.Clone())
}
