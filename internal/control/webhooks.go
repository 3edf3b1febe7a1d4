package control

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"parley"
	"parley/internal/store"
)

// newSecret makes a signing secret (Standard Webhooks: 24 to 64 bytes).
func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return "whsec_" + base64.StdEncoding.EncodeToString(b[:])
}

// checkSecret says what is wrong with a secret of the customer's own.
func checkSecret(s string) error {
	b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, "whsec_"))
	if !strings.HasPrefix(s, "whsec_") || err != nil || len(b) < 24 || len(b) > 64 {
		return parley.FieldErrorf(parley.CodeInvalid, "secret", "a secret is whsec_ and the base64 of 24 to 64 bytes")
	}
	return nil
}

// checkWebhook says what is wrong with a webhook's settings.
func (c *Control) checkWebhook(w parley.Webhook) error {
	if err := c.cfg.CheckURL(w.URL); err != nil {
		return &parley.Error{Code: parley.CodeWebhookURL, Field: "url", Message: reason(err), Err: err}
	}
	if w.Format != parley.FormatFull && w.Format != parley.FormatSeed {
		return parley.FieldErrorf(parley.CodeInvalid, "format", `%q is not a format: "full" or "seed"`, w.Format)
	}
	for i, e := range w.Events {
		if e != "*" && !slices.Contains(parley.EventTypes(), parley.EventType(e)) {
			return parley.FieldErrorf(parley.CodeInvalid, fmt.Sprintf("events[%d]", i), `%q is not an event type; "*" means all`, e)
		}
	}
	return nil
}

// CreateWebhook makes a webhook; it gets the events from now on.
func (c *Control) CreateWebhook(ctx context.Context, app parley.ID, r WebhookRequest) (parley.Webhook, error) {
	w := parley.Webhook{ID: c.newID(), Application: app, URL: r.URL, Format: r.Format, Events: r.Events, CreateTime: c.now()}
	if w.Format == "" {
		w.Format = parley.FormatFull
	}
	if err := c.checkWebhook(w); err != nil {
		return w, err
	}
	if r.Secret == "" {
		r.Secret = newSecret()
	} else if err := checkSecret(r.Secret); err != nil {
		return w, err
	}
	w.Secrets = []string{r.Secret}
	var err error
	if w.Start, err = c.cfg.Store.LastPosition(ctx); err != nil {
		return w, storeError(err)
	}
	return w, c.saveWebhook(ctx, w)
}

// saveWebhook makes a webhook durable and the dispatcher know it.
func (c *Control) saveWebhook(ctx context.Context, w parley.Webhook) error {
	if err := c.save(ctx, &w); err != nil {
		return err
	}
	return storeError(c.cfg.Dispatcher.Refresh(ctx))
}

// Webhooks lists an application's webhooks.
func (c *Control) Webhooks(ctx context.Context, app parley.ID, r ListRequest) (Page[parley.Webhook], error) {
	return list[parley.Webhook](ctx, c, store.Query{Kind: store.KindWebhook, Application: app}, r, nil)
}

// Webhook gives a webhook.
func (c *Control) Webhook(ctx context.Context, app, id parley.ID) (parley.Webhook, error) {
	return get[parley.Webhook](ctx, c, store.KindWebhook, app, string(id), "webhook")
}

// UpdateWebhook changes a webhook.
func (c *Control) UpdateWebhook(ctx context.Context, app, id parley.ID, p WebhookPatch) (parley.Webhook, error) {
	w, err := c.Webhook(ctx, app, id)
	if err != nil {
		return w, err
	}
	if p.URL != nil {
		w.URL = *p.URL
		w.Trusted = false
	}
	if p.Format != nil {
		w.Format = *p.Format
	}
	if p.Events != nil {
		w.Events = *p.Events
	}
	if p.Disabled != nil {
		w.Disabled, w.Reason = *p.Disabled, ""
		if w.Disabled {
			w.Reason = "api"
		}
	}
	if p.RotateSecret {
		w.Secrets = []string{newSecret(), w.Secrets[0]}
	}
	if !w.Trusted {
		if err := c.checkWebhook(w); err != nil {
			return w, err
		}
	}
	return w, c.saveWebhook(ctx, w)
}

