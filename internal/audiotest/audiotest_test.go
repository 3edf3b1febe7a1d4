package audiotest_test

import (
	"bytes"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"parley/internal/audiotest"
	"parley/internal/codec/g711"
)

const rate = 8000

// near fails unless got lies within tolerance of want.
func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s is %.3f, want %.3f ± %.3f", what, got, want, tolerance)
	}
}

// companded is samples after G.711 µ-law.
func companded(samples []int16) []int16 {
	back := make([]int16, len(samples))
	g711.DecodeMu(back, g711.EncodeMu(nil, samples))
	return back
}

func TestToneHasTheLevelAskedFor(t *testing.T) {
	for _, level := range []float64{-3.02, -20, -60} {
		tone := audiotest.Tone(rate, 440, level, time.Second)
		near(t, "RMS of a tone", audiotest.RMS(tone), level, 0.05)
		near(t, "level at its frequency", audiotest.ToneLevel(tone, rate, 440), level, 0.05)
	}
	near(t, "RMS of noise", audiotest.RMS(audiotest.Noise(rate, -30, time.Second, 1)), -30, 0.3)
}

func TestVoicesAreToldApart(t *testing.T) {
	mix := audiotest.Chord(rate, -20, time.Second, 440, 1700)
	levels := audiotest.ToneLevels(companded(mix), rate, 440, 1000, 1700)
	near(t, "440 Hz", levels[0], -20, 0.1)
	near(t, "1700 Hz", levels[2], -20, 0.1)
	if levels[1] > -70 {
		t.Errorf("1000 Hz, which nobody sends, has %.1f dBFS", levels[1])
	}
}

func TestSilence(t *testing.T) {
	zeros := make([]int16, rate)
	if l := audiotest.RMS(zeros); l != audiotest.Silence {
		t.Errorf("RMS of zeros: %v", l)
	}
	if l := audiotest.ToneLevel(zeros, rate, 440); l != audiotest.Silence {
		t.Errorf("tone in zeros: %v", l)
	}
	if l := audiotest.RMS(nil); l != audiotest.Silence {
		t.Errorf("RMS of nothing: %v", l)
	}
}

