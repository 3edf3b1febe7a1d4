package sip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"parley/internal/control"
	"parley/internal/media"
	"parley/internal/sip/message"
	"parley/internal/sip/transaction"

	sipgo "github.com/emiago/sipgo/sip"
)

// outgoing is what a call that we make has besides: its INVITE.
type outgoing struct {
	request  control.DialRequest
	trunk    *credentials       // nil for none
	stop     context.CancelFunc // ends finding the way
	invite   *sipgo.Request     // the last that was sent, nil before
	tx       *transaction.Client
	deadline *timer // of the far end to answer, or to confirm a CANCEL

	provisional bool // an answer came: a CANCEL may be sent
	cancelled   bool // a CANCEL is to be sent
	cancelSent  bool
	early       map[string][]byte // descriptions in provisional answers, by To tag
	acks        map[string]*acked // our ACK to each 2xx, by To tag
}

// maxForks bounds how many branches of a fork are told apart.
const maxForks = 16

// acked is an ACK that was sent, to be sent again when its 2xx is repeated.
type acked struct {
	data []byte
	flow message.Flow // nil while the way is being found
}

func (a *acked) repeat() {
	if a != nil && a.flow != nil {
		_ = a.flow.Send(a.data) // repeated again, if it must
	}
}

// place begins an outbound call: it finds the way, opens the media and sends
// the INVITE.
func (c *call) place(r control.DialRequest) {
	ctx, stop := context.WithCancel(c.agent.ctx)
	c.out = &outgoing{request: r, stop: stop, early: make(map[string][]byte), acks: make(map[string]*acked)}
	c.events = r.Events
	uri, h, err := c.destination(r)
	if err != nil {
		c.agent.cfg.Logger.Info("call not placed", "call", c.id, "to", r.Target, "error", err)
		stop()
		c.finish(control.ReasonUnreachable, 0)
		return
	}
	if r.Timeout > 0 {
		c.out.deadline = c.after(r.Timeout, func() { c.cancel(control.ReasonNoAnswer) })
	}
	c.reach(ctx, h, nil, func(f message.Flow, err error) {
		stop()
		switch {
		case c.phase != phaseCalling:
		case err != nil:
			c.agent.cfg.Logger.Info("call not placed", "call", c.id, "to", h, "error", err)
			c.finish(control.ReasonUnreachable, 0)
		default:
			c.invite(uri, f)
		}
	})
}

// destination is what is called, and where the INVITE goes: to the trunk's
// host, if there is one.
func (c *call) destination(r control.DialRequest) (sipgo.Uri, hop, error) {
	uri, err := parseURI(r.Target)
	if err != nil {
		return uri, hop{}, err
	}
	if r.Trunk == nil {
		h, err := hopOf(&uri)
		return uri, h, err
	}
	via, err := parseURI("sip:" + r.Trunk.Host + ";transport=" + orUDP(r.Trunk.Transport))
	if err != nil {
		return uri, hop{}, fmt.Errorf("trunk %s: %w", r.Trunk.Name, err)
	}
	c.out.trunk = &credentials{username: r.Trunk.Username, password: r.Trunk.Password}
	h, err := hopOf(&via)
	return uri, h, err
}

func orUDP(transport string) string {
	if transport == "" {
		return "udp"
	}
	return transport
}

// invite opens the media and sends the INVITE over f.
func (c *call) invite(uri sipgo.Uri, f message.Flow) {
	c.flow = f
	c.media.signalling = f.Remote().Addr()
	if c.out.trunk != nil {
		c.out.trunk.host = f.Remote().Addr()
	}
	s, err := c.media.start(c.out.request.Mix, f.Remote().Addr())
	if err != nil {
		c.agent.cfg.Logger.Warn("no media for a call", "call", c.id, "error", err)
		c.finish(control.ReasonError, 0)
		return
	}
	c.media.use(s)
	req := c.firstRequest(uri, f)
	req.AppendHeader(c.agent.contact(f))
	appendAbilities(req)
	setSDP(req, c.media.makeOffer(s, false))
	c.sendInvite(req)
}

// firstRequest begins the INVITE (RFC 3261 section 8.1.1). The call's own tag
// leads what the far end sends within the dialog to the call.
func (c *call) firstRequest(uri sipgo.Uri, f message.Flow) *sipgo.Request {
	uri.Headers, uri.Password = nil, ""
	target := uri
	target.UriParams = nil
	tag := newTag()
	callID := newTag()
	c.agent.know(c, callID, tag)
	req := sipgo.NewRequest(sipgo.INVITE, uri)
	req.AppendHeader(sipgo.NewHeader("Max-Forwards", "70"))
	req.AppendHeader(sipgo.NewHeader("From", "<"+c.from(f)+">;tag="+tag))
	req.AppendHeader(sipgo.NewHeader("To", "<"+target.String()+">"))
	req.AppendHeader(sipgo.NewHeader("Call-ID", callID))
	req.AppendHeader(&sipgo.CSeqHeader{SeqNo: firstSeq(), MethodName: sipgo.INVITE})
	return req
}

