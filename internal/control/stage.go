package control

import (
	"fmt"

	"parley"
	"parley/internal/conference"
	"parley/internal/media"
	"parley/internal/player"
	"parley/internal/recorder"
)

// Perform implements conference.Stage.
func (f *conf) Perform(r *conference.Runner, e conference.Effect) {
	switch e := e.(type) {
	case conference.Prepare:
		f.prepare(r, e)
	case conference.Dial:
		f.dial(r, e)
	case conference.Take:
		f.take(r, e)
	case conference.Attach:
		f.attach(e)
	case conference.Adjust:
		if s := f.attached[e.CallID]; s != nil {
			f.mix.Set(s, media.Options{Muted: e.Muted, Deaf: e.Deaf, GainDB: e.GainDB})
		}
	case conference.Hold:
		if k := f.calls[e.CallID]; k != nil {
			k.signalling().Hold(e.Hold)
		}
	case conference.Release:
		f.release(e.CallID, true)
	case conference.Hangup:
		if k := f.release(e.CallID, false); k != nil {
			k.hangup(e.Reason)
		}
	case conference.StartPlay:
		f.play(r, e.Playback)
	case conference.StopPlayback:
		if s := f.playing[e.ID]; s != nil {
			delete(f.playing, e.ID)
			f.silence(s)
		}
	case conference.StartRecord:
		f.record(r, e.Recording)
	case conference.PauseRecord:
		f.pause(e)
	case conference.StopRecord:
		f.stopRecord(r, e.ID)
	case conference.Close:
		f.close()
	}
}

// prepare opens what the conference needs; the disk may be slow, so it does
// that on a goroutine of its own. The runner acts on nothing else before the
// outcome is observed, so f is not shared meanwhile.
func (f *conf) prepare(r *conference.Runner, e conference.Prepare) {
	f.c.wg.Go(func() {
		if e.BGMFile != "" {
			open := f.c.opener(f.app, e.BGMFile)
			if err := f.c.checkAudio(open); err != nil {
				r.Observe(conference.PrepareFailed{Error: fmt.Sprintf("bgm_file %q: %s", e.BGMFile, reason(err))})
				return
			}
			f.bgm = open
		}
		if e.RecordingID != "" {
			file, err := f.c.cfg.Files.CreateRecording(e.RecordingID)
			if err != nil {
				f.c.cfg.Logger.Error("recording not created", "conference", f.id, "error", err)
				r.Observe(conference.PrepareFailed{Error: "recording: the file cannot be created"})
				return
			}
			f.spare = &spare{e.RecordingID, file}
		}
		r.Observe(conference.Prepared{})
	})
}

// dial places a call, whose record was made when it was asked for.
func (f *conf) dial(r *conference.Runner, e conference.Dial) {
	p := r.State().Participant(e.CallID)
	if p == nil { // gone in the same turn
		return
	}
	k, err := f.c.addCall(parley.Call{
		ID: e.CallID, Application: f.app, Conference: f.id, Direction: parley.Outbound, State: parley.CallDialing,
		PartURI: p.PartURI, From: e.Plan.From, To: e.Plan.Target, Trunk: trunkName(e.Plan.Trunk), StartTime: p.InviteTime, UserData: p.UserData,
	}, f)
	if err != nil {
		r.Observe(conference.Left{CallID: e.CallID, At: f.c.cfg.Now(), Reason: parley.ReasonError})
		return
	}
	f.calls[e.CallID] = k
	record := k.snapshot()
	f.c.journal.put(&record)
	k.setSignalling(f.c.dialer.Dial(DialRequest{
		ID: e.CallID, Target: e.Plan.Target, From: e.Plan.From, Trunk: e.Plan.Trunk, Timeout: e.Plan.Timeout, Mix: f.mix, Events: k,
	}))
}

func trunkName(t *parley.Trunk) string {
	if t == nil {
		return ""
	}
	return t.Name
}

// take brings a call that exists into the shard of the mix, answering it if it
// rings.
func (f *conf) take(r *conference.Runner, e conference.Take) {
	f.c.mu.Lock()
	k := f.c.calls[e.CallID]
	f.c.mu.Unlock()
	lost := conference.Left{CallID: e.CallID, At: f.c.cfg.Now(), Reason: parley.ReasonHangup}
	if k == nil {
		r.Observe(lost)
		return
	}
	f.calls[e.CallID] = k
	record := k.snapshot()
	switch record.State {
	case parley.CallRinging:
		k.signalling().Answer(f.mix)
	case parley.CallUp:
		k.signalling().Move(f.mix, func(err error) {
			if err != nil {
				f.c.cfg.Logger.Warn("call not moved", "call", k.id, "conference", f.id, "error", err)
				lost.Reason, lost.At = parley.ReasonError, f.c.cfg.Now()
				r.Observe(lost)
				return
			}
			r.Observe(conference.Answered{CallID: k.id, At: f.c.cfg.Now()})
		})
	case parley.CallDialing, parley.CallEnded:
		r.Observe(lost)
	}
}

