package conference

import (
	"fmt"

	"parley"
)

func (in Play) apply(t *turn) {
	if !t.active() {
		return
	}
	for i, call := range in.Playback.To {
		if p := t.Participant(call); p == nil || p.State != parley.ParticipantJoined {
			t.refuse(parley.FieldErrorf(parley.CodeNotJoined, fmt.Sprintf("to[%d]", i), "the call %s is not in the conference", call))
			return
		}
	}
	t.startPlayback(in.Playback)
}

// startPlayback begins p, whose ID, Files, Loop, GainDB, To and UserData are
// set.
func (t *turn) startPlayback(p parley.Playback) {
	p.Conference, p.Application = t.ID, t.Application
	p.State, p.BeginTime = parley.PlaybackPlaying, t.now
	t.Playbacks = append(t.Playbacks[:len(t.Playbacks):len(t.Playbacks)], &p)
	t.put(&p)
	t.tell(t.now, &parley.PlayStartFact{
		MomentSeed: parley.MomentSeed{ID: t.ID, Time: t.now, UserData: t.userData(p.UserData)},
		PlaybackID: p.ID, Files: p.Files,
	})
	t.do(StartPlay{p})
}

func (in StopPlay) apply(t *turn) {
	if !t.active() {
		return
	}
	p := t.Playback(in.ID)
	if p == nil {
		t.refuse(parley.Errorf(parley.CodeNotFound, "no playback %s", in.ID))
		return
	}
	t.playEnd(p, t.now, parley.ReasonStopped)
	t.do(StopPlayback{p.ID})
}

func (in PlayEnded) apply(t *turn) {
	p := t.Playback(in.ID)
	if p == nil {
		return
	}
	reason := parley.ReasonFinished
	if in.Error != "" {
		reason = parley.ReasonError
	}
	t.playEnd(p, t.now, reason)
	t.do(StopPlayback{p.ID})
}

// playEnd takes p out of the state and tells so.
func (t *turn) playEnd(p *parley.Playback, at parley.Millis, reason string) {
	t.Playbacks = without(t.Playbacks, p)
	done := *p
	done.State, done.EndTime, done.Reason = parley.PlaybackEnded, max(at, p.BeginTime), reason
	t.put(&done)
	t.tell(done.EndTime, &parley.PlayEndFact{
		PeriodSeed: parley.PeriodSeed{ID: t.ID, BeginTime: p.BeginTime, EndTime: done.EndTime, UserData: t.userData(p.UserData)},
		PlaybackID: p.ID, Files: p.Files, Reason: reason,
	})
}
