package control_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"parley"
	"parley/internal/audiotest"
	"parley/internal/control"
	"parley/internal/history"
)

// conference makes an active conference.
func (r *rig) conference(req control.ConferenceRequest) parley.ID {
	r.t.Helper()
	f, err := r.CreateConference(r.t.Context(), r.app, req)
	if err != nil {
		r.t.Fatal(err)
	}
	r.events(f.ID, 1)
	return f.ID
}

func (r *rig) invite(conf parley.ID, to string) parley.ID {
	r.t.Helper()
	p, err := r.Invite(r.t.Context(), r.app, conf, control.InviteRequest{To: to})
	if err != nil {
		r.t.Fatal(err)
	}
	return p.CallID
}

func expectCode(t *testing.T, err error, code parley.Code, field string) {
	t.Helper()
	e, ok := errors.AsType[*parley.Error](err)
	if !ok || e.Code != code || e.Field != field {
		t.Errorf("error %v, want %s (%s)", err, code, field)
	}
}

func TestAConferenceFromBeginningToEnd(t *testing.T) {
	r := start(t, t.TempDir())
	conf := r.conference(control.ConferenceRequest{Name: "hall"})
	call := r.invite(conf, "sip:alice@example.com;transport=tcp")
	r.events(conf, 2)
	p, err := r.Participant(t.Context(), r.app, conf, call)
	if err != nil || p.State != parley.ParticipantJoined || p.PartURI != "sip:alice@example.com" {
		t.Errorf("participant %+v, %v", p, err)
	}
	r.invite(conf, "sip:busy@example.com")
	r.events(conf, 3)
	if err := r.RemoveParticipant(t.Context(), r.app, conf, call, true); err != nil {
		t.Fatal(err)
	}
	expectCode(t, r.RemoveParticipant(t.Context(), r.app, conf, call, true), parley.CodeParticipantGone, "")
	expectCode(t, r.RemoveParticipant(t.Context(), r.app, conf, parley.NewID(time.Now()), true), parley.CodeNotFound, "")
	if _, err := r.EndConference(t.Context(), r.app, conf); err != nil {
		t.Fatal(err)
	}
	_, err = r.Invite(t.Context(), r.app, conf, control.InviteRequest{To: "sip:alice@example.com"})
	expectCode(t, err, parley.CodeConferenceEnded, "")
	events := r.events(conf, 5)
	want := []parley.EventType{parley.EventConfCreateSucc, parley.EventConfJoined, parley.EventConfJoinFail, parley.EventConfQuit, parley.EventConfEnd}
	if got := types(events); !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	view, err := r.Conference(t.Context(), r.app, conf)
	if err != nil || view.State != parley.ConferenceEnded || len(view.Participants) != 2 {
		t.Errorf("view %+v, %v", view, err)
	}
	again := r.conference(control.ConferenceRequest{Name: "hall"}) // the name is free again
	if again == conf {
		t.Error("the same ID twice")
	}
}

