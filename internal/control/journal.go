package control

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"parley"
	"parley/internal/ledger"
	"parley/internal/store"
)

// journal writes what happens to calls outside the conferences' own writes: in
// order, never lost, without making whoever tells it wait.
type journal struct {
	ledger *ledger.Ledger
	logger *slog.Logger
	wg     sync.WaitGroup
	wake   chan struct{} // buffered, 1

	mu     sync.Mutex
	next   store.Write     // guarded by mu
	done   []chan struct{} // guarded by mu; closed when next is durable
	closed bool            // guarded by mu
}

// retryJournal is how long the journal waits before it writes again.
const retryJournal = 250 * time.Millisecond

func startJournal(l *ledger.Ledger, logger *slog.Logger) *journal {
	j := &journal{ledger: l, logger: logger, wake: make(chan struct{}, 1)}
	j.wg.Go(j.run)
	return j
}

// put has records and events written; the channel is closed when they are
// durable.
func (j *journal) put(record any, events ...parley.Event) <-chan struct{} {
	done := make(chan struct{})
	j.mu.Lock()
	j.next.Put = append(j.next.Put, store.Encode(record))
	j.next.Events = append(j.next.Events, events...)
	j.done = append(j.done, done)
	j.mu.Unlock()
	select {
	case j.wake <- struct{}{}:
	default:
	}
	return done
}

func (j *journal) run() {
	for {
		j.mu.Lock()
		w, done, closed := j.next, j.done, j.closed
		j.next, j.done = store.Write{}, nil
		j.mu.Unlock()
		if len(w.Put) == 0 {
			if closed {
				return
			}
			<-j.wake
			continue
		}
		for {
			err := j.ledger.Commit(context.Background(), &w)
			if err == nil {
				break
			}
			j.logger.Error("calls not written, will try again", "error", err)
			if closed {
				return
			}
			timer := time.NewTimer(retryJournal)
			<-timer.C
			j.mu.Lock()
			closed = j.closed
			j.mu.Unlock()
		}
		for _, d := range done {
			close(d)
		}
	}
}

// close writes what is left and ends the goroutine. While the store is out of
// order it gives up after one more try.
func (j *journal) close() {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	select {
	case j.wake <- struct{}{}:
	default:
	}
	j.wg.Wait()
}
