package resample_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"parley/internal/audiotest"
	"parley/internal/resample"
)

// inputs are the rates of files, outputs those of conferences.
var (
	inputs  = []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}
	outputs = []int{8000, 16000, 48000}
)

// eachPair runs test for every input and output rate, in both directions.
func eachPair(t *testing.T, test func(t *testing.T, from, to int)) {
	for _, in := range inputs {
		for _, out := range outputs {
			for _, pair := range [][2]int{{in, out}, {out, in}} {
				t.Run(fmt.Sprintf("%d to %d", pair[0], pair[1]), func(t *testing.T) { test(t, pair[0], pair[1]) })
			}
		}
	}
}

// all is src resampled in one go.
func all(from, to int, src []int16) []int16 {
	dst := make([]int16, len(src)*to/from+2)
	n, _ := resample.New(from, to).Process(dst, src)
	return dst[:n]
}

// steady is the middle of a resampled sound: without its delay and its end.
func steady(sound []int16) []int16 { return sound[len(sound)/8 : len(sound)*7/8] }

// impurity is the level of what is in sound besides the sine of hz.
func impurity(sound []int16, rate int, hz float64) float64 {
	// Least squares on sine and cosine, which are orthogonal over a whole
	// number of periods and nearly so over many.
	var ss, cc, sc, xs, xc float64
	for i, x := range sound {
		s, c := math.Sincos(2 * math.Pi * hz * float64(i) / float64(rate))
		ss, cc, sc, xs, xc = ss+s*s, cc+c*c, sc+s*c, xs+float64(x)*s, xc+float64(x)*c
	}
	det := ss*cc - sc*sc
	a, b := (xs*cc-xc*sc)/det, (xc*ss-xs*sc)/det
	var rest float64
	for i, x := range sound {
		s, c := math.Sincos(2 * math.Pi * hz * float64(i) / float64(rate))
		e := float64(x) - a*s - b*c
		rest += e * e
	}
	return 20 * math.Log10(math.Sqrt(rest/float64(len(sound)))/32768)
}

const loud = -6.0 // dBFS

func TestPassBandIsFlatAndClean(t *testing.T) {
	worstRipple, worstSpur := 0.0, math.Inf(-1)
	eachPair(t, func(t *testing.T, from, to int) {
		lower := float64(min(from, to))
		for _, part := range []float64{0.02, 0.125, 0.3, 0.43} {
			hz := part * lower
			got := steady(all(from, to, audiotest.Tone(from, hz, loud, 200*time.Millisecond)))
			ripple := audiotest.ToneLevel(got, to, hz) - loud
			spur := impurity(got, to, hz) - loud
			worstRipple, worstSpur = max(worstRipple, math.Abs(ripple)), max(worstSpur, spur)
			if math.Abs(ripple) > 0.1 {
				t.Errorf("%.0f Hz: level changes by %.3f dB, want at most 0.1", hz, ripple)
			}
			if spur > -66 {
				t.Errorf("%.0f Hz: images and noise at %.1f dB, want at most -66", hz, spur)
			}
		}
	})
	t.Logf("worst ripple %.3f dB, worst image %.1f dB", worstRipple, worstSpur)
}

func TestAliasesAreRejected(t *testing.T) {
	worst := math.Inf(-1)
	eachPair(t, func(t *testing.T, from, to int) {
		if from <= to {
			t.Skip("nothing to alias")
		}
		for hz := 0.57 * float64(to); hz < float64(from)/2; hz += 0.13 * float64(to) {
			got := steady(all(from, to, audiotest.Tone(from, hz, loud, 200*time.Millisecond)))
			alias := audiotest.RMS(got) - loud
			worst = max(worst, alias)
			if alias > -66 {
				t.Errorf("%.0f Hz comes through at %.1f dB, want at most -66", hz, alias)
			}
		}
	})
	t.Logf("worst alias %.1f dB", worst)
}

func TestFramesOf20msStayFrames(t *testing.T) {
	eachPair(t, func(t *testing.T, from, to int) {
		if from%50 != 0 || to%50 != 0 {
			t.Skip("no whole number of samples in 20 ms")
		}
		r := resample.New(from, to)
		src, dst := make([]int16, from/50), make([]int16, to/50)
		for i := range 200 {
			if n, used := r.Process(dst, src); n != len(dst) || used != len(src) {
				t.Fatalf("frame %d: %d samples of %d became %d, want %d", i, used, len(src), n, len(dst))
			}
		}
	})
}

func TestCountIsExactInTheLongRun(t *testing.T) {
	eachPair(t, func(t *testing.T, from, to int) {
		r := resample.New(from, to)
		src, dst := make([]int16, from), make([]int16, to+1)
		total := 0
		for range 5 {
			n, used := r.Process(dst, src)
			if used != len(src) {
				t.Fatalf("read %d of %d", used, len(src))
			}
			total += n
		}
		if total != 5*to {
			t.Errorf("5 s became %d samples, want %d", total, 5*to)
		}
	})
}

