package player

import (
	"math/rand/v2"
	"testing"
)

// The two ends of the ring run as fast as they can; every sample says where it
// belongs.
func TestRingKeepsOrder(t *testing.T) {
	const total = 1_000_000
	place := func(at int) int16 { return int16(at % 30_011) }
	r := newRing(777)
	go func() {
		rng := rand.New(rand.NewPCG(1, 1))
		for at := 0; at < total; {
			piece := make([]int16, min(rng.IntN(300), total-at))
			for i := range piece {
				piece[i] = place(at + i)
			}
			at += r.write(piece)
		}
		r.finished.Store(true)
	}()
	rng := rand.New(rand.NewPCG(2, 2))
	frame := make([]int16, 200)
	for got := 0; ; {
		n, ended := r.read(frame[:rng.IntN(200)])
		for i, s := range frame[:n] {
			if s != place(got+i) {
				t.Fatalf("sample %d is %d, want %d", got+i, s, place(got+i))
			}
		}
		if got += n; ended {
			if got != total {
				t.Errorf("ended after %d samples, want %d", got, total)
			}
			return
		}
	}
}
