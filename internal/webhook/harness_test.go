package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley"
	"parley/internal/ledger"
	"parley/internal/store"
	"parley/internal/store/sqlite"
)

// world is a dispatcher on virtual time over a real database, with receivers in
// memory. It can be stopped and started again, as the server would be.
type world struct {
	t   *testing.T
	dir string
	cfg Config // Ledger and Store are set by start

	store  *sqlite.Store
	wrap   func(store.Store) store.Store // nil: none
	ledger *ledger.Ledger
	d      *Dispatcher
	ended  chan error

	net *network
	seq map[parley.ID]int64
}

// app owns everything unless a test says otherwise.
const app parley.ID = "app"

// secret signs in every test.
const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// play runs a test in a bubble of virtual time with a world that runs.
func play(t *testing.T, test func(w *world)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, dir: dir, net: &network{receivers: map[string]*receiver{}}, seq: map[parley.ID]int64{}}
		w.cfg = Config{Client: &http.Client{Transport: w.net}, Chance: func() float64 { return 0.5 }, Logger: slog.New(slog.DiscardHandler)}
		w.start()
		defer w.stop()
		test(w)
	})
}

// start opens the database and runs a dispatcher.
func (w *world) start() {
	w.t.Helper()
	st, err := sqlite.Open(w.t.Context(), sqlite.Config{Dir: w.dir})
	if err != nil {
		w.t.Fatal(err)
	}
	w.store = st
	if w.ledger, err = ledger.Open(st, ledger.Config{Logger: w.cfg.Logger}); err != nil {
		w.t.Fatal(err)
	}
	w.cfg.Ledger, w.cfg.Store = w.ledger, st
	if w.wrap != nil {
		w.cfg.Store = w.wrap(st)
	}
	w.d = New(w.cfg)
	w.ended = make(chan error, 1)
	go func() { w.ended <- w.d.Run(context.Background()) }()
	synctest.Wait()
}

// stop ends everything in the order in which the server does.
func (w *world) stop() {
	w.t.Helper()
	if w.d == nil {
		return
	}
	_ = w.d.Close()
	if err := <-w.ended; err != nil {
		w.t.Errorf("Run: %v", err)
	}
	if err := errors.Join(w.ledger.Close(), w.store.Close()); err != nil {
		w.t.Error(err)
	}
	w.d = nil
}

// restart is stop and start.
func (w *world) restart() {
	w.t.Helper()
	w.stop()
	w.start()
}

// pass lets virtual time go by.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// hook makes a webhook that wants everything, at http://NAME.test/hook, and
// tells the dispatcher.
func (w *world) hook(name string, change ...func(h *parley.Webhook)) parley.Webhook {
	w.t.Helper()
	h := parley.Webhook{
		ID: parley.ID("wh-" + name), Application: app, URL: "http://" + name + ".test/hook", Format: parley.FormatFull,
		Events: []string{"*"}, Secrets: []string{secret}, Start: w.ledger.Position(),
	}
	for _, c := range change {
		c(&h)
	}
	w.save(h)
	return h
}

// save writes a webhook's row and tells the dispatcher.
func (w *world) save(h parley.Webhook) {
	w.t.Helper()
	w.commit(&store.Write{Put: []store.Row{store.Encode(&h)}})
	if err := w.d.Refresh(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait() // until it knows what is behind
}

func (w *world) commit(write *store.Write) {
	w.t.Helper()
	if err := w.ledger.Commit(w.t.Context(), write); err != nil {
		w.t.Fatal(err)
	}
}

// tell commits n further events of a stream, each by itself.
func (w *world) tell(stream parley.ID, n int) {
	w.t.Helper()
	for range n {
		w.tellTypes(app, stream, parley.EventConfJoined)
	}
}

// tellTypes commits one event of each type, together.
func (w *world) tellTypes(application, stream parley.ID, types ...parley.EventType) {
	w.t.Helper()
	write := &store.Write{}
	for _, typ := range types {
		w.seq[stream]++
		seq := w.seq[stream]
		seed := fmt.Sprintf(`{"event":"%s","id":"%s"`, typ, stream)
		write.Events = append(write.Events, parley.Event{
			Stream: stream, Seq: seq, Application: application, Type: typ, Time: parley.MillisOf(time.Now()),
			Body: fmt.Appendf(nil, `%s,"event_id":"%s","seq":%d}`, seed, parley.EventID(stream, seq), seq), SeedLen: len(seed),
		})
	}
	w.commit(write)
}

// delivery gives the record of an event's way to a webhook.
func (w *world) delivery(hook parley.ID, event string) parley.Delivery {
	w.t.Helper()
	list, _, err := w.store.Deliveries(w.t.Context(), store.DeliveryQuery{Webhook: hook, EventID: event})
	if err != nil {
		w.t.Fatal(err)
	}
	if len(list) != 1 {
		w.t.Fatalf("%d deliveries of %s to %s", len(list), event, hook)
	}
	return list[0]
}

// behind gives the streams in which a webhook is behind, as "stream:seq".
func (w *world) behind(h parley.Webhook) []string {
	w.t.Helper()
	list, err := w.store.Behind(w.t.Context(), h.ID, h.Application, h.Start)
	if err != nil {
		w.t.Fatal(err)
	}
	names := []string{}
	for _, c := range list {
		names = append(names, fmt.Sprintf("%s:%d", c.Stream, c.Seq))
	}
	return names
}

// network routes requests to receivers by host.
type network struct {
	mu        sync.Mutex
	receivers map[string]*receiver
}

// at gives the receiver at http://NAME.test, which answers 204.
func (n *network) at(name string) *receiver {
	n.mu.Lock()
	defer n.mu.Unlock()
	host := name + ".test"
	if n.receivers[host] == nil {
		n.receivers[host] = &receiver{answer: func(*request) answer { return answer{status: http.StatusNoContent} }}
	}
	return n.receivers[host]
}

// RoundTrip implements http.RoundTripper.
func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	recv := n.receivers[r.URL.Host]
	n.mu.Unlock()
	if recv == nil {
		return nil, errors.New("connection refused")
	}
	return recv.serve(r)
}

