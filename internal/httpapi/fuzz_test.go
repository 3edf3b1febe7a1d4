package httpapi

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"parley/internal/apispec"
)

// FuzzBodies sends any bytes as the body of any route that takes JSON: the
// answer is a success or a problem with a client's status, never a fault of the
// server, and a use case is reached only by a body that encoding/json and the
// OpenAPI document take too.
func FuzzBodies(f *testing.F) {
	var routes []route
	for _, r := range routesOf(Config{}) {
		if r.body != nil {
			routes = append(routes, r)
		}
	}
	for i := range routes {
		for _, body := range []string{
			``, `{}`, `{"name":"a","host":"h","url":"https://x","files":["a.wav"],"state":"paused"}`,
			`{"to":["0197c2f3a1b37abc8123456789abcdef"],"files":["a"],"gain_db":-1e1,"loop":true}`, `{"max_parts":1.0,"user_data":"\ud83d\ude00"}`,
			`{"events":["*"],"url":"u","disabled":false}`, `{"status":486}`, `{"conference":"0197c2f3a1b27def8123456789abcdef","from_seq":1}`, `{"user_data":null}`, `[{"a":[]}]`,
		} {
			f.Add(i, []byte(body))
		}
	}
	fk := &fake{}
	h := New(Config{Control: fk, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	doc := newSpec(f, golden(f))
	f.Fuzz(func(t *testing.T, i int, body []byte) {
		r := routes[uint(i)%uint(len(routes))]
		path := strings.NewReplacer("{id}", string(confID), "{call_id}", string(callID), "{recording_id}", string(recordingID)).Replace(r.path)
		fk.calls = nil
		rec := serve(h, r.method, path, body)
		switch {
		case rec.Code >= 500:
			t.Errorf("%s %s: %d for %q", r.method, path, rec.Code, body)
		case rec.Code >= 300 && len(fk.calls) > 0:
			t.Errorf("%s %s: refused %q, but called %q", r.method, path, body, fk.calls)
		case rec.Code < 300 && len(body) > 0:
			if !json.Valid(body) {
				t.Fatalf("%s %s: took %q", r.method, path, body)
			}
			checkTaken(t, doc, r, body)
		}
	})
}

// checkTaken holds a body that was taken against the document. Bounds are the
// use cases' to check, so that only the form counts here.
func checkTaken(t *testing.T, doc *apispec.Spec, r route, body []byte) {
	var fields map[string]any
	if err := json.Unmarshal(body, &fields); err != nil {
		t.Fatalf("took %q: %v", body, err)
	}
	at := []string{"paths", r.path, strings.ToLower(r.method), "requestBody", "content", "application/json", "schema"}
	ref := strings.TrimPrefix(doc.At(append(at, "$ref")...).(string), schemaPrefix)
	known := doc.At("components", "schemas", ref, "properties").(map[string]any)
	for name := range fields {
		if known[name] == nil {
			t.Errorf("%s %s: took the field %q", r.method, r.path, name)
		}
	}
	required, _ := doc.At("components", "schemas", ref).(map[string]any)["required"].([]any)
	for _, name := range required {
		if _, ok := fields[name.(string)]; !ok {
			t.Errorf("%s %s: took %q without %s", r.method, r.path, body, name)
		}
	}
}

// FuzzPaths asks for any path with any query: there is always an answer, a
// problem with a client's status where it is not a success.
func FuzzPaths(f *testing.F) {
	for _, path := range []string{
		"/", "/v1", "/v1/", "/v1//", "/v1/conferences", "/v1/conferences/" + string(confID), "/v1/conferences?limit=1&cursor=x&state=y",
		"/v1/media/a%2Fb", "/v1/media/..", "/v1/media/%00", "/v1/events?since=1&until=2&type=x", "/openapi.json", "//", "/v1/%2e%2e/x", "/v1/calls?%zz", "*",
	} {
		f.Add("GET", path)
		f.Add("DELETE", path)
	}
	fk := &fake{events: fakeEvents(), content: "x", stream: newFakeStream()}
	h := New(Config{Control: fk, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	f.Fuzz(func(t *testing.T, method, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil || method == "" || strings.HasPrefix(u.Path, "/v1/events/stream") {
			return
		}
		rec := serve(h, method, target, nil)
		if rec.Code >= 300 && (rec.Code < 400 || rec.Code >= 500 || rec.Header().Get("Content-Type") != "application/problem+json") {
			t.Errorf("%s %s: %d %s %q", method, target, rec.Code, rec.Header().Get("Content-Type"), rec.Body)
		}
	})
}

// serve serves one request with an operator's key, without a socket.
func serve(h http.Handler, method, target string, body []byte) *httptest.ResponseRecorder {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		panic(err)
	}
	r := &http.Request{
		Method: method, URL: u, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Authorization": {"Bearer " + operatorKey}},
		Body: io.NopCloser(strings.NewReader(string(body))), ContentLength: int64(len(body)), RequestURI: target,
	}
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}
