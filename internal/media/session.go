package media

import (
	"errors"
	"net/netip"
	"time"

	"parley/internal/codec"
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
type Session struct{}

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
	FramesPlayed    int64
	FramesConcealed int64
	Level           int           // of the last frame received, dBov
	Talking         bool          // as last told to Facts
	RTT             time.Duration // from RTCP; 0 until known
	RemoteLost      float64       // share that the far end said it lost lately, 0 to 1
	RemoteJitter    time.Duration // as the far end said
	LastPacket      time.Time     // when the last packet came; zero before
}

// LocalAddr is where the far end is to send RTP; RTCP is the next port.
func (s *Session) LocalAddr() netip.AddrPort { return netip.AddrPort{} }

// SameShard reports whether the session can be added to m.
func (s *Session) SameShard(m *Mix) bool { return false }

// Configure takes what an offer and its answer have settled, each time that
// something changed. On an error nothing changes: ErrAddressInUse, ErrParams
// or ErrClosed.
func (s *Session) Configure(p Params) error { return ErrClosed }

// Stats is how the session does at this moment. After Close it keeps the last
// values.
func (s *Session) Stats() SessionStats { return SessionStats{} }

// Close takes the session out of its mix, says RTCP BYE and gives up its place
// on the port. No fact is told after Close has returned, except one being told
// at that moment. It may be called twice.
func (s *Session) Close() {}