// answer is what a receiver does with a request.
type answer struct {
	status int
	body   string
	header map[string]string
	after  time.Duration // virtual
	err    error         // instead of an answer
}

func status(code int) answer { return answer{status: code} }

// hang is no answer at all.
func hang() answer { return answer{after: 1000 * time.Hour} }

// request is one that a receiver got.
type request struct {
	n       int // 1, 2, 3 … at this receiver
	at      time.Time
	id      string
	body    string
	url     string
	header  http.Header
	attempt int // of this event
	status  int // the answer; 0 where there was none
}

// stream is what the event ID says.
func (r *request) stream() string {
	name := strings.TrimPrefix(r.id, "evt_")
	return name[:strings.LastIndex(name, "_")]
}

// receiver is a customer's server.
type receiver struct {
	mu     sync.Mutex
	answer func(*request) answer
	got    []*request
	now    int // requests under way
	most   int // requests under way at once, the most there were
}

// answers sets what the receiver does from now on.
func (r *receiver) answers(fn func(*request) answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = fn
}

// locked runs fn while no request is being judged.
func (r *receiver) locked(fn func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn()
}

// peak gives the most requests that were under way at once, and begins to count
// anew.
func (r *receiver) peak() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	most := r.most
	r.most = r.now
	return most
}

// always answers every request in the same way.
func (r *receiver) always(a answer) { r.answers(func(*request) answer { return a }) }

func (r *receiver) serve(req *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(req.Body)
	got := &request{at: time.Now(), id: req.Header.Get("webhook-id"), body: string(body), url: req.URL.String(), header: req.Header.Clone(), attempt: 1}
	r.mu.Lock()
	for _, earlier := range r.got {
		if earlier.id == got.id {
			got.attempt++
		}
	}
	r.got = append(r.got, got)
	got.n = len(r.got)
	r.now++
	r.most = max(r.most, r.now)
	a := r.answer(got)
	r.mu.Unlock()
	timer := time.NewTimer(a.after)
	defer timer.Stop()
	var err error
	select {
	case <-timer.C:
		err = a.err
	case <-req.Context().Done():
		err = req.Context().Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now--
	if err != nil {
		return nil, err
	}
	got.status = a.status
	resp := &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader([]byte(a.body))), Request: req}
	for k, v := range a.header {
		resp.Header.Set(k, v)
	}
	return resp, nil
}

// requests gives what was received so far.
func (r *receiver) requests() []*request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// accepted gives the event IDs that were answered 2xx, in order, without
// "evt_".
func (r *receiver) accepted() []string {
	list := []string{}
	for _, q := range r.requests() {
		if q.status/100 == 2 {
			list = append(list, strings.TrimPrefix(q.id, "evt_"))
		}
	}
	return list
}

// offsets gives when each request came, since the first.
func (r *receiver) offsets() []time.Duration {
	var list []time.Duration
	got := r.requests()
	for _, q := range got {
		list = append(list, q.at.Sub(got[0].at))
	}
	return list
}

// ids gives "stream_1" … "stream_n".
func ids(stream string, from, to int) []string {
	list := []string{}
	for i := from; i <= to; i++ {
		list = append(list, fmt.Sprintf("%s_%d", stream, i))
	}
	return list
}

// of keeps the IDs of one stream.
func of(stream string, list []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(id string) bool { return !strings.HasPrefix(id, stream+"_") })
}

// sorted is the list in alphabetical order: conferences do not wait for each
// other, so nothing says which comes first.
func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("%s = %s, want %s", what, g, w)
	}
}
