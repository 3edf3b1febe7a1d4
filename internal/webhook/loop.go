package webhook

import (
	"time"

	"parley"
	"parley/internal/store"
)

// This file is what the loop does with lanes. Everything in it runs on the
// loop's goroutine.

// take hands an event of the subscription to the webhooks that want it.
func (d *Dispatcher) take(e parley.Event) {
	d.position = e.Position
	for _, t := range d.byApp[e.Application] {
		if t.takes(e) {
			d.offer(t, e)
		}
	}
}

// offer appends an event to its lane; a lane that is full leaves it to be read
// from the store later.
func (d *Dispatcher) offer(t *target, e parley.Event) {
	key := laneKey{stream: e.Stream}
	l := t.lanes[key]
	if l == nil {
		l = d.newLane(t, key)
		l.read, l.pos = e.Seq-1, e.Position-1
	}
	switch {
	case l.behind:
		l.bound = e.Position
	case len(l.queue) >= laneQueue || d.queued >= totalQueue:
		l.behind, l.bound = true, e.Position
	default:
		d.enqueue(l, e)
	}
	if l.state == laneIdle {
		d.schedule(l)
	}
}

func (d *Dispatcher) newLane(t *target, key laneKey) *lane {
	l := &lane{key: key, target: t}
	l.alarm = alarm{index: -1, fire: func() { l.state = laneIdle; d.schedule(l) }}
	t.lanes[key] = l
	return l
}

func (d *Dispatcher) enqueue(l *lane, e parley.Event) {
	l.queue = append(l.queue, e)
	l.read = e.Seq
	d.queued++
}

// schedule finds out what an idle lane waits for.
func (d *Dispatcher) schedule(l *lane) {
	t := l.target
	b := &t.breaker
	switch {
	case t.recovering:
		l.state = laneIdle
	case l.empty():
		d.finish(l)
	case b.open && b.probe != l:
		d.block(l)
	default:
		l.state = laneQueued
		t.dest.queue.push(l)
		d.pump(t.dest)
	}
}

// finish forgets a lane that has nothing left to do.
func (d *Dispatcher) finish(l *lane) {
	t := l.target
	l.state, l.gone = laneIdle, true
	delete(t.lanes, l.key)
	if t.breaker.probe == l {
		t.breaker.probe = nil
		d.probe(t)
	}
}

// wait tries a lane again at a time.
func (d *Dispatcher) wait(l *lane, at time.Time) {
	l.state = laneWaiting
	d.alarms.set(&l.alarm, at)
}

// pump gives the free slots of a destination to its lanes, in turn.
func (d *Dispatcher) pump(dest *destination) {
	for dest.slots < d.cfg.Concurrency && dest.queue.len() > 0 {
		l := dest.queue.pop()
		t := l.target
		switch {
		case l.gone:
		case t.dest != dest: // the webhook's URL was changed
			t.dest.queue.push(l)
			d.pump(t.dest)
		case t.breaker.open && t.breaker.probe != l:
			d.block(l)
		case len(l.queue) == 0:
			d.read(dest, l)
		default:
			d.attempt(dest, l)
		}
	}
	if dest.targets == 0 && dest.slots == 0 && dest.queue.len() == 0 && d.destinations[dest.key] == dest {
		delete(d.destinations, dest.key)
	}
}

// occupy takes a slot for a lane.
func (d *Dispatcher) occupy(dest *destination, l *lane) {
	dest.slots++
	l.state, l.slot = laneWorking, dest
}

// release gives a lane's slot back.
func (d *Dispatcher) release(l *lane) *destination {
	dest := l.slot
	dest.slots--
	l.state, l.slot = laneIdle, nil
	return dest
}

// attempt posts the head of a lane.
func (d *Dispatcher) attempt(dest *destination, l *lane) {
	e := l.queue[0]
	if d.resume(l, e) {
		return
	}
	to := l.target.endpoint(&d.cfg)
	d.occupy(dest, l)
	if !d.beside(func() func() {
		o := d.post(d.attempts, to, e)
		return func() {
			if o.verdict == gone && to.url != l.target.hook.URL {
				o.verdict = failing // not of the URL that the webhook has by now
			}
			d.attempted(l, e, o)
		}
	}) {
		d.release(l)
	}
}

// resume takes over what is recorded of the event's attempts, from before a
// restart or a replay, and reports whether the next one is not due yet.
func (d *Dispatcher) resume(l *lane, e parley.Event) bool {
	if l.record.EventID != "" {
		return false
	}
	t := l.target
	id := e.ID()
	earlier, ok := t.resume[id]
	l.record = parley.Delivery{Webhook: t.hook.ID, EventID: id, Stream: e.Stream, Seq: e.Seq, EventType: e.Type, State: parley.DeliveryPending}
	if !ok {
		return false
	}
	delete(t.resume, id)
	l.record = earlier
	l.failures, l.seen = earlier.Attempts, t.breaker.successes
	wait := min(earlier.NextTime.Time().Sub(d.now()), d.plan.Max)
	if earlier.NextTime == 0 || wait <= 0 || t.breaker.open {
		return false
	}
	d.wait(l, time.Now().Add(wait))
	return true
}

