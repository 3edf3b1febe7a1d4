package webhook

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"parley"
	"parley/internal/ledger"
	"parley/internal/store"
)

// Limits that are the same for every dispatcher.
const (
	laneQueue     = 16              // events that a lane holds in memory
	totalQueue    = 65536           // events that all lanes hold in memory
	storeRetry    = time.Second     // between reads of a store that cannot be read
	watermarkBeat = time.Second     // between watermarks of a webhook
	recoveries    = 2               // webhooks that read where they got to, at once
	closeGrace    = 3 * time.Second // for requests under way when the dispatcher closes
)

// Config is what a dispatcher needs.
type Config struct {
	Ledger *ledger.Ledger
	Store  store.Store
	// Client calls customers' URLs; Trusted those of webhooks that are the
	// operator's own (nil: Client). Redirects are not followed, whatever the
	// clients would do.
	Client  *http.Client
	Trusted *http.Client
	// CheckURL says whether a webhook may have a URL; nil allows any.
	CheckURL func(url string) error
	// Schedule says when attempts are repeated; what is zero is the default's.
	Schedule Schedule
	// Concurrency bounds the requests at once to a destination; 0 means 32.
	Concurrency int
	Logger      *slog.Logger
	Now         func() time.Time // nil: time.Now; for what is shown and signed
	Chance      func() float64   // in [0, 1), for jitter; nil: math/rand
}

// Stats counts what a dispatcher has done.
type Stats struct {
	Attempts   int64
	Delivered  int64
	Failed     int64 // attempts that were not delivered
	Dead       int64 // events given up
	Lanes      int   // with something to deliver
	Queued     int   // events in memory
	OpenBreaks int   // webhooks whose breaker is open
	Position   int64 // how far the ledger has been read
}

// Dispatcher delivers events to webhooks. Run it once; its other methods are
// safe for concurrent use.
type Dispatcher struct {
	cfg      Config
	plan     Schedule
	now      func() time.Time
	logger   *slog.Logger
	recorder *recorder

	calls     chan func()         // what the loop is to do
	events    chan []parley.Event // from the subscription
	refreshes chan struct{}       // capacity 1: held while webhooks are read or changed
	recovers  chan struct{}       // capacity recoveries
	stop      context.CancelFunc  // of running
	running   context.Context     // ends when nothing new is begun
	finished  chan struct{}       // closed when Run has returned
	work      sync.WaitGroup      // goroutines beside the loop

	// mu guards started.
	mu      sync.Mutex
	started bool

	// What follows belongs to the loop.
	targets      map[parley.ID]*target
	byApp        map[parley.ID][]*target
	destinations map[string]*destination
	alarms       alarms
	position     int64 // of the last event from the subscription
	queued       int
	dirty        []*target // whose watermark may have moved
	beat         alarm     // writes watermarks
	stats        Stats
	attempts     context.Context // of requests: ends after the grace
}

