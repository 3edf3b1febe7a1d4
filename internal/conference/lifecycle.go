package conference

import (
	"parley"
)

func (in Create) apply(t *turn) {
	t.Conference = in.Conference
	t.Conference.State = parley.ConferenceCreating
	t.CreateTime = t.now
	t.Phase = PhaseCreating
	if in.Conference.Recording {
		t.recordingID = in.RecordingID
	}
	t.putConference()
	t.do(Prepare{BGMFile: t.BGMFile, RecordingID: t.recordingID})
}

func (Prepared) apply(t *turn) {
	if t.Phase != PhaseCreating {
		return
	}
	t.Phase = PhaseActive
	t.Conference.State = parley.ConferenceActive
	t.BeginTime = t.now
	t.tell(t.now, &parley.CreateSuccFact{CreateSuccSeed: parley.CreateSuccSeed{
		ID: t.ID, BeginTime: t.BeginTime, UserData: t.UserData,
	}})
	t.putConference()
}

func (in PrepareFailed) apply(t *turn) {
	if t.Phase != PhaseCreating {
		return
	}
	t.Reason, t.EndedBy, t.Conference.Error = parley.ReasonCreateFailed, parley.EndedByServer, &in.Error
	t.finish(t.now)
}

func (in End) apply(t *turn) {
	if t.Phase == PhaseCreating {
		t.Reason, t.EndedBy = in.Reason, in.By
		message := "ended before it began"
		if in.Error != "" {
			message = in.Error
		}
		t.Conference.Error = &message
		t.finish(t.now)
		return
	}
	if t.active() {
		t.end(in)
	}
}

// end lets everybody go, and ends the conference when its recordings are
// complete.
func (t *turn) end(in End) {
	t.Phase = PhaseEnding
	t.Reason, t.EndedBy = in.Reason, in.By
	if in.Error != "" {
		t.Conference.Error = &in.Error
	}
	t.endBy = t.now + endPatience
	for _, p := range t.Participants {
		dialing := p.State == parley.ParticipantDialing
		t.quit(p, t.now, parley.ReasonConferenceEnded, 0)
		if t.AutoHangup || dialing {
			t.do(Hangup{p.CallID, parley.ReasonConferenceEnded})
		} else {
			t.do(Release{p.CallID})
		}
	}
	for _, p := range t.Playbacks {
		t.playEnd(p, t.now, parley.ReasonConferenceEnded)
		t.do(StopPlayback{p.ID})
	}
	for _, r := range t.Recordings {
		t.stopRecording(r.ID, parley.ReasonConferenceEnded)
	}
	t.finishIfQuiet()
}

// finishIfQuiet ends an ending conference that waits for nothing more.
func (t *turn) finishIfQuiet() {
	if t.Phase == PhaseEnding && len(t.Recordings) == 0 {
		t.finish(t.now)
	}
}

// finish tells the last event.
func (t *turn) finish(at parley.Millis) {
	if t.BeginTime != 0 {
		t.EndTime = max(at, t.BeginTime)
	}
	t.Phase = PhaseEnded
	t.Conference.State = parley.ConferenceEnded
	t.tell(at, &parley.ConfEndFact{
		EndSeed: parley.EndSeed{ID: t.ID, BeginTime: t.BeginTime, EndTime: t.EndTime, Error: t.Conference.Error, UserData: t.UserData},
		Reason:  t.Reason, EndedBy: t.EndedBy,
	})
	t.putConference()
	t.do(Close{})
}

func (Tick) apply(t *turn) {
	if t.Phase == PhaseEnding && t.now >= t.endBy {
		for _, r := range t.Recordings {
			t.recordEnd(r, t.now)
		}
		t.finishIfQuiet()
		return
	}
	if t.Phase != PhaseActive {
		return
	}
	if t.now >= t.endTime() {
		t.end(End{Reason: parley.ReasonMaxDuration, By: parley.EndedByServer})
		return
	}
	if w := t.warnTime(); !t.warned && w > 0 && t.now >= w {
		t.warned = true
		t.tell(t.now, &parley.EndWarningFact{
			MomentSeed:  parley.MomentSeed{ID: t.ID, Time: t.now, UserData: t.UserData},
			RemainingMS: int64(t.endTime() - t.now),
		})
	}
	for _, p := range t.Participants {
		if q := p.quitTime(); q > 0 && t.now >= q {
			t.quit(p, t.now, parley.ReasonMaxDuration, 0)
			t.do(Hangup{p.CallID, parley.ReasonMaxDuration})
		}
	}
	for _, r := range t.Recordings {
		if s := r.stopTime(); s > 0 && t.now >= s {
			t.stopRecording(r.ID, parley.ReasonMaxDuration)
		}
	}
}
