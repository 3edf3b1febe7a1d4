// Package eventschema has the JSON Schema (2020-12) of every event in both
// formats, and checks event bodies against it, the order of their fields
// included.
//
// events.json is the one source: OpenAPI publishes it, tests hold events
// against it. The format "seed" is not written down there, it follows: the
// specification's fields are those before event_id.
package eventschema

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"parley"
)

//go:embed events.json
var document string

// firstAdditive is the field at which every event's additive part begins.
const firstAdditive = "event_id"

// Document is the schema document: under $defs one schema for each event type
// in the format "full", by the type's name, and the parts that they share.
func Document() []byte { return []byte(document) }

// Fields lists the fields of an event type in a format, in their order. It
// fails for a type or format that does not exist.
func Fields(t parley.EventType, format parley.WebhookFormat) ([]string, error) {
	defs, err := definitions()
	if err != nil {
		return nil, err
	}
	return fieldsIn(defs, t, format)
}

// Schema is a schema of its own for an event type in a format. In the format
// "seed" it allows the specification's fields alone; in "full" it allows fields
// that do not exist yet. It fails for a type or format that does not exist.
func Schema(t parley.EventType, format parley.WebhookFormat) ([]byte, error) {
	defs, err := definitions()
	if err != nil {
		return nil, err
	}
	fields, err := fieldsIn(defs, t, format)
	if err != nil {
		return nil, err
	}
	for _, other := range parley.EventTypes() {
		if other != t {
			delete(defs, string(other))
		}
	}
	if format == parley.FormatSeed {
		if defs[string(t)], err = cut(defs[string(t)], fields); err != nil {
			return nil, err
		}
	}
	return json.Marshal(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"$ref":    "#/$defs/" + string(t),
		"$defs":   defs,
	})
}

// Example is the body of an event of type t in a format, its fields in their
// order, made of the examples in the schema. It fails for a type or format that
// does not exist.
func Example(t parley.EventType, format parley.WebhookFormat) ([]byte, error) {
	defs, err := definitions()
	if err != nil {
		return nil, err
	}
	fields, err := fieldsIn(defs, t, format)
	if err != nil {
		return nil, err
	}
	var schema struct {
		Properties map[string]part `json:"properties"`
	}
	if err := json.Unmarshal(defs[string(t)], &schema); err != nil {
		return nil, fmt.Errorf("events.json: %s: %w", t, err)
	}
	var b bytes.Buffer
	for _, f := range fields {
		if f == "settled" { // only after a crash
			continue
		}
		value, err := schema.Properties[f].example(defs)
		if err != nil {
			return nil, fmt.Errorf("events.json: %s: %s: %w", t, f, err)
		}
		fmt.Fprintf(&b, ",%q:%s", f, value)
	}
	return append(append([]byte{'{'}, b.Bytes()[1:]...), '}'), nil
}

// part is what the schema of one field says that an example can be made of.
type part struct {
	Ref      string            `json:"$ref"`
	Const    json.RawMessage   `json:"const"`
	Enum     []json.RawMessage `json:"enum"`
	Examples []json.RawMessage `json:"examples"`
	Type     json.RawMessage   `json:"type"`
}

func (p part) example(defs map[string]json.RawMessage) (json.RawMessage, error) {
	switch {
	case p.Ref != "":
		var shared part
		if err := json.Unmarshal(defs[strings.TrimPrefix(p.Ref, "#/$defs/")], &shared); err != nil {
			return nil, err
		}
		return shared.example(defs)
	case p.Const != nil:
		return p.Const, nil
	case len(p.Enum) > 0:
		return p.Enum[0], nil
	case len(p.Examples) > 0:
		return p.Examples[0], nil
	}
	switch string(p.Type) {
	case `"boolean"`:
		return json.RawMessage("false"), nil
	case `"integer"`, `"number"`:
		return json.RawMessage("0"), nil
	case `"string"`:
		return json.RawMessage(`"…"`), nil
	}
	return json.RawMessage("null"), nil
}

func definitions() (map[string]json.RawMessage, error) {
	var doc struct {
		Defs map[string]json.RawMessage `json:"$defs"`
	}
	if err := json.Unmarshal([]byte(document), &doc); err != nil {
		return nil, fmt.Errorf("events.json: %w", err)
	}
	return doc.Defs, nil
}

func fieldsIn(defs map[string]json.RawMessage, t parley.EventType, format parley.WebhookFormat) ([]string, error) {
	def, ok := defs[string(t)]
	if !ok || !slices.Contains(parley.EventTypes(), t) {
		return nil, fmt.Errorf("there is no event type %q", t)
	}
	var schema struct {
		Properties json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(def, &schema); err != nil {
		return nil, fmt.Errorf("events.json: %s: %w", t, err)
	}
	fields, err := names(schema.Properties)
	if err != nil {
		return nil, fmt.Errorf("events.json: %s: %w", t, err)
	}
	switch format {
	case parley.FormatFull:
		return fields, nil
	case parley.FormatSeed:
		return fields[:slices.Index(fields, firstAdditive)], nil
	}
	return nil, fmt.Errorf("there is no format %q", format)
}

// cut makes an event's schema one that allows those fields alone.
func cut(def json.RawMessage, fields []string) (json.RawMessage, error) {
	var schema map[string]any
	if err := json.Unmarshal(def, &schema); err != nil {
		return nil, fmt.Errorf("events.json: %w", err)
	}
	properties, _ := schema["properties"].(map[string]any)
	kept := make(map[string]any, len(fields))
	for _, f := range fields {
		kept[f] = properties[f]
	}
	schema["properties"] = kept
	schema["required"] = fields
	schema["additionalProperties"] = false
	return json.Marshal(schema)
}

// names lists the names of a JSON object in the order in which they stand.
func names(object []byte) ([]string, error) {
	dec := json.NewDecoder(bytes.NewReader(object))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.Join(errors.New("not an object"), err)
	}
	var all []string
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string)
		all = append(all, name)
		var skipped json.RawMessage
		if err := dec.Decode(&skipped); err != nil {
			return nil, err
		}
	}
	return all, nil
}
