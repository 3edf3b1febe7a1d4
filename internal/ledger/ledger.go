package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"parley"
	"parley/internal/store"
)

// Defaults of Config.
const (
	// DefaultMaxGroup is how many writes share a transaction at most.
	DefaultMaxGroup = 512
	// DefaultRing is how many of the newest events are kept in memory.
	DefaultRing = 16384
)

// ErrClosed is what a closed ledger or subscription answers. To a caller of
// Commit it is a kind of store.ErrUnavailable.
var ErrClosed = fmt.Errorf("ledger: closed: %w", store.ErrUnavailable)

// Config is what a ledger may be told. The zero Config is usable.
type Config struct {
	Logger   *slog.Logger     // nil: slog.Default
	Now      func() time.Time // nil: time.Now; used for figures only
	MaxGroup int              // writes in one transaction; 0: DefaultMaxGroup
	Ring     int              // events kept in memory for readers; 0: DefaultRing
}

// Stats counts what a ledger has done since it was opened.
type Stats struct {
	Groups      int64         // transactions that were tried
	Writes      int64         // writes that became durable
	Events      int64         // events in them
	Conflicts   int64         // writes refused with store.ErrConflict
	Failures    int64         // writes refused for any other reason
	Available   bool          // the last transaction succeeded
	LastApply   time.Duration // how long the last transaction took
	Position    int64         // of the newest event
	Queued      int           // writes that wait for the next transaction
	Subscribers int
}

// Ledger groups commits. Its methods are safe for concurrent use.
type Ledger struct {
	st       store.Store
	logger   *slog.Logger
	now      func() time.Time
	maxGroup int

	work chan struct{} // capacity 1: the queue is not empty, or the ledger closes
	done chan struct{} // closed when the writer has ended

	// mu guards what follows; it is never held while the store works.
	mu      sync.Mutex
	queue   []*commit
	closing bool
	ring    ring
	wake    chan struct{} // closed and replaced when events have been published
	stats   Stats
}

// commit is one caller's write on its way.
type commit struct {
	write *store.Write
	then  func() // run once write is durable; may be nil
	taken bool   // by the writer: the result must be awaited
	done  chan error
}

// Open starts a ledger over st, which must have no other writer. The store
// stays the caller's: close it after the ledger.
func Open(st store.Store, cfg Config) (*Ledger, error) {
	last, err := st.LastPosition(context.Background())
	if err != nil {
		return nil, fmt.Errorf("ledger: read the last position: %w", err)
	}
	l := &Ledger{
		st:       st,
		logger:   cfg.Logger,
		now:      cfg.Now,
		maxGroup: cfg.MaxGroup,
		work:     make(chan struct{}, 1),
		done:     make(chan struct{}),
		wake:     make(chan struct{}),
		stats:    Stats{Available: true, Position: last},
	}
	if l.logger == nil {
		l.logger = slog.Default()
	}
	if l.now == nil {
		l.now = time.Now
	}
	if l.maxGroup <= 0 {
		l.maxGroup = DefaultMaxGroup
	}
	size := cfg.Ring
	if size <= 0 {
		size = DefaultRing
	}
	l.ring = newRing(size, last)
	go l.run()
	return l, nil
}

// Commit makes w durable and returns nil when it is on disk; the events in w
// then have their positions and subscribers are being woken. Callers that wait
// at the same time share a transaction. It returns store.ErrConflict when a
// unique key of w exists already, store.ErrUnavailable when the database cannot
// write now (the same w may be tried again), and ctx's error when ctx ended
// while w was still queued: in each case nothing of w was done. Once the writer
// has taken w, its result is awaited whatever becomes of ctx. w must not be
// changed until Commit returns, nor its events' bodies ever.
func (l *Ledger) Commit(ctx context.Context, w *store.Write) error {
	return l.CommitThen(ctx, w, nil)
}

// CommitThen is Commit with something to be done between the moment when w is
// durable and the one when subscribers see its events: to show the state that
// the events tell of, so that nobody who was told finds an older one. then may
// be nil; it runs on the writer's goroutine and must be short.
func (l *Ledger) CommitThen(ctx context.Context, w *store.Write, then func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &commit{write: w, then: then, done: make(chan error, 1)}
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		return ErrClosed
	}
	l.queue = append(l.queue, c)
	l.mu.Unlock()
	l.signal()
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
	}
	if l.withdraw(c) {
		return ctx.Err()
	}
	return <-c.done
}

