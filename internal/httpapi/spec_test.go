package httpapi

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write testdata/openapi.json anew")

// spec is the OpenAPI document as tests hold requests and answers against it.
type spec struct {
	doc     map[string]any
	schemas *jsonschema.Compiler
}

func newSpec(t testing.TB, raw []byte) *spec {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	s := &spec{doc: doc.(map[string]any), schemas: jsonschema.NewCompiler()}
	// The document lets answers have fields that it does not know, for the
	// time to come; today's answers have none.
	for name, c := range s.at("components", "schemas").(map[string]any) {
		c := c.(map[string]any)
		if _, object := c["properties"]; object && !strings.Contains(name, ".") {
			c["additionalProperties"] = false
		}
	}
	if err := s.schemas.AddResource("openapi.json", s.doc); err != nil {
		t.Fatal(err)
	}
	return s
}

// at is what stands at a path of names in the document, nil for nothing.
func (s *spec) at(names ...string) any {
	var v any = s.doc
	for _, name := range names {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// operation finds the path of names of the operation for a request.
func (s *spec) operation(method, path string) []string {
	best := ""
	for template := range s.at("paths").(map[string]any) {
		if !matches(template, path) || s.at("paths", template, strings.ToLower(method)) == nil {
			continue
		}
		if best == "" || strings.Count(template, "{") < strings.Count(best, "{") {
			best = template
		}
	}
	if best == "" {
		return nil
	}
	return []string{"paths", best, strings.ToLower(method)}
}

func matches(template, path string) bool {
	if prefix, ok := strings.CutSuffix(template, "/{name}"); ok {
		return strings.HasPrefix(path, prefix+"/")
	}
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	return slices.EqualFunc(want, got, func(w, g string) bool { return w == g || strings.HasPrefix(w, "{") })
}

// validate holds JSON against the schema at a path of names.
func (s *spec) validate(t testing.TB, body []byte, names ...string) {
	t.Helper()
	var pointer strings.Builder
	for _, name := range names {
		pointer.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	}
	schema, err := s.schemas.Compile("openapi.json#" + pointer.String())
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("not JSON: %v\n%s", err, body)
	}
	if err := schema.Validate(v); err != nil {
		t.Errorf("not as the OpenAPI document says: %v\n%s", err, body)
	}
}

// check holds an answer against the document: its status, its media type and
// its body must be there, and its documented headers if they are always sent.
func (s *spec) check(t testing.TB, method, path string, sent []byte, a answer) {
	t.Helper()
	op := s.operation(method, path)
	if op == nil {
		return
	}
	at := append(slices.Clone(op), "responses", http.StatusText(0)+itoa(a.status))
	if ref, ok := s.at(append(at, "$ref")...).(string); ok {
		at = strings.Split(strings.TrimPrefix(ref, "#/"), "/")
	}
	if s.at(at...) == nil {
		t.Errorf("%s %s: the OpenAPI document has no answer %d\n%s", method, path, a.status, a.body)
		return
	}
	if len(a.body) > 0 {
		kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
		if s.at(append(at, "content", kind)...) == nil {
			t.Errorf("%s %s: the OpenAPI document has no %s for an answer %d", method, path, kind, a.status)
		} else if strings.HasSuffix(kind, "json") {
			s.validate(t, a.body, append(at, "content", kind, "schema")...)
		}
	}
	if request := append(slices.Clone(op), "requestBody", "content", "application/json", "schema"); a.status < 300 && len(sent) > 0 && s.at(request...) != nil {
		s.validate(t, sent, request...)
	}
	if headers, ok := s.at(append(at, "headers")...).(map[string]any); ok {
		for name := range headers {
			if name != "Idempotency-Replayed" && a.header.Get(name) == "" {
				t.Errorf("%s %s: the answer %d has no %s", method, path, a.status, name)
			}
		}
	}
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

// api is the edge on a real socket, with a fake behind it.
type api struct {
	*httptest.Server
	fake *fake
	spec *spec
	log  *bytes.Buffer
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// problem is the body as a problem.
func (a answer) problem(t testing.TB) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal(a.body, &p); err != nil {
		t.Fatalf("not a problem: %v\n%s", err, a.body)
	}
	return p
}

func newAPI(t testing.TB, f *fake, with ...func(*Config)) *api {
	t.Helper()
	log := &bytes.Buffer{}
	cfg := Config{Control: f, Logger: slog.New(slog.NewTextHandler(log, nil)), Version: "test", MaxUpload: 1000}
	for _, w := range with {
		w(&cfg)
	}
	h := New(cfg)
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return &api{srv, f, newSpec(t, h.(*edge).spec), log}
}

// do sends a request with the application's key and holds the answer against
// the OpenAPI document. header is pairs of names and values; a value of "-"
// leaves a header out that is sent otherwise.
func (a *api) do(t testing.TB, method, path, body string, header ...string) answer {
	t.Helper()
	return a.send(t, method, path, strings.NewReader(body), header...)
}

func (a *api) send(t testing.TB, method, path string, body io.Reader, header ...string) answer {
	t.Helper()
	sent, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(method, a.URL+path, bytes.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+appKey)
	if len(sent) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i+1] == "-" {
			req.Header.Del(header[i])
		}
	}
	resp, err := a.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := answer{resp.StatusCode, resp.Header, got}
	path, _, _ = strings.Cut(path, "?")
	a.spec.check(t, method, path, sent, out)
	return out
}

