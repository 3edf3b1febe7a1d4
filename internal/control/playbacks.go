package control

import (
	"context"
	"errors"
	"fmt"

	"parley"
	"parley/internal/conference"
	"parley/internal/store"
)

// maxFiles is the most files of one playback.
const maxFiles = 100

// Play plays files to a conference, or to some in it.
func (c *Control) Play(ctx context.Context, app, id parley.ID, r PlayRequest) (parley.Playback, error) {
	f, err := c.live(ctx, app, id)
	if err != nil {
		return parley.Playback{}, err
	}
	if len(r.Files) == 0 || len(r.Files) > maxFiles {
		return parley.Playback{}, parley.FieldErrorf(parley.CodeInvalid, "files", "names 1 to %d media files or URLs, %d are there", maxFiles, len(r.Files))
	}
	for i, name := range r.Files {
		if err := c.checkFile(app, fmt.Sprintf("files[%d]", i), name); err != nil {
			return parley.Playback{}, err
		}
	}
	if err := checkGain(r.GainDB); err != nil {
		return parley.Playback{}, err
	}
	if err := checkUserData(r.UserData); err != nil {
		return parley.Playback{}, err
	}
	p := parley.Playback{ID: c.newID(), Files: r.Files, Loop: r.Loop, GainDB: r.GainDB, To: r.To, UserData: r.UserData}
	s, err := f.runner.Do(ctx, conference.Play{Playback: p})
	if err != nil {
		return parley.Playback{}, err
	}
	if live := s.Playback(p.ID); live != nil {
		return *live, nil
	}
	return c.Playback(ctx, app, id, p.ID)
}

// Playbacks lists a conference's playbacks.
func (c *Control) Playbacks(ctx context.Context, app, id parley.ID, r ListRequest) (Page[parley.Playback], error) {
	if _, err := c.row(ctx, store.KindConference, app, string(id), "conference"); err != nil {
		return Page[parley.Playback]{}, err
	}
	return list(ctx, c, store.Query{Kind: store.KindPlayback, Application: app, Parent: id}, r,
		func(p parley.Playback) bool { return r.State == "" || string(p.State) == r.State })
}

// Playback gives a playback that is playing or over.
func (c *Control) Playback(ctx context.Context, app, id, playback parley.ID) (parley.Playback, error) {
	p, err := get[parley.Playback](ctx, c, store.KindPlayback, app, string(playback), "playback")
	if err == nil && p.Conference != id {
		err = parley.Errorf(parley.CodeNotFound, "no playback %s", playback)
	}
	return p, err
}

// StopPlayback stops a playback.
func (c *Control) StopPlayback(ctx context.Context, app, id, playback parley.ID) error {
	f, err := c.live(ctx, app, id)
	if err != nil {
		return err
	}
	_, err = f.runner.Do(ctx, conference.StopPlay{ID: playback})
	if e, ok := errors.AsType[*parley.Error](err); ok && e.Code == parley.CodeNotFound {
		if _, missing := c.Playback(ctx, app, id, playback); missing != nil {
			return missing
		}
		return parley.Errorf(parley.CodePlaybackEnded, "the playback %s is over", playback)
	}
	return err
}
