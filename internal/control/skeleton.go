package control

import (
	"context"
	"io"

	"parley"
)

// Control is the use cases. Its methods are safe for concurrent use; errors
// that a customer caused are *parley.Error.
type Control struct{}

// Authenticate finds whose key it is: parley.CodeUnauthorized if nobody's.
func (c *Control) Authenticate(ctx context.Context, key string) (Principal, error) { panic("skeleton") }

func (c *Control) CreateConference(ctx context.Context, app parley.ID, r ConferenceRequest) (parley.Conference, error) {
	panic("skeleton")
}
func (c *Control) Conference(ctx context.Context, app, id parley.ID) (ConferenceView, error) {
	panic("skeleton")
}

// Conferences lists without participants.
func (c *Control) Conferences(ctx context.Context, app parley.ID, r ListRequest) (Page[parley.Conference], error) {
	panic("skeleton")
}
func (c *Control) EndConference(ctx context.Context, app, id parley.ID) (parley.Conference, error) {
	panic("skeleton")
}

func (c *Control) Invite(ctx context.Context, app, conf parley.ID, r InviteRequest) (parley.Participant, error) {
	panic("skeleton")
}
func (c *Control) Participants(ctx context.Context, app, conf parley.ID, r ListRequest) (Page[ParticipantView], error) {
	panic("skeleton")
}
func (c *Control) Participant(ctx context.Context, app, conf, call parley.ID) (ParticipantView, error) {
	panic("skeleton")
}
func (c *Control) UpdateParticipant(ctx context.Context, app, conf, call parley.ID, p ParticipantPatch) (ParticipantView, error) {
	panic("skeleton")
}
func (c *Control) RemoveParticipant(ctx context.Context, app, conf, call parley.ID, hangup bool) error {
	panic("skeleton")
}

func (c *Control) Play(ctx context.Context, app, conf parley.ID, r PlayRequest) (parley.Playback, error) {
	panic("skeleton")
}
func (c *Control) Playbacks(ctx context.Context, app, conf parley.ID, r ListRequest) (Page[parley.Playback], error) {
	panic("skeleton")
}
func (c *Control) Playback(ctx context.Context, app, conf, id parley.ID) (parley.Playback, error) {
	panic("skeleton")
}
func (c *Control) StopPlayback(ctx context.Context, app, conf, id parley.ID) error { panic("skeleton") }

func (c *Control) Record(ctx context.Context, app, conf parley.ID, r RecordRequest) (parley.Recording, error) {
	panic("skeleton")
}

// SetRecording brings a recording to state "paused", "recording" or "stopped".
func (c *Control) SetRecording(ctx context.Context, app, conf, id parley.ID, state string) (parley.Recording, error) {
	panic("skeleton")
}

// Recordings lists an application's recordings, those of one conference if conf is set.
func (c *Control) Recordings(ctx context.Context, app, conf parley.ID, r ListRequest) (Page[parley.Recording], error) {
	panic("skeleton")
}
func (c *Control) Recording(ctx context.Context, app, id parley.ID) (parley.Recording, error) {
	panic("skeleton")
}
func (c *Control) RecordingContent(ctx context.Context, app, id parley.ID) (Content, error) {
	panic("skeleton")
}
func (c *Control) DeleteRecording(ctx context.Context, app, id parley.ID) error { panic("skeleton") }

// PutMedia stores an upload under name, checked on arrival.
func (c *Control) PutMedia(ctx context.Context, app parley.ID, name string, body io.Reader) (parley.MediaFile, error) {
	panic("skeleton")
}
func (c *Control) MediaFiles(ctx context.Context, app parley.ID, r ListRequest) (Page[parley.MediaFile], error) {
	panic("skeleton")
}
func (c *Control) MediaContent(ctx context.Context, app parley.ID, name string) (Content, error) {
	panic("skeleton")
}
func (c *Control) DeleteMedia(ctx context.Context, app parley.ID, name string) error {
	panic("skeleton")
}

func (c *Control) Calls(ctx context.Context, app parley.ID, r ListRequest) (Page[parley.Call], error) {
	panic("skeleton")
}
func (c *Control) Call(ctx context.Context, app, id parley.ID) (parley.Call, error) {
	panic("skeleton")
}
func (c *Control) AnswerCall(ctx context.Context, app, id parley.ID, r AnswerRequest) (parley.Call, error) {
	panic("skeleton")
}

