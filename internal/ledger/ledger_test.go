package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"parley"
	"parley/internal/ledger"
	"parley/internal/store"
	"parley/internal/store/sqlite"
)

// gated is a store in memory whose transactions wait for permission.
type gated struct {
	store.Store // what is not declared below is not called

	gate chan error // each transaction takes one: nil lets it through

	mu     sync.Mutex
	groups [][]*store.Write // as they arrived
	events []parley.Event   // durable
	reads  int              // calls of Events
}

func newGated() *gated { return &gated{gate: make(chan error, 1000)} }

// allow lets n transactions through.
func (g *gated) allow(n int) {
	for range n {
		g.gate <- nil
	}
}

func (g *gated) Apply(_ context.Context, group []*store.Write) []error {
	g.mu.Lock()
	g.groups = append(g.groups, group)
	g.mu.Unlock()
	err := <-g.gate
	errs := make([]error, len(group))
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, w := range group {
		switch {
		case err != nil:
			errs[i] = err
		case len(w.Delete) > 0: // stands for a conflict
			errs[i] = store.ErrConflict
		default:
			for j := range w.Events {
				w.Events[j].Position = int64(len(g.events) + 1)
				g.events = append(g.events, w.Events[j])
			}
		}
	}
	return errs
}

func (g *gated) LastPosition(context.Context) (int64, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return int64(len(g.events)), nil
}

func (g *gated) Events(_ context.Context, q store.EventQuery) ([]parley.Event, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reads++
	rest := g.events[min(int(q.After), len(g.events)):]
	return rest[:min(len(rest), q.Limit)], nil
}

// sizes gives how many writes each transaction had.
func (g *gated) sizes() []int {
	g.mu.Lock()
	defer g.mu.Unlock()
	var sizes []int
	for _, group := range g.groups {
		sizes = append(sizes, len(group))
	}
	return sizes
}

func open(t *testing.T, st store.Store, cfg ledger.Config) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(st, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// one is a write of a single event.
func one(stream parley.ID, seq int64) *store.Write {
	return &store.Write{Events: []parley.Event{{Stream: stream, Seq: seq, Body: fmt.Appendf(nil, `{"seq":%d}`, seq), SeedLen: 1}}}
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("%s = %s, want %s", what, g, w)
	}
}

func TestWritersShareATransactionWhileTheLastOneRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		l := open(t, g, ledger.Config{MaxGroup: 6})
		var writers sync.WaitGroup
		commit := func(i int64) {
			writers.Go(func() {
				if err := l.Commit(t.Context(), one("a", i)); err != nil {
					t.Errorf("Commit: %v", err)
				}
			})
			synctest.Wait()
		}
		for i := range int64(11) {
			commit(i + 1)
		}
		want(t, "transactions begun", g.sizes(), []int{1})
		g.allow(4)
		writers.Wait()
		want(t, "transactions", g.sizes(), []int{1, 6, 4})
		for i, e := range g.events {
			if e.Seq != int64(i+1) {
				t.Fatalf("event %d was written as number %d: the order of arrival is not kept", e.Seq, i+1)
			}
		}
		_ = l.Close()
	})
}

func TestCommitReturnsOnlyWhenDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		l := open(t, g, ledger.Config{})
		sub := l.Subscribe(0)
		var committed, read bool
		go func() { _ = l.Commit(t.Context(), one("a", 1)); committed = true }()
		go func() { _, _ = sub.Next(t.Context()); read = true }()
		synctest.Wait()
		if committed || read {
			t.Errorf("before the transaction ended: committed %v, read %v", committed, read)
		}
		g.allow(1)
		synctest.Wait()
		if !committed || !read {
			t.Errorf("after the transaction: committed %v, read %v", committed, read)
		}
		_ = l.Close()
	})
}

func TestAQueuedWriteIsWithdrawnWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		l := open(t, g, ledger.Config{})
		var taken, queued error
		var done atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		go func() { taken = l.Commit(ctx, one("taken", 1)); done.Add(1) }()
		synctest.Wait()
		go func() { queued = l.Commit(ctx, one("queued", 1)); done.Add(1) }()
		synctest.Wait()
		cancel()
		synctest.Wait()
		want(t, "error of the queued write", queued, context.Canceled)
		want(t, "writes answered", done.Load(), 1)
		g.allow(1)
		synctest.Wait()
		want(t, "error of the taken write", taken, nil)
		want(t, "writes answered", done.Load(), 2)
		_ = l.Close()
		want(t, "transactions", g.sizes(), []int{1})
	})
}

