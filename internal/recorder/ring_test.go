package recorder

import (
	"math/rand/v2"
	"sync"
	"testing"
)

// The two ends of the ring run as fast as they can, each in fits and starts;
// every sample says where it belongs.
func TestRingHoldsTheTimeLine(t *testing.T) {
	const total = 2_000_000
	r := newRing(50) // 200 samples
	var beat sync.WaitGroup
	beat.Go(func() {
		rng := rand.New(rand.NewPCG(1, 1))
		for at := 0; at < total; {
			frame := make([]int16, min(1+rng.IntN(60), total-at))
			for i := range frame {
				frame[i] = place(at + i)
			}
			r.write(frame)
			at += len(frame)
		}
	})
	rng := rand.New(rand.NewPCG(2, 2))
	got, gaps, samples := 0, 0, make([]int16, 100)
	take := func() (any bool) {
		n, lost := r.read(samples[:1+rng.IntN(100)])
		for i, s := range samples[:n] {
			if s != place(got+i) {
				t.Fatalf("sample %d is %d, want %d, after %d gaps", got+i, s, place(got+i), gaps)
			}
		}
		if got += n + int(lost); lost > 0 {
			gaps++
		}
		return n > 0 || lost > 0
	}
	done := make(chan struct{})
	go func() { beat.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			take()
		}
	}
	for take() {
	}
	got += int(r.lost.Load())
	if got != total {
		t.Errorf("%d samples and gaps, want %d", got, total)
	}
	t.Logf("%d gaps", gaps)
}

// place is what the sample at an index holds.
func place(at int) int16 { return int16(at%30_011 + 1) }

func TestRingWithMoreGapsThanItTellsOf(t *testing.T) {
	r := newRing(50)
	frame := make([]int16, 150)
	got := 0
	r.write(frame)
	for range 1000 {
		r.write(frame) // lost
		n, lost := r.read(make([]int16, 1))
		got += n + int(lost)
		r.write(make([]int16, 1)) // fits, with a gap before it
	}
	for {
		n, lost := r.read(make([]int16, 10_000))
		if n == 0 && lost == 0 {
			break
		}
		got += n + int(lost)
	}
	if got += int(r.lost.Load()); got != 150+1000*151 {
		t.Errorf("%d samples and gaps, want %d", got, 150+1000*151)
	}
}
