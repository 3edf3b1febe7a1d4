package httpapi

import (
	"bufio"
	"context"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"parley"
	"parley/internal/control"
)

// listen opens the event stream; lines gives what comes, closed at its end.
func listen(t *testing.T, a *api, query string, header ...string) (resp *http.Response, lines <-chan string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", a.URL+"/v1/events/stream"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+appKey)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err = a.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan string)
	go func() {
		defer close(out)
		for scan := bufio.NewScanner(resp.Body); scan.Scan(); {
			select {
			case out <- scan.Text():
			case <-t.Context().Done():
				return
			}
		}
	}()
	t.Cleanup(func() { resp.Body.Close() })
	return resp, out
}

// line is the next line; ok is false at the end.
func line(t *testing.T, lines <-chan string) (string, bool) {
	t.Helper()
	select {
	case l, ok := <-lines:
		return l, ok
	case <-time.After(waitFor):
		t.Fatal("nothing came")
		return "", false
	}
}

func wantLines(t *testing.T, lines <-chan string, want ...string) {
	t.Helper()
	for _, w := range want {
		if got, _ := line(t, lines); got != w {
			t.Fatalf("got %q, want %q", got, w)
		}
	}
}

func isClosed(t *testing.T, s *fakeStream) {
	t.Helper()
	select {
	case <-s.closed:
	case <-time.After(waitFor):
		t.Fatal("the subscription was not closed")
	}
}

func TestStream(t *testing.T) {
	f := &fake{stream: newFakeStream()}
	a := newAPI(t, f)
	resp, lines := listen(t, a, "?conference="+string(confID)+"&type=conf.end&after=evt_1")
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("got %d, %v", resp.StatusCode, resp.Header)
	}
	if want := (control.EventRequest{Conference: confID, Type: parley.EventConfEnd, After: "evt_1"}); !reflect.DeepEqual(f.request(), want) {
		t.Errorf("asked for %+v, want %+v", f.request(), want)
	}
	wantLines(t, lines, ": this stream begins here", "retry: 1000", "")
	events := fakeEvents()
	f.stream.events <- events[:2]
	for _, e := range events[:2] {
		wantLines(t, lines, "id: "+e.ID(), "event: "+string(e.Type), "data: "+string(e.Body), "")
	}
	f.stream.events <- events[2:]
	wantLines(t, lines, "id: "+events[2].ID(), "event: conf.end", "data: "+string(events[2].Body), "")
	resp.Body.Close()
	isClosed(t, f.stream)
}

func TestStreamGoesOnAfterLastEventID(t *testing.T) {
	f := &fake{stream: newFakeStream()}
	a := newAPI(t, f)
	_, lines := listen(t, a, "?after=evt_1", "Last-Event-ID", "evt_2")
	wantLines(t, lines, ": this stream begins here")
	if got := f.request().(control.EventRequest).After; got != "evt_2" {
		t.Errorf("goes on after %q, want evt_2", got)
	}
}

func TestStreamShowsThatItIsAlive(t *testing.T) {
	f := &fake{stream: newFakeStream()}
	a := newAPI(t, f, func(c *Config) { c.Heartbeat = time.Millisecond })
	_, lines := listen(t, a, "")
	wantLines(t, lines, ": this stream begins here", "retry: 1000", "", ": alive", "", ": alive", "")
}

func TestStreamEndsWhenTheServerStops(t *testing.T) {
	f := &fake{stream: newFakeStream()}
	closing, stop := context.WithCancel(t.Context())
	a := newAPI(t, f, func(c *Config) { c.Closing = closing })
	_, lines := listen(t, a, "")
	wantLines(t, lines, ": this stream begins here", "retry: 1000", "")
	stop()
	if l, ok := line(t, lines); ok {
		t.Errorf("%q came", l)
	}
	isClosed(t, f.stream)
}

func TestStreamEndsWhenTheStoreIsGone(t *testing.T) {
	f := &fake{stream: newFakeStream()}
	a := newAPI(t, f)
	_, lines := listen(t, a, "")
	wantLines(t, lines, ": this stream begins here", "retry: 1000", "")
	close(f.stream.events)
	if l, ok := line(t, lines); ok {
		t.Errorf("%q came", l)
	}
	isClosed(t, f.stream)
	if !strings.Contains(a.log.String(), "the store is gone") {
		t.Errorf("log: %s", a.log)
	}
}

func TestStreamThatCannotBegin(t *testing.T) {
	f := &fake{err: parley.FieldErrorf(parley.CodeNotFound, "after", "no event evt_9")}
	a := newAPI(t, f)
	got := a.do(t, "GET", "/v1/events/stream", "", "Last-Event-ID", "evt_9")
	if p := got.problem(t); got.status != 404 || p.Field != "after" {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestStreamByHEAD(t *testing.T) {
	f := &fake{stream: newFakeStream()}
	a := newAPI(t, f)
	got := a.do(t, "HEAD", "/v1/events/stream", "")
	if got.status != 200 || got.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("got %d %v", got.status, got.header)
	}
	isClosed(t, f.stream)
}

func TestAppendEventKeepsABodyInItsEvent(t *testing.T) {
	e := parley.Event{Stream: confID, Seq: 1, Type: parley.EventConfEnd, Body: []byte("{\n\n}")}
	want := "id: " + e.ID() + "\nevent: conf.end\ndata: {\ndata: \ndata: }\n\n"
	if got := string(appendEvent(nil, e)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
