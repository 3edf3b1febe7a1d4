package audiotest

import (
	"math"
	"slices"
	"time"
)

const (
	// quiet is the greatest magnitude that counts as silence (-66 dBFS). An
	// A-law zero decodes to 8.
	quiet = 16
	// speaking is the level in dBFS from which on 10 ms of a reference count
	// as sound that should be heard.
	speaking = -45.0
)

// Gap is a stretch without sound.
type Gap struct {
	At, Length time.Duration
}

// Gaps finds the stretches of heard that are longer than shortest and in which
// no sample is louder than -66 dBFS. Where expected is not nil, only those
// parts count in which it has sound (10 ms above -45 dBFS); expected and heard
// begin at the same time, and heard after the end of expected does not count.
func Gaps(heard, expected []int16, rate int, shortest time.Duration) []Gap {
	if expected != nil {
		heard = heard[:min(len(heard), len(expected))]
	}
	wanted := func(int) bool { return true }
	if expected != nil {
		block := max(rate/100, 1)
		active := make([]bool, 0, len(expected)/block+1)
		for part := range slices.Chunk(expected, block) {
			active = append(active, RMS(part) > speaking)
		}
		wanted = func(i int) bool { return active[i/block] }
	}
	var gaps []Gap
	run := 0
	for i := 0; i <= len(heard); i++ {
		if i < len(heard) && heard[i] >= -quiet && heard[i] <= quiet && wanted(i) {
			run++
			continue
		}
		if d := Duration(rate, run); d > shortest {
			gaps = append(gaps, Gap{Duration(rate, i-run), d})
		}
		run = 0
	}
	return gaps
}

const (
	// predictors is the order of the linear prediction in Clicks: two for each
	// tone, and some for the noise.
	predictors = 24
	// apart is how close two steps may lie to count as one click.
	apart = 5 * time.Millisecond
	// leastClick is the smallest step, in units of a sample, that counts.
	leastClick = 64
)

// Clicks finds the places where steady sound (a few tones, with or without the
// noise of a codec) jumps: samples that were dropped, repeated or replaced, or
// a frame that begins at another volume. Sound that begins or ends abruptly
// counts, so give it the steady part. It is of no use on speech, which is never
// steady.
func Clicks(samples []int16, rate int) []time.Duration {
	if len(samples) < 10*predictors {
		return nil
	}
	residual := predict(samples)
	sorted := slices.Clone(residual)
	for i, e := range sorted {
		sorted[i] = math.Abs(e)
	}
	slices.Sort(sorted)
	threshold := max(12*sorted[len(sorted)/2], leastClick)
	var clicks []time.Duration
	last := -1
	for i, e := range residual {
		if math.Abs(e) <= threshold {
			continue
		}
		if last < 0 || Duration(rate, i-last) >= apart {
			clicks = append(clicks, Duration(rate, i+predictors))
		}
		last = i
	}
	return clicks
}

// predict gives what is left of each sample after the first ones when it is
// predicted linearly from those before it: next to nothing for tones.
func predict(samples []int16) []float64 {
	weights := levinson(autocorrelation(samples))
	residual := make([]float64, len(samples)-predictors)
	for i := range residual {
		past := samples[i : i+predictors]
		e := float64(samples[i+predictors])
		for k, w := range weights {
			e -= w * float64(past[predictors-1-k])
		}
		residual[i] = e
	}
	return residual
}

// autocorrelation is that of the samples under a Hann window.
func autocorrelation(samples []int16) [predictors + 1]float64 {
	windowed := make([]float64, len(samples))
	for i, s := range samples {
		windowed[i] = float64(s) * (0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(len(samples)-1)))
	}
	var r [predictors + 1]float64
	for lag := range r {
		for i := lag; i < len(windowed); i++ {
			r[lag] += windowed[i] * windowed[i-lag]
		}
	}
	return r
}

// levinson solves for the weights of the best linear prediction, the newest
// sample's first (Levinson-Durbin recursion).
func levinson(r [predictors + 1]float64) []float64 {
	weights := make([]float64, predictors)
	fault := r[0]*(1+1e-9) + 1e-9 // keeps the recursion stable on pure tones
	for i := range predictors {
		k := r[i+1]
		for j := range i {
			k -= weights[j] * r[i-j]
		}
		k /= fault
		previous := slices.Clone(weights[:i])
		for j := range i {
			weights[j] -= k * previous[i-1-j]
		}
		weights[i] = k
		if fault *= 1 - k*k; fault <= 0 {
			break
		}
	}
	return weights
}
