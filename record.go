package parley

import "slices"

// ConferenceState is the state of a conference as a customer sees it.
type ConferenceState string

// The states of a conference.
const (
	ConferenceCreating ConferenceState = "creating"
	ConferenceActive   ConferenceState = "active"
	ConferenceEnded    ConferenceState = "ended"
)

// Conference is voices mixed under one ID.
type Conference struct {
	ID          ID              `json:"id"`
	Application ID              `json:"application"`
	Name        string          `json:"name,omitempty"`
	State       ConferenceState `json:"state"`
	// CreateTime is when the request was accepted, BeginTime when the
	// conference became active (zero if it never did), EndTime when it ended.
	CreateTime Millis `json:"create_time"`
	BeginTime  Millis `json:"begin_time"`
	EndTime    Millis `json:"end_time"`
	// Error says which fault ended the conference, nil for none.
	Error *string `json:"error"`
	// Reason is why it ended: deleted, max_duration, create_failed,
	// server_lost. EndedBy is who ended it: api or server.
	Reason  string `json:"reason,omitempty"`
	EndedBy string `json:"ended_by,omitempty"`

	MaxDuration int     `json:"max_duration"` // seconds
	MaxParts    int     `json:"max_parts"`
	Recording   bool    `json:"recording"`
	BGMFile     string  `json:"bgm_file,omitempty"`
	AutoHangup  bool    `json:"auto_hangup"`
	DialIn      bool    `json:"dial_in"`
	UserData    *string `json:"user_data"`
	// Seq is the seq of the conference's last event.
	Seq int64 `json:"seq"`
}

// Direction is who called whom: inbound is a call to us.
type Direction string

// The directions of a call.
const (
	Inbound  Direction = "inbound"
	Outbound Direction = "outbound"
)

// ParticipantState is where a participant is on the way in and out.
type ParticipantState string

// The states of a participant.
const (
	ParticipantDialing ParticipantState = "dialing" // invited, not yet answered
	ParticipantJoined  ParticipantState = "joined"
	ParticipantLeft    ParticipantState = "left"   // after joined
	ParticipantFailed  ParticipantState = "failed" // never joined
)

// Participant is a call's place in a conference. A call that leaves and comes
// back is a second participant with the same CallID.
type Participant struct {
	ID          ID               `json:"-"` // the row's own, for the store
	Conference  ID               `json:"conference"`
	Application ID               `json:"-"`
	CallID      ID               `json:"call_id"`
	PartURI     string           `json:"part_uri"`
	Direction   Direction        `json:"direction"`
	State       ParticipantState `json:"state"`
	InviteTime  Millis           `json:"invite_time"`
	JoinTime    Millis           `json:"join_time"`
	QuitTime    Millis           `json:"quit_time"`
	MaxDuration int              `json:"max_duration,omitempty"` // seconds in the conference, 0 for no limit of its own
	Muted       bool             `json:"muted"`
	Deaf        bool             `json:"deaf"`
	Hold        bool             `json:"hold"` // held by us or by the far end
	GainDB      float64          `json:"gain_db"`
	PlayFile    string           `json:"play_file,omitempty"`
	UserData    *string          `json:"user_data"`
	Reason      string           `json:"reason,omitempty"`
	SIPStatus   int              `json:"sip_status,omitempty"`
}

// CallState is the state of a call.
type CallState string

// The states of a call.
const (
	CallDialing CallState = "dialing" // outbound, not answered
	CallRinging CallState = "ringing" // inbound, waiting for an answer
	CallUp      CallState = "up"      // answered
	CallEnded   CallState = "ended"
)

// Call is one endpoint's signalling and media with us.
type Call struct {
	ID          ID        `json:"call_id"`
	Application ID        `json:"-"`
	Conference  ID        `json:"conference,omitempty"` // where it is now
	Direction   Direction `json:"direction"`
	State       CallState `json:"state"`
	PartURI     string    `json:"part_uri"` // the other side
	From        string    `json:"from"`     // as signalled: SIP URI
	To          string    `json:"to"`
	Trunk       string    `json:"trunk,omitempty"`
	StartTime   Millis    `json:"start_time"`
	AnswerTime  Millis    `json:"answer_time"`
	EndTime     Millis    `json:"end_time"`
	Reason      string    `json:"reason,omitempty"`
	SIPStatus   int       `json:"sip_status,omitempty"`
	UserData    *string   `json:"user_data"`
	Seq         int64     `json:"seq"` // of its last call.* event
}

// PlaybackState is the state of a playback.
type PlaybackState string

// The states of a playback.
const (
	PlaybackPlaying PlaybackState = "playing"
	PlaybackEnded   PlaybackState = "ended"
)

// Playback is files played in order to a conference.
type Playback struct {
	ID          ID            `json:"playback_id"`
	Conference  ID            `json:"conference"`
	Application ID            `json:"-"`
	State       PlaybackState `json:"state"`
	Files       []string      `json:"files"`
	Loop        bool          `json:"loop"`
	GainDB      float64       `json:"gain_db"`
	To          []ID          `json:"to,omitempty"` // call IDs; none means everybody
	BeginTime   Millis        `json:"begin_time"`
	EndTime     Millis        `json:"end_time"`
	UserData    *string       `json:"user_data"`
	Reason      string        `json:"reason,omitempty"`
}

// RecordingState is the state of a recording.
type RecordingState string

// The states of a recording.
const (
	RecordingRecording RecordingState = "recording"
	RecordingPaused    RecordingState = "paused"
	RecordingEnded     RecordingState = "ended"
)

