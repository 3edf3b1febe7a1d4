package control_test

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"parley"
	"parley/internal/blob"
	"parley/internal/control"
	"parley/internal/ledger"
	"parley/internal/media"
	"parley/internal/store/sqlite"
)

// rig is the use cases over a real store, ledger, media plane and files; only
// the telephone network and the webhooks are played.
type rig struct {
	*control.Control
	t      *testing.T
	dir    string
	store  *sqlite.Store
	ledger *ledger.Ledger
	net    *network
	app    parley.ID
	stop   func()
}

const presetKey = "preset-key-0123456789"

// start opens the use cases on dir; change, if any, alters how.
func start(t *testing.T, dir string, change ...func(*control.Config)) *rig {
	t.Helper()
	st, err := sqlite.Open(t.Context(), sqlite.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	led, err := ledger.Open(st, ledger.Config{})
	if err != nil {
		t.Fatal(err)
	}
	plane, err := media.Open(media.Config{Addr: netip.MustParseAddr("127.0.0.1"), PortMin: 31000, PortMax: 31999})
	if err != nil {
		t.Fatal(err)
	}
	files, err := blob.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: dir, store: st, ledger: led, net: &network{calls: map[parley.ID]*line{}}}
	cfg := control.Config{
		Store: st, Ledger: led, Plane: plane, Files: files, Dispatcher: noDeliveries{}, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		CheckURL: func(string) error { return nil }, AllowCalls: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}
	for _, f := range change {
		f(&cfg)
	}
	r.Control = control.New(cfg)
	r.Connect(r.net)
	if _, err := r.Bootstrap(t.Context(), control.Setup{APIKey: presetKey}); err != nil {
		t.Fatal(err)
	}
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	who, err := r.Authenticate(t.Context(), presetKey)
	if err != nil {
		t.Fatal(err)
	}
	r.app = who.Application
	release := func() {
		_ = plane.Close()
		_ = led.Close()
		_ = files.Close()
		_ = st.Close()
	}
	r.stop = sync.OnceFunc(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
		release()
	})
	t.Cleanup(func() { r.stop() })
	return r
}

// crash leaves everything as a killed process would: nothing is told.
func (r *rig) crash() {
	r.net.dead()
	if err := r.store.Close(); err != nil {
		r.t.Fatal(err)
	}
	r.stop = func() {}
}

// noDeliveries is a dispatcher without webhooks.
type noDeliveries struct{}

func (noDeliveries) Refresh(context.Context) error                           { return nil }
func (noDeliveries) Replay(context.Context, parley.ID, []parley.Event) error { return nil }

// network answers every call at once, unless the target says otherwise.
type network struct {
	mu    sync.Mutex
	calls map[parley.ID]*line // guarded by mu
	off   bool                // guarded by mu
}

func (n *network) dead() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.off = true
}

// Dial implements control.Dialer.
func (n *network) Dial(req control.DialRequest) control.Call {
	l := &line{n: n, events: req.Events}
	n.mu.Lock()
	n.calls[req.ID] = l
	n.mu.Unlock()
	switch req.Target {
	case "sip:busy@example.com":
		go l.end(parley.ReasonBusy, 486)
	case "sip:silent@example.com":
	default:
		go req.Events.Answered(time.Now())
	}
	return l
}

// line is a call on the network.
type line struct {
	n        *network
	events   control.CallEvents
	once     sync.Once
	known    chan struct{} // closed when events is set; nil: it was from the start
	rejected int           // status, after end
}

// comeIn makes an inbound call. What control does to it meanwhile waits until
// the call knows whom to tell, as with an edge.
func (r *rig) comeIn(in control.IncomingCall) *line {
	l := &line{n: r.net, known: make(chan struct{})}
	l.events = r.Incoming(in, l)
	close(l.known)
	return l
}

// await returns when the call knows whom to tell.
func (l *line) await() {
	if l.known != nil {
		<-l.known
	}
}

func (l *line) end(reason string, status int) {
	l.n.mu.Lock()
	off := l.n.off
	l.n.mu.Unlock()
	if off {
		return
	}
	l.await()
	l.once.Do(func() { l.events.Ended(control.CallEnd{At: time.Now(), Reason: reason, Status: status}) })
}

func (l *line) Session() *media.Session { return nil }
func (l *line) Answer(*media.Mix)       { go func() { l.await(); l.events.Answered(time.Now()) }() }
func (l *line) Hangup(reason string)    { go l.end(reason, 0) }
func (l *line) Hold(bool)               {}
func (l *line) Reject(status int) {
	l.rejected = status
	go l.end(parley.ReasonRejected, status)
}
func (l *line) Move(_ *media.Mix, done func(error)) { done(nil) }

// events is the events of a stream as subscribers get them, when there are n.
func (r *rig) events(stream parley.ID, n int) []parley.Event {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 20*time.Second)
	defer cancel()
	s := r.ledger.Subscribe(0)
	defer s.Close()
	var got []parley.Event
	for len(got) < n {
		events, err := s.Next(ctx)
		if err != nil {
			r.t.Fatalf("waited for %d events of %s, got %d: %v", n, stream, len(got), err)
		}
		for _, e := range events {
			if e.Stream == stream {
				got = append(got, e)
			}
		}
	}
	return got
}

func types(events []parley.Event) []parley.EventType {
	var out []parley.EventType
	for _, e := range events {
		out = append(out, e.Type)
	}
	return out
}
