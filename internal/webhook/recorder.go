package webhook

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"parley"
	"parley/internal/ledger"
	"parley/internal/store"
)

// How the recorder batches.
const (
	// linger is how long the recorder waits for more before it writes: what a
	// crash may repeat.
	linger = 20 * time.Millisecond
	// recordChunk is how many deliveries one write holds at most.
	recordChunk = 500
	// recordRetry is how long it waits when the store cannot write.
	recordRetry = 500 * time.Millisecond
)

// recorder writes deliveries and cursors through the ledger, in batches, the
// latest state of each alone. Nobody waits for it but who asks to.
type recorder struct {
	ledger *ledger.Ledger
	logger *slog.Logger
	wake   chan struct{} // capacity 1

	// mu guards what follows.
	mu      sync.Mutex
	next    batch
	waiters []chan error // told when everything added so far is durable
	closing bool
}

type deliveryKey struct {
	webhook parley.ID
	event   string
}

type cursorKey struct {
	webhook, stream parley.ID
}

// batch is what is to be written, in the order in which it first came.
type batch struct {
	deliveries []parley.Delivery
	cursors    []store.Cursor
	byDelivery map[deliveryKey]int // index in deliveries
	byCursor   map[cursorKey]int
}

func newBatch() batch {
	return batch{byDelivery: map[deliveryKey]int{}, byCursor: map[cursorKey]int{}}
}

func (b *batch) empty() bool { return len(b.deliveries) == 0 && len(b.cursors) == 0 }

func (b *batch) addDelivery(d parley.Delivery) {
	k := deliveryKey{d.Webhook, d.EventID}
	if i, ok := b.byDelivery[k]; ok {
		b.deliveries[i] = d
		return
	}
	b.byDelivery[k] = len(b.deliveries)
	b.deliveries = append(b.deliveries, d)
}

func (b *batch) addCursor(c store.Cursor) {
	k := cursorKey{c.Webhook, c.Stream}
	if i, ok := b.byCursor[k]; ok {
		b.cursors[i] = c
		return
	}
	b.byCursor[k] = len(b.cursors)
	b.cursors = append(b.cursors, c)
}

// writes splits the batch; the cursors come last, so that what they settle has
// been recorded.
func (b *batch) writes() []*store.Write {
	var list []*store.Write
	rest := b.deliveries
	for len(rest) > recordChunk {
		list = append(list, &store.Write{Deliveries: rest[:recordChunk]})
		rest = rest[recordChunk:]
	}
	return append(list, &store.Write{Deliveries: rest, Cursors: b.cursors})
}

func newRecorder(l *ledger.Ledger, logger *slog.Logger) *recorder {
	return &recorder{ledger: l, logger: logger, wake: make(chan struct{}, 1), next: newBatch()}
}

// add notes a delivery and, where something is settled, cursors.
func (r *recorder) add(deliveries []parley.Delivery, cursors ...store.Cursor) {
	r.mu.Lock()
	for _, d := range deliveries {
		r.next.addDelivery(d)
	}
	for _, c := range cursors {
		r.next.addCursor(c)
	}
	r.mu.Unlock()
	r.signal()
}

// flush waits until everything added so far is durable.
func (r *recorder) flush(ctx context.Context) error {
	done := make(chan error, 1)
	r.mu.Lock()
	r.waiters = append(r.waiters, done)
	r.mu.Unlock()
	r.signal()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close makes run write what is left and return.
func (r *recorder) close() {
	r.mu.Lock()
	r.closing = true
	r.mu.Unlock()
	r.signal()
}

func (r *recorder) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// take removes what is to be written next.
func (r *recorder) take() (b batch, waiters []chan error, closing bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, waiters = r.next, r.waiters
	r.next, r.waiters = newBatch(), nil
	return b, waiters, r.closing
}

// urgent reports whether somebody waits.
func (r *recorder) urgent() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closing || len(r.waiters) > 0
}

// run writes until close. stop, which ends with the owner's patience, makes it
// give up on a store that cannot write.
func (r *recorder) run(stop context.Context) {
	for {
		<-r.wake
		if !r.urgent() {
			pause(stop, linger)
		}
		b, waiters, closing := r.take()
		var err error
		if !b.empty() {
			err = r.write(stop, b.writes())
		}
		for _, w := range waiters {
			w <- err
		}
		if closing {
			return
		}
	}
}

// write makes the writes durable, however long that takes.
func (r *recorder) write(stop context.Context, writes []*store.Write) error {
	for _, w := range writes {
		for {
			err := r.ledger.Commit(context.WithoutCancel(stop), w)
			if err == nil {
				break
			}
			if errors.Is(err, ledger.ErrClosed) || stop.Err() != nil {
				r.logger.Error("deliveries were not recorded and will be repeated", "deliveries", len(w.Deliveries), "error", err)
				return err
			}
			pause(stop, recordRetry)
		}
	}
	return nil
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
