package httpapi

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"parley"
	"parley/internal/control"
)

// IDs of the records that the fake knows.
const (
	appID       = parley.ID("0197c2f3a1b87eee8123456789abcdef")
	confID      = parley.ID("0197c2f3a1b27def8123456789abcdef")
	callID      = parley.ID("0197c2f3a1b37abc8123456789abcdef")
	playbackID  = parley.ID("0197c2f3a1b47aaa8123456789abcdef")
	recordingID = parley.ID("0197c2f3a1b57bbb8123456789abcdef")
	webhookID   = parley.ID("0197c2f3a1b67ccc8123456789abcdef")
	trunkID     = parley.ID("0197c2f3a1b77ddd8123456789abcdef")
	keyID       = parley.ID("0197c2f3a1b97fff8123456789abcdef")
	at          = parley.Millis(1751364000000)
)

// Keys that the fake knows.
const (
	appKey      = "pk_application"
	operatorKey = "pk_operator"
)

// fake is use cases that do nothing: each notes what it was called with and
// answers with a record, or with the error that a test has set.
type fake struct {
	mu     sync.Mutex
	calls  []string // names of the methods called
	last   any      // the last request
	err    error    // what every method but Authenticate fails with
	panics any      // what every method but Authenticate panics with

	answers  map[string]control.Answer // by Idempotency-Key
	prints   map[string]string
	events   []parley.Event
	stream   *fakeStream
	content  string // of every file
	uploaded string
	newMedia bool // MediaContent finds nothing
}

func (f *fake) called(name string, request any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, name)
	f.last = request
	if f.panics != nil {
		panic(f.panics)
	}
	return f.err
}

// count is how often a method was called.
func (f *fake) count(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.calls {
		if c == name {
			n++
		}
	}
	return n
}

// request is what the last method was called with.
func (f *fake) request() any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

func (f *fake) Authenticate(_ context.Context, key string) (control.Principal, error) {
	switch key {
	case appKey:
		return control.Principal{Application: appID, Key: keyID}, nil
	case operatorKey:
		return control.Principal{Application: appID, Key: keyID, Operator: true}, nil
	case "pk_store_down":
		return control.Principal{}, &parley.Error{Code: parley.CodeStoreUnavailable, Message: "the store cannot be read", Err: errors.New("disk on fire")}
	}
	return control.Principal{}, parley.Errorf(parley.CodeUnauthorized, "no key %s", key)
}

