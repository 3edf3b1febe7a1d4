package audiofile

import "encoding/binary"

// frameHeader is the header of an MPEG audio frame (ISO/IEC 11172-3 section
// 2.4.1.3 and 13818-3), four bytes.
type frameHeader uint32

const frameHeaderSize = 4

// The values of the version and layer fields.
const (
	mpeg25       = 0
	mpegReserved = 1
	mpeg1        = 3
	layer3       = 1
	layer2       = 2
)

func headerAt(b []byte) frameHeader { return frameHeader(binary.BigEndian.Uint32(b)) }

func (h frameHeader) version() int   { return int(h >> 19 & 3) }
func (h frameHeader) layer() int     { return int(h >> 17 & 3) }
func (h frameHeader) checksum() bool { return h>>16&1 == 0 }
func (h frameHeader) mono() bool     { return h>>6&3 == 3 }

// valid reports whether h is a header of layer II or III. The free bit rate is
// not: its frames do not say how long they are.
func (h frameHeader) valid() bool {
	return h>>21 == 0x7ff && h.version() != mpegReserved && (h.layer() == layer2 || h.layer() == layer3) &&
		h.kilobits() > 0 && h>>10&3 != 3 && h&3 != 2
}

// like reports whether h may belong to the same stream as other: version,
// layer and sample rate never change within one.
func (h frameHeader) like(other frameHeader) bool {
	const same = 0xfffe0c00
	return h&same == other&same
}

// kilobits is the bit rate in kbit/s, 0 where h has none.
func (h frameHeader) kilobits() int {
	index := h >> 12 & 15
	switch {
	case h.version() != mpeg1:
		return [16]int{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}[index]
	case h.layer() == layer2:
		return [16]int{0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384}[index]
	default:
		return [16]int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}[index]
	}
}

// rate is the sample rate in Hz.
func (h frameHeader) rate() int {
	rate := [4]int{44100, 48000, 32000}[h>>10&3]
	switch h.version() {
	case mpeg1:
		return rate
	case mpeg25:
		return rate / 4
	default:
		return rate / 2
	}
}

// samples is the number of samples in the frame, of each channel.
func (h frameHeader) samples() int {
	if h.layer() == layer3 && h.version() != mpeg1 {
		return 576
	}
	return 1152
}

// size is the length of the frame in bytes, with its header.
func (h frameHeader) size() int {
	return h.samples()/8*1000*h.kilobits()/h.rate() + int(h>>9&1)
}

// channels is 1 or 2.
func (h frameHeader) channels() int {
	if h.mono() {
		return 1
	}
	return 2
}

// side gives where in the frame the side information begins and how long it
// is (layer III).
func (h frameHeader) side() (offset, size int) {
	offset = frameHeaderSize
	if h.checksum() {
		offset += 2
	}
	switch {
	case h.version() == mpeg1 && h.mono():
		return offset, 17
	case h.version() == mpeg1:
		return offset, 32
	case h.mono():
		return offset, 9
	default:
		return offset, 17
	}
}

// reservoir is how many bytes of earlier frames' main data this frame uses
// (main_data_begin), by its side information.
func (h frameHeader) reservoir(side []byte) int {
	if h.version() == mpeg1 {
		return int(side[0])<<1 | int(side[1])>>7
	}
	return int(side[0])
}

// tag is what the first frame of a file may tell instead of sound.
type tag struct {
	frames         int64 // in the file, 0 where not told
	delay, padding int   // samples that the encoder added at both ends
}

// parseTag reads the tag of Xing, LAME or Fraunhofer's encoder in a frame; ok
// is false for a frame of sound.
func parseTag(h frameHeader, frame []byte) (t tag, ok bool) {
	be := binary.BigEndian
	const vbri = frameHeaderSize + 32
	if len(frame) >= vbri+18 && string(frame[vbri:vbri+4]) == "VBRI" {
		return tag{frames: int64(be.Uint32(frame[vbri+14:]))}, true
	}
	offset, size := h.side()
	if h.checksum() {
		offset -= 2 // encoders put the tag where it were without the checksum
	}
	b := frame[min(offset+size, len(frame)):]
	if len(b) < 8 || (string(b[:4]) != "Xing" && string(b[:4]) != "Info") {
		return tag{}, false
	}
	flags, b := be.Uint32(b[4:]), b[8:]
	field := func(flag uint32, size int) []byte {
		if flags&flag == 0 || len(b) < size {
			return nil
		}
		f := b[:size]
		b = b[size:]
		return f
	}
	if frames := field(1, 4); frames != nil {
		t.frames = int64(be.Uint32(frames))
	}
	field(2, 4)   // bytes
	field(4, 100) // table of contents
	field(8, 4)   // quality
	// LAME's extension, which others write as well: 9 bytes name, 12 bytes of
	// settings, then two numbers of 12 bits.
	if len(b) >= 24 && (string(b[:4]) == "LAME" || string(b[:3]) == "Lav") {
		t.delay, t.padding = int(b[21])<<4|int(b[22])>>4, int(b[22]&15)<<8|int(b[23])
	}
	return t, true
}
