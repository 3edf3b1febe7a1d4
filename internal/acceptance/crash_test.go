package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley"
	"parley/internal/audiotest"
	"parley/internal/history"
	"parley/internal/phone"
	"parley/internal/servertest"
)

// How TestCrash kills.
const (
	crashKills   = 20
	crashConfs   = 10
	crashGuests  = 4
	crashCeiling = 3 * rate // samples that are heard at most before a kill
)

// TestCrash kills the server, again and again on the same data, at random
// moments under conferences that play and are recorded, and looks at what the
// next start makes of it.
func TestCrash(t *testing.T) {
	seed := seedOf(t)
	rng := rand.New(rand.NewPCG(seed, 0))
	app := servertest.Receive(t)
	p := servertest.Spawn(t, t.TempDir(), 20000, 29999)
	app.Webhook(p.Server, "", "*")
	for _, file := range []string{"short.wav", "long.wav"} {
		d := map[string]time.Duration{"short.wav": 300 * time.Millisecond, "long.wav": 20 * time.Second}[file]
		p.Must(http.MethodPut, "/v1/media/"+file, bytes.NewReader(audiotest.WAV(rate, audiotest.Tone(rate, 700, -25, d))), nil)
	}
	c := &crash{Process: p, t: t, app: app, pulse: startPulse(t, p.Data)}
	for n := range crashKills {
		c.cycle(n, seed, rng)
		if t.Failed() {
			t.Fatalf("after kill %d", n+1)
		}
	}
	app.WaitFor("all events", c.events, func(servertest.Callback) bool { return true })
	report(t, "callbacks", history.Check(received(app)...))
	t.Logf("%d kills: %d conferences, %d events of which %d settled, %d acknowledgements; %d recordings, lacking at most %v; settled times at most %v before the kill; memory at most %s",
		crashKills, c.conferences, c.events, c.settled, c.acknowledged, c.recordings, c.lacking, c.early, c.memory)
}

// crash is the server, and what was counted over all kills.
type crash struct {
	*servertest.Process
	t      *testing.T
	app    *servertest.Receiver
	last   string // event_id of the last event that was looked at
	memory string // the most that the server took
	pulse  *pulse

	conferences, events, settled, acknowledged, recordings int
	lacking, early                                         time.Duration
}

// cycle lets conferences run, kills the server in their midst, starts it again,
// and looks at everything.
func (c *crash) cycle(n int, seed uint64, rng *rand.Rand) {
	ctx, dead := context.WithCancel(c.t.Context())
	defer dead()
	var phones []*phone.Phone
	for i := range crashGuests {
		phones = append(phones, c.Phone(fmt.Sprintf("phone%d", i), func(cfg *phone.Config) {
			tone(float64(400+100*i), -20)(cfg)
			cfg.Answering.After = time.Duration(rng.IntN(60)) * time.Millisecond
		}))
	}
	acknowledged := newBook()
	var operators sync.WaitGroup
	for i := range crashConfs {
		s := &session{s: c.Server, t: c.t, ctx: ctx, book: acknowledged, phones: phones, files: []string{"short.wav", "long.wav"}}
		o := &operator{s, rand.New(rand.NewPCG(seed, uint64(1000*(n+1)+i)))}
		operators.Go(o.work)
	}
	c.await(acknowledged, phones, rng)
	c.measure()
	dead()
	killed := time.Now()
	c.Kill()
	operators.Wait()
	http.DefaultClient.CloseIdleConnections()
	c.Restart()
	c.quiet(phones)
	c.inspect(acknowledged, killed)
}

// quiet closes the phones, whose calls the new server does not know, but for
// those that it was just asked for again.
func (c *crash) quiet(phones []*phone.Phone) {
	c.t.Helper()
	var closing sync.WaitGroup
	for _, p := range phones {
		closing.Go(func() { _ = p.Close() })
	}
	closing.Wait()
	var page struct {
		Items []struct {
			ID string `json:"call_id"`
		}
	}
	var last []string
	if !c.app.Until(func() bool {
		last = nil
		for _, state := range []string{"dialing", "ringing", "up"} {
			c.Must(http.MethodGet, "/v1/calls?state="+state, nil, &page)
			for _, k := range page.Items {
				last = append(last, k.ID)
			}
		}
		return len(last) == 0
	}) {
		c.t.Fatalf("calls that do not end: %v", last)
	}
}

// work fills a conference, plays, records, and goes on with whatever comes to
// mind until the server is gone.
func (o *operator) work() {
	alive := o.create()
	for range crashGuests {
		alive = alive && o.invite()
	}
	alive = alive && o.play() && o.record()
	for alive {
		alive = o.step()
	}
}

// await waits for a random moment: after so many acknowledgements, or when so
// much was heard by somebody after the conferences had been set up.
func (c *crash) await(b *book, phones []*phone.Phone, rng *rand.Rand) {
	c.t.Helper()
	patient(c.t, "the server is at work", func(ctx context.Context) error {
		set := crashConfs * (crashGuests + 3)
		long := rng.IntN(2) == 0
		count := rng.IntN(2 * set)
		if long {
			count = set
		}
		for range count {
			select {
			case <-b.acked:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if !long {
			return nil
		}
		call, err := phones[0].NextCall(ctx)
		if err != nil {
			return err
		}
		if err := call.WaitAnswered(ctx); err != nil {
			return nil // as random a moment as any
		}
		_ = call.WaitHeard(ctx, rng.IntN(crashCeiling)) // it may end before
		return nil
	})
}

// measure notes how much memory the server takes.
func (c *crash) measure() {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.PID()))
	if err != nil {
		return // another system
	}
	for line := range strings.Lines(string(status)) {
		if peak, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			if peak = strings.TrimSpace(peak); len(peak) > len(c.memory) || len(peak) == len(c.memory) && peak > c.memory {
				c.memory = peak
			}
		}
	}
}

