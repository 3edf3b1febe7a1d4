package acceptance

import (
	"cmp"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"parley"
	"parley/internal/audiotest"
	"parley/internal/history"
	"parley/internal/server"
	"parley/internal/servertest"
)

// quickly is a schedule on which a failed delivery is repeated soon.
func quickly(cfg *server.Config) {
	cfg.Webhooks.Schedule = []time.Duration{20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond}
}

// outage is how a receiver fails: it is down for so many rounds of load, and
// comes and goes for as many.
type outage struct {
	workers int
	down    func(round int) bool // whether the round still belongs to the phase
	flap    func(round int) bool
}

// TestReceiverDown has one receiver that is down and then comes and goes, and
// another, of the same application, that must not notice.
func TestReceiverDown(t *testing.T) {
	t.Parallel()
	rounds := func(round int) bool { return round < 5 }
	outage{workers: 8, down: rounds, flap: rounds}.run(t, quickly)
}

// TestSoakReceiverDown is TestReceiverDown with the built-in schedule and an
// outage of two minutes. It takes some six minutes, if PARLEY_SOAK is set.
func TestSoakReceiverDown(t *testing.T) {
	if os.Getenv("PARLEY_SOAK") == "" {
		t.Skip("PARLEY_SOAK is not set")
	}
	until := func(d time.Duration) func(int) bool {
		begin := sync.OnceValue(time.Now)
		return func(int) bool { return time.Since(begin()) < d }
	}
	outage{workers: 8, down: until(2 * time.Minute), flap: until(2 * time.Minute)}.run(t, nil)
}

func (o outage) run(t *testing.T, change func(*server.Config)) {
	h := open(t, change)
	faulty := servertest.Receive(t)
	faulty.Webhook(h.Server, "", "*")
	h.upload("short.wav", audiotest.Tone(rate, 600, -25, 300*time.Millisecond))
	faulty.Down()
	o.load(h, func(int, int) {}, o.down)
	h.complete(h.app)
	if n := len(faulty.All()); n > 0 {
		t.Errorf("a receiver that is down got %d callbacks", n)
	}
	down := len(h.app.All())
	faulty.Answer(moody)
	o.load(h, func(worker, round int) {
		switch {
		case worker > 0:
		case round%2 == 0:
			faulty.Up()
		default:
			faulty.Down()
		}
	}, o.flap)
	h.complete(h.app)
	faulty.Down()
	faulty.Up()
	faulty.Answer(nil)
	events := h.events()
	h.complete(faulty)
	for name, r := range map[string]*servertest.Receiver{"the receiver that was down": faulty, "the other": h.app} {
		report(t, name, history.Check(received(r)...))
	}
	failures := map[int]int{}
	for _, c := range faulty.All() {
		failures[c.Status]++
	}
	t.Logf("%d events; the receiver that was down answered %v", len(events), failures)
	for phase, got := range map[string][]servertest.Callback{"down": h.app.All()[:down], "coming and going": h.app.All()[down:]} {
		lags := latencies(got)
		t.Logf("the other's latency while the first is %s: p50 %v, p99 %v, at most %v", phase, lags[len(lags)/2], lags[len(lags)*99/100], lags[len(lags)-1])
	}
}

// load runs short conferences, one after the other in each worker, as long as
// more says so. A worker's next begins when the healthy receiver has been told
// of the end of its last.
func (o outage) load(h *house, round func(worker, round int), more func(round int) bool) {
	var wg sync.WaitGroup
	for worker := range o.workers {
		wg.Go(func() {
			for n := 0; more(n); n++ {
				round(worker, n)
				h.short()
			}
		})
	}
	wg.Wait()
}

// short is a conference that plays a file and ends.
func (h *house) short() *conf {
	c := h.conference(body{})
	c.Must(http.MethodPost, c.path("playbacks"), body{"files": []string{"short.wav"}}, nil)

	c.wait(parley.EventConfPlayEnd, 1)
	c.end()

	c.wait(parley.EventConfEnd, 1)
	return c
}

// complete waits until a receiver has accepted every event.
func (h *house) complete(r *servertest.Receiver) {
	h.t.Helper()
	events := h.events()
	deadline := servertest.Patience
	if os.Getenv("PARLEY_SOAK") != "" {
		deadline = 5 * time.Minute // a probe of the built-in schedule
	}
	for begin := time.Now(); time.Since(begin) < deadline; {
		if r.Until(func() bool { return len(r.Accepted()) >= len(events) }) {
			return
		}
	}
	h.t.Fatalf("%d events of %d came", len(r.Accepted()), len(events))
}

// moody fails in every way that is tried again, most of the time.
func moody(n int, _ servertest.Callback) int {
	answers := []int{500, 0, 200, 503, 404, 200, 302, 0, 0, 429, 200, 401}
	return answers[n%len(answers)]
}

// latencies are the times from the events' own to their receipt, sorted.
func latencies(got []servertest.Callback) (out []time.Duration) {
	for _, c := range got {
		var at time.Time
		for _, field := range []string{"begin_time", "end_time", "join_time", "quit_time", "time"} {
			if t := c.Time(field); t.After(at) {
				at = t
			}
		}
		out = append(out, c.At.Sub(at))
	}
	slices.SortFunc(out, cmp.Compare)
	return out
}

