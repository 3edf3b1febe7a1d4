package media

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"parley"
	"parley/internal/codec"
	"parley/internal/dtmf"
	"parley/internal/jitter"
	"parley/internal/mixer"
)

// ErrAddressInUse: another session on the same port has the remote address.
// Open a new session: it gets another port.
var ErrAddressInUse = errors.New("media: remote address is another session's on this port")

// ErrClosed: the session or its plane has been closed.
var ErrClosed = errors.New("media: closed")

// ErrParams: the parameters make no session: no codec that we have, a ptime
// that is not a multiple of 10 ms from 10 to 60 ms, an address that is not IPv4.
var ErrParams = errors.New("media: unusable parameters")

// Session is the media of one call: RTP and RTCP with one far end. It sends
// silence while it is in no mix. Its methods are safe for concurrent use.
type Session struct {
	call  parley.ID
	facts Facts
	cname string
	peer  uint32 // host that packets are expected from, 0 when unknown
	shard *shard
	port  *port
	local netip.AddrPort

	closed atomic.Bool
	last   atomic.Pointer[SessionStats] // set when it has ended

	// All below is the shard's.
	ready     bool // configured
	params    Params
	remote    endpoint // as signalled
	latched   endpoint // where packets come from
	reportsTo endpoint // where RTCP goes
	host      uint32   // that signalling comes from

	in    inbound
	out   outbound
	buf   *jitter.Buffer
	count sessionCounts

	slot    *slot
	mix     *Mix
	voice   *mixer.Voice
	hear    float32 // gain of what is heard: 0 while deaf
	deaf    bool
	private []*Playing // heard by this session and not by all
	talking bool       // as last told
	tick    uint8      // beats until the next look at RTCP and silence
}

// sessionCounts is what SessionStats tells and nobody else counts.
type sessionCounts struct {
	received, receivedBytes int64
	malformed               int64
}

// Params is what an offer and its answer have settled.
type Params struct {
	// Remote is where the far end wants its RTP (SDP's c= and m=). RemoteRTCP
	// is zero for the next port (RFC 3550 section 11).
	Remote, RemoteRTCP netip.AddrPort
	// SignallingAddr is the IP address that the call's signalling comes from;
	// zero when unknown. Packets may come from there instead of Remote (NAT).
	SignallingAddr netip.Addr
	// Codec and PayloadType are what is sent and expected.
	Codec       codec.Format
	PayloadType uint8
	// DTMFPayloadType is that of telephone-event (RFC 4733); 0 for none.
	DTMFPayloadType uint8
	// PTime is the length of the packets to send, 10 to 60 ms in steps of
	// 10 ms; 0 means 20 ms. What comes in may have any length.
	PTime time.Duration
	// Send and Receive are the directions as we see them; both false while
	// the call is inactive (RFC 3264 section 5.1).
	Send, Receive bool
}

// hold reports whether one side holds the other: then none has to send.
func (p *Params) hold() bool { return !p.Send || !p.Receive }

// SessionStats tells how the session does. Counts are since OpenSession.
type SessionStats struct {
	Codec           codec.Format
	PTime           time.Duration
	Latched         netip.AddrPort // where packets come from; zero until one came
	PacketsSent     int64
	BytesSent       int64 // payload only, as in RTCP
	PacketsReceived int64
	BytesReceived   int64         // payload only
	PacketsLost     int64         // RFC 3550 appendix A.3
	PacketsLate     int64         // came after their time to be played
	Duplicates      int64         // came twice
	Malformed       int64         // from the right address, but not of this session
	Jitter          time.Duration // of arrival, RFC 3550 section 6.4.1
	PlayoutDelay    time.Duration // from arrival to the mix, lately
	FramesPlayed    int64         // as the far end said; concealed ones are counted apart
	FramesConcealed int64
	Level           int           // of the last frame received, dBov
	Talking         bool          // as last told to Facts
	RTT             time.Duration // from RTCP; 0 until known
	RemoteLost      float64       // share that the far end said it lost lately, 0 to 1
	RemoteJitter    time.Duration // as the far end said
	LastPacket      time.Time     // when the last packet came; zero before
}

