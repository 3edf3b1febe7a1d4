// Package g711 is the companding of ITU-T Recommendation G.711: one byte for
// each 16-bit linear sample, by table, in A-law and µ-law.
//
// Of the 16 bits A-law uses the upper 13, µ-law the upper 14, as the
// Recommendation's tables have them; the lower bits are cut off downwards, as
// ITU-T's own software (G.191) does it.
//
// The functions keep no state, do not allocate, and are safe for concurrent
// use.
package g711

import "parley/internal/pcm"

// The codes of a sample of zero: what a silent line carries.
const (
	SilenceA  = 0xd5
	SilenceMu = 0xff
)

// The tables are made once, before main, and only read after that. A code
// depends on the sample's upper 12 (A-law, which needs no more than these to
// tell its intervals apart) or 14 bits (µ-law).
var (
	aCodes    = makeACodes()
	muCodes   = makeMuCodes()
	aSamples  = makeSamples(pcm.ALaw)
	muSamples = makeSamples(pcm.MuLaw)
)

// EncodeA appends the A-law codes of samples to dst and returns it.
func EncodeA(dst []byte, samples []int16) []byte {
	dst, tail := extend(dst, len(samples))
	for i, s := range samples {
		tail[i] = aCodes[uint16(s)>>4]
	}
	return dst
}

// EncodeMu appends the µ-law codes of samples to dst and returns it.
func EncodeMu(dst []byte, samples []int16) []byte {
	dst, tail := extend(dst, len(samples))
	for i, s := range samples {
		tail[i] = muCodes[uint16(s)>>2]
	}
	return dst
}

// DecodeA writes the samples of A-law codes to dst, as many as both hold, and
// reports how many.
func DecodeA(dst []int16, codes []byte) int {
	n := min(len(dst), len(codes))
	dst = dst[:n]
	for i, c := range codes[:n] {
		dst[i] = aSamples[c]
	}
	return n
}

// DecodeMu writes the samples of µ-law codes to dst, as many as both hold, and
// reports how many.
func DecodeMu(dst []int16, codes []byte) int {
	n := min(len(dst), len(codes))
	dst = dst[:n]
	for i, c := range codes[:n] {
		dst[i] = muSamples[c]
	}
	return n
}

// extend grows dst by n bytes; tail is the new part.
func extend(dst []byte, n int) (grown, tail []byte) {
	old := len(dst)
	if cap(dst)-old < n {
		dst = append(dst, make([]byte, n)...)
	}
	dst = dst[:old+n]
	return dst, dst[old:]
}
