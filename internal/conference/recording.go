package conference

import (
	"parley"
)

func (in Record) apply(t *turn) {
	if !t.active() {
		return
	}
	if len(t.Recordings) > 0 {
		t.refuse(parley.Errorf(parley.CodeRecordingActive, "the conference is being recorded already, by %s", t.Recordings[0].ID))
		return
	}
	t.startRecording(in.Recording)
}

// startRecording begins r, whose ID, MaxDuration and UserData are set.
func (t *turn) startRecording(r parley.Recording) {
	r.Conference, r.Application = t.ID, t.Application
	r.State, r.BeginTime = parley.RecordingRecording, t.now
	live := &Recording{Recording: r, since: t.now}
	t.Recordings = append(t.Recordings[:len(t.Recordings):len(t.Recordings)], live)
	t.put(&live.Recording)
	t.tell(t.now, &parley.RecordStartFact{
		MomentSeed:  parley.MomentSeed{ID: t.ID, Time: t.now, UserData: t.userData(r.UserData)},
		RecordingID: r.ID,
	})
	t.do(StartRecord{r})
}

func (in SetRecording) apply(t *turn) {
	if !t.active() {
		return
	}
	r := t.editRecording(in.ID)
	switch {
	case r == nil:
		t.refuse(parley.Errorf(parley.CodeNotFound, "no recording %s", in.ID))
	case r.Stopping != "":
		t.refuse(parley.Errorf(parley.CodeRecordingEnded, "the recording %s is over", in.ID))
	case in.State == "stopped":
		t.stopRecording(in.ID, parley.ReasonStopped)
	case in.State == string(parley.RecordingPaused):
		t.pause(r, true)
	case in.State == string(parley.RecordingRecording):
		t.pause(r, false)
	default:
		t.refuse(parley.FieldErrorf(parley.CodeInvalid, "state", `%q is not a state to bring a recording to: "paused", "recording" or "stopped"`, in.State))
	}
}

// pause brings r to paused or recording; without effect if it is so already.
func (t *turn) pause(r *Recording, paused bool) {
	event, state := parley.EventConfRecordResumed, parley.RecordingRecording
	if paused {
		event, state = parley.EventConfRecordPaused, parley.RecordingPaused
	}
	if r.State == state {
		return
	}
	if paused {
		r.soundMS, r.since = r.soundMS+int64(t.now-r.since), 0
	} else {
		r.since = t.now
	}
	r.State = state
	t.put(&r.Recording)
	t.tell(t.now, &parley.RecordStateFact{
		MomentSeed:  parley.MomentSeed{Event: event, ID: t.ID, Time: t.now, UserData: t.userData(r.UserData)},
		RecordingID: r.ID,
	})
	t.do(PauseRecord{r.ID, paused})
}

// stopRecording tells the recorder to complete the file; conf.record_end comes
// with RecordEnded.
func (t *turn) stopRecording(id parley.ID, reason string) {
	r := t.editRecording(id)
	if r == nil || r.Stopping != "" {
		return
	}
	r.Stopping, r.EndTime = reason, t.now
	t.do(StopRecord{id})
}

func (in RecordFailed) apply(t *turn) {
	r := t.Recording(in.ID)
	if r == nil {
		return
	}
	t.tell(t.now, &parley.RecordFailedFact{
		MomentSeed:  parley.MomentSeed{ID: t.ID, Time: t.now, UserData: t.userData(r.UserData)},
		RecordingID: r.ID, Error: in.Error,
	})
	t.stopRecording(in.ID, parley.ReasonError)
}

func (in RecordEnded) apply(t *turn) {
	r := t.editRecording(in.ID)
	if r == nil {
		return
	}
	if r.Stopping == "" {
		r.Stopping, r.EndTime = parley.ReasonError, t.now
	}
	r.DurationMS, r.Bytes, r.Gaps = in.Duration.Milliseconds(), in.Bytes, in.Gaps
	t.recordEnd(r, r.EndTime)
	t.finishIfQuiet()
}

// recordEnd takes r out of the state and tells so.
func (t *turn) recordEnd(r *Recording, at parley.Millis) {
	t.Recordings = without(t.Recordings, r)
	done := r.Recording
	done.State, done.EndTime, done.Reason = parley.RecordingEnded, max(at, r.BeginTime), r.Stopping
	t.put(&done)
	t.tell(done.EndTime, &parley.RecordEndFact{
		PeriodSeed:  parley.PeriodSeed{ID: t.ID, BeginTime: r.BeginTime, EndTime: done.EndTime, UserData: t.userData(r.UserData)},
		RecordingID: r.ID, DurationMS: done.DurationMS, Bytes: done.Bytes, Reason: done.Reason, Gaps: done.Gaps,
	})
}
