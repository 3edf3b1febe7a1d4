package conference

import (
	"fmt"
	"slices"
	"time"

	"parley"
)

// Output is what a step asks to be written and done.
type Output struct {
	Records []any // pointers to parley's records, to be put
	Events  []parley.Event
	Effects []Effect
}

// Step takes one input at time now. A refused command gives the state
// unchanged and a *parley.Error; an observation is never refused.
func Step(s State, in Input, now time.Time) (State, Output, error) {
	t := &turn{State: s, now: max(parley.MillisOf(now), s.last)}
	t.last = t.now
	in.apply(t)
	if t.err != nil {
		return s, Output{}, t.err
	}
	return t.State, t.out, nil
}

// turn is one step being made: a copy of the state, whose slices are still
// shared with the old one and are therefore replaced, never written to.
type turn struct {
	State
	now parley.Millis
	out Output
	err error
	// settled marks every event as written after a crash.
	settled bool
}

// refuse gives the command up.
func (t *turn) refuse(err error) { t.err = err }

// put has a record written.
func (t *turn) put(record any) { t.out.Records = append(t.out.Records, record) }

// do has an effect carried out after the commit.
func (t *turn) do(e Effect) { t.out.Effects = append(t.out.Effects, e) }

// tell writes the next event.
func (t *turn) tell(at parley.Millis, fact parley.Fact) {
	t.Seq++
	if t.settled {
		parley.MarkSettled(fact)
	}
	e, err := parley.NewEvent(t.ID, t.Seq, t.Application, at, fact)
	if err != nil {
		panic(fmt.Sprintf("conference: %v", err))
	}
	t.out.Events = append(t.out.Events, e)
}

// putConference has the conference's row written as it is now.
func (t *turn) putConference() {
	c := t.Conference
	t.put(&c)
}

// active refuses the command unless the conference takes commands.
func (t *turn) active() bool {
	switch t.Phase {
	case PhaseActive:
		return true
	case PhaseNew, PhaseCreating:
		t.refuse(parley.Errorf(parley.CodeInternal, "the conference is not active yet"))
	case PhaseEnding, PhaseEnded:
		t.refuse(parley.Errorf(parley.CodeConferenceEnded, "the conference %s has ended", t.ID))
	}
	return false
}

// userData is the own user_data, or else the conference's.
func (t *turn) userData(own *string) *string {
	if own != nil {
		return own
	}
	return t.UserData
}

// editParticipant gives a copy of the live participant of a call that stands
// in the new state in its place, nil if there is none.
func (t *turn) editParticipant(call parley.ID) *Participant {
	i := slices.IndexFunc(t.Participants, func(p *Participant) bool { return p.CallID == call })
	if i < 0 {
		return nil
	}
	p := *t.Participants[i]
	t.Participants = slices.Clone(t.Participants)
	t.Participants[i] = &p
	return &p
}

// editRecording is editParticipant for recordings.
func (t *turn) editRecording(id parley.ID) *Recording {
	i := slices.IndexFunc(t.Recordings, func(r *Recording) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	r := *t.Recordings[i]
	t.Recordings = slices.Clone(t.Recordings)
	t.Recordings[i] = &r
	return &r
}

// without is list less x, in a new slice.
func without[T comparable](list []T, x T) []T {
	out := make([]T, 0, len(list))
	for _, e := range list {
		if e != x {
			out = append(out, e)
		}
	}
	return out
}

// status is a SIP status for an event: null for none.
func status(code int) *int {
	if code == 0 {
		return nil
	}
	return &code
}
