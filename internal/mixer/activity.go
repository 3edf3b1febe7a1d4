package mixer

import (
	"math"

	"parley/internal/pcm"
)

// Levels as mean squares of 16-bit samples; full scale is 1<<30.
const (
	fullScale  = float32(1 << 30)
	minFloor   = fullScale * 3.2e-8 // -75 dBov: the quietest background
	maxFloor   = fullScale * 3.2e-4 // -35 dBov: what is louder is no background
	firstFloor = fullScale * 1e-6   // -60 dBov
	minSpeech  = fullScale * 5e-6   // -53 dBov: what is quieter is no speech
	inaudible  = fullScale * 2e-7   // -67 dBov
)

const (
	aboveFloor = 8    // ratio of speech to background: 9 dB
	fall       = 0.3  // how fast the floor follows downwards, a frame
	rise       = 1.01 // and upwards: 2 dB a second
	smoothing  = 0.2  // of loudness

	hangover  = 20 // frames that a voice stays in the sum after its last sound: 400 ms
	talkStart = 10 // score at which somebody talks: five frames of speech
	talkScore = 2  // for a frame of speech; a frame without takes 1
	talkStop  = 50 // frames without speech until somebody has stopped: 1 s
)

// activity follows one voice: how loud it is, and whether that is speech. The
// background is a floor that sinks at once and rises slowly.
type activity struct {
	last     float32 // mean square of the last frame
	floor    float32
	loudness float32 // smoothed
	voiced   int     // frames of hangover left after speech
	sounding int     // frames of hangover left after anything audible
	score    int
	pause    int // frames since the last speech
	talking  bool
}

func (a *activity) reset() { *a = activity{floor: firstFloor} }

// hear takes the next frame.
func (a *activity) hear(frame []int16) {
	e := meanSquare(frame)
	a.last = e
	a.loudness += (e - a.loudness) * smoothing
	if e < a.floor {
		a.floor = max(minFloor, a.floor+(e-a.floor)*fall)
	} else {
		a.floor = min(maxFloor, a.floor*rise)
	}
	if e > inaudible {
		a.sounding = hangover
	} else if a.sounding > 0 {
		a.sounding--
	}
	if e > minSpeech && e > a.floor*aboveFloor {
		a.voiced, a.pause = hangover, 0
		a.score = min(a.score+talkScore, talkStart)
	} else {
		if a.voiced > 0 {
			a.voiced--
		}
		a.score = max(a.score-1, 0)
		a.pause++
	}
	if a.talking {
		a.talking = a.pause < talkStop
	} else {
		a.talking = a.score >= talkStart
	}
}

// active reports whether the voice talks or has just talked, audible whether
// it gives any sound at all.
func (a *activity) active() bool  { return a.voiced > 0 }
func (a *activity) audible() bool { return a.sounding > 0 }

// level is that of the last frame in dBov.
func (a *activity) level() int {
	if a.last <= 0 {
		return pcm.SilenceLevel
	}
	db := 10 * math.Log10(float64(a.last/fullScale))
	return max(pcm.SilenceLevel, min(0, int(math.Round(db))))
}

func meanSquare(frame []int16) float32 {
	n := len(frame)
	if n == 0 {
		return 0
	}
	var a, b int64
	for len(frame) >= 4 {
		w, x, y, z := int64(frame[0]), int64(frame[1]), int64(frame[2]), int64(frame[3])
		a += w*w + x*x
		b += y*y + z*z
		frame = frame[4:]
	}
	for _, s := range frame {
		a += int64(s) * int64(s)
	}
	return float32(a+b) / float32(n)
}