// RejectCall refuses with a SIP status of 400 to 699, 0 for 603.
func (c *Control) RejectCall(ctx context.Context, app, id parley.ID, status int) error {
	panic("skeleton")
}
func (c *Control) HangupCall(ctx context.Context, app, id parley.ID) error { panic("skeleton") }

func (c *Control) Events(ctx context.Context, app parley.ID, r EventRequest) (Page[parley.Event], error) {
	panic("skeleton")
}

// EventStream follows an application's events after the event or cursor named
// (empty: from now on). The caller closes it.
func (c *Control) EventStream(ctx context.Context, app parley.ID, r EventRequest) (EventStream, error) {
	panic("skeleton")
}

func (c *Control) CreateWebhook(ctx context.Context, app parley.ID, r WebhookRequest) (parley.Webhook, error) {
	panic("skeleton")
}
func (c *Control) Webhooks(ctx context.Context, app parley.ID, r ListRequest) (Page[parley.Webhook], error) {
	panic("skeleton")
}
func (c *Control) Webhook(ctx context.Context, app, id parley.ID) (parley.Webhook, error) {
	panic("skeleton")
}
func (c *Control) UpdateWebhook(ctx context.Context, app, id parley.ID, p WebhookPatch) (parley.Webhook, error) {
	panic("skeleton")
}
func (c *Control) DeleteWebhook(ctx context.Context, app, id parley.ID) error { panic("skeleton") }
func (c *Control) Deliveries(ctx context.Context, app, webhook parley.ID, r DeliveryRequest) (Page[parley.Delivery], error) {
	panic("skeleton")
}

// Replay gives the number of events that will be sent again.
func (c *Control) Replay(ctx context.Context, app, webhook parley.ID, r ReplayRequest) (int, error) {
	panic("skeleton")
}

func (c *Control) CreateTrunk(ctx context.Context, app parley.ID, r TrunkRequest) (parley.Trunk, error) {
	panic("skeleton")
}
func (c *Control) Trunks(ctx context.Context, app parley.ID, r ListRequest) (Page[parley.Trunk], error) {
	panic("skeleton")
}
func (c *Control) Trunk(ctx context.Context, app, id parley.ID) (parley.Trunk, error) {
	panic("skeleton")
}
func (c *Control) ReplaceTrunk(ctx context.Context, app, id parley.ID, r TrunkRequest) (parley.Trunk, error) {
	panic("skeleton")
}
func (c *Control) DeleteTrunk(ctx context.Context, app, id parley.ID) error { panic("skeleton") }

func (c *Control) CreateApplication(ctx context.Context, name string) (parley.Application, error) {
	panic("skeleton")
}
func (c *Control) Applications(ctx context.Context, r ListRequest) (Page[parley.Application], error) {
	panic("skeleton")
}

// CreateKey makes a key for an application; the key itself is shown only here.
func (c *Control) CreateKey(ctx context.Context, app parley.ID, operator bool) (parley.Key, string, error) {
	panic("skeleton")
}
func (c *Control) Keys(ctx context.Context, app parley.ID, r ListRequest) (Page[parley.Key], error) {
	panic("skeleton")
}
func (c *Control) DeleteKey(ctx context.Context, app, id parley.ID) error { panic("skeleton") }

// Idempotent runs do once for each key of an application: a second call with
// the same fingerprint gets the first one's answer, one with another
// fingerprint parley.CodeIdempotencyReused.
func (c *Control) Idempotent(ctx context.Context, app parley.ID, key, fingerprint string, do func() (Answer, error)) (Answer, error) {
	panic("skeleton")
}

// Answer is a REST answer kept for an Idempotency-Key.
type Answer struct {
	Status   int               `json:"status"`
	Header   map[string]string `json:"header,omitempty"`
	Body     []byte            `json:"body"`
	Replayed bool              `json:"-"` // it was given before
}

// EventStream gives committed events in order.
type EventStream interface {
	// Next blocks until there are events or ctx ends.
	Next(ctx context.Context) ([]parley.Event, error)
	Close()
}
