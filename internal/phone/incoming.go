package phone

import (
	"fmt"

	"github.com/emiago/sipgo/sip"
)

// onRequest takes every request. It runs on a goroutine of the transaction
// layer, one for each request, and does not block.
func (p *Phone) onRequest(req *sip.Request, tx *sip.ServerTx) {
	defer func() {
		if r := recover(); r != nil {
			p.log.Error("request handler panicked", "method", req.Method, "panic", r)
			tx.Terminate()
		}
	}()
	if h := p.cfg.Hooks.Received; h != nil {
		h(req)
	}
	switch deaf := p.cfg.Faults.Deaf; {
	case deaf != nil && deaf(req), p.closing.Err() != nil:
		tx.Terminate()
		return
	case req.CallID() == nil || req.From() == nil || req.To() == nil:
		p.refuse(tx, req, sip.StatusBadRequest)
		return
	}
	switch req.Method {
	case sip.INVITE:
		p.onInvite(req, tx)
	case sip.ACK:
		if c := p.find(req); c != nil {
			c.takeACK(req)
		}
		tx.Terminate()
	case sip.BYE:
		p.onBye(req, tx)
	case sip.CANCEL: // of an INVITE that is not there; the others are the transaction layer's
		p.refuse(tx, req, sip.StatusCallTransactionDoesNotExists)
	case sip.OPTIONS:
		p.onOptions(req, tx)
	default:
		res := sip.NewResponseFromRequest(req, sip.StatusMethodNotAllowed, "Method Not Allowed", nil)
		res.AppendHeader(sip.NewHeader("Allow", allow))
		_ = p.respond(tx, res)
	}
}

func (p *Phone) onOptions(req *sip.Request, tx *sip.ServerTx) {
	res := sip.NewResponseFromRequest(req, sip.StatusOK, "OK", nil)
	res.AppendHeader(sip.NewHeader("Allow", allow))
	res.AppendHeader(sip.NewHeader("Accept", "application/sdp"))
	_ = p.respond(tx, res)
}

func (p *Phone) onBye(req *sip.Request, tx *sip.ServerTx) {
	c := p.find(req)
	switch {
	case c == nil:
		p.refuse(tx, req, sip.StatusCallTransactionDoesNotExists)
		return
	case !c.dialog.accept(req):
		p.refuse(tx, req, sip.StatusInternalServerError) // RFC 3261 section 12.2.2
		return
	}
	_ = p.respond(tx, sip.NewResponseFromRequest(req, sip.StatusOK, "OK", nil))
	if c.decide() { // not answered yet
		p.refuse(c.server, c.invite, sip.StatusRequestTerminated)
	}
	c.finish(End{Reason: RemoteHangup})
}

func (p *Phone) onInvite(req *sip.Request, tx *sip.ServerTx) {
	if tag, ok := req.To().Params.Get("tag"); ok && tag != "" {
		c := p.find(req)
		if c == nil {
			p.refuse(tx, req, sip.StatusCallTransactionDoesNotExists)
			return
		}
		c.takeReinvite(req, tx)
		return
	}
	c, err := newCall(p, incomingDialog(p, req), true)
	if err != nil {
		p.log.Error("no media for an incoming call", "err", err)
		p.refuse(tx, req, sip.StatusInternalServerError)
		return
	}
	c.invite, c.server = req, tx
	p.mu.Lock()
	script := p.answering
	p.mu.Unlock()
	if !p.adopt(c) {
		c.stream.close()
		p.refuse(tx, req, sip.StatusServiceUnavailable)
		return
	}
	c.trace("incoming", fmt.Sprintf("from %s", c.Remote()))
	taken := func(*sip.Request) {
		if c.decide() {
			c.finish(End{Reason: RemoteCancel})
		}
	}
	if !tx.OnCancel(taken) {
		taken(nil)
		return
	}
	p.start(func() { c.follow(script) })
}

// takeACK takes the ACK to a 2xx of ours, and the answer that may be in it.
func (c *Call) takeACK(ack *sip.Request) {
	seq := ack.CSeq()
	if seq == nil {
		return
	}
	c.mu.Lock()
	acked, expected := c.acks[seq.SeqNo]
	delete(c.acks, seq.SeqNo)
	offer := c.unheard
	c.unheard = nil
	c.mu.Unlock()
	if !expected {
		return
	}
	if offer != nil {
		if err := c.takeAnswer(*offer, ack.Body()); err != nil {
			c.trace("error", "answer in the ACK: "+err.Error())
		}
	}
	close(acked)
	c.life.ack()
}

// takeReinvite answers an INVITE within the dialog: hold, unhold, another
// address (RFC 3261 section 14.2).
func (c *Call) takeReinvite(req *sip.Request, tx *sip.ServerTx) {
	p := c.phone
	c.mu.Lock()
	glare := c.pending
	c.mu.Unlock()
	switch {
	case !c.dialog.accept(req), !done(c.life.answered):
		p.refuse(tx, req, sip.StatusInternalServerError)
		return
	case glare:
		p.refuse(tx, req, sip.StatusRequestPending)
		return
	}
	body, err := c.describe(req.Body())
	if err != nil {
		c.trace("error", "re-INVITE: "+err.Error())
		p.refuse(tx, req, sip.StatusNotAcceptableHere)
		return
	}
	c.dialog.refresh(req.Contact())
	acked := c.expectACK(req.CSeq().SeqNo)
	res := p.inviteResponse(req, c.dialog.local.tag, sip.StatusOK, body)
	if err := p.respond(tx, res); err != nil {
		c.trace("error", "re-INVITE: "+err.Error())
		return
	}
	p.start(func() { c.repeatUntilACK(tx, res, acked) })
}

// describe answers the offer, or makes one where there is none.
func (c *Call) describe(offer []byte) ([]byte, error) {
	if len(offer) == 0 {
		return c.offerInResponse(), nil
	}
	return c.answerOffer(offer)
}
