package httpapi

import (
	"context"
	"io"

	"parley"
	"parley/internal/control"
)

// Control is the use cases that are offered here, one interface for each
// resource. *control.Control implements it.
type Control interface {
	Authenticator
	Idempotency
	Conferences
	Participants
	Playbacks
	Recordings
	MediaFiles
	Calls
	Events
	Webhooks
	Trunks
	Applications
	Keys
}

// Authenticator knows whose key it is.
type Authenticator interface {
	Authenticate(ctx context.Context, key string) (control.Principal, error)
}

// Idempotency keeps the answers of requests that carry an Idempotency-Key.
type Idempotency interface {
	Idempotent(ctx context.Context, app parley.ID, key, fingerprint string, do func() (control.Answer, error)) (control.Answer, error)
}

// Conferences is what can be done with conferences.
type Conferences interface {
	CreateConference(ctx context.Context, app parley.ID, r control.ConferenceRequest) (parley.Conference, error)
	Conference(ctx context.Context, app, id parley.ID) (control.ConferenceView, error)
	Conferences(ctx context.Context, app parley.ID, r control.ListRequest) (control.Page[parley.Conference], error)
	EndConference(ctx context.Context, app, id parley.ID) (parley.Conference, error)
}

// Participants is what can be done with a conference's participants.
type Participants interface {
	Invite(ctx context.Context, app, conf parley.ID, r control.InviteRequest) (parley.Participant, error)
	Participants(ctx context.Context, app, conf parley.ID, r control.ListRequest) (control.Page[control.ParticipantView], error)
	Participant(ctx context.Context, app, conf, call parley.ID) (control.ParticipantView, error)
	UpdateParticipant(ctx context.Context, app, conf, call parley.ID, p control.ParticipantPatch) (control.ParticipantView, error)
	RemoveParticipant(ctx context.Context, app, conf, call parley.ID, hangup bool) error
}

// Playbacks is what can be done with a conference's playbacks.
type Playbacks interface {
	Play(ctx context.Context, app, conf parley.ID, r control.PlayRequest) (parley.Playback, error)
	Playbacks(ctx context.Context, app, conf parley.ID, r control.ListRequest) (control.Page[parley.Playback], error)
	Playback(ctx context.Context, app, conf, id parley.ID) (parley.Playback, error)
	StopPlayback(ctx context.Context, app, conf, id parley.ID) error
}

// Recordings is what can be done with recordings.
type Recordings interface {
	Record(ctx context.Context, app, conf parley.ID, r control.RecordRequest) (parley.Recording, error)
	SetRecording(ctx context.Context, app, conf, id parley.ID, state string) (parley.Recording, error)
	Recordings(ctx context.Context, app, conf parley.ID, r control.ListRequest) (control.Page[parley.Recording], error)
	Recording(ctx context.Context, app, id parley.ID) (parley.Recording, error)
	RecordingContent(ctx context.Context, app, id parley.ID) (control.Content, error)
	DeleteRecording(ctx context.Context, app, id parley.ID) error
}

// MediaFiles is what can be done with media files.
type MediaFiles interface {
	PutMedia(ctx context.Context, app parley.ID, name string, body io.Reader) (parley.MediaFile, error)
	MediaFiles(ctx context.Context, app parley.ID, r control.ListRequest) (control.Page[parley.MediaFile], error)
	MediaContent(ctx context.Context, app parley.ID, name string) (control.Content, error)
	DeleteMedia(ctx context.Context, app parley.ID, name string) error
}

// Calls is what can be done with calls, in a conference or not.
type Calls interface {
	Calls(ctx context.Context, app parley.ID, r control.ListRequest) (control.Page[parley.Call], error)
	Call(ctx context.Context, app, id parley.ID) (parley.Call, error)
	AnswerCall(ctx context.Context, app, id parley.ID, r control.AnswerRequest) (parley.Call, error)
	RejectCall(ctx context.Context, app, id parley.ID, status int) error
	HangupCall(ctx context.Context, app, id parley.ID) error
}

// Events is the ledger as a customer may read it.
type Events interface {
	Events(ctx context.Context, app parley.ID, r control.EventRequest) (control.Page[parley.Event], error)
	EventStream(ctx context.Context, app parley.ID, r control.EventRequest) (control.EventStream, error)
}

// Webhooks is what can be done with webhooks and their deliveries.
type Webhooks interface {
	CreateWebhook(ctx context.Context, app parley.ID, r control.WebhookRequest) (parley.Webhook, error)
	Webhooks(ctx context.Context, app parley.ID, r control.ListRequest) (control.Page[parley.Webhook], error)
	Webhook(ctx context.Context, app, id parley.ID) (parley.Webhook, error)
	UpdateWebhook(ctx context.Context, app, id parley.ID, p control.WebhookPatch) (parley.Webhook, error)
	DeleteWebhook(ctx context.Context, app, id parley.ID) error
	Deliveries(ctx context.Context, app, webhook parley.ID, r control.DeliveryRequest) (control.Page[parley.Delivery], error)
	Replay(ctx context.Context, app, webhook parley.ID, r control.ReplayRequest) (int, error)
}

// Trunks is what can be done with trunks.
type Trunks interface {
	CreateTrunk(ctx context.Context, app parley.ID, r control.TrunkRequest) (parley.Trunk, error)
	Trunks(ctx context.Context, app parley.ID, r control.ListRequest) (control.Page[parley.Trunk], error)
	Trunk(ctx context.Context, app, id parley.ID) (parley.Trunk, error)
	ReplaceTrunk(ctx context.Context, app, id parley.ID, r control.TrunkRequest) (parley.Trunk, error)
	DeleteTrunk(ctx context.Context, app, id parley.ID) error
}

// Applications is what the operator can do with applications.
type Applications interface {
	CreateApplication(ctx context.Context, name string) (parley.Application, error)
	Applications(ctx context.Context, r control.ListRequest) (control.Page[parley.Application], error)
}

// Keys is what the operator can do with API keys. An empty app means every
// application.
type Keys interface {
	CreateKey(ctx context.Context, app parley.ID, operator bool) (parley.Key, string, error)
	Keys(ctx context.Context, app parley.ID, r control.ListRequest) (control.Page[parley.Key], error)
	DeleteKey(ctx context.Context, app, id parley.ID) error
}

var _ Control = (*control.Control)(nil)
