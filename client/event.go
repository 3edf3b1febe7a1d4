package client

import (
	"context"
	"encoding/json"
	"fmt"

	"parley"
)

// Event is one event, as webhooks, the list and the stream show it.
type Event struct {
	ID   string // event_id; empty in the format "seed"
	Seq  int64
	Type parley.EventType
	Body json.RawMessage // the server's bytes
}

// UnmarshalJSON takes the bytes as they are.
func (e *Event) UnmarshalJSON(b []byte) error {
	var head struct {
		ID   string           `json:"event_id"`
		Seq  int64            `json:"seq"`
		Type parley.EventType `json:"event"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return err
	}
	e.ID, e.Seq, e.Type = head.ID, head.Seq, head.Type
	e.Body = append(e.Body[:0], b...)
	return nil
}

// ParseEvent takes the body of a webhook's request apart. Verify it first.
func ParseEvent(body []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(body, &e); err != nil {
		return e, fmt.Errorf("event cannot be read: %w", err)
	}
	return e, nil
}

// Decode reads the event's fields into a fact of the package parley, such as
// *parley.JoinedFact for parley.EventConfJoined.
func (e Event) Decode(fact any) error { return json.Unmarshal(e.Body, fact) }

// EventOptions chooses events. Zero fields do not restrict.
type EventOptions struct {
	Conference parley.ID        // or a call, for call.* events
	Type       parley.EventType //
	After      string           // event_id: only later ones
	Since      parley.Millis
	Until      parley.Millis
	Limit      int    // 1 to 1000, 0 for 100
	Cursor     string // NextCursor of the page before, instead of After
}

// Events lists events, oldest first.
func (c *Client) Events(ctx context.Context, o EventOptions) (Page[Event], error) {
	q := ListOptions{Limit: o.Limit, Cursor: o.Cursor}.query()
	setText(q, "conference", o.Conference)
	setText(q, "type", o.Type)
	setText(q, "after", o.After)
	setCount(q, "since", o.Since)
	setCount(q, "until", o.Until)
	return get[Page[Event]](ctx, c, path("events"), q)
}
