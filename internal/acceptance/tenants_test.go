package acceptance

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"parley"
	"parley/internal/audiotest"
	"parley/internal/phone"
	"parley/internal/server"
	"parley/internal/servertest"
)

// TestForeign has two applications: neither sees, nor can touch, what is the
// other's.
func TestForeign(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.upload("beep.wav", audiotest.Tone(rate, 600, -25, 20*time.Second))
	c := h.conference(body{"name": "weekly"})
	anna := c.invite(h.Phone("anna", nil), nil)
	play, rec := c.play(body{"files": []string{"beep.wav"}}), c.record(body{})
	hook := h.app.Webhook(h.Server, "")
	var trunk struct{ ID string }
	h.Must(http.MethodPost, "/v1/trunks", body{"name": "carrier", "host": "192.0.2.1", "prefixes": []string{"+86"}}, &trunk)

	theirs := &house{Server: h.As(h.application("other")), t: t, app: servertest.Receive(t)}
	theirs.app.Webhook(theirs.Server, "", "*")
	mine := h.rows()
	for _, tt := range []struct {
		method, path string
		ask          any
	}{
		{"GET", c.path(), nil},
		{"DELETE", c.path(), nil},
		{"GET", c.path("participants"), nil},
		{"POST", c.path("participants"), body{"to": "sip:x@127.0.0.1"}},
		{"GET", c.path("participants", anna.id), nil},
		{"PATCH", c.path("participants", anna.id), body{"muted": true}},
		{"DELETE", c.path("participants", anna.id), nil},
		{"POST", c.path("playbacks"), body{"files": []string{"beep.wav"}}},
		{"GET", c.path("playbacks"), nil},
		{"GET", c.path("playbacks", play), nil},
		{"DELETE", c.path("playbacks", play), nil},
		{"POST", c.path("recordings"), body{}},
		{"PATCH", c.path("recordings", rec), body{"state": "stopped"}},
		{"GET", "/v1/recordings/" + rec, nil},
		{"GET", "/v1/recordings/" + rec + "/content", nil},
		{"DELETE", "/v1/recordings/" + rec, nil},
		{"GET", "/v1/media/beep.wav", nil},
		{"DELETE", "/v1/media/beep.wav", nil},
		{"GET", "/v1/calls/" + anna.id, nil},
		{"DELETE", "/v1/calls/" + anna.id, nil},
		{"POST", "/v1/calls/" + anna.id + "/answer", body{}},
		{"POST", "/v1/calls/" + anna.id + "/reject", body{}},
		{"GET", "/v1/webhooks/" + hook, nil},
		{"PATCH", "/v1/webhooks/" + hook, body{"disabled": true}},
		{"DELETE", "/v1/webhooks/" + hook, nil},
		{"GET", "/v1/webhooks/" + hook + "/deliveries", nil},
		{"POST", "/v1/webhooks/" + hook + "/replay", body{"dead": true}},
		{"GET", "/v1/trunks/" + trunk.ID, nil},
		{"DELETE", "/v1/trunks/" + trunk.ID, nil},
		{"GET", "/v1/events?after=evt_" + c.id + "_1", nil},
	} {
		p := theirs.Refused(tt.method, tt.path, tt.ask)
		if p.Status != http.StatusNotFound || p.Code != parley.CodeNotFound && p.Code != parley.CodeMediaNotFound {
			t.Errorf("%s %s by another application: %d %s, want 404", tt.method, tt.path, p.Status, p.Code)
		}
	}
	for _, path := range []string{"/v1/conferences", "/v1/calls", "/v1/recordings", "/v1/media", "/v1/trunks", "/v1/events", "/v1/events?conference=" + c.id} {
		var page struct{ Items []json.RawMessage }
		theirs.Must(http.MethodGet, path, nil, &page)
		if len(page.Items) > 0 {
			t.Errorf("%s shows another application %s", path, page.Items)
		}
	}
	for _, path := range []string{"/v1/applications", "/v1/keys"} {
		equal(t, "status of "+path+" without the operator's key", theirs.Refused(http.MethodGet, path, nil).Status, http.StatusForbidden)
	}
	if after := h.rows(); after != mine {
		t.Errorf("something was done:\n%s\nbefore:\n%s", after, mine)
	}
	theirs.sameName()
	anna.hangup()
	c.wait(parley.EventConfQuit, 1)
	for _, e := range theirs.app.All() {
		if e.Stream() == c.id || e.Stream() == anna.id {
			t.Errorf("another application was told %s", e.Body)
		}
	}
}