// attempted deals with the result of an attempt.
func (d *Dispatcher) attempted(l *lane, e parley.Event, o outcome) {
	dest := d.release(l)
	d.stats.Attempts++
	if !l.gone {
		d.note(l, o)
		switch o.verdict {
		case delivered:
			d.alive(l)
			d.settle(l, e, parley.DeliverySucceeded)
		case refused:
			d.alive(l)
			d.retryRefused(l, e)
		case gone:
			d.recordPending(l, time.Now())
			d.disable(l.target)
		default:
			d.retryFailing(l, e, o)
		}
	}
	d.pump(dest)
}

// note writes an outcome into the lane's record.
func (d *Dispatcher) note(l *lane, o outcome) {
	r := &l.record
	now := d.now()
	r.Attempts++
	r.LastStatus, r.LastError, r.Response = o.status, o.err, o.response
	r.LatencyMS = o.latency.Milliseconds()
	r.LastTime, r.NextTime = parley.MillisOf(now), 0
	if r.FirstTime == 0 {
		r.FirstTime = parley.MillisOf(now.Add(-o.latency))
	}
	if o.verdict != delivered {
		d.stats.Failed++
	}
}

// settle ends the way of the head: the lane goes on after it.
func (d *Dispatcher) settle(l *lane, e parley.Event, state parley.DeliveryState) {
	l.record.State, l.record.NextTime = state, 0
	if state == parley.DeliveryDead {
		d.stats.Dead++
	} else {
		d.stats.Delivered++
	}
	if l.key.replay {
		d.recorder.add([]parley.Delivery{l.record})
	} else {
		l.pos = e.Position
		d.recorder.add([]parley.Delivery{l.record}, store.Cursor{Webhook: l.target.hook.ID, Stream: e.Stream, Seq: e.Seq, Position: e.Position})
		d.soil(l.target)
	}
	l.queue[0] = parley.Event{} // its body can be freed
	l.queue = l.queue[1:]
	d.queued--
	l.record, l.failures = parley.Delivery{}, 0
	d.schedule(l)
}

// retryRefused gives an event its quick tries, then ends its way: the refusal
// is about this event alone.
func (d *Dispatcher) retryRefused(l *lane, e parley.Event) {
	if l.record.Attempts >= d.plan.Tries {
		d.settle(l, e, parley.DeliveryDead)
		return
	}
	d.retryAt(l, time.Now().Add(d.plan.delay(l.record.Attempts, d.cfg.Chance())))
}

// retryFailing puts the event on the schedule: behind the breaker if the whole
// destination fails, else by itself.
func (d *Dispatcher) retryFailing(l *lane, e parley.Event, o outcome) {
	t := l.target
	d.failed(l, o)
	age := d.now().Sub(l.record.FirstTime.Time())
	switch {
	case l.record.Attempts >= d.plan.attempts() && age >= d.plan.GiveUp:
		d.settle(l, e, parley.DeliveryDead)
	case t.breaker.open:
		d.recordPending(l, t.breaker.until)
		d.block(l)
	default:
		d.retryAt(l, time.Now().Add(d.plan.delay(l.record.Attempts, d.cfg.Chance())))
	}
}

// retryAt records and waits.
func (d *Dispatcher) retryAt(l *lane, at time.Time) {
	d.recordPending(l, at)
	d.wait(l, at)
}

func (d *Dispatcher) recordPending(l *lane, at time.Time) {
	l.record.State = parley.DeliveryPending
	l.record.NextTime = parley.MillisOf(d.now().Add(time.Until(at)))
	d.recorder.add([]parley.Delivery{l.record})
}

// soil notes that a webhook's watermark may have moved.
func (d *Dispatcher) soil(t *target) {
	if t.dirty {
		return
	}
	t.dirty = true
	d.dirty = append(d.dirty, t)
	if d.beat.index < 0 {
		d.alarms.set(&d.beat, time.Now().Add(watermarkBeat))
	}
}

// writeWatermarks has the watermarks recorded that have moved.
func (d *Dispatcher) writeWatermarks() {
	for _, t := range d.dirty {
		t.dirty = false
		if d.targets[t.hook.ID] != t {
			continue
		}
		if floor := t.floor(d.position); floor > t.mark {
			t.mark = floor
			d.recorder.add(nil, store.Cursor{Webhook: t.hook.ID, Position: floor})
		}
	}
	clear(d.dirty)
	d.dirty = d.dirty[:0]
}
