package audiofile

import "io"

// maxReservoir is how far back into earlier frames a frame can reach.
const maxReservoir = 511

// frameStream gives layer III frames as the bytes that go-mp3 reads. It gives
// whole frames only, which spares go-mp3 its own search for them, and works
// around three of its faults:
//
//   - Of frames at 22.05 kHz with padding it loses the last byte, by rounding,
//     and garbles the sound of most bit rates (32, 80, 96, 160 kbit/s).
//   - It takes no MPEG 2.5. The tables of 11.025 and 12 kHz are those of
//     16 kHz, so that frames of these rates can be given as such.
//   - A frame that needs earlier ones which are not there (a recorded stream)
//     is decoded all the same, as a burst of noise.
type frameStream struct {
	frames *frames
	main   []byte // main data of earlier frames, maxReservoir bytes at most
	out    []byte // what is still to be read
	buf    [maxFrame]byte
	err    error
}

// Read implements io.Reader.
func (s *frameStream) Read(p []byte) (int, error) {
	if len(s.out) == 0 {
		if s.err == nil {
			s.err = s.advance()
		}
		if s.err != nil {
			return 0, s.err
		}
	}
	n := copy(p, s.out)
	s.out = s.out[n:]
	return n, nil
}

// advance makes the next frame ready to be read.
func (s *frameStream) advance() error {
	h, frame, err := s.frames.next()
	if err != nil {
		return err
	}
	s.put(h, frame)
	return nil
}

// put makes a frame ready to be read.
func (s *frameStream) put(h frameHeader, frame []byte) {
	offset, size := h.side()
	if offset+size > len(frame) {
		return // no room for sound; only in garbage
	}
	side, data := frame[offset:offset+size], frame[offset+size:]
	back := h.reservoir(side)
	if rewritten(h) {
		s.rewrite(h, side, data, back)
	} else {
		if back > len(s.main) {
			clear(side) // no granule has data: silence
			s.main = s.main[:0]
		}
		s.out = s.buf[:copy(s.buf[:], frame)]
	}
	s.main = append(s.main, data...)
	if excess := len(s.main) - maxReservoir; excess > 0 {
		s.main = s.main[:copy(s.main, s.main[excess:])]
	}
}

// rewritten reports whether frames like h cannot be given as they are.
func rewritten(h frameHeader) bool {
	return h.version() != mpeg1 && h.rate()%8000 != 0
}

// rewrite makes a frame that says the same by itself: with all of its main
// data inside, at the highest bit rate, so that no rounding of its length and
// no earlier frame matters. Where that is not long enough, it is given as one
// of 16 kHz, which is longer and differs only in the tables of short blocks.
func (s *frameStream) rewrite(h frameHeader, side, data []byte, back int) {
	const (
		rateMask = 0x00000c00
		rate16   = 0x00000800
	)
	bits, short := parts(h, side)
	need := (bits + 7) / 8
	out := h&^0xf200 | 0xe000 | 0x00010000 // 160 kbit/s, no padding, no checksum
	out = out&^0x00180000 | 0x00100000     // MPEG 2
	if h.version() == mpeg25 {
		out = out&^rateMask | rate16
	}
	length := func() int { return out.size() }
	if need > length()-frameHeaderSize-len(side) && !short {
		out = out&^rateMask | rate16
	}
	frame := s.buf[:length()]
	clear(frame)
	frame[0], frame[1], frame[2], frame[3] = byte(out>>24), byte(out>>16), byte(out>>8), byte(out)
	s.out = frame
	if back > len(s.main) {
		return // no granule has data: silence
	}
	room := frame[frameHeaderSize+copy(frame[frameHeaderSize:], side):]
	frame[frameHeaderSize] = 0 // needs no earlier frame
	copy(room[copy(room, s.main[len(s.main)-back:]):], data)
}

// parts reads the side information of MPEG 2: how many bits of main data the
// frame has, and whether any of it is in short blocks.
func parts(h frameHeader, side []byte) (bits int, short bool) {
	at := 10 // after main_data_begin and private_bits
	if h.mono() {
		at = 9
	}
	read := func(offset, n int) (v int) {
		for i := at + offset; n > 0; n, i = n-1, i+1 {
			v = v<<1 | int(side[i/8]>>(7-i%8)&1)
		}
		return v
	}
	for range h.channels() {
		bits += read(0, 12)                                   // part2_3_length
		short = short || read(38, 1) == 1 && read(39, 2) == 2 // window_switching_flag, block_type
		at += 63
	}
	return bits, short
}

var _ io.Reader = (*frameStream)(nil)
