package sip

import (
	"bytes"
	"io"
	"net/netip"
	"strings"

	"parley/internal/sip/message"

	sipgo "github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// credentials answer the challenges of one trunk (RFC 3261 section 22, RFC
// 8760). They are for its host alone: what is sent elsewhere is never answered
// with them.
type credentials struct {
	username, password string
	host               netip.Addr // of the trunk, as found for this call; only it is answered
	answered           map[string]bool
}

// maxChallenges is how many nonces are answered in one call.
const maxChallenges = 16

// respond gives the header field that answers the challenge in m to req, sent
// to an address. It is empty where nothing is to be answered: no challenge that
// we can meet, one of somebody else, of a nonce that was answered before, or one
// that refuses the credentials which req has.
func (cr *credentials) respond(req *sipgo.Request, m *message.Message, to netip.Addr) (name, value string) {
	ask, name := "WWW-Authenticate", "Authorization"
	switch m.Status {
	case 401:
	case 407:
		ask, name = "Proxy-Authenticate", "Proxy-Authorization"
	default:
		return "", ""
	}
	if cr == nil || cr.username == "" || to != cr.host || len(cr.answered) >= maxChallenges {
		return "", ""
	}
	// The first that we can meet: the server has them in the order of its
	// preference (RFC 8760 section 2.4).
	for _, v := range m.Values(ask) {
		c, err := digest.ParseChallenge(v)
		if err != nil || !meets(c) || cr.answered[c.Nonce] || refused(req, name, c) {
			continue
		}
		for i := range c.QOP {
			c.QOP[i] = strings.TrimSpace(c.QOP[i])
		}
		body := req.Body()
		answer, err := digest.Digest(c, digest.Options{
			Method: string(req.Method), URI: req.Recipient.String(), Count: 1,
			Username: cr.username, Password: cr.password,
			GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
		})
		if err != nil {
			continue
		}
		if cr.answered == nil {
			cr.answered = make(map[string]bool)
		}
		cr.answered[c.Nonce] = true
		return name, answer.String()
	}
	return "", ""
}

// refused reports whether req has credentials for the realm of c: then they are
// wrong, unless only their nonce was too old (RFC 7616 section 3.3).
func refused(req *sipgo.Request, name string, c *digest.Challenge) bool {
	if c.Stale {
		return false
	}
	for _, h := range req.GetHeaders(name) {
		if given, err := digest.ParseCredentials(h.Value()); err == nil && given.Realm == c.Realm {
			return true
		}
	}
	return false
}

// meets reports whether we can answer a challenge: MD5 and SHA-256.
func meets(c *digest.Challenge) bool {
	switch strings.ToUpper(c.Algorithm) {
	case "", "MD5", "SHA-256":
		return c.Nonce != "" && digest.CanDigest(c)
	}
	return false
}

// authorize makes of req, which was challenged by m, the request that answers
// the challenge (RFC 3261 section 22.2): the same with a new CSeq, and without
// a Via. nil means that m is final.
func (c *call) authorize(req *sipgo.Request, m *message.Message, f message.Flow, seq uint32) *sipgo.Request {
	if c.out == nil {
		return nil
	}
	name, value := c.out.trunk.respond(req, m, f.Remote().Addr())
	if name == "" {
		return nil
	}
	again := sipgo.NewRequest(req.Method, *req.Recipient.Clone())
	for _, h := range req.Headers() {
		switch h.Name() {
		case "Via", "CSeq", "Content-Length", name:
		default:
			again.AppendHeader(h)
		}
	}
	again.AppendHeader(&sipgo.CSeqHeader{SeqNo: seq, MethodName: req.Method})
	again.AppendHeader(sipgo.NewHeader(name, value))
	again.SetBody(req.Body())
	return again
}
