package phone

import (
	"slices"
	"sync"

	"github.com/emiago/sipgo/sip"
)

// allow is what the phone understands (RFC 3261 section 20.5).
const allow = "INVITE, ACK, BYE, CANCEL, OPTIONS"

// dialog is the shared state of RFC 3261 section 12, from the phone's side. It
// is made with its INVITE and becomes whole with the other side's tag.
type dialog struct {
	phone  *Phone
	callID string
	local  party

	mu        sync.Mutex // guards what follows
	remote    party
	target    sip.Uri   // where requests go
	routes    []sip.Uri // first hop first
	localSeq  uint32
	remoteSeq uint32
}

// party is one end's From or To.
type party struct {
	name string
	uri  sip.Uri
	tag  string
}

func (x party) params() sip.HeaderParams {
	if x.tag == "" {
		return nil
	}
	return sip.HeaderParams{{K: "tag", V: x.tag}}
}

// newTag is unique and of at least 32 random bits (RFC 3261 section 19.3).
func newTag() string { return sip.GenerateTagN(12) }

// outgoingDialog is the one that an INVITE to target may begin.
func outgoingDialog(p *Phone, target sip.Uri) *dialog {
	to := target
	to.UriParams, to.Headers = nil, nil
	return &dialog{
		phone: p, callID: sip.GenerateTagN(24) + "@" + p.addr.Addr().String(),
		local:  party{name: p.cfg.Name, uri: p.identity(), tag: newTag()},
		remote: party{uri: to}, target: target,
	}
}

// incomingDialog is the one that the INVITE may begin (RFC 3261 section
// 12.1.1).
func incomingDialog(p *Phone, invite *sip.Request) *dialog {
	from, to := invite.From(), invite.To()
	d := &dialog{
		phone: p, callID: invite.CallID().Value(),
		local:  party{uri: to.Address, tag: newTag()},
		remote: party{name: from.DisplayName, uri: from.Address},
		target: from.Address, routes: routeSet(invite, false), remoteSeq: invite.CSeq().SeqNo,
	}
	d.remote.tag, _ = from.Params.Get("tag")
	if contact := invite.Contact(); contact != nil {
		d.target = contact.Address
	}
	return d
}

// routeSet is the Record-Route headers as a route for our requests: reversed
// for whoever sent the INVITE (RFC 3261 section 12.1.2).
func routeSet(m sip.Message, reverse bool) []sip.Uri {
	var routes []sip.Uri
	for _, h := range m.GetHeaders("Record-Route") {
		if rr, ok := h.(*sip.RecordRouteHeader); ok {
			routes = append(routes, rr.Address)
		}
	}
	if reverse {
		slices.Reverse(routes)
	}
	return routes
}

// confirm takes what a response to our INVITE says of the dialog.
func (d *dialog) confirm(res *sip.Response) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if to := res.To(); to != nil {
		d.remote.tag, _ = to.Params.Get("tag")
	}
	if contact := res.Contact(); contact != nil {
		d.target = contact.Address
	}
	d.routes = routeSet(res, true)
}

// refresh takes the remote target of a re-INVITE or its response (RFC 3261
// section 12.2).
func (d *dialog) refresh(contact *sip.ContactHeader) {
	if contact == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.target = contact.Address
}

// accept checks a request's place in the order (RFC 3261 section 12.2.2).
func (d *dialog) accept(req *sip.Request) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	seq := req.CSeq().SeqNo
	if seq < d.remoteSeq {
		return false
	}
	d.remoteSeq = seq
	return true
}

// request makes the dialog's next request.
func (d *dialog) request(method sip.RequestMethod) *sip.Request {
	d.mu.Lock()
	d.localSeq++
	seq := d.localSeq
	d.mu.Unlock()
	return d.build(method, seq)
}

// build makes a request of the dialog with that sequence number; an ACK has
// the number of its INVITE.
func (d *dialog) build(method sip.RequestMethod, seq uint32) *sip.Request {
	d.mu.Lock()
	remote, target, routes := d.remote, *d.target.Clone(), d.routes
	d.mu.Unlock()
	callID := sip.CallIDHeader(d.callID)
	req := sip.NewRequest(method, target)
	req.AppendHeader(d.phone.via())
	for _, r := range routes {
		req.AppendHeader(&sip.RouteHeader{Address: *r.Clone()})
	}
	req.AppendHeader(&sip.FromHeader{DisplayName: d.local.name, Address: d.local.uri, Params: d.local.params()})
	req.AppendHeader(&sip.ToHeader{DisplayName: remote.name, Address: remote.uri, Params: remote.params()})
	req.AppendHeader(&callID)
	req.AppendHeader(&sip.CSeqHeader{SeqNo: seq, MethodName: method})
	if method == sip.INVITE {
		req.AppendHeader(&sip.ContactHeader{Address: d.phone.contact()})
		req.AppendHeader(sip.NewHeader("Allow", allow))
	}
	d.phone.complete(req)
	return req
}

// setSDP gives a message a session description as its body; none where body is
// empty.
func setSDP(m sip.Message, body []byte) {
	if len(body) > 0 {
		m.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	}
	m.SetBody(body)
}
