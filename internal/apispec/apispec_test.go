package apispec

import (
	"net/http"
	"strings"
	"testing"
)

const document = `{
  "paths": {
    "/things/{id}": {
      "get": {
        "operationId": "getThing",
        "parameters": [{"name": "limit", "in": "query"}],
        "responses": {
          "200": {
            "headers": {"Location": {}},
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}, "audio/wav": {}}
          },
          "404": {"$ref": "#/components/responses/not_found"}
        }
      },
      "post": {
        "operationId": "postThing",
        "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
        "parameters": [{"name": "Idempotency-Key", "in": "header"}]
      }
    },
    "/things/all": {"get": {"operationId": "getAll"}}
  },
  "components": {
    "responses": {"not_found": {"description": "Not Found: 'not_found'", "content": {"application/problem+json": {"schema": {"type": "object"}}}}},
    "schemas": {"Thing": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}}
  }
}`

func newSpec(t *testing.T) *Spec {
	t.Helper()
	s, err := New([]byte(strings.ReplaceAll(document, "'", "`")))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOperationID(t *testing.T) {
	s := newSpec(t)
	for request, want := range map[string]string{
		"GET /things/7": "getThing", "POST /things/7": "postThing", "GET /things/all": "getAll", "GET /things/a%2Fb": "getThing", "HEAD /things/7": "getThing",
		"GET /things": "", "GET /things/7/8": "", "PUT /things/7": "",
	} {
		method, path, _ := strings.Cut(request, " ")
		if got := s.OperationID(method, path); got != want {
			t.Errorf("%s is %q, want %q", request, got, want)
		}
	}
}

func TestCheckAnswer(t *testing.T) {
	s := newSpec(t)
	json := http.Header{"Content-Type": {"application/json"}, "Location": {"/x"}}
	problem := http.Header{"Content-Type": {"application/problem+json"}}
	tests := map[string]struct {
		path   string
		status int
		header http.Header
		body   string
		ok     bool
	}{
		"as it should be":           {"/things/7", 200, json, `{"a":1}`, true},
		"no JSON":                   {"/things/7", 200, http.Header{"Content-Type": {"audio/wav"}, "Location": {"/x"}}, `RIFF`, true},
		"shared answer":             {"/things/7", 404, problem, `{"code":"not_found"}`, true},
		"code that is not told of":  {"/things/7", 404, problem, `{"code":"name_taken"}`, false},
		"undescribed, a problem":    {"/nothing", 404, problem, `{}`, true},
		"another status":            {"/things/7", 201, json, `{"a":1}`, false},
		"another type":              {"/things/7", 200, http.Header{"Content-Type": {"text/html"}, "Location": {"/x"}}, `x`, false},
		"missing field":             {"/things/7", 200, json, `{}`, false},
		"unknown field":             {"/things/7", 200, json, `{"a":1,"b":2}`, false},
		"another type of field":     {"/things/7", 200, json, `{"a":"1"}`, false},
		"not JSON":                  {"/things/7", 200, json, `{`, false},
		"missing header":            {"/things/7", 200, http.Header{"Content-Type": {"application/json"}}, `{"a":1}`, false},
		"undescribed, a success":    {"/nothing", 200, json, `{}`, false},
		"undescribed, no problem":   {"/nothing", 404, json, `{}`, false},
		"shared answer, other type": {"/things/7", 404, json, `{}`, false},
	}
	for name, tt := range tests {
		if err := s.CheckAnswer("GET", tt.path, tt.status, tt.header, []byte(tt.body)); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckRequest(t *testing.T) {
	s := newSpec(t)
	tests := map[string]struct {
		method, target string
		header         http.Header
		body           string
		ok             bool
	}{
		"as it should be":   {"POST", "/things/7", http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {"k"}}, `{"a":1}`, true},
		"parameter":         {"GET", "/things/7?limit=1", nil, ``, true},
		"unknown parameter": {"GET", "/things/7?cursor=1", nil, ``, false},
		"unknown path":      {"GET", "/other", nil, ``, false},
		"unknown header":    {"GET", "/things/7", http.Header{"Idempotency-Key": {"k"}}, ``, false},
		"body of a GET":     {"GET", "/things/7", http.Header{"Content-Type": {"application/json"}}, `{"a":1}`, false},
		"body that is not":  {"POST", "/things/7", http.Header{"Content-Type": {"application/json"}}, `{"b":1}`, false},
	}
	for name, tt := range tests {
		r, err := http.NewRequest(tt.method, tt.target, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = tt.header
		if err := s.CheckRequest(r, []byte(tt.body)); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
