// Command receiver is the smallest useful receiver of callbacks: it prints each
// event once and says so with 204.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9000", "where to listen")
	flag.Parse()
	server := &http.Server{Addr: *addr, Handler: newReceiver(os.Stdout), ReadHeaderTimeout: 5 * time.Second}
	fmt.Printf("waiting for events at http://%s/\n", *addr)
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	os.Exit(1)
}

// A receiver takes callbacks.
type receiver struct {
	mu   sync.Mutex // guards what follows
	out  io.Writer
	seen map[string]bool // event IDs: a retry brings one again
}

func newReceiver(out io.Writer) *receiver {
	return &receiver{out: out, seen: make(map[string]bool)}
}

// ServeHTTP prints the event, unless it was here before. Any 2xx tells the
// server that the event has arrived; anything else makes it try again.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 1<<20))
	var event struct {
		Event   string `json:"event"`
		EventID string `json:"event_id"`
	}
	if err == nil {
		err = json.Unmarshal(body, &event)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.seen[event.EventID] {
		r.seen[event.EventID] = true
		fmt.Fprintf(r.out, "%-18s %s\n", event.Event, body)
	}
	w.WriteHeader(http.StatusNoContent)
}
