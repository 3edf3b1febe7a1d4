package phone

import (
	"time"

	"github.com/pion/rtp"
)

// reception counts what one RTP source sent, as RFC 3550 appendix A says. A
// new SSRC begins anew. It is not safe for concurrent use.
type reception struct {
	ssrc     uint32
	base     uint16 // first sequence number
	highest  uint32 // extended highest sequence number
	packets  uint64 // of this source
	jitter   float64
	transit  uint32 // of the last packet, in timestamp units, modulo 2^32
	began    bool
	sources  int
	reorders uint64
	unknown  uint64                              // packets of a payload type that was not agreed on
	prior    struct{ expected, received uint64 } // at the last report
	total    Flow                                // over all sources
	lost     int64                               // of earlier sources
	first    time.Time
	last     time.Time
}

// Flow is an amount of RTP.
type Flow struct {
	Packets uint64
	Bytes   uint64 // of payload
}

func (r *reception) packet(h *rtp.Header, payload int, now time.Time) {
	if !r.began || h.SSRC != r.ssrc {
		r.newSource(h)
	} else {
		r.advance(h.SequenceNumber)
	}
	if r.first.IsZero() {
		r.first = now
	}
	r.last = now
	r.packets++
	r.total.Packets++
	r.total.Bytes += uint64(payload)
	// RFC 3550 appendix A.8, in timestamp units.
	transit := uint32(now.UnixMicro()*sampleRate/1_000_000) - h.Timestamp
	if r.packets > 1 {
		d := int32(transit - r.transit)
		r.jitter += (float64(max(d, -d)) - r.jitter) / 16
	}
	r.transit = transit
}

func (r *reception) newSource(h *rtp.Header) {
	if r.began {
		r.lost += r.sourceLost()
	}
	r.began, r.ssrc, r.base, r.highest, r.packets, r.jitter = true, h.SSRC, h.SequenceNumber, uint32(h.SequenceNumber), 0, 0
	r.prior.expected, r.prior.received = 0, 0
	r.sources++
}

// advance extends the sequence number over its wrap-around (appendix A.1).
func (r *reception) advance(seq uint16) {
	delta := int16(seq - uint16(r.highest))
	if delta <= 0 {
		r.reorders++ // or a repeat
		return
	}
	r.highest += uint32(delta)
}

func (r *reception) expected() uint64 { return uint64(r.highest) - uint64(r.base) + 1 }

// sourceLost is negative where packets came twice (appendix A.3).
func (r *reception) sourceLost() int64 {
	if !r.began {
		return 0
	}
	return int64(r.expected()) - int64(r.packets)
}

// fraction is the part lost since the last report, in 256ths.
func (r *reception) fraction() uint8 {
	expected, received := r.expected()-r.prior.expected, r.packets-r.prior.received
	r.prior.expected, r.prior.received = r.expected(), r.packets
	if expected == 0 || received >= expected {
		return 0
	}
	return uint8(min(255, (expected-received)*256/expected))
}
