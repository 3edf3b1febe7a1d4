package sip

import (
	"errors"
	"math/rand/v2"

	"parley/internal/sip/message"

	sipgo "github.com/emiago/sipgo/sip"
)

// dialog is the state of RFC 3261 section 12: what two user agents keep of
// each other to send requests within their call. It is a value of one call's
// goroutine.
type dialog struct {
	callID              string
	localTag, remoteTag string
	// local and remote are From and To of our requests, tags included, as they
	// stood in the first.
	local, remote string
	// localSeq is the CSeq of our last request, remoteSeq that of theirs; heard
	// is set once there was one.
	localSeq, remoteSeq uint32
	heard               bool
	// target is where the far end is (its Contact), routes the way there: Route
	// values with their URIs, the next one first.
	target sipgo.Uri
	routes []route
}

// route is a value of Route.
type route struct {
	value string // as it is sent
	uri   sipgo.Uri
}

// loose reports whether the route is one that RFC 3261 knows, and not that of
// a strict router of RFC 2543.
func (r route) loose() bool { return r.uri.UriParams.Has("lr") }

// firstSeq is the CSeq of the first request in a direction: small, so that it
// can grow, and not always the same.
func firstSeq() uint32 { return 1 + rand.Uint32N(1<<16) }

// errNoContact: a message that should make a dialog says nowhere where its
// sender is.
var errNoContact = errors.New("no usable Contact")

// uasDialog is the dialog that our answer with tag makes of an INVITE (RFC 3261
// section 12.1.1).
func uasDialog(m *message.Message, tag string) (*dialog, error) {
	d := &dialog{
		callID: m.CallID, localTag: tag, remoteTag: m.FromTag,
		local: m.To + ";tag=" + tag, remote: m.From,
		localSeq: firstSeq(), remoteSeq: m.Seq, heard: true,
		routes: routesOf(m.Request),
	}
	return d, d.refresh(m)
}

// uacDialog is the dialog that an answer to our INVITE makes (RFC 3261 section
// 12.1.2).
func uacDialog(invite *sipgo.Request, m *message.Message) (*dialog, error) {
	d := &dialog{
		callID: m.CallID, localTag: m.FromTag, remoteTag: m.ToTag,
		local: invite.GetHeader("From").Value(), remote: m.To,
		localSeq: m.Seq, routes: routesOf(m.Response),
	}
	for i, j := 0, len(d.routes)-1; i < j; i, j = i+1, j-1 {
		d.routes[i], d.routes[j] = d.routes[j], d.routes[i]
	}
	return d, d.refresh(m)
}

// routesOf reads Record-Route.
func routesOf(m interface{ GetHeaders(string) []sipgo.Header }) []route {
	var out []route
	for _, h := range m.GetHeaders("Record-Route") {
		switch h := h.(type) {
		case *sipgo.RecordRouteHeader:
			out = append(out, route{"<" + h.Address.String() + ">", h.Address})
		}
	}
	return out
}

// refresh takes the far end's target from a message that may change it
// (RFC 3261 section 12.2): its Contact. A first INVITE of RFC 2543 may have
// none; there From must do.
func (d *dialog) refresh(m *message.Message) error {
	var contact *sipgo.ContactHeader
	if m.Request != nil {
		contact = m.Request.Contact()
	} else {
		contact = m.Response.Contact()
	}
	switch {
	case contact != nil && !contact.Address.Wildcard && contact.Address.Scheme == "sip":
		d.target = *contact.Address.Clone()
		d.target.Headers = nil
		return nil
	case contact != nil:
		return errNoContact
	case d.target.Host != "":
		return nil
	case m.Request != nil && m.Request.From().Address.Scheme == "sip":
		d.target = *m.Request.From().Address.Clone()
		return message.CheckTarget(&d.target)
	}
	return errNoContact
}

// request begins a request within the dialog (RFC 3261 section 12.2.1.1).
func (d *dialog) request(method sipgo.RequestMethod) *sipgo.Request {
	if method != sipgo.ACK {
		d.localSeq++
	}
	return d.requestWith(method, d.localSeq)
}

// requestWith is request with a CSeq: an ACK has that of its INVITE.
func (d *dialog) requestWith(method sipgo.RequestMethod, seq uint32) *sipgo.Request {
	uri, routes := d.target, make([]string, 0, len(d.routes)+1)
	for _, r := range d.routes {
		routes = append(routes, r.value)
	}
	if len(d.routes) > 0 && !d.routes[0].loose() {
		// A strict router finds itself in the request-URI, and the target at
		// the end of the route.
		uri = *d.routes[0].uri.Clone()
		uri.Headers = nil
		routes = append(routes[1:], "<"+d.target.String()+">")
	}
	r := sipgo.NewRequest(method, uri)
	for _, v := range routes {
		r.AppendHeader(sipgo.NewHeader("Route", v))
	}
	r.AppendHeader(sipgo.NewHeader("Max-Forwards", "70"))
	r.AppendHeader(sipgo.NewHeader("From", d.local))
	r.AppendHeader(sipgo.NewHeader("To", d.remote))
	r.AppendHeader(sipgo.NewHeader("Call-ID", d.callID))
	r.AppendHeader(&sipgo.CSeqHeader{SeqNo: seq, MethodName: method})
	return r
}

// hop is where the dialog's requests are sent (RFC 3261 section 8.1.2).
func (d *dialog) hop() (hop, error) {
	if len(d.routes) > 0 {
		return hopOf(&d.routes[0].uri)
	}
	return hopOf(&d.target)
}

// follows takes the CSeq of a request of the far end; false for one that is
// older than the last (RFC 3261 section 12.2.2).
func (d *dialog) follows(seq uint32) bool {
	if d.heard && seq < d.remoteSeq {
		return false
	}
	d.remoteSeq, d.heard = seq, true
	return true
}
