package phone

import (
	"time"

	"parley/internal/sdp"
)

// Stats is what a call sent and received so far.
type Stats struct {
	Sent        Flow
	SentLate    int // packets left out because the phone was stopped for over 2 s
	Received    Flow
	Sources     int           // SSRCs received
	Lost        int64         // packets missing by their sequence numbers; below 0: some came twice
	Reordered   uint64        // packets that came after a later one, or twice
	Unknown     uint64        // packets of a payload type that was not agreed on
	Jitter      time.Duration // interarrival jitter (RFC 3550 section 6.4.1)
	FirstPacket time.Time     // by the phone's clock; zero: none
	LastPacket  time.Time

	Reports Reports
	Agreed  sdp.Negotiated // what offer and answer say; zero before
}

// Reports is what RTCP said.
type Reports struct {
	Sent, Received uint64
	CNAME          string        // of the other side
	RemoteLost     uint32        // of what we sent, as the other side reports
	RemoteJitter   time.Duration // of what we sent
	RoundTrip      time.Duration // 0: not known
}

// Stats gives the figures of now.
func (c *Call) Stats() Stats {
	s := c.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{
		Sent: s.out.sent, SentLate: s.out.late,
		Received: s.in.total, Sources: s.in.sources, Lost: s.in.lost + s.in.sourceLost(),
		Reordered: s.in.reorders, Unknown: s.in.unknown,
		Jitter:      time.Duration(s.in.jitter * float64(time.Second) / sampleRate),
		FirstPacket: s.in.first, LastPacket: s.in.last,
		Reports: Reports{
			Sent: s.report.sent, Received: s.report.received, CNAME: s.report.remoteName,
			RemoteLost:   s.report.remote.TotalLost,
			RemoteJitter: time.Duration(s.report.remote.Jitter) * time.Second / sampleRate,
			RoundTrip:    s.report.roundTrip,
		},
		Agreed: s.agreed,
	}
}
