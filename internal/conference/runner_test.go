package conference

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley"
	"parley/internal/store"
)

// book is a ledger in memory that can be out of order.
type book struct {
	mu     sync.Mutex
	broken error
	events []parley.Event
}

func (b *book) CommitThen(_ context.Context, w *store.Write, then func()) error {
	time.Sleep(time.Millisecond) // virtual: a commit takes its time
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.broken != nil {
		return b.broken
	}
	then()
	b.events = append(b.events, w.Events...)
	return nil
}

func (b *book) breakDown(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.broken = err
}

func (b *book) types() []parley.EventType {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []parley.EventType
	for _, e := range b.events {
		out = append(out, e.Type)
	}
	return out
}

// troupe is a stage on which everything succeeds at once.
type troupe struct{ prepare bool }

func (s troupe) Perform(r *Runner, e Effect) {
	switch e := e.(type) {
	case Prepare:
		if s.prepare {
			r.Observe(Prepared{})
		}
	case Dial:
		r.Observe(Answered{CallID: e.CallID, At: time.Now()})
	case StopRecord:
		r.Observe(RecordEnded{ID: e.ID})
	}
}

func start(t *testing.T, b *book, s Stage) *Runner {
	t.Helper()
	r, err := Start(t.Context(), Config{Ledger: b, Stage: s, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}, Create{Conference: conferenceOf(nil)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func finish(t *testing.T, r *Runner) {
	t.Helper()
	r.Observe(End{Reason: parley.ReasonDeleted, By: parley.EndedByAPI})
	<-r.Done()
}

func TestCommandsWaitUntilTheConferenceIsActive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		r := start(t, b, troupe{})
		answered := make(chan error)
		go func() {
			_, err := r.Do(t.Context(), invite(alice))
			answered <- err
		}()
		synctest.Wait()
		select {
		case err := <-answered:
			t.Fatalf("answered before the conference began: %v", err)
		default:
		}
		r.Observe(Prepared{})
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
		finish(t, r)
		if got := b.types(); got[0] != parley.EventConfCreateSucc || got[len(got)-1] != parley.EventConfEnd {
			t.Errorf("events %v", got)
		}
	})
}

func TestStoreOutOfOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		r := start(t, b, troupe{prepare: true})
		if _, err := r.Do(t.Context(), invite(alice)); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Await(t.Context(), func(s *State) bool { return s.Participant(alice).State == parley.ParticipantJoined }); err != nil {
			t.Fatal(err)
		}
		b.breakDown(store.ErrUnavailable)
		if _, err := r.Do(t.Context(), invite(bob)); parley.CodeOf(err) != parley.CodeStoreUnavailable {
			t.Errorf("a command: %v", err)
		}
		r.Observe(Left{CallID: alice, At: time.Now(), Reason: "hangup"})
		if _, err := r.Do(t.Context(), Play{}); parley.CodeOf(err) != parley.CodeStoreUnavailable {
			t.Errorf("a command behind an observation: %v", err)
		}
		if r.State().Participant(alice) == nil {
			t.Error("a state was shown that is not on disk")
		}
		b.breakDown(nil)
		if _, err := r.Await(t.Context(), func(s *State) bool { return s.Participant(alice) == nil }); err != nil {
			t.Fatal(err)
		}
		if r.State().Participant(bob) != nil {
			t.Error("a refused command was done")
		}
		finish(t, r)
		want := []parley.EventType{parley.EventConfCreateSucc, parley.EventConfJoined, parley.EventConfQuit, parley.EventConfEnd}
		if got := b.types(); len(got) != len(want) {
			t.Errorf("events %v, want %v", got, want)
		}
		for i, e := range b.events {
			if e.Seq != int64(i+1) {
				t.Errorf("event %d has seq %d", i, e.Seq)
			}
		}
	})
}

func TestStartFails(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want parley.Code
	}{{store.ErrConflict, parley.CodeNameTaken}, {store.ErrUnavailable, parley.CodeStoreUnavailable}} {
		b := &book{broken: tt.err}
		_, err := Start(t.Context(), Config{Ledger: b, Stage: troupe{}, Logger: slog.Default()}, Create{Conference: conferenceOf(nil)})
		if parley.CodeOf(err) != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("Start with %v: %v", tt.err, err)
		}
	}
}

func TestDeadlineTicksByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		r, err := Start(t.Context(), Config{Ledger: b, Stage: troupe{prepare: true}, Logger: slog.Default()},
			Create{Conference: conferenceOf(func(c *parley.Conference) { c.MaxDuration = 90 })})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		<-r.Done()
		if took := time.Since(began).Round(time.Second); took != 90*time.Second {
			t.Errorf("ended after %v", took)
		}
		if _, err := r.Do(t.Context(), invite(alice)); parley.CodeOf(err) != parley.CodeConferenceEnded {
			t.Errorf("a command after the end: %v", err)
		}
	})
}

func TestAFaultOfTheMachineTakesNothingWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		r := start(t, b, troupe{prepare: true})
		if _, err := r.Do(t.Context(), nil); parley.CodeOf(err) != parley.CodeInternal {
			t.Errorf("a faulty input: %v", err)
		}
		if _, err := r.Do(t.Context(), invite(alice)); err != nil {
			t.Errorf("the next command: %v", err)
		}
		finish(t, r)
	})
}

func TestManyCommandersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		r, err := Start(t.Context(), Config{Ledger: b, Stage: troupe{prepare: true}, Logger: slog.Default()},
			Create{Conference: conferenceOf(func(c *parley.Conference) { c.MaxParts = 500 })})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 300 {
			wg.Go(func() {
				id := parley.NewID(time.Now())
				if _, err := r.Do(t.Context(), invite(id)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if _, err := r.Await(t.Context(), func(s *State) bool {
			for _, p := range s.Participants {
				if p.State != parley.ParticipantJoined {
					return false
				}
			}
			return len(s.Participants) == 300
		}); err != nil {
			t.Fatal(err)
		}
		finish(t, r)
		if n := len(b.types()); n != 602 {
			t.Errorf("%d events, want 602", n)
		}
	})
}
