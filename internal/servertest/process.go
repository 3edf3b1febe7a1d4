package servertest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"parley/internal/server"
)

// childVariable holds, in a child process, what Process hands to it.
const childVariable = "PARLEY_SERVERTEST_CHILD"

// child is how a child process is to serve.
type child struct {
	Data, HTTP, SIP  string
	PortMin, PortMax uint16
}

// Main is for TestMain of packages that use Process: in the child it serves
// and never returns.
func Main(m *testing.M) int {
	doc := os.Getenv(childVariable)
	if doc == "" {
		return m.Run()
	}
	if err := serveChild(doc); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func serveChild(doc string) error {
	var c child
	if err := json.Unmarshal([]byte(doc), &c); err != nil {
		return err
	}
	cfg := server.Default()
	cfg.Data, cfg.HTTP, cfg.SIP.Addr, cfg.APIKey = c.Data, c.HTTP, c.SIP, Key
	cfg.RTP.PortMin, cfg.RTP.PortMax = c.PortMin, c.PortMax
	cfg.Webhooks.AllowPrivate = true
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() { // the test has gone, however that happened
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	return server.Run(ctx, cfg, os.Stdout)
}

// Process is a server in a process of its own, which can be killed.
type Process struct {
	*Server
	config child
	cmd    *exec.Cmd
}

// Spawn starts a server in a process of its own on data, for a test whose
// package has Main in its TestMain. It is killed when the test ends.
func Spawn(tb testing.TB, data string, portMin, portMax uint16) *Process {
	tb.Helper()
	p := &Process{Server: &Server{tb: tb, Data: data, Key: Key}, config: child{Data: data, HTTP: freePort(tb), SIP: freePort(tb), PortMin: portMin, PortMax: portMax}}
	p.Restart()
	tb.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			p.Kill()
		}
	})
	p.contract = readContract(tb, p.URL)
	return p
}

// Restart starts the process again after Kill, on the ports that it had; it
// returns when the server has said its addresses.
func (p *Process) Restart() {
	p.tb.Helper()
	doc, err := json.Marshal(p.config)
	if err != nil {
		p.tb.Fatal(err)
	}
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), childVariable+"="+string(doc))
	p.cmd.Stderr = os.Stderr
	if _, err := p.cmd.StdinPipe(); err != nil { // ends with this process
		p.tb.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		p.tb.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.tb.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.tb.Fatalf("the server said nothing: %v", err)
	}
	_, rest, _ := strings.Cut(line, "API ")
	api, rest, _ := strings.Cut(rest, ", SIP ")
	sip, _, _ := strings.Cut(rest, " ")
	if p.SIP, err = netip.ParseAddrPort(sip); err != nil {
		p.tb.Fatalf("%q: %v", line, err)
	}
	p.URL = api
}

// Kill ends the process as a crash would: kill -9.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// PID is the process's ID.
func (p *Process) PID() int { return p.cmd.Process.Pid }
