package httpapi

import (
	"bytes"
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"

	"parley"
	"parley/internal/control"
)

// eventListing selects events.
type eventListing struct {
	Conference parley.ID        `query:"conference" doc:"only this conference's; for call.* events, this call's"`
	Type       parley.EventType `query:"type" doc:"only this type" example:"conf.joined"`
	After      string           `query:"after" doc:"event_id: only later events"`
	Cursor     string           `query:"cursor" doc:"next_cursor of the page before; instead of after"`
	Since      parley.Millis    `query:"since" doc:"only events from this time on, Unix milliseconds"`
	Until      parley.Millis    `query:"until" doc:"only events before this time, Unix milliseconds"`
	Limit      int              `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"how many items at most" example:"20"`
}

// eventFilter selects the events of a stream.
type eventFilter struct {
	Conference parley.ID        `query:"conference" doc:"only this conference's; for call.* events, this call's"`
	Type       parley.EventType `query:"type" doc:"only this type" example:"conf.joined"`
	After      string           `query:"after" doc:"event_id: begin after it; the header Last-Event-ID comes first"`
}

// eventPage is a page of events, each in the bytes that the ledger has: it is
// written without encoding them anew.
type eventPage struct {
	events []parley.Event
	next   string
}

// MarshalJSON implements json.Marshaler.
func (p eventPage) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(`{"items":[`)
	for i, e := range p.events {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(e.Body)
	}
	next, err := json.Marshal(orNull(p.next))
	if err != nil {
		return nil, err
	}
	b.WriteString(`],"next_cursor":`)
	b.Write(next)
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Schema implements huma.SchemaProvider.
func (eventPage) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		Type:     huma.TypeObject,
		Required: []string{"items", "next_cursor"},
		Properties: map[string]*huma.Schema{
			"items":       {Type: huma.TypeArray, Items: &huma.Schema{Ref: schemaPrefix + "Event"}, Description: "oldest first"},
			"next_cursor": {Type: huma.TypeString, Nullable: true, Description: "the cursor of the next page; null on the last"},
		},
		AdditionalProperties: false,
	}
}

func eventRoutes(c Events, cfg Config) []route {
	return []route{
		get(meta{
			path: "/v1/events", id: "listEvents", tag: "Events", summary: "List events",
			description: "What webhooks get, byte for byte (in the format full), oldest first.",
			codes:       []parley.Code{parley.CodeNotFound},
		}, func(q *request, p eventListing) (eventPage, error) {
			after := p.After
			if p.Cursor != "" {
				if after != "" {
					return eventPage{}, parley.FieldErrorf(parley.CodeInvalid, "cursor", "give either after or cursor")
				}
				after = p.Cursor
			}
			list, err := c.Events(q.ctx, q.app(), control.EventRequest{
				Conference: p.Conference, Type: p.Type, After: after, Since: p.Since, Until: p.Until, Limit: p.Limit,
			})
			return eventPage{list.Items, list.NextCursor}, err
		}),
		stream(c, cfg, meta{
			path: "/v1/events/stream", id: "streamEvents", tag: "Events", summary: "Follow events",
			description: "Server-sent events: id is the event_id, event the type, data the body in one line. From now on, or after Last-Event-ID. Comments show that the stream is alive.",
			codes:       []parley.Code{parley.CodeNotFound},
		}),
	}
}
