package sip

import (
	"errors"
	"strings"

	"parley"
	"parley/internal/sip/message"
	"parley/internal/sip/transaction"

	sipgo "github.com/emiago/sipgo/sip"
)

// dialogKey finds the call that a request within a dialog is for. The far
// end's tag is checked by the call.
type dialogKey struct{ callID, localTag string }

// inviteKey finds the call that an INVITE outside of a dialog has made, also
// when it comes on another way (RFC 3261 section 8.2.2.2).
type inviteKey struct {
	callID, fromTag string
	seq             uint32
}

// request decides what becomes of a request: it is for a call, begins one, or
// is answered here, without keeping any state (RFC 3261 section 8.2.7). It runs
// on the goroutine of a socket.
func (a *Agent) request(m message.Message) {
	if m.Method == "ACK" {
		if c := a.call(dialogKey{m.CallID, m.ToTag}); c != nil {
			c.post(func() { c.acked(&m) })
		}
		return // one to nothing is ignored
	}
	if status := methodFault(m.Method); status != 0 {
		a.refuse(&m, status, sipgo.NewHeader("Allow", methods))
		return
	}
	if unknown := message.Tokens(m.Values("Require")...); len(unknown) > 0 {
		a.refuse(&m, 420, sipgo.NewHeader("Unsupported", strings.Join(unknown, ", ")))
		return
	}
	switch {
	case m.ToTag != "":
		a.inDialog(m)
	case m.Method == "INVITE":
		a.invite(m)
	case m.Method == "OPTIONS":
		a.options(&m)
	default: // BYE, UPDATE, INFO, PRACK of no dialog
		a.refuse(&m, 481)
	}
}

// methodFault is the status for a method that we do not take, 0 for one that
// we do (RFC 3261 section 8.2.1).
func methodFault(method string) int {
	switch method {
	case "INVITE", "BYE", "OPTIONS", "INFO", "UPDATE", "PRACK":
		return 0
	case "REGISTER", "SUBSCRIBE", "NOTIFY", "REFER", "MESSAGE", "PUBLISH":
		return 405
	}
	return 501
}

// call finds the call of a dialog.
func (a *Agent) call(key dialogKey) *call {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.books.dialogs[key]
}

// inDialog gives a request to its call.
func (a *Agent) inDialog(m message.Message) {
	c := a.call(dialogKey{m.CallID, m.ToTag})
	if c == nil {
		a.refuse(&m, 481)
		return
	}
	s := a.serve(m, m.ToTag, nil)
	if s == nil {
		return
	}
	if !c.post(func() { c.within(s) }) {
		_ = s.Respond(s.Answer(481))
	}
}

// serve begins a server transaction; nil where there is no room, which is
// answered, or where it has begun already.
func (a *Agent) serve(m message.Message, tag string, cancelled func()) *transaction.Server {
	s, err := a.layer.Serve(m, tag, cancelled)
	if errors.Is(err, transaction.ErrTooMany) {
		a.overloaded(&m)
	}
	return s
}

// refuse answers a request without a transaction, with more header fields
// where the answer has some. The tag is the same for the same request.
func (a *Agent) refuse(m *message.Message, status int, more ...sipgo.Header) {
	a.refused.Add(1)
	a.reply(m, status, more...)
}

func (a *Agent) reply(m *message.Message, status int, more ...sipgo.Header) {
	res := m.Answer(status, a.statelessTag(m))
	for _, h := range more {
		res.AppendHeader(h)
	}
	if err := m.Reply.Send([]byte(res.String())); err != nil {
		a.cfg.Logger.Debug("answer not sent", "status", status, "to", m.Source, "error", err)
	}
}

// overloaded answers a request that there is no room for, or drops it where
// its source has been told often enough.
func (a *Agent) overloaded(m *message.Message) {
	if !a.overload.Allow(m.Source.Addr(), m.At) {
		a.refused.Add(1)
		return
	}
	a.refuse(m, 503, sipgo.NewHeader("Retry-After", retryAfter))
}

// options answers an OPTIONS as an INVITE would be (RFC 3261 section 11.2).
func (a *Agent) options(m *message.Message) {
	if a.isDraining() {
		a.refuse(m, 503, sipgo.NewHeader("Retry-After", retryAfter))
		return
	}
	a.reply(m, 200, a.contact(m.Reply), sipgo.NewHeader("Allow", methods), sipgo.NewHeader("Accept", "application/sdp"), sipgo.NewHeader("Supported", ""))
}

// invite begins a call, if it may be one: the policy first, then what is wrong
// with it, then whether there is room.
func (a *Agent) invite(m message.Message) {
	origin, ok := a.cfg.Inbound.Admit(m.Source.Addr().Unmap())
	if !ok {
		a.cfg.Logger.Debug("call from an address that may not call", "from", m.Source)
		a.refuse(&m, 403)
		return
	}
	if status, more := a.inviteFault(&m); status != 0 {
		a.refuse(&m, status, more...)
		return
	}
	c := a.newCall(parley.NewID(m.At), phaseRinging)
	c.flow = m.Reply
	c.in = &incoming{origin: origin}
	d, err := uasDialog(&m, newTag())
	if err != nil {
		a.refuse(&m, 400)
		return
	}
	c.dialog = d
	switch a.enter(c, &m) {
	case admitted:
	case merged:
		a.refuse(&m, 482)
		return
	case full:
		a.overloaded(&m)
		return
	}
	s := a.serve(m, d.localTag, func() { c.post(c.cancelled) })
	if s == nil {
		a.forget(c)
		return
	}
	c.in.server = s
	_ = s.Respond(s.Answer(100))
	c.post(c.ring)
	if !a.start(c) {
		a.forget(c)
		_ = s.Respond(s.Answer(503))
	}
}

// inviteFault finds what is wrong with an INVITE outside of a dialog.
func (a *Agent) inviteFault(m *message.Message) (status int, more []sipgo.Header) {
	switch {
	case m.MaxForwards == 0:
		return 483, nil
	case a.isLoop(m):
		return 482, nil
	case !acceptsSDP(m):
		return 406, nil
	}
	if status, right := contentFault(m); status != 0 {
		return status, []sipgo.Header{right}
	}
	return 0, nil
}

// isLoop reports whether a request has been here before: we are in its Via.
func (a *Agent) isLoop(m *message.Message) bool {
	host, port := a.host(m.Reply)
	us := message.Via{Transport: m.Reply.Network(), Host: host, Port: port}
	for _, field := range m.Via {
		for value := range strings.SplitSeq(field, ",") {
			if v, ok := message.ParseVia(value); ok && v.SentBy() == us.SentBy() {
				return true
			}
		}
	}
	return false
}

// acceptsSDP reports whether the sender takes a session description as an
// answer (RFC 3261 section 20.1).
func acceptsSDP(m *message.Message) bool {
	values := m.Values("Accept")
	if len(values) == 0 {
		return true
	}
	for _, kind := range message.Tokens(values...) {
		kind, _, _ = strings.Cut(kind, ";")
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case "application/sdp", "application/*", "*/*":
			return true
		}
	}
	return false
}

// late takes an answer to a call that is over: a 2xx, of a fork or repeated,
// must be acknowledged, and its dialog ended.
func (a *Agent) late(req *sipgo.Request, m *message.Message, f message.Flow) {
	if !req.IsInvite() || m.Status < 200 || m.Status > 299 {
		return
	}
	c := a.newCall("", phaseOver)
	c.flow, c.out = f, &outgoing{acks: make(map[string]*acked)}
	c.owe()
	c.post(func() {
		c.accepted(req, m)
		c.settle()
	})
	a.start(c)
}