func (f *conf) attach(e conference.Attach) {
	k := f.calls[e.CallID]
	if k == nil {
		return
	}
	s := k.session()
	if s == nil { // ended meanwhile; Left follows
		return
	}
	f.attached[e.CallID] = s
	f.mix.Add(s, media.Options{Muted: e.Muted, Deaf: e.Deaf, GainDB: e.GainDB})
	if f.bgm != nil && f.bgmPlaying == nil {
		p := player.Open([]player.Opener{f.bgm}, player.Options{Rate: mixRate, Loop: true})
		f.bgmPlaying = &sounding{p, f.mix.Play(p, media.PlayOptions{Duck: true})}
	}
}

// release takes a call out of the mix and lets go of it; nil if it was not
// here.
func (f *conf) release(id parley.ID, goesOn bool) *call {
	k := f.calls[id]
	if k == nil {
		return nil
	}
	delete(f.calls, id)
	if s := f.attached[id]; s != nil {
		f.mix.Remove(s)
		delete(f.attached, id)
	}
	k.leave(f, goesOn)
	if len(f.attached) == 0 && f.bgmPlaying != nil {
		f.silence(f.bgmPlaying)
		f.bgmPlaying = nil
	}
	return k
}

func (f *conf) play(r *conference.Runner, p parley.Playback) {
	list := make([]player.Opener, len(p.Files))
	for i, name := range p.Files {
		list[i] = f.c.opener(f.app, name)
	}
	var to []*media.Session
	for _, call := range p.To {
		if s := f.attached[call]; s != nil {
			to = append(to, s)
		}
	}
	if len(p.To) > 0 && len(to) == 0 {
		r.Observe(conference.PlayEnded{ID: p.ID, Error: "nobody to play to"})
		return
	}
	pl := player.Open(list, player.Options{Rate: mixRate, Loop: p.Loop, Names: p.Files})
	playing := f.mix.Play(pl, media.PlayOptions{GainDB: p.GainDB, To: to, Record: len(to) == 0, Done: func() {
		ended := conference.PlayEnded{ID: p.ID}
		if err := pl.Err(); err != nil {
			f.c.cfg.Logger.Warn("playback failed", "conference", f.id, "playback", p.ID, "error", err)
			ended.Error = reason(err)
		}
		r.Observe(ended)
	}})
	f.playing[p.ID] = &sounding{pl, playing}
}

// silence ends a player; its goroutine may be waiting for a slow file.
func (f *conf) silence(s *sounding) {
	s.playing.Stop()
	f.c.wg.Go(s.player.Close)
}

func (f *conf) record(r *conference.Runner, rec parley.Recording) {
	var t taping
	file, err := f.recordingFile(rec.ID)
	if err == nil {
		t.recorder, err = recorder.Create(file, recorder.Options{Rate: mixRate, Failed: func(err error) {
			f.c.cfg.Logger.Error("recording failed", "conference", f.id, "recording", rec.ID, "error", err)
			r.Observe(conference.RecordFailed{ID: rec.ID, Error: reason(err)})
		}})
	}
	if err != nil {
		f.c.cfg.Logger.Error("recording not begun", "conference", f.id, "recording", rec.ID, "error", err)
		r.Observe(conference.RecordFailed{ID: rec.ID, Error: reason(err)})
		return
	}
	t.tap = f.mix.Record(t.recorder)
	f.recordings[rec.ID] = &t
}

// recordingFile is the spare file if it is for the recording, else a new one.
func (f *conf) recordingFile(id parley.ID) (recorder.File, error) {
	if f.spare != nil && f.spare.id == id {
		file := f.spare.file
		f.spare = nil
		return file, nil
	}
	return f.c.cfg.Files.CreateRecording(id)
}

func (f *conf) pause(e conference.PauseRecord) {
	t := f.recordings[e.ID]
	switch {
	case t == nil:
	case e.Paused:
		t.recorder.Pause()
	default:
		t.recorder.Resume()
	}
}

func (f *conf) stopRecord(r *conference.Runner, id parley.ID) {
	t := f.recordings[id]
	if t == nil {
		r.Observe(conference.RecordEnded{ID: id})
		return
	}
	delete(f.recordings, id)
	f.c.wg.Go(func() {
		t.tap.Stop()
		result, err := t.recorder.Close()
		if err != nil {
			f.c.cfg.Logger.Error("recording not completed", "conference", f.id, "recording", id, "error", err)
		}
		r.Observe(conference.RecordEnded{ID: id, Duration: result.Duration, Bytes: result.Bytes, Gaps: result.Gaps})
	})
}

// close frees what is left. The machine has ended everything else before.
func (f *conf) close() {
	if f.spare != nil {
		_ = f.spare.file.Close()
		_ = f.c.cfg.Files.RemoveRecording(f.spare.id)
	}
	f.mix.Close()
}
