package control

import (
	"context"

	"parley"
	"parley/internal/conference"
	"parley/internal/media"
	"parley/internal/player"
	"parley/internal/recorder"
	"parley/internal/store"
)

// mixRate is the rate of every mix, Hz: what G.711 carries.
const mixRate = 8000

// conf is a live conference: its runner, its mix, and what sounds in it. It is
// the runner's stage.
type conf struct {
	c      *Control
	id     parley.ID
	app    parley.ID
	mix    *media.Mix
	runner *conference.Runner
	gone   chan struct{} // closed when the conference is no longer live

	// What follows belongs to the runner's goroutine.
	calls      map[parley.ID]*call
	attached   map[parley.ID]*media.Session
	playing    map[parley.ID]*sounding
	recordings map[parley.ID]*taping
	bgm        player.Opener
	bgmPlaying *sounding
	spare      *spare
}

// spare is the file of a recording that waits for the first join.
type spare struct {
	id   parley.ID
	file recorder.File
}

// sounding is a player in the mix.
type sounding struct {
	player  *player.Player
	playing *media.Playing
}

// taping is a recorder on the mix.
type taping struct {
	recorder *recorder.Recorder
	tap      *media.Tap
}

// startConf makes a conference live; it returns when that is durable.
func (c *Control) startConf(ctx context.Context, create conference.Create) (*conf, error) {
	f := &conf{
		c: c, id: create.Conference.ID, app: create.Conference.Application, gone: make(chan struct{}),
		calls: map[parley.ID]*call{}, attached: map[parley.ID]*media.Session{},
		playing: map[parley.ID]*sounding{}, recordings: map[parley.ID]*taping{},
	}
	key := nameKey{f.app, create.Conference.Name}
	if err := c.reserve(key, f.id); err != nil {
		return nil, err
	}
	f.mix = c.cfg.Plane.NewMix(media.MixConfig{Rate: mixRate})
	runner, err := conference.Start(ctx, conference.Config{Ledger: c.cfg.Ledger, Stage: f, Logger: c.cfg.Logger, Now: c.cfg.Now}, create)
	if err != nil {
		c.unreserve(key)
		f.mix.Close()
		return nil, err
	}
	c.mu.Lock()
	f.runner = runner
	c.confs[f.id] = f
	c.mu.Unlock()
	c.wg.Go(func() {
		<-runner.Done()
		c.mu.Lock()
		delete(c.confs, f.id)
		c.mu.Unlock()
		c.unreserve(key)
		close(f.gone)
	})
	return f, nil
}

// reserve makes key's name the conference's.
func (c *Control) reserve(key nameKey, id parley.ID) error {
	if key.name == "" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if other, ok := c.names[key]; ok {
		return parley.FieldErrorf(parley.CodeNameTaken, "name", "the live conference %s has the name %q", other, key.name)
	}
	c.names[key] = id
	return nil
}

func (c *Control) unreserve(key nameKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.names, key)
}

// live finds a live conference of an application. For one that has ended the
// error is parley.CodeConferenceEnded, for none parley.CodeNotFound.
func (c *Control) live(ctx context.Context, app, id parley.ID) (*conf, error) {
	c.mu.Lock()
	f := c.confs[id]
	c.mu.Unlock()
	if f != nil && f.app == app {
		return f, nil
	}
	row, err := c.row(ctx, store.KindConference, app, string(id), "conference")
	if err != nil {
		return nil, err
	}
	return nil, parley.Errorf(parley.CodeConferenceEnded, "the conference %s has ended", row.ID)
}

// byName finds the live conference of an application that has the name or ID,
// nil for none.
func (c *Control) byName(app parley.ID, nameOrID string) *conf {
	c.mu.Lock()
	defer c.mu.Unlock()
	id, ok := c.names[nameKey{app, nameOrID}]
	if !ok {
		id = parley.ID(nameOrID)
	}
	if f := c.confs[id]; f != nil && f.app == app {
		return f
	}
	return nil
}
