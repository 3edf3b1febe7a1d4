package sip

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"parley"
	"parley/internal/control"
	"parley/internal/media"
)

// The scenarios in testdata/sipp are played by sipp, a SIP stack that is not
// ours (Debian's sip-tester): those named in_… call the agent, those named
// out_… are called by it. They are written for one call; here are many at a
// time, all of them with the same address for their sound.

// sippUses treat a call as its user part says.
type sippUses struct{ h *house }

func (u *sippUses) Admit(netip.Addr) (control.Origin, bool) {
	return control.Origin{Application: "app"}, true
}

func (u *sippUses) Incoming(in control.IncomingCall, call control.Call) control.CallEvents {
	e := &sippCall{call: call, user: in.User}
	switch in.User {
	case "answer", "hangup":
		call.Answer(nil)
	case "refuse":
		call.Reject(486)
	}
	return e
}

// sippCall does with a call that is up what its user part says.
type sippCall struct {
	call control.Call
	user string
	next []func(control.Call) // what to do when it is up, each after the last was done
	done chan string
}

func (c *sippCall) Talking(parley.ID, bool, time.Time)              {}
func (c *sippCall) Digit(parley.ID, byte, time.Duration, time.Time) {}
func (c *sippCall) Silent(parley.ID, time.Time)                     {}
func (c *sippCall) Held(bool, time.Time)                            {}
func (c *sippCall) Answered(time.Time) {
	if c.user == "hangup" {
		c.call.Hangup(control.ReasonRemoved)
	}
	for _, f := range c.next {
		f(c.call)
	}
}
func (c *sippCall) Ended(e control.CallEnd) {
	if c.done != nil {
		c.done <- fmt.Sprintf("%s %d", e.Reason, e.Status)
	}
}

// sippHouse is a house for sipp's calls.
func sippHouse(t *testing.T) *house {
	t.Helper()
	if _, err := exec.LookPath("sipp"); err != nil {
		t.Fatal("sipp is not installed: apt-get install sip-tester")
	}
	addr := netip.MustParseAddr("127.44.75.3")
	plane, err := media.Open(media.Config{Addr: addr, PortMin: 20000, PortMax: 20999, Shards: 2})
	if err != nil {
		t.Skipf("no address of our own on loopback: %v", err)
	}
	h := &house{t: t, plane: plane}
	h.agent = listen(t, Config{Addr: addr.String() + ":0", Media: plane, Inbound: &sippUses{h}})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := h.agent.Close(ctx); err != nil {
			t.Error(err)
		}
		if s := plane.Stats(); s.Sessions != 0 {
			t.Errorf("%d media sessions are left", s.Sessions)
		}
		plane.Close()
	})
	return h
}

// sipp starts sipp; the result is there when it has ended.
func sipp(t *testing.T, scenario string, args ...string) <-chan error {
	t.Helper()
	dir, err := filepath.Abs("testdata/sipp")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	args = append([]string{"-sf", filepath.Join(dir, scenario+".xml"), "-nostdin", "-i", "127.0.0.1", "-mi", "127.0.0.1",
		"-timeout", "50s", "-timeout_error", "-trace_err", "-error_file", "errors"}, args...)
	c := exec.CommandContext(ctx, "sipp", args...)
	c.Dir = t.TempDir()
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		err := c.Wait()
		if err != nil {
			errors, _ := os.ReadFile(filepath.Join(c.Dir, "errors"))
			tail := out.Bytes()
			err = fmt.Errorf("%w\n%s\n%s", err, tail[max(0, len(tail)-3000):], errors[:min(len(errors), 3000)])
		}
		done <- err
	}()
	return done
}

