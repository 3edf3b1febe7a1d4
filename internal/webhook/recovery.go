package webhook

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"parley"
	"parley/internal/store"
)

// pendingPage is how many deliveries are read at once.
const pendingPage = 1000

// recovery is what the store says of a webhook.
type recovery struct {
	behind  []store.Cursor
	pending []parley.Delivery
}

// recover finds out where a webhook got to before. Its lanes only collect until
// then.
func (d *Dispatcher) recover(t *target) {
	t.recovering, t.start = true, d.position
	hook := t.hook
	d.beside(func() func() {
		var r recovery
		err := errors.New("not read yet")
		for err != nil && d.running.Err() == nil {
			if r, err = d.readRecovery(hook); err != nil && d.running.Err() == nil {
				d.logger.Error("where a webhook got to cannot be read", "webhook", hook.ID, "error", err)
				pause(d.running, storeRetry)
			}
		}
		return func() {
			if err == nil {
				d.recovered(t, r)
			}
		}
	})
}

// readRecovery reads, a few webhooks at once, what is recorded so far.
func (d *Dispatcher) readRecovery(hook parley.Webhook) (recovery, error) {
	var r recovery
	if err := d.recorder.flush(d.running); err != nil {
		return r, err
	}
	select {
	case d.recovers <- struct{}{}:
		defer func() { <-d.recovers }()
	case <-d.running.Done():
		return r, d.running.Err()
	}
	var err error
	if r.behind, err = d.cfg.Store.Behind(d.running, hook.ID, hook.Application, hook.Start); err != nil {
		return r, err
	}
	q := store.DeliveryQuery{Webhook: hook.ID, State: parley.DeliveryPending, Limit: pendingPage}
	for {
		page, next, err := d.cfg.Store.Deliveries(d.running, q)
		if err != nil {
			return r, err
		}
		r.pending = append(r.pending, page...)
		if next == 0 {
			return r, nil
		}
		q.Before = next
	}
}

// recovered makes the lanes of what is behind and lets the target go.
func (d *Dispatcher) recovered(t *target, r recovery) {
	if d.targets[t.hook.ID] != t {
		return
	}
	settled := map[parley.ID]int64{}
	for _, c := range r.behind {
		settled[c.Stream] = c.Seq
		key := laneKey{stream: c.Stream}
		l := t.lanes[key]
		if l == nil {
			l = d.newLane(t, key)
			l.bound = t.start
		} else { // what came meanwhile is read again, after what came before it
			if n := len(l.queue); n > 0 {
				l.bound = max(l.bound, l.queue[n-1].Position)
			}
			d.queued -= len(l.queue)
			l.queue = nil
		}
		l.behind, l.read, l.pos = true, c.Seq, 0
	}
	d.resumePending(t, r.pending, settled)
	t.recovering = false
	for _, l := range t.lanes {
		if l.state == laneIdle {
			d.schedule(l)
		}
	}
}

// resumePending takes over deliveries that had begun: those of events that are
// settled are replays.
func (d *Dispatcher) resumePending(t *target, pending []parley.Delivery, settled map[parley.ID]int64) {
	slices.SortFunc(pending, func(a, b parley.Delivery) int {
		return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Seq, b.Seq))
	})
	for _, p := range pending {
		t.resume[p.EventID] = p
		if seq, ok := settled[p.Stream]; !ok || p.Seq <= seq {
			l := d.replayLane(t, p.Stream)
			l.seqs = append(l.seqs, p.Seq)
		}
	}
}

// replayLane gives a stream's lane for replays.
func (d *Dispatcher) replayLane(t *target, stream parley.ID) *lane {
	key := laneKey{stream: stream, replay: true}
	if l := t.lanes[key]; l != nil {
		return l
	}
	return d.newLane(t, key)
}

// read fills a lane from the store, beside the loop; it takes a slot, so that a
// destination with many lanes does not read them all at once.
func (d *Dispatcher) read(dest *destination, l *lane) {
	d.occupy(dest, l)
	fn := d.readNext
	if l.key.replay {
		fn = d.readReplay
	}
	if !d.beside(fn(l)) {
		d.release(l)
	}
}

