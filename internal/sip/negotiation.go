package sip

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"parley/internal/codec"
	"parley/internal/media"
	"parley/internal/sdp"
)

// session is what a call needs of its media. *media.Session is one.
type session interface {
	LocalAddr() netip.AddrPort
	SameShard(m *media.Mix) bool
	Configure(p media.Params) error
	Close()
}

// opener opens media sessions.
type opener func(media.SessionConfig) (session, error)

// planeOpener opens them in a plane.
func planeOpener(p *media.Plane) opener {
	return func(cfg media.SessionConfig) (session, error) {
		s, err := p.OpenSession(cfg)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
}

// Errors of a negotiation.
var (
	errNoOffer   = errors.New("an answer to no offer of ours")
	errNoSession = errors.New("no media session")
)

// maxPorts is how many ports are tried for a far end whose address others have
// on the first.
const maxPorts = 4

// negotiation is the offers and answers of one call (RFC 3264), and the media
// session that they configure. A failed exchange changes nothing: the session
// goes on as agreed before. All but session is for the call's goroutine.
type negotiation struct {
	open       opener
	cfg        media.SessionConfig // of every session of the call
	signalling netip.Addr          // where the far end's signalling comes from

	mu      sync.Mutex
	current session // guarded by mu; nil before there is one

	sessionID uint64       // of our descriptions
	sent      *sdp.Session // the description of ours that is agreed on, or was sent last
	offer     *offer       // of ours, that has no answer yet
	peer      netip.Addr   // where the far end's media was last said to be
	hold      bool         // we have put the far end on hold
	held      bool         // it has put us on hold
}

// offer is a description of ours that waits for its answer.
type offer struct {
	described sdp.Session
	session   session // that it describes
	hold      bool
}

func newNegotiation(open opener, cfg media.SessionConfig) *negotiation {
	return &negotiation{open: open, cfg: cfg, sessionID: rand.Uint64N(1 << 62)}
}

// session is the call's media session, nil before there is one.
func (n *negotiation) session() session {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.current
}

// use makes s the call's session and closes the one before.
func (n *negotiation) use(s session) {
	n.mu.Lock()
	before := n.current
	n.current = s
	n.mu.Unlock()
	if before != nil && before != s {
		before.Close()
	}
}

// start opens a session in the shard of mix.
func (n *negotiation) start(mix *media.Mix, peer netip.Addr) (session, error) {
	cfg := n.cfg
	cfg.Mix, cfg.Peer = mix, peer
	return n.open(cfg)
}

// close ends the media. It may be called twice.
func (n *negotiation) close() {
	if n.offer != nil && n.offer.session != n.session() {
		n.offer.session.Close()
	}
	n.offer = nil
	if s := n.session(); s != nil {
		s.Close()
	}
}

// local is our side as the next description says it.
func (n *negotiation) local(s session, hold bool) sdp.Local {
	return sdp.Local{
		Addr: s.LocalAddr(), Codecs: codecs(), DTMFPayloadType: sdp.DTMFPayloadType, PTime: 20 * time.Millisecond,
		Direction: sdp.NewDirection(true, !hold), SessionID: n.sessionID, Previous: n.sent,
	}
}

// codecs are the encodings of package codec, in the words of package sdp.
func codecs() []sdp.Codec {
	var out []sdp.Codec
	dynamic := uint8(96)
	for _, f := range codec.Formats() {
		c := sdp.Codec{Name: f.Name, ClockRate: f.ClockRate, Channels: 1}
		if f.PayloadType == codec.Dynamic {
			c.PayloadType = dynamic
			dynamic++
		} else {
			c.PayloadType = uint8(f.PayloadType)
		}
		out = append(out, c)
	}
	return out
}

// makeOffer begins an exchange: it offers s, the call's session or a new one,
// with the far end on hold or not.
func (n *negotiation) makeOffer(s session, hold bool) []byte {
	o := &offer{described: sdp.MakeOffer(n.local(s, hold)), session: s, hold: hold}
	n.offer = o
	// Also a refused offer was seen: the next differs from it, or is the same.
	n.sent = &o.described
	return o.described.Bytes()
}

// takeAnswer ends the exchange that makeOffer began. With media.ErrAddressInUse
// the answer was good, but another port is needed for the far end's address:
// the exchange has ended and the session is not configured.
func (n *negotiation) takeAnswer(body []byte) error {
	o := n.offer
	if o == nil {
		return errNoOffer
	}
	n.offer = nil
	agreed, err := n.agree(o, body)
	if err != nil {
		if o.session != n.session() {
			o.session.Close()
		}
		return err
	}
	n.use(o.session)
	n.settle(agreed, o.hold)
	return nil
}

// agree reads an answer and configures the session that was offered.
func (n *negotiation) agree(o *offer, body []byte) (media.Params, error) {
	answer, err := sdp.Parse(body)
	if err != nil {
		return media.Params{}, err
	}
	agreed, err := sdp.AcceptAnswer(o.described, answer)
	if err != nil {
		return media.Params{}, err
	}
	p, err := n.paramsOf(agreed)
	if err != nil {
		return media.Params{}, err
	}
	n.peer = p.Remote.Addr()
	return p, o.session.Configure(p)
}

// withdraw ends the exchange that makeOffer began without an answer. A session
// that was offered for the first time is closed.
func (n *negotiation) withdraw() {
	if n.offer != nil && n.offer.session != n.session() {
		n.offer.session.Close()
	}
	n.offer = nil
}

// answer answers an offer of the far end with the call's session. An error
// that wraps sdp.ErrNotAcceptable, or comes from reading, means 488.
func (n *negotiation) answer(body []byte) ([]byte, error) {
	s := n.session()
	if s == nil {
		return nil, errNoSession
	}
	offered, err := sdp.Parse(body)
	if err != nil {
		return nil, err
	}
	ours, p, err := n.answerWith(s, offered)
	if err != nil {
		return nil, err
	}
	return n.commit(ours, p), nil
}

// answerFirst answers the first offer of a call: it opens the session, in the
// shard of mix, and takes another port where others have the far end's address
// on it.
func (n *negotiation) answerFirst(offered sdp.Session, mix *media.Mix) ([]byte, error) {
	peer := n.signalling
	if audio, i := offered.Audio(); i >= 0 && audio.Addr.IsValid() && !audio.Addr.IsUnspecified() {
		peer = audio.Addr
	}
	var tried []session // kept open, so that the next gets another port
	defer func() {
		for _, s := range tried {
			s.Close()
		}
	}()
	for {
		s, err := n.start(mix, peer)
		if err != nil {
			return nil, err
		}
		ours, p, err := n.answerWith(s, offered)
		if err == nil {
			n.use(s)
			return n.commit(ours, p), nil
		}
		tried = append(tried, s)
		if !errors.Is(err, media.ErrAddressInUse) || len(tried) == maxPorts {
			return nil, err
		}
	}
}

// answerWith makes our answer and configures s by it.
func (n *negotiation) answerWith(s session, offered sdp.Session) (sdp.Session, media.Params, error) {
	ours, agreed, err := sdp.Answer(offered, n.local(s, n.hold))
	if err != nil {
		return sdp.Session{}, media.Params{}, err
	}
	p, err := n.paramsOf(agreed)
	if err != nil {
		return sdp.Session{}, media.Params{}, err
	}
	return ours, p, s.Configure(p)
}

// commit makes our answer what is agreed on.
func (n *negotiation) commit(ours sdp.Session, p media.Params) []byte {
	n.sent = &ours
	n.settle(p, n.hold)
	return ours.Bytes()
}

// settle keeps what an exchange has agreed on.
func (n *negotiation) settle(p media.Params, hold bool) {
	n.peer, n.hold = p.Remote.Addr(), hold
	// We always want to send: where we may not, the far end holds us.
	n.held = !p.Send
}

// paramsOf is an agreement in the words of package media.
func (n *negotiation) paramsOf(a sdp.Negotiated) (media.Params, error) {
	f, ok := codec.ByName(a.Codec.Name, a.Codec.ClockRate)
	if !ok {
		return media.Params{}, fmt.Errorf("%w: codec %s", sdp.ErrNotAcceptable, a.Codec.Name)
	}
	return media.Params{
		Remote: a.Remote, RemoteRTCP: a.RemoteRTCP, SignallingAddr: n.signalling,
		Codec: f, PayloadType: a.SendPayloadType, DTMFPayloadType: a.ReceiveDTMF, PTime: a.PTime,
		Send: a.Direction.Sends(), Receive: a.Direction.Receives(),
	}, nil
}
