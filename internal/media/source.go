package media

import "time"

// Bounds of RFC 3550 appendix A.1.
const (
	maxDropout  = 3000
	maxMisorder = 100
	seqMod      = 1 << 16
)

// source keeps account of one stream of packets that comes in, as RFC 3550
// appendix A has it; the names are the RFC's. Other than there, the first
// packet of a call counts at once; a later change of the SSRC, and a jump of
// the sequence, only when a second packet confirms it.
type source struct {
	known         bool
	ssrc          uint32
	maxSeq        uint16
	cycles        uint32
	baseSeq       uint32
	badSeq        uint32
	badSSRC       uint32
	received      int64
	expectedPrior int64
	receivedPrior int64
	lostBefore    int64 // lost of streams that are over
	transit       int32
	timed         bool
	jitter        float64 // in ticks
}

// verdict says what to do with a packet.
type verdict uint8

const (
	drop  verdict = iota
	take          // the stream goes on
	begin         // the first packet of another stream
)

// update takes the next packet.
func (s *source) update(ssrc uint32, seq uint16) verdict {
	if !s.known {
		s.begin(ssrc, seq)
		return take
	}
	if ssrc != s.ssrc {
		if ssrc != s.badSSRC || uint32(seq) != s.badSeq {
			s.badSSRC, s.badSeq = ssrc, uint32(seq+1)
			return drop
		}
		s.begin(ssrc, seq)
		return begin
	}
	switch delta := seq - s.maxSeq; {
	case delta < maxDropout:
		if seq < s.maxSeq {
			s.cycles += seqMod
		}
		s.maxSeq = seq
	case uint32(delta) <= seqMod-maxMisorder:
		if s.badSSRC != ssrc || uint32(seq) != s.badSeq {
			s.badSSRC, s.badSeq = ssrc, uint32(seq+1)
			return drop
		}
		s.begin(ssrc, seq)
		return begin
	}
	s.received++
	return take
}

// begin is init_seq of the RFC.
func (s *source) begin(ssrc uint32, seq uint16) {
	s.lostBefore = s.lost()
	s.known = true
	s.ssrc, s.maxSeq, s.baseSeq = ssrc, seq, uint32(seq)
	s.badSeq = seqMod + 1
	s.cycles = 0
	s.received, s.receivedPrior, s.expectedPrior = 1, 0, 0
	s.timed = false
}

// extendedMax is the highest sequence number with its cycles.
func (s *source) extendedMax() uint32 { return s.cycles + uint32(s.maxSeq) }

func (s *source) expected() int64 { return int64(s.extendedMax()) - int64(s.baseSeq) + 1 }

// lost is the number of packets lost since the call began (appendix A.3).
func (s *source) lost() int64 {
	if !s.known {
		return 0
	}
	return s.lostBefore + max(0, s.expected()-s.received)
}

// fraction is the share lost since it was asked last, in 1/256.
func (s *source) fraction() uint8 {
	expected, received := s.expected()-s.expectedPrior, s.received-s.receivedPrior
	s.expectedPrior, s.receivedPrior = s.expected(), s.received
	lost := expected - received
	if expected <= 0 || lost <= 0 {
		return 0
	}
	return uint8(min(255, lost<<8/expected))
}

// time takes the arrival of a packet for the jitter (appendix A.8).
func (s *source) time(timestamp uint32, arrival time.Duration, clockRate int) {
	ticks := uint32(arrival.Microseconds() * int64(clockRate) / 1e6)
	transit := int32(ticks - timestamp)
	d := transit - s.transit
	s.transit = transit
	if !s.timed {
		s.timed = true
		return
	}
	// What jumps by more than seconds is no jitter but another clock.
	if d < 0 {
		d = -d
	}
	if int(d) < 4*clockRate {
		s.jitter += (float64(d) - s.jitter) / 16
	}
}
