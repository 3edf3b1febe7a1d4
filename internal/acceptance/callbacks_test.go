package acceptance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"parley"
	"parley/internal/audiotest"
	"parley/internal/eventschema"
	"parley/internal/phone"
	"parley/internal/servertest"
)

// clocks is how far a time that the server tells may be from the phone's own.
const clocks = 200 * time.Millisecond

// userData is hard to give back exactly: it has everything that an encoder
// may escape, and is as long as it may be.
func userData() string {
	s := "{\"k\": \"<&>'é\u2028\u2029\u00a0世界😀\\\"\\\\ \t\r\n\x7f\"}"
	return s + strings.Repeat("x", 4096-len(s))
}

// TestCallbacks provokes each of the six callbacks and conf.join.fail, with a
// webhook in each format and one for all events, and compares what they got
// with the schema, with the phones, with each other, with the list and with
// the stream.
func TestCallbacks(t *testing.T) {
	h := open(t, nil)
	full, seed := servertest.Receive(t), servertest.Receive(t)
	full.Webhook(h.Server, "")
	seed.Webhook(h.Server, "seed")
	live := follow(t, h.Server, "")
	play := audiotest.Tone(rate, 1000, -20, time.Second)
	h.upload("beep.wav", play)

	failed := h.failedCreation()
	before := time.Now()
	c := h.conference(body{"name": "all", "dial_in": true, "user_data": userData()})
	near(t, "begin_time", c.wait(parley.EventConfCreateSucc, 1)[0].Time("begin_time"), before, clocks)
	anna := c.invite(h.Phone("anna", tone(440, -20)), body{"user_data": "anna's"})
	ben := c.invite(h.Phone("ben", nil), nil)
	chen := c.dialIn(h.Phone("chen", nil), "all")
	c.call(h.Phone("dora", func(cfg *phone.Config) { cfg.Answering.Status = 486 }), body{"user_data": "dora's"})
	c.wait(parley.EventConfJoinFail, 1)
	recording, plays := c.exercise()
	anna.hangup()
	c.wait(parley.EventConfQuit, 1)
	before = time.Now()
	c.end()
	ended := time.Now()
	ben.ended()
	chen.ended()

	end := c.wait(parley.EventConfEnd, 1)[0]
	if got := end.Time("end_time"); got.Before(before.Add(-clocks)) || got.After(ended.Add(clocks)) {
		t.Errorf("end_time %v, the request took from %v to %v", got, before, ended)
	}
	c.checkParticipant(anna, "anna's", "hangup", "outbound")
	c.checkParticipant(ben, userData(), "conference_ended", "outbound")
	c.checkParticipant(chen, userData(), "conference_ended", "inbound")
	c.checkFailures(failed)
	c.checkPlaybacks(plays)
	c.checkRecording(recording)

	h.app.WaitFor("call.ended", 4, func(e servertest.Callback) bool { return e.Type == parley.EventCallEnded })
	events := h.events()
	compare(t, h.app, events, parley.FormatFull, func(parley.EventType) bool { return true })
	usual := func(e parley.EventType) bool { return slices.Contains(parley.DefaultEventTypes(), e) }
	compare(t, full, events, parley.FormatFull, usual)
	compare(t, seed, events, parley.FormatSeed, usual)
	for _, e := range parley.DefaultEventTypes() {
		if len(c.ofType(full.Accepted(), e)) == 0 {
			t.Errorf("%s never came", e)
		}
	}
	compareStream(t, live.take(len(events)), events)
	again := follow(t, h.Server, events[2].id)
	compareStream(t, again.take(len(events)-3), events[3:])
}

// failedCreation creates a conference that cannot begin, and gives its ID.
func (h *house) failedCreation() string {
	h.t.Helper()
	var made struct{ ID, State string }
	h.Must(http.MethodPost, "/v1/conferences", body{"bgm_file": "nowhere.wav", "user_data": "failed"}, &made)
	if made.State != "creating" && made.State != "ended" {
		h.t.Errorf("the state of a conference that cannot begin is %q", made.State)
	}
	h.about(parley.EventConfEnd, "id", made.ID)
	return made.ID
}

// exercise records the conference while it plays a file twice: once with
// user_data of its own, once without. It gives their IDs.
func (c *conf) exercise() (recording string, plays []string) {
	c.t.Helper()
	var rec struct {
		ID string `json:"recording_id"`
	}
	c.Must(http.MethodPost, c.path("recordings"), body{"user_data": "recorded"}, &rec)
	for i, ask := range []body{{"files": []string{"beep.wav"}, "user_data": "played"}, {"files": []string{"beep.wav"}}} {
		var made struct {
			ID string `json:"playback_id"`
		}
		c.Must(http.MethodPost, c.path("playbacks"), ask, &made)
		plays = append(plays, made.ID)
		c.wait(parley.EventConfPlayEnd, i+1)
	}
	c.Must(http.MethodPatch, c.path("recordings", rec.ID), body{"state": "stopped"}, nil)
	return rec.ID, plays
}

