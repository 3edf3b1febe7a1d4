package webhook

import "time"

// This file is the breaker of a target. Everything in it runs on the loop's
// goroutine.

// suspects is how many streams must have used up the quick tries of an event,
// with nothing delivered meanwhile, for the breaker to open. One alone may be
// the event's own fault; it is held back by its own schedule, which is the
// same.
const suspects = 2

// failed tells the breaker of a failing attempt of l. It opens when the streams
// that fail have used up their quick tries, or when the destination names a
// time (Retry-After); a failed probe keeps it open for longer.
func (d *Dispatcher) failed(l *lane, o outcome) {
	t := l.target
	b := &t.breaker
	attempts := l.record.Attempts
	b.last = time.Now()
	if l.seen != b.successes {
		l.seen, l.failures = b.successes, 0
	}
	if l.failures++; l.failures >= d.plan.Tries {
		b.exhausted[l.key.stream] = true
	}
	switch {
	case o.paused:
		failures := max(b.failures, attempts)
		if b.open && b.probe == l {
			failures = b.failures + 1
		}
		// At least the least delay of the schedule: "0" is no invitation to
		// call in a loop.
		d.open(t, failures, max(o.pause, d.least()))
		b.paused = true
	case b.open && b.probe == l && b.extra:
		b.probe, b.extra = nil, false
	case b.open && b.probe == l:
		d.open(t, b.failures+1, d.plan.delay(b.failures+1, d.cfg.Chance()))
	case !b.open && len(b.exhausted) >= suspects:
		d.open(t, attempts, d.plan.delay(attempts, d.cfg.Chance()))
	}
}

// least is the shortest delay before jitter.
func (d *Dispatcher) least() time.Duration { return d.plan.nominal(1) }

// open opens the breaker, or keeps it open, until the next probe after delay.
func (d *Dispatcher) open(t *target, failures int, delay time.Duration) {
	b := &t.breaker
	if !b.open {
		d.logger.Warn("webhook's destination fails: one probe at a time from now on",
			"webhook", t.hook.ID, "destination", t.dest.key, "next", delay.Round(time.Second))
	}
	b.open, b.probe, b.extra, b.paused, b.failures = true, nil, false, false, failures
	b.until = time.Now().Add(delay)
	d.alarms.set(&b.alarm, b.until)
}

// block makes a lane wait for the breaker, or makes it the probe if one is due.
func (d *Dispatcher) block(l *lane) {
	b := &l.target.breaker
	due := !time.Now().Before(b.until)
	if b.probe == nil && !due && !b.paused && l.record.Attempts == 0 && time.Since(b.last) >= d.least() {
		// An event that was never tried is an extra probe: if what failed was
		// the fault of other events, it does not wait for them.
		b.extra = true
		d.begin(l)
		return
	}
	l.state = laneBlocked
	b.blocked.push(l)
	if b.probe == nil && due {
		d.probe(l.target)
	}
}

// begin makes a lane the probe.
func (d *Dispatcher) begin(l *lane) {
	l.target.breaker.probe = l
	l.state = laneIdle
	d.schedule(l)
}

// probe lets the lane that has waited longest try. Without one, the next to
// come is the probe.
func (d *Dispatcher) probe(t *target) {
	b := &t.breaker
	if !b.open || b.probe != nil || time.Now().Before(b.until) {
		return
	}
	for b.blocked.len() > 0 {
		l := b.blocked.pop()
		if l.gone || l.state != laneBlocked {
			continue
		}
		d.begin(l)
		return
	}
}

// alive tells the breaker that the destination answered an attempt of l as a
// destination does that works.
func (d *Dispatcher) alive(l *lane) {
	b := &l.target.breaker
	b.successes++
	clear(b.exhausted)
	if b.open && (b.probe == l || !b.paused) {
		d.close(l.target)
	}
}

// close closes the breaker: every lane that it held goes on.
func (d *Dispatcher) close(t *target) {
	b := &t.breaker
	if !b.open {
		return
	}
	d.logger.Info("webhook's destination works again", "webhook", t.hook.ID, "destination", t.dest.key)
	b.open, b.paused, b.probe, b.extra, b.failures = false, false, nil, false, 0
	clear(b.exhausted)
	d.alarms.stop(&b.alarm)
	for b.blocked.len() > 0 {
		l := b.blocked.pop()
		if l.gone || l.state != laneBlocked {
			continue
		}
		l.state = laneIdle
		d.schedule(l)
	}
}
