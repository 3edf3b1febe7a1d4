// Package control has one method for each thing that a customer may ask, and
// brings together what the engines below do: conferences decide, the ledger
// remembers, the media plane sounds. REST, SIP and the console are thin edges
// around it.
package control

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"parley"
	"parley/internal/conference"
	"parley/internal/ledger"
	"parley/internal/media"
	"parley/internal/recorder"
	"parley/internal/store"
)

// Files keeps media files and recordings. The blob edge implements it. Names
// are checked; a name that cannot be used is a *parley.Error.
type Files interface {
	// CheckMediaName says what is wrong with a media file's name.
	CheckMediaName(name string) error
	// CreateMedia begins a media file that nobody sees before Commit.
	CreateMedia(application parley.ID, name string) (Upload, error)
	// OpenMedia gives fs.ErrNotExist for a file that is not there.
	OpenMedia(application parley.ID, name string) (io.ReadSeekCloser, error)
	RemoveMedia(application parley.ID, name string) error
	CreateRecording(id parley.ID) (recorder.File, error)
	// OpenRecording opens for reading, EditRecording to repair.
	OpenRecording(id parley.ID) (io.ReadSeekCloser, error)
	EditRecording(id parley.ID) (recorder.File, error)
	RemoveRecording(id parley.ID) error
}

// Upload is a media file on its way in.
type Upload interface {
	io.ReadWriteSeeker
	// Commit makes the file durable and visible under its name.
	Commit() error
	// Discard removes it. Without effect after Commit.
	Discard()
}

// Fetcher gets audio from a customer's URL.
type Fetcher interface {
	Fetch(ctx context.Context, url string) (io.ReadSeekCloser, error)
}

// Dispatcher delivers events to webhooks. The webhook edge implements it.
type Dispatcher interface {
	// Refresh reads the webhooks again after one was changed.
	Refresh(ctx context.Context) error
	// Replay sends events again, with the event IDs that they have.
	Replay(ctx context.Context, webhook parley.ID, events []parley.Event) error
}

// Config is what Control needs.
type Config struct {
	Store      store.Store
	Ledger     *ledger.Ledger
	Plane      *media.Plane
	Files      Files
	Fetcher    Fetcher
	Dispatcher Dispatcher
	// CheckURL says what is wrong with a URL that a customer gives.
	CheckURL func(url string) error
	Logger   *slog.Logger
	Now      func() time.Time // nil for time.Now
	// AllowCalls are the addresses that may call in without a trunk; their
	// calls belong to the application "default".
	AllowCalls []netip.Prefix
	// RingTime is how long call.incoming waits for an answer; zero for 30 s.
	RingTime time.Duration
	// MaxCalls bounds the calls of the server; zero for 20,000.
	MaxCalls int
}

// Control is the use cases. Its methods are safe for concurrent use; errors
// that a customer caused are *parley.Error.
type Control struct {
	cfg     Config
	dialer  Dialer
	journal *journal
	wg      sync.WaitGroup
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc

	mu       sync.Mutex
	confs    map[parley.ID]*conf   // live; guarded by mu
	names    map[nameKey]parley.ID // of live conferences; guarded by mu
	calls    map[parley.ID]*call   // live; guarded by mu
	draining bool                  // guarded by mu
	trunks   []parley.Trunk        // all; guarded by mu
	keys     map[string]parley.Key // by hash; guarded by mu
	pending  map[string]struct{}   // idempotency keys in work; guarded by mu
	deflt    parley.ID             // the application "default"; guarded by mu
}

// nameKey finds a conference by its name.
type nameKey struct {
	application parley.ID
	name        string
}

// New makes the use cases. Connect and Open come before anything else is
// called.
func New(cfg Config) *Control {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.RingTime == 0 {
		cfg.RingTime = 30 * time.Second
	}
	if cfg.MaxCalls == 0 {
		cfg.MaxCalls = 20_000
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Control{
		cfg: cfg, ctx: ctx, cancel: cancel,
		confs: map[parley.ID]*conf{}, names: map[nameKey]parley.ID{}, calls: map[parley.ID]*call{},
		keys: map[string]parley.Key{}, pending: map[string]struct{}{},
	}
	c.journal = startJournal(cfg.Ledger, cfg.Logger)
	return c
}

// Connect says who places calls.
func (c *Control) Connect(d Dialer) { c.dialer = d }

// Open settles what a crash left behind and reads trunks and keys.
func (c *Control) Open(ctx context.Context) error {
	if err := c.settle(ctx); err != nil {
		return err
	}
	if err := c.loadTrunks(ctx); err != nil {
		return err
	}
	if err := c.loadKeys(ctx); err != nil {
		return err
	}
	c.wg.Go(c.heartbeat)
	return nil
}

// Drain refuses new conferences and calls from now on.
func (c *Control) Drain() {
	c.mu.Lock()
	c.draining = true
	c.mu.Unlock()
}

// refuseDraining is the error while the server takes nothing new.
func (c *Control) refuseDraining() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining {
		return parley.Errorf(parley.CodeShuttingDown, "the server is shutting down and takes no new work")
	}
	return nil
}

// WaitIdle waits until no conference is live, or ctx ends.
func (c *Control) WaitIdle(ctx context.Context) error {
	for {
		live := c.liveConfs()
		if len(live) == 0 {
			return nil
		}
		select {
		case <-live[0].gone:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close ends all conferences and calls, waits for them, and makes the last
// events durable. The ledger must still be open.
func (c *Control) Close(ctx context.Context) error {
	c.Drain()
	for _, f := range c.liveConfs() {
		f.runner.Observe(conference.End{Reason: parley.ReasonShutdown, By: parley.EndedByServer})
	}
	err := c.WaitIdle(ctx)
	for _, k := range c.liveCalls() {
		k.hangup(parley.ReasonShutdown)
		select {
		case <-k.gone:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	c.cancel()
	c.wg.Wait()
	c.journal.close()
	return err
}

// Live is how much there is at the moment.
type Live struct {
	Conferences  int
	Participants int // joined
	Calls        int // not ended
	Playbacks    int
	Recordings   int
}

// Live counts what there is at the moment.
func (c *Control) Live() Live {
	var n Live
	for _, f := range c.liveConfs() {
		s := f.runner.State()
		n.Conferences++
		n.Playbacks += len(s.Playbacks)
		n.Recordings += len(s.Recordings)
		for _, p := range s.Participants {
			if p.State == parley.ParticipantJoined {
				n.Participants++
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n.Calls = len(c.calls)
	return n
}

func (c *Control) liveConfs() []*conf {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]*conf, 0, len(c.confs))
	for _, f := range c.confs {
		out = append(out, f)
	}
	return out
}

func (c *Control) liveCalls() []*call {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]*call, 0, len(c.calls))
	for _, k := range c.calls {
		out = append(out, k)
	}
	return out
}

// newID makes an ID of the time now.
func (c *Control) newID() parley.ID { return parley.NewID(c.cfg.Now()) }

// now is the time in milliseconds.
func (c *Control) now() parley.Millis { return parley.MillisOf(c.cfg.Now()) }

// storeError makes a fault of the store one that a customer may see.
func storeError(err error) error {
	if err == nil {
		return nil
	}
	return &parley.Error{Code: parley.CodeStoreUnavailable, Message: "the store cannot be read or written now; try again later", Err: err}
}
