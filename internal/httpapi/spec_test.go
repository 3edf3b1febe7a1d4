package httpapi

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"parley/internal/apispec"
)

var update = flag.Bool("update", false, "write testdata/openapi.json anew")

// newSpec reads the document that a handler serves.
func newSpec(t testing.TB, raw []byte) *apispec.Spec {
	t.Helper()
	s, err := apispec.New(raw)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// validate holds JSON against the schema at a path of names.
func validate(t testing.TB, s *apispec.Spec, body []byte, names ...string) {
	t.Helper()
	if err := s.Validate(body, names...); err != nil {
		t.Errorf("%q: %v", names, err)
	}
}

// api is the edge on a real socket, with a fake behind it.
type api struct {
	*httptest.Server
	fake *fake
	spec *apispec.Spec
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
	srv := httptest.NewServer(New(cfg))
	t.Cleanup(srv.Close)
	return &api{srv, f, newSpec(t, golden(t)), log}
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
	// What was taken fits the document, and so does every answer.
	if req.Body = nil; out.status < 300 && len(sent) > 0 {
		if err := a.spec.CheckRequest(req, sent); err != nil {
			t.Error(err)
		}
	}
	if err := a.spec.CheckAnswer(method, req.URL.EscapedPath(), out.status, out.header, out.body); err != nil {
		t.Error(err)
	}
	return out
}

func TestDocumentIsCurrent(t *testing.T) {
	got, err := document(routesOf(Config{}), "test")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(goldenFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, golden(t)) {
		t.Errorf("%s is not what the routes say; see the difference with: go test ./internal/httpapi -update && git diff", goldenFile)
	}
}

const goldenFile = "testdata/openapi.json"

// golden is the document as it is kept; TestDocumentIsCurrent holds it against
// the routes.
func golden(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every path, parameter, body and answer has its words, and examples that fit
// their schemas.
func TestDocumentIsComplete(t *testing.T) {
	s := newSpec(t, golden(t))
	for path, item := range s.At("paths").(map[string]any) {
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
	for name, c := range s.At("components", "schemas").(map[string]any) {
		properties, _ := c.(map[string]any)["properties"].(map[string]any)
		for field, p := range properties {
			p := p.(map[string]any)
			if p["description"] == nil && p["$ref"] == nil && p["const"] == nil {
				t.Errorf("%s.%s has no description", name, field)
			}
		}
	}
	for name := range s.At("components", "responses").(map[string]any) {
		checkContent(t, s, []string{"components", "responses", name})
	}
}

// checkContent wants a description, and an example that fits for JSON.
func checkContent(t *testing.T, s *apispec.Spec, at []string) {
	t.Helper()
	v, _ := s.At(at...).(map[string]any)
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
			validate(t, s, body, append(slices.Clone(at), "content", kind, "schema")...)
		}
	}
}

func TestDocumentHasEveryEvent(t *testing.T) {
	s := newSpec(t, golden(t))
	for _, e := range fakeEvents() {
		at := []string{"webhooks", string(e.Type), "post", "requestBody", "content", "application/json", "schema"}
		validate(t, s, e.Body, at...)
		validate(t, s, e.Seed(), at...)
		validate(t, s, e.Body, "components", "schemas", "Event")
	}
	hooks := slices.Collect(maps.Keys(s.At("webhooks").(map[string]any)))
	if len(hooks) != 20 {
		t.Errorf("%d webhooks, want 20: %q", len(hooks), hooks)
	}
}

func TestDocumentIsServedToEverybody(t *testing.T) {
	a := newAPI(t, &fake{})
	got := a.do(t, "GET", "/openapi.json", "", "Authorization", "-")
	if got.status != 200 || !bytes.Equal(got.body, golden(t)) {
		t.Errorf("got %d and %d bytes", got.status, len(got.body))
	}
}
