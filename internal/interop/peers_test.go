// Package interop calls the server with SIP peers that share no line with it:
// baresip, a softphone with real sound, and SIPp, which plays SIP dialogues
// message by message. The programs run headless, on loopback, each on ports of
// its own, and end with their test.
package interop

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"parley/internal/servertest"
)

// program finds a peer. Without it there is nothing to test, so that is a
// failure.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: apt-get install --no-install-recommends baresip-core sip-tester (.ci/run does that)", name)
	}
	return path
}

// process is a program that a test has started.
type process struct {
	name string
	cmd  *exec.Cmd
	out  output
	done chan struct{} // closed when it has ended
	err  error         // after done: how
}

// launch starts a program. When the test ends it is killed, if it still runs,
// and what it wrote is shown if the test has failed.
func launch(t *testing.T, name, dir, path string, args ...string) *process {
	t.Helper()
	p := &process{name: name, cmd: exec.Command(path, args...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, &p.out, &p.out
	// baresip wants to read its standard input; it never gets any.
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		p.err = p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
		_ = in.Close()
		if t.Failed() {
			t.Logf("%s (%v):\n%s", p.name, p.err, tail(p.out.String(), 12_000))
		}
	})
	return p
}

// running reports whether the process has not ended.
func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// output keeps what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) has(s string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Contains(o.buf.Bytes(), []byte(s))
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// eventually waits for something that gives no sign of its own, such as a file
// that another process writes.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(servertest.Patience)
	defer deadline.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !done() {
		select {
		case <-look.C:
		case <-deadline.C:
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// Ports for the peers: below those that the kernel gives out by itself, above
// the well-known ones, beside those of the server's sound.
const (
	firstPort = 10_240
	lastPort  = 19_990
)

// ports finds n ports in a row that nobody has on loopback, by UDP or TCP, the
// first of them even.
func ports(t *testing.T, n int) int {
	t.Helper()
	for range 1000 {
		first := firstPort + 2*rand.IntN((lastPort-firstPort-n)/2)
		if allFree(first, n) {
			return first
		}
	}
	t.Fatal("no free ports")
	return 0
}

func allFree(first, n int) bool {
	for port := first; port < first+n; port++ {
		addr := local(port)
		u, err := net.ListenPacket("udp", addr)
		if err != nil {
			return false
		}
		_ = u.Close()
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

// local is a port of loopback as an address.
func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// uri is a user's SIP URI at a port of loopback.
func uri(user string, port int, transport string) string {
	s := fmt.Sprintf("sip:%s@%s", user, local(port))
	if transport == "tcp" {
		s += ";transport=tcp"
	}
	return s
}