func (f *fake) Idempotent(_ context.Context, app parley.ID, key, fingerprint string, do func() (control.Answer, error)) (control.Answer, error) {
	id := string(app) + "/" + key
	f.mu.Lock()
	a, ok := f.answers[id]
	print := f.prints[id]
	f.mu.Unlock()
	if ok {
		if print != fingerprint {
			return control.Answer{}, parley.Errorf(parley.CodeIdempotencyReused, "used for another request")
		}
		a.Replayed = true
		return a, nil
	}
	a, err := do()
	if err != nil {
		return a, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.answers == nil {
		f.answers, f.prints = map[string]control.Answer{}, map[string]string{}
	}
	f.answers[id], f.prints[id] = a, fingerprint
	return a, nil
}

func fakeConference() parley.Conference {
	return parley.Conference{ID: confID, Application: appID, Name: "weekly", State: parley.ConferenceActive, CreateTime: at, BeginTime: at + 1,
		MaxDuration: 3600, MaxParts: 20, AutoHangup: true, UserData: new("order <4711>"), Seq: 3}
}

func (f *fake) CreateConference(_ context.Context, _ parley.ID, r control.ConferenceRequest) (parley.Conference, error) {
	c := fakeConference()
	c.State, c.BeginTime, c.UserData = parley.ConferenceCreating, 0, r.UserData
	return c, f.called("CreateConference", r)
}

func (f *fake) Conference(_ context.Context, _, id parley.ID) (control.ConferenceView, error) {
	return control.ConferenceView{Conference: fakeConference(), Participants: []control.ParticipantView{fakeParticipant()}}, f.called("Conference", id)
}

func (f *fake) Conferences(_ context.Context, _ parley.ID, r control.ListRequest) (control.Page[parley.Conference], error) {
	return control.Page[parley.Conference]{Items: []parley.Conference{fakeConference()}, NextCursor: "next"}, f.called("Conferences", r)
}

func (f *fake) EndConference(_ context.Context, _, id parley.ID) (parley.Conference, error) {
	c := fakeConference()
	c.State, c.EndTime, c.Reason, c.EndedBy = parley.ConferenceEnded, at+2, "deleted", "api"
	return c, f.called("EndConference", id)
}

func fakeParticipant() control.ParticipantView {
	return control.ParticipantView{
		Participant: parley.Participant{Conference: confID, CallID: callID, PartURI: "+8613800138000", Direction: parley.Outbound,
			State: parley.ParticipantJoined, InviteTime: at, JoinTime: at + 1, GainDB: -3},
		Talking: true, Quality: &control.Quality{Codec: "PCMA", PacketsReceived: 50, JitterMS: 1.5, Level: -20},
	}
}

func (f *fake) Invite(_ context.Context, _, _ parley.ID, r control.InviteRequest) (parley.Participant, error) {
	p := fakeParticipant().Participant
	p.State, p.JoinTime = parley.ParticipantDialing, 0
	return p, f.called("Invite", r)
}

func (f *fake) Participants(_ context.Context, _, _ parley.ID, r control.ListRequest) (control.Page[control.ParticipantView], error) {
	left := fakeParticipant()
	left.Talking, left.Quality, left.State, left.QuitTime, left.Reason, left.SIPStatus = false, nil, parley.ParticipantLeft, at+9, "error", 488
	return control.Page[control.ParticipantView]{Items: []control.ParticipantView{fakeParticipant(), left}}, f.called("Participants", r)
}

func (f *fake) Participant(_ context.Context, _, _, call parley.ID) (control.ParticipantView, error) {
	return fakeParticipant(), f.called("Participant", call)
}

func (f *fake) UpdateParticipant(_ context.Context, _, _, _ parley.ID, p control.ParticipantPatch) (control.ParticipantView, error) {
	return fakeParticipant(), f.called("UpdateParticipant", p)
}

func (f *fake) RemoveParticipant(_ context.Context, _, _, _ parley.ID, hangup bool) error {
	return f.called("RemoveParticipant", hangup)
}

func fakePlayback() parley.Playback {
	return parley.Playback{ID: playbackID, Conference: confID, State: parley.PlaybackPlaying, Files: []string{"a.wav"}, BeginTime: at}
}

func (f *fake) Play(_ context.Context, _, _ parley.ID, r control.PlayRequest) (parley.Playback, error) {
	return fakePlayback(), f.called("Play", r)
}

func (f *fake) Playbacks(_ context.Context, _, _ parley.ID, r control.ListRequest) (control.Page[parley.Playback], error) {
	return control.Page[parley.Playback]{Items: []parley.Playback{fakePlayback()}}, f.called("Playbacks", r)
}

func (f *fake) Playback(_ context.Context, _, _, id parley.ID) (parley.Playback, error) {
	return fakePlayback(), f.called("Playback", id)
}

func (f *fake) StopPlayback(_ context.Context, _, _, id parley.ID) error {
	return f.called("StopPlayback", id)
}

func fakeRecording() parley.Recording {
	return parley.Recording{ID: recordingID, Conference: confID, State: parley.RecordingEnded, BeginTime: at, EndTime: at + 60000,
		DurationMS: 60000, Bytes: 960044, Reason: "stopped"}
}

func (f *fake) Record(_ context.Context, _, _ parley.ID, r control.RecordRequest) (parley.Recording, error) {
	return fakeRecording(), f.called("Record", r)
}

func (f *fake) SetRecording(_ context.Context, _, _, _ parley.ID, state string) (parley.Recording, error) {
	return fakeRecording(), f.called("SetRecording", state)
}

func (f *fake) Recordings(_ context.Context, _, conf parley.ID, r control.ListRequest) (control.Page[parley.Recording], error) {
	return control.Page[parley.Recording]{Items: []parley.Recording{fakeRecording()}}, f.called("Recordings", []any{conf, r})
}

func (f *fake) Recording(_ context.Context, _, id parley.ID) (parley.Recording, error) {
	return fakeRecording(), f.called("Recording", id)
}

func (f *fake) RecordingContent(_ context.Context, _, id parley.ID) (control.Content, error) {
	return f.file(string(id)+".wav", "audio/wav"), f.called("RecordingContent", id)
}

func (f *fake) DeleteRecording(_ context.Context, _, id parley.ID) error {
	return f.called("DeleteRecording", id)
}

// file is the fake's content as a file.
func (f *fake) file(name, kind string) control.Content {
	return control.Content{ReadSeekCloser: nopCloser{strings.NewReader(f.content)}, Name: name, Type: kind, Modified: at.Time()}
}

type nopCloser struct{ io.ReadSeeker }

func (nopCloser) Close() error { return nil }

func (f *fake) PutMedia(_ context.Context, _ parley.ID, name string, body io.Reader) (parley.MediaFile, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return parley.MediaFile{}, err
	}
	f.mu.Lock()
	f.uploaded = string(b)
	f.mu.Unlock()
	return parley.MediaFile{Name: name, Format: "wav", Encoding: "pcm_s16le", SampleRate: 8000, Channels: 1, DurationMS: 10,
		Bytes: int64(len(b)), SHA256: strings.Repeat("0", 64), CreateTime: at}, f.called("PutMedia", name)
}

