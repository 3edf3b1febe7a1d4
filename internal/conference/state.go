// Package conference is what a conference decides: a pure state machine, and
// the runner that owns one conference and feeds it.
//
// The machine takes an input (a command of a customer, or an observation from
// the edges) and gives a new state, the rows and events to be written, and the
// effects to be carried out. It has no I/O, no clock and no randomness, and
// never changes a state that it was given: whoever holds a State may read it
// for as long as they like. The runner commits what the machine gives before
// it carries out an effect or answers a command.
package conference

import (
	"time"

	"parley"
)

// Phase is where a conference is in its life, finer than its public state.
type Phase uint8

// The phases, in their order.
const (
	PhaseNew      Phase = iota // before Create
	PhaseCreating              // waits for Prepared or PrepareFailed
	PhaseActive
	PhaseEnding // waits for its recordings to be complete
	PhaseEnded
)

// State is the whole of a conference. It is immutable.
type State struct {
	parley.Conference
	Phase        Phase
	Participants []*Participant // dialing or joined, in order of invitation
	Playbacks    []*parley.Playback
	Recordings   []*Recording
	// recordingID is for the recording that begins with the first join; empty
	// once used.
	recordingID parley.ID
	warned      bool
	// last is the time of the last step. Time does not run backwards within a
	// conference, whatever the clock does.
	last parley.Millis
	// endBy is when an ending conference stops waiting for its recordings.
	endBy parley.Millis
}

// Participant is a live participant.
type Participant struct {
	parley.Participant
	Talking bool
	// HeldByUs and HeldByThem make up Hold.
	HeldByUs, HeldByThem bool
	// PlaybackID is for the play_file.
	PlaybackID parley.ID
}

// Recording is a live recording.
type Recording struct {
	parley.Recording
	// Stopping is the reason why it was told to stop, empty until then.
	Stopping string
	// soundMS is the sound recorded before since; since is zero while paused.
	soundMS int64
	since   parley.Millis
}

// Participant finds the live participant of a call, nil for none.
func (s *State) Participant(call parley.ID) *Participant {
	for _, p := range s.Participants {
		if p.CallID == call {
			return p
		}
	}
	return nil
}

// Playback finds a live playback, nil for none.
func (s *State) Playback(id parley.ID) *parley.Playback {
	for _, p := range s.Playbacks {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// Recording finds a live recording, nil for none.
func (s *State) Recording(id parley.ID) *Recording {
	for _, r := range s.Recordings {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// warnBefore is how long before max_duration the warning is told.
const warnBefore = 60 * 1000

// endPatience is how long an ending conference waits for its recordings, in
// milliseconds.
const endPatience = 10 * 1000

// Deadline is when the machine wants a Tick, zero for never.
func (s *State) Deadline() time.Time {
	var next parley.Millis
	at := func(m parley.Millis) {
		if m > 0 && (next == 0 || m < next) {
			next = m
		}
	}
	switch s.Phase {
	case PhaseActive:
		at(s.endTime())
		if !s.warned {
			at(s.warnTime())
		}
		for _, p := range s.Participants {
			at(p.quitTime())
		}
		for _, r := range s.Recordings {
			at(r.stopTime())
		}
	case PhaseEnding:
		at(s.endBy)
	case PhaseNew, PhaseCreating, PhaseEnded:
	}
	return next.Time()
}

// endTime is when max_duration ends the conference.
func (s *State) endTime() parley.Millis {
	return s.BeginTime + parley.Millis(s.MaxDuration)*1000
}

// warnTime is when the end is warned of, 0 for a conference too short for it.
func (s *State) warnTime() parley.Millis {
	if int64(s.MaxDuration)*1000 <= warnBefore {
		return 0
	}
	return s.endTime() - warnBefore
}

// quitTime is when the participant's own max_duration is over, 0 for never.
func (p *Participant) quitTime() parley.Millis {
	if p.State != parley.ParticipantJoined || p.MaxDuration == 0 {
		return 0
	}
	return p.JoinTime + parley.Millis(p.MaxDuration)*1000
}

// stopTime is when the recording's max_duration is over, 0 for never.
func (r *Recording) stopTime() parley.Millis {
	if r.MaxDuration == 0 || r.since == 0 || r.Stopping != "" {
		return 0
	}
	return r.since + parley.Millis(int64(r.MaxDuration)*1000-r.soundMS)
}
