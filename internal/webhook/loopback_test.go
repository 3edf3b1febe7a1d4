package webhook

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley"
	"parley/internal/ledger"
	"parley/internal/safehttp"
	"parley/internal/store"
	"parley/internal/store/sqlite"
)

// server is a dispatcher in real time over a real database.
type server struct {
	store  *sqlite.Store
	ledger *ledger.Ledger
	d      *Dispatcher
}

func serve(t testing.TB, change func(c *Config)) *server {
	t.Helper()
	st, err := sqlite.Open(t.Context(), sqlite.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(st, ledger.Config{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Ledger: l, Store: st, Schedule: hasty(), Logger: slog.New(slog.DiscardHandler),
		Client: safehttp.New(safehttp.Options{}), Trusted: safehttp.New(safehttp.Options{AllowPrivate: true}),
	}
	change(&cfg)
	s := &server{store: st, ledger: l, d: New(cfg)}
	ended := make(chan error, 1)
	go func() { ended <- s.d.Run(context.Background()) }()
	t.Cleanup(func() {
		_ = s.d.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = l.Close()
		_ = st.Close()
	})
	return s
}

// hook makes a webhook of the operator's own.
func (s *server) hook(t testing.TB, url string, trusted bool) parley.ID {
	t.Helper()
	h := parley.Webhook{ID: parley.NewID(time.Now()), Application: app, URL: url, Events: []string{"*"}, Secrets: []string{secret}, Trusted: trusted}
	if err := s.ledger.Commit(t.Context(), &store.Write{Put: []store.Row{store.Encode(&h)}}); err != nil {
		t.Fatal(err)
	}
	s.refresh(t)
	return h.ID
}

// hooks makes n webhooks of applications app0, app1 … of the operator's own.
func (s *server) hooks(t testing.TB, n int, url func(i int) string) {
	t.Helper()
	w := &store.Write{}
	for i := range n {
		h := parley.Webhook{
			ID: parley.NewID(time.Now()), Application: parley.ID(fmt.Sprint("app", i)), URL: url(i), Events: []string{"*"},
			Secrets: []string{secret}, Trusted: true,
		}
		w.Put = append(w.Put, store.Encode(&h))
	}
	if err := s.ledger.Commit(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	s.refresh(t)
}

// refresh has the dispatcher read the webhooks.
func (s *server) refresh(t testing.TB) {
	t.Helper()
	// Refresh must find the dispatcher started; Stats waits for that.
	if _, err := s.d.Stats(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.d.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until the delivery of an event is as wanted.
func (s *server) eventually(t *testing.T, hook parley.ID, event string, ok func(d parley.Delivery) bool) parley.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		list, _, err := s.store.Deliveries(ctx, store.DeliveryQuery{Webhook: hook, EventID: event})
		if err != nil {
			t.Fatalf("the delivery of %s did not come to what was wanted: %+v, %v", event, list, err)
		}
		if len(list) == 1 && ok(list[0]) {
			return list[0]
		}
		pause(ctx, 5*time.Millisecond)
	}
}

func succeeded(d parley.Delivery) bool { return d.State == parley.DeliverySucceeded }

func (s *server) tell(t testing.TB, stream parley.ID, seq int64) {
	t.Helper()
	e, err := parley.NewEvent(stream, seq, app, parley.MillisOf(time.Now()), &parley.CreateSuccFact{CreateSuccSeed: parley.CreateSuccSeed{ID: stream}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ledger.Commit(t.Context(), &store.Write{Events: []parley.Event{e}}); err != nil {
		t.Fatal(err)
	}
}

func TestOverRealConnections(t *testing.T) {
	var mu sync.Mutex
	attempts := map[string]int{}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("webhook-id")
		mu.Lock()
		attempts[id]++
		n := attempts[id]
		mu.Unlock()
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Errorf("body: %v", err)
		}
		switch {
		case n > 1:
		case strings.Contains(id, "redirect"):
			http.Redirect(w, r, "/elsewhere", http.StatusPermanentRedirect)
		case strings.Contains(id, "reset"):
			panic(http.ErrAbortHandler)
		case strings.Contains(id, "half"):
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "only a part")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case strings.Contains(id, "long"):
			_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
		}
		if r.URL.Path != "/hook" {
			t.Errorf("a redirect was followed to %s", r.URL.Path)
		}
	}))
	defer receiver.Close()
	s := serve(t, func(*Config) {})
	hook := s.hook(t, receiver.URL+"/hook", true)
	for stream, wanted := range map[parley.ID]struct {
		attempts int
		response int
	}{"redirect": {2, 0}, "reset": {2, 0}, "half": {1, len("only a part")}, "long": {1, keptBody}, "plain": {1, 0}} {
		s.tell(t, stream, 1)
		d := s.eventually(t, hook, parley.EventID(stream, 1), succeeded)
		if d.Attempts != wanted.attempts || len(d.Response) != wanted.response {
			t.Errorf("%s: %d attempts, answer of %d bytes, want %d, %d", stream, d.Attempts, len(d.Response), wanted.attempts, wanted.response)
		}
	}
}

