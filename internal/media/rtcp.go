package media

import (
	"encoding/binary"
	"time"
)

// Packet types (RFC 3550 section 12.1).
const (
	rtcpSR   = 200
	rtcpRR   = 201
	rtcpSDES = 202
	rtcpBYE  = 203
)

// reportBlock is what a far end says about the packets that it gets.
type reportBlock struct {
	ssrc       uint32
	fraction   uint8
	lost       int32
	highest    uint32
	jitter     uint32
	lsr, delay uint32
}

// rtcpReport is what is needed of a compound packet: the sender's own report,
// and its block about one SSRC.
type rtcpReport struct {
	ssrc     uint32 // of the sender
	ntp      uint64 // of the sender report; 0 where there was none
	block    reportBlock
	hasBlock bool
	bye      bool
}

// parseRTCP reads a compound packet (RFC 3550 section 6.1 and appendix A.2) as
// far as it is about the stream that we send with ssrc. ok is false for what is
// not one.
func parseRTCP(b []byte, ssrc uint32) (r rtcpReport, ok bool) {
	first := true
	for len(b) > 0 {
		if len(b) < 8 || b[0]>>6 != 2 {
			return r, false
		}
		count, kind := int(b[0]&0x1f), b[1]
		size := 4 * (int(binary.BigEndian.Uint16(b[2:])) + 1)
		if size > len(b) || size < 4 {
			return r, false
		}
		if first && (kind != rtcpSR && kind != rtcpRR || b[0]&0x20 != 0) {
			return r, false
		}
		if !r.take(kind, count, b[:size], ssrc, first) {
			return r, false
		}
		first = false
		b = b[size:]
	}
	return r, !first
}

// take reads one packet of a compound.
func (r *rtcpReport) take(kind byte, count int, b []byte, ssrc uint32, first bool) bool {
	at := 8
	switch kind {
	case rtcpSR:
		if len(b) < 28 {
			return false
		}
		r.ntp = binary.BigEndian.Uint64(b[8:])
		at = 28
	case rtcpRR:
		if len(b) < 8 {
			return false
		}
	case rtcpBYE:
		r.bye = true
		return true
	default:
		return true
	}
	if first {
		r.ssrc = binary.BigEndian.Uint32(b[4:])
	}
	for range count {
		if len(b) < at+24 {
			return false
		}
		if block := b[at:]; binary.BigEndian.Uint32(block) == ssrc {
			lost := int32(binary.BigEndian.Uint32(block[4:])<<8) >> 8
			r.block = reportBlock{
				ssrc: ssrc, fraction: block[4], lost: lost,
				highest: binary.BigEndian.Uint32(block[8:]),
				jitter:  binary.BigEndian.Uint32(block[12:]),
				lsr:     binary.BigEndian.Uint32(block[16:]),
				delay:   binary.BigEndian.Uint32(block[20:]),
			}
			r.hasBlock = true
		}
		at += 24
	}
	return true
}

// ntpTime is t as RFC 3550 section 4 has it: seconds since 1900, and fractions
// of 2^-32 s.
func ntpTime(t time.Time) uint64 {
	const from1900 = 2208988800
	ns := uint64(t.Nanosecond())
	return uint64(t.Unix()+from1900)<<32 | ns<<32/1e9
}

// middle is the part of an NTP time that LSR carries, in 1/65536 s.
func middle(ntp uint64) uint32 { return uint32(ntp >> 16) }

// rtcpOut is what a compound packet of ours says.
type rtcpOut struct {
	ssrc      uint32
	now       time.Time
	sending   bool // a sender report, else a receiver report
	timestamp uint32
	packets   uint32
	bytes     uint32
	block     *reportBlock // nil where nothing has come
	cname     string
	bye       bool
}

// put writes the compound packet to b, which is long enough, and reports its
// size.
func (o *rtcpOut) put(b []byte) int {
	be := binary.BigEndian
	n := 8
	kind := byte(rtcpRR)
	if o.sending {
		kind = rtcpSR
		be.PutUint64(b[8:], ntpTime(o.now))
		be.PutUint32(b[16:], o.timestamp)
		be.PutUint32(b[20:], o.packets)
		be.PutUint32(b[24:], o.bytes)
		n = 28
	}
	count := 0
	if k := o.block; k != nil {
		count = 1
		be.PutUint32(b[n:], k.ssrc)
		be.PutUint32(b[n+4:], uint32(max(-1<<23, min(1<<23-1, k.lost)))&0xffffff|uint32(k.fraction)<<24)
		be.PutUint32(b[n+8:], k.highest)
		be.PutUint32(b[n+12:], k.jitter)
		be.PutUint32(b[n+16:], k.lsr)
		be.PutUint32(b[n+20:], k.delay)
		n += 24
	}
	rtcpHeader(b, kind, count, n)
	be.PutUint32(b[4:], o.ssrc)
	n += o.putSDES(b[n:])
	if o.bye {
		be.PutUint32(b[n+4:], o.ssrc)
		rtcpHeader(b[n:], rtcpBYE, 1, 8)
		n += 8
	}
	return n
}

// putSDES writes the CNAME, which every compound packet has.
func (o *rtcpOut) putSDES(b []byte) int {
	cname := o.cname[:min(len(o.cname), 255)]
	binary.BigEndian.PutUint32(b[4:], o.ssrc)
	b[8], b[9] = 1, byte(len(cname))
	n := 10 + copy(b[10:], cname)
	end := (n/4 + 1) * 4 // at least one zero ends the list
	clear(b[n:end])
	rtcpHeader(b, rtcpSDES, 1, end)
	return end
}

func rtcpHeader(b []byte, kind byte, count, size int) {
	b[0] = 2<<6 | byte(count)
	b[1] = kind
	binary.BigEndian.PutUint16(b[2:], uint16(size/4-1))
}
