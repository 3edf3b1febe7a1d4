package media

import (
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"parley"
)

// Config is what a Plane is made of.
type Config struct {
	// Addr is the local IPv4 address of all ports.
	Addr netip.Addr
	// PortMin and PortMax bound the UDP ports, both included: RTP takes even
	// ports, RTCP the next odd ones (RFC 3550 section 11).
	PortMin, PortMax uint16
	// Shards is the number of beats that run beside each other; 0 means
	// GOMAXPROCS.
	Shards int
	// SilenceTimeout is how long a far end that should be sending may be
	// silent before Facts.Silent is told; 0 means 20 s.
	SilenceTimeout time.Duration
	// Logger takes what an operator should know; never used on the beat. Nil
	// means slog.Default.
	Logger *slog.Logger
	// Now gives the times of facts; nil means time.Now.
	Now func() time.Time
}

// Plane is a running media plane. Its methods are safe for concurrent use.
type Plane struct{}

// PlaneStats counts what the plane has done since Open.
type PlaneStats struct {
	Sessions      int   // open now
	Mixes         int   // open now
	Ports         int   // pairs of UDP ports open now
	Beats         int64 // beats of mixes
	LateBeats     int64 // beats that began over 5 ms late
	SkippedBeats  int64 // beats left out after a stall: frames never sent
	LostFacts     int64 // facts dropped because Facts was too slow
	PacketsIn     int64 // RTP packets taken
	PacketsOut    int64 // RTP packets sent
	SendErrors    int64 // packets that the kernel did not take
	UnknownSource int64 // packets from an address that is no session's
	Malformed     int64 // packets that are not RTP or RTCP of their session
	Panics        int64 // sessions ended because their code panicked
}

// Open starts a plane. The error names the port range when it is too small for
// one port pair per shard, or wrong.
func Open(cfg Config) (*Plane, error) { return nil, errors.New("media: not built yet") }

// Close ends all sessions and mixes, stops the beat and waits until its
// goroutines have ended. Facts not told yet are told first.
func (p *Plane) Close() error { return nil }

// Stats counts over all shards; it does not wait for a beat.
func (p *Plane) Stats() PlaneStats { return PlaneStats{} }

// MixConfig says how a Mix sounds.
type MixConfig struct {
	// Rate is the sample rate in Hz; 0 means 8000, the only one so far.
	Rate int
}

// NewMix makes a mix with nobody in it, in the shard that has the least to do.
func (p *Plane) NewMix(cfg MixConfig) *Mix { return &Mix{} }

// SessionConfig is what a Session is opened with.
type SessionConfig struct {
	// Call names the session in facts.
	Call parley.ID
	// Mix is the mix that the session is going to join: the session is opened
	// in its shard. Nil means any shard.
	Mix *Mix
	// Peer is the address that packets are expected from, as far as it is
	// known: the SDP's or the signalling peer's. It may be zero.
	Peer netip.Addr
	// Facts is told what the session hears. It may be nil.
	Facts Facts
	// CNAME is the RTCP canonical name (RFC 7022), the same for the whole call.
	CNAME string
}

// OpenSession takes a port for a call and gives the session, which neither
// sends nor receives before Configure. The error is a *parley.Error with
// CodeNoCapacity when the ports are used up, CodeShuttingDown after Close.
func (p *Plane) OpenSession(cfg SessionConfig) (*Session, error) {
	return nil, errors.New("media: not built yet")
}
