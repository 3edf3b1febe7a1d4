package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"parley"
	"parley/client"
)

// sse is one event as the server writes it.
func sse(seq int64) string {
	e := parley.EventID(id, seq)
	return fmt.Sprintf("id: %s\nevent: conf.dtmf\ndata: {\"event\":\"conf.dtmf\",\"event_id\":\"%s\",\"seq\":%d}\n\n", e, e, seq)
}

// script is a server whose connections do what its steps say, one after the
// other.
type script struct {
	steps chan func(w http.ResponseWriter, r *http.Request)
	after chan string // Last-Event-ID of each connection
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.after <- r.Header.Get("Last-Event-ID")
	select {
	case step := <-s.steps:
		step(w, r)
	case <-r.Context().Done():
	}
}

func newScript(t *testing.T, steps ...func(w http.ResponseWriter, r *http.Request)) (*script, *client.Client) {
	t.Helper()
	s := &script{steps: make(chan func(http.ResponseWriter, *http.Request), len(steps)), after: make(chan string, 10)}
	for _, step := range steps {
		s.steps <- step
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, client.New(srv.URL, "k")
}

func write(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

func wantNext(t *testing.T, s *client.EventStream, seq int64) {
	t.Helper()
	e, err := s.Next()
	if err != nil || e.Seq != seq || e.ID != parley.EventID(id, seq) || e.Type != parley.EventConfDTMF {
		t.Fatalf("got %+v, %v, want event %d", e, err, seq)
	}
}

// The stream goes on after the last event when a connection ends, breaks off in
// the midst of an event, or is refused for a while.
func TestStreamResumes(t *testing.T) {
	s, api := newScript(t,
		write(": begin\nretry: 1000\n\n"+sse(1)+": alive\n\n"+sse(2)),
		write(sse(3)+"id: x\ndata: {\"event\""),
		func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
		write(sse(4)),
	)
	stream := api.Stream(t.Context(), client.StreamOptions{Conference: id, Type: parley.EventConfDTMF, After: "evt_0"})
	defer stream.Close()
	for seq := range int64(4) {
		wantNext(t, stream, seq+1)
	}
	for i, want := range []string{"evt_0", parley.EventID(id, 2), parley.EventID(id, 3), parley.EventID(id, 3)} {
		if got := <-s.after; got != want {
			t.Errorf("connection %d began after %q, want %q", i, got, want)
		}
	}
}

func TestStreamTellsWhatAskingAgainWouldNotChange(t *testing.T) {
	_, api := newScript(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(401)
		_, _ = io.WriteString(w, `{"code":"unauthorized","detail":"no"}`)
	})
	if _, err := api.Stream(t.Context(), client.StreamOptions{}).Next(); parley.CodeOf(err) != parley.CodeUnauthorized {
		t.Errorf("got %v", err)
	}
	_, api = newScript(t, write("data: {\n\n"))
	if _, err := api.Stream(t.Context(), client.StreamOptions{}).Next(); err == nil {
		t.Error("an event that is not JSON passes")
	}
}

func TestStreamTriesAgainWhenTheServerIsBusy(t *testing.T) {
	_, api := newScript(t,
		func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(503)
			_, _ = io.WriteString(w, `{"code":"shutting_down","detail":"later"}`)
		},
		write(sse(1)),
	)
	stream := api.Stream(t.Context(), client.StreamOptions{})
	defer stream.Close()
	wantNext(t, stream, 1)
}

func TestStreamEndsWithItsContext(t *testing.T) {
	for name, end := range map[string]func(cancel context.CancelFunc, s *client.EventStream){
		"cancelled": func(cancel context.CancelFunc, _ *client.EventStream) { cancel() },
		"closed":    func(_ context.CancelFunc, s *client.EventStream) { s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			hold := func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, sse(1))
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}
			_, api := newScript(t, hold)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stream := api.Stream(ctx, client.StreamOptions{})
			wantNext(t, stream, 1)
			done := make(chan error)
			go func() { _, err := stream.Next(); done <- err }()
			end(cancel, stream)
			select {
			case err := <-done:
				if !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("Next waits on")
			}
		})
	}
}
