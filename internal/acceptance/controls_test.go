package acceptance

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley"
	"parley/internal/audiotest"
	"parley/internal/phone"
	"parley/internal/sdp"
	"parley/internal/server"
)

// trio is a conference of three: anna says 440 Hz, ben 1000 Hz, chen 1700 Hz.
func (h *house) trio() (c *conf, anna, ben, chen *guest) {
	h.t.Helper()
	c = h.conference(body{})
	anna = c.invite(h.Phone("anna", tone(440, -20)), nil)
	ben = c.invite(h.Phone("ben", tone(1000, -20)), nil)
	chen = c.invite(h.Phone("chen", tone(1700, -20)), nil)
	return c, anna, ben, chen
}

// TestWhoHearsWhom has three tones: each hears the other two, as loud as they
// are said, and not their own.
func TestWhoHearsWhom(t *testing.T) {
	t.Parallel()
	_, anna, ben, chen := open(t, nil).trio()
	anna.hearsTones(levels{440: gone, 1000: -20, 1700: -20})
	ben.hearsTones(levels{440: -20, 1000: gone, 1700: -20})
	chen.hearsTones(levels{440: -20, 1000: -20, 1700: gone})
}

func TestMuted(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, anna, ben, chen := h.trio()
	anna.patch(body{"muted": true})
	updated := c.wait(parley.EventConfParticipantUpdated, 1)[0]
	equal(t, "muted of the event", updated.Fields["muted"], any(true))
	equal(t, "call_id of the event", updated.Text("call_id"), anna.id)
	ben.hearsTones(levels{440: gone, 1700: -20})
	chen.hearsTones(levels{440: gone, 1000: -20})
	anna.hearsTones(levels{1000: -20, 1700: -20})
	anna.patch(body{"muted": false})
	ben.hearsTone(440, -20)
	// Invited as muted.
	dora := c.invite(h.Phone("dora", tone(2300, -20)), body{"muted": true})
	dora.hearsTone(440, -20)
	ben.missesTone(2300)
}

func TestDeaf(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.upload("long.wav", audiotest.Tone(rate, 2300, -20, 20*time.Second))
	c, anna, ben, _ := h.trio()
	anna.patch(body{"deaf": true})
	h.Must(http.MethodPost, c.path("playbacks"), body{"files": []string{"long.wav"}}, nil)
	ben.hearsTone(2300, -20)
	anna.hearsNothing()
	ben.hearsTone(440, -20)
	anna.patch(body{"deaf": false})
	anna.hearsTones(levels{1000: -20, 2300: -20})
}

func TestGain(t *testing.T) {
	t.Parallel()
	_, anna, ben, chen := open(t, nil).trio()
	anna.patch(body{"gain_db": -12.5})
	ben.hearsTone(440, -32.5)
	chen.hearsTone(440, -32.5)
	anna.patch(body{"gain_db": 6})
	ben.hearsTones(levels{440: -14, 1700: -20})
}

// TestHold puts a phone on hold, by the API and by the phone itself.
func TestHold(t *testing.T) {
	t.Parallel()
	c, anna, ben, _ := open(t, nil).trio()
	anna.patch(body{"hold": true})
	patient(t, "the phone is held", func(ctx context.Context) error { return anna.WaitDirection(ctx, sdp.RecvOnly) })
	ben.missesTone(440)
	equal(t, "hold of the event", c.wait(parley.EventConfParticipantUpdated, 1)[0].Fields["hold"], any(true))
	anna.patch(body{"hold": false})
	patient(t, "the phone is taken back", func(ctx context.Context) error { return anna.WaitDirection(ctx, sdp.SendRecv) })
	ben.hearsTone(440, -20)
	c.wait(parley.EventConfParticipantUpdated, 2)
	patient(t, "the phone holds", func(ctx context.Context) error { return anna.Hold(ctx, sdp.SendOnly) })
	equal(t, "hold of the event", c.wait(parley.EventConfParticipantUpdated, 3)[2].Fields["hold"], any(true))
	patient(t, "the phone comes back", anna.Unhold)
	equal(t, "hold of the event", c.wait(parley.EventConfParticipantUpdated, 4)[3].Fields["hold"], any(false))
	anna.hearsTone(1000, -20)
	ben.hearsTone(440, -20)
}

