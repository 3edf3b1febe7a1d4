// Package audiotest makes sounds and measures them: tones that stand for
// voices, their levels in what somebody heard, correlation with what was said,
// gaps and clicks. Tests use it, and so do the scripted phone and the demo,
// which judge by the audio who hears whom.
//
// Samples are 16-bit mono. A level is the RMS in dBFS, as in package pcm: full
// scale is a square wave of full amplitude, so the loudest sine has -3.01 dB.
// Nothing here is safe to be given slices that change meanwhile; otherwise the
// functions keep no state.
package audiotest

import (
	"math"
	"math/rand/v2"
	"time"

	"parley/internal/pcm"
)

// Silence is the level of digital silence and the lowest level that is given.
const Silence = -127.0

// Tone is a sine of hz at level dBFS (RMS; at most -3.01), beginning at phase 0.
func Tone(rate int, hz, level float64, d time.Duration) []int16 {
	return Chord(rate, level, d, hz)
}

// Chord is the sum of sines, each at level dBFS, beginning at phase 0.
func Chord(rate int, level float64, d time.Duration, hz ...float64) []int16 {
	samples := make([]int16, Samples(rate, d))
	amplitude := math.Sqrt2 * 32768 * pcm.Gain(level)
	for i := range samples {
		var v float64
		for _, f := range hz {
			v += amplitude * math.Sin(2*math.Pi*f*float64(i)/float64(rate))
		}
		samples[i] = round(v)
	}
	return samples
}

// Noise is white Gaussian noise at level dBFS, the same for the same seed.
func Noise(rate int, level float64, d time.Duration, seed uint64) []int16 {
	rng := rand.New(rand.NewPCG(seed, seed))
	samples := make([]int16, Samples(rate, d))
	for i := range samples {
		samples[i] = round(rng.NormFloat64() * 32768 * pcm.Gain(level))
	}
	return samples
}

// Mix is the sum of voices, held at the limits of 16 bits, as long as the
// longest.
func Mix(voices ...[]int16) []int16 {
	var length int
	for _, v := range voices {
		length = max(length, len(v))
	}
	mix := make([]int16, length)
	for i := range mix {
		var sum int32
		for _, v := range voices {
			if i < len(v) {
				sum += int32(v[i])
			}
		}
		mix[i] = pcm.Saturate(sum)
	}
	return mix
}

// Samples is the number of samples in d at rate.
func Samples(rate int, d time.Duration) int {
	return int(int64(d) * int64(rate) / int64(time.Second))
}

// Duration is the time that samples take at rate.
func Duration(rate, samples int) time.Duration {
	return time.Duration(samples) * time.Second / time.Duration(rate)
}

// RMS is the level of samples in dBFS, not below Silence.
func RMS(samples []int16) float64 {
	var sum float64
	for _, s := range samples {
		sum += float64(s) * float64(s)
	}
	return decibels(math.Sqrt(sum / float64(max(len(samples), 1))))
}

// ToneLevel is the level in dBFS of the sine of hz within samples, not below
// Silence, by a Goertzel filter over a Hann window. Two tones are told apart
// when they lie four or more cycles per length of samples apart (40 Hz in
// 100 ms).
func ToneLevel(samples []int16, rate int, hz float64) float64 {
	n := len(samples)
	if n < 2 {
		return Silence
	}
	coefficient := 2 * math.Cos(2*math.Pi*hz/float64(rate))
	var s1, s2, weight float64
	for i, s := range samples {
		w := 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(n-1))
		weight += w
		s1, s2 = w*float64(s)+coefficient*s1-s2, s1
	}
	power := max(s1*s1+s2*s2-coefficient*s1*s2, 0)
	amplitude := 2 * math.Sqrt(power) / weight
	return decibels(amplitude / math.Sqrt2)
}

// ToneLevels is the level of each of several sines within samples: one for
// each hz, in their order.
func ToneLevels(samples []int16, rate int, hz ...float64) []float64 {
	levels := make([]float64, len(hz))
	for i, f := range hz {
		levels[i] = ToneLevel(samples, rate, f)
	}
	return levels
}

// decibels is an RMS value, in the scale of samples, in dBFS.
func decibels(rms float64) float64 {
	if rms <= 0 {
		return Silence
	}
	return max(Silence, 20*math.Log10(rms/32768))
}

// round is v as a sample, held at the limits.
func round(v float64) int16 {
	return int16(max(math.MinInt16, min(math.MaxInt16, math.Round(v))))
}
