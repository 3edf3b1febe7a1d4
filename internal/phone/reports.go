package phone

import (
	"errors"
	"net"
	"time"

	"github.com/pion/rtcp"
)

const (
	firstReport    = time.Second     // after the start
	reportInterval = 5 * time.Second // RFC 3550 section 6.2, without its randomness
)

// reports is what a stream says and hears over RTCP. The stream's mutex guards
// it.
type reports struct {
	cname      string
	off        bool
	due        time.Time
	sent       uint64
	received   uint64
	remoteName string
	senderTime uint32 // middle 32 bits of the NTP time in the last sender report received
	senderAt   time.Time
	remote     rtcp.ReceptionReport
	roundTrip  time.Duration
}

// ntpEpoch is 1970 in seconds of NTP (RFC 5905 section 6).
const ntpEpoch = 2208988800

func ntpTime(t time.Time) uint64 {
	seconds := uint64(t.Unix() + ntpEpoch)
	fraction := uint64(t.Nanosecond()) << 32 / uint64(time.Second)
	return seconds<<32 | fraction
}

// tickReport sends the report that is due.
func (s *stream) tickReport(now time.Time) {
	s.mu.Lock()
	if !s.out.active || s.report.due.After(now) {
		s.mu.Unlock()
		return
	}
	s.report.due = now.Add(reportInterval)
	packets := s.compound(now)
	s.mu.Unlock()
	s.sendReport(packets)
}

// sayGoodbye tells the other side that the source ends (RFC 3550 section 6.6).
func (s *stream) sayGoodbye() {
	s.mu.Lock()
	if !s.out.active {
		s.mu.Unlock()
		return
	}
	packets := append(s.compound(s.now()), &rtcp.Goodbye{Sources: []uint32{s.out.ssrc}})
	s.mu.Unlock()
	s.sendReport(packets)
}

func (s *stream) sendReport(packets []rtcp.Packet) {
	s.mu.Lock()
	remote, off := s.agreed.RemoteRTCP, s.report.off
	s.mu.Unlock()
	if off || !remote.IsValid() || remote.Addr().IsUnspecified() {
		return
	}
	b, err := rtcp.Marshal(packets)
	if err != nil {
		s.trace("error", "RTCP packet: "+err.Error())
		return
	}
	_, _ = s.rtcp.WriteToUDPAddrPort(b, remote)
}

// compound is a sender report where something was sent, else a receiver
// report, with the CNAME (RFC 3550 section 6.1). The stream is locked.
func (s *stream) compound(now time.Time) []rtcp.Packet {
	s.report.sent++
	var blocks []rtcp.ReceptionReport
	if s.in.began {
		blocks = append(blocks, s.in.block(s.report, now))
	}
	var first rtcp.Packet = &rtcp.ReceiverReport{SSRC: s.out.ssrc, Reports: blocks}
	if s.out.sent.Packets > 0 {
		first = &rtcp.SenderReport{
			SSRC: s.out.ssrc, NTPTime: ntpTime(now), Reports: blocks,
			RTPTime:     s.out.timestamp - uint32(s.out.due.Sub(now)*sampleRate/time.Second),
			PacketCount: uint32(s.out.sent.Packets), OctetCount: uint32(s.out.sent.Bytes),
		}
	}
	return []rtcp.Packet{first, rtcp.NewCNAMESourceDescription(s.out.ssrc, s.report.cname)}
}

// block is the report about the source that we hear (RFC 3550 section 6.4.1).
func (r *reception) block(said reports, now time.Time) rtcp.ReceptionReport {
	b := rtcp.ReceptionReport{
		SSRC: r.ssrc, FractionLost: r.fraction(), LastSequenceNumber: r.highest,
		TotalLost: uint32(max(0, min(r.sourceLost(), 1<<23-1))), Jitter: uint32(r.jitter),
	}
	if !said.senderAt.IsZero() {
		b.LastSenderReport = said.senderTime
		b.Delay = uint32(now.Sub(said.senderAt) * 65536 / time.Second)
	}
	return b
}

// readRTCP takes reports until the stream is closed.
func (s *stream) readRTCP() {
	buf := make([]byte, 2048)
	for {
		n, _, err := s.rtcp.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if packets, err := rtcp.Unmarshal(buf[:n]); err == nil {
			s.takeReports(packets)
		}
	}
}

func (s *stream) takeReports(packets []rtcp.Packet) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.report.received++
	for _, p := range packets {
		switch p := p.(type) {
		case *rtcp.SenderReport:
			s.report.senderTime, s.report.senderAt = uint32(p.NTPTime>>16), now
			s.report.about(s.out.ssrc, p.Reports, now)
		case *rtcp.ReceiverReport:
			s.report.about(s.out.ssrc, p.Reports, now)
		case *rtcp.SourceDescription:
			for _, c := range p.Chunks {
				for _, i := range c.Items {
					if i.Type == rtcp.SDESCNAME {
						s.report.remoteName = i.Text
					}
				}
			}
		}
	}
	close(s.grown)
	s.grown = make(chan struct{})
}

// about takes what the other side reports of our own source.
func (r *reports) about(ssrc uint32, blocks []rtcp.ReceptionReport, now time.Time) {
	for _, b := range blocks {
		if b.SSRC != ssrc {
			continue
		}
		r.remote = b
		if b.LastSenderReport != 0 {
			trip := uint32(ntpTime(now)>>16) - b.LastSenderReport - b.Delay
			r.roundTrip = time.Duration(int32(trip)) * time.Second / 65536
		}
	}
}
