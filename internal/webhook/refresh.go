package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"parley"
	"parley/internal/store"
)

// listed is a webhook as it was read, ready for use.
type listed struct {
	hook parley.Webhook
	keys [][]byte
	host string // scheme and host of the URL
}

// Refresh reads the webhooks and returns when the dispatcher works by what they
// say now: to be called after one was created, changed or removed. Before Run
// it does nothing, as Run reads them itself.
func (d *Dispatcher) Refresh(ctx context.Context) error {
	d.mu.Lock()
	started := d.started
	d.mu.Unlock()
	if !started || d.running.Err() != nil {
		return nil
	}
	return d.refresh(ctx)
}

// load reads the webhooks for the first time.
func (d *Dispatcher) load() {
	for {
		err := d.refresh(d.running)
		if err == nil || d.running.Err() != nil {
			return
		}
		d.logger.Error("webhooks cannot be read", "error", err)
		pause(d.running, storeRetry)
	}
}

// lock keeps others from reading or changing webhooks until unlock.
func (d *Dispatcher) lock(ctx context.Context) error {
	select {
	case d.refreshes <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *Dispatcher) unlock() { <-d.refreshes }

func (d *Dispatcher) refresh(ctx context.Context) error {
	if err := d.lock(ctx); err != nil {
		return err
	}
	defer d.unlock()
	rows, err := d.cfg.Store.List(ctx, store.Query{Kind: store.KindWebhook, Ascending: true})
	if err != nil {
		return err
	}
	var hooks []listed
	for _, row := range rows {
		var h listed
		if err := store.Decode(row, &h.hook); err != nil {
			return err
		}
		if h.hook.Disabled {
			continue
		}
		if h.keys, err = parseSecrets(h.hook.Secrets); err == nil {
			h.host, err = hostOf(h.hook.URL)
		}
		if err != nil {
			// Nothing is lost: its events are kept, as for one that is disabled.
			d.logger.Error("webhook cannot be delivered to", "webhook", h.hook.ID, "error", err)
			continue
		}
		hooks = append(hooks, h)
	}
	return d.call(ctx, func() { d.apply(hooks) })
}

// hostOf is the scheme and host of a URL.
func hostOf(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return "", errors.New("its URL cannot be read")
	}
	return strings.ToLower(u.Scheme + "://" + u.Host), nil
}

// apply makes the targets what was read. It runs on the loop's goroutine.
func (d *Dispatcher) apply(hooks []listed) {
	keep := map[parley.ID]bool{}
	for _, h := range hooks {
		keep[h.hook.ID] = true
		t := d.targets[h.hook.ID]
		switch {
		case t == nil:
			d.add(h)
		case !reflect.DeepEqual(t.hook, h.hook):
			d.change(t, h)
		}
	}
	for id, t := range d.targets {
		if !keep[id] {
			d.drop(t)
		}
	}
}

// add begins to deliver to a webhook.
func (d *Dispatcher) add(h listed) {
	t := &target{lanes: map[laneKey]*lane{}, resume: map[string]parley.Delivery{}}
	t.breaker.exhausted = map[parley.ID]bool{}
	t.breaker.alarm = alarm{index: -1, fire: func() { d.probe(t) }}
	t.set(h.hook, h.keys)
	t.dest = d.destination(h)
	d.targets[h.hook.ID] = t
	d.byApp[h.hook.Application] = append(d.byApp[h.hook.Application], t)
	d.recover(t)
}

// destination gives the destination of a webhook and counts it in.
func (d *Dispatcher) destination(h listed) *destination {
	key := fmt.Sprintf("%s %s", h.hook.Application, h.host)
	dest := d.destinations[key]
	if dest == nil {
		dest = &destination{key: key}
		d.destinations[key] = dest
	}
	dest.targets++
	return dest
}

// leave counts a webhook out of its destination.
func (d *Dispatcher) leave(dest *destination) {
	dest.targets--
	d.pump(dest)
}

// change goes on with a webhook's new settings. Whatever waits tries at once:
// the change may be the cure.
func (d *Dispatcher) change(t *target, h listed) {
	old := t.dest
	t.dest = d.destination(h)
	t.set(h.hook, h.keys)
	d.leave(old)
	d.close(t)
	for _, l := range t.lanes {
		if l.state == laneWaiting {
			d.alarms.stop(&l.alarm)
			l.state = laneIdle
			d.schedule(l)
		}
	}
}

// drop stops delivering to a webhook. Requests under way end without effect.
func (d *Dispatcher) drop(t *target) {
	delete(d.targets, t.hook.ID)
	app := t.hook.Application
	d.byApp[app] = slices.DeleteFunc(d.byApp[app], func(other *target) bool { return other == t })
	if len(d.byApp[app]) == 0 {
		delete(d.byApp, app)
	}
	d.alarms.stop(&t.breaker.alarm)
	for _, l := range t.lanes {
		l.gone = true
		d.alarms.stop(&l.alarm)
		d.queued -= len(l.queue)
		l.queue = nil
	}
	t.lanes = map[laneKey]*lane{}
	d.leave(t.dest)
}

// disable stops delivering to a webhook whose destination is gone (410), now
// and after a restart. It runs on the loop's goroutine; the row is written
// beside it.
func (d *Dispatcher) disable(t *target) {
	hook := t.hook
	d.logger.Warn("webhook's destination is gone: the webhook is disabled", "webhook", hook.ID)
	d.drop(t)
	d.beside(func() func() {
		for d.running.Err() == nil {
			err := d.writeDisabled(d.running, hook)
			if err == nil {
				break
			}
			d.logger.Error("webhook cannot be disabled for good yet", "webhook", hook.ID, "error", err)
			pause(d.running, storeRetry)
		}
		return func() {}
	})
}

// writeDisabled disables the row of a webhook, unless it was changed since.
func (d *Dispatcher) writeDisabled(ctx context.Context, hook parley.Webhook) error {
	if err := d.disableRow(ctx, hook); err != nil {
		return err
	}
	return d.refresh(ctx)
}

func (d *Dispatcher) disableRow(ctx context.Context, hook parley.Webhook) error {
	if err := d.lock(ctx); err != nil {
		return err
	}
	defer d.unlock()
	row, err := d.cfg.Store.Get(ctx, store.KindWebhook, string(hook.ID))
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var now parley.Webhook
	if err := store.Decode(row, &now); err != nil {
		return err
	}
	if now.URL != hook.URL || now.Disabled {
		return nil
	}
	now.Disabled, now.Reason = true, "gone"
	return d.cfg.Ledger.Commit(ctx, &store.Write{Put: []store.Row{store.Encode(&now)}})
}