func newSession(sh *shard, cfg SessionConfig) *Session {
	s := &Session{
		call: cfg.Call, facts: cfg.Facts, cname: cfg.CNAME, peer: hostOf(cfg.Peer),
		shard: sh, voice: mixer.NewVoice(mixFrame), hear: 1,
	}
	s.out.ssrc, s.out.seq, s.out.timestamp = rand.Uint32(), uint16(rand.Uint32()), rand.Uint32()
	return s
}

// LocalAddr is where the far end is to send RTP; RTCP is the next port.
func (s *Session) LocalAddr() netip.AddrPort { return s.local }

// SameShard reports whether the session can be added to m.
func (s *Session) SameShard(m *Mix) bool { return s.shard == m.shard }

// Configure takes what an offer and its answer have settled, each time that
// something changed. On an error nothing changes: ErrAddressInUse, ErrParams
// or ErrClosed.
func (s *Session) Configure(p Params) error {
	if p.PTime == 0 {
		p.PTime = beatTime
	}
	if err := p.check(); err != nil {
		return err
	}
	// What takes memory is made here, not on the beat.
	parts, err := newParts(p)
	if err != nil {
		return err
	}
	result := ErrClosed
	s.shard.do(func() {
		if !s.closed.Load() {
			result = s.configure(p, parts)
		}
	})
	return result
}

func (p Params) check() error {
	switch {
	case p.PTime < 10*time.Millisecond || p.PTime > 60*time.Millisecond || p.PTime%(10*time.Millisecond) != 0:
		return fmt.Errorf("%w: ptime %v", ErrParams, p.PTime)
	case p.Remote.IsValid() && !p.Remote.Addr().Unmap().Is4():
		return fmt.Errorf("%w: remote address %v is not IPv4", ErrParams, p.Remote)
	case p.PayloadType > 127 || p.DTMFPayloadType > 127:
		return fmt.Errorf("%w: payload type over 127", ErrParams)
	case p.Codec.ClockRate != p.Codec.SampleRate || p.Codec.SampleRate != mixRate:
		return fmt.Errorf("%w: no mix at the rate of %v", ErrParams, p.Codec)
	}
	return nil
}

// parts is what a configuration needs of memory.
type parts struct {
	encoder codec.Encoder
	decoder codec.Decoder
	codec   int // index in shard.codecs
	buf     *jitter.Buffer
	digits  *dtmf.Receiver
	packet  []byte // collects what is sent, for ptimes other than a beat
}

func newParts(p Params) (parts, error) {
	var k parts
	var err error
	if k.encoder, err = codec.NewEncoder(p.Codec); err != nil {
		return k, fmt.Errorf("%w: %w", ErrParams, err)
	}
	if k.decoder, err = codec.NewDecoder(p.Codec); err != nil {
		return k, fmt.Errorf("%w: %w", ErrParams, err)
	}
	k.codec = codecIndex(p.Codec)
	k.buf = jitter.New(jitter.Config{Decoder: k.decoder, Rate: p.Codec.SampleRate, Frame: mixFrame})
	if p.DTMFPayloadType != 0 {
		k.digits = dtmf.NewReceiver(p.Codec.ClockRate)
	}
	if p.PTime != beatTime {
		k.packet = make([]byte, 0, int(p.PTime/time.Millisecond)*mixRate/1000+mixFrame)
	}
	return k, nil
}

// configure is Configure, between two beats.
func (s *Session) configure(p Params, k parts) error {
	sh := s.shard
	if s.port.users == 0 {
		s.port.drain(sh) // what has come while nobody listened is nobody's
	}
	remote := endpointOf(p.Remote)
	// An address of 0.0.0.0 is an old way to say hold: the session stays where
	// it is (RFC 3264 section 8.4).
	if remote != 0 && remote != s.remote {
		if other := s.port.bound[remote]; other != nil && other != s {
			return ErrAddressInUse
		}
		s.move(remote, sh.now)
	}
	if remote == 0 {
		p.Send = false
	}
	if p.RemoteRTCP.IsValid() {
		s.reportsTo = endpointOf(p.RemoteRTCP)
	} else if s.remote != 0 {
		s.reportsTo = s.remote + 1
	}
	s.port.expectReports(s.reportsTo, s)
	s.host = hostOf(p.SignallingAddr)

	if s.buf == nil {
		s.buf = k.buf
	} else if p.Codec != s.params.Codec {
		s.buf.SetDecoder(k.decoder)
	}
	if s.in.digits == nil || p.DTMFPayloadType == 0 {
		s.in.digits = k.digits
	}
	if !s.ready || s.params.hold() && !p.hold() {
		s.in.since = sh.now
		s.in.silent = false
	}
	s.out.configure(p, k)
	s.params = p
	if !s.ready {
		s.ready = true
		sh.place(s)
	}
	return nil
}

