package pcm_test

import (
	"math"
	"testing"
	"time"

	"parley/internal/pcm"
)

func TestFrameSize(t *testing.T) {
	for rate, want := range map[int]int{8000: 160, 16000: 320, 48000: 960} {
		if got := pcm.FrameSize(rate); got != want || time.Duration(got)*time.Second/time.Duration(rate) != pcm.FrameDuration {
			t.Errorf("%d Hz: %d samples, want %d", rate, got, want)
		}
	}
}

func TestLevel(t *testing.T) {
	frame := func(samples ...int16) []int16 { return samples }
	for _, c := range []struct {
		frame []int16
		want  int
	}{
		{nil, pcm.SilenceLevel},
		{frame(0, 0, 0), pcm.SilenceLevel},
		{frame(math.MinInt16, math.MinInt16), 0},
		{frame(math.MaxInt16, -math.MaxInt16), 0},
		{frame(3277, -3277), -20},
		{frame(1, -1), -90},
	} {
		if got := pcm.Level(c.frame); got != c.want {
			t.Errorf("%v: %d dBov, want %d", c.frame, got, c.want)
		}
	}
}

func TestSaturate(t *testing.T) {
	for v, want := range map[int32]int16{0: 0, 32767: 32767, 32768: 32767, 1 << 30: 32767, -32768: -32768, -32769: -32768} {
		if got := pcm.Saturate(v); got != want {
			t.Errorf("%d becomes %d, want %d", v, got, want)
		}
	}
}

func TestGain(t *testing.T) {
	for db, want := range map[float64]float64{0: 1, 20: 10, -20: 0.1, -6.0206: 0.5} {
		if got := pcm.Gain(db); math.Abs(got-want) > 1e-5 {
			t.Errorf("%v dB is %v, want %v", db, got, want)
		}
	}
}
