package demo

import (
	"context"
	"time"

	"parley/internal/audiotest"
	"parley/internal/phone"
)

// rate is that of the phones, Hz.
const rate = 8000

// listening is how long everybody listens for a measurement: long enough that
// nobody is silent all the time between two sentences.
const listening = 5 * time.Second

// piece is the length of the pieces that are compared. A frame that a phone's
// jitter buffer puts in or takes out shifts what follows; within a piece that
// seldom happens.
const piece = rate * 3 / 2

// threshold parts what is heard from what is not. A voice that is there stands
// out in at least one piece, at 0.6 and more; one that is not stays at what
// chance gives over all the lags that are tried, 0.15 to 0.3.
const threshold = 0.45

// quiet is the level, in dBFS, below which a piece says nothing of voices.
const quiet = -45

// actor is one phone with a voice, in a call.
type actor struct {
	name  string
	voice []int16
	phone *phone.Phone
	call  *phone.Call
}

// listen gives what the actor hears during the next d.
func (a *actor) listen(ctx context.Context, d time.Duration) ([]int16, error) {
	from := a.call.HeardLen()
	n := audiotest.Samples(rate, d)
	if err := a.call.WaitHeard(ctx, from+n); err != nil {
		return nil, err
	}
	return a.call.HeardFrom(from)[:n], nil
}

// likeness says how much of voice, which is spoken over and over, is in heard:
// the greatest correlation of a piece of it with any place of the voice.
func likeness(voice, heard []int16) float64 {
	twice := append(append([]int16(nil), voice...), voice[:piece]...)
	best := 0.0
	for from := 0; from+piece <= len(heard); from += piece / 2 {
		if audiotest.RMS(heard[from:from+piece]) < quiet {
			continue
		}
		_, c := audiotest.Correlate(heard[from:from+piece], twice, len(twice))
		best = max(best, c)
	}
	return best
}