// New makes a dispatcher; Run starts it.
func New(cfg Config) *Dispatcher {
	if cfg.Trusted == nil {
		cfg.Trusted = cfg.Client
	}
	cfg.Client, cfg.Trusted = withoutRedirects(cfg.Client), withoutRedirects(cfg.Trusted)
	if cfg.Concurrency <= 0 {
		cfg.Concurrency = 32
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Chance == nil {
		cfg.Chance = rand.Float64
	}
	d := &Dispatcher{
		cfg: cfg, plan: cfg.Schedule.withDefaults(), now: cfg.Now, logger: cfg.Logger,
		recorder: newRecorder(cfg.Ledger, cfg.Logger),
		calls:    make(chan func(), 64), events: make(chan []parley.Event),
		refreshes: make(chan struct{}, 1), recovers: make(chan struct{}, recoveries),
		finished: make(chan struct{}),
		targets:  map[parley.ID]*target{}, byApp: map[parley.ID][]*target{}, destinations: map[string]*destination{},
	}
	d.running, d.stop = context.WithCancel(context.Background())
	d.beat = alarm{index: -1, fire: d.writeWatermarks}
	return d
}

// withoutRedirects is c, but answers a redirect as it came.
func withoutRedirects(c *http.Client) *http.Client {
	own := *c
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// CheckURL says whether a webhook may have the URL.
func (d *Dispatcher) CheckURL(url string) error {
	if d.cfg.CheckURL == nil {
		return nil
	}
	return d.cfg.CheckURL(url)
}

// Run delivers until ctx ends or Close is called, then gives the requests under
// way a few seconds, records how they went, and returns. The ledger must stay
// open until then.
func (d *Dispatcher) Run(ctx context.Context) error {
	d.mu.Lock()
	if d.started {
		d.mu.Unlock()
		return errors.New("webhook: Run was called before")
	}
	d.started = true
	d.mu.Unlock()
	defer close(d.finished)
	defer context.AfterFunc(ctx, d.stop)()

	var giveUp context.CancelFunc
	d.attempts, giveUp = context.WithCancel(context.Background())
	defer giveUp()
	defer context.AfterFunc(d.running, func() { time.AfterFunc(closeGrace, giveUp) })()

	d.position = d.cfg.Ledger.Position()
	subscription := d.cfg.Ledger.Subscribe(d.position)
	defer subscription.Close()
	recorded := make(chan struct{})
	go func() { defer close(recorded); d.recorder.run(d.attempts) }()
	d.work.Go(func() { d.feed(subscription) })
	d.work.Go(d.load)
	d.loop()
	d.recorder.close()
	<-recorded
	return nil
}

// Close ends Run and waits until it has returned. Without Run it does nothing.
func (d *Dispatcher) Close() error {
	d.mu.Lock()
	started := d.started
	d.mu.Unlock()
	d.stop()
	if started {
		<-d.finished
	}
	return nil
}

// Stats gives the counters; it waits for the loop.
func (d *Dispatcher) Stats(ctx context.Context) (Stats, error) {
	var s Stats
	err := d.call(ctx, func() {
		s = d.stats
		s.Queued, s.Position = d.queued, d.position
		for _, t := range d.targets {
			s.Lanes += len(t.lanes)
			if t.breaker.open {
				s.OpenBreaks++
			}
		}
	})
	return s, err
}

// call has the loop run fn and waits for that.
func (d *Dispatcher) call(ctx context.Context, fn func()) error {
	done := make(chan struct{})
	select {
	case d.calls <- func() { fn(); close(done) }:
	case <-ctx.Done():
		return ctx.Err()
	case <-d.finished:
		return ledger.ErrClosed
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-d.finished:
		return ledger.ErrClosed
	}
}

// feed hands the subscription's events to the loop.
func (d *Dispatcher) feed(s *ledger.Subscription) {
	for {
		events, err := s.Next(d.running)
		switch {
		case err == nil:
		case d.running.Err() != nil, errors.Is(err, ledger.ErrClosed):
			return
		default:
			d.logger.Error("events cannot be read", "error", err)
			pause(d.running, storeRetry)
			continue
		}
		select {
		case d.events <- events:
		case <-d.running.Done():
			return
		}
	}
}

// loop owns the lanes. It returns when the dispatcher was stopped and every
// goroutine beside it has ended.
func (d *Dispatcher) loop() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	stopped, idle := d.running.Done(), chan struct{}(nil)
	for {
		if len(d.alarms) > 0 {
			timer.Reset(time.Until(d.alarms[0].at))
		} else {
			timer.Reset(time.Hour)
		}
		select {
		case fn := <-d.calls:
			fn()
		case events := <-d.events:
			for _, e := range events {
				d.take(e)
			}
		case <-timer.C:
			for a := d.alarms.due(time.Now()); a != nil; a = d.alarms.due(time.Now()) {
				a.fire()
			}
		case <-stopped:
			stopped, idle = nil, make(chan struct{})
			go func() { d.work.Wait(); close(idle) }()
		case <-idle:
			d.drainCalls()
			d.writeWatermarks()
			return
		}
	}
}

// drainCalls runs what was handed over last.
func (d *Dispatcher) drainCalls() {
	for {
		select {
		case fn := <-d.calls:
			fn()
		default:
			return
		}
	}
}

// beside runs fn on a goroutine of its own and then, in the loop, what fn gave.
// After the dispatcher was stopped it does nothing.
func (d *Dispatcher) beside(fn func() func()) bool {
	if d.running.Err() != nil {
		return false
	}
	d.work.Go(func() { d.calls <- fn() })
	return true
}