func TestACancelledContextWritesNothing(t *testing.T) {
	g := newGated()
	l := open(t, g, ledger.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Commit(ctx, one("a", 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit = %v", err)
	}
	_ = l.Close()
	want(t, "transactions", len(g.sizes()), 0)
}

func TestAConflictIsAnsweredToItsWriterAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		l := open(t, g, ledger.Config{})
		errs := make([]error, 3)
		for i, w := range []*store.Write{one("a", 1), {Delete: []store.RowKey{{}}, Events: one("b", 1).Events}, one("c", 1)} {
			go func() { errs[i] = l.Commit(t.Context(), w) }()
			synctest.Wait()
		}
		g.allow(2)
		synctest.Wait()
		want(t, "errors", errs, []error{nil, store.ErrConflict, nil})
		got, _ := l.Subscribe(0).Next(t.Context())
		want(t, "events", len(got), 2)
		s := l.Stats()
		want(t, "writes, events, conflicts", []int64{s.Writes, s.Events, s.Conflicts}, []int64{2, 2, 1})
		_ = l.Close()
	})
}

func TestAStoreThatIsDownAndComesBack(t *testing.T) {
	g := newGated()
	l := open(t, g, ledger.Config{})
	g.gate <- fmt.Errorf("%w: disk full", store.ErrUnavailable)
	w := one("a", 1)
	if err := l.Commit(t.Context(), w); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Commit = %v, want ErrUnavailable", err)
	}
	want(t, "available", l.Stats().Available, false)
	g.allow(1)
	if err := l.Commit(t.Context(), w); err != nil {
		t.Errorf("the same write again: %v", err)
	}
	want(t, "available", l.Stats().Available, true)
	_ = l.Close()
}

func TestCloseWritesWhatIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated()
		l := open(t, g, ledger.Config{MaxGroup: 2})
		var done atomic.Int64
		for i := range int64(5) {
			go func() {
				if err := l.Commit(t.Context(), one("a", i+1)); err == nil {
					done.Add(1)
				}
			}()
			synctest.Wait()
		}
		sub := l.Subscribe(0)
		go func() { _ = l.Close() }()
		synctest.Wait()
		if err := l.Commit(t.Context(), one("late", 1)); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Commit while closing = %v, want ErrUnavailable", err)
		}
		g.allow(10)
		_ = l.Close()
		synctest.Wait()
		want(t, "writes done", done.Load(), 5)
		got, err := sub.Next(t.Context())
		want(t, "events left to read", len(got), 5)
		want(t, "error", err, nil)
		if _, err := sub.Next(t.Context()); !errors.Is(err, ledger.ErrClosed) {
			t.Errorf("Next after the last event = %v, want ErrClosed", err)
		}
	})
}

func TestReadersGetTheCommittedBytesInOrder(t *testing.T) {
	st, err := sqlite.Open(t.Context(), sqlite.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.Close() }()
	l := open(t, st, ledger.Config{Ring: 64})
	const writers, each = 8, 100
	var readers, work sync.WaitGroup
	histories := make([][]parley.Event, 3)
	for i := range histories {
		sub := l.Subscribe(0)
		readers.Go(func() {
			for len(histories[i]) < writers*each {
				events, err := sub.Next(t.Context())
				if err != nil {
					t.Errorf("Next: %v", err)
					return
				}
				histories[i] = append(histories[i], events...)
			}
		})
	}
	for i := range writers {
		work.Go(func() {
			for seq := range int64(each) {
				if err := l.Commit(t.Context(), one(parley.ID(fmt.Sprint("s", i)), seq+1)); err != nil {
					t.Errorf("Commit: %v", err)
				}
			}
		})
	}
	work.Wait()
	readers.Wait()
	stored, err := st.Events(t.Context(), store.EventQuery{})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "events stored", len(stored), writers*each)
	for i, h := range histories {
		if fmt.Sprintf("%+v", h) != fmt.Sprintf("%+v", stored) {
			t.Errorf("reader %d did not get what is stored", i)
		}
	}
	_ = l.Close()
}