// Stats gives the counters.
func (l *Ledger) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Queued = len(l.queue)
	return s
}

// Close refuses new writes, makes the queued ones durable, ends every
// subscription and waits for the writer. It may be called more than once.
func (l *Ledger) Close() error {
	l.mu.Lock()
	l.closing = true
	l.mu.Unlock()
	l.signal()
	<-l.done
	return nil
}

// signal wakes the writer.
func (l *Ledger) signal() {
	select {
	case l.work <- struct{}{}:
	default:
	}
}

// withdraw takes c out of the queue, unless the writer has it.
func (l *Ledger) withdraw(c *commit) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.taken {
		return false
	}
	for i, q := range l.queue {
		if q == c {
			l.queue = append(l.queue[:i], l.queue[i+1:]...)
			break
		}
	}
	return true
}

// run is the writer. A group forms while the transaction before it is synced.
func (l *Ledger) run() {
	defer close(l.done)
	for range l.work {
		for group := l.take(); group != nil; group = l.take() {
			l.apply(group)
		}
		if l.finished() {
			return
		}
	}
}

// take removes the next group from the queue, nil if there is none.
func (l *Ledger) take() []*commit {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.queue), l.maxGroup)
	if n == 0 {
		return nil
	}
	group := make([]*commit, n)
	copy(group, l.queue)
	for _, c := range group {
		c.taken = true
	}
	l.queue = append(l.queue[:0], l.queue[n:]...)
	clear(l.queue[len(l.queue):cap(l.queue)])
	return group
}

// finished reports whether the ledger closes and nothing is queued, and ends
// the subscriptions then.
func (l *Ledger) finished() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closing && len(l.queue) == 0
}

// apply makes a group durable, publishes its events and answers its callers.
func (l *Ledger) apply(group []*commit) {
	writes := make([]*store.Write, len(group))
	for i, c := range group {
		writes[i] = c.write
	}
	began := l.now()
	errs := l.st.Apply(context.Background(), writes)
	for i, c := range group {
		if errs[i] == nil && c.then != nil {
			c.then()
		}
	}
	l.publish(writes, errs, l.now().Sub(began))
	for i, c := range group {
		c.done <- errs[i]
	}
}

// publish puts the events of the writes that succeeded into the ring, wakes the
// readers and counts.
func (l *Ledger) publish(writes []*store.Write, errs []error, took time.Duration) {
	l.mu.Lock()
	s := &l.stats
	before := s.Available
	s.Groups++
	s.LastApply = took
	events := s.Events
	var unavailable error
	for i, w := range writes {
		switch kindOf(errs[i]) {
		case applied:
			s.Writes++
			s.Events += int64(len(w.Events))
			l.ring.add(w.Events)
		case conflicted:
			s.Conflicts++
		case failed:
			s.Failures++
		case unwritable:
			s.Failures++
			unavailable = errs[i]
		}
	}
	s.Available = unavailable == nil
	s.Position = l.ring.last
	if s.Events != events {
		close(l.wake)
		l.wake = make(chan struct{})
	}
	l.mu.Unlock()
	switch {
	case before && unavailable != nil:
		l.logger.Error("the ledger cannot write", "error", unavailable)
	case !before && unavailable == nil:
		l.logger.Info("the ledger can write again")
	}
}

// Subscribe gives the events with a Position greater than after. Close it when
// it is no longer read.
func (l *Ledger) Subscribe(after int64) *Subscription {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stats.Subscribers++
	return &Subscription{ledger: l, after: after, closed: make(chan struct{})}
}

// Position is the position of the newest event, 0 for none.
func (l *Ledger) Position() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ring.last
}

// recent gives the events after a position that are in memory. ok is false if
// older ones than those are missing there; wake is closed at the next change.
func (l *Ledger) recent(after int64, limit int) (events []parley.Event, ok bool, wake <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	events, ok = l.ring.after(after, limit)
	return events, ok, l.wake
}
