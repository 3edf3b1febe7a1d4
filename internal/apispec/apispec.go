// Package apispec holds requests and answers of the REST API against its
// OpenAPI document, so that tests find where the two differ.
package apispec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Spec is an OpenAPI document. It is for one goroutine at a time.
type Spec struct {
	doc     map[string]any
	schemas *jsonschema.Compiler
}

// New reads a document. The document lets answers have fields that it does not
// know, for the time to come; a Spec does not, as today's answers have none.
func New(raw []byte) (*Spec, error) {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	doc, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("the OpenAPI document is no object")
	}
	s := &Spec{doc: doc, schemas: jsonschema.NewCompiler()}
	schemas, _ := s.At("components", "schemas").(map[string]any)
	for name, schema := range schemas {
		if fields, ok := schema.(map[string]any); ok && fields["properties"] != nil && !strings.Contains(name, ".") {
			fields["additionalProperties"] = false
		}
	}
	return s, s.schemas.AddResource("openapi.json", s.doc)
}

// At is what stands at a path of names in the document, nil for nothing.
func (s *Spec) At(names ...string) any {
	var v any = s.doc
	for _, name := range names {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// Operation is the path of names of what the document says about a method of a
// URL's escaped path, nil where there is no such thing.
func (s *Spec) Operation(method, path string) []string {
	best, method := "", strings.ToLower(method)
	if method == "head" { // RFC 9110 section 9.3.2
		method = "get"
	}
	paths, _ := s.At("paths").(map[string]any)
	for template := range paths {
		if matches(template, path) && s.At("paths", template, method) != nil &&
			(best == "" || strings.Count(template, "{") < strings.Count(best, "{")) {
			best = template
		}
	}
	if best == "" {
		return nil
	}
	return []string{"paths", best, method}
}

// OperationID is the operationId of what Operation finds, empty for nothing.
func (s *Spec) OperationID(method, path string) string {
	id, _ := s.At(under(s.Operation(method, path), "operationId")...).(string)
	return id
}

// matches compares segment by segment; a wildcard takes any one.
func matches(template, path string) bool {
	return slices.EqualFunc(strings.Split(template, "/"), strings.Split(path, "/"),
		func(want, got string) bool { return want == got || strings.HasPrefix(want, "{") })
}

// under is a longer path of names, sharing nothing with at.
func under(at []string, names ...string) []string { return slices.Concat(at, names) }

// Validate holds JSON against the schema at a path of names.
func (s *Spec) Validate(body []byte, names ...string) error {
	var pointer strings.Builder
	for _, name := range names {
		pointer.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	}
	schema, err := s.schemas.Compile("openapi.json#" + pointer.String())
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("not JSON: %w: %s", err, body)
	}
	if err := schema.Validate(v); err != nil {
		return fmt.Errorf("%w\n%s", err, body)
	}
	return nil
}

// CheckRequest holds a request against the document: its query, its media type
// and a JSON body.
func (s *Spec) CheckRequest(r *http.Request, body []byte) error {
	op := s.Operation(r.Method, r.URL.EscapedPath())
	if op == nil {
		return fmt.Errorf("there is no %s %s", r.Method, r.URL.EscapedPath())
	}
	var errs []error
	known := map[string]bool{}
	params, _ := s.At(under(op, "parameters")...).([]any)
	for _, p := range params {
		fields, _ := p.(map[string]any)
		known[fmt.Sprintf("%s %s", fields["in"], fields["name"])] = true
	}
	for name := range r.URL.Query() {
		if !known["query "+name] {
			errs = append(errs, fmt.Errorf("there is no parameter %s", name))
		}
	}
	if r.Header.Get("Idempotency-Key") != "" && !known["header Idempotency-Key"] {
		errs = append(errs, errors.New("an Idempotency-Key has no meaning here"))
	}
	errs = append(errs, s.checkBody(under(op, "requestBody"), r.Header, body))
	return wrap(r.Method, r.URL.EscapedPath(), errors.Join(errs...))
}

// checkBody holds a body against a requestBody or response.
func (s *Spec) checkBody(at []string, h http.Header, body []byte) error {
	if len(body) == 0 {
		return nil
	}
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	if s.At(under(at, "content", kind)...) == nil {
		return fmt.Errorf("there is no body of the type %q", kind)
	}
	if !strings.HasSuffix(kind, "json") {
		return nil
	}
	return s.Validate(body, under(at, "content", kind, "schema")...)
}

// CheckAnswer holds an answer to a method of a URL's escaped path against the
// document: its status, its headers, its media type and a JSON body. What the
// document does not describe has only to be a problem (RFC 9457).
func (s *Spec) CheckAnswer(method, path string, status int, h http.Header, body []byte) error {
	op := s.Operation(method, path)
	if op == nil {
		if status < 400 || h.Get("Content-Type") != "application/problem+json" {
			return fmt.Errorf("%s %s: the document does not have it, but the answer is %d %s", method, path, status, h.Get("Content-Type"))
		}
		return nil
	}
	at := under(op, "responses", strconv.Itoa(status))
	if ref, ok := s.At(under(at, "$ref")...).(string); ok {
		at = strings.Split(strings.TrimPrefix(ref, "#/"), "/")
	}
	if s.At(at...) == nil {
		return fmt.Errorf("%s %s: there is no answer %d: %s", method, path, status, body)
	}
	errs := []error{s.checkBody(at, h, body), s.checkCode(at, body)}
	headers, _ := s.At(under(at, "headers")...).(map[string]any)
	for name := range headers {
		if name != "Idempotency-Replayed" && h.Get(name) == "" {
			errs = append(errs, fmt.Errorf("there is no %s", name))
		}
	}
	return wrap(method, path, errors.Join(errs...))
}

// checkCode wants the code of a problem to be one of those that the description
// of the answer lists.
func (s *Spec) checkCode(at []string, body []byte) error {
	var p struct {
		Code string `json:"code"`
	}
	description, _ := s.At(under(at, "description")...).(string)
	if json.Unmarshal(body, &p) != nil || p.Code == "" || strings.Contains(description, "`"+p.Code+"`") {
		return nil
	}
	return fmt.Errorf("the code %s is not in %q", p.Code, description)
}

func wrap(method, path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: not as the OpenAPI document says: %w", method, path, err)
}
