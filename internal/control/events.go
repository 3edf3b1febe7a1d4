package control

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"parley"
	"parley/internal/ledger"
	"parley/internal/store"
)

// Events lists an application's events, oldest first.
func (c *Control) Events(ctx context.Context, app parley.ID, r EventRequest) (Page[parley.Event], error) {
	n, err := limit(r.Limit)
	if err != nil {
		return Page[parley.Event]{}, err
	}
	after, err := c.position(ctx, app, r.After)
	if err != nil {
		return Page[parley.Event]{}, err
	}
	events, err := c.cfg.Store.Events(ctx, store.EventQuery{
		Application: app, Stream: r.Conference, Type: r.Type, After: after, Since: r.Since, Until: r.Until, Limit: n + 1,
	})
	if err != nil {
		return Page[parley.Event]{}, storeError(err)
	}
	page := Page[parley.Event]{Items: events}
	if len(events) > n {
		page.Items = events[:n]
		page.NextCursor = events[n-1].ID()
	}
	return page, nil
}

// position is the store position that a cursor (an event_id of the
// application, or empty for the beginning) names.
func (c *Control) position(ctx context.Context, app parley.ID, cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	e, err := c.event(ctx, app, "after", cursor)
	return e.Position, err
}

// event finds an event by its event_id.
func (c *Control) event(ctx context.Context, app parley.ID, field, id string) (parley.Event, error) {
	stream, seq, ok := parseEventID(id)
	if !ok {
		return parley.Event{}, parley.FieldErrorf(parley.CodeInvalid, field, "%q is not an event_id: evt_<32 hexadecimal digits>_<number>", id)
	}
	e, err := c.cfg.Store.Event(ctx, stream, seq)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && e.Application != app:
		return parley.Event{}, parley.FieldErrorf(parley.CodeNotFound, field, "no event %s", id)
	case err != nil:
		return parley.Event{}, storeError(err)
	}
	return e, nil
}

// parseEventID takes an event_id apart.
func parseEventID(id string) (stream parley.ID, seq int64, ok bool) {
	rest, ok := strings.CutPrefix(id, "evt_")
	if !ok {
		return "", 0, false
	}
	s, n, ok := strings.Cut(rest, "_")
	if !ok || !parley.ID(s).Valid() {
		return "", 0, false
	}
	seq, err := strconv.ParseInt(n, 10, 64)
	return parley.ID(s), seq, err == nil && seq > 0 && n[0] != '+'
}

// EventStream gives committed events in order.
type EventStream interface {
	// Next blocks until there are events or ctx ends.
	Next(ctx context.Context) ([]parley.Event, error)
	// Close ends the stream.
	Close()
}

// EventStream follows an application's events after r.After, or from now on.
// The caller closes it.
func (c *Control) EventStream(ctx context.Context, app parley.ID, r EventRequest) (EventStream, error) {
	after, err := c.position(ctx, app, r.After)
	if err != nil {
		return nil, err
	}
	if r.After == "" {
		if after, err = c.cfg.Store.LastPosition(ctx); err != nil {
			return nil, storeError(err)
		}
	}
	return &eventStream{c.cfg.Ledger.Subscribe(after), app, r}, nil
}

// eventStream is the part of a subscription that an application asked for.
type eventStream struct {
	*ledger.Subscription
	app parley.ID
	r   EventRequest
}

// Next implements EventStream.
func (s *eventStream) Next(ctx context.Context) ([]parley.Event, error) {
	for {
		events, err := s.Subscription.Next(ctx)
		if err != nil {
			return nil, err
		}
		var out []parley.Event
		for _, e := range events {
			if e.Application == s.app && (s.r.Conference == "" || e.Stream == s.r.Conference) && (s.r.Type == "" || e.Type == s.r.Type) {
				out = append(out, e)
			}
		}
		if len(out) > 0 {
			return out, nil
		}
	}
}
