package webhook

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"parley"
	"parley/internal/history"
	"parley/internal/ledger"
	"parley/internal/store"
	"parley/internal/store/sqlite"
)

// Variables that turn the test binary into a server that tells conferences and
// delivers them.
const (
	crashDir   = "PARLEY_TEST_CRASH_DIR"
	crashURL   = "PARLEY_TEST_CRASH_URL"
	crashConfs = 40
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		if err := serveUntilKilled(dir, os.Getenv(crashURL)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// hasty is a schedule for tests in real time.
func hasty() Schedule {
	return Schedule{Quick: []time.Duration{time.Millisecond, 5 * time.Millisecond}, Base: 10 * time.Millisecond, Max: 50 * time.Millisecond, Timeout: 5 * time.Second}
}

// serveUntilKilled tells what is left to tell of every conference, prints an
// event's ID when it is committed, "told" when nothing is left to tell, and
// "drained" when everything is delivered.
func serveUntilKilled(dir, url string) error {
	ctx := context.Background()
	st, err := sqlite.Open(ctx, sqlite.Config{Dir: dir})
	if err != nil {
		return err
	}
	l, err := ledger.Open(st, ledger.Config{})
	if err != nil {
		return err
	}
	hook := parley.Webhook{ID: "wh", Application: app, URL: url, Events: []string{"*"}, Secrets: []string{secret}}
	if err := l.Commit(ctx, &store.Write{Put: []store.Row{store.Encode(&hook)}}); err != nil {
		return err
	}
	d := New(Config{Ledger: l, Store: st, Client: &http.Client{}, Schedule: hasty(), Logger: slog.New(slog.DiscardHandler)})
	go func() { _ = d.Run(ctx) }()
	var wg sync.WaitGroup
	errs := make(chan error, crashConfs)
	for c := range crashConfs {
		wg.Go(func() { errs <- tellRest(ctx, st, l, parley.ID(fmt.Sprintf("c%d", c))) })
	}
	wg.Wait()
	for range crashConfs {
		if err := <-errs; err != nil {
			return err
		}
	}
	fmt.Println("told")
	for {
		pause(ctx, 20*time.Millisecond)
		behind, err := st.Behind(ctx, hook.ID, app, 0)
		if err != nil {
			return err
		}
		if len(behind) == 0 {
			fmt.Println("drained")
			return d.Close()
		}
	}
}

// tellRest commits a conference's events one by one, from where it ended.
func tellRest(ctx context.Context, st store.Store, l *ledger.Ledger, stream parley.ID) error {
	committed, err := st.Events(ctx, store.EventQuery{Stream: stream})
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(uint64(len(committed)), 7))
	for _, e := range lifecycleOf(stream)[len(committed):] {
		if err := l.Commit(ctx, &store.Write{Events: []parley.Event{e}}); err != nil {
			return err
		}
		fmt.Println(e.ID())
		pause(ctx, time.Duration(rng.IntN(30))*time.Millisecond) // kills come between commits, too
	}
	return nil
}

// lifecycleOf is a conference that is the same in every process: with digits
// pressed in the middle, to make it longer.
func lifecycleOf(stream parley.ID) []parley.Event {
	const at parley.Millis = 1_700_000_000_000
	facts := []parley.Fact{&parley.CreateSuccFact{CreateSuccSeed: parley.CreateSuccSeed{ID: stream, BeginTime: at}}}
	facts = append(facts, &parley.JoinedFact{JoinedSeed: parley.JoinedSeed{ID: stream, JoinTime: at, CallID: stream + "-a", PartURI: "sip:x@y"}})
	for i := range 20 {
		f := &parley.DTMFFact{PartSeed: parley.PartSeed{Event: parley.EventConfDTMF, ID: stream, Time: at, CallID: stream + "-a", PartURI: "sip:x@y"}, Digit: fmt.Sprint(i % 10)}
		facts = append(facts, f)
	}
	facts = append(facts,
		&parley.QuitFact{QuitSeed: parley.QuitSeed{ID: stream, JoinTime: at, QuitTime: at + 10, CallID: stream + "-a", PartURI: "sip:x@y"}},
		&parley.ConfEndFact{EndSeed: parley.EndSeed{ID: stream, BeginTime: at, EndTime: at + 10}})
	var events []parley.Event
	for i, f := range facts {
		e, err := parley.NewEvent(stream, int64(i+1), app, at, f)
		if err != nil {
			panic(err)
		}
		events = append(events, e)
	}
	return events
}

// collector is a receiver on loopback that fails by seed and keeps what it
// accepted.
type collector struct {
	mu       sync.Mutex
	rng      *rand.Rand
	accepted [][]byte
	forged   int
	got      int
	notify   chan int // how many requests came so far
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the server was killed in the middle of it
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got++
	select {
	case c.notify <- c.got:
	default:
	}
	key, _ := ParseSecret(secret)
	var timestamp int64
	if _, err := fmt.Sscan(r.Header.Get("webhook-timestamp"), &timestamp); err != nil ||
		r.Header.Get("webhook-signature") != Sign([][]byte{key}, r.Header.Get("webhook-id"), timestamp, body) {
		c.forged++
	}
	switch c.rng.IntN(6) {
	case 0:
		w.WriteHeader(500)
	case 1:
		panic(http.ErrAbortHandler) // the connection is cut
	default:
		c.accepted = append(c.accepted, body)
	}
}

// TestNothingIsLostByKillWhileDelivering kills the delivering process five
// times; the receiver must have all that was committed, in order, with the same
// bytes whenever it came twice.
func TestNothingIsLostByKillWhileDelivering(t *testing.T) {
	c := &collector{rng: rand.New(rand.NewPCG(3, 3)), notify: make(chan int, 1)}
	server := httptest.NewServer(c)
	defer server.Close()
	dir := t.TempDir()
	committed := map[string]bool{}
	rng := rand.New(rand.NewPCG(4, 4))
	for range 5 {
		runDelivering(t, dir, server.URL, c, 30+rng.IntN(150), committed)
	}
	if !runDelivering(t, dir, server.URL, c, 0, committed) {
		t.Error("the last process did not deliver everything")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range history.Check(c.accepted...) {
		t.Error(v)
	}
	arrived := map[string]bool{}
	for _, b := range c.accepted {
		_, rest, _ := strings.Cut(string(b), `"event_id":"`)
		id, _, _ := strings.Cut(rest, `"`)
		arrived[id] = true
	}
	for id := range committed {
		if !arrived[id] {
			t.Errorf("%s was committed and never arrived", id)
		}
	}
	if want := crashConfs * len(lifecycleOf("c0")); len(arrived) != want {
		t.Errorf("%d events arrived, want %d", len(arrived), want)
	}
	if c.forged > 0 {
		t.Errorf("%d requests were not signed rightly", c.forged)
	}
	t.Logf("%d requests, %d accepted, %d of them repeats", c.got, len(c.accepted), len(c.accepted)-len(arrived))
}

// runDelivering runs the process until it has made so many more requests, 0:
// until it says that everything is delivered; it reports whether it said so.
func runDelivering(t *testing.T, dir, url string, c *collector, requests int, committed map[string]bool) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir, crashURL+"="+url)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	until := c.got + requests
	c.mu.Unlock()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() {
		for requests > 0 {
			select {
			case n := <-c.notify:
				if n >= until {
					_ = cmd.Process.Kill() // SIGKILL
					return
				}
			case <-stopped:
				return
			}
		}
	}()
	drained := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch line := lines.Text(); line {
		case "told":
		case "drained":
			drained = true
		default:
			committed[line] = true
		}
	}
	close(stopped)
	if err := cmd.Wait(); err != nil {
		if _, killed := errors.AsType[*exec.ExitError](err); !killed {
			t.Fatal(err)
		}
	}
	return drained
}