func TestNamesAreUniqueAmongTheLive(t *testing.T) {
	r := start(t, t.TempDir())
	r.conference(control.ConferenceRequest{Name: "hall"})
	_, err := r.CreateConference(t.Context(), r.app, control.ConferenceRequest{Name: "hall"})
	expectCode(t, err, parley.CodeNameTaken, "name")
	other, err := r.CreateApplication(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.CreateConference(t.Context(), other.ID, control.ConferenceRequest{Name: "hall"}); err != nil {
		t.Errorf("another application's: %v", err)
	}
}

func TestAForeignConferenceIsNotThere(t *testing.T) {
	r := start(t, t.TempDir())
	conf := r.conference(control.ConferenceRequest{})
	call := r.invite(conf, "sip:alice@example.com")
	other, err := r.CreateApplication(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for name, err := range map[string]error{
		"conference":  second(r.Conference(ctx, other.ID, conf)),
		"end":         second(r.EndConference(ctx, other.ID, conf)),
		"invite":      second(r.Invite(ctx, other.ID, conf, control.InviteRequest{To: "sip:a@b"})),
		"participant": second(r.Participant(ctx, other.ID, conf, call)),
		"call":        second(r.Call(ctx, other.ID, call)),
		"hang-up":     r.HangupCall(ctx, other.ID, call),
		"playbacks":   second(r.Playbacks(ctx, other.ID, conf, control.ListRequest{})),
	} {
		if parley.CodeOf(err) != parley.CodeNotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	page, err := r.Conferences(ctx, other.ID, control.ListRequest{})
	if err != nil || len(page.Items) != 0 {
		t.Errorf("list: %v, %v", page.Items, err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestListsInPages(t *testing.T) {
	r := start(t, t.TempDir())
	var made []parley.ID
	for range 7 {
		f, err := r.CreateConference(t.Context(), r.app, control.ConferenceRequest{})
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, f.ID)
	}
	slices.Sort(made)
	slices.Reverse(made)
	var got []parley.ID
	req := control.ListRequest{Limit: 3}
	for {
		page, err := r.Conferences(t.Context(), r.app, req)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page.Items {
			got = append(got, f.ID)
		}
		if req.Cursor = page.NextCursor; req.Cursor == "" {
			break
		}
	}
	if !slices.Equal(got, made) {
		t.Errorf("got %v, want %v", got, made)
	}
	_, err := r.Conferences(t.Context(), r.app, control.ListRequest{Limit: 1001})
	expectCode(t, err, parley.CodeInvalid, "limit")
}

func TestSettlesWhatACrashLeft(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir)
	conf := r.conference(control.ConferenceRequest{Recording: true})
	r.invite(conf, "sip:alice@example.com")
	r.events(conf, 3)
	r.invite(conf, "sip:silent@example.com")
	for { // what becomes of calls is written behind
		page, err := r.Calls(t.Context(), r.app, control.ListRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Items) == 2 {
			break
		}
	}
	r.crash()
	again := start(t, dir)
	events := again.events(conf, 7)
	want := []parley.EventType{
		parley.EventConfCreateSucc, parley.EventConfJoined, parley.EventConfRecordStart,
		parley.EventConfQuit, parley.EventConfJoinFail, parley.EventConfRecordEnd, parley.EventConfEnd,
	}
	if got := types(events); !slices.Equal(got, want) {
		t.Fatalf("events %v, want %v", got, want)
	}
	var bodies [][]byte
	for i, e := range events {
		bodies = append(bodies, e.Body)
		if settled := strings.Contains(string(e.Body), `"settled":true`); settled != (i >= 3) {
			t.Errorf("%s: settled %v", e.Type, settled)
		}
	}
	for _, v := range history.Check(bodies...) {
		t.Error(v)
	}
	calls, err := again.Calls(t.Context(), again.app, control.ListRequest{})
	if err != nil || len(calls.Items) != 2 {
		t.Fatalf("calls %v, %v", calls.Items, err)
	}
	for _, k := range calls.Items {
		if k.State != parley.CallEnded || k.Reason != parley.ReasonServerLost {
			t.Errorf("call %+v", k)
		}
	}
	f, err := again.Conference(t.Context(), again.app, conf)
	if err != nil || f.State != parley.ConferenceEnded || f.Error == nil {
		t.Errorf("conference %+v, %v", f, err)
	}
}

func TestIdempotencyKey(t *testing.T) {
	r := start(t, t.TempDir())
	done := 0
	do := func() (control.Answer, error) {
		done++
		return control.Answer{Status: 201, Body: []byte(fmt.Sprint(done))}, nil
	}
	first, err := r.Idempotent(t.Context(), r.app, "k", "same", do)
	if err != nil || first.Replayed {
		t.Fatalf("%+v, %v", first, err)
	}
	second, err := r.Idempotent(t.Context(), r.app, "k", "same", do)
	if err != nil || !second.Replayed || string(second.Body) != "1" || done != 1 {
		t.Errorf("again: %+v, %v, done %d times", second, err, done)
	}
	_, err = r.Idempotent(t.Context(), r.app, "k", "other", do)
	expectCode(t, err, parley.CodeIdempotencyReused, "")
	if _, err := r.Idempotent(t.Context(), "another-app", "k", "other", do); err != nil {
		t.Errorf("another application's key: %v", err)
	}
	_, err = r.Idempotent(t.Context(), r.app, "busy", "same", func() (control.Answer, error) {
		_, err := r.Idempotent(t.Context(), r.app, "busy", "same", do)
		return control.Answer{Status: 200}, err
	})
	expectCode(t, err, parley.CodeIdempotencyPending, "")
	failed := errors.New("broken")
	if _, err := r.Idempotent(t.Context(), r.app, "f", "same", func() (control.Answer, error) { return control.Answer{}, failed }); !errors.Is(err, failed) {
		t.Errorf("a failure: %v", err)
	}
	if a, err := r.Idempotent(t.Context(), r.app, "f", "same", do); err != nil || a.Replayed {
		t.Errorf("after a failure: %+v, %v", a, err)
	}
}

func TestKeys(t *testing.T) {
	r := start(t, t.TempDir())
	_, err := r.Authenticate(t.Context(), "wrong")
	expectCode(t, err, parley.CodeUnauthorized, "")
	k, secret, err := r.CreateKey(t.Context(), r.app, false)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(k.Hash, secret) || k.Hash == secret {
		t.Error("the key is kept as it is")
	}
	who, err := r.Authenticate(t.Context(), secret)
	if err != nil || who.Application != r.app || who.Operator {
		t.Errorf("principal %+v, %v", who, err)
	}
	if err := r.DeleteKey(t.Context(), "", k.ID); err != nil {
		t.Fatal(err)
	}
	_, err = r.Authenticate(t.Context(), secret)
	expectCode(t, err, parley.CodeUnauthorized, "")
	keys, err := r.Keys(t.Context(), r.app, control.ListRequest{})
	if err != nil || len(keys.Items) != 1 {
		t.Fatalf("keys %v, %v", keys.Items, err)
	}
	expectCode(t, r.DeleteKey(t.Context(), "", keys.Items[0].ID), parley.CodeForbidden, "")
}

func TestTheDefaultWebhookMovesWithItsURL(t *testing.T) {
	r := start(t, t.TempDir())
	hooks := func() []parley.Webhook {
		page, err := r.Webhooks(t.Context(), r.app, control.ListRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return page.Items
	}
	first, err := r.Bootstrap(t.Context(), control.Setup{NotifyURL: "http://127.0.0.1:9000/"})
	if err != nil || first.NotifySecret == "" {
		t.Fatalf("made %+v, %v", first, err)
	}
	before := hooks()[0]
	if !before.Trusted || before.Secrets[0] != first.NotifySecret {
		t.Errorf("webhook %+v", before)
	}
	again, err := r.Bootstrap(t.Context(), control.Setup{NotifyURL: "http://127.0.0.1:9001/"})
	if err != nil || again.NotifySecret != "" {
		t.Errorf("with another URL: made %+v, %v", again, err)
	}
	if after := hooks(); len(after) != 1 || after[0].ID != before.ID || after[0].URL != "http://127.0.0.1:9001/" || after[0].Secrets[0] != first.NotifySecret {
		t.Errorf("with another URL: %+v", after)
	}
	const own = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
	if _, err := r.Bootstrap(t.Context(), control.Setup{NotifyURL: "http://127.0.0.1:9001/", NotifySecret: own}); err != nil {
		t.Fatal(err)
	}
	if after := hooks(); !slices.Equal(after[0].Secrets, []string{own, first.NotifySecret}) {
		t.Errorf("with a secret of one's own: %v", after[0].Secrets)
	}
	if _, err := r.Bootstrap(t.Context(), control.Setup{}); err != nil || len(hooks()) != 0 {
		t.Errorf("without a URL: %v, %v", hooks(), err)
	}
}

func TestMediaFilesAreCheckedOnArrival(t *testing.T) {
	r := start(t, t.TempDir())
	wav := audiotest.WAV(8000, audiotest.Tone(8000, 440, -10, time.Second))
	m, err := r.PutMedia(t.Context(), r.app, "a.wav", strings.NewReader(string(wav)))
	if err != nil || m.DurationMS != 1000 || m.Format != "wav" || m.SampleRate != 8000 || m.Bytes != int64(len(wav)) {
		t.Fatalf("%+v, %v", m, err)
	}
	for name, body := range map[string]string{"empty": "", "page": "<html>no sound</html>", "cut short": string(wav[:len(wav)/2])} {
		_, err := r.PutMedia(t.Context(), r.app, "b.wav", strings.NewReader(body))
		if parley.CodeOf(err) != parley.CodeMediaUnreadable {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = r.PutMedia(t.Context(), r.app, "../a.wav", strings.NewReader(string(wav)))
	expectCode(t, err, parley.CodeInvalid, "name")
	page, err := r.MediaFiles(t.Context(), r.app, control.ListRequest{})
	if err != nil || len(page.Items) != 1 || page.Items[0].SHA256 != m.SHA256 {
		t.Errorf("files %v, %v", page.Items, err)
	}
	if err := r.DeleteMedia(t.Context(), r.app, "a.wav"); err != nil {
		t.Fatal(err)
	}
	conf := r.conference(control.ConferenceRequest{})
	_, err = r.Play(t.Context(), r.app, conf, control.PlayRequest{Files: []string{"a.wav"}})
	expectCode(t, err, parley.CodeMediaNotFound, "files[0]")
}

func TestACallThatNobodyAnswersIsRefused(t *testing.T) {
	r := start(t, t.TempDir(), func(c *control.Config) { c.RingTime = 50 * time.Millisecond })
	id := parley.NewID(time.Now())
	l := r.comeIn(control.IncomingCall{ID: id, Application: r.app, User: "nobody", PartURI: "+49301", From: "sip:+49301@x", To: "sip:nobody@y", At: time.Now()})
	events := r.events(id, 2)
	if got, want := types(events), []parley.EventType{parley.EventCallIncoming, parley.EventCallEnded}; !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	if l.rejected != 480 {
		t.Errorf("refused with %d", l.rejected)
	}
}

func TestACallIsAnsweredIntoAConferenceAndMovesToAnother(t *testing.T) {
	r := start(t, t.TempDir())
	conf, other := r.conference(control.ConferenceRequest{}), r.conference(control.ConferenceRequest{})
	id := parley.NewID(time.Now())
	r.comeIn(control.IncomingCall{ID: id, Application: r.app, User: "x", PartURI: "+49301", At: time.Now()})
	r.events(id, 1)
	if _, err := r.AnswerCall(t.Context(), r.app, id, control.AnswerRequest{Conference: conf}); err != nil {
		t.Fatal(err)
	}
	r.events(conf, 2)
	_, err := r.Invite(t.Context(), r.app, other, control.InviteRequest{CallID: id})
	expectCode(t, err, parley.CodeCallInConference, "call_id")
	if err := r.RemoveParticipant(t.Context(), r.app, conf, id, false); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Invite(t.Context(), r.app, other, control.InviteRequest{CallID: id}); err != nil {
		t.Fatal(err)
	}
	r.events(other, 2)
	if err := r.HangupCall(t.Context(), r.app, id); err != nil {
		t.Fatal(err)
	}
	if got := types(r.events(other, 3)); got[2] != parley.EventConfQuit {
		t.Errorf("events %v", got)
	}
	expectCode(t, r.HangupCall(t.Context(), r.app, id), parley.CodeCallEnded, "")
}

func TestDrainingTakesNothingNew(t *testing.T) {
	r := start(t, t.TempDir())
	conf := r.conference(control.ConferenceRequest{})
	r.Drain()
	_, err := r.CreateConference(t.Context(), r.app, control.ConferenceRequest{})
	expectCode(t, err, parley.CodeShuttingDown, "")
	_, err = r.Invite(t.Context(), r.app, conf, control.InviteRequest{To: "sip:a@b"})
	expectCode(t, err, parley.CodeShuttingDown, "")
	if _, err := r.EndConference(t.Context(), r.app, conf); err != nil {
		t.Errorf("what runs can be ended: %v", err)
	}
}