func TestMixHoldsAtTheLimits(t *testing.T) {
	got := audiotest.Mix([]int16{30000, -30000, 5}, []int16{30000, -30000})
	if want := []int16{32767, -32768, 5}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestCorrelateFindsDelayAndLikeness(t *testing.T) {
	said := audiotest.Speech(1)[:4*rate]
	other := audiotest.Speech(2)[:4*rate]
	for _, lag := range []int{0, 1, 321, -250} {
		heard := make([]int16, len(said))
		for i := range heard {
			if j := i - lag; j >= 0 && j < len(said) {
				heard[i] = said[j] / 3
			}
		}
		got, c := audiotest.Correlate(said, companded(heard), rate/10)
		if got != lag || c < 0.99 {
			t.Errorf("late by %d: lag %d, coefficient %.4f; want %d and over 0.99", lag, got, c, lag)
		}
	}
	if _, c := audiotest.Correlate(said, other, rate/10); c > 0.3 {
		t.Errorf("two speakers correlate with %.3f", c)
	}
	if lag, c := audiotest.Correlate(said, make([]int16, len(said)), rate/10); lag != 0 || c != 0 {
		t.Errorf("silence correlates: lag %d, %.3f", lag, c)
	}
}

func TestCorrelateIsTheSumItClaimsToBe(t *testing.T) {
	a, b := audiotest.Noise(rate, -20, 20*time.Millisecond, 1), audiotest.Noise(rate, -20, 30*time.Millisecond, 2)
	bestLag, best := 0, -2.0
	for lag := -20; lag <= 20; lag++ {
		var ab, aa, bb float64
		for i, s := range a {
			if j := i + lag; j >= 0 && j < len(b) {
				ab, aa, bb = ab+float64(s)*float64(b[j]), aa+float64(s)*float64(s), bb+float64(b[j])*float64(b[j])
			}
		}
		if c := ab / math.Sqrt(aa*bb); c > best {
			bestLag, best = lag, c
		}
	}
	lag, c := audiotest.Correlate(a, b, 20)
	if lag != bestLag || math.Abs(c-best) > 1e-9 {
		t.Errorf("lag %d with %.6f, want %d with %.6f", lag, c, bestLag, best)
	}
}

func TestGaps(t *testing.T) {
	heard := audiotest.Tone(rate, 440, -20, time.Second)
	clear(heard[4000:4800])
	heard = companded(heard)
	got := audiotest.Gaps(heard, nil, rate, 60*time.Millisecond)
	if len(got) != 1 || got[0].At.Round(time.Millisecond) != 500*time.Millisecond || got[0].Length.Round(time.Millisecond) != 100*time.Millisecond {
		t.Errorf("got %v, want one of 100 ms at 500 ms", got)
	}
	if got := audiotest.Gaps(heard, nil, rate, 110*time.Millisecond); got != nil {
		t.Errorf("longer than 110 ms: %v, want none", got)
	}
	if got := audiotest.Gaps(heard, heard, rate, 60*time.Millisecond); got != nil {
		t.Errorf("where nothing was expected: %v, want none", got)
	}
	end := audiotest.Gaps(append(heard[:rate:rate], make([]int16, 800)...), nil, rate, 60*time.Millisecond)
	if len(end) != 2 {
		t.Errorf("with silence at the end: %v, want two gaps", end)
	}
}

func TestClicksAreFound(t *testing.T) {
	clean := audiotest.Chord(rate, -20, 2*time.Second, 440, 1000, 1700)
	silenced := slices.Clone(clean)
	clear(silenced[8000:8160])
	quieter := slices.Clone(clean)
	for i := 8000; i < 8160; i++ {
		quieter[i] = int16(int(quieter[i]) * 7 / 10)
	}
	cases := []struct {
		name   string
		sound  []int16
		clicks []time.Duration
	}{
		{"clean", clean, nil},
		{"a sample dropped", slices.Delete(slices.Clone(clean), 8000, 8001), []time.Duration{time.Second}},
		{"a sample twice", slices.Insert(slices.Clone(clean), 8000, clean[7999]), []time.Duration{time.Second}},
		{"a frame of zeros", silenced, []time.Duration{time.Second, 1020 * time.Millisecond}},
		{"a frame 3 dB quieter", quieter, []time.Duration{time.Second, 1020 * time.Millisecond}},
	}
	for _, coded := range []bool{false, true} {
		for _, c := range cases {
			sound := c.sound
			if coded {
				sound = companded(sound)
			}
			got := audiotest.Clicks(sound, rate)
			ok := len(got) == len(c.clicks)
			for i := 0; ok && i < len(got); i++ {
				ok = (got[i] - c.clicks[i]).Abs() <= 5*time.Millisecond
			}
			if !ok {
				t.Errorf("%s (G.711: %v): clicks at %v, want %v", c.name, coded, got, c.clicks)
			}
		}
	}
}

func TestWAVComesBack(t *testing.T) {
	tone := audiotest.Tone(16000, 440, -20, 100*time.Millisecond)
	path := filepath.Join(t.TempDir(), "tone.wav")
	if err := audiotest.SaveWAV(path, 16000, tone); err != nil {
		t.Fatal(err)
	}
	got, r, err := audiotest.LoadWAV(path)
	if err != nil || r != 16000 || !slices.Equal(got, tone) {
		t.Errorf("%d samples at %d Hz, %v; want %d at 16000", len(got), r, err, len(tone))
	}
	file := audiotest.WAV(rate, tone)
	for _, n := range []int{0, 11, 20, 44, len(file) - 1} {
		if _, _, err := audiotest.ReadWAV(bytes.NewReader(file[:n])); !errors.Is(err, audiotest.ErrWAV) {
			t.Errorf("first %d bytes: %v, want ErrWAV", n, err)
		}
	}
}

func TestSpeech(t *testing.T) {
	for n := 1; n <= audiotest.Speakers; n++ {
		s := audiotest.Speech(n)
		if d := audiotest.Duration(audiotest.SpeechRate, len(s)); d < 10*time.Second || audiotest.RMS(s) < -30 {
			t.Errorf("speaker %d: %v at %.1f dBFS", n, d, audiotest.RMS(s))
		}
	}
}
