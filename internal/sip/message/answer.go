package message

import (
	"net/netip"
	"strings"

	sipgo "github.com/emiago/sipgo/sip"
)

// Answer begins the answer to the request that h is the head of and that came
// from src: Via, From, To, Call-ID and CSeq as they came (RFC 3261 section
// 8.2.6), To with tag where it has none and the answer is not 100. Answers
// that make or confirm a dialog carry the Record-Route (section 12.1.1). What
// the request lacks is left out. Content-Length is 0 until a body is set.
func (h *Head) Answer(status int, tag string, src netip.AddrPort) *sipgo.Response {
	res := sipgo.NewResponse(status, Phrase(status))
	for i, via := range h.Via {
		if i == 0 {
			via = h.stamped(via, src)
		}
		res.AppendHeader(sipgo.NewHeader("Via", via))
	}
	if status > 100 && status < 300 && h.Method != "REGISTER" {
		for _, route := range h.RecordRoute {
			res.AppendHeader(sipgo.NewHeader("Record-Route", route))
		}
	}
	to := h.To
	if h.ToTag == "" && tag != "" && status != 100 && to != "" {
		to += ";tag=" + tag
	}
	for _, f := range [...][2]string{{"From", h.From}, {"To", to}, {"Call-ID", h.CallID}, {"CSeq", h.CSeq}} {
		if f[1] != "" {
			res.AppendHeader(sipgo.NewHeader(f[0], f[1]))
		}
	}
	res.SetBody(nil)
	return res
}

// stamped is the first Via field with its topmost value stamped.
func (h *Head) stamped(field string, src netip.AddrPort) string {
	if h.Top.Transport == "" {
		return field
	}
	values := splitQuoted(field, ',')
	values[0] = h.Top.Stamp(values[0], src)
	return strings.Join(values, ",")
}
