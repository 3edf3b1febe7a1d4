package pcm

// MuLaw is the sample that a µ-law code stands for (ITU-T G.711 table 2,
// decoder): the middle of its interval, times 4 to fill 16 bits.
func MuLaw(code byte) int16 {
	code = ^code
	const bias = 33 // moves the decision values to powers of two
	segment, step := int(code>>4&7), int(code&15)
	v := ((step<<1+bias)<<segment - bias) << 2
	if code&0x80 != 0 {
		v = -v
	}
	return int16(v)
}

// ALaw is the sample that an A-law code stands for (ITU-T G.711 table 1,
// decoder): the middle of its interval, times 8 to fill 16 bits.
func ALaw(code byte) int16 {
	code ^= 0x55
	segment, step := int(code>>4&7), int(code&15)
	v := step<<1 + 1
	if segment > 0 {
		v = (v + 32) << (segment - 1)
	}
	v <<= 3
	if code&0x80 == 0 {
		v = -v
	}
	return int16(v)
}
