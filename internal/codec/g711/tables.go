package g711

// makeACodes is G.711 table 1, encoder: eight segments (the first two with the
// same step), 16 intervals each, even bits inverted. The index is the sample's
// upper 12 bits.
func makeACodes() (codes [1 << 12]byte) {
	for i := range codes {
		v := int(int16(i<<4)) >> 4 // -2048 to 2047
		sign := 0x80
		if v < 0 {
			v, sign = ^v, 0
		}
		segment := 0
		for v > 31 {
			v >>= 1
			segment++
		}
		if v > 15 {
			segment++
			v -= 16
		}
		codes[i] = byte(sign|segment<<4|v) ^ 0x55
	}
	return codes
}

// makeSamples is the decoder's side of a law.
func makeSamples(law func(code byte) int16) (samples [1 << 8]int16) {
	for i := range samples {
		samples[i] = law(byte(i))
	}
	return samples
}

// muBias moves the decision values of µ-law to powers of two (33 in the 14-bit
// scale of G.711 table 2); muClip is the greatest magnitude that has a code.
const (
	muBias = 33
	muClip = 8191 - muBias
)

// makeMuCodes is G.711 table 2, encoder: eight segments of 16 intervals, all
// bits inverted. The index is the sample's upper 14 bits.
func makeMuCodes() (codes [1 << 14]byte) {
	for i := range codes {
		v := int(int16(i<<2)) >> 2 // -8192 to 8191
		sign := 0
		if v < 0 {
			v, sign = ^v, 0x80
		}
		v = min(v, muClip) + muBias
		segment := 0
		for v > 63 {
			v >>= 1
			segment++
		}
		codes[i] = ^byte(sign | segment<<4 | v>>1&15)
	}
	return codes
}