func (f *fake) MediaFiles(_ context.Context, _ parley.ID, r control.ListRequest) (control.Page[parley.MediaFile], error) {
	return control.Page[parley.MediaFile]{Items: []parley.MediaFile{{Name: "a b.mp3", Format: "mp3", CreateTime: at}}}, f.called("MediaFiles", r)
}

func (f *fake) MediaContent(_ context.Context, _ parley.ID, name string) (control.Content, error) {
	if f.newMedia {
		return control.Content{}, parley.Errorf(parley.CodeMediaNotFound, "no media file %s", name)
	}
	return f.file(name, "audio/wav"), f.called("MediaContent", name)
}

func (f *fake) DeleteMedia(_ context.Context, _ parley.ID, name string) error {
	return f.called("DeleteMedia", name)
}

func fakeCall() parley.Call {
	return parley.Call{ID: callID, Direction: parley.Inbound, State: parley.CallRinging, PartURI: "sip:alice@example.com",
		From: "sip:alice@example.com", To: "sip:1@server", StartTime: at, Seq: 1}
}

func (f *fake) Calls(_ context.Context, _ parley.ID, r control.ListRequest) (control.Page[parley.Call], error) {
	up := fakeCall()
	up.Conference, up.Trunk, up.State = confID, "carrier", parley.CallUp
	return control.Page[parley.Call]{Items: []parley.Call{fakeCall(), up}}, f.called("Calls", r)
}

func (f *fake) Call(_ context.Context, _, id parley.ID) (parley.Call, error) {
	return fakeCall(), f.called("Call", id)
}

func (f *fake) AnswerCall(_ context.Context, _, _ parley.ID, r control.AnswerRequest) (parley.Call, error) {
	return fakeCall(), f.called("AnswerCall", r)
}

func (f *fake) RejectCall(_ context.Context, _, _ parley.ID, status int) error {
	return f.called("RejectCall", status)
}

func (f *fake) HangupCall(_ context.Context, _, id parley.ID) error {
	return f.called("HangupCall", id)
}

func (f *fake) Events(_ context.Context, _ parley.ID, r control.EventRequest) (control.Page[parley.Event], error) {
	page := control.Page[parley.Event]{Items: f.events}
	if len(f.events) > 0 {
		page.NextCursor = f.events[len(f.events)-1].ID()
	}
	return page, f.called("Events", r)
}

func (f *fake) EventStream(_ context.Context, _ parley.ID, r control.EventRequest) (control.EventStream, error) {
	if err := f.called("EventStream", r); err != nil {
		return nil, err
	}
	return f.stream, nil
}

// fakeStream gives what is put into events; closed tells that it was closed.
type fakeStream struct {
	events chan []parley.Event
	closed chan struct{}
}

func newFakeStream() *fakeStream {
	return &fakeStream{events: make(chan []parley.Event), closed: make(chan struct{})}
}