func TestDocumentIsCurrent(t *testing.T) {
	got, err := document(routesOf(Config{}), "test")
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/openapi.json"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the routes say; see the difference with: go test ./internal/httpapi -update && git diff", golden)
	}
}

// Every path, parameter, body and answer has its words, and examples that fit
// their schemas.
func TestDocumentIsComplete(t *testing.T) {
	raw, err := document(routesOf(Config{}), "test")
	if err != nil {
		t.Fatal(err)
	}
	s := newSpec(t, raw)
	for path, item := range s.at("paths").(map[string]any) {
		for method, op := range item.(map[string]any) {
			at := []string{"paths", path, method}
			op := op.(map[string]any)
			if op["summary"] == nil || op["operationId"] == nil || op["tags"] == nil {
				t.Errorf("%s %s has no summary, operationId or tags", method, path)
			}
			params, _ := op["parameters"].([]any)
			for _, p := range params {
				p := p.(map[string]any)
				if p["description"] == nil || p["schema"] == nil {
					t.Errorf("%s %s: the parameter %s has no description or schema", method, path, p["name"])
				}
			}
			checkContent(t, s, append(at, "requestBody"))
			for status := range op["responses"].(map[string]any) {
				checkContent(t, s, append(slices.Clone(at), "responses", status))
			}
		}
	}
	for name, c := range s.at("components", "schemas").(map[string]any) {
		properties, _ := c.(map[string]any)["properties"].(map[string]any)
		for field, p := range properties {
			p := p.(map[string]any)
			if p["description"] == nil && p["$ref"] == nil && p["const"] == nil {
				t.Errorf("%s.%s has no description", name, field)
			}
		}
	}
	for name := range s.at("components", "responses").(map[string]any) {
		checkContent(t, s, []string{"components", "responses", name})
	}
}

// checkContent wants a description, and an example that fits for JSON.
func checkContent(t *testing.T, s *spec, at []string) {
	t.Helper()
	v, _ := s.at(at...).(map[string]any)
	if v == nil || v["$ref"] != nil {
		return
	}
	if v["description"] == nil {
		t.Errorf("%q has no description", at)
	}
	contents, _ := v["content"].(map[string]any)
	for kind, c := range contents {
		example, ok := c.(map[string]any)["example"]
		if !ok {
			if strings.HasSuffix(kind, "json") && !slices.Contains(at, "/openapi.json") {
				t.Errorf("%q: %s has no example", at, kind)
			}
			continue
		}
		if strings.HasSuffix(kind, "json") {
			body, err := json.Marshal(example)
			if err != nil {
				t.Fatal(err)
			}
			s.validate(t, body, append(slices.Clone(at), "content", kind, "schema")...)
		}
	}
}

func TestDocumentHasEveryEvent(t *testing.T) {
	raw, err := document(routesOf(Config{}), "test")
	if err != nil {
		t.Fatal(err)
	}
	s := newSpec(t, raw)
	for _, e := range fakeEvents() {
		at := []string{"webhooks", string(e.Type), "post", "requestBody", "content", "application/json", "schema"}
		s.validate(t, e.Body, at...)
		s.validate(t, e.Seed(), at...)
		s.validate(t, e.Body, "components", "schemas", "Event")
	}
	hooks := slices.Collect(maps.Keys(s.at("webhooks").(map[string]any)))
	if len(hooks) != 20 {
		t.Errorf("%d webhooks, want 20: %q", len(hooks), hooks)
	}
}

func TestDocumentIsServedToEverybody(t *testing.T) {
	a := newAPI(t, &fake{})
	got := a.do(t, "GET", "/openapi.json", "", "Authorization", "-")
	if got.status != 200 || !json.Valid(got.body) {
		t.Errorf("got %d", got.status)
	}
}
