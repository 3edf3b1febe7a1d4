package conference

import (
	"time"

	"parley"
)

// Input is something that the machine takes: a command, which a customer
// waits for and which may be refused, or an observation, which has happened
// and is never refused.
type Input interface{ apply(t *turn) }

// Create is the first input: the conference as it was asked for.
type Create struct {
	Conference parley.Conference
	// RecordingID is for the recording that begins with the first join.
	RecordingID parley.ID
}

// Prepared observes that what the conference needs is at hand.
type Prepared struct{}

// PrepareFailed observes that the conference cannot begin.
type PrepareFailed struct{ Error string }

// Invite asks for a participant: by a new call, or by one that exists.
type Invite struct {
	Participant parley.Participant // State, times and Conference are set here
	PlaybackID  parley.ID          // for Participant.PlayFile
	// Dial is how to place the call; nil takes the call that has the ID.
	Dial *DialPlan
}

// DialPlan is how an outbound call is placed.
type DialPlan struct {
	Target  string // SIP URI
	From    string
	Trunk   *parley.Trunk
	Timeout time.Duration
}

// Update asks to change what a participant hears and gives. Nil leaves as is.
type Update struct {
	CallID            parley.ID
	Muted, Deaf, Hold *bool
	GainDB            *float64
}

// Remove asks a participant to leave; Hangup ends the call too.
type Remove struct {
	CallID parley.ID
	Hangup bool
}

// Play asks for a playback; ID, Files, Loop, GainDB, To and UserData are used.
type Play struct{ Playback parley.Playback }

// StopPlay asks a playback to stop.
type StopPlay struct{ ID parley.ID }

// Record asks for a recording; ID, MaxDuration and UserData are used.
type Record struct{ Recording parley.Recording }

// SetRecording asks a recording to be paused, recording or stopped.
type SetRecording struct {
	ID    parley.ID
	State string
}

// End asks the conference to end.
type End struct {
	Reason string
	By     string // "api" or "server"
	Error  string // the fault, empty for none
}

// Answered observes that an invited call is up.
type Answered struct {
	CallID parley.ID
	At     time.Time
}

// Left observes that a call is over, or could not be taken.
type Left struct {
	CallID parley.ID
	At     time.Time
	Reason string
	Status int // final SIP status, 0 for none
}

// Held observes that the far end holds us, or no longer.
type Held struct {
	CallID parley.ID
	Held   bool
}

// Talking observes that a participant began or stopped to talk.
type Talking struct {
	CallID  parley.ID
	Talking bool
	At      time.Time
}

// Digit observes that a participant pressed a key.
type Digit struct {
	CallID   parley.ID
	Digit    byte
	Duration time.Duration
	At       time.Time
}

// PlayEnded observes that a playback is over by itself; Error says what broke
// it, empty when it was played to the end.
type PlayEnded struct {
	ID    parley.ID
	Error string
}

// RecordFailed observes that a recording cannot go on.
type RecordFailed struct {
	ID    parley.ID
	Error string
}

// RecordEnded observes that a recording's file is complete.
type RecordEnded struct {
	ID       parley.ID
	Duration time.Duration
	Bytes    int64
	Gaps     int
}

// Tick observes that State.Deadline has come.
type Tick struct{}
