package acceptance

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"parley"
	"parley/internal/phone"
	"parley/internal/servertest"
)

// seedOf is the seed of a random test: PARLEY_SEED, or another each time. It is
// in the test's log.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("PARLEY_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("PARLEY_SEED=%d", seed)
	return seed
}

// promise is something that the API has acknowledged: one of the types, with
// the field, has to be in the conference's events.
type promise struct {
	conference string
	types      []parley.EventType
	field      string
	value      any
}

// kept reports whether a conference's events keep the promise.
func (p promise) kept(fields []map[string]any) bool {
	return slices.ContainsFunc(fields, func(f map[string]any) bool {
		kind, _ := f["event"].(string)
		return slices.Contains(p.types, parley.EventType(kind)) && f[p.field] == p.value
	})
}

// book is all that the API has acknowledged, and how it answered. It is safe
// for concurrent use.
type book struct {
	mu       sync.Mutex
	promises []promise     // guarded by mu
	answers  map[int]int   // by status; guarded by mu
	acked    chan struct{} // one for each acknowledgement, as far as there is room
}

func newBook() *book { return &book{answers: map[int]int{}, acked: make(chan struct{}, 1<<16)} }

func (b *book) promise(p promise) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.promises = append(b.promises, p)
}

func (b *book) answered(status int) {
	b.mu.Lock()
	b.answers[status]++
	b.mu.Unlock()
	if status/100 == 2 {
		select {
		case b.acked <- struct{}{}:
		default:
		}
	}
}

// conferences are those whose creation was acknowledged, in that order.
func (b *book) conferences() (ids []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.promises {
		if !slices.Contains(ids, p.conference) {
			ids = append(ids, p.conference)
		}
	}
	return ids
}