// inspect looks at what the new start made of a kill.
func (c *crash) inspect(b *book, killed time.Time) {
	c.t.Helper()
	events := list(c.t, c.Server, "after="+c.last)
	if len(events) > 0 {
		c.last = events[len(events)-1].id
	}
	report(c.t, "list", history.Check(bodies(events)...))
	b.check(c.t, events)
	byID := map[string][]byte{}
	for _, e := range events {
		byID[e.id] = e.body
		c.inspectSettled(e, killed)
	}
	for _, got := range c.app.All() { // before the kill too
		if want, ok := byID[got.EventID()]; ok && !bytes.Equal(want, got.Body) {
			c.t.Errorf("callback %s, in the list %s", got.Body, want)
		} else if !ok && slices.Contains(b.conferences(), got.Stream()) {
			c.t.Errorf("callback %s is not in the list", got.Body)
		}
	}
	for _, state := range []string{"creating", "active"} {
		c.nothing("/v1/conferences?state=" + state)
	}
	for _, id := range b.conferences() {
		c.inspectRecordings(id, killed)
	}
	c.conferences += len(b.conferences())
	c.events += len(events)
	c.acknowledged += len(b.promises)
}

// inspectSettled looks at the times of what was settled.
func (c *crash) inspectSettled(e event, killed time.Time) {
	c.t.Helper()
	var f struct {
		Settled   bool
		BeginTime parley.Millis `json:"begin_time"`
		QuitTime  parley.Millis `json:"quit_time"`
		EndTime   parley.Millis `json:"end_time"`
	}
	if err := json.Unmarshal(e.body, &f); err != nil {
		c.t.Fatal(err)
	}
	at := max(f.EndTime, f.QuitTime)
	if !f.Settled {
		return
	}
	c.settled++
	if at == 0 {
		return
	}
	early := killed.Sub(at.Time())
	if early < -clocks {
		c.t.Errorf("settled %v after the kill: %s", -early, e.body)
	}
	c.early = max(c.early, early)
}

// nothing fails unless a list is empty.
func (c *crash) nothing(path string) {
	c.t.Helper()
	var page struct{ Items []json.RawMessage }
	c.Must(http.MethodGet, path, nil, &page)
	if len(page.Items) > 0 {
		c.t.Errorf("%s: %d are left: %s", path, len(page.Items), page.Items[0])
	}
}

// inspectRecordings opens the recordings of a conference: each plays, and lacks
// at most its last second, but for what the machine stood still.
func (c *crash) inspectRecordings(conference string, killed time.Time) {
	c.t.Helper()
	var page struct {
		Items []struct {
			ID         string        `json:"recording_id"`
			State      string        `json:"state"`
			Reason     string        `json:"reason"`
			BeginTime  parley.Millis `json:"begin_time"`
			DurationMS int64         `json:"duration_ms"`
			Bytes      int64         `json:"bytes"`
		}
	}
	c.Must(http.MethodGet, "/v1/recordings?limit=1000&conference="+conference, nil, &page)
	for _, r := range page.Items {
		equal(c.t, "state of a recording after a crash", r.State, "ended")
		file := c.Send(http.MethodGet, "/v1/recordings/"+r.ID+"/content", nil)
		if file.Status != http.StatusOK {
			c.t.Errorf("recording %s: %d %s", r.ID, file.Status, file.Body)
			continue
		}
		length := audiotest.Duration(rate, len(wav(c.t, "recording "+r.ID, file.Body)))
		equal(c.t, "bytes of a recording", r.Bytes, int64(len(file.Body)))
		equal(c.t, "duration of a recording", r.DurationMS, length.Milliseconds())
		c.recordings++
		if r.Reason != "server_lost" {
			continue
		}
		took := killed.Sub(r.BeginTime.Time()) - c.paused(conference, r.ID, killed)
		if still := c.pulse.stood(r.BeginTime.Time(), killed); took-length > time.Second+still {
			c.t.Errorf("recording %s has %v of sound; it took %v, of which the machine stood still for %v", r.ID, length, took, still)
		}
		c.lacking = max(c.lacking, took-length)
	}
}

// paused is how long a recording was paused before the kill.
func (c *crash) paused(conference, recording string, killed time.Time) (d time.Duration) {
	c.t.Helper()
	var since time.Time
	for _, e := range list(c.t, c.Server, "conference="+conference) {
		var f struct {
			Time        parley.Millis
			RecordingID string `json:"recording_id"`
		}
		if err := json.Unmarshal(e.body, &f); err != nil {
			c.t.Fatal(err)
		}
		switch {
		case f.RecordingID != recording:
		case e.kind == parley.EventConfRecordPaused:
			since = f.Time.Time()
		case e.kind == parley.EventConfRecordResumed:
			d, since = d+f.Time.Time().Sub(since), time.Time{}
		}
	}
	if !since.IsZero() {
		d += killed.Sub(since)
	}
	return d
}
