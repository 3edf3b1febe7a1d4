package media

import "encoding/binary"

// rtpHeaderSize is the fixed header (RFC 3550 section 5.1).
const rtpHeaderSize = 12

// rtpHeader is what is needed of a packet's header.
type rtpHeader struct {
	marker      bool
	payloadType uint8
	seq         uint16
	timestamp   uint32
	ssrc        uint32
}

// parseRTP reads a packet: its header, and its payload without padding. ok is
// false for what is not RTP version 2 (RFC 3550 appendix A.1).
func parseRTP(b []byte) (h rtpHeader, payload []byte, ok bool) {
	if len(b) < rtpHeaderSize || b[0]>>6 != 2 {
		return h, nil, false
	}
	h = rtpHeader{
		marker:      b[1]&0x80 != 0,
		payloadType: b[1] & 0x7f,
		seq:         binary.BigEndian.Uint16(b[2:]),
		timestamp:   binary.BigEndian.Uint32(b[4:]),
		ssrc:        binary.BigEndian.Uint32(b[8:]),
	}
	start := rtpHeaderSize + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 { // extension, section 5.3.1
		if len(b) < start+4 {
			return h, nil, false
		}
		start += 4 + 4*int(binary.BigEndian.Uint16(b[start+2:]))
	}
	end := len(b)
	if b[0]&0x20 != 0 { // padding
		end -= int(b[len(b)-1])
		if b[len(b)-1] == 0 {
			return h, nil, false
		}
	}
	if start > end {
		return h, nil, false
	}
	return h, b[start:end], true
}

// put writes h to b and reports its size.
func (h *rtpHeader) put(b []byte) int {
	_ = b[rtpHeaderSize-1]
	b[0] = 2 << 6
	b[1] = h.payloadType
	if h.marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], h.seq)
	binary.BigEndian.PutUint32(b[4:], h.timestamp)
	binary.BigEndian.PutUint32(b[8:], h.ssrc)
	return rtpHeaderSize
}