func TestASlowReaderFallsBackToTheStoreAndCatchesUp(t *testing.T) {
	g := newGated()
	g.allow(100)
	l := open(t, g, ledger.Config{Ring: 4})
	sub := l.Subscribe(0)
	for i := range int64(20) {
		if err := l.Commit(t.Context(), one("a", i+1)); err != nil {
			t.Fatal(err)
		}
	}
	var got []int64
	for len(got) < 20 {
		events, err := sub.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			got = append(got, e.Seq)
		}
	}
	for i, seq := range got {
		if seq != int64(i+1) {
			t.Fatalf("read %v", got)
		}
	}
	want(t, "reads of the store", g.reads, 1)
	if err := l.Commit(t.Context(), one("a", 21)); err != nil {
		t.Fatal(err)
	}
	if events, _ := sub.Next(t.Context()); len(events) != 1 || events[0].Seq != 21 {
		t.Errorf("Next = %v", events)
	}
	want(t, "reads of the store once caught up", g.reads, 1)
	_ = l.Close()
}

// TestWhatComesThenComesBeforeEveryReader has a reader that keeps up and one
// that reads the store.
func TestWhatComesThenComesBeforeEveryReader(t *testing.T) {
	g := newGated()
	g.allow(6)
	l := open(t, g, ledger.Config{Ring: 2})
	late := l.Subscribe(0)
	for i := range int64(5) {
		if err := l.Commit(t.Context(), one("a", i+1)); err != nil {
			t.Fatal(err)
		}
	}
	prompt := l.Subscribe(5)
	ran := false
	if err := l.CommitThen(t.Context(), one("a", 6), func() {
		ran = true
		events, err := late.Next(t.Context())
		if err != nil || len(events) != 5 {
			t.Errorf("a reader of the store was told %d events before, %v", len(events), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if events, err := prompt.Next(ctx); err == nil {
			t.Errorf("a reader was told %v before", events)
		}
	}); err != nil || !ran {
		t.Fatalf("CommitThen = %v, ran %v", err, ran)
	}
	for _, s := range []*ledger.Subscription{late, prompt} {
		if events, err := s.Next(t.Context()); err != nil || len(events) != 1 || events[0].Seq != 6 {
			t.Errorf("afterwards Next = %v, %v", events, err)
		}
	}
	g.gate <- store.ErrUnavailable
	if err := l.CommitThen(t.Context(), one("a", 7), func() { t.Error("run though nothing was written") }); err == nil {
		t.Error("CommitThen succeeded")
	}
	_ = l.Close()
}

func TestASubscriptionBeginsAfterItsPosition(t *testing.T) {
	g := newGated()
	g.allow(100)
	l := open(t, g, ledger.Config{})
	for i := range int64(5) {
		if err := l.Commit(t.Context(), one("a", i+1)); err != nil {
			t.Fatal(err)
		}
	}
	_ = l.Close()
	l = open(t, g, ledger.Config{}) // a restart: nothing in memory
	sub := l.Subscribe(3)
	events, err := sub.Next(t.Context())
	if err != nil || len(events) != 2 || events[0].Seq != 4 {
		t.Errorf("Next = %v, %v", events, err)
	}
	want(t, "position", sub.Position(), 5)
	want(t, "position of the ledger", l.Position(), 5)
	_ = l.Close()
}

func TestNextEndsWithItsContextAndWithClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, newGated(), ledger.Config{})
		sub := l.Subscribe(0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := sub.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Next = %v", err)
		}
		want(t, "subscribers", l.Stats().Subscribers, 1)
		var err error
		go func() { _, err = sub.Next(t.Context()) }()
		synctest.Wait()
		sub.Close()
		sub.Close()
		synctest.Wait()
		if !errors.Is(err, ledger.ErrClosed) {
			t.Errorf("Next of a closed subscription = %v", err)
		}
		want(t, "subscribers", l.Stats().Subscribers, 0)
		_ = l.Close()
	})
}