// TestRemoved removes participants, with and without a hang-up.
func TestRemoved(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c, anna, ben, chen := h.trio()
	h.Must(http.MethodDelete, c.path("participants", anna.id), nil, nil)
	if end := anna.ended(); end.Reason != phone.RemoteHangup {
		t.Errorf("the call ended with %v, want a BYE", end)
	}
	equal(t, "reason", c.about(parley.EventConfQuit, "call_id", anna.id).Text("reason"), "removed")
	h.Must(http.MethodDelete, c.path("participants", ben.id)+"?hangup=false", nil, nil)
	c.about(parley.EventConfQuit, "call_id", ben.id)
	chen.hearsTones(levels{440: gone, 1000: gone})
	ben.missesTone(1700)
	select {
	case <-ben.Ended():
		t.Errorf("the call that should stay up ended with %v", ben.End())
	default:
	}
	h.Must(http.MethodDelete, "/v1/calls/"+ben.id, nil, nil)
	ben.ended()
}

// TestDigitsAndTalking has a guest who presses keys and one who talks.
func TestDigitsAndTalking(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c := h.conference(body{})
	anna := c.invite(h.Phone("anna", nil), nil)
	patient(t, "keys are pressed", func(ctx context.Context) error { return anna.SendDigits(ctx, "15*#D") })
	var got strings.Builder
	for _, e := range c.wait(parley.EventConfDTMF, 5) {
		got.WriteString(e.Text("digit"))
		if ms := e.Number("duration_ms"); ms < 60 || ms > 200 {
			t.Errorf("%s was pressed for %d ms, want about 100", e.Text("digit"), ms)
		}
	}
	equal(t, "digits", got.String(), "15*#D")
	before := time.Now()
	anna.Play(phone.Tone(440, -20))
	start := c.wait(parley.EventConfTalkingStart, 1)[0]
	anna.Play(phone.Silence())
	stop := c.wait(parley.EventConfTalkingStop, 1)[0]
	equal(t, "call_id of conf.talking.start", start.Text("call_id"), anna.id)
	if start.Time("time").Before(before.Add(-time.Millisecond)) || !stop.Time("time").After(start.Time("time")) {
		t.Errorf("talking from %v to %v, begun at %v", start.Time("time"), stop.Time("time"), before)
	}
}

// TestMediaTimeout has a phone that falls silent: it is hung up. One that is on
// hold is not.
func TestMediaTimeout(t *testing.T) {
	t.Parallel()
	const timeout = 2 * time.Second
	h := open(t, func(cfg *server.Config) { cfg.RTP.SilenceTimeout = timeout })
	c, anna, ben, chen := h.trio()
	patient(t, "the phone holds", func(ctx context.Context) error { return anna.Hold(ctx, sdp.SendOnly) })
	anna.Mute(true)
	ben.Mute(true)
	silent := time.Now()
	if end := ben.ended(); end.Reason != phone.RemoteHangup {
		t.Errorf("the silent call ended with %v, want a BYE", end)
	}
	quit := c.about(parley.EventConfQuit, "call_id", ben.id)
	equal(t, "reason", quit.Text("reason"), "media_timeout")
	if after := quit.Time("quit_time").Sub(silent); after < timeout-clocks {
		t.Errorf("it was hung up after %v of silence", after)
	}
	chen.listen(timeout) // meanwhile nobody else is
	equal(t, "guests that left", len(c.ofType(h.app.Accepted(), parley.EventConfQuit)), 1)
	patient(t, "the phone comes back", anna.Unhold)
	anna.Mute(false)
	chen.hearsTone(440, -20)
}