func TestAPrivateAddressIsRefusedAndShown(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a private address was called") }))
	defer receiver.Close()
	s := serve(t, func(*Config) {})
	hook := s.hook(t, receiver.URL, false)
	s.tell(t, "c", 1)
	d := s.eventually(t, hook, "evt_c_1", func(d parley.Delivery) bool { return d.Attempts > 2 })
	if d.State != parley.DeliveryPending || !strings.Contains(d.LastError, "127.0.0.1 is not allowed") {
		t.Errorf("delivery %+v", d)
	}
}

func TestTheOperatorsRangeIsReached(t *testing.T) {
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer receiver.Close()
	s := serve(t, func(c *Config) {
		c.Client = safehttp.New(safehttp.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	})
	hook := s.hook(t, receiver.URL, false)
	s.tell(t, "c", 1)
	s.eventually(t, hook, "evt_c_1", succeeded)
}

func TestCheckURLIsTheOperatorsRule(t *testing.T) {
	d := New(Config{Client: http.DefaultClient, CheckURL: safehttp.Options{}.CheckURL})
	if d.CheckURL("https://example.com/") != nil || d.CheckURL("http://10.0.0.1/") == nil {
		t.Error("CheckURL does not ask the rule that it was given")
	}
	if err := New(Config{Client: http.DefaultClient}).CheckURL("anything"); err != nil {
		t.Errorf("without a rule: %v", err)
	}
	if err := d.Refresh(t.Context()); err != nil {
		t.Errorf("Refresh before Run = %v", err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("Close without Run = %v", err)
	}
}

// BenchmarkCommitToReceipt reports how long it takes from the call of Commit to
// the first byte at the receiver, at 300 events a second to 100 destinations.
func BenchmarkCommitToReceipt(b *testing.B) {
	const rate, destinations = 300, 100
	type arrival struct {
		stream string
		at     time.Time
	}
	arrivals := make(chan arrival, 1024)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		at := time.Now()
		_, _ = io.Copy(io.Discard, r.Body)
		arrivals <- arrival{r.Header.Get("webhook-id"), at}
	}))
	defer receiver.Close()
	s := serve(b, func(c *Config) { c.Schedule = DefaultSchedule() })
	s.hooks(b, destinations, func(i int) string { return fmt.Sprintf("%s/%d", receiver.URL, i) })
	began := make([]time.Time, b.N)
	var waits []time.Duration
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range b.N {
			a := <-arrivals
			var i int
			if _, err := fmt.Sscanf(a.stream, "evt_%d_1", &i); err != nil {
				b.Error(err)
				return
			}
			waits = append(waits, a.at.Sub(began[i]))
		}
	}()
	b.ResetTimer()
	beat := time.NewTicker(time.Second / rate)
	defer beat.Stop()
	var writers sync.WaitGroup
	for i := range b.N {
		<-beat.C
		began[i] = time.Now()
		writers.Go(func() {
			stream := parley.ID(fmt.Sprint(i))
			e, err := parley.NewEvent(stream, 1, parley.ID(fmt.Sprint("app", i%destinations)), 1, &parley.CreateSuccFact{CreateSuccSeed: parley.CreateSuccSeed{ID: stream}})
			if err != nil {
				b.Error(err)
				return
			}
			if err := s.ledger.Commit(b.Context(), &store.Write{Events: []parley.Event{e}}); err != nil {
				b.Error(err)
			}
		})
	}
	writers.Wait()
	<-done
	b.StopTimer()
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(waits[len(waits)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkDeliveries reports how many events a second are committed and arrive
// at one, 100 and 10,000 destinations, without a network.
func BenchmarkDeliveries(b *testing.B) {
	for _, destinations := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("destinations=%d", destinations), func(b *testing.B) { benchmarkDeliveries(b, destinations) })
	}
}

// nowhere answers every request at once, without a network.
type nowhere struct{ arrived chan struct{} }

func (n nowhere) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	n.arrived <- struct{}{}
	return &http.Response{StatusCode: 204, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

func benchmarkDeliveries(b *testing.B, destinations int) {
	arrived := make(chan struct{}, 1024)
	s := serve(b, func(c *Config) { c.Trusted = &http.Client{Transport: nowhere{arrived}} })
	s.hooks(b, destinations, func(i int) string { return fmt.Sprintf("http://host%d.test/", i) })
	b.ReportAllocs()
	b.ResetTimer()
	var writers sync.WaitGroup
	const at = 64
	for k := range at {
		writers.Go(func() {
			for i := k; i < b.N; i += at {
				stream := parley.ID(fmt.Sprint(i))
				e, err := parley.NewEvent(stream, 1, parley.ID(fmt.Sprint("app", i%destinations)), 1, &parley.CreateSuccFact{CreateSuccSeed: parley.CreateSuccSeed{ID: stream}})
				if err != nil {
					b.Error(err)
					return
				}
				if err := s.ledger.Commit(b.Context(), &store.Write{Events: []parley.Event{e}}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	for range b.N {
		<-arrived
	}
	writers.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
}
