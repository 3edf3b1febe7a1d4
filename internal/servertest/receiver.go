package servertest

import (
	"context"
	"encoding/json"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"parley"
)

// Secret signs the deliveries to every Receiver that was given to a server by
// Webhook.
const Secret = "whsec_c2VydmVydGVzdC1zZWNyZXQtMDEyMzQ1Njc4OWFiY2RlZg==" //nolint:gosec // of tests

// Receiver takes callbacks over real HTTP. It verifies the signature of each.
type Receiver struct {
	tb   testing.TB
	URL  string
	addr string

	mu       sync.Mutex
	answer   func(n int, c Callback) int // guarded by mu
	got      []Callback                  // guarded by mu; only appended to
	accepted []Callback                  // guarded by mu; only appended to
	seen     map[string]bool             // accepted event IDs; guarded by mu
	changed  chan struct{}               // guarded by mu
	signed   bool                        // guarded by mu
	server   *http.Server                // guarded by mu; nil while it is down
	wg       sync.WaitGroup
}

// Receive starts a receiver until the test ends.
func Receive(tb testing.TB) *Receiver {
	tb.Helper()
	r := &Receiver{tb: tb, addr: freePort(tb), seen: map[string]bool{}, changed: make(chan struct{})}
	r.Up()
	r.URL = "http://" + r.addr + "/events"
	tb.Cleanup(r.Down)
	return r
}

// Up makes the receiver listen, where it did before.
func (r *Receiver) Up() {
	r.tb.Helper()
	l, err := new(net.ListenConfig).Listen(r.tb.Context(), "tcp", r.addr)
	if err != nil {
		r.tb.Fatal(err)
	}
	s := &http.Server{Handler: r, ReadHeaderTimeout: Patience}
	r.mu.Lock()
	r.server = s
	r.mu.Unlock()
	r.wg.Go(func() { _ = s.Serve(l) })
}

// Down closes the receiver's port and its connections, as if its machine had
// been switched off.
func (r *Receiver) Down() {
	r.mu.Lock()
	s := r.server
	r.server = nil
	r.mu.Unlock()
	if s != nil {
		_ = s.Close()
	}
	r.wg.Wait()
}

// Answer sets the status that the n-th callback (from 0) gets; nil for 200. A
// status of 0 cuts the connection. It is called for one callback at a time.
func (r *Receiver) Answer(status func(n int, c Callback) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = status
}

// ServeHTTP implements http.Handler.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil { // the connection broke, or the receiver went down
		return
	}
	c := Callback{At: time.Now(), Header: req.Header, Body: body, Status: http.StatusOK}
	if err := json.Unmarshal(body, &c.Fields); err != nil {
		r.tb.Errorf("callback %q: %v", body, err)
	}
	if kind, params, err := mime.ParseMediaType(req.Header.Get("Content-Type")); err != nil || kind != "application/json" || params["charset"] != "utf-8" {
		r.tb.Errorf("callback with Content-Type %q", req.Header.Get("Content-Type"))
	}
	c.Type = parley.EventType(c.Text("event"))
	r.mu.Lock()
	if r.answer != nil {
		c.Status = r.answer(len(r.got), c)
	}
	r.got = append(r.got, c)
	if id := c.EventID(); c.Status/100 == 2 && !r.seen[id] {
		r.seen[id] = true
		r.accepted = append(r.accepted, c)
	}
	close(r.changed)
	r.changed = make(chan struct{})
	signed := r.signed
	r.mu.Unlock()
	if signed {
		if err := c.verify(Secret); err != nil {
			r.tb.Errorf("callback %s: %v", body, err)
		}
	}
	if c.Status == 0 {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(c.Status)
}

// All is every callback so far, in the order of arrival. It must not be
// changed.
func (r *Receiver) All() []Callback {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clip(r.got)
}

// Accepted is those that were answered with a 2xx, in the order of arrival, an
// event that was delivered twice the first time only. It must not be changed.
func (r *Receiver) Accepted() []Callback {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clip(r.accepted)
}

// Wait gives the first n accepted callbacks of a type, when they have come.
func (r *Receiver) Wait(t parley.EventType, n int) []Callback {
	r.tb.Helper()
	return r.WaitFor(string(t), n, func(c Callback) bool { return c.Type == t })
}

// WaitFor gives the first n accepted callbacks that match; what names them.
func (r *Receiver) WaitFor(what string, n int, match func(Callback) bool) []Callback {
	r.tb.Helper()
	var out []Callback
	looked := 0
	if !r.Until(func() bool {
		all := r.Accepted()
		for _, c := range all[looked:] {
			if match(c) {
				out = append(out, c)
			}
		}
		looked = len(all)
		return len(out) >= n
	}) {
		var types []parley.EventType
		for _, c := range r.All() {
			types = append(types, c.Type)
		}
		r.tb.Fatalf("waited for %d of %s; got %d; all: %v", n, what, len(out), types)
	}
	return out[:n]
}

// Until waits until ok, which is asked again after each callback; false when
// that was not in time.
func (r *Receiver) Until(ok func() bool) bool {
	ctx, cancel := context.WithTimeout(r.tb.Context(), Patience)
	defer cancel()
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		if ok() {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// Webhook makes a webhook of a server that leads here, for events ("*" for
// all; none for the default), in a format ("" for full). It gives its ID.
func (r *Receiver) Webhook(s *Server, format string, events ...string) string {
	r.tb.Helper()
	r.mu.Lock()
	r.signed = true
	r.mu.Unlock()
	body := map[string]any{"url": r.URL, "secret": Secret}
	if format != "" {
		body["format"] = format
	}
	if len(events) > 0 {
		body["events"] = events
	}
	var made struct{ ID string }
	s.Must(http.MethodPost, "/v1/webhooks", body, &made)
	return made.ID
}
