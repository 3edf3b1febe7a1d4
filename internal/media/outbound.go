package media

import (
	"time"

	"parley/internal/codec"
)

const (
	// mixRate is the rate of all mixes, in Hz, mixFrame a frame of them.
	mixRate  = 8000
	mixFrame = mixRate / 50
)

// outbound is the stream that a session sends.
type outbound struct {
	encoder   codec.Encoder
	codec     int // index in shard.codecs
	ssrc      uint32
	seq       uint16
	timestamp uint32
	marker    bool // the next packet begins a talkspurt (RFC 3551 section 4.1)
	packet    []byte
	size      int // bytes of payload in a packet
	packets   uint32
	bytes     uint32
	reported  uint32 // packets when the last report went out
}

func (o *outbound) configure(p Params, k parts) {
	o.encoder, o.codec = k.encoder, k.codec
	o.size = int(p.PTime/time.Millisecond) * mixRate / 1000
	o.packet = k.packet
	o.marker = true
}

// sends reports whether the session's packets go out.
func (s *Session) sends() bool {
	return s.ready && s.params.Send && s.remote != 0
}

// send sends a frame of encoded sound, one byte a sample: in the ptime that was
// negotiated, so maybe later together with the next, or in two packets. payload
// may be shared with other sessions. The time of the stream goes on in any case.
func (s *Session) send(payload []byte) {
	o := &s.out
	if !s.sends() {
		o.timestamp += uint32(len(o.packet)) + mixFrame
		o.marker = true
		o.packet = o.packet[:0]
		return
	}
	if o.size == len(payload) && len(o.packet) == 0 {
		s.transmit(payload)
		o.timestamp += uint32(len(payload))
		return
	}
	o.packet = append(o.packet, payload...)
	at := 0
	for len(o.packet)-at >= o.size {
		s.transmit(o.packet[at : at+o.size])
		o.timestamp += uint32(o.size)
		at += o.size
	}
	o.packet = o.packet[:copy(o.packet, o.packet[at:])]
}

// transmit puts a packet into the outbox.
func (s *Session) transmit(payload []byte) {
	o, box := &s.out, s.shard.outbox
	b := box.next(s.port.rtp, s.target())
	h := rtpHeader{
		marker: o.marker, payloadType: s.params.PayloadType,
		seq: o.seq, timestamp: o.timestamp, ssrc: o.ssrc,
	}
	n := h.put(b[:])
	n += copy(b[n:], payload)
	box.commit(n)
	o.seq++
	o.marker = false
	o.packets++
	o.bytes += uint32(len(payload))
}

// skip lets the time of the stream go on over beats that are left out.
func (s *Session) skip(samples int) {
	s.out.timestamp += uint32(samples)
	if s.buf != nil && s.ready {
		s.buf.Skip(samples)
	}
}
