package sip

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"parley"
	"parley/internal/control"
	"parley/internal/media"
	"parley/internal/sdp"
	"parley/internal/sip/message"
	"parley/internal/sip/transaction"

	sipgo "github.com/emiago/sipgo/sip"
)

// incoming is what a call that comes in has besides: its INVITE.
type incoming struct {
	server   *transaction.Server
	origin   control.Origin
	offer    *sdp.Session // nil: the caller leaves the offer to us
	deadline *timer       // of the use cases to decide
}

// maxRinging is how long a call rings that the use cases neither answer nor
// refuse. They have a shorter bound of their own.
const maxRinging = 3 * time.Minute

// retryAfter is what those are told whom we have no room for, in seconds.
const retryAfter = "5"

// ring looks at the offer, lets the call ring and shows it to the use cases.
func (c *call) ring() {
	if c.phase != phaseRinging { // cancelled already
		return
	}
	m := &c.in.server.Message
	c.media.signalling = m.Source.Addr()
	if body := m.Body(); len(body) > 0 {
		offer, err := sdp.Parse(body)
		if err == nil {
			// Whether it can be answered does not depend on the port.
			_, _, err = sdp.Answer(offer, sdp.Local{Addr: netip.AddrPortFrom(netip.IPv4Unspecified(), 9), Codecs: codecs()})
		}
		if err != nil {
			c.agent.cfg.Logger.Debug("call with an offer that cannot be answered", "call", c.id, "from", m.Source, "error", err)
			c.refuse(488, control.ReasonError)
			return
		}
		c.in.offer = &offer
	}
	ringing := c.in.server.Answer(180)
	ringing.AppendHeader(c.agent.contact(m.Reply))
	appendAbilities(ringing)
	c.respond(c.in.server, ringing)
	c.in.deadline = c.after(maxRinging, func() { c.refuse(480, control.ReasonNoAnswer) })

	from, to := m.Request.From().Address, m.Request.To().Address
	c.events = c.agent.cfg.Inbound.Incoming(control.IncomingCall{
		ID: c.id, Application: c.in.origin.Application, Trunk: c.in.origin.Trunk,
		User: unescape(m.Request.Recipient.User), From: shown(&from), To: shown(&to), PartURI: partURI(&from), At: m.At,
	}, c)
}

// shown is a From or To address as events have it.
func shown(u *sipgo.Uri) string {
	if u.Scheme == "sip" || u.Scheme == "sips" {
		return plain(u)
	}
	s := u.String()
	return s[:min(len(s), maxPart)]
}

// respond sends an answer. One that cannot be sent is left to the far end's
// patience: it repeats its request, or gives up.
func (c *call) respond(s *transaction.Server, res *sipgo.Response) {
	if err := s.Respond(res); err != nil {
		c.agent.cfg.Logger.Debug("answer not sent", "call", c.id, "status", res.StatusCode, "error", err)
	}
}

// refuse ends a ringing call with a final answer.
func (c *call) refuse(status int, reason string) {
	if c.phase != phaseRinging {
		return
	}
	res := c.in.server.Answer(status)
	if status == 503 {
		res.AppendHeader(sipgo.NewHeader("Retry-After", retryAfter))
	}
	c.respond(c.in.server, res)
	c.finish(reason, status)
}

// cancelled takes the caller's CANCEL, which has been answered (RFC 3261
// section 9.2). One that crosses our 2xx changes nothing.
func (c *call) cancelled() { c.refuse(487, control.ReasonCancelled) }

// accept answers a ringing call, its media in the shard of mix.
func (c *call) accept(mix *media.Mix) {
	if c.phase != phaseRinging {
		return
	}
	body, err := c.describe(mix)
	if err != nil {
		c.agent.cfg.Logger.Warn("call cannot be answered", "call", c.id, "error", err)
		c.refuse(refusalOf(err), control.ReasonError)
		return
	}
	res := c.in.server.Answer(200)
	res.AppendHeader(c.agent.contact(c.flow))
	appendAbilities(res)
	setSDP(res, body)
	c.respond2xx(c.in.server, res)
	if c.ack.late {
		c.phase = phaseAccepted
		c.in.deadline.stop()
		return
	}
	c.answered()
}

