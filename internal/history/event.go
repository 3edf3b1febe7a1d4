package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// event is a received body. It is read by field names of its own, not by the
// server's types, so that a mistake there does not hide here.
type event struct {
	body   []byte
	fields []string // in the order of the body
	rest   string   // the body without event_id and seq

	Event       string  `json:"event"`
	ID          string  `json:"id"`
	CallID      string  `json:"call_id"`
	PartURI     string  `json:"part_uri"`
	Time        *int64  `json:"time"`
	BeginTime   *int64  `json:"begin_time"`
	EndTime     *int64  `json:"end_time"`
	JoinTime    *int64  `json:"join_time"`
	QuitTime    *int64  `json:"quit_time"`
	Error       *string `json:"error"`
	UserData    *string `json:"user_data"`
	EventID     string  `json:"event_id"`
	Seq         int64   `json:"seq"`
	PlaybackID  string  `json:"playback_id"`
	RecordingID string  `json:"recording_id"`
	DurationMS  int64   `json:"duration_ms"`
}

// seedFields are the fields of the specification's six events, in their order,
// after "event".
func seedFields() map[string][]string {
	return map[string][]string{
		"conf.create.succ": {"id", "begin_time", "user_data"},
		"conf.end":         {"id", "begin_time", "end_time", "error", "user_data"},
		"conf.joined":      {"id", "join_time", "call_id", "part_uri", "user_data"},
		"conf.quit":        {"id", "join_time", "quit_time", "call_id", "part_uri", "user_data"},
		"conf.play_end":    {"id", "begin_time", "end_time", "user_data"},
		"conf.record_end":  {"id", "begin_time", "end_time", "user_data"},
	}
}

// maxUserData is the most bytes of user_data.
const maxUserData = 4096

// parse reads a body. With an error the event may still say where it belongs.
func parse(body []byte) (*event, error) {
	e := &event{body: body}
	if err := json.Unmarshal(body, e); err != nil {
		return nil, fmt.Errorf("no JSON: %w", err)
	}
	fields, err := fieldOrder(body)
	if err != nil {
		return e, err
	}
	e.fields = fields
	if wanted, ok := seedFields()[e.Event]; ok {
		wanted = append([]string{"event"}, wanted...)
		if len(fields) < len(wanted) || !slices.Equal(fields[:len(wanted)], wanted) {
			return e, fmt.Errorf("fields %v, want %v first", fields, wanted)
		}
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(body, &all); err != nil {
		return e, err
	}
	delete(all, "event_id")
	delete(all, "seq")
	rest, err := json.Marshal(all)
	if err != nil {
		return e, err
	}
	e.rest = string(rest)
	return e, e.complete()
}

// complete says what an event lacks that every one has.
func (e *event) complete() error {
	switch {
	case !strings.HasPrefix(e.Event, "conf.") && !e.isCall():
		return fmt.Errorf("event %q", e.Event)
	case e.stream() == "":
		return errors.New("no id")
	case e.EventID == "":
		return errors.New("no event_id")
	case e.Seq < 1:
		return fmt.Errorf("seq %d", e.Seq)
	case slices.Contains(e.fields, "part_uri") && e.PartURI == "":
		return errors.New("no part_uri")
	case e.UserData != nil && len(*e.UserData) > maxUserData:
		return fmt.Errorf("user_data of %d bytes", len(*e.UserData))
	case slices.Contains(e.fields, "call_id") && e.CallID == "":
		return errors.New("no call_id")
	}
	return nil
}

func (e *event) isCall() bool { return strings.HasPrefix(e.Event, "call.") }

// stream is what the event's seq counts in.
func (e *event) stream() string {
	if e.isCall() {
		return e.CallID
	}
	return e.ID
}

// fieldOrder gives the names of a flat object in their order; a name that comes
// twice is an error.
func fieldOrder(body []byte) ([]string, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("not an object")
	}
	var names []string
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name := t.(string) // a key of an object is a string
		if slices.Contains(names, name) {
			return nil, fmt.Errorf("field %s twice", name)
		}
		names = append(names, name)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
	}
	return names, nil
}