// checkParticipant compares what was told of a participant with the phone.
func (c *conf) checkParticipant(g *guest, data, reason, direction string) {
	c.t.Helper()
	joined, quit := c.about(parley.EventConfJoined, "call_id", g.id), c.about(parley.EventConfQuit, "call_id", g.id)
	for _, e := range []servertest.Callback{joined, quit} {
		equal(c.t, "user_data of "+string(e.Type), e.Text("user_data"), data)
		equal(c.t, "part_uri of "+string(e.Type), e.Text("part_uri"), g.uri())
	}
	equal(c.t, "direction", joined.Text("direction"), direction)
	equal(c.t, "reason of conf.quit", quit.Text("reason"), reason)
	equal(c.t, "join_time of conf.quit", quit.Number("join_time"), joined.Number("join_time"))
	near(c.t, "join_time of "+g.uri(), joined.Time("join_time"), g.AnsweredAt(), clocks)
	near(c.t, "quit_time of "+g.uri(), quit.Time("quit_time"), g.End().At, clocks)
}

// uri is the phone's, as the customer would dial it.
func (g *guest) uri() string {
	if g.Incoming() {
		return strings.SplitN(g.Invite().Recipient.String(), ";", 2)[0]
	}
	return strings.SplitN(g.Invite().From().Address.String(), ";", 2)[0]
}

// checkFailures looks at the invite that failed and at the conference that
// never began.
func (c *conf) checkFailures(failed string) {
	c.t.Helper()
	fail := c.wait(parley.EventConfJoinFail, 1)[0]
	equal(c.t, "reason of conf.join.fail", fail.Text("reason"), "busy")
	equal(c.t, "sip_status of conf.join.fail", fail.Number("sip_status"), 486)
	equal(c.t, "user_data of conf.join.fail", fail.Text("user_data"), "dora's")
	end := c.about(parley.EventConfEnd, "id", failed)
	if end.Fields["begin_time"] != nil || end.Fields["end_time"] != nil || end.Text("error") == "" {
		c.t.Errorf("conf.end of a conference that never began: %s", end.Body)
	}
	equal(c.t, "its user_data", end.Text("user_data"), "failed")
	equal(c.t, "its seq", end.Number("seq"), 1)
	if whole := c.wait(parley.EventConfEnd, 1)[0]; whole.Fields["error"] != nil || whole.Text("user_data") != userData() {
		c.t.Errorf("conf.end of the conference that began: %s", whole.Body)
	}
}

// checkPlaybacks compares what was told of the playbacks with the file.
func (c *conf) checkPlaybacks(ids []string) {
	c.t.Helper()
	for i, data := range []string{"played", userData()} {
		e := c.about(parley.EventConfPlayEnd, "playback_id", ids[i])
		equal(c.t, "user_data of conf.play_end", e.Text("user_data"), data)
		equal(c.t, "reason of conf.play_end", e.Text("reason"), "finished")
		lasted(c.t, "the playback", e.Time("begin_time"), e.Time("end_time"), time.Second)
	}
}

// checkRecording compares what was told of the recording with its file.
func (c *conf) checkRecording(id string) {
	c.t.Helper()
	e := c.about(parley.EventConfRecordEnd, "recording_id", id)
	equal(c.t, "user_data of conf.record_end", e.Text("user_data"), "recorded")
	equal(c.t, "reason of conf.record_end", e.Text("reason"), "stopped")
	file := c.Send(http.MethodGet, "/v1/recordings/"+id+"/content", nil).Body
	sound := wav(c.t, "recording", file)
	equal(c.t, "bytes of conf.record_end", e.Number("bytes"), int64(len(file)))
	equal(c.t, "duration_ms of conf.record_end", e.Number("duration_ms"), audiotest.Duration(rate, len(sound)).Milliseconds())
	c.whole(sound, e.Time("end_time").Sub(e.Time("begin_time")))
	for _, hz := range []float64{440, 1000} {
		if level := loudest(sound, hz); level < -23 {
			c.t.Errorf("the recording has %.0f Hz at %.1f dBFS at best, want -20", hz, level)
		}
	}
}

// loudest is the highest level of a sine in any piece of sound.
func loudest(sound []int16, hz float64) float64 {
	best := audiotest.Silence
	for piece := range slices.Chunk(sound, audiotest.Samples(rate, window)) {
		if len(piece) == audiotest.Samples(rate, window) {
			best = max(best, audiotest.ToneLevel(piece, rate, hz))
		}
	}
	return best
}

