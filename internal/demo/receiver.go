package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"parley"
	"parley/client"
)

// callback is one event as the application's receiver got it.
type callback struct {
	At   time.Time
	Type parley.EventType
	ID   string // event_id
	Body []byte
	// Took is the time from the event, as its own fields tell it, to its
	// receipt.
	Took time.Duration
}

// receiver is the customer's application as far as callbacks go: it verifies
// each signature and keeps what came.
type receiver struct {
	secret string
	show   func(callback)
	server *http.Server
	url    string
	wg     sync.WaitGroup

	mu      sync.Mutex
	got     []callback    // guarded by mu
	faults  []error       // guarded by mu
	changed chan struct{} // guarded by mu; closed and replaced with each callback
}

// listen starts a receiver on a free port of loopback. show is called with
// each callback, one at a time.
func listen(secret string, show func(callback)) (*receiver, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &receiver{secret: secret, show: show, url: "http://" + l.Addr().String() + "/events", changed: make(chan struct{})}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 5 * time.Second}
	r.wg.Go(func() { _ = r.server.Serve(l) })
	return r, nil
}

func (r *receiver) close() {
	_ = r.server.Close()
	r.wg.Wait()
}

// ServeHTTP takes one callback.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	now := time.Now()
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	if err == nil {
		err = client.VerifyWebhook(req.Header, body, []string{r.secret}, now, 0)
	}
	var c callback
	if err == nil {
		c, err = read(body, now)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.faults = append(r.faults, err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.got = append(r.got, c)
	r.show(c)
	close(r.changed)
	r.changed = make(chan struct{})
}

// read takes what the demonstration shows out of a body.
func read(body []byte, now time.Time) (callback, error) {
	var e struct {
		Event   parley.EventType
		EventID string        `json:"event_id"`
		Begin   parley.Millis `json:"begin_time"`
		End     parley.Millis `json:"end_time"`
		Join    parley.Millis `json:"join_time"`
		Quit    parley.Millis `json:"quit_time"`
		Time    parley.Millis
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return callback{}, fmt.Errorf("callback is not JSON: %w", err)
	}
	at := max(e.Begin, e.End, e.Join, e.Quit, e.Time)
	return callback{At: now, Type: e.Event, ID: e.EventID, Body: body, Took: now.Sub(at.Time())}, nil
}

// all is what came so far, and what was wrong.
func (r *receiver) all() ([]callback, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]callback(nil), r.got...), errors.Join(r.faults...)
}

// wait blocks until n callbacks of a type have come.
func (r *receiver) wait(ctx context.Context, t parley.EventType, n int) error {
	for {
		r.mu.Lock()
		changed, count := r.changed, 0
		for _, c := range r.got {
			if c.Type == t {
				count++
			}
		}
		r.mu.Unlock()
		if count >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waited for %d of %s, %d came: %w", n, t, count, ctx.Err())
		}
	}
}
