package acceptance

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"parley"
	"parley/internal/audiotest"
	"parley/internal/history"
	"parley/internal/phone"
	"parley/internal/sdp"
	"parley/internal/servertest"
)

// The random session of TestLaw.
const (
	lawSessions  = 3        // conferences at a time
	lawOperators = 2        // that steer each
	lawSteps     = 80       // of each operator
	lawPause     = rate / 5 // samples between two commands at most
)

// TestLaw lets several operators and all kinds of phones do what they like at
// the same time, and then holds everything that was told against the lifecycle
// law and against what was acknowledged.
func TestLaw(t *testing.T) {
	t.Parallel()
	seed := seedOf(t)
	h := open(t, nil)
	h.upload("short.wav", audiotest.Tone(rate, 600, -25, 300*time.Millisecond))
	h.upload("long.wav", audiotest.Tone(rate, 700, -25, 20*time.Second))
	crowd := h.crowd()
	metronome := h.conference(body{}).invite(h.Phone("metronome", nil), nil)
	acknowledged := newBook()
	var wg sync.WaitGroup
	for i := range lawSessions {
		s := &session{s: h.Server, t: t, ctx: t.Context(), book: acknowledged, phones: crowd.phones, files: []string{"short.wav", "long.wav"}}
		if !(&operator{s, rand.New(rand.NewPCG(seed, uint64(i)))}).create() {
			t.Fatal("no conference")
		}
		for j := range lawOperators {
			o := &operator{s, rand.New(rand.NewPCG(seed, uint64(100+10*i+j)))}
			wg.Go(func() {
				for range lawSteps {
					o.step()
					if o.rng.IntN(2) == 0 {
						_, _ = metronome.Listen(t.Context(), o.rng.IntN(lawPause))
					}
				}
			})
		}
	}
	stop := crowd.live(t, seed)
	wg.Wait()
	stop()
	metronome.conf.end()
	for _, id := range acknowledged.conferences() {
		if status := h.Do(http.MethodDelete, "/v1/conferences/"+id, nil, nil); status != http.StatusOK && status != http.StatusConflict {
			t.Errorf("ending %s: %d", id, status)
		}
	}
	crowd.close()
	calls := h.allCalls()
	if !h.app.Until(func() bool { return allOver(h.app.Accepted(), calls) }) {
		t.Errorf("%d calls, of which some never ended", len(calls))
	}
	events := h.events()
	h.app.WaitFor("all events", len(events), func(servertest.Callback) bool { return true })
	report(t, "list", history.Check(bodies(events)...))
	report(t, "callbacks", history.Check(received(h.app)...))
	acknowledged.check(t, events)
	byID := map[string][]byte{}
	for _, e := range events {
		byID[e.id] = e.body
	}
	for _, c := range h.app.Accepted() {
		if !bytes.Equal(byID[c.EventID()], c.Body) {
			t.Errorf("callback %s, in the list %s", c.Body, byID[c.EventID()])
		}
	}
	kinds := map[parley.EventType]int{}
	for _, e := range events {
		kinds[e.kind]++
	}
	t.Logf("%d events of %d conferences and %d calls: %v; answers: %v", len(events), len(acknowledged.conferences()), len(calls), kinds, acknowledged.answers)
}

func bodies(events []event) (out [][]byte) {
	for _, e := range events {
		out = append(out, e.body)
	}
	return out
}

// received is the bodies that a receiver accepted, in the order of arrival,
// those that came twice as well.
func received(r *servertest.Receiver) (out [][]byte) {
	for _, c := range r.All() {
		if c.Status/100 == 2 {
			out = append(out, c.Body)
		}
	}
	return out
}

func report(t *testing.T, where string, found []history.Violation) {
	t.Helper()
	for _, v := range found {
		t.Errorf("%s: %v", where, v)
	}
}

// allCalls are the IDs of all calls that there were.
func (h *house) allCalls() (ids []string) {
	h.t.Helper()
	cursor := ""
	for {
		var page struct {
			Items []struct {
				ID string `json:"call_id"`
			}
			NextCursor *string `json:"next_cursor"`
		}
		h.Must(http.MethodGet, "/v1/calls?limit=1000&cursor="+cursor, nil, &page)
		for _, item := range page.Items {
			ids = append(ids, item.ID)
		}
		if page.NextCursor == nil {
			return ids
		}
		cursor = *page.NextCursor
	}
}

// allOver reports whether call.ended came for each call.
func allOver(got []servertest.Callback, calls []string) bool {
	ended := map[string]bool{}
	for _, c := range got {
		if c.Type == parley.EventCallEnded {
			ended[c.Stream()] = true
		}
	}
	for _, id := range calls {
		if !ended[id] {
			return false
		}
	}
	return true
}

// crowd is phones of all kinds.
type crowd struct{ phones []*phone.Phone }

func (h *house) crowd() *crowd {
	h.t.Helper()
	c := &crowd{}
	for name, a := range map[string]phone.Answering{
		"quick":  {},
		"brisk":  {After: 20 * time.Millisecond},
		"slow":   {After: 300 * time.Millisecond},
		"early":  {Ringing: []int{180, 183}, EarlyMedia: true, After: 100 * time.Millisecond},
		"busy":   {Status: 486, After: 50 * time.Millisecond},
		"rude":   {Status: 603, Ringing: []int{}},
		"absent": {Wait: true},
	} {
		c.phones = append(c.phones, h.Phone(name, func(cfg *phone.Config) {
			tone(500, -20)(cfg)
			cfg.Answering = a
		}))
	}
	return c
}

// live lets those who are called do something now and then: hang up, hold,
// press keys. It gives what ends that.
func (c *crowd) live(t *testing.T, seed uint64) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i, p := range c.phones {
		rng := rand.New(rand.NewPCG(seed, uint64(1000+i)))
		wg.Go(func() {
			for {
				call, err := p.NextCall(ctx)
				if err != nil {
					return
				}
				mood, patience := rng.IntN(5), rng.IntN(2*rate)
				wg.Go(func() { behave(ctx, call, mood, patience) })
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

// behave is what a phone does in one call. What it asks for may be refused, as
// the server does things too.
func behave(ctx context.Context, c *phone.Call, mood, patience int) {
	if c.WaitAnswered(ctx) != nil || c.WaitHeard(ctx, patience) != nil {
		return
	}
	switch mood {
	case 0, 1:
		_ = c.Hangup(ctx)
	case 2:
		_ = c.SendDigits(ctx, "1#")
	case 3:
		if c.Hold(ctx, sdp.SendOnly) == nil && c.WaitHeard(ctx, patience+rate/2) == nil {
			_ = c.Unhold(ctx)
		}
	}
}

// close hangs up everything.
func (c *crowd) close() {
	var wg sync.WaitGroup
	for _, p := range c.phones {
		wg.Go(func() { _ = p.Close() })
	}
	wg.Wait()
}
