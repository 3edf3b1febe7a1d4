// Package pcm holds the words of sound: frames of 16-bit linear samples, where
// they come from and go to, their level, and sums that do not wrap around.
package pcm

import (
	"math"
	"time"
)

// FrameDuration is the length of every frame in the media plane: one beat.
const FrameDuration = 20 * time.Millisecond

// FrameSize is the number of samples in a frame at rate (Hz).
func FrameSize(rate int) int { return rate / 50 }

// Source gives frames on the beat.
type Source interface {
	// Next fills frame (mono, at the rate that the source was made for) and
	// reports how many samples it wrote: fewer than len(frame) only when the
	// source is short of samples for now or has ended. ended is true once no
	// sample will come any more. Next is called from the beat: it must not
	// block, lock or allocate.
	Next(frame []int16) (n int, ended bool)
}

// Sink takes frames on the beat.
type Sink interface {
	// Write takes one frame (mono, at the rate that the sink was made for) and
	// copies it. It is called from the beat: it must not block, lock or
	// allocate.
	Write(frame []int16)
}

// SilenceLevel is the level, in dBov, of digital silence (RFC 6464 section 3).
const SilenceLevel = -127

// Level is the RMS level of frame in dBov (0 is full scale), rounded to the
// nearest integer, from 0 down to SilenceLevel.
func Level(frame []int16) int {
	if len(frame) == 0 {
		return SilenceLevel
	}
	var sum int64
	for _, s := range frame {
		sum += int64(s) * int64(s)
	}
	if sum == 0 {
		return SilenceLevel
	}
	rms := math.Sqrt(float64(sum)/float64(len(frame))) / 32768
	return max(SilenceLevel, min(0, int(math.Round(20*math.Log10(rms)))))
}

// Saturate is v as a 16-bit sample, held at the limits.
func Saturate(v int32) int16 {
	return int16(max(math.MinInt16, min(math.MaxInt16, v)))
}

// Gain is the linear factor of db decibels.
func Gain(db float64) float64 { return math.Pow(10, db/20) }
