package sip

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"parley/internal/control"
	"parley/internal/sip/message"
	"parley/internal/sip/transport"
)

var update = flag.Bool("update", false, "write the golden files anew")

// busy are use cases that are busy: every call is refused with 486.
type busy struct{ uses }

func (u *busy) Incoming(in control.IncomingCall, call control.Call) control.CallEvents {
	call.Reject(486)
	return &heardCall{u: &u.uses, in: in, call: call}
}

// listen opens an agent on loopback. It has no media.
func listen(t *testing.T, cfg Config) *Agent {
	t.Helper()
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	if cfg.Inbound == nil {
		cfg.Inbound = &busy{}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(t.Context()) }) // whose context has ended: nobody is waited for
	return a
}

// tormentor is a far end at the ports that the messages of RFC 4475 want
// answers at.
type tormentor struct {
	t     *testing.T
	conns []*net.UDPConn
	got   chan string
	to    *net.UDPAddr
	pings int
}

func newTormentor(t *testing.T, a *Agent) *tormentor {
	m := &tormentor{t: t, got: make(chan string, 1000), to: net.UDPAddrFromAddrPort(a.Addr())}
	for _, port := range []int{5060, 5050} {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 44, 75, 1), Port: port})
		if err != nil {
			t.Skipf("no address of our own on loopback: %v", err)
		}
		m.conns = append(m.conns, c)
		done := make(chan struct{})
		go func() {
			defer close(done)
			buf := make([]byte, 65536)
			for {
				n, _, err := c.ReadFromUDP(buf)
				if err != nil {
					return
				}
				m.got <- string(buf[:n])
			}
		}()
		t.Cleanup(func() { c.Close(); <-done })
	}
	return m
}

// send sends a message and then an OPTIONS, and gives what was answered to the
// message: the start lines, in order. A call's final answer is waited for.
func (m *tormentor) send(data []byte) string {
	m.t.Helper()
	m.pings++
	ping := fmt.Sprintf("ping-%d-", m.pings)
	if _, err := m.conns[0].WriteToUDP(data, m.to); err != nil {
		m.t.Fatal(err)
	}
	for i, c := range m.conns { // each port gets its answers in order
		if _, err := c.WriteToUDP([]byte(options(fmt.Sprint(ping, i))), m.to); err != nil {
			m.t.Fatal(err)
		}
	}
	head, _ := message.Scan(data)
	var lines []string
	alive, owed := 0, false
	deadline := time.After(10 * time.Second)
	for alive < len(m.conns) || owed {
		select {
		case text := <-m.got:
			first, _, _ := strings.Cut(text, "\r\n")
			switch {
			case strings.Contains(text, ping):
				if strings.HasPrefix(first, "SIP/2.0 200") {
					alive++
				}
			case head.CallID == "" || strings.Contains(text, head.CallID):
				lines = append(lines, strings.TrimPrefix(first, "SIP/2.0 "))
				owed = strings.HasPrefix(first, "SIP/2.0 1")
			}
		case <-deadline:
			m.t.Fatalf("the agent does not answer any more, after\n%s", data)
		}
	}
	if len(lines) == 0 {
		return "-"
	}
	return strings.Join(lines, ", ")
}

// options writes an OPTIONS.
func options(id string) string {
	return "OPTIONS sip:ping@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bK" + id + "\r\nMax-Forwards: 70\r\n" +
		"From: <sip:t@127.0.0.1>;tag=t\r\nTo: <sip:ping@127.0.0.1>\r\nCall-ID: " + id + "\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
}

// TestTorture sends the messages of RFC 4475 over UDP. The agent lives after
// each, and its answers are those of the golden file, which says why.
func TestTorture(t *testing.T) {
	a := listen(t, Config{Limits: Limits{Transport: transport.Limits{RefusalsPerSource: 1000}}})
	m := newTormentor(t, a)
	files, err := filepath.Glob("testdata/rfc4475/*.dat")
	if err != nil || len(files) != 50 {
		t.Fatalf("%d messages, %v", len(files), err)
	}
	const golden = "testdata/rfc4475.answers"
	old, err := os.ReadFile(golden)
	if err != nil && !*update {
		t.Fatal(err)
	}
	reasons := make(map[string]string)
	for line := range strings.Lines(string(old)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) == 3 {
			reasons[f[0]] = f[2]
		}
	}
	var now bytes.Buffer
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".dat")
		fmt.Fprintf(&now, "%s\t%s\t%s\n", name, m.send(data), reasons[name])
	}
	if *update {
		if err := os.WriteFile(golden, now.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if now.String() != string(old) {
		t.Errorf("the answers have changed:\n%s", now.String())
	}
	if s := a.Stats(); s.Panics+s.Transport.Panics != 0 {
		t.Errorf("panics: %+v", s)
	}
}

// TestMutants sends the messages of RFC 4475 cut short and with bytes changed:
// the agent lives.
func TestMutants(t *testing.T) {
	a := listen(t, Config{Limits: Limits{Transport: transport.Limits{MessagesPerSource: 1e6, RefusalsPerSource: 10}}})
	m := newTormentor(t, a)
	files, err := filepath.Glob("testdata/rfc4475/*.dat")
	if err != nil {
		t.Fatal(err)
	}
	callID := regexp.MustCompile(`(?i)(?:call-id|\ni)[ \t]*:[ \t]*`)
	for i, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for cut := 0; cut < len(data); cut += 97 {
			short := callID.ReplaceAll(data[:cut], fmt.Appendf(nil, "$0m%d-%d-", i, cut))
			changed := bytes.Clone(data)
			changed[cut] ^= byte(1 + cut%255)
			for _, d := range [][]byte{short, changed} {
				if _, err := m.conns[0].WriteToUDP(d, m.to); err != nil {
					t.Fatal(err)
				}
			}
		}
		m.send([]byte(options("mutants"))) // and a sign of life
	}
	if s := a.Stats(); s.Panics+s.Transport.Panics != 0 {
		t.Errorf("panics: %+v", s)
	}
}

func TestAPortInUse(t *testing.T) {
	a := listen(t, Config{})
	_, err := Listen(Config{Addr: a.Addr().String(), Inbound: &busy{}})
	if err == nil || !strings.Contains(err.Error(), a.Addr().String()) {
		t.Errorf("%v, want an error that names %s", err, a.Addr())
	}
	for _, addr := range []string{"", "127.0.0.1", "localhost:5060", "127.0.0.1:99999"} {
		if _, err := Listen(Config{Addr: addr}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", addr)) {
			t.Errorf("%q: %v", addr, err)
		}
	}
}

// The agent answers on both transports, and tells the far end the address that
// it is reached at.
func TestWhatWeCallOurselves(t *testing.T) {
	for _, tt := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "sip:parley@127.0.0.1:"},
		{Config{AdvertisedHost: "sip.example.com"}, "sip:parley@sip.example.com:"},
		{Config{Addr: "0.0.0.0:0"}, "sip:parley@127.0.0.1:"},
	} {
		a := listen(t, tt.cfg)
		for _, network := range []string{"udp4", "tcp4"} {
			c, err := net.Dial(network, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), a.Addr().Port()).String())
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(10 * time.Second))
			c.Write([]byte(options(network)))
			buf := make([]byte, 2000)
			n, err := c.Read(buf)
			want := fmt.Sprintf("Contact: <%s%d", tt.want, a.Addr().Port())
			if err != nil || !strings.Contains(string(buf[:n]), want) {
				t.Errorf("no %s by %s in %q, %v", want, network, buf[:n], err)
			}
			c.Close()
		}
	}
}
