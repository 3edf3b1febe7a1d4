package phone_test

import (
	"context"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"parley/internal/phone"
)

// sipp runs SIPp, which shares no line with us, with one of its own scenarios.
// The output is for the failure message.
func sipp(t *testing.T, args ...string) <-chan error {
	t.Helper()
	path, err := exec.LookPath("sipp")
	if err != nil {
		t.Fatal("sipp is not installed: apt-get install sip-tester")
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	var out strings.Builder
	cmd := exec.CommandContext(ctx, path, append(args, "-i", "127.0.0.1", "-m", "1", "-nostdin")...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := cmd.Wait()
		if err != nil {
			t.Logf("sipp: %v\n%s", err, out.String())
		}
		exited <- err
	}()
	t.Cleanup(func() { cancel(); <-done })
	return exited
}

// freePort is one that nobody has at the moment.
func freePort(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, port, _ := net.SplitHostPort(c.LocalAddr().String())
	return port
}

func TestSIPpCallsThePhone(t *testing.T) {
	t.Parallel()
	for transport, flag := range map[string]string{"udp": "u1", "tcp": "t1"} {
		t.Run(transport, func(t *testing.T) {
			p := newPhone(t, phone.Config{Transport: transport})
			exited := sipp(t, "-sn", "uac", "-t", flag, "-d", "200", p.Addr().String())
			call, err := p.NextCall(deadline(t))
			if err != nil {
				t.Fatal(err)
			}
			ends(t, "the phone", call, phone.RemoteHangup, 0)
			if err := <-exited; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestThePhoneCallsSIPp(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	exited := sipp(t, "-sn", "uas", "-p", port)
	p := newPhone(t, phone.Config{})
	// The INVITE is sent again until SIPp has bound its port.
	call, err := p.Dial(deadline(t), "sipp@127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	if err := call.WaitAnswered(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if err := call.Hangup(deadline(t)); err != nil {
		t.Error(err)
	}
	select {
	case err := <-exited:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(within):
		t.Error("sipp goes on")
	}
}