// describe opens the media and makes our description: the answer to the
// caller's offer, or an offer where it made none.
func (c *call) describe(mix *media.Mix) ([]byte, error) {
	if c.in.offer != nil {
		return c.media.answerFirst(*c.in.offer, mix)
	}
	s, err := c.media.start(mix, c.media.signalling)
	if err != nil {
		return nil, err
	}
	c.media.use(s)
	return c.media.makeOffer(s, false), nil
}

// refusalOf is the status for what kept us from answering an offer.
func refusalOf(err error) int {
	switch {
	case errors.Is(err, sdp.ErrNotAcceptable), errors.Is(err, sdp.ErrMalformed), errors.Is(err, media.ErrParams):
		return 488
	case parley.CodeOf(err) == parley.CodeNoCapacity, parley.CodeOf(err) == parley.CodeShuttingDown, errors.Is(err, media.ErrAddressInUse):
		return 503
	}
	return 500
}

// unacked is a 2xx to an INVITE that waits for its ACK, repeated until then
// (RFC 3261 section 13.3.1.4).
type unacked struct {
	server   *transaction.Server
	res      *sipgo.Response
	late     bool // it has our offer: the ACK has the answer
	interval time.Duration
	repeat   *timer
	deadline *timer
}

func (u *unacked) stop() {
	u.repeat.stop()
	u.deadline.stop()
}

// respond2xx sends a 2xx to an INVITE and sees to it that it is acknowledged.
func (c *call) respond2xx(s *transaction.Server, res *sipgo.Response) {
	if c.ack != nil { // an INVITE that follows says that the 2xx before arrived
		c.ack.stop()
		c.settle()
	}
	u := &unacked{server: s, res: res, late: c.media.offer != nil, interval: transaction.T1}
	c.ack = u
	c.owe()
	u.repeat = c.after(u.interval, func() { c.repeat2xx(u) })
	u.deadline = c.after(transaction.Timeout, c.notAcked)
	c.respond(s, res)
}

func (c *call) repeat2xx(u *unacked) {
	u.interval = min(2*u.interval, transaction.T2)
	u.repeat = c.after(u.interval, func() { c.repeat2xx(u) })
	c.respond(u.server, u.res)
}

// notAcked ends a call whose far end does not acknowledge.
func (c *call) notAcked() {
	c.agent.cfg.Logger.Debug("answer never acknowledged", "call", c.id)
	c.ack.stop()
	c.ack = nil
	c.settle()
	c.finish(control.ReasonError, 0)
	c.bye = false
	c.sendBye()
}

// acked takes an ACK to a 2xx of ours.
func (c *call) acked(m *message.Message) {
	u := c.ack
	if u == nil || m.Seq != u.server.Message.Seq || m.FromTag != c.dialog.remoteTag {
		return
	}
	u.stop()
	c.ack = nil
	c.settle()
	switch {
	case c.phase == phaseOver:
		if c.bye {
			c.bye = false
			c.sendBye()
		}
	case u.late:
		c.lateAnswer(m)
	}
	c.next()
}

// lateAnswer takes the answer that came with an ACK. One that cannot be used
// cannot be refused either: the call ends.
func (c *call) lateAnswer(m *message.Message) {
	before := c.media.held
	if err := c.media.takeAnswer(m.Body()); err != nil {
		c.agent.cfg.Logger.Debug("answer that cannot be used", "call", c.id, "error", err)
		c.finish(control.ReasonError, 0)
		c.sendBye()
		return
	}
	if c.phase == phaseAccepted {
		c.answered()
		return
	}
	c.heldChanged(before)
}

// isSDP reports whether a body is a session description.
func isSDP(m *message.Message) bool {
	for _, v := range append(m.Values("Content-Type"), m.Values("c")...) {
		kind, _, _ := strings.Cut(v, ";")
		return strings.EqualFold(strings.TrimSpace(kind), sdp.ContentType)
	}
	return false
}
