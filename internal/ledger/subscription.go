package ledger

import (
	"context"
	"sync"

	"parley"
	"parley/internal/store"
)

// batch is how many events Next gives at most.
const batch = 256

// Subscription reads the ledger from a position on. Next is for one goroutine
// at a time; Close may be called from any.
type Subscription struct {
	ledger *Ledger
	after  int64

	once   sync.Once
	closed chan struct{}
}

// Next waits for events and gives the next ones, at least one, in ascending
// order of Position. The bodies are shared: they must not be changed. It
// returns ctx's error when ctx ends, ErrClosed when the subscription or the
// ledger has been closed and nothing is left to read, and
// store.ErrUnavailable when it had to read the store and could not; the same
// call may then succeed later, and nothing is skipped.
func (s *Subscription) Next(ctx context.Context) ([]parley.Event, error) {
	for {
		select {
		case <-s.closed:
			return nil, ErrClosed
		default:
		}
		ended := s.ledger.ended() // before the look, so that nothing is missed
		events, ok, wake := s.ledger.recent(s.after, batch)
		if !ok {
			var err error
			events, err = s.ledger.st.Events(ctx, store.EventQuery{After: s.after, Limit: batch})
			if err != nil {
				return nil, err
			}
			events = upTo(events, s.ledger.Position())
		}
		if len(events) > 0 {
			s.after = events[len(events)-1].Position
			return events, nil
		}
		if !ok {
			// The store has none where the ring has lost some: they were
			// removed there. What the ring still has comes next.
			s.after = max(s.after, s.ledger.floor())
			continue
		}
		if ended {
			return nil, ErrClosed
		}
		if err := s.wait(ctx, wake); err != nil {
			return nil, err
		}
	}
}

// upTo leaves out events that are durable and not published yet: CommitThen's
// caller comes first.
func upTo(events []parley.Event, position int64) []parley.Event {
	n := len(events)
	for n > 0 && events[n-1].Position > position {
		n--
	}
	return events[:n]
}

// wait blocks until there may be something new.
func (s *Subscription) wait(ctx context.Context, wake <-chan struct{}) error {
	select {
	case <-wake:
	case <-s.ledger.done:
	case <-s.closed:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// Position is the position of the last event that Next gave, or the one that
// the subscription began after.
func (s *Subscription) Position() int64 { return s.after }

// Close ends the subscription: a Next that waits returns ErrClosed. It may be
// called more than once.
func (s *Subscription) Close() {
	s.once.Do(func() {
		close(s.closed)
		s.ledger.mu.Lock()
		s.ledger.stats.Subscribers--
		s.ledger.mu.Unlock()
	})
}

// ended reports whether the writer has ended.
func (l *Ledger) ended() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}

// floor is the position after which memory has every event.
func (l *Ledger) floor() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ring.floor
}
