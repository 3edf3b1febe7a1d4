package acceptance

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"parley/internal/audiotest"
	"parley/internal/phone"
)

// speechLength is how much of each speaker is said.
const speechLength = 9 * time.Second

// TestSpeech lets three people speak at once and compares what each hears with
// the sum of the other two, and the recording with the sum of all. Where sound
// was late because the machine was busy with something else, they speak again.
func TestSpeech(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c := h.conference(body{})
	var guests []*guest
	var said [][]int16
	for i, name := range []string{"anna", "ben", "chen"} {
		guests = append(guests, c.invite(h.Phone(name, nil), nil))
		said = append(said, audiotest.Speech(i + 1)[:audiotest.Samples(rate, speechLength)])
	}
	for round := 1; ; round++ {
		wrong, disturbed := c.discuss(guests, said)
		if wrong == nil {
			return
		}
		if round == speechRounds || !disturbed {
			t.Fatal(wrong)
		}
		t.Logf("once more: %v", wrong)
	}
}

// speechRounds is how often they speak at most.
const speechRounds = 3

// discuss records a conversation and measures who heard what. It says what is
// wrong with that, and whether sound was late or missing.
func (c *conf) discuss(guests []*guest, said [][]int16) (wrong error, disturbed bool) {
	c.t.Helper()
	var rec struct {
		ID string `json:"recording_id"`
	}
	c.Must(http.MethodPost, c.path("recordings"), body{}, &rec)
	late := c.late(guests)
	heard := converse(c.t, guests, said)
	disturbed = c.late(guests) > late
	c.Must(http.MethodPatch, c.path("recordings", rec.ID), body{"state": "stopped"}, nil)
	file := c.Send(http.MethodGet, "/v1/recordings/"+rec.ID+"/content", nil).Body
	for i := range guests {
		coefficient, rest := fit(heard[i], slices.Delete(slices.Clone(said), i, i+1))
		own := share(said[i], rest)
		c.t.Logf("listener %d: correlation with the sum of the others %.4f, own voice %.1f dB", i+1, coefficient, own)
		if coefficient < 0.9 {
			wrong = errors.Join(wrong, fmt.Errorf("listener %d does not hear the sum of the others", i+1))
		}
		if own > -26 {
			wrong = errors.Join(wrong, fmt.Errorf("listener %d hears their own voice", i+1))
		}
	}
	coefficient, _ := fit(wav(c.t, "recording", file), said)
	c.t.Logf("recording: correlation with the sum of all %.4f", coefficient)
	if coefficient < 0.9 {
		wrong = errors.Join(wrong, errors.New("the recording is not the sum of all"))
	}
	return wrong, disturbed
}

// late counts, over all guests, the frames that were concealed by the server,
// and those that the phones sent late or never got.
func (c *conf) late(guests []*guest) (n int) {
	c.t.Helper()
	for _, g := range guests {
		var shown struct {
			Quality struct {
				PacketsReceived int     `json:"packets_received"`
				PacketsLate     int     `json:"packets_late"`
				Concealed       float64 `json:"concealed"`
			}
		}
		c.Must(http.MethodGet, c.path("participants", g.id), nil, &shown)
		n += shown.Quality.PacketsLate + int(math.Round(shown.Quality.Concealed*float64(shown.Quality.PacketsReceived)))
		n += g.Stats().SentLate + len(g.Gaps(0))
	}
	return n
}

// converse lets all speak at once, and gives what each heard from then on.
func converse(t testing.TB, guests []*guest, said [][]int16) [][]int16 {
	t.Helper()
	from := make([]int, len(guests))
	var ends []<-chan struct{}
	for i, g := range guests {
		g.listen(window) // sound flows
		from[i] = g.HeardLen()
	}
	for i, g := range guests {
		ends = append(ends, g.Play(phone.Samples(said[i])))
	}
	heard := make([][]int16, len(guests))
	var wg sync.WaitGroup
	for i, g := range guests {
		wg.Go(func() {
			patient(t, "all was said", func(ctx context.Context) error {
				select {
				case <-ends[i]:
				case <-ctx.Done():
					return ctx.Err()
				}
				return g.WaitHeard(ctx, from[i]+len(said[i])+rate/2)
			})
			heard[i] = g.HeardFrom(from[i])
		})
	}
	wg.Wait()
	return heard
}

// maxDelay is how late a voice may be heard, maxShift how far the delay may
// move while somebody speaks: a jitter buffer has to adapt when the machine is
// busy.
const (
	maxDelay = 2 * time.Second
	maxShift = 150 * time.Millisecond
)

// fit puts each voice where it is found in sound, and gives the correlation of
// sound with the sum of them, and what is left of sound without that sum.
func fit(sound []int16, voices [][]int16) (coefficient float64, rest []int16) {
	placed := make([][]int16, len(voices))
	for i, v := range voices {
		placed[i] = place(v, sound)
	}
	sum := audiotest.Mix(placed...)
	var cross, energy, total float64
	for i, s := range sum {
		cross += float64(s) * float64(sound[i])
		energy += float64(s) * float64(s)
		total += float64(sound[i]) * float64(sound[i])
	}
	if energy == 0 || total == 0 {
		return 0, sound
	}
	rest = make([]int16, len(sound))
	for i, s := range sum {
		rest[i] = int16(float64(sound[i]) - float64(s)*cross/energy)
	}
	return cross / math.Sqrt(energy*total), rest
}

// place puts a voice, piece by piece, where it is found in sound. A piece is
// found elsewhere than the one before only if it is loud enough to tell and
// that is clearly better.
func place(voice, sound []int16) []int16 {
	beginning := audiotest.Samples(rate, maxDelay)
	lag, _ := audiotest.Correlate(voice[:beginning], sound[:min(len(sound), 2*beginning)], beginning)
	out := make([]int16, len(sound))
	at := 0
	for piece := range slices.Chunk(voice, rate/4) {
		shift := audiotest.Samples(rate, maxShift)
		from, to := max(0, at+lag-shift), min(len(sound), at+lag+len(piece)+shift)
		if from >= to || at+lag < from || at+lag >= to {
			break
		}
		around := sound[from:to]
		here := at + lag - from
		stay := min(len(piece), len(around)-here)
		_, old := audiotest.Correlate(piece[:stay], around[here:here+stay], 0)
		if found, better := audiotest.Correlate(piece, around, 2*shift); better > old+0.2 && audiotest.RMS(piece) > -35 {
			lag = from + found - at
		}
		for i, s := range piece {
			if n := at + lag + i; n >= 0 && n < len(out) {
				out[n] = s
			}
		}
		at += len(piece)
	}
	return out
}

// share is the level of a voice within sound, in dB of its own, wherever in it
// that is highest.
func share(voice, sound []int16) float64 {
	_, coefficient := audiotest.Correlate(voice, sound, audiotest.Samples(rate, maxDelay))
	return audiotest.RMS(sound) - audiotest.RMS(voice) + 20*math.Log10(math.Max(coefficient, 1e-6))
}
