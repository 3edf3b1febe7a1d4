package sip

import (
	"parley/internal/control"
	"parley/internal/sip/message"
	"parley/internal/sip/transaction"

	sipgo "github.com/emiago/sipgo/sip"
)

// within answers a request of the far end within the call (RFC 3261 section
// 12.2.2).
func (c *call) within(s *transaction.Server) {
	m := &s.Message
	switch {
	case c.dialog == nil, m.FromTag != c.dialog.remoteTag:
		c.respond(s, s.Answer(481))
	case !c.dialog.follows(m.Seq):
		c.respond(s, s.Answer(500))
	case m.Method == "BYE":
		c.theirBye(s)
	case c.phase == phaseOver:
		c.respond(s, s.Answer(481))
	case m.Method == "INVITE":
		c.reinvited(s)
	case m.Method == "UPDATE":
		c.updated(s)
	case m.Method == "PRACK": // to nothing: we send no answer that wants one
		c.respond(s, s.Answer(481))
	default: // OPTIONS, INFO
		res := s.Answer(200)
		appendAbilities(res)
		c.respond(s, res)
	}
}

// theirBye ends the call.
func (c *call) theirBye(s *transaction.Server) {
	c.respond(s, s.Answer(200))
	if c.ack != nil { // nothing to be acknowledged any more
		c.ack.stop()
		c.ack, c.bye = nil, false
		c.settle()
	}
	switch c.phase {
	case phaseRinging: // the caller may do that instead of a CANCEL (section 15)
		c.refuse(487, control.ReasonCancelled)
	case phaseCalling, phaseAccepted, phaseUp:
		c.finish(control.ReasonHangup, 0)
	case phaseOver:
	}
}

// methods are the requests that we take.
const methods = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE"

// appendAbilities says what we can do (RFC 3261 section 11.2).
func appendAbilities(m sipgo.Message) {
	m.AppendHeader(sipgo.NewHeader("Allow", methods))
	m.AppendHeader(sipgo.NewHeader("Accept", "application/sdp"))
	m.AppendHeader(sipgo.NewHeader("Supported", ""))
}

// contentFault is the status for a body that is no session description, with
// what would be right; 0 for none.
func contentFault(m *message.Message) (status int, right sipgo.Header) {
	if len(m.Body()) == 0 {
		return 0, nil
	}
	for _, v := range append(m.Values("Content-Encoding"), m.Values("e")...) {
		if v != "" && v != "identity" {
			return 415, sipgo.NewHeader("Accept-Encoding", "identity")
		}
	}
	if !isSDP(m) {
		return 415, sipgo.NewHeader("Accept", "application/sdp")
	}
	return 0, nil
}