// Recording is a conference's mix kept in a WAV file.
type Recording struct {
	ID          ID             `json:"recording_id"`
	Conference  ID             `json:"conference"`
	Application ID             `json:"-"`
	State       RecordingState `json:"state"`
	MaxDuration int            `json:"max_duration,omitempty"` // seconds, 0 for no limit
	BeginTime   Millis         `json:"begin_time"`
	EndTime     Millis         `json:"end_time"`
	DurationMS  int64          `json:"duration_ms"` // of the sound in the file
	Bytes       int64          `json:"bytes"`       // of the file
	Gaps        int            `json:"gaps"`        // interruptions in the sound, pauses not counted
	UserData    *string        `json:"user_data"`
	Reason      string         `json:"reason,omitempty"`
}

// MediaFile is an audio file that playbacks name.
type MediaFile struct {
	Application ID     `json:"-"`
	Name        string `json:"name"`
	Format      string `json:"format"` // "wav" or "mp3"
	Encoding    string `json:"encoding"`
	SampleRate  int    `json:"sample_rate"` // Hz
	Channels    int    `json:"channels"`
	DurationMS  int64  `json:"duration_ms"`
	Bytes       int64  `json:"bytes"`
	SHA256      string `json:"sha256"`
	CreateTime  Millis `json:"create_time"`
}

// WebhookFormat chooses which fields a webhook gets.
type WebhookFormat string

// The formats of a webhook.
const (
	FormatFull WebhookFormat = "full" // every field
	FormatSeed WebhookFormat = "seed" // the specification's fields alone
)

// Webhook is where events go.
type Webhook struct {
	ID          ID            `json:"id"`
	Application ID            `json:"-"`
	URL         string        `json:"url"`
	Format      WebhookFormat `json:"format"`
	Events      []string      `json:"events"` // types, or "*"; none means the default set
	// Secrets sign: the first is the newest; during rotation there are two.
	Secrets    []string `json:"secrets"`
	Disabled   bool     `json:"disabled"`
	Reason     string   `json:"reason,omitempty"` // why it was disabled: gone, api
	CreateTime Millis   `json:"create_time"`
	// Trusted lets the webhook reach private addresses: the operator's own.
	Trusted bool `json:"trusted,omitempty"`
	// Start is the store position after which events are delivered.
	Start int64 `json:"start"`
}

// Wants reports whether the webhook gets events of type t.
func (w Webhook) Wants(t EventType) bool {
	if len(w.Events) == 0 {
		return slices.Contains(DefaultEventTypes(), t)
	}
	for _, e := range w.Events {
		if e == "*" || e == string(t) {
			return true
		}
	}
	return false
}

// DeliveryState is the state of one event on its way to one webhook.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryPending   DeliveryState = "pending"
	DeliverySucceeded DeliveryState = "succeeded"
	DeliveryDead      DeliveryState = "dead" // refused for good; can be replayed
)

// Delivery is one event's way to one webhook.
type Delivery struct {
	Webhook    ID            `json:"webhook"`
	EventID    string        `json:"event_id"`
	Stream     ID            `json:"stream"`
	Seq        int64         `json:"seq"`
	EventType  EventType     `json:"event"`
	State      DeliveryState `json:"state"`
	Attempts   int           `json:"attempts"`
	LastStatus int           `json:"last_status,omitempty"` // HTTP status of the last answer, 0 for none
	LastError  string        `json:"last_error,omitempty"`
	LatencyMS  int64         `json:"latency_ms"`         // of the last attempt
	Response   string        `json:"response,omitempty"` // the beginning of the last answer's body
	FirstTime  Millis        `json:"first_time"`         // of the first attempt
	LastTime   Millis        `json:"last_time"`
	NextTime   Millis        `json:"next_time"` // of the next attempt, null if none is planned
}

// Trunk is a way to the telephone network.
type Trunk struct {
	ID          ID     `json:"id"`
	Application ID     `json:"-"`
	Name        string `json:"name"`
	// Host is the SIP server, "host" or "host:port".
	Host      string `json:"host"`
	Transport string `json:"transport"` // "udp" or "tcp"
	Username  string `json:"username,omitempty"`
	Password  string `json:"password,omitempty"`
	// From is the user part of From on calls through the trunk.
	From string `json:"from,omitempty"`
	// Prefixes are the beginnings of the numbers that the trunk takes; the
	// longest match over all trunks wins; none takes every number.
	Prefixes []string `json:"prefixes"`
	// Strip is how many leading characters are removed from a number, Prepend
	// what is put before the rest.
	Strip   int    `json:"strip,omitempty"`
	Prepend string `json:"prepend,omitempty"`
	// Addresses are the addresses or CIDR blocks from which the trunk calls
	// us, besides Host itself where it is an address.
	Addresses  []string `json:"addresses"`
	CreateTime Millis   `json:"create_time"`
}

// Application is a tenant: every record belongs to one.
type Application struct {
	ID         ID     `json:"id"`
	Name       string `json:"name"`
	CreateTime Millis `json:"create_time"`
}

// Key is an API key. Only its SHA-256 hash is kept.
type Key struct {
	ID          ID     `json:"id"`
	Application ID     `json:"application"`
	Hash        string `json:"hash"` // hexadecimal
	Hint        string `json:"hint"` // the key's first characters, to tell it from others
	Operator    bool   `json:"operator"`
	CreateTime  Millis `json:"create_time"`
}
