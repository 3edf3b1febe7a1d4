package acceptance

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"parley"
	"parley/internal/phone"
	"parley/internal/server"
)

// TestMaxDuration has a conference that lasts too long, without time for a
// warning.
func TestMaxDuration(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c := h.conference(body{"max_duration": 2})
	anna := c.invite(h.Phone("anna", nil), nil)
	end := c.wait(parley.EventConfEnd, 1)[0]
	equal(t, "reason", end.Text("reason"), "max_duration")
	equal(t, "ended_by", end.Text("ended_by"), "server")
	if end.Fields["error"] != nil {
		t.Errorf("a conference that lasted as long as it may ended with an error: %s", end.Body)
	}
	lasted(t, "the conference", end.Time("begin_time"), end.Time("end_time"), 2*time.Second)
	equal(t, "reason of conf.quit", c.about(parley.EventConfQuit, "call_id", anna.id).Text("reason"), "conference_ended")
	anna.ended()
	equal(t, "warnings", len(c.ofType(h.app.Accepted(), parley.EventConfEndWarning)), 0)
}

// TestWarning has a clock that is put forward: a minute before its end a
// conference is warned.
func TestWarning(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	h := open(t, func(cfg *server.Config) {
		cfg.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	c := h.conference(body{"max_duration": 100})
	anna := c.invite(h.Phone("anna", nil), nil)
	ahead.Store(int64(41 * time.Second))
	anna.patch(body{"muted": true}) // whatever happens, the conference looks at the clock
	warning := c.wait(parley.EventConfEndWarning, 1)[0]
	if left := warning.Number("remaining_ms"); left > 60_000 || left < 50_000 {
		t.Errorf("the warning came %d ms before the end, want a minute", left)
	}
	begin := c.wait(parley.EventConfCreateSucc, 1)[0].Time("begin_time")
	near(t, "remaining_ms", warning.Time("time").Add(time.Duration(warning.Number("remaining_ms"))*time.Millisecond), begin.Add(100*time.Second), 0)
	ahead.Store(int64(101 * time.Second))
	anna.patch(body{"muted": false})
	equal(t, "reason", c.wait(parley.EventConfEnd, 1)[0].Text("reason"), "max_duration")
	anna.ended()
	equal(t, "warnings", len(c.ofType(h.app.Accepted(), parley.EventConfEndWarning)), 1)
}

// TestParticipantsMaxDuration has a guest who may stay a second.
func TestParticipantsMaxDuration(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c := h.conference(body{})
	anna := c.invite(h.Phone("anna", tone(440, -20)), nil)
	ben := c.invite(h.Phone("ben", nil), body{"max_duration": 1})
	if end := ben.ended(); end.Reason != phone.RemoteHangup {
		t.Errorf("the call ended with %v, want a BYE", end)
	}
	quit := c.about(parley.EventConfQuit, "call_id", ben.id)
	equal(t, "reason", quit.Text("reason"), "max_duration")
	lasted(t, "the stay", quit.Time("join_time"), quit.Time("quit_time"), time.Second)
	chen := c.invite(h.Phone("chen", nil), nil)
	chen.hearsTone(440, -20)
	select {
	case <-anna.Ended():
		t.Error("somebody else was hung up")
	default:
	}
}

// TestKeepCalls ends a conference without hanging up, and takes the call into
// another one.
func TestKeepCalls(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	first := h.conference(body{"auto_hangup": false})
	anna := first.invite(h.Phone("anna", tone(440, -20)), nil)
	ben := first.invite(h.Phone("ben", tone(1000, -20)), body{"user_data": "ben"})
	anna.hearsTone(1000, -20)
	slow := first.call(h.Phone("slow", func(cfg *phone.Config) { cfg.Answering.Wait = true }), nil)
	first.end()
	first.wait(parley.EventConfQuit, 2)
	slow.ended() // who was not in yet is called no more
	anna.missesTone(1000)
	second := h.conference(body{})
	for _, g := range []*guest{anna, ben} {
		h.Must(http.MethodPost, second.path("participants"), body{"call_id": g.id, "muted": g == ben}, nil)
	}
	second.wait(parley.EventConfJoined, 2)
	for _, e := range second.joined() {
		if e.Text("call_id") == ben.id {
			equal(t, "user_data of the call that came along", e.Text("user_data"), "ben")
		}
	}
	ben.hearsTone(440, -20)
	anna.missesTone(1000)
	again := h.Refused(http.MethodPost, second.path("participants"), body{"call_id": anna.id})
	equal(t, "code of a call that is there already", again.Code, parley.CodeCallInConference)
	h.Must(http.MethodDelete, "/v1/calls/"+anna.id, nil, nil)
	anna.ended()
	equal(t, "reason", second.wait(parley.EventConfQuit, 1)[0].Text("reason"), "removed")
	var shown struct {
		State, Reason string
		Conference    *string
	}
	h.Must(http.MethodGet, "/v1/calls/"+ben.id, nil, &shown)
	if shown.State != "up" || shown.Conference == nil || *shown.Conference != second.id {
		t.Errorf("the call in the second conference is %+v", shown)
	}
	second.end()
	ben.ended()
}

// TestMaxCalls has a server that takes two calls.
func TestMaxCalls(t *testing.T) {
	t.Parallel()
	h := open(t, func(cfg *server.Config) { cfg.MaxCalls = 2 })
	c := h.conference(body{"dial_in": true})
	anna := c.invite(h.Phone("anna", nil), nil)
	c.invite(h.Phone("ben", nil), nil)
	chen := h.Phone("chen", nil)
	if end := ended(t, dial(t, chen, h.target(c.id))); end.Status != http.StatusServiceUnavailable {
		t.Errorf("a caller too many got %v, want 503", end)
	}
	anna.hangup()
	h.about(parley.EventCallEnded, "call_id", anna.id)
	c.dialIn(chen, c.id)
}

// TestSharedPorts has more calls than ports for their sound: they are told
// apart by where they come from.
func TestSharedPorts(t *testing.T) {
	t.Parallel()
	h := open(t, fewPorts)
	c := h.conference(body{})
	tones := []float64{440, 1000, 1700, 2300}
	var guests []*guest
	for _, hz := range tones {
		g := c.invite(h.Phone("guest", tone(hz, -20)), nil)
		g.listen(window) // its sound has come, which tells it apart
		guests = append(guests, g)
	}
	for i, g := range guests {
		want := levels{440: -20, 1000: -20, 1700: -20, 2300: -20}
		want[tones[i]] = gone
		g.hearsTones(want)
	}
}

// fewPorts leaves room for two pairs of ports.
func fewPorts(cfg *server.Config) { cfg.RTP.PortMin, cfg.RTP.PortMax, cfg.RTP.Shards = 19990, 19993, 1 }