// readNext reads the events after what the lane has read.
func (d *Dispatcher) readNext(l *lane) func() func() {
	q := store.EventQuery{Stream: l.key.stream, AfterSeq: l.read, Limit: laneQueue}
	bound := l.bound
	return func() func() {
		events, err := d.cfg.Store.Events(d.running, q)
		return func() {
			if d.hasRead(l, err) {
				d.fill(l, events, bound)
				d.goOn(l)
			}
		}
	}
}

// fill appends the events up to the position bound that are wanted. It is the
// subscription that says how far a stream goes, so that no event comes twice.
func (d *Dispatcher) fill(l *lane, events []parley.Event, bound int64) {
	ended := len(events) < laneQueue
	t := l.target
	for _, e := range events {
		if e.Position > bound {
			ended = true
			break
		}
		l.read = e.Seq
		if t.takes(e) {
			d.enqueue(l, e)
		} else if len(l.queue) == 0 {
			l.pos = e.Position
		}
	}
	if ended && l.bound == bound {
		l.behind = false
	}
}

// readReplay reads the next event of a replay.
func (d *Dispatcher) readReplay(l *lane) func() func() {
	seq := l.seqs[0]
	return func() func() {
		e, err := d.cfg.Store.Event(d.running, l.key.stream, seq)
		return func() {
			missing := errors.Is(err, store.ErrNotFound)
			if !missing && !d.hasRead(l, err) {
				return
			}
			l.seqs = l.seqs[1:]
			if missing {
				d.forget(l, seq)
			} else if !l.gone {
				d.enqueue(l, e)
			}
			d.goOn(l)
		}
	}
}

// forget ends a replay whose event is no longer kept.
func (d *Dispatcher) forget(l *lane, seq int64) {
	if p, ok := l.target.resume[parley.EventID(l.key.stream, seq)]; ok {
		p.State, p.NextTime, p.LastError = parley.DeliveryDead, 0, "the event is no longer kept"
		delete(l.target.resume, p.EventID)
		d.recorder.add([]parley.Delivery{p})
	}
}

// hasRead reports whether a read succeeded and still matters; if not, the lane
// has been dealt with.
func (d *Dispatcher) hasRead(l *lane, err error) bool {
	if err == nil && !l.gone {
		return true
	}
	dest := d.release(l)
	if err != nil && !l.gone && d.running.Err() == nil {
		d.logger.Error("events of a lane cannot be read", "webhook", l.target.hook.ID, "stream", l.key.stream, "error", err)
		d.wait(l, time.Now().Add(storeRetry))
	}
	d.pump(dest)
	return false
}

// goOn schedules a lane that has been read.
func (d *Dispatcher) goOn(l *lane) {
	dest := d.release(l)
	if !l.gone {
		d.schedule(l)
	}
	d.pump(dest)
}

// Replay sends events again to a webhook, with the event IDs that they have. It
// returns when that is durable, before they are delivered. An event that is
// still on its way is not sent twice. The error of a webhook that does not
// exist, or is disabled, is a *parley.Error.
func (d *Dispatcher) Replay(ctx context.Context, webhook parley.ID, events []parley.Event) error {
	found := false
	err := d.call(ctx, func() {
		t := d.targets[webhook]
		if found = t != nil; found {
			d.replay(t, events)
		}
	})
	if err != nil {
		return err
	}
	if !found {
		return parley.Errorf(parley.CodeInvalid, "the webhook is disabled: nothing is sent to it")
	}
	return d.recorder.flush(ctx)
}

// replay queues events on the replay lanes of their streams.
func (d *Dispatcher) replay(t *target, events []parley.Event) {
	var touched []*lane
	for _, e := range events {
		if l := t.lanes[laneKey{stream: e.Stream}]; l != nil && e.Position > l.pos {
			continue // not settled yet: it comes anyway
		}
		if _, ok := t.resume[e.ID()]; ok {
			continue // it is being replayed
		}
		p := parley.Delivery{
			Webhook: t.hook.ID, EventID: e.ID(), Stream: e.Stream, Seq: e.Seq, EventType: e.Type, State: parley.DeliveryPending,
			NextTime: parley.MillisOf(d.now()),
		}
		t.resume[p.EventID] = p
		d.recorder.add([]parley.Delivery{p})
		l := d.replayLane(t, e.Stream)
		l.seqs = append(l.seqs, e.Seq)
		touched = append(touched, l)
	}
	for _, l := range touched {
		if l.state == laneIdle && !l.gone {
			d.schedule(l)
		}
	}
}
