package conference

import "parley"

// Effect is something that the edges and engines are to do. Effects are
// carried out in order, after the commit.
type Effect interface{ effect() }

// Prepare gets ready what the conference needs before it can begin; the
// outcome comes back as Prepared or PrepareFailed.
type Prepare struct {
	BGMFile string
	// RecordingID is for the recording that begins with the first join, empty
	// if there is to be none.
	RecordingID parley.ID
}

// Dial places a call; Answered or Left comes back.
type Dial struct {
	CallID parley.ID
	Plan   DialPlan
}

// Take brings a call that exists to where the conference is mixed, answering
// it if it rings; Answered or Left comes back.
type Take struct{ CallID parley.ID }

// Attach puts a call's sound into the mix.
type Attach struct {
	CallID      parley.ID
	Muted, Deaf bool
	GainDB      float64
}

// Adjust changes how a call's sound is mixed.
type Adjust struct {
	CallID      parley.ID
	Muted, Deaf bool
	GainDB      float64
}

// Hold puts a call on hold or takes it back.
type Hold struct {
	CallID parley.ID
	Hold   bool
}

// Release takes a call out of the mix and lets it stand by itself.
type Release struct{ CallID parley.ID }

// Hangup takes a call out of the mix and ends it.
type Hangup struct {
	CallID parley.ID
	Reason string
}

// StartPlay plays files; PlayEnded comes back unless StopPlayback is sooner.
type StartPlay struct{ Playback parley.Playback }

// StopPlayback ends a playback; nothing comes back.
type StopPlayback struct{ ID parley.ID }

// StartRecord begins a recording; RecordFailed may come back.
type StartRecord struct{ Recording parley.Recording }

// PauseRecord pauses a recording or lets it go on.
type PauseRecord struct {
	ID     parley.ID
	Paused bool
}

// StopRecord ends a recording; RecordEnded comes back.
type StopRecord struct{ ID parley.ID }

// Close frees what the conference has: its mix above all. It is the last.
type Close struct{}

func (Prepare) effect()      {}
func (Dial) effect()         {}
func (Take) effect()         {}
func (Attach) effect()       {}
func (Adjust) effect()       {}
func (Hold) effect()         {}
func (Release) effect()      {}
func (Hangup) effect()       {}
func (StartPlay) effect()    {}
func (StopPlayback) effect() {}
func (StartRecord) effect()  {}
func (PauseRecord) effect()  {}
func (StopRecord) effect()   {}
func (Close) effect()        {}