// DeleteWebhook removes a webhook; what it has not been told it never is.
func (c *Control) DeleteWebhook(ctx context.Context, app, id parley.ID) error {
	if _, err := c.Webhook(ctx, app, id); err != nil {
		return err
	}
	if err := c.commit(ctx, &store.Write{Delete: []store.RowKey{{Kind: store.KindWebhook, ID: string(id)}}}); err != nil {
		return err
	}
	return storeError(c.cfg.Dispatcher.Refresh(ctx))
}

// Deliveries lists a webhook's deliveries, newest first.
func (c *Control) Deliveries(ctx context.Context, app, webhook parley.ID, r DeliveryRequest) (Page[parley.Delivery], error) {
	var page Page[parley.Delivery]
	n, err := limit(r.Limit)
	if err != nil {
		return page, err
	}
	if _, err := c.Webhook(ctx, app, webhook); err != nil {
		return page, err
	}
	q := store.DeliveryQuery{Webhook: webhook, EventID: r.EventID, State: r.State, Limit: n}
	if r.Cursor != "" {
		if q.Before, err = strconv.ParseInt(r.Cursor, 10, 64); err != nil {
			return page, parley.FieldErrorf(parley.CodeInvalid, "cursor", "%q is not a next_cursor of this list", r.Cursor)
		}
	}
	items, next, err := c.cfg.Store.Deliveries(ctx, q)
	if err != nil {
		return page, storeError(err)
	}
	page.Items = items
	if next != 0 {
		page.NextCursor = strconv.FormatInt(next, 10)
	}
	return page, nil
}

// maxReplay is the most events of one replay.
const maxReplay = 10_000

// Replay sends events again, with their own event IDs; it gives their number.
func (c *Control) Replay(ctx context.Context, app, webhook parley.ID, r ReplayRequest) (int, error) {
	w, err := c.Webhook(ctx, app, webhook)
	if err != nil {
		return 0, err
	}
	var events []parley.Event
	switch {
	case r.EventID != "":
		e, err := c.event(ctx, app, "event_id", r.EventID)
		if err != nil {
			return 0, err
		}
		events = []parley.Event{e}
	case r.Conference != "":
		if events, err = c.replayRange(ctx, app, w, r); err != nil {
			return 0, err
		}
	case r.Dead:
		if events, err = c.deadLetters(ctx, app, webhook); err != nil {
			return 0, err
		}
	default:
		return 0, parley.FieldErrorf(parley.CodeInvalid, "event_id", "is missing: an event_id, or conference with from_seq and to_seq, or dead: true")
	}
	if err := c.cfg.Dispatcher.Replay(ctx, webhook, events); err != nil {
		return 0, storeError(err)
	}
	return len(events), nil
}

// replayRange is the events of a conference that the webhook wants.
func (c *Control) replayRange(ctx context.Context, app parley.ID, w parley.Webhook, r ReplayRequest) ([]parley.Event, error) {
	if r.FromSeq < 0 || r.ToSeq < 0 || (r.ToSeq > 0 && r.ToSeq < r.FromSeq) {
		return nil, parley.FieldErrorf(parley.CodeInvalid, "from_seq", "%d to %d is not a range of seq", r.FromSeq, r.ToSeq)
	}
	q := store.EventQuery{Application: app, Stream: r.Conference, Limit: maxReplay}
	if r.FromSeq > 0 {
		q.AfterSeq = r.FromSeq - 1
	}
	all, err := c.cfg.Store.Events(ctx, q)
	if err != nil {
		return nil, storeError(err)
	}
	if len(all) == 0 {
		return nil, parley.FieldErrorf(parley.CodeNotFound, "conference", "no events of %s", r.Conference)
	}
	return slices.DeleteFunc(all, func(e parley.Event) bool { return !w.Wants(e.Type) || r.ToSeq > 0 && e.Seq > r.ToSeq }), nil
}

// deadLetters is the events that a webhook refused for good, in their order.
func (c *Control) deadLetters(ctx context.Context, app, webhook parley.ID) ([]parley.Event, error) {
	dead, _, err := c.cfg.Store.Deliveries(ctx, store.DeliveryQuery{Webhook: webhook, State: parley.DeliveryDead, Limit: maxReplay})
	if err != nil {
		return nil, storeError(err)
	}
	var events []parley.Event
	for _, d := range slices.Backward(dead) {
		e, err := c.event(ctx, app, "event_id", d.EventID)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}
