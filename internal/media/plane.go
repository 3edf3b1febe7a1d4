package media

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"syscall"
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
	// Shards is the number of beats that run beside each other; 0 means as
	// many as GOMAXPROCS, but no more than the machine has processors.
	Shards int
	// SilenceTimeout is how long a far end that should be sending may be
	// silent before Facts.Silent is told; 0 means 20 s.
	SilenceTimeout time.Duration
	// SessionsPerPort is how many sessions share a port; 0 means 128, 1 gives
	// each its own.
	SessionsPerPort int
	// Logger takes what an operator should know; never used on the beat. Nil
	// means slog.Default.
	Logger *slog.Logger
	// Now gives the times of facts; nil means time.Now.
	Now func() time.Time
}

// Plane is a running media plane. Its methods are safe for concurrent use.
type Plane struct {
	cfg    Config
	shards []*shard
	wake   chan struct{} // there are facts
	quit   chan struct{} // the facts goroutine is to end
	wg     sync.WaitGroup

	// mu guards the fields below; it is not held while blocking, but for the
	// opening and closing of sockets.
	mu     sync.Mutex
	closed bool
	used   map[uint16]bool // RTP ports that are open
	next   uint16          // RTP port to be tried next
}

// PlaneStats counts what the plane has done since Open.
type PlaneStats struct {
	Sessions      int   // open now
	Mixes         int   // open now
	Ports         int   // pairs of UDP ports open now
	Beats         int64 // beats of mixes
	LateBeats     int64 // beats that began over 5 ms late
	SkippedBeats  int64 // beats left out after a stall: frames never sent
	LostFacts     int64 // digits dropped because Facts was too slow; all other facts wait
	PacketsIn     int64 // RTP packets taken
	PacketsOut    int64 // packets sent, RTCP included
	SendErrors    int64 // packets that the kernel did not take
	UnknownSource int64 // packets from an address that is no session's
	Malformed     int64 // packets that are not RTP or RTCP of their session
	Panics        int64 // sessions, playbacks or recordings ended because their code panicked
}

// Open starts a plane, and raises GOMAXPROCS by its shards until Close: they
// sleep in the kernel, each with a processor of the Go scheduler. The error names the port range when it is too small for
// one port pair per shard, or wrong.
func Open(cfg Config) (*Plane, error) {
	if !cfg.Addr.Unmap().Is4() {
		return nil, fmt.Errorf("media: address %v is not IPv4", cfg.Addr)
	}
	if cfg.Shards <= 0 {
		cfg.Shards = min(runtime.GOMAXPROCS(0), runtime.NumCPU())
	}
	if cfg.SilenceTimeout == 0 {
		cfg.SilenceTimeout = 20 * time.Second
	}
	if cfg.SessionsPerPort <= 0 {
		cfg.SessionsPerPort = portSessions
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	first := cfg.PortMin + cfg.PortMin&1
	if pairs := (int(cfg.PortMax) - int(first) + 1) / 2; first == 0 || pairs < cfg.Shards {
		return nil, fmt.Errorf("media: port range %d-%d has room for %d pairs of RTP and RTCP ports, at least %d are needed",
			cfg.PortMin, cfg.PortMax, max(0, pairs), cfg.Shards)
	}
	p := &Plane{
		cfg: cfg, wake: make(chan struct{}, 1), quit: make(chan struct{}),
		used: make(map[uint16]bool), next: first,
	}
	for range cfg.Shards {
		sh := newShard(p)
		var err error
		if sh.alarm, err = newAlarm(); err != nil {
			return nil, fmt.Errorf("media: %w", err)
		}
		p.shards = append(p.shards, sh)
	}
	moreProcs(cfg.Shards)
	for _, sh := range p.shards {
		p.wg.Go(sh.run)
	}
	p.wg.Go(func() { p.tellFacts(p.quit) })
	return p, nil
}

// Close ends all sessions and mixes, stops the beat and waits until its
// goroutines have ended. Facts not told yet are told first. It must not be
// called from within Facts or Done.
func (p *Plane) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	p.mu.Unlock()
	for _, sh := range p.shards {
		sh.do(sh.endAll)
		close(sh.quit)
		sh.alarm.ring()
		<-sh.stopped
	}
	close(p.quit)
	p.wg.Wait()
	moreProcs(-len(p.shards))
	for _, sh := range p.shards {
		for _, port := range sh.ports {
			port.rtp.close()
			port.rtcp.close()
		}
		sh.alarm.close()
	}
	return nil
}

// endAll ends all sessions of the shard.
func (sh *shard) endAll() {
	for _, port := range sh.ports {
		for len(port.sessions) > 0 {
			port.sessions[len(port.sessions)-1].end()
		}
	}
}