func TestSippCalls(t *testing.T) {
	for _, tt := range []struct{ scenario, user, transports string }{
		{"in_answered", "answer", "u1 t1"}, {"in_hung_up", "hangup", "u1 t1"}, {"in_cancelled", "ring", "u1 t1"},
		{"in_lost_ack", "answer", "t1"}, // over UDP sipp swallows what is repeated
		{"in_late_ack", "answer", "u1"},
		{"in_refused", "refuse", "u1 t1"}, {"in_late_offer", "answer", "u1 t1"}, {"in_hold", "answer", "u1 t1"},
		{"in_reinvite_refused", "answer", "u1 t1"}, {"in_no_call", "x", "u1 t1"},
	} {
		for transport := range strings.FieldsSeq(tt.transports) {
			t.Run(tt.scenario+" "+transport, func(t *testing.T) {
				t.Parallel()
				h := sippHouse(t)
				if err := <-sipp(t, tt.scenario, h.agent.Addr().String(), "-s", tt.user, "-t", transport, "-m", "20", "-r", "50", "-l", "20"); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func TestSippIsCalled(t *testing.T) {
	const calls = 20
	hang := func(c control.Call) { c.Hangup(control.ReasonRemoved) }
	hold := func(h bool) func(control.Call) { return func(c control.Call) { c.Hold(h) } }
	for _, tt := range []struct {
		scenario string
		timeout  time.Duration
		trunk    bool
		next     []func(control.Call)
		ended    string
	}{
		{"out_answered", 0, false, []func(control.Call){hang}, "removed 0"},
		{"out_hung_up", 0, false, nil, "hangup 0"},
		{"out_many_provisionals", 0, false, []func(control.Call){hang}, "removed 0"},
		{"out_early_media", 0, false, []func(control.Call){hang}, "removed 0"},
		{"out_busy", 0, false, nil, "busy 486"},
		{"out_not_answered", 200 * time.Millisecond, false, nil, "no_answer 0"},
		{"out_cancel_crosses_200", 200 * time.Millisecond, false, nil, "no_answer 0"},
		{"out_hold", 0, false, []func(control.Call){hold(true), hold(false)}, "hangup 0"},
		{"out_glare", 0, false, []func(control.Call){hold(true)}, "hangup 0"},
		{"out_digest", 0, true, []func(control.Call){hang}, "removed 0"},
	} {
		for _, transport := range []string{"u1", "t1"} {
			t.Run(tt.scenario+" "+transport, func(t *testing.T) {
				t.Parallel()
				h := sippHouse(t)
				port := freePort(t)
				done := sipp(t, tt.scenario, "-t", transport, "-p", fmt.Sprint(port), "-m", fmt.Sprint(calls))
				target := fmt.Sprintf("127.0.0.1:%d", port)
				awaitSipp(t, transport, target)
				r := control.DialRequest{Target: "sip:bob@" + target, Timeout: tt.timeout}
				if transport == "t1" {
					r.Target += ";transport=tcp"
				}
				if tt.trunk {
					r.Trunk = &parley.Trunk{Name: "sipp", Host: target, Transport: map[string]string{"u1": "udp", "t1": "tcp"}[transport], Username: "acct", Password: "secret"}
				}
				ended := make(chan string, calls)
				for range calls {
					placeSippCall(h, r, tt.next, ended)
				}
				for range calls {
					select {
					case got := <-ended:
						if got != tt.ended {
							t.Errorf("ended %s, want %s", got, tt.ended)
						}
					case <-time.After(patience):
						t.Fatal("a call never ended")
					}
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// placeSippCall places a call whose events are told where the call is known.
func placeSippCall(h *house, r control.DialRequest, next []func(control.Call), ended chan string) {
	e := &sippCall{next: next, done: ended}
	var once sync.Mutex // the first event comes when Dial has returned
	once.Lock()
	r.ID, r.Events = parley.NewID(time.Now()), waiting{e, &once}
	if r.Timeout == 0 {
		r.Timeout = patience
	}
	e.call = h.agent.Dial(r)
	once.Unlock()
}

// waiting holds Answered back until the call is known.
type waiting struct {
	*sippCall
	known *sync.Mutex
}

func (w waiting) Answered(at time.Time) {
	w.known.Lock()
	defer w.known.Unlock()
	w.sippCall.Answered(at)
}

// freePort is a port that is free in UDP and TCP.
func freePort(t *testing.T) int {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		l.Close()
		if err == nil {
			u.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// awaitSipp waits until sipp has its port.
func awaitSipp(t *testing.T, transport, addr string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if transport == "t1" {
			if c, err := net.Dial("tcp4", addr); err == nil {
				c.Close()
				return
			}
			continue
		}
		// The kernel's table: to try the port could take it from sipp.
		table, err := os.ReadFile("/proc/net/udp")
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(table, fmt.Appendf(nil, ":%04X 00000000:0000", netip.MustParseAddrPort(addr).Port())) {
			return
		}
	}
	t.Fatalf("sipp does not listen on %s", addr)
}

// Every scenario is played by a test.
func TestSippScenariosAreUsed(t *testing.T) {
	source, err := os.ReadFile("sipp_test.go")
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob("testdata/sipp/*.xml")
	if len(files) == 0 {
		t.Fatal("no scenarios")
	}
	for _, f := range files {
		if name := strings.TrimSuffix(filepath.Base(f), ".xml"); !bytes.Contains(source, []byte(`"`+name+`"`)) {
			t.Errorf("%s is not used", name)
		}
	}
}
