package webhook

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"parley"
	"parley/internal/history"
	"parley/internal/store"
)

// lifecycle is a whole conference of two calls: the events of one stream.
func lifecycle(t *testing.T, stream parley.ID, at parley.Millis) []parley.Event {
	t.Helper()
	var events []parley.Event
	tell := func(f parley.Fact) {
		e, err := parley.NewEvent(stream, int64(len(events)+1), app, at, f)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	calls := []parley.ID{stream + "-a", stream + "-b"}
	tell(&parley.CreateSuccFact{CreateSuccSeed: parley.CreateSuccSeed{ID: stream, BeginTime: at}})
	for i, call := range calls {
		tell(&parley.JoinedFact{JoinedSeed: parley.JoinedSeed{ID: stream, JoinTime: at + parley.Millis(i), CallID: call, PartURI: "sip:x@y"}})
	}
	for i, call := range calls {
		tell(&parley.QuitFact{QuitSeed: parley.QuitSeed{ID: stream, JoinTime: at + parley.Millis(i), QuitTime: at + 10, CallID: call, PartURI: "sip:x@y"}})
	}
	tell(&parley.ConfEndFact{EndSeed: parley.EndSeed{ID: stream, BeginTime: at, EndTime: at + 10}})
	return events
}

// mishap is what a bad day does to a request.
func mishap(rng *rand.Rand) answer {
	switch rng.IntN(12) {
	case 0:
		return status(500)
	case 1:
		return answer{err: errors.New("connection reset by peer"), after: time.Duration(rng.IntN(100)) * time.Millisecond}
	case 2:
		return answer{status: 200, after: 11 * time.Second} // too late, though it was taken
	case 3:
		return answer{status: 429, header: map[string]string{"Retry-After": fmt.Sprint(rng.IntN(90))}}
	case 4:
		return status([]int{301, 401, 403, 404, 408, 502, 503}[rng.IntN(7)])
	default:
		return answer{status: 200, after: time.Duration(rng.IntN(300)) * time.Millisecond}
	}
}

// TestNothingIsLostWhateverTheReceiverDoes runs conferences against a receiver
// that fails by seed, with outages and restarts.
func TestNothingIsLostWhateverTheReceiverDoes(t *testing.T) {
	seeds := uint64(8)
	if testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			play(t, func(w *world) { badDays(w, seed) })
		})
	}
}

func badDays(w *world, seed uint64) {
	// Each is used by one goroutine at a time.
	rng, jitter, mishaps := rand.New(rand.NewPCG(seed, 0)), rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
	w.cfg.Chance = jitter.Float64
	w.restart()
	h := w.hook("a")
	a := w.net.at("a")
	var outage time.Time // until when
	a.answers(func(*request) answer {
		if time.Now().Before(outage) {
			return answer{err: errors.New("connection refused")}
		}
		return mishap(mishaps)
	})
	const conferences = 20
	var open [][]parley.Event // what is still to be told of each
	for c := range conferences {
		open = append(open, lifecycle(w.t, parley.ID(fmt.Sprintf("c%d", c)), parley.MillisOf(time.Now())))
	}
	for len(open) > 0 {
		i := rng.IntN(len(open))
		w.commit(&store.Write{Events: open[i][:1]})
		if open[i] = open[i][1:]; len(open[i]) == 0 {
			open[i] = open[len(open)-1]
			open = open[:len(open)-1]
		}
		switch rng.IntN(40) {
		case 0:
			w.restart()
		case 1:
			a.locked(func() { outage = time.Now().Add(time.Duration(rng.IntN(600)) * time.Second) })
		default:
			w.pass(time.Duration(rng.IntN(2000)) * time.Millisecond)
		}
	}
	w.pass(24 * time.Hour)
	var bodies [][]byte
	for _, r := range a.requests() {
		if r.status/100 == 2 {
			bodies = append(bodies, []byte(r.body))
		}
	}
	for _, v := range history.Check(bodies...) {
		w.t.Error(v)
	}
	want(w.t, "behind", w.behind(h), []string{})
	distinct := map[string]bool{}
	for _, id := range a.accepted() {
		distinct[id] = true
	}
	want(w.t, "distinct events accepted", len(distinct), conferences*6)
	if twice := len(a.accepted()) - len(distinct); twice > 0 {
		w.t.Errorf("%d events were accepted twice though nothing crashed", twice)
	}
}