// Stats counts over all shards; it does not wait for a beat.
func (p *Plane) Stats() PlaneStats {
	var st PlaneStats
	for _, sh := range p.shards {
		st.Sessions += int(sh.sessions.Load())
		st.Mixes += int(sh.mixes.Load())
		st.Ports += int(sh.openPort.Load())
		for i, v := range []*int64{
			&st.Beats, &st.LateBeats, &st.SkippedBeats, &st.LostFacts, &st.PacketsIn,
			&st.UnknownSource, &st.Malformed, &st.Panics, &st.PacketsOut, &st.SendErrors,
		} {
			*v += sh.counts[i].Load()
		}
	}
	return st
}

// NewMix makes a mix with nobody in it, in the shard that has the least to do.
func (p *Plane) NewMix(cfg MixConfig) *Mix {
	sh := p.idlest()
	sh.mixes.Add(1)
	return newMix(sh, cfg)
}

// idlest is the shard with the fewest sessions, then mixes.
func (p *Plane) idlest() *shard {
	best := p.shards[0]
	for _, sh := range p.shards[1:] {
		a, b := sh.sessions.Load(), best.sessions.Load()
		if a < b || a == b && sh.mixes.Load() < best.mixes.Load() {
			best = sh
		}
	}
	return best
}

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

// OpenSession takes a place on a port for a call and gives the session, which
// neither sends nor receives before Configure. The error is a *parley.Error
// with CodeNoCapacity when the ports are used up, CodeShuttingDown after Close.
func (p *Plane) OpenSession(cfg SessionConfig) (*Session, error) {
	sh := p.idlest()
	if cfg.Mix != nil {
		sh = cfg.Mix.shard
	}
	s := newSession(sh, cfg)
	if err := p.attach(s, cfg.Mix); err != nil {
		return nil, err
	}
	s.local = netip.AddrPortFrom(p.cfg.Addr, s.port.number)
	return s, nil
}

// attach gives s its place on a port: one that there is, else a new one, and
// when no more can be opened, one that is not as good.
func (p *Plane) attach(s *Session, m *Mix) error {
	sh := s.shard
	closed := parley.Errorf(parley.CodeShuttingDown, "the media plane is closed")
	attached := false
	if !sh.do(func() { attached = sh.attach(s, m, best) }) {
		return closed
	}
	if attached {
		return nil
	}
	port, err := p.openPort()
	if err == nil {
		sh.openPort.Add(1)
		if !sh.do(func() { sh.attachNew(s, m, port) }) {
			p.closePort(sh, port)
			return closed
		}
		return nil
	}
	if sh.do(func() { attached = sh.attach(s, m, anywhere) || sh.attach(s, m, anyhow) }) && attached {
		return nil
	}
	return err
}

// openPort binds the next free pair of ports. A number comes again only after
// all others, so that packets for a port that was closed reach nobody for long.
func (p *Plane) openPort() (*port, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, parley.Errorf(parley.CodeShuttingDown, "the media plane is closed")
	}
	first := p.cfg.PortMin + p.cfg.PortMin&1
	var last error
	for range (int(p.cfg.PortMax) - int(first) + 1) / 2 {
		n := p.next
		if p.next = n + 2; int(n)+3 > int(p.cfg.PortMax) {
			p.next = first
		}
		if p.used[n] {
			continue
		}
		port, err := openPair(p.cfg, n)
		if errors.Is(err, syscall.EADDRINUSE) {
			last = err
			continue
		}
		if err != nil { // no more files, say: the next port would fare no better
			last = err
			break
		}
		p.used[n] = true
		return port, nil
	}
	e := parley.Errorf(parley.CodeNoCapacity, "no RTP port from %d to %d is free", p.cfg.PortMin, p.cfg.PortMax)
	e.Err = last
	return nil, e
}

// openPair binds an RTP port and the RTCP port after it.
func openPair(cfg Config, n uint16) (*port, error) {
	rtp, err := listen(netip.AddrPortFrom(cfg.Addr, n))
	if err != nil {
		return nil, err
	}
	rtcp, err := listen(netip.AddrPortFrom(cfg.Addr, n+1))
	if err != nil {
		rtp.close()
		return nil, err
	}
	return newPort(n, cfg.SessionsPerPort, rtp, rtcp), nil
}

// closePort closes a port that no shard has any more.
func (p *Plane) closePort(sh *shard, port *port) {
	port.rtp.close()
	port.rtcp.close()
	sh.openPort.Add(-1)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.used, port.number)
}

// guard keeps the facts goroutine going when a Facts panics.
func (p *Plane) guard(tell func()) {
	defer func() {
		if reason := recover(); reason != nil {
			p.cfg.Logger.Error("panic in media facts", "reason", reason)
		}
	}()
	tell()
}
