package phone

import (
	"context"
	"fmt"
	"strings"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// via is a fresh Via of the phone.
func (p *Phone) via() *sip.ViaHeader {
	v := &sip.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: strings.ToUpper(p.cfg.Transport),
		Host: p.addr.Addr().String(), Port: int(p.addr.Port()),
	}
	v.Params.Add("branch", sip.GenerateBranchN(16))
	v.Params.Add("rport", "")
	return v
}

// complete gives a request what every one of ours has.
func (p *Phone) complete(req *sip.Request) {
	hops := sip.MaxForwardsHeader(70)
	req.AppendHeader(&hops)
	req.AppendHeader(sip.NewHeader("User-Agent", "parley-phone"))
	req.SetBody(nil)
	req.SetTransport(strings.ToUpper(p.cfg.Transport))
	req.Laddr = p.laddr
}

// send begins a client transaction.
func (p *Phone) send(ctx context.Context, req *sip.Request) (*sip.ClientTx, error) {
	if h := p.cfg.Hooks.Request; h != nil {
		h(req)
	}
	tx, err := p.txl.Request(ctx, req)
	if err == nil && req.IsInvite() {
		tx.OnRetransmission(p.repeatACK)
	}
	return tx, err
}

// repeatACK answers a further copy of a 2xx (RFC 3261 section 13.2.2.4).
func (p *Phone) repeatACK(res *sip.Response) {
	id, from := res.CallID(), res.From()
	if id == nil || from == nil {
		return
	}
	tag, _ := from.Params.Get("tag")
	p.mu.Lock()
	c := p.calls[id.Value()+" "+tag]
	p.mu.Unlock()
	if c != nil {
		c.sendACK()
	}
}

// write sends an ACK, which has no transaction.
func (p *Phone) write(req *sip.Request) {
	if h := p.cfg.Hooks.Request; h != nil {
		h(req)
	}
	if err := p.tpl.WriteMsg(req); err != nil {
		p.log.Warn("request not sent", "method", req.Method, "err", err)
	}
}

// respond sends a response. It fails where the transaction is over, because of
// a CANCEL for instance.
func (p *Phone) respond(tx *sip.ServerTx, res *sip.Response) error {
	if h := p.cfg.Hooks.Response; h != nil {
		h(res)
	}
	if err := tx.Respond(res); err != nil {
		p.log.Debug("response not sent", "status", res.StatusCode, "err", err)
		return fmt.Errorf("response %d: %w", res.StatusCode, err)
	}
	return nil
}

// refuse sends a final response without a body; where the transaction is over
// there is nothing to refuse.
func (p *Phone) refuse(tx *sip.ServerTx, req *sip.Request, status int) {
	_ = p.respond(tx, sip.NewResponseFromRequest(req, status, reasonPhrase(status), nil))
}

// final waits for the final response of a transaction. Each provisional one
// is given to seen, where it is not nil.
func (p *Phone) final(ctx context.Context, tx *sip.ClientTx, seen func(*sip.Response)) (*sip.Response, error) {
	for {
		select {
		case res := <-tx.Responses():
			if h := p.cfg.Hooks.Received; h != nil {
				h(res)
			}
			if !res.IsProvisional() {
				return res, nil
			}
			if seen != nil {
				seen(res)
			}
		case <-tx.Done():
			return nil, fmt.Errorf("no final response: %w", tx.Err())
		case <-p.closing.Done():
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// exchange sends the request that build makes and waits for its final response;
// a challenge is answered once. build is called once for each try. The error
// of a refusal is a *StatusError.
func (p *Phone) exchange(ctx context.Context, build func() *sip.Request) (*sip.Response, error) {
	req := build()
	for tried := false; ; tried = true {
		tx, err := p.send(ctx, req)
		if err != nil {
			return nil, err
		}
		res, err := p.final(ctx, tx, nil)
		if err != nil {
			return nil, err
		}
		if challenged(res) && !tried && p.cfg.Account.Username != "" {
			req = build()
			if err := p.authorize(req, res); err != nil {
				return nil, err
			}
			continue
		}
		if !res.IsSuccess() {
			return res, statusError(req.Method, res)
		}
		return res, nil
	}
}

func statusError(method sip.RequestMethod, res *sip.Response) error {
	return &StatusError{Method: string(method), Status: res.StatusCode, Reason: res.Reason}
}

func challenged(res *sip.Response) bool {
	return res.StatusCode == sip.StatusUnauthorized || res.StatusCode == sip.StatusProxyAuthRequired
}

// authorize answers the challenge of res in req (RFC 3261 section 22, RFC
// 8760).
func (p *Phone) authorize(req *sip.Request, res *sip.Response) error {
	from, to := "WWW-Authenticate", "Authorization"
	if res.StatusCode == sip.StatusProxyAuthRequired {
		from, to = "Proxy-Authenticate", "Proxy-Authorization"
	}
	challenge, err := chooseChallenge(res.GetHeaders(from))
	if err != nil {
		return err
	}
	credentials, err := digest.Digest(challenge, digest.Options{
		Method: string(req.Method), URI: req.Recipient.String(),
		Username: p.cfg.Account.Username, Password: p.cfg.Account.Password,
	})
	if err != nil {
		return fmt.Errorf("challenge: %w", err)
	}
	req.AppendHeader(sip.NewHeader(to, credentials.String()))
	return nil
}

// chooseChallenge is the first one that we can answer, the order in which the
// other side prefers them (RFC 8760 section 2.4).
func chooseChallenge(headers []sip.Header) (*digest.Challenge, error) {
	err := fmt.Errorf("a challenge without a header that says which")
	for _, h := range headers {
		var challenge *digest.Challenge
		if challenge, err = digest.ParseChallenge(h.Value()); err != nil {
			err = fmt.Errorf("challenge %q: %w", h.Value(), err)
			continue
		}
		if digest.CanDigest(challenge) {
			return challenge, nil
		}
		err = fmt.Errorf("challenge with unknown algorithm %q", challenge.Algorithm)
	}
	return nil, err
}

// reasonPhrase is RFC 3261's for the usual statuses.
func reasonPhrase(status int) string {
	phrases := map[int]string{
		100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress",
		200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
		408: "Request Timeout", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist",
		486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here", 491: "Request Pending",
		500: "Server Internal Error", 503: "Service Unavailable", 600: "Busy Everywhere", 603: "Decline",
	}
	if p, ok := phrases[status]; ok {
		return p
	}
	return "Status " + fmt.Sprint(status)
}