// sameName uses a name and a file's name that another application uses too.
func (h *house) sameName() {
	h.t.Helper()
	h.conference(body{"name": "weekly"}).end()
	p := h.Refused(http.MethodPost, h.conference(body{}).path("participants"), body{"to": "+8613800138000"})
	equal(h.t, "code of a number for another application's trunk", p.Code, parley.CodeNoTrunk)
	h.upload("beep.wav", audiotest.Tone(rate, 600, -25, 100*time.Millisecond))
}

// TestIdempotency repeats requests with their key.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	post := func(path string, ask body, key string) (int, string, string) {
		a := h.Send(http.MethodPost, path, ask, "Idempotency-Key", key)
		return a.Status, a.Header.Get("Idempotency-Replayed"), string(a.Body)
	}
	status, replayed, made := post("/v1/conferences", body{"name": "weekly"}, "create-1")
	equal(t, "status", status, http.StatusCreated)
	equal(t, "replayed", replayed, "")
	for range 3 {
		status, replayed, again := post("/v1/conferences", body{"name": "weekly"}, "create-1")
		equal(t, "status of the repetition", status, http.StatusCreated)
		equal(t, "replayed", replayed, "true")
		equal(t, "answer of the repetition", again, made)
	}
	p := h.Refused(http.MethodPost, "/v1/conferences", body{"name": "other"}, "Idempotency-Key", "create-1")
	if p.Status != http.StatusUnprocessableEntity || p.Code != parley.CodeIdempotencyReused {
		t.Errorf("the key with another body: %+v", p)
	}
	var list struct{ Items []struct{ ID string } }
	h.Must(http.MethodGet, "/v1/conferences", nil, &list)
	equal(t, "conferences", len(list.Items), 1)
	c := &conf{h, list.Items[0].ID}
	anna := h.Phone("anna", nil)
	_, _, invited := post(c.path("participants"), body{"to": anna.URI()}, "invite-1")
	_, _, again := post(c.path("participants"), body{"to": anna.URI()}, "invite-1")
	equal(t, "answer of the repeated invite", again, invited)
	c.wait(parley.EventConfJoined, 1)
	equal(t, "calls", len(h.allCalls()), 1)
	// A refusal is repeated as well.
	_, _, refused := post("/v1/conferences", body{"max_parts": 0}, "bad-1")
	status, replayed, again = post("/v1/conferences", body{"max_parts": 0}, "bad-1")
	if status != http.StatusUnprocessableEntity || replayed != "true" || again != refused {
		t.Errorf("a repeated refusal: %d %q %s, first %s", status, replayed, again, refused)
	}
	// Another application's key is its own.
	other := h.As(h.application("other"))
	a := other.Send(http.MethodPost, "/v1/conferences", body{"name": "weekly"}, "Idempotency-Key", "create-1")
	if a.Status != http.StatusCreated || string(a.Body) == made {
		t.Errorf("another application with the same key: %d %s", a.Status, a.Body)
	}
}

// TestRestart stops a server in an orderly way and starts it again on the same
// data: what was live has ended, and is told to whom it was not told before.
func TestRestart(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	app := servertest.Receive(t)
	first := servertest.Start(t, func(cfg *server.Config) { cfg.Data = data })
	app.Webhook(first, "", "*")
	h := &house{Server: first, t: t, app: app}
	h.upload("beep.wav", audiotest.Tone(rate, 600, -25, 20*time.Second))
	c := h.conference(body{"recording": true})
	anna := c.invite(h.Phone("anna", tone(440, -20)), nil)
	c.play(body{"files": []string{"beep.wav"}})
	anna.listen(time.Second)
	app.Down()
	first.Stop()
	if end := anna.ended(); end.Reason != phone.RemoteHangup {
		t.Errorf("the call ended with %v, want a BYE", end)
	}
	app.Up()
	h.Server = servertest.Start(t, func(cfg *server.Config) { cfg.Data = data })
	end := c.wait(parley.EventConfEnd, 1)[0]
	equal(t, "reason", end.Text("reason"), "shutdown")
	if end.Has("settled") || end.Fields["error"] != nil {
		t.Errorf("an orderly end looks like a crash: %s", end.Body)
	}
	rec := c.wait(parley.EventConfRecordEnd, 1)[0]
	sound := wav(t, "recording", h.content(rec.Text("recording_id")).Body)
	if level := loudest(sound, 440); level < -23 {
		t.Errorf("the recording has 440 Hz at %.1f dBFS", level)
	}
	var shown struct{ State string }
	h.Must(http.MethodGet, c.path(), nil, &shown)
	equal(t, "state", shown.State, "ended")
	h.conference(body{}).end()
}
