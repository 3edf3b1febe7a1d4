package httpapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"parley"
	"parley/internal/eventschema"
)

// webhooks describes the events as they are posted.
func webhooks() (map[string]*huma.PathItem, error) {
	out := make(map[string]*huma.PathItem)
	for _, t := range parley.EventTypes() {
		examples := make(map[string]*huma.Example)
		for _, format := range []parley.WebhookFormat{parley.FormatFull, parley.FormatSeed} {
			body, err := eventschema.Example(t, format)
			if err != nil {
				return nil, err
			}
			examples[string(format)] = &huma.Example{Summary: "in the format " + string(format), Value: json.RawMessage(body)}
		}
		out[string(t)] = &huma.PathItem{Post: &huma.Operation{
			OperationID: string(t), Tags: []string{"Events"}, Summary: string(t),
			Description: "Posted to every webhook that wants the type. Fields stand in the order of the schema in the format full; seed has those before event_id.",
			Security:    []map[string][]string{},
			Parameters: []*huma.Param{
				{Name: "webhook-id", In: "header", Required: true, Description: "the event_id", Schema: &huma.Schema{Type: huma.TypeString}},
				{Name: "webhook-timestamp", In: "header", Required: true, Description: "when it was sent, Unix seconds", Schema: &huma.Schema{Type: huma.TypeString}},
				{Name: "webhook-signature", In: "header", Required: true, Description: "v1, and the base64 of HMAC-SHA256 over id.timestamp.body; two during rotation", Schema: &huma.Schema{Type: huma.TypeString}},
			},
			RequestBody: &huma.RequestBody{
				Description: "the event", Required: true,
				Content: map[string]*huma.MediaType{"application/json": {
					Schema:   &huma.Schema{OneOf: []*huma.Schema{{Ref: schemaPrefix + string(t)}, {Ref: schemaPrefix + string(t) + ".seed"}}},
					Examples: examples,
				}},
			},
			Responses: map[string]*huma.Response{
				"2XX": {Description: "taken"},
				"410": {Description: "the webhook is disabled"},
			},
		}}
	}
	return out, nil
}

// schemas is huma's registry together with the schemas of the events, which are
// JSON already.
type schemas struct {
	huma.Registry
	events map[string]any
}

// MarshalJSON implements json.Marshaler.
func (s schemas) MarshalJSON() ([]byte, error) {
	all := maps.Clone(s.events)
	for name, schema := range s.Map() {
		if _, taken := all[name]; taken {
			return nil, fmt.Errorf("two schemas are called %s", name)
		}
		all[name] = schema
	}
	return json.Marshal(all)
}

// eventSchemas are the schemas of events by name: "conf.end" in the format full
// and "conf.end.seed", what they share, and Event, which is any of them.
func eventSchemas() (map[string]any, error) {
	out := make(map[string]any)
	add := func(schema []byte, rename map[string]string) error {
		text := strings.ReplaceAll(string(schema), `"#/$defs/`, `"`+schemaPrefix)
		var doc struct {
			Defs map[string]any `json:"$defs"`
		}
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			return err
		}
		for name, s := range doc.Defs {
			out[cmp.Or(rename[name], name)] = s
		}
		return nil
	}
	if err := add(eventschema.Document(), nil); err != nil {
		return nil, err
	}
	var all []any
	mapping := make(map[string]string)
	for _, t := range parley.EventTypes() {
		seed, err := eventschema.Schema(t, parley.FormatSeed)
		if err != nil {
			return nil, err
		}
		if err := add(seed, map[string]string{string(t): string(t) + ".seed"}); err != nil {
			return nil, err
		}
		all = append(all, map[string]any{"$ref": schemaPrefix + string(t)})
		mapping[string(t)] = schemaPrefix + string(t)
	}
	out["Event"] = map[string]any{
		"description":   "an event in the format full",
		"oneOf":         all,
		"discriminator": map[string]any{"propertyName": "event", "mapping": mapping},
	}
	return out, nil
}