func (c *conf) ofType(list []servertest.Callback, t parley.EventType) (out []servertest.Callback) {
	for _, e := range list {
		if e.Type == t && e.Stream() == c.id {
			out = append(out, e)
		}
	}
	return out
}

// event is one of the list.
type event struct {
	id     string
	stream string
	kind   parley.EventType
	body   []byte
}

// events is everything in the list.
func (h *house) events() []event { return list(h.t, h.Server, "") }

// list is the events that a query selects, from all pages.
func list(t testing.TB, s *servertest.Server, query string) (out []event) {
	t.Helper()
	path := "/v1/events?limit=100&" + query
	for {
		var page struct {
			Items      []json.RawMessage
			NextCursor *string `json:"next_cursor"`
		}
		s.Must(http.MethodGet, path, nil, &page)
		for _, item := range page.Items {
			out = append(out, eventOf(t, item))
		}
		if page.NextCursor == nil {
			return out
		}
		query, _, _ = strings.Cut(query, "after=")
		path = "/v1/events?limit=100&" + query + "&cursor=" + *page.NextCursor
	}
}

func eventOf(t testing.TB, body []byte) event {
	t.Helper()
	var f struct {
		Event   parley.EventType
		EventID string `json:"event_id"`
	}
	if err := json.Unmarshal(body, &f); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return event{f.EventID, streamOf(f.EventID), f.Event, body}
}

// streamOf is the stream that an event_id names.
func streamOf(id string) string {
	_, rest, _ := strings.Cut(id, "_")
	stream, _, _ := strings.Cut(rest, "_")
	return stream
}

// compare checks that a receiver got exactly those events of the list that it
// wants, each valid in its format and byte for byte, in the order of their
// streams.
func compare(t *testing.T, r *servertest.Receiver, events []event, format parley.WebhookFormat, wants func(parley.EventType) bool) {
	t.Helper()
	validator, err := eventschema.NewValidator()
	if err != nil {
		t.Fatal(err)
	}
	want, got := map[string][][]byte{}, map[string][][]byte{}
	count := 0
	for _, e := range events {
		if wants(e.kind) {
			want[e.stream] = append(want[e.stream], e.body)
			count++
		}
	}
	for _, c := range r.WaitFor("all events", count, func(servertest.Callback) bool { return true }) {
		if err := validator.Validate(c.Body, format); err != nil {
			t.Errorf("%s: %v", c.Body, err)
		}
		if c.Has("part_uri") && c.Text("part_uri") == "" {
			t.Errorf("no part_uri: %s", c.Body)
		}
		got[c.Stream()] = append(got[c.Stream()], c.Body)
	}
	if n := len(r.Accepted()); n != count {
		t.Errorf("%d callbacks came, want %d", n, count)
	}
	same := bytes.Equal
	if format == parley.FormatSeed {
		same = isSeed
	}
	for stream, bodies := range want {
		if !slices.EqualFunc(got[stream], bodies, same) {
			t.Errorf("callbacks of %s:\n%s\nin the list:\n%s", stream, bytes.Join(got[stream], []byte("\n")), bytes.Join(bodies, []byte("\n")))
		}
	}
}

// isSeed reports whether seed is the beginning of a full body, up to event_id.
func isSeed(seed, full []byte) bool {
	at := bytes.Index(full, []byte(`,"event_id":`))
	return at > 0 && bytes.Equal(seed, append(slices.Clone(full[:at]), '}'))
}

// stream is an event stream that is being read.
type stream struct {
	t     testing.TB
	lines *bufio.Scanner
}

// follow opens the event stream, after an event if there is one.
func follow(t testing.TB, s *servertest.Server, last string) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*servertest.Patience)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/v1/events/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Key)
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	equal(t, "type of the event stream", res.Header.Get("Content-Type"), "text/event-stream")
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	return &stream{t, lines}
}

// take reads the next n events.
func (s *stream) take(n int) (out []event) {
	s.t.Helper()
	var e event
	for len(out) < n && s.lines.Scan() {
		field, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch field {
		case "id":
			e.id, e.stream = value, streamOf(value)
		case "event":
			e.kind = parley.EventType(value)
		case "data":
			e.body = []byte(value)
		case "":
			if e.body != nil {
				out = append(out, e)
			}
			e = event{}
		}
	}
	if len(out) < n {
		s.t.Fatalf("the event stream gave %d events of %d: %v", len(out), n, s.lines.Err())
	}
	return out
}

// compareStream checks that the stream gave the events of the list.
func compareStream(t *testing.T, got, want []event) {
	t.Helper()
	if !slices.EqualFunc(got, want, func(a, b event) bool {
		return a.id == b.id && a.kind == b.kind && bytes.Equal(a.body, b.body)
	}) {
		t.Errorf("the stream gave %d events, other than the list's %d", len(got), len(want))
	}
}
