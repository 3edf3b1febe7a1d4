package parley

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// EventType is the value of an event's "event" field.
type EventType string

// The event types. The first six are the specification that the product
// exists for; a webhook that names no types gets those and EventConfJoinFail.
const (
	EventConfCreateSucc EventType = "conf.create.succ"
	EventConfEnd        EventType = "conf.end"
	EventConfJoined     EventType = "conf.joined"
	EventConfQuit       EventType = "conf.quit"
	EventConfPlayEnd    EventType = "conf.play_end"
	EventConfRecordEnd  EventType = "conf.record_end"

	EventConfJoinFail           EventType = "conf.join.fail"
	EventConfEndWarning         EventType = "conf.end.warning"
	EventConfParticipantUpdated EventType = "conf.participant.updated"
	EventConfTalkingStart       EventType = "conf.talking.start"
	EventConfTalkingStop        EventType = "conf.talking.stop"
	EventConfDTMF               EventType = "conf.dtmf"
	EventConfPlayStart          EventType = "conf.play_start"
	EventConfRecordStart        EventType = "conf.record_start"
	EventConfRecordPaused       EventType = "conf.record.paused"
	EventConfRecordResumed      EventType = "conf.record.resumed"
	EventConfRecordFailed       EventType = "conf.record.failed"
	EventCallIncoming           EventType = "call.incoming"
	EventCallAnswered           EventType = "call.answered"
	EventCallEnded              EventType = "call.ended"
)

// EventTypes lists every type, the six of the specification first.
func EventTypes() []EventType {
	return []EventType{
		EventConfCreateSucc, EventConfEnd, EventConfJoined, EventConfQuit, EventConfPlayEnd, EventConfRecordEnd,
		EventConfJoinFail, EventConfEndWarning, EventConfParticipantUpdated, EventConfTalkingStart, EventConfTalkingStop,
		EventConfDTMF, EventConfPlayStart, EventConfRecordStart, EventConfRecordPaused, EventConfRecordResumed,
		EventConfRecordFailed, EventCallIncoming, EventCallAnswered, EventCallEnded,
	}
}

// DefaultEventTypes is what a webhook gets that names no types.
func DefaultEventTypes() []EventType { return EventTypes()[:7] }

// Event is one row of the ledger. Its body is fixed when it is written: every
// reader (webhook, stream, list) shows those bytes.
type Event struct {
	// Position orders all events of the store by commit; it has gaps never
	// seen by a reader out of order. Zero before the event is committed.
	Position int64
	// Stream is what Seq counts in: the conference, or for call.* the call.
	Stream ID
	// Seq is 1, 2, 3 … in the stream, without gap or repeat.
	Seq int64
	// Application owns the event.
	Application ID
	Type        EventType
	Time        Millis
	// Body is the full JSON object.
	Body []byte
	// SeedLen is how many bytes of Body the specification's own fields take,
	// without the closing brace.
	SeedLen int
}

// EventID names the event of a stream: a retry, a restart or another node can
// never give it a new one.
func EventID(stream ID, seq int64) string { return fmt.Sprintf("evt_%s_%d", stream, seq) }

// ID is the event's event_id.
func (e Event) ID() string { return EventID(e.Stream, e.Seq) }

// Seed is the body in the format "seed": the specification's fields alone.
func (e Event) Seed() []byte {
	b := make([]byte, 0, e.SeedLen+1)
	b = append(b, e.Body[:e.SeedLen]...)
	return append(b, '}')
}

// EventMeta is in every event, after the specification's fields.
type EventMeta struct {
	EventID string `json:"event_id"`
	Seq     int64  `json:"seq"`
	// Settled is true where the server wrote the event after a crash.
	Settled bool `json:"settled,omitempty"`
}

// Fact is something that happened and is to be told: one of the pointer types
// of this package whose names end in Fact.
type Fact interface {
	// Type is the event's type.
	Type() EventType
	// seed gives the specification's fields, meta the common additive ones.
	seed() any
	meta() *EventMeta
}

// NewEvent encodes fact as the event seq of stream. It fails only if the fact
// cannot be encoded, which no value of this package causes.
func NewEvent(stream ID, seq int64, application ID, at Millis, fact Fact) (Event, error) {
	m := fact.meta()
	m.EventID, m.Seq = EventID(stream, seq), seq
	seed, err := marshal(fact.seed())
	if err != nil {
		return Event{}, fmt.Errorf("encode %s: %w", fact.Type(), err)
	}
	body, err := marshal(fact)
	if err != nil {
		return Event{}, fmt.Errorf("encode %s: %w", fact.Type(), err)
	}
	n := len(seed) - 1
	if !bytes.HasPrefix(body, seed[:n]) {
		return Event{}, fmt.Errorf("encode %s: the specification's fields are not first", fact.Type())
	}
	return Event{Stream: stream, Seq: seq, Application: application, Type: fact.Type(), Time: at, Body: body, SeedLen: n}, nil
}

// marshal is json.Marshal without the escaping of <, > and &, so that
// user_data stays as short as it came.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
