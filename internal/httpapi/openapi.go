package httpapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"parley"
)

// schemaPrefix is where a reference to a schema points.
const schemaPrefix = "#/components/schemas/"

// document is the OpenAPI 3.1 description of the routes and, under webhooks, of
// the events.
func document(routes []route, version string) ([]byte, error) {
	registry := huma.NewMapRegistry(schemaPrefix, schemaName)
	registry.RegisterTypeAlias(reflect.TypeFor[parley.ID](), reflect.TypeFor[idSchema]())
	events, err := eventSchemas()
	if err != nil {
		return nil, err
	}
	hooks, err := webhooks()
	if err != nil {
		return nil, err
	}
	d := documenter{registry: registry, shared: make(map[string]*huma.Response)}
	api := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "parley", Version: cmp.Or(version, "dev"), Description: apiDescription,
			License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Servers:  []*huma.Server{{URL: "/", Description: "this server"}},
		Security: []map[string][]string{{"key": {}}},
		Components: &huma.Components{
			Schemas:   schemas{registry, events},
			Responses: d.shared,
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"key": {Type: "http", Scheme: "bearer", Description: "an API key of an application; some calls need an operator's"},
			},
		},
		Webhooks: hooks,
	}
	for _, r := range routes {
		api.AddOperation(d.operation(r))
	}
	api.AddOperation(specOperation())
	for _, s := range registry.Map() {
		tidy(s)
	}
	for _, r := range routes {
		if r.view != nil {
			open(registry, registry.Schema(r.view, true, ""))
		}
	}
	raw, err := json.Marshal(api)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = json.Indent(&out, raw, "", "  ")
	return out.Bytes(), err
}

const apiDescription = `Conferences of telephone calls.

Times are integer Unix milliseconds (UTC), IDs 32 lower-case hexadecimal digits (UUIDv7). Bodies are JSON in UTF-8, at most 1 MiB; an unknown field, a name that stands twice or a value of another type is an error that names the field. Errors are application/problem+json (RFC 9457) with a stable code. A POST with an Idempotency-Key is done once, however often it is sent; repeated answers carry Idempotency-Replayed: true. Lists give limit items and next_cursor for the next page.

The events are under webhooks. They are posted as application/json; charset=utf-8 with the headers webhook-id, webhook-timestamp and webhook-signature of Standard Webhooks; any 2xx within 10 s takes an event, all else is retried. Receivers drop an event_id that they have seen.`

// idSchema is the schema of a parley.ID.
type idSchema string

// Schema implements huma.SchemaProvider.
func (idSchema) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Pattern: "^[0-9a-f]{32}$"}
}

// schemaName is what the schema of a Go type is called: newConference becomes
// NewConference, page[conferenceView] ConferencePage.
func schemaName(t reflect.Type, _ string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name := t.Name()
	if item, ok := strings.CutPrefix(name, "page["); ok {
		name = strings.TrimSuffix(item[strings.LastIndexByte(item, '.')+1:], "View]") + "Page"
	}
	name = strings.TrimSuffix(name, "View")
	if name == "" {
		return ""
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

// tidy makes a schema say what is true here: arrays are never null.
func tidy(s *huma.Schema) {
	for _, p := range s.Properties {
		if p.Type == huma.TypeArray {
			p.Nullable = false
		}
		tidy(p)
	}
}

// open lets the schema of an answer have fields that do not exist yet: a client
// must not break when they do.
func open(registry huma.Registry, s *huma.Schema) {
	switch {
	case s == nil:
	case s.Ref != "":
		if r := registry.SchemaFromRef(s.Ref); r != nil && r.AdditionalProperties != nil {
			open(registry, r)
		}
	default:
		s.AdditionalProperties = nil
		open(registry, s.Items)
		for _, inner := range s.AnyOf {
			open(registry, inner)
		}
		for _, inner := range s.Properties {
			open(registry, inner)
		}
	}
}

// documenter describes routes.
type documenter struct {
	registry huma.Registry
	shared   map[string]*huma.Response // by name
}

func (d documenter) operation(r route) *huma.Operation {
	op := &huma.Operation{
		Method: r.method, Path: r.path, OperationID: r.id, Tags: []string{r.tag}, Summary: r.summary, Description: r.description,
		Parameters: d.parameters(r), Responses: d.responses(r),
	}
	if r.operator {
		op.Description = strings.TrimSpace(op.Description + " Needs an operator's key.")
	}
	switch {
	case r.body != nil:
		s := d.registry.Schema(r.body, true, "")
		op.RequestBody = &huma.RequestBody{
			Description: "what is asked for",
			Required:    len(d.registry.SchemaFromRef(s.Ref).Required) > 0,
			Content:     map[string]*huma.MediaType{"application/json": {Schema: s, Example: d.example(s, false)}},
		}
	case r.method == http.MethodPut && r.content != nil:
		op.RequestBody = &huma.RequestBody{Description: r.content.description, Required: true, Content: r.content.mediaTypes()}
	}
	return op
}

// parameters are those of the path, the query and the headers.
func (d documenter) parameters(r route) []*huma.Param {
	var out []*huma.Param
	for _, name := range wildcards(r.path) {
		p := &huma.Param{Name: name, In: "path", Required: true, Description: pathParam(r, name), Schema: idSchema("").Schema(nil), Example: exampleID}
		if r.rest {
			p.Schema, p.Example = &huma.Schema{Type: huma.TypeString}, "welcome.wav"
		}
		out = append(out, p)
	}
	if r.query != nil {
		for _, f := range paramFields(r.query) {
			s := huma.SchemaFromField(d.registry, f, "")
			p := &huma.Param{Name: f.Tag.Get("query"), In: "query", Description: s.Description, Schema: s}
			if len(s.Examples) > 0 {
				p.Example = s.Examples[0]
			}
			// A pointer is for telling false from nothing; the text is never null.
			s.Description, s.Examples, s.Nullable = "", nil, false
			out = append(out, p)
		}
	}
	text := func(name, description, example string) {
		out = append(out, &huma.Param{Name: name, In: "header", Description: description, Schema: &huma.Schema{Type: huma.TypeString}, Example: example})
	}
	switch {
	case r.method == http.MethodPost:
		text("Idempotency-Key", "at most 255 visible ASCII characters; a second request with it gets the first one's answer", "4711-a")
	case r.content != nil && r.content.stream:
		text("Last-Event-ID", "the last event_id that was received", "evt_"+exampleID+"_7")
	case r.method == http.MethodGet && r.content != nil:
		text("Range", "the part that is wanted, RFC 9110 section 14.2", "bytes=0-1023")
	}
	return out
}

const exampleID = "0197c2f3a1b27def8123456789abcdef"

// pathParam describes a wildcard of a path.
func pathParam(r route, name string) string {
	switch name {
	case "id":
		collection, _, _ := strings.Cut(strings.TrimPrefix(r.path, "/v1/"), "/")
		return "the " + strings.TrimSuffix(collection, "s")
	case "name":
		return "the media file: 1 to 128 bytes of letters, digits, spaces and -_.~+, not beginning with a dot"
	}
	return "the " + strings.TrimSuffix(name, "_id")
}

// specOperation is /openapi.json itself.
func specOperation() *huma.Operation {
	return &huma.Operation{
		Method: http.MethodGet, Path: "/openapi.json", OperationID: "getOpenAPI", Tags: []string{"Operations"}, Summary: "This document",
		Security: []map[string][]string{},
		Responses: map[string]*huma.Response{"200": {
			Description: "OpenAPI 3.1", Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject}}},
		}},
	}
}