func TestPiecesOfAnySizeSoundTheSame(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	eachPair(t, func(t *testing.T, from, to int) {
		src := audiotest.Noise(from, -12, 100*time.Millisecond, 1)
		want := all(from, to, src)
		r := resample.New(from, to)
		var got []int16
		for rest := src; len(rest) > 0; {
			dst := make([]int16, rng.IntN(100))
			n, used := r.Process(dst, rest[:min(len(rest), rng.IntN(100))])
			got, rest = append(got, dst[:n]...), rest[used:]
		}
		dst := make([]int16, len(want))
		n, _ := r.Process(dst, nil)
		if got = append(got, dst[:n]...); !slices.Equal(got, want) {
			t.Errorf("%d samples in pieces differ from %d in one", len(got), len(want))
		}
	})
}

func TestDelayIsWhatItSays(t *testing.T) {
	eachPair(t, func(t *testing.T, from, to int) {
		src := make([]int16, from/10)
		src[from/20] = math.MaxInt16
		peak, at := int16(0), 0
		for i, s := range all(from, to, src) {
			if s > peak {
				peak, at = s, i
			}
		}
		delay := at - from/20*to/from
		if want := resample.New(from, to).Delay(); delay < want-1 || delay > want+1 {
			t.Errorf("an impulse is late by %d samples, Delay says %d", delay, want)
		}
	})
}

func TestSameRatePassesUntouched(t *testing.T) {
	src := audiotest.Noise(8000, -3, 50*time.Millisecond, 1)
	if got := all(8000, 8000, src); !slices.Equal(got, src) {
		t.Error("samples changed although the rate stays")
	}
	if d := resample.New(8000, 8000).Delay(); d != 0 {
		t.Errorf("delay %d, want 0", d)
	}
}

func TestFullScaleIsHeldAtTheLimits(t *testing.T) {
	src := make([]int16, 4000)
	for i := range src {
		src[i] = math.MaxInt16
		if i/40%2 == 1 {
			src[i] = math.MinInt16
		}
	}
	r := resample.New(8000, 16000)
	dst := make([]int16, 8000)
	r.Process(dst, src)
	delay := r.Delay()
	for i := delay; i < len(dst); i++ {
		// The filter overshoots beside each step, where a sum that wraps
		// around changes its sign.
		if edge := (i - delay) % 80; edge < 3 || edge > 77 {
			continue
		}
		if positive := (i-delay)/80%2 == 0; positive != (dst[i] > 0) {
			t.Fatalf("sample %d of a full-scale square is %d", i-delay, dst[i])
		}
	}
}

func TestOddRates(t *testing.T) {
	for _, from := range []int{7999, 8001, 44056, 96000, 192000, 191999, 4000} {
		got := all(from, 8000, audiotest.Tone(from, 440, loud, time.Second))
		if d := len(got) - 8000; d < -1 || d > 1 {
			t.Errorf("%d Hz: a second became %d samples", from, len(got))
		}
		if l := audiotest.ToneLevel(steady(got), 8000, 440); math.Abs(l-loud) > 0.1 {
			t.Errorf("%d Hz: level %.2f, want %.2f", from, l, loud)
		}
	}
}

func TestResetForgets(t *testing.T) {
	r := resample.New(48000, 8000)
	src, dst := audiotest.Noise(48000, -3, 33*time.Millisecond, 1), make([]int16, 1000)
	r.Process(dst, src)
	r.Reset()
	n, _ := r.Process(dst, src)
	if want := all(48000, 8000, src); !slices.Equal(dst[:n], want) {
		t.Error("after Reset the same sound comes out differently")
	}
}

func TestNoAllocation(t *testing.T) {
	eachPair(t, func(t *testing.T, from, to int) {
		r := resample.New(from, to)
		src, dst := make([]int16, from/50), make([]int16, to/50+1)
		if n := testing.AllocsPerRun(10, func() { r.Process(dst, src) }); n != 0 {
			t.Errorf("%v allocations a frame, want 0", n)
		}
	})
}

func BenchmarkFrame(b *testing.B) {
	for _, pair := range [][2]int{{8000, 16000}, {16000, 8000}, {8000, 48000}, {48000, 8000}, {44100, 8000}} {
		b.Run(fmt.Sprintf("%d to %d", pair[0], pair[1]), func(b *testing.B) {
			r := resample.New(pair[0], pair[1])
			src := audiotest.Noise(pair[0], -12, 20*time.Millisecond, 1)
			dst := make([]int16, pair[1]/50)
			for b.Loop() {
				r.Process(dst, src)
			}
		})
	}
}
