package pcm_test

import (
	"testing"

	"parley/internal/pcm"
)

// The values of ITU-T G.711 at both ends of the first, the second and the last
// segment; package g711 compares all of them.
func TestLawsAtTheEdges(t *testing.T) {
	mu := map[byte]int16{0xff: 0, 0x7f: 0, 0xfe: 8, 0x7e: -8, 0xf0: 120, 0xef: 132, 0x80: 32124, 0x00: -32124}
	for code, want := range mu {
		if got := pcm.MuLaw(code); got != want {
			t.Errorf("µ-law %#02x is %d, want %d", code, got, want)
		}
	}
	a := map[byte]int16{0xd5: 8, 0x55: -8, 0xda: 248, 0xc5: 264, 0xaa: 32256, 0x2a: -32256}
	for code, want := range a {
		if got := pcm.ALaw(code); got != want {
			t.Errorf("A-law %#02x is %d, want %d", code, got, want)
		}
	}
}
