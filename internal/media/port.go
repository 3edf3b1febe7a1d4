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
// and no other session of the port may be waiting for a packet from that host.
type port struct {
	number   uint16
	limit    int // of sessions
	rtp      socket
	rtcp     socket
	sessions []*Session
	bound    map[endpoint]*Session // by where RTP comes from
	reports  map[endpoint]*Session // by where RTCP comes from
	ended    map[endpoint]time.Duration
	emptied  time.Duration // when the last session left
	turn     int           // beats until RTCP is drained
}

func newPort(number uint16, limit int, rtp, rtcp socket) *port {
	return &port{
		number: number, limit: limit, rtp: rtp, rtcp: rtcp,
		bound:   make(map[endpoint]*Session),
		reports: make(map[endpoint]*Session),
		ended:   make(map[endpoint]time.Duration),
	}
}

// fits reports whether a session that expects packets from host (0 when that
// is not known) can be told apart from all others of the port, whatever its far
// end's port turns out to be.
func (p *port) fits(host uint32) bool {
	if len(p.sessions) >= p.limit {
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
	delete(p.ended, e)
	return true
}

// unbind takes e from s. What still comes from there is nobody's.
func (p *port) unbind(e endpoint, s *Session, now time.Duration) {
	if e != 0 && p.bound[e] == s {
		delete(p.bound, e)
		p.ended[e] = now + quarantine
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
func (p *port) claim(from endpoint, payloadType uint8, now time.Duration) *Session {
	if until, ok := p.ended[from]; ok {
		if now < until {
			p.ended[from] = now + quarantine
			return nil
		}
		delete(p.ended, from)
	}
	var found *Session
	for _, s := range p.sessions {
		if s.latched != 0 || !s.expects(from.host()) {
			continue
		}
		if found != nil {
			return nil
		}
		found = s
	}
	if found == nil || !found.ready || !found.params.Receive || !found.understands(payloadType) {
		return nil
	}
	return found
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
			s = p.claim(d.from, h.payloadType, sh.now)
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
	for e, until := range p.ended {
		if now >= until {
			delete(p.ended, e)
		}
	}
}