// check finds the promises that the events of all conferences do not keep.
func (b *book) check(t *testing.T, events []event) {
	t.Helper()
	fields := map[string][]map[string]any{}
	for _, e := range events {
		var f map[string]any
		if err := json.Unmarshal(e.body, &f); err != nil {
			t.Fatal(err)
		}
		fields[e.stream] = append(fields[e.stream], f)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.promises {
		if !p.kept(fields[p.conference]) {
			t.Errorf("acknowledged and missing: %v of %s with %s %v", p.types, p.conference, p.field, p.value)
		}
	}
}

// session is one conference after the other, steered by operators.
type session struct {
	s      *servertest.Server
	t      *testing.T
	ctx    context.Context // ends when the server is killed
	book   *book
	phones []*phone.Phone
	files  []string

	mu         sync.Mutex
	conf       string   // guarded by mu
	calls      []string // invited into conf; guarded by mu
	kept       []string // calls that left conf and were not hung up; guarded by mu
	plays      []string // guarded by mu
	recordings []string // guarded by mu
	gain       float64  // the last that was set; guarded by mu
}

// operator gives commands to a session. It belongs to one goroutine.
type operator struct {
	*session
	rng *rand.Rand
}

// ask makes a request; alive is false when the server is gone. A fault of the
// server fails the test, and so does an answer that a request was wrong in
// itself: at most it comes at the wrong moment.
func (o *operator) ask(method, path string, ask any) (answer map[string]any, ok, alive bool) {
	a, err := o.s.Try(method, path, ask)
	if err != nil {
		if o.ctx.Err() == nil {
			o.t.Errorf("%s %s: %v", method, path, err)
		}
		return nil, false, false
	}
	o.book.answered(a.Status)
	if a.Status >= 500 || a.Status == http.StatusBadRequest || a.Status == http.StatusUnprocessableEntity {
		o.t.Errorf("%s %s: %d %s", method, path, a.Status, a.Body)
	}
	if len(a.Body) > 0 {
		if err := json.Unmarshal(a.Body, &answer); err != nil {
			o.t.Errorf("%s %s: %d, not JSON: %s", method, path, a.Status, a.Body)
		}
	}
	return answer, a.Status/100 == 2, true
}

// in is a path within the conference.
func (s *session) in(parts ...string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return (&conf{id: s.conf}).path(parts...)
}

// pick is one of a list, or an ID that nothing has.
func (o *operator) pick(list func() []string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	l := list()
	if len(l) == 0 {
		return "00000000000070008000000000000000"
	}
	return l[o.rng.IntN(len(l))]
}

func (o *operator) call() string { return o.pick(func() []string { return o.calls }) }

// create makes the session's next conference.
func (o *operator) create() bool {
	settings := body{"dial_in": true, "recording": o.rng.IntN(3) == 0, "auto_hangup": o.rng.IntN(4) != 0}
	if o.rng.IntN(3) == 0 {
		settings["bgm_file"] = o.files[0]
	}
	answer, ok, alive := o.ask(http.MethodPost, "/v1/conferences", settings)
	if !ok {
		return alive
	}
	id, _ := answer["id"].(string)
	o.mu.Lock()
	o.conf, o.calls, o.plays, o.recordings = id, nil, nil, nil
	o.mu.Unlock()
	o.book.promise(promise{id, []parley.EventType{parley.EventConfCreateSucc, parley.EventConfEnd}, "id", id})
	return alive
}

// invite calls one of the phones.
func (o *operator) invite() bool {
	p := o.phones[o.rng.IntN(len(o.phones))]
	ask := body{"to": p.URI(), "max_dial_duration": 1, "user_data": fmt.Sprint("guest ", o.rng.IntN(100))}
	if o.rng.IntN(4) == 0 {
		ask["play_file"] = o.files[o.rng.IntN(len(o.files))]
	}
	if o.rng.IntN(8) == 0 {
		ask["max_duration"] = 1
	}
	return o.join(ask)
}

// join posts a participant.
func (o *operator) join(ask body) bool {
	conference := o.pick(func() []string { return []string{o.conf} })
	answer, ok, alive := o.ask(http.MethodPost, (&conf{id: conference}).path("participants"), ask)
	if id, _ := answer["call_id"].(string); ok {
		o.mu.Lock()
		o.calls = append(o.calls, id)
		o.mu.Unlock()
		o.book.promise(promise{conference, []parley.EventType{parley.EventConfJoined, parley.EventConfJoinFail}, "call_id", id})
	}
	return alive
}

// rejoin brings back a call that was left up.
func (o *operator) rejoin() bool {
	return o.join(body{"call_id": o.pick(func() []string { return o.kept })})
}

// dialIn lets a phone call the conference, and does not wait for it.
func (o *operator) dialIn() bool {
	ctx, cancel := context.WithTimeout(o.ctx, servertest.Patience)
	defer cancel()
	conference := o.pick(func() []string { return []string{o.conf} })
	p := o.phones[o.rng.IntN(len(o.phones))]
	if _, err := p.Dial(ctx, "sip:"+conference+"@"+o.s.SIP.String()); err != nil && ctx.Err() == nil {
		o.t.Errorf("dial in: %v", err)
	}
	return o.ctx.Err() == nil
}

// change mutes, unmutes, holds or makes louder.
func (o *operator) change() bool {
	call, conference := o.call(), o.pick(func() []string { return []string{o.conf} })
	path := (&conf{id: conference}).path("participants", call)
	if o.rng.IntN(2) == 0 {
		_, _, alive := o.ask(http.MethodPatch, path, body{"muted": o.rng.IntN(2) == 0, "deaf": o.rng.IntN(2) == 0, "hold": o.rng.IntN(4) == 0})
		return alive
	}
	o.mu.Lock()
	o.gain += 1.0 / 1024 // which nobody has yet
	gain := o.gain
	o.mu.Unlock()
	_, ok, alive := o.ask(http.MethodPatch, path, body{"gain_db": gain})
	if ok {
		o.book.promise(promise{conference, []parley.EventType{parley.EventConfParticipantUpdated}, "gain_db", gain})
	}
	return alive
}

// remove takes a participant out, and hangs up or not.
func (o *operator) remove() bool {
	call, keep := o.call(), o.rng.IntN(2) == 0
	_, ok, alive := o.ask(http.MethodDelete, o.in("participants", call)+"?hangup="+strconv.FormatBool(!keep), nil)
	if ok && keep {
		o.mu.Lock()
		o.kept = append(o.kept, call)
		o.mu.Unlock()
	}
	return alive
}

// play plays something, to all or to one.
func (o *operator) play() bool {
	ask := body{"files": []string{o.files[o.rng.IntN(len(o.files))]}, "loop": o.rng.IntN(3) == 0}
	if o.rng.IntN(3) == 0 {
		ask["to"] = []string{o.call()}
	}
	conference := o.pick(func() []string { return []string{o.conf} })
	answer, ok, alive := o.ask(http.MethodPost, (&conf{id: conference}).path("playbacks"), ask)
	if id, _ := answer["playback_id"].(string); ok {
		o.mu.Lock()
		o.plays = append(o.plays, id)
		o.mu.Unlock()
		for _, e := range []parley.EventType{parley.EventConfPlayStart, parley.EventConfPlayEnd} {
			o.book.promise(promise{conference, []parley.EventType{e}, "playback_id", id})
		}
	}
	return alive
}

func (o *operator) stopPlay() bool {
	_, _, alive := o.ask(http.MethodDelete, o.in("playbacks", o.pick(func() []string { return o.plays })), nil)
	return alive
}

// record begins a recording.
func (o *operator) record() bool {
	conference := o.pick(func() []string { return []string{o.conf} })
	answer, ok, alive := o.ask(http.MethodPost, (&conf{id: conference}).path("recordings"), body{})
	if id, _ := answer["recording_id"].(string); ok {
		o.mu.Lock()
		o.recordings = append(o.recordings, id)
		o.mu.Unlock()
		for _, e := range []parley.EventType{parley.EventConfRecordStart, parley.EventConfRecordEnd} {
			o.book.promise(promise{conference, []parley.EventType{e}, "recording_id", id})
		}
	}
	return alive
}

// setRecording pauses, resumes or stops a recording.
func (o *operator) setRecording() bool {
	state := []string{"paused", "recording", "stopped"}[o.rng.IntN(3)]
	_, _, alive := o.ask(http.MethodPatch, o.in("recordings", o.pick(func() []string { return o.recordings })), body{"state": state})
	return alive
}

// end ends the conference and makes the next.
func (o *operator) end() bool {
	conference := o.pick(func() []string { return []string{o.conf} })
	_, ok, alive := o.ask(http.MethodDelete, (&conf{id: conference}).path(), nil)
	if ok {
		o.book.promise(promise{conference, []parley.EventType{parley.EventConfEnd}, "reason", "deleted"})
	}
	return alive && o.create()
}

// step gives one random command; false when the server is gone.
func (o *operator) step() bool {
	switch n := o.rng.IntN(100); {
	case n < 25:
		return o.invite()
	case n < 30:
		return o.dialIn()
	case n < 50:
		return o.change()
	case n < 60:
		return o.remove()
	case n < 65:
		return o.rejoin()
	case n < 78:
		return o.play()
	case n < 84:
		return o.stopPlay()
	case n < 90:
		return o.record()
	case n < 97:
		return o.setRecording()
	}
	return o.end()
}
