package servertest

import (
	"io"
	"net/http"
	"sync"
	"testing"

	"parley/internal/apispec"
)

// contract is what a server says of its API; every answer is held against it.
type contract struct {
	mu   sync.Mutex
	spec *apispec.Spec // guarded by mu
}

// readContract gets the OpenAPI document from a server.
func readContract(tb testing.TB, url string) *contract {
	tb.Helper()
	res, err := http.Get(url + "/openapi.json") //nolint:noctx // the test has its own time
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	doc, err := io.ReadAll(res.Body)
	if err != nil {
		tb.Fatal(err)
	}
	spec, err := apispec.New(doc)
	if err != nil {
		tb.Fatalf("/openapi.json: %v", err)
	}
	return &contract{spec: spec}
}

// check holds an answer against the document.
func (c *contract) check(r *http.Request, a Answer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spec.CheckAnswer(r.Method, r.URL.EscapedPath(), a.Status, a.Header, a.Body)
}