func (s *fakeStream) Next(ctx context.Context) ([]parley.Event, error) {
	select {
	case e, ok := <-s.events:
		if !ok {
			return nil, errors.New("the store is gone")
		}
		return e, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *fakeStream) Close() { close(s.closed) }

const fakeSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func fakeWebhook() parley.Webhook {
	return parley.Webhook{ID: webhookID, URL: "https://example.com/events", Format: parley.FormatFull, Secrets: []string{fakeSecret, "whsec_older"}, CreateTime: at}
}

func (f *fake) CreateWebhook(_ context.Context, _ parley.ID, r control.WebhookRequest) (parley.Webhook, error) {
	return fakeWebhook(), f.called("CreateWebhook", r)
}

func (f *fake) Webhooks(_ context.Context, _ parley.ID, r control.ListRequest) (control.Page[parley.Webhook], error) {
	gone := fakeWebhook()
	gone.Disabled, gone.Reason, gone.Events = true, "gone", []string{"*"}
	return control.Page[parley.Webhook]{Items: []parley.Webhook{fakeWebhook(), gone}}, f.called("Webhooks", r)
}

func (f *fake) Webhook(_ context.Context, _, id parley.ID) (parley.Webhook, error) {
	return fakeWebhook(), f.called("Webhook", id)
}

func (f *fake) UpdateWebhook(_ context.Context, _, _ parley.ID, p control.WebhookPatch) (parley.Webhook, error) {
	return fakeWebhook(), f.called("UpdateWebhook", p)
}

func (f *fake) DeleteWebhook(_ context.Context, _, id parley.ID) error {
	return f.called("DeleteWebhook", id)
}

func (f *fake) Deliveries(_ context.Context, _, _ parley.ID, r control.DeliveryRequest) (control.Page[parley.Delivery], error) {
	return control.Page[parley.Delivery]{Items: []parley.Delivery{
		{Webhook: webhookID, EventID: parley.EventID(confID, 1), Stream: confID, Seq: 1, EventType: parley.EventConfCreateSucc,
			State: parley.DeliverySucceeded, Attempts: 1, LastStatus: 204, LatencyMS: 3, FirstTime: at, LastTime: at},
		{Webhook: webhookID, EventID: parley.EventID(confID, 2), Stream: confID, Seq: 2, EventType: parley.EventConfJoined,
			State: parley.DeliveryPending, Attempts: 2, LastError: "connection refused", FirstTime: at, LastTime: at, NextTime: at + 1},
	}}, f.called("Deliveries", r)
}

func (f *fake) Replay(_ context.Context, _, _ parley.ID, r control.ReplayRequest) (int, error) {
	return 7, f.called("Replay", r)
}

func fakeTrunk() parley.Trunk {
	return parley.Trunk{ID: trunkID, Name: "carrier", Host: "sip.carrier.example", Transport: "udp", Username: "parley", Password: "correct horse", CreateTime: at}
}

func (f *fake) CreateTrunk(_ context.Context, _ parley.ID, r control.TrunkRequest) (parley.Trunk, error) {
	return fakeTrunk(), f.called("CreateTrunk", r)
}

func (f *fake) Trunks(_ context.Context, _ parley.ID, r control.ListRequest) (control.Page[parley.Trunk], error) {
	return control.Page[parley.Trunk]{Items: []parley.Trunk{fakeTrunk()}}, f.called("Trunks", r)
}

func (f *fake) Trunk(_ context.Context, _, id parley.ID) (parley.Trunk, error) {
	return fakeTrunk(), f.called("Trunk", id)
}

func (f *fake) ReplaceTrunk(_ context.Context, _, _ parley.ID, r control.TrunkRequest) (parley.Trunk, error) {
	return fakeTrunk(), f.called("ReplaceTrunk", r)
}

func (f *fake) DeleteTrunk(_ context.Context, _, id parley.ID) error {
	return f.called("DeleteTrunk", id)
}

func (f *fake) CreateApplication(_ context.Context, name string) (parley.Application, error) {
	return parley.Application{ID: appID, Name: name, CreateTime: at}, f.called("CreateApplication", name)
}

func (f *fake) Applications(_ context.Context, r control.ListRequest) (control.Page[parley.Application], error) {
	return control.Page[parley.Application]{Items: []parley.Application{{ID: appID, Name: "default", CreateTime: at}}}, f.called("Applications", r)
}

// fakeMadeKey is the key that CreateKey makes.
const fakeMadeKey = "pk_a1b2c3d4e5f6"

func fakeKey() parley.Key {
	return parley.Key{ID: keyID, Application: appID, Hash: "abcdef", Hint: fakeMadeKey[:6], CreateTime: at}
}

func (f *fake) CreateKey(_ context.Context, app parley.ID, operator bool) (parley.Key, string, error) {
	return fakeKey(), fakeMadeKey, f.called("CreateKey", []any{app, operator})
}

func (f *fake) Keys(_ context.Context, app parley.ID, r control.ListRequest) (control.Page[parley.Key], error) {
	return control.Page[parley.Key]{Items: []parley.Key{fakeKey()}}, f.called("Keys", []any{app, r})
}

func (f *fake) DeleteKey(_ context.Context, app, id parley.ID) error {
	return f.called("DeleteKey", []any{app, id})
}

// fakeEvents are three events of a conference.
func fakeEvents() []parley.Event {
	var out []parley.Event
	data := new("<&>\u2028 \"x\"")
	for i, fact := range []parley.Fact{
		&parley.CreateSuccFact{CreateSuccSeed: parley.CreateSuccSeed{ID: confID, BeginTime: at, UserData: data}},
		&parley.JoinedFact{JoinedSeed: parley.JoinedSeed{ID: confID, JoinTime: at, CallID: callID, PartURI: "+8613800138000"}, Direction: parley.Outbound},
		&parley.ConfEndFact{EndSeed: parley.EndSeed{ID: confID, BeginTime: at, EndTime: at + 9, UserData: data}, Reason: "deleted", EndedBy: "api"},
	} {
		e, err := parley.NewEvent(confID, int64(i+1), appID, at, fact)
		if err != nil {
			panic(err)
		}
		out = append(out, e)
	}
	return out
}

var _ Control = (*fake)(nil)

// waitFor is how long a test waits for what must come.
const waitFor = 10 * time.Second
