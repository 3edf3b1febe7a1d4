package media

import (
	"slices"
	"time"
)

const (
	// portSessions is how many sessions share a port by default: few enough that the
	// kernel's default buffer holds a few beats of their packets.
	portSessions = 128
	// quarantine is how long an address is not taken for another call's after
	// its call has ended, counted from the last packet that came from it.
	quarantine = 5 * time.Second
	// drainLimit bounds how many packets of one port a beat takes: a flood
	// must not hold up the others.
	drainLimit = 1024
)

// port is a pair of UDP ports of a shard, RTP and RTCP, shared by sessions that
// are told apart by the address of their far end.
//
// Whose a packet is, is decided by its exact source address alone. Only a
// session that has heard nothing yet may be given an address that signalling
// did not name (NAT): the address's host must be one that its signalling named,
// no other session of the port may be waiting for a packet from that host, and
// the packet must not have the SSRC of another call, of now or of lately, whose
// NAT has given it another port.
type port struct {
	number   uint16
	limit    int   // of sessions
	home     *slot // whose sessions it is for
	rtp      socket
	rtcp     socket
	sessions []*Session
	bound    map[endpoint]*Session // by where RTP comes from
	reports  map[endpoint]*Session // by where RTCP comes from
	ended    map[endpoint]remains
	unheard  map[uint32]time.Duration // hosts of calls that ended before a packet came
	emptied  time.Duration            // when the last session left
	users    int                      // sessions that are in a slot: without any it is not drained
	turn     int                      // beats until RTCP is drained
}

// remains is what is kept of a call that has ended, or has gone to another
// address: its late packets are nobody's.
type remains struct {
	of    *Session
	until time.Duration
	ssrc  uint32
	known bool // ssrc is valid
}

func (r remains) has(ssrc uint32, now time.Duration) bool {
	return r.known && r.ssrc == ssrc && now < r.until
}

func newPort(number uint16, limit int, rtp, rtcp socket) *port {
	return &port{
		number: number, limit: limit, rtp: rtp, rtcp: rtcp,
		bound:   make(map[endpoint]*Session),
		reports: make(map[endpoint]*Session),
		ended:   make(map[endpoint]remains), unheard: make(map[uint32]time.Duration),
	}
}

// room reports whether there is a place for another session.
func (p *port) room() bool { return len(p.sessions) < p.limit }

// clear reports whether a session that expects packets from host (0 when that
// is not known) could be told apart from all others of the port, whatever its
// far end's port turns out to be. On a port where it could not, it will hear
// its far end at the address that signalling names, and at no other.
func (p *port) clear(host uint32) bool {
	if host == 0 && len(p.unheard) > 0 {
		return false
	}
	if _, ok := p.unheard[host]; ok {
		return false
	}
	for _, s := range p.sessions {
		if s.latched == 0 && (host == 0 || s.expects(host)) {
			return false
		}
	}
	return true
}

// bind gives the packets from e to s. False when they are another session's.
func (p *port) bind(e endpoint, s *Session) bool {
	if other := p.bound[e]; other != nil {
		return other == s
	}
	p.bound[e] = s
	if r, ok := p.ended[e]; ok {
		if r.of == s {
			r = remains{}
		}
		s.in.shunned = r
		delete(p.ended, e)
	}
	return true
}

// unbind takes e from s. What still comes from there is nobody's.
func (p *port) unbind(e endpoint, s *Session, now time.Duration) {
	if e != 0 && p.bound[e] == s {
		delete(p.bound, e)
		p.ended[e] = remains{s, now + quarantine, s.in.source.ssrc, s.in.source.known}
	}
}

// expectReports gives RTCP from e to s, unless it is another's.
func (p *port) expectReports(e endpoint, s *Session) {
	if _, taken := p.reports[e]; !taken && e != 0 {
		p.reports[e] = s
	}
}

