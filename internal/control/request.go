package control

import (
	"io"
	"time"

	"parley"
)

// Principal is who asks: an application, by one of its keys.
type Principal struct {
	Application parley.ID
	Key         parley.ID
	Operator    bool // may manage applications and keys
}

// ConferenceRequest asks for a conference. Nil means the default.
type ConferenceRequest struct {
	Name        string
	MaxDuration *int // seconds, 1 to 86400; default 86400
	MaxParts    *int // 1 to 3000; default 3000
	Recording   bool
	BGMFile     string
	AutoHangup  *bool // default true
	DialIn      bool
	UserData    *string
}

// InviteRequest asks for a participant: To to call somebody, or CallID to join
// a call that is up.
type InviteRequest struct {
	To              string
	CallID          parley.ID
	From            string
	MaxDialDuration *int // seconds, 1 to 300; default 50
	MaxDuration     *int // seconds in the conference, 1 to 86400; default no limit
	PlayFile        string
	Muted, Deaf     bool
	GainDB          float64
	UserData        *string
}

// ParticipantPatch changes what is not nil.
type ParticipantPatch struct {
	Muted, Deaf, Hold *bool
	GainDB            *float64 // -40 to 20
}

// PlayRequest asks for a playback.
type PlayRequest struct {
	Files    []string // 1 to 100 media file names or http(s) URLs
	Loop     bool
	GainDB   float64     // -40 to 20
	To       []parley.ID // call IDs; none means everybody
	UserData *string
}

// RecordRequest asks for a recording.
type RecordRequest struct {
	MaxDuration *int // seconds of sound
	UserData    *string
}

// AnswerRequest answers a ringing call: into Conference, or to stay by itself.
type AnswerRequest struct {
	Conference  parley.ID
	MaxDuration *int
	PlayFile    string
	Muted, Deaf bool
	GainDB      float64
	UserData    *string
}

// ListRequest asks for a page of a list, newest first. Cursor is a page's
// NextCursor.
type ListRequest struct {
	Limit  int // 1 to 1000, 0 for 100
	Cursor string
	State  string // only records in that state, empty for all
}

// Page is one page of a list; an empty NextCursor means that it was the last.
type Page[T any] struct {
	Items      []T
	NextCursor string
}

// ConferenceView is a conference with those who are, or were, in it.
type ConferenceView struct {
	parley.Conference
	Participants []ParticipantView
}

// ParticipantView is a participant with what the media plane knows.
type ParticipantView struct {
	parley.Participant
	Talking bool
	Quality *Quality // nil when the call has no media now
}

// Quality is how a call's sound travels.
type Quality struct {
	Codec           string
	PacketsReceived int64
	PacketsLost     int64
	PacketsLate     int64
	PacketsSent     int64
	JitterMS        float64 // RFC 3550 section 6.4.1
	PlayoutDelayMS  float64
	RTTMS           float64 // 0 until known
	Concealed       float64 // share of the frames played, 0 to 1
	Level           int     // of the last frame received, dBov
}

// EventRequest selects events, oldest first.
type EventRequest struct {
	Conference parley.ID // or a call, for call.* events
	Type       parley.EventType
	After      string // event_id or cursor: only later ones
	Since      parley.Millis
	Until      parley.Millis
	Limit      int // 1 to 1000, 0 for 100
}

// WebhookRequest makes a webhook.
type WebhookRequest struct {
	URL    string
	Format parley.WebhookFormat // default full
	Events []string             // default: the six and conf.join.fail
	Secret string               // whsec_…; made when empty
}

// WebhookPatch changes what is not nil.
type WebhookPatch struct {
	URL      *string
	Format   *parley.WebhookFormat
	Events   *[]string
	Disabled *bool
	// RotateSecret makes a new first secret; the old one stays valid until the
	// next rotation.
	RotateSecret bool
}

// DeliveryRequest selects a webhook's deliveries, newest first.
type DeliveryRequest struct {
	EventID string
	State   parley.DeliveryState
	Limit   int
	Cursor  string
}

// ReplayRequest sends events again: one by EventID, a dead letter or not, or
// all of a conference from FromSeq to ToSeq, or all dead letters.
type ReplayRequest struct {
	EventID    string
	Conference parley.ID
	FromSeq    int64
	ToSeq      int64 // 0 for the last
	Dead       bool
}

// TrunkRequest makes or replaces a trunk.
type TrunkRequest struct {
	Name, Host, Transport    string
	Username, Password, From string
	Prefixes                 []string
	Strip                    int
	Prepend                  string
	Addresses                []string
}

// Content is a file to be sent. The receiver closes it.
type Content struct {
	io.ReadSeekCloser
	Name     string
	Type     string // media type
	Modified time.Time
}
