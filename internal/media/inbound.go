package media

import (
	"time"

	"parley/internal/dtmf"
)

// inbound is what a session knows of what comes in.
type inbound struct {
	source  source
	digits  *dtmf.Receiver // nil where there are none
	heard   time.Duration  // when the last packet came, 0 before
	since   time.Duration  // since when packets should be coming
	silent  bool           // told that none do
	shunned remains        // a call that had the address before

	remote reportBlock // what the far end last said of our packets
	lastSR uint32      // middle of the NTP time of its last sender report
	srAt   time.Duration
	sentSR [4]sentReport // our last sender reports, to tell forged LSRs
	nextSR int
	rtt    time.Duration
	nextRR time.Duration // when our next report is due
}

// sentReport is when a sender report went out.
type sentReport struct {
	middle uint32
	at     time.Duration
}

// takeRTP takes a packet that is the session's by its address.
func (s *Session) takeRTP(h *rtpHeader, payload []byte, from endpoint, at time.Duration) {
	if !s.ready || !s.understands(h.payloadType) || len(payload) == 0 {
		s.count.malformed++
		return
	}
	if s.in.shunned.has(h.ssrc, s.shard.now) || s.latched != from && !s.latch(from) {
		s.count.malformed++
		return
	}
	s.in.heard, s.in.silent = at, false
	switch s.in.source.update(h.ssrc, h.seq) {
	case drop:
		s.count.malformed++
		return
	case begin:
		s.buf.Reset()
		if s.in.digits != nil {
			*s.in.digits = *dtmf.NewReceiver(s.params.Codec.ClockRate)
		}
	}
	s.count.received++
	s.count.receivedBytes += int64(len(payload))
	s.shard.count.in++
	if !s.params.Receive {
		return
	}
	if h.payloadType != s.params.PayloadType {
		if s.in.digits != nil && s.in.digits.Receive(h.timestamp, payload, s.shard.wall(at)) == nil {
			s.tellDigits()
		}
		return
	}
	s.in.source.time(h.timestamp, at, s.params.Codec.ClockRate)
	s.buf.Push(h.timestamp, payload, at)
}

// latch takes from as where the far end is, if it may: the address that
// signalling named always, another one only for the first packet.
func (s *Session) latch(from endpoint) bool {
	if from != s.remote && (s.latched != 0 || !s.port.bind(from, s)) {
		return false
	}
	if s.latched != 0 {
		s.port.unbind(s.latched, s, s.shard.now)
	}
	s.latched = from
	if from != s.remote && !s.params.RemoteRTCP.IsValid() {
		s.reportsTo = from + 1
	}
	s.port.expectReports(from+1, s)
	return true
}

// tellDigits tells the digits that are over.
func (s *Session) tellDigits() {
	sh := s.shard
	now := sh.wall(sh.now)
	for d, ok := s.in.digits.Next(now); ok; d, ok = s.in.digits.Next(now) {
		if !sh.tell(fact{kind: factDigit, session: s, digit: d.Key, duration: d.Duration, at: now}) {
			sh.count.lost++
		}
	}
}

// takeRTCP takes a compound packet; false where it is none.
func (s *Session) takeRTCP(b []byte, at time.Duration) bool {
	r, ok := parseRTCP(b, s.out.ssrc)
	if !ok {
		return false
	}
	if r.ntp != 0 && r.ssrc == s.in.source.ssrc {
		s.in.lastSR, s.in.srAt = middle(r.ntp), at
	}
	if r.hasBlock {
		s.in.remote = r.block
		if sent, ok := s.sentAt(r.block.lsr); ok {
			delay := time.Duration(r.block.delay) * time.Second / 65536
			if rtt := at - sent - delay; rtt >= 0 {
				s.in.rtt = rtt
			}
		}
	}
	// A BYE changes nothing: signalling ends calls, and anybody can write one.
	return true
}

// sentAt is when the sender report was sent that a far end speaks of.
func (s *Session) sentAt(lsr uint32) (time.Duration, bool) {
	for _, r := range s.in.sentSR {
		if r.at != 0 && r.middle == lsr {
			return r.at, true
		}
	}
	return 0, false
}

// listen brings the voice's frame up to the beat.
func (s *Session) listen(now time.Duration) {
	if !s.ready || !s.params.Receive {
		clear(s.voice.Frame())
		return
	}
	s.buf.Pop(s.voice.Frame(), now)
}

// lookInterval is how many beats lie between two looks of a session at what is
// not urgent: RTCP, silence, keys whose release was lost.
const lookInterval = 25

// look sends a report and tells silence when it is time.
func (s *Session) look() {
	sh, in := s.shard, &s.in
	if in.digits != nil {
		s.tellDigits()
	}
	if !s.params.hold() && s.remote != 0 && !in.silent && sh.now-max(in.heard, in.since) > sh.silence {
		in.silent = sh.tell(fact{kind: factSilent, session: s, at: sh.wall(sh.now)})
	}
	if sh.now >= in.nextRR && s.reportsTo != 0 {
		if in.nextRR != 0 {
			s.report(false)
		}
		in.nextRR = sh.now + reportEvery/2 + time.Duration(sh.rng.Int64N(int64(reportEvery)))
	}
}

// reportEvery is the mean time between two reports of a session. Each is
// between half and one and a half of it (RFC 3550 section 6.2).
const reportEvery = 5 * time.Second

// report sends an RTCP compound packet.
func (s *Session) report(bye bool) {
	sh, in := s.shard, &s.in
	wall := sh.wall(sh.now)
	o := rtcpOut{
		ssrc: s.out.ssrc, now: wall, sending: s.out.packets != s.out.reported, timestamp: s.out.timestamp,
		packets: s.out.packets, bytes: s.out.bytes, cname: s.cname, bye: bye,
	}
	s.out.reported = s.out.packets
	var block reportBlock
	if src := &in.source; src.known {
		block = reportBlock{
			ssrc: src.ssrc, fraction: src.fraction(), lost: int32(min(1<<23-1, src.lost())),
			highest: src.extendedMax(), jitter: uint32(src.jitter),
		}
		if in.srAt != 0 {
			block.lsr, block.delay = in.lastSR, uint32((sh.now-in.srAt)*65536/time.Second)
		}
		o.block = &block
	}
	b := sh.outbox.next(s.port.rtcp, s.reportsTo)
	sh.outbox.commit(o.put(b[:]))
	if o.sending {
		in.sentSR[in.nextSR] = sentReport{middle(ntpTime(wall)), sh.now}
		in.nextSR = (in.nextSR + 1) % len(in.sentSR)
	}
}