// leave takes s off the port.
func (p *port) leave(s *Session, now time.Duration) {
	p.unbind(s.remote, s, now)
	p.unbind(s.latched, s, now)
	if s.latched == 0 {
		// Its first packet may still come, from a port that nobody knows.
		for _, host := range []uint32{s.peer, s.host, s.remote.host()} {
			if host != 0 {
				p.unheard[host] = now + quarantine
			}
		}
	}
	for e, owner := range p.reports {
		if owner == s {
			delete(p.reports, e)
		}
	}
	if i := slices.Index(p.sessions, s); i >= 0 {
		p.sessions = slices.Delete(p.sessions, i, i+1)
	}
	if len(p.sessions) == 0 {
		p.emptied = now
	}
}

// claim is the session that a packet from an unknown address is for; nil when
// there is none, or when it could be for several.
func (p *port) claim(from endpoint, h *rtpHeader, now time.Duration) *Session {
	former, shut := p.remember(from, h.ssrc, now)
	if shut {
		return nil
	}
	var found *Session
	for _, s := range p.sessions {
		if s.latched != 0 && s.in.source.known && s.in.source.ssrc == h.ssrc {
			return nil
		}
		if s.latched != 0 || !s.expects(from.host()) {
			continue
		}
		if found != nil {
			return nil
		}
		found = s
	}
	if found == nil || !found.ready || !found.params.Receive || !found.understands(h.payloadType) {
		return nil
	}
	if former != nil && former != found {
		return nil
	}
	return found
}

// remember looks among the calls that have ended. shut means that a packet from
// the address is nobody's; former is the session that its stream belonged to.
// While such packets come, they are remembered.
func (p *port) remember(from endpoint, ssrc uint32, now time.Duration) (former *Session, shut bool) {
	until := now + quarantine
	if r, ok := p.ended[from]; ok && now < r.until {
		p.ended[from] = remains{r.of, until, ssrc, true}
		shut = true
	}
	for e, r := range p.ended {
		if r.has(ssrc, now) {
			former = r.of
			r.until = until
			p.ended[e] = r
		}
	}
	if u, ok := p.unheard[from.host()]; ok && now < u {
		p.unheard[from.host()] = until
		shut = true
	}
	return former, shut
}

// drain takes all packets that have arrived.
func (p *port) drain(sh *shard) {
	for n := 0; n < drainLimit; {
		got := p.rtp.receive(sh.inbox)
		n += got
		for i := range got {
			d := &sh.inbox.packets[i]
			p.take(sh, d)
		}
		if got < inboxSize {
			break
		}
	}
	if p.turn--; p.turn <= 0 {
		p.turn = rtcpBeats
		p.drainReports(sh)
	}
}

// take gives a packet to its session.
func (p *port) take(sh *shard, d *datagram) {
	h, payload, ok := parseRTP(d.data)
	s := p.bound[d.from]
	if s == nil {
		if ok {
			s = p.claim(d.from, &h, sh.now)
		}
		if s == nil {
			sh.count.unknown++
			return
		}
	}
	if !ok {
		s.count.malformed++
		sh.count.malformed++
		return
	}
	sh.current = s
	s.takeRTP(&h, payload, d.from, sh.now-d.age)
	sh.current = nil
}

// rtcpBeats is how often RTCP is looked for, in drains.
const rtcpBeats = 5

func (p *port) drainReports(sh *shard) {
	got := p.rtcp.receive(sh.inbox)
	for i := range got {
		d := &sh.inbox.packets[i]
		s := p.reports[d.from]
		if s == nil {
			sh.count.unknown++
			continue
		}
		sh.current = s
		if !s.takeRTCP(d.data, sh.now-d.age) {
			s.count.malformed++
			sh.count.malformed++
		}
		sh.current = nil
	}
}

// tidy forgets quarantines that are over.
func (p *port) tidy(now time.Duration) {
	for e, r := range p.ended {
		if now >= r.until {
			delete(p.ended, e)
		}
	}
	for host, until := range p.unheard {
		if now >= until {
			delete(p.unheard, host)
		}
	}
}
