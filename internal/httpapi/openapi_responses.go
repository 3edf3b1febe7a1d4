package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"parley"
)

// mediaTypes describes a body that is not JSON.
func (c *content) mediaTypes() map[string]*huma.MediaType {
	out := make(map[string]*huma.MediaType)
	for _, t := range c.types {
		out[t] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
		if c.stream {
			out[t] = &huma.MediaType{
				Schema:  &huma.Schema{Type: huma.TypeString},
				Example: "id: evt_" + exampleID + "_1\nevent: conf.create.succ\ndata: {\"event\":\"conf.create.succ\",…}\n\n",
			}
		}
	}
	return out
}

// responses are the success and, by status, the errors.
func (d documenter) responses(r route) map[string]*huma.Response {
	out := map[string]*huma.Response{strconv.Itoa(r.status): d.success(r, r.status)}
	switch {
	case r.method == http.MethodPut && r.content != nil:
		out["200"] = d.success(r, http.StatusOK)
	case r.method == http.MethodGet && r.content != nil && !r.content.stream:
		out["206"] = &huma.Response{
			Description: "the range that was asked for", Content: r.content.mediaTypes(),
			Headers: map[string]*huma.Param{"Content-Range": header("which part of how much", "bytes 0-1023/960044")},
		}
		out["304"] = &huma.Response{Description: "not changed since If-Modified-Since"}
		out["412"] = d.problems(http.StatusPreconditionFailed, parley.CodeInvalid)
		out["416"] = d.problems(http.StatusRequestedRangeNotSatisfiable, parley.CodeInvalid)
	}
	byStatus := make(map[int][]parley.Code)
	for _, code := range codesOf(r) {
		status := statusOf(code)
		if code == parley.CodeMediaNotFound && r.rest {
			status = http.StatusNotFound
		}
		byStatus[status] = append(byStatus[status], code)
	}
	for status, codes := range byStatus {
		out[strconv.Itoa(status)] = d.problems(status, codes...)
	}
	return out
}

// codesOf is every code that a route can answer with.
func codesOf(r route) []parley.Code {
	codes := []parley.Code{parley.CodeUnauthorized, parley.CodeInvalid, parley.CodeUnknownField, parley.CodeStoreUnavailable, parley.CodeInternal}
	if r.operator {
		codes = append(codes, parley.CodeForbidden)
	}
	if r.body != nil {
		codes = append(codes, parley.CodeMalformed)
	}
	if r.body != nil || r.method == http.MethodPut {
		codes = append(codes, parley.CodeTooLarge, parley.CodeUnsupportedMedia)
	}
	if r.method == http.MethodPost {
		codes = append(codes, parley.CodeIdempotencyReused, parley.CodeIdempotencyPending)
	}
	if len(wildcards(r.path)) > 0 && !r.rest {
		codes = append(codes, parley.CodeNotFound)
	}
	codes = append(codes, r.codes...)
	slices.Sort(codes)
	return slices.Compact(codes)
}

func (d documenter) success(r route, status int) *huma.Response {
	resp := &huma.Response{Description: r.summary + ": done"}
	switch {
	case r.view != nil:
		s := d.registry.Schema(r.view, true, "")
		resp.Content = map[string]*huma.MediaType{"application/json": {Schema: s, Example: d.example(s, true)}}
		if r.view.Implements(reflect.TypeFor[located]()) && status == http.StatusCreated {
			resp.Headers = map[string]*huma.Param{"Location": header("the path of what was made", d.exampleLocation(r))}
		}
	case r.content != nil:
		resp.Description, resp.Content = r.content.description, r.content.mediaTypes()
	}
	if r.method == http.MethodPost {
		if resp.Headers == nil {
			resp.Headers = make(map[string]*huma.Param)
		}
		resp.Headers["Idempotency-Replayed"] = header("true where the answer is the one given before", "true")
	}
	return resp
}

func header(description, example string) *huma.Param {
	return &huma.Param{Description: description, Schema: &huma.Schema{Type: huma.TypeString}, Example: example}
}

// exampleLocation is the Location of the example of a route's answer.
func (d documenter) exampleLocation(r route) string {
	v := reflect.New(r.view)
	text, err := json.Marshal(d.example(d.registry.Schema(r.view, true, ""), true))
	if err == nil {
		err = json.Unmarshal(text, v.Interface())
	}
	if err != nil {
		panic(fmt.Sprintf("httpapi: the examples of %s do not fit it: %v", r.view, err))
	}
	return v.Elem().Interface().(located).location()
}

// problems describes the errors of one status. Where there is only one code,
// many routes share the description.
func (d documenter) problems(status int, codes ...parley.Code) *huma.Response {
	if len(codes) > 1 {
		return d.newProblems(status, codes...)
	}
	name := string(codes[0])
	if status != statusOf(codes[0]) {
		name += "_" + strconv.Itoa(status)
	}
	if d.shared[name] == nil {
		d.shared[name] = d.newProblems(status, codes...)
	}
	return &huma.Response{Ref: "#/components/responses/" + name}
}

func (d documenter) newProblems(status int, codes ...parley.Code) *huma.Response {
	words := make([]string, len(codes))
	for i, c := range codes {
		words[i] = "`" + string(c) + "`"
	}
	p := problemOf(statusError{parley.Errorf(codes[0], "what is wrong, and what would be right"), status})
	resp := &huma.Response{
		Description: http.StatusText(status) + ": " + strings.Join(words, ", "),
		Content:     map[string]*huma.MediaType{"application/problem+json": {Schema: d.registry.Schema(reflect.TypeFor[problem](), true, ""), Example: p}},
	}
	for name := range p.header() {
		if name != "Content-Type" {
			if resp.Headers == nil {
				resp.Headers = make(map[string]*huma.Param)
			}
			resp.Headers[name] = header("see RFC 9110", p.header()[name])
		}
	}
	return resp
}

// example composes a value from the examples of the properties: of an answer
// all of them, of a request those that have one.
func (d documenter) example(s *huma.Schema, all bool) any {
	switch {
	case s.Ref != "":
		resolved := d.registry.SchemaFromRef(s.Ref)
		if resolved == nil {
			return map[string]any{"event": "conf.create.succ", "id": exampleID, "begin_time": 1751364000000, "user_data": nil, "event_id": "evt_" + exampleID + "_1", "seq": 1}
		}
		return d.example(resolved, all)
	case len(s.Examples) > 0:
		return s.Examples[0]
	case len(s.AnyOf) > 0:
		return d.example(s.AnyOf[0], all)
	case s.Type == huma.TypeArray:
		return []any{d.example(s.Items, all)}
	case s.Type == huma.TypeObject:
		out := make(map[string]any)
		for name, p := range s.Properties {
			if all || len(p.Examples) > 0 {
				out[name] = d.example(p, all)
			}
		}
		return out
	}
	return nil
}