// move gives the session another signalled address.
func (s *Session) move(remote endpoint, now time.Duration) {
	old, latched := s.remote, s.latched
	s.remote = remote
	s.port.bind(remote, s)
	if old != remote {
		s.port.unbind(old, s, now)
	}
	if latched != remote {
		if latched != old {
			s.port.unbind(latched, s, now)
		}
		s.latched = 0
	}
}

// expects reports whether packets from host may be the session's.
func (s *Session) expects(host uint32) bool {
	if !s.ready {
		return s.peer == 0 || s.peer == host
	}
	return host == s.remote.host() || host == s.host || host == s.peer
}

// understands reports whether the payload type was negotiated.
func (s *Session) understands(payloadType uint8) bool {
	return payloadType == s.params.PayloadType || payloadType == s.params.DTMFPayloadType && payloadType != 0
}

// target is where RTP goes: to where it comes from (symmetric RTP, RFC 4961),
// and before anything has come, to where signalling said.
func (s *Session) target() endpoint {
	if s.latched != 0 {
		return s.latched
	}
	return s.remote
}

// Stats is how the session does at this moment. After Close it keeps the last
// values.
func (s *Session) Stats() SessionStats {
	var st SessionStats
	if s.shard.do(func() { st = s.stats() }) && s.last.Load() == nil {
		return st
	}
	if last := s.last.Load(); last != nil {
		return *last
	}
	return st
}

func (s *Session) stats() SessionStats {
	clock := time.Duration(max(1, s.params.Codec.ClockRate))
	st := SessionStats{
		Codec:           s.params.Codec,
		PTime:           s.params.PTime,
		Latched:         s.latched.addrPort(),
		PacketsSent:     int64(s.out.packets),
		BytesSent:       int64(s.out.bytes),
		PacketsReceived: s.count.received,
		BytesReceived:   s.count.receivedBytes,
		PacketsLost:     s.in.source.lost(),
		Malformed:       s.count.malformed,
		Jitter:          time.Duration(s.in.source.jitter * float64(time.Second) / float64(clock)),
		Level:           s.voice.Level(),
		Talking:         s.talking,
		RTT:             s.in.rtt,
		RemoteLost:      float64(s.in.remote.fraction) / 256,
		RemoteJitter:    time.Duration(s.in.remote.jitter) * time.Second / clock,
	}
	if s.buf != nil {
		b := s.buf.Stats()
		st.PacketsLate, st.Duplicates = b.Late, b.Duplicates
		st.FramesPlayed, st.FramesConcealed = b.Played, b.Concealed
		st.PlayoutDelay = b.Delay
	}
	if s.in.heard != 0 {
		st.LastPacket = s.shard.wall(s.in.heard)
	}
	return st
}

// Close takes the session out of its mix, says RTCP BYE and gives up its place
// on the port. No fact is told after Close has returned, except one being told
// at that moment. It may be called twice.
func (s *Session) Close() {
	if s.closed.Swap(true) {
		return
	}
	s.shard.do(s.end)
}

// end is Close, between two beats.
func (s *Session) end() {
	if s.last.Load() != nil {
		return
	}
	sh := s.shard
	s.closed.Store(true)
	if s.mix != nil {
		s.mix.leave(s)
	}
	sh.unplace(s)
	st := s.stats()
	s.last.Store(&st)
	if s.ready && s.reportsTo != 0 && s.out.packets > 0 {
		s.report(true)
		sh.outbox.flush()
	}
	s.port.leave(s, sh.now)
	sh.sessions.Add(-1)
	s.buf, s.out.packet, s.in.digits, s.private = nil, nil, nil, nil
}