// TestOneConferenceIsRefused has a receiver that fails for the events of one
// conference: these wait, in order, and nobody else does.
func TestOneConferenceIsRefused(t *testing.T) {
	t.Parallel()
	h := open(t, quickly)
	h.upload("short.wav", audiotest.Tone(rate, 600, -25, 300*time.Millisecond))
	r := servertest.Receive(t)
	bad := h.conference(body{})
	r.Answer(func(_ int, c servertest.Callback) int {
		if c.Stream() == bad.id {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	r.Webhook(h.Server, "", "*")
	bad.Must(http.MethodPost, bad.path("playbacks"), body{"files": []string{"short.wav"}}, nil)
	for range 3 {
		good := h.short()
		r.WaitFor("the end of another conference", 1, func(c servertest.Callback) bool {
			return c.Stream() == good.id && c.Type == parley.EventConfEnd
		})
	}
	bad.end()
	for _, c := range r.All() {
		if c.Stream() == bad.id && c.Seq() != 2 {
			t.Errorf("%s was sent before the events that come before it were accepted", c.EventID())
		}
	}
	r.Answer(nil)
	r.WaitFor("the end of the conference", 1, func(c servertest.Callback) bool { return c.Stream() == bad.id && c.Type == parley.EventConfEnd })
	report(t, "callbacks", history.Checker{Filtered: true}.Check(received(r)...))
}

// TestDeadLetter has a receiver that refuses one event for good: it is shown,
// the order goes on after it, and it can be sent again.
func TestDeadLetter(t *testing.T) {
	t.Parallel()
	h := open(t, quickly)
	h.upload("short.wav", audiotest.Tone(rate, 600, -25, 300*time.Millisecond))
	r := servertest.Receive(t)
	r.Answer(func(_ int, c servertest.Callback) int {
		if c.Type == parley.EventConfPlayStart {
			return http.StatusBadRequest
		}
		return http.StatusOK
	})
	hook := r.Webhook(h.Server, "", "*")
	c := h.short()
	r.WaitFor("the end of the conference", 1, func(e servertest.Callback) bool { return e.Type == parley.EventConfEnd })
	type delivery struct {
		EventID    string `json:"event_id"`
		Event      string `json:"event"`
		Attempts   int    `json:"attempts"`
		LastStatus int    `json:"last_status"`
	}
	var dead struct{ Items []delivery }
	h.Must(http.MethodGet, "/v1/webhooks/"+hook+"/deliveries?state=dead", nil, &dead)
	if len(dead.Items) != 1 || dead.Items[0].Event != "conf.play_start" || dead.Items[0].LastStatus != http.StatusBadRequest || dead.Items[0].Attempts < 3 {
		t.Fatalf("dead letters: %+v", dead.Items)
	}
	r.Answer(nil)
	var replayed struct{ Events int }
	h.Must(http.MethodPost, "/v1/webhooks/"+hook+"/replay", body{"event_id": dead.Items[0].EventID}, &replayed)
	equal(t, "events that are sent again", replayed.Events, 1)
	again := r.Wait(parley.EventConfPlayStart, 1)[0]
	equal(t, "event_id", again.EventID(), dead.Items[0].EventID)
	report(t, "callbacks", historyOf(c, r.Accepted()))
}

// historyOf checks what came of a conference, in the order of its seq.
func historyOf(c *conf, got []servertest.Callback) []history.Violation {
	got = slices.DeleteFunc(slices.Clone(got), func(e servertest.Callback) bool { return e.Stream() != c.id })
	slices.SortFunc(got, func(a, b servertest.Callback) int { return cmp.Compare(a.Seq(), b.Seq()) })
	var out [][]byte
	for _, e := range got {
		out = append(out, e.Body)
	}
	return history.Check(out...)
}

// TestGone has a receiver that says 410: nothing is sent to it any more until
// its webhook is enabled, and then everything that it missed is.
func TestGone(t *testing.T) {
	t.Parallel()
	h := open(t, quickly)
	h.upload("short.wav", audiotest.Tone(rate, 600, -25, 300*time.Millisecond))
	r := servertest.Receive(t)
	r.Answer(func(int, servertest.Callback) int { return http.StatusGone })
	hook := r.Webhook(h.Server, "", "*")
	var shown struct {
		Disabled bool
		Reason   string
	}
	var missed []*conf
	for deadline := time.Now().Add(servertest.Patience); !shown.Disabled; {
		missed = append(missed, h.short())
		h.Must(http.MethodGet, "/v1/webhooks/"+hook, nil, &shown)
		if time.Now().After(deadline) {
			t.Fatal("the webhook is not disabled")
		}
	}
	equal(t, "reason", shown.Reason, "gone")
	sent := len(r.All())
	missed = append(missed, h.short())
	equal(t, "callbacks after the webhook was disabled", len(r.All())-sent, 0)
	r.Answer(nil)
	h.Must(http.MethodPatch, "/v1/webhooks/"+hook, body{"disabled": false}, nil)
	for _, c := range missed {
		r.WaitFor("the end of a conference", 1, func(e servertest.Callback) bool { return e.Type == parley.EventConfEnd && e.Stream() == c.id })
	}
	report(t, "callbacks", history.Check(received(r)...))
}