// from is the SIP URI that the call comes from.
func (c *call) from(f message.Flow) string {
	from := c.out.request.From
	if t := c.out.request.Trunk; from == "" && t != nil {
		from = t.From
		if from == "" {
			from = t.Username
		}
	}
	if strings.HasPrefix(from, "sip:") {
		if u, err := parseURI(from); err == nil && u.Host != "" {
			return plain(&u)
		}
	}
	if from == "" {
		from = "parley"
	}
	host, port := c.agent.host(f)
	if t := c.out.request.Trunk; t != nil && t.Username != "" {
		// Providers know their accounts by their own domain.
		return "sip:" + escape(from) + "@" + t.Host
	}
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		host = "[" + host + "]"
	}
	if port != 5060 {
		host = fmt.Sprint(host, ":", port)
	}
	return "sip:" + escape(from) + "@" + host
}

// sendInvite sends the INVITE, the first or one with credentials.
func (c *call) sendInvite(req *sipgo.Request) {
	req.PrependHeader(c.agent.via(c.flow, newBranch()))
	c.out.invite = req
	c.owe()
	final := false
	c.out.tx = c.transact(req, c.flow, func(m *message.Message, err error) {
		switch {
		case err == nil && m.Status < 200:
			c.provisional(m)
			return
		case err == nil && m.Status < 300:
			c.accepted(req, m)
		case err == nil:
			c.refused(req, m)
		default:
			c.unanswered(err)
		}
		if !final {
			final = true
			c.settle()
		}
	})
}

// provisional takes 101 to 199, from any branch of a fork, as many as come.
func (c *call) provisional(m *message.Message) {
	c.out.provisional = true
	if c.out.cancelled {
		c.sendCancel()
		return
	}
	if c.dialog == nil && len(m.Body()) > 0 && isSDP(m) && len(c.out.early) < maxForks {
		// Early media is not for a conference. The description is kept as
		// some far ends do not repeat it in the 200.
		c.out.early[m.ToTag] = m.Body()
	}
}

// accepted takes a 2xx: the first makes the call, others are branches of a
// fork that came late, or repetitions.
func (c *call) accepted(invite *sipgo.Request, m *message.Message) {
	if known, ok := c.out.acks[m.ToTag]; ok {
		known.repeat()
		return
	}
	d, err := uacDialog(invite, m)
	if err != nil {
		// Nowhere to send an ACK to, other than back where it came from.
		d.target = *invite.Recipient.Clone()
	}
	if c.phase != phaseCalling || c.dialog != nil || err != nil {
		if len(c.out.acks) < maxForks {
			c.dismiss(d, invite)
		}
		if err != nil && c.dialog == nil {
			c.finish(control.ReasonError, 0)
		}
		return
	}
	c.dialog = d
	body := m.Body()
	if len(body) == 0 {
		body = c.out.early[m.ToTag]
	}
	c.out.early = nil
	c.out.deadline.stop()
	c.media.signalling = m.Source.Addr()
	c.connect(invite, body)
}

// connect configures the media by the answer, acknowledges the 2xx, and tells
// that the call is up.
func (c *call) connect(invite *sipgo.Request, body []byte) {
	err := c.media.takeAnswer(body)
	c.acknowledge(c.dialog, invite, func() {
		switch {
		case c.phase != phaseCalling:
			c.sendBye()
		case errors.Is(err, media.ErrAddressInUse):
			c.anotherPort()
		case err != nil:
			c.agent.cfg.Logger.Info("answer that cannot be used", "call", c.id, "error", err)
			c.finish(control.ReasonError, 0)
			c.sendBye()
		default:
			c.answered()
			c.next()
		}
	})
}

// anotherPort moves a call that was answered to another port, because others
// have the far end's address on the first one; the call is up after that.
func (c *call) anotherPort() {
	c.want(&change{relocate: true, mix: c.out.request.Mix, done: func(err error) {
		switch {
		case c.phase != phaseCalling:
		case err != nil:
			c.agent.cfg.Logger.Warn("no port for a call", "call", c.id, "error", err)
			c.finish(control.ReasonError, 0)
			c.sendBye()
		default:
			c.answered()
		}
	}})
}

