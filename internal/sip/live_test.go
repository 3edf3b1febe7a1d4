package sip

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"parley"
	"parley/internal/control"
	"parley/internal/media"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// A house is an agent on loopback with a media plane, and use cases that the
// test plays.
type house struct {
	t     *testing.T
	agent *Agent
	plane *media.Plane
	calls chan *liveCall // those that come in
}

// liveCall is a call, as the use cases see it.
type liveCall struct {
	t      *testing.T
	in     control.IncomingCall
	call   control.Call
	events chan string
	past   []string
}

// open opens a house on a loopback address of its own, so that ports of others
// are not in the way.
func open(t *testing.T) *house {
	t.Helper()
	addr := netip.MustParseAddr("127.44.75.2")
	plane, err := media.Open(media.Config{Addr: addr, PortMin: 20000, PortMax: 20199, Shards: 2})
	if err != nil {
		t.Skipf("no address of our own on loopback: %v", err)
	}
	h := &house{t: t, plane: plane, calls: make(chan *liveCall, 100)}
	h.agent = listen(t, Config{Addr: addr.String() + ":0", Media: plane, Inbound: h})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := h.agent.Close(ctx); err != nil {
			t.Error(err)
		}
		if s := h.plane.Stats(); s.Sessions != 0 {
			t.Errorf("%d media sessions are left", s.Sessions)
		}
		plane.Close()
	})
	return h
}

func (h *house) Admit(netip.Addr) (control.Origin, bool) {
	return control.Origin{Application: "app"}, true
}

func (h *house) Incoming(in control.IncomingCall, call control.Call) control.CallEvents {
	c := &liveCall{t: h.t, in: in, call: call, events: make(chan string, 1000)}
	h.calls <- c
	return c
}

// uri is where the house can be called.
func (h *house) uri(user, transport string) string {
	return fmt.Sprintf("sip:%s@%s;transport=%s", user, h.agent.Addr(), transport)
}

// next is the next call that comes in.
func (h *house) next() *liveCall {
	h.t.Helper()
	select {
	case c := <-h.calls:
		return c
	case <-time.After(patience):
		h.t.Fatal("no call came")
		return nil
	}
}

// dial places a call.
func (h *house) dial(r control.DialRequest) *liveCall {
	c := &liveCall{t: h.t, events: make(chan string, 1000)}
	r.ID, r.Events = parley.NewID(time.Now()), c
	if r.Timeout == 0 {
		r.Timeout = patience
	}
	c.call = h.agent.Dial(r)
	return c
}

func (c *liveCall) tell(format string, args ...any) { c.events <- fmt.Sprintf(format, args...) }

func (c *liveCall) Talking(_ parley.ID, talking bool, _ time.Time) {}
func (c *liveCall) Digit(_ parley.ID, d byte, _ time.Duration, _ time.Time) {
	c.tell("digit %c", d)
}
func (c *liveCall) Silent(parley.ID, time.Time) { c.tell("silent") }
func (c *liveCall) Answered(time.Time)          { c.tell("answered") }
func (c *liveCall) Held(held bool, _ time.Time) { c.tell("held %v", held) }
func (c *liveCall) Ended(e control.CallEnd)     { c.tell("ended %s %d", e.Reason, e.Status) }

// hears waits for events, in order and no others between.
func (c *liveCall) hears(want ...string) {
	c.t.Helper()
	deadline := time.After(patience)
	for i, w := range want {
		select {
		case got := <-c.events:
			c.past = append(c.past, got)
			if got != w {
				c.t.Fatalf("heard %q, want %q after %q", got, w, want[:i])
			}
		case <-deadline:
			c.t.Fatalf("never heard %q; heard %q", w, strings.Join(c.past, ", "))
		}
	}
}
