package eventschema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"parley"
)

// Validate is Validator.Validate for once; whoever checks many events makes a
// Validator.
func Validate(body []byte, format parley.WebhookFormat) error {
	v, err := NewValidator()
	if err != nil {
		return err
	}
	return v.Validate(body, format)
}

// kindOf is what one schema is for.
type kindOf struct {
	event  parley.EventType
	format parley.WebhookFormat
}

// Validator checks events. It is safe for concurrent use.
type Validator struct {
	schemas map[kindOf]*jsonschema.Schema
	fields  map[kindOf][]string
}

// NewValidator compiles the schemas, which takes tens of milliseconds. It fails
// only if events.json is no schema.
func NewValidator() (*Validator, error) {
	v := &Validator{schemas: make(map[kindOf]*jsonschema.Schema), fields: make(map[kindOf][]string)}
	c := jsonschema.NewCompiler()
	for _, t := range parley.EventTypes() {
		for _, format := range []parley.WebhookFormat{parley.FormatFull, parley.FormatSeed} {
			if err := v.compile(c, kindOf{t, format}); err != nil {
				return nil, fmt.Errorf("schema of %s (%s): %w", t, format, err)
			}
		}
	}
	return v, nil
}

func (v *Validator) compile(c *jsonschema.Compiler, k kindOf) error {
	source, err := Schema(k.event, k.format)
	if err != nil {
		return err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(source))
	if err != nil {
		return err
	}
	url := fmt.Sprintf("%s.%s.json", k.event, k.format)
	if err := c.AddResource(url, doc); err != nil {
		return err
	}
	if v.schemas[k], err = c.Compile(url); err != nil {
		return err
	}
	v.fields[k], err = Fields(k.event, k.format)
	return err
}

// Validate checks the body of an event as a receiver gets it in a format: one
// JSON object, every field there and of its type, in the contract's order, none
// twice and none that the schema does not know.
func (v *Validator) Validate(body []byte, format parley.WebhookFormat) error {
	var head struct {
		Event parley.EventType `json:"event"`
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return fmt.Errorf("event is not a JSON object: %w", err)
	}
	schema, ok := v.schemas[kindOf{head.Event, format}]
	if !ok {
		return fmt.Errorf("there is no event type %q in a format %q", head.Event, format)
	}
	if err := checkOrder(body, v.fields[kindOf{head.Event, format}]); err != nil {
		return fmt.Errorf("%s (%s): %w", head.Event, format, err)
	}
	event, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	if err := schema.Validate(event); err != nil {
		return fmt.Errorf("%s (%s): %w", head.Event, format, err)
	}
	return nil
}

// checkOrder wants the names of the object in the order of fields.
func checkOrder(object []byte, fields []string) error {
	got, err := names(object)
	if err != nil {
		return err
	}
	last := -1
	for i, name := range got {
		at := slices.Index(fields, name)
		switch {
		case at < 0:
			return fmt.Errorf("unknown field %q", name)
		case slices.Contains(got[:i], name):
			return fmt.Errorf("field %q twice", name)
		case at < last:
			return fmt.Errorf("field %q after %q", name, fields[last])
		}
		last = at
	}
	return nil
}