// acknowledge sends the ACK to a 2xx (RFC 3261 section 13.2.2.4) and remembers
// it. then is called when it was sent, or could not be.
func (c *call) acknowledge(d *dialog, invite *sipgo.Request, then func()) {
	a := &acked{}
	c.out.acks[d.remoteTag] = a
	c.sendAck(d, invite, a, then)
}

// sendAck sends the ACK to an INVITE within a dialog and notes it in a.
func (c *call) sendAck(d *dialog, invite *sipgo.Request, a *acked, then func()) {
	ack := d.requestWith(sipgo.ACK, invite.CSeq().SeqNo)
	for _, name := range []string{"Authorization", "Proxy-Authorization"} { // section 22.1
		if h := invite.GetHeader(name); h != nil {
			ack.AppendHeader(h)
		}
	}
	ack.SetBody(nil)
	send := func(f message.Flow, err error) {
		if err != nil {
			c.agent.cfg.Logger.Debug("no way for an ACK", "call", c.id, "error", err)
			f = c.flow // where the 2xx came from, most likely
		}
		ack.PrependHeader(c.agent.via(f, newBranch()))
		a.data, a.flow = []byte(ack.String()), f
		a.repeat()
		then()
	}
	h, err := d.hop()
	if err != nil {
		send(nil, err)
		return
	}
	c.reach(c.agent.ctx, h, c.flow, send)
}

// dismiss ends the dialog of a 2xx that is not wanted: acknowledge it, BYE.
func (c *call) dismiss(d *dialog, invite *sipgo.Request) {
	c.acknowledge(d, invite, func() {
		bye := d.request(sipgo.BYE)
		bye.SetBody(nil)
		f := c.out.acks[d.remoteTag].flow
		bye.PrependHeader(c.agent.via(f, newBranch()))
		c.owe()
		c.transact(bye, f, func(m *message.Message, err error) {
			if err != nil || m.Status >= 200 {
				c.settle()
			}
		})
	})
}

// refused takes a final answer of 300 and more, acknowledged already. A
// challenge is answered; a redirection is not followed.
func (c *call) refused(invite *sipgo.Request, m *message.Message) {
	if c.phase != phaseCalling {
		return
	}
	if again := c.authorize(invite, m, c.flow, m.Seq+1); again != nil {
		c.out.provisional = false
		c.sendInvite(again)
		return
	}
	c.finish(reasonOf(m.Status), m.Status)
}

// unanswered takes the end of an INVITE that has no final answer.
func (c *call) unanswered(err error) {
	if c.phase == phaseCalling {
		c.agent.cfg.Logger.Info("call not answered", "call", c.id, "to", c.flow.Remote(), "error", err)
		c.finish(control.ReasonUnreachable, 0)
	}
}

// cancel ends a call that was not answered: at once for the use cases, by a
// CANCEL for the far end. A 2xx that crosses it is acknowledged and ended.
func (c *call) cancel(reason string) {
	if c.phase != phaseCalling {
		return
	}
	dialog := c.dialog
	c.finish(reason, 0)
	c.out.stop()
	switch {
	case c.out.invite == nil: // nothing was sent
	case dialog != nil: // answered, but not up
		if c.out.acks[dialog.remoteTag].flow != nil { // else connect sees to it
			c.sendBye()
		}
	default:
		c.out.cancelled = true
		if c.out.provisional {
			c.sendCancel()
		}
	}
}

// sendCancel cancels the INVITE (RFC 3261 section 9.1), which an answer must
// have come to before.
func (c *call) sendCancel() {
	if c.out.cancelSent {
		return
	}
	c.out.cancelSent = true
	invite, tx := c.out.invite, c.out.tx
	req := sipgo.NewRequest(sipgo.CANCEL, *invite.Recipient.Clone())
	for _, name := range []string{"Via", "Route", "Max-Forwards", "From", "To", "Call-ID"} {
		for _, h := range invite.GetHeaders(name) {
			req.AppendHeader(h)
		}
	}
	req.AppendHeader(&sipgo.CSeqHeader{SeqNo: invite.CSeq().SeqNo, MethodName: sipgo.CANCEL})
	req.SetBody(nil)
	c.owe()
	c.transact(req, c.flow, func(m *message.Message, err error) {
		if err != nil || m.Status >= 200 {
			c.settle()
		}
	})
	// A far end that confirms the CANCEL and forgets the INVITE is waited for
	// no longer than RFC 3261 section 9.1 says.
	c.after(transaction.Timeout, tx.Abandon)
}
