package control

import (
	"context"
	"errors"

	"parley"
	"parley/internal/conference"
	"parley/internal/store"
)

// Record begins a recording of a conference.
func (c *Control) Record(ctx context.Context, app, id parley.ID, r RecordRequest) (parley.Recording, error) {
	f, err := c.live(ctx, app, id)
	if err != nil {
		return parley.Recording{}, err
	}
	rec := parley.Recording{ID: c.newID(), UserData: r.UserData}
	if rec.MaxDuration, err = inRange("max_duration", r.MaxDuration, 0, 1, maxConferenceDuration); err != nil {
		return rec, err
	}
	if err := checkUserData(r.UserData); err != nil {
		return rec, err
	}
	s, err := f.runner.Do(ctx, conference.Record{Recording: rec})
	if err != nil {
		return rec, err
	}
	if live := s.Recording(rec.ID); live != nil {
		return live.Recording, nil
	}
	return c.Recording(ctx, app, rec.ID)
}

// SetRecording brings a recording to "paused", "recording" or "stopped". For
// "stopped" it is answered when the file is complete.
func (c *Control) SetRecording(ctx context.Context, app, id, recording parley.ID, state string) (parley.Recording, error) {
	f, err := c.live(ctx, app, id)
	if err != nil {
		return parley.Recording{}, err
	}
	s, err := f.runner.Do(ctx, conference.SetRecording{ID: recording, State: state})
	if e, ok := errors.AsType[*parley.Error](err); ok && e.Code == parley.CodeNotFound {
		r, missing := c.Recording(ctx, app, recording)
		if missing != nil || r.Conference != id {
			return r, err
		}
		return r, parley.Errorf(parley.CodeRecordingEnded, "the recording %s is over", recording)
	}
	if err != nil {
		return parley.Recording{}, err
	}
	if state == "stopped" {
		_, err := f.runner.Await(ctx, func(s *conference.State) bool { return s.Recording(recording) == nil })
		if err != nil && parley.CodeOf(err) != parley.CodeConferenceEnded {
			return parley.Recording{}, err
		}
		return c.Recording(ctx, app, recording)
	}
	if live := s.Recording(recording); live != nil {
		return live.Recording, nil
	}
	return c.Recording(ctx, app, recording)
}

// Recordings lists an application's recordings, or those of one conference.
func (c *Control) Recordings(ctx context.Context, app, conf parley.ID, r ListRequest) (Page[parley.Recording], error) {
	return list(ctx, c, store.Query{Kind: store.KindRecording, Application: app, Parent: conf}, r,
		func(rec parley.Recording) bool { return r.State == "" || string(rec.State) == r.State })
}

// Recording gives a recording that goes on or is over.
func (c *Control) Recording(ctx context.Context, app, id parley.ID) (parley.Recording, error) {
	return get[parley.Recording](ctx, c, store.KindRecording, app, string(id), "recording")
}

// RecordingContent opens a recording's WAV file, also while it grows.
func (c *Control) RecordingContent(ctx context.Context, app, id parley.ID) (Content, error) {
	rec, err := c.Recording(ctx, app, id)
	if err != nil {
		return Content{}, err
	}
	file, err := c.cfg.Files.OpenRecording(id)
	if err != nil {
		return Content{}, &parley.Error{Code: parley.CodeNotFound, Message: "the recording has no file", Err: err}
	}
	return Content{ReadSeekCloser: file, Name: string(id) + ".wav", Type: "audio/wav", Modified: rec.EndTime.Time()}, nil
}

// DeleteRecording removes a recording that is over, with its file.
func (c *Control) DeleteRecording(ctx context.Context, app, id parley.ID) error {
	rec, err := c.Recording(ctx, app, id)
	if err != nil {
		return err
	}
	if rec.State != parley.RecordingEnded {
		return parley.Errorf(parley.CodeRecordingLive, "the recording %s goes on; stop it first", id)
	}
	w := &store.Write{Delete: []store.RowKey{{Kind: store.KindRecording, ID: string(id)}}}
	if err := c.commit(ctx, w); err != nil {
		return err
	}
	if err := c.cfg.Files.RemoveRecording(id); err != nil {
		c.cfg.Logger.Warn("recording's file not removed", "recording", id, "error", err)
	}
	return nil
}
