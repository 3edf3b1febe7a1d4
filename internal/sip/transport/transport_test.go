package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/sip/message"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// listen opens a Transport on loopback that answers everything with 200 and
// tells what it got.
func listen(t *testing.T, limits Limits) (*Transport, chan message.Message) {
	t.Helper()
	got := make(chan message.Message, 1000)
	tr, err := Listen(Config{Addr: netip.MustParseAddrPort("127.0.0.1:0"), Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	tr.Start(func(m message.Message) {
		if m.Method == "PANIC" {
			panic("at the disco")
		}
		if m.IsRequest() {
			_ = m.Reply.Send([]byte(m.Answer(200, "tag").String())) // or the test gets none
		}
		got <- m
	})
	t.Cleanup(func() { tr.Close() })
	return tr, got
}

// options is a request with a body of some length.
func options(method, branch, transport string, body int) string {
	return method + " sip:us@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/" + transport + " 127.0.0.1;rport;branch=z9hG4bK" + branch + "\r\n" +
		"From: <sip:them@127.0.0.1>;tag=x\r\nTo: <sip:us@127.0.0.1>\r\nCall-ID: c\r\nCSeq: 1 " + method + "\r\n" +
		fmt.Sprintf("Content-Length: %d\r\n\r\n", body) + strings.Repeat("b", body)
}

func dialUDP(t *testing.T, tr *Transport) net.Conn {
	t.Helper()
	c, err := net.Dial("udp4", tr.Local().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

func dialTCP(t *testing.T, tr *Transport) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp4", tr.Local().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c, bufio.NewReader(c)
}

// datagram reads one datagram.
func datagram(t *testing.T, c net.Conn) string {
	t.Helper()
	buf := make([]byte, 70000)
	n, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

// answer reads an answer without body from a stream, and gives its first line.
func answer(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	first, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	for line := first; line != "\r\n"; {
		if line, err = r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	return strings.TrimSpace(first)
}

// ended waits until the far end has closed a connection.
func ended(t *testing.T, r io.Reader) {
	t.Helper()
	if _, err := io.Copy(io.Discard, r); err != nil && !errors.Is(err, net.ErrClosed) && strings.Contains(err.Error(), "timeout") {
		t.Fatalf("the connection is still open: %v", err)
	}
}

func TestDatagrams(t *testing.T) {
	tr, got := listen(t, Limits{})
	c := dialUDP(t, tr)
	io.WriteString(c, "\r\n\r\n") // a keep-alive, not answered
	for _, size := range []int{0, 1400, 40000} {
		io.WriteString(c, options("OPTIONS", "1", "UDP", size))
		if a := datagram(t, c); !strings.HasPrefix(a, "SIP/2.0 200 OK\r\n") || !strings.Contains(a, fmt.Sprintf("rport=%d", c.LocalAddr().(*net.UDPAddr).Port)) {
			t.Errorf("answer\n%s", a)
		}
		m := <-got
		if len(m.Body()) != size || m.Source.String() != c.LocalAddr().String() || m.Reply.Network() != "UDP" || m.Reply.Reliable() {
			t.Errorf("body of %d from %s by %s", len(m.Body()), m.Source, m.Reply.Network())
		}
	}
	f, err := tr.Flow(t.Context(), "UDP", netip.MustParseAddrPort(c.LocalAddr().String()))
	if err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("x", 40000)
	if err := f.Send([]byte(large)); err != nil {
		t.Fatal(err)
	}
	if datagram(t, c) != large {
		t.Error("a large message did not arrive whole")
	}
	if err := f.Send(make([]byte, 70000)); err == nil {
		t.Error("no error for more than a datagram holds")
	}
}

func TestTheAnswerGoesWhereViaSays(t *testing.T) {
	tr, _ := listen(t, Limits{})
	far, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	far.SetDeadline(time.Now().Add(patience))
	c := dialUDP(t, tr)
	io.WriteString(c, strings.Replace(options("OPTIONS", "1", "UDP", 0), "127.0.0.1;rport", far.LocalAddr().String(), 1))
	buf := make([]byte, 2000)
	if n, _, err := far.ReadFrom(buf); err != nil || !strings.HasPrefix(string(buf[:n]), "SIP/2.0 200") {
		t.Errorf("%q %v", buf[:n], err)
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	tr, _ := listen(t, Limits{RefusalsPerSource: 1})
	c := dialUDP(t, tr)
	io.WriteString(c, "GET / HTTP/1.1\r\n\r\n") // nothing to answer
	io.WriteString(c, strings.Replace(options("ACK", "1", "UDP", 0), "CSeq: 1", "CSeq: x", 1))
	io.WriteString(c, strings.Replace(options("OPTIONS", "1", "UDP", 0), "SIP/2.0\r\n", "SIP/7.0\r\n", 1))
	if a := datagram(t, c); !strings.HasPrefix(a, "SIP/2.0 505 Version Not Supported\r\n") || strings.Contains(a, "SIP/7") {
		t.Errorf("answer\n%s", a)
	}
	for range 20 { // one refusal a second, two at once
		io.WriteString(c, strings.Replace(options("OPTIONS", "1", "UDP", 0), "CSeq: 1", "CSeq: x", 1))
	}
	if a := datagram(t, c); !strings.HasPrefix(a, "SIP/2.0 400 Bad Request\r\n") {
		t.Errorf("answer\n%s", a)
	}
	io.WriteString(c, options("OPTIONS", "1", "UDP", 0))
	if a := datagram(t, c); !strings.HasPrefix(a, "SIP/2.0 200 OK\r\n") {
		t.Errorf("answer\n%s\nwant that to the good request, the other bad ones are worth none", a)
	}
	if s := tr.Stats(); s.Malformed != 23 || s.Received != 1 {
		t.Errorf("%+v", s)
	}
}

func TestASourceThatSendsTooMuch(t *testing.T) {
	tr, got := listen(t, Limits{MessagesPerSource: 1})
	c := dialUDP(t, tr)
	for range 50 {
		io.WriteString(c, options("OPTIONS", "1", "UDP", 0))
	}
	other, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)}, net.UDPAddrFromAddrPort(tr.Local()))
	if err != nil {
		t.Skipf("no second loopback address: %v", err)
	}
	defer other.Close()
	other.SetDeadline(time.Now().Add(patience))
	io.WriteString(other, options("OPTIONS", "1", "UDP", 0))
	datagram(t, other) // and so all before it were read
	wait(t, func() bool { return len(got) >= 3 })
	if n := len(got); n > 10 {
		t.Errorf("%d of 51 messages taken, want the honest one and about 2", n)
	}
	if s := tr.Stats(); s.Dropped < 40 {
		t.Errorf("%+v", s)
	}
}

func TestAPanicEndsTheMessageAlone(t *testing.T) {
	tr, _ := listen(t, Limits{})
	c := dialUDP(t, tr)
	io.WriteString(c, options("PANIC", "1", "UDP", 0))
	io.WriteString(c, options("OPTIONS", "1", "UDP", 0))
	datagram(t, c)
	s, r := dialTCP(t, tr)
	io.WriteString(s, options("PANIC", "1", "TCP", 0)+options("OPTIONS", "1", "TCP", 0))
	answer(t, r)
	if n := tr.Stats().Panics; n != 2 {
		t.Errorf("%d panics counted, want 2", n)
	}
}

func TestStreams(t *testing.T) {
	tr, got := listen(t, Limits{})
	c, r := dialTCP(t, tr)
	one := options("OPTIONS", "1", "TCP", 3)
	for i := range len(one) { // byte by byte
		io.WriteString(c, one[i:i+1])
	}
	if a := answer(t, r); a != "SIP/2.0 200 OK" {
		t.Errorf("answer %q", a)
	}
	<-got
	var all strings.Builder // one piece, and pings between
	for i := range 100 {
		fmt.Fprintf(&all, "\r\n%s\r\n\r\n", options("OPTIONS", fmt.Sprint(i), "TCP", i*100))
	}
	go io.WriteString(c, all.String())
	pongs := 0
	for range 100 {
		if b, err := r.Peek(2); err == nil && string(b) == "\r\n" {
			r.Discard(2)
			pongs++
		}
		if a := answer(t, r); a != "SIP/2.0 200 OK" {
			t.Fatalf("answer %q", a)
		}
	}
	for i := range 100 {
		if m := <-got; m.Top.Branch != fmt.Sprintf("z9hG4bK%d", i) || len(m.Body()) != i*100 {
			t.Fatalf("message %d: branch %s, body of %d", i, m.Top.Branch, len(m.Body()))
		}
	}
	if pongs == 0 {
		t.Error("no ping was answered")
	}
	if f, err := tr.Flow(t.Context(), "TCP", netip.MustParseAddrPort(c.LocalAddr().String())); err != nil || f.Remote().String() != c.LocalAddr().String() {
		t.Errorf("the connection is not used for the other way: %v", err)
	}
	c.Close()
	wait(t, func() bool { return tr.Stats().Connections == 0 })
}

// wait waits until something is true.
func wait(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("still not")
		}
	}
}

func TestAMessageOnAStreamWithoutEnd(t *testing.T) {
	for _, tt := range []struct{ name, data, want string }{
		{"no length", strings.Replace(options("OPTIONS", "1", "TCP", 0), "Content-Length: 0\r\n", "", 1), "SIP/2.0 400 Bad Request"},
		{"too long", strings.Replace(options("OPTIONS", "1", "TCP", 0), "Content-Length: 0\r\n", "Content-Length: 70000\r\n", 1), "SIP/2.0 400 Bad Request"},
		{"a header too long", strings.Repeat("x", 40000), ""},
		{"not SIP", "GET / HTTP/1.1\r\n\r\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr, _ := listen(t, Limits{})
			c, r := dialTCP(t, tr)
			io.WriteString(c, tt.data)
			if tt.want != "" {
				if a := answer(t, r); a != tt.want {
					t.Errorf("answer %q", a)
				}
			}
			ended(t, r)
		})
	}
}

func TestHalfAMessageDoesNotStay(t *testing.T) {
	tr, _ := listen(t, Limits{PartialTimeout: 50 * time.Millisecond})
	m := options("OPTIONS", "1", "TCP", 10)
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			c, err := net.Dial("tcp4", tr.Local().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			io.WriteString(c, m+m[:1+i*(len(m)-2)/100])
			ended(t, c)
		})
	}
	all.Wait()
	wait(t, func() bool { s := tr.Stats(); return s.TimedOut == 100 && s.Connections == 0 })
}

// One who sends a byte now and then is no better: the time counts from the
// first byte.
func TestAMessageInDrops(t *testing.T) {
	tr, _ := listen(t, Limits{PartialTimeout: 50 * time.Millisecond})
	c, r := dialTCP(t, tr)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := io.WriteString(c, "x"); err != nil {
				return
			}
			select {
			case <-t.Context().Done():
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	ended(t, r)
	c.Close()
	<-done
	wait(t, func() bool { return tr.Stats().TimedOut == 1 })
}

func TestASilentConnectionDoesNotStay(t *testing.T) {
	tr, _ := listen(t, Limits{IdleTimeout: 50 * time.Millisecond})
	c, r := dialTCP(t, tr)
	io.WriteString(c, options("OPTIONS", "1", "TCP", 0)+"\r\n")
	answer(t, r)
	ended(t, r)
	if s := tr.Stats(); s.TimedOut != 0 {
		t.Errorf("%+v: nothing was half sent", s)
	}
}

func TestBoundsOfConnections(t *testing.T) {
	tr, _ := listen(t, Limits{Connections: 3, ConnectionsPerSource: 2})
	c1, r1 := dialTCP(t, tr)
	c2, r2 := dialTCP(t, tr)
	for _, c := range []struct {
		net.Conn
		r *bufio.Reader
	}{{c1, r1}, {c2, r2}} {
		io.WriteString(c, options("OPTIONS", "1", "TCP", 0))
		answer(t, c.r)
	}
	_, r3 := dialTCP(t, tr)
	ended(t, r3)
	c1.Close()
	wait(t, func() bool { return tr.Stats().Connections == 1 })
	c4, r4 := dialTCP(t, tr)
	io.WriteString(c4, options("OPTIONS", "1", "TCP", 0))
	answer(t, r4)
	if s := tr.Stats(); s.Refused != 1 {
		t.Errorf("%+v", s)
	}
}

func TestAFarEndThatDoesNotRead(t *testing.T) {
	tr, got := listen(t, Limits{WriteTimeout: 50 * time.Millisecond})
	c, _ := dialTCP(t, tr)
	io.WriteString(c, options("OPTIONS", "1", "TCP", 0))
	f := (<-got).Reply
	data := make([]byte, 1<<20)
	var err error
	for range 1000 {
		if err = f.Send(data); err != nil {
			break
		}
	}
	if err == nil || f.Alive() {
		t.Fatalf("%v, alive %v", err, f.Alive())
	}
	if err := f.Send(data); !errors.Is(err, net.ErrClosed) {
		t.Errorf("afterwards %v", err)
	}
	wait(t, func() bool { return tr.Stats().Connections == 0 })
}

func TestConnectionsOfOurs(t *testing.T) {
	tr, got := listen(t, Limits{})
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	remote := netip.MustParseAddrPort(l.Addr().String())
	f, err := tr.Flow(t.Context(), "TCP", remote)
	if err != nil {
		t.Fatal(err)
	}
	again, err := tr.Flow(t.Context(), "TCP", remote)
	if err != nil || again != f {
		t.Errorf("a second connection: %v", err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	far.SetDeadline(time.Now().Add(patience))
	if err := f.Send([]byte(options("OPTIONS", "1", "TCP", 0))); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(far)
	if first := answer(t, r); !strings.HasPrefix(first, "OPTIONS") {
		t.Errorf("the far end got %q", first)
	}
	io.WriteString(far, options("BYE", "2", "TCP", 0))
	if m := <-got; m.Method != "BYE" || m.Reply != f {
		t.Errorf("got %s on another connection", m.Method)
	}
	far.Close()
	wait(t, func() bool { return !f.Alive() })
	l.Close()
	if _, err := tr.Flow(t.Context(), "TCP", remote); err == nil {
		t.Error("no error for a port that nobody listens on")
	}
	if _, err := tr.Flow(t.Context(), "TLS", remote); err == nil {
		t.Error("no error for a transport that we do not have")
	}
}

func TestAPortInUse(t *testing.T) {
	tr, _ := listen(t, Limits{})
	_, err := Listen(Config{Addr: tr.Local()})
	if err == nil || !strings.Contains(err.Error(), tr.Local().String()) {
		t.Errorf("%v, want an error that names %s", err, tr.Local())
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = Listen(Config{Addr: netip.MustParseAddrPort(l.Addr().String())})
	if err == nil || !strings.Contains(err.Error(), "TCP "+l.Addr().String()) {
		t.Errorf("%v, want an error that names TCP %s", err, l.Addr())
	}
}

func TestCloseEndsEverything(t *testing.T) {
	tr, _ := listen(t, Limits{})
	_, r := dialTCP(t, tr)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := tr.Flow(t.Context(), "TCP", netip.MustParseAddrPort(l.Addr().String())); err != nil {
		t.Fatal(err)
	}
	wait(t, func() bool { return tr.Stats().Connections == 2 })
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
	ended(t, r)
	if s := tr.Stats(); s.Connections != 0 {
		t.Errorf("%+v", s)
	}
	if _, err := tr.Flow(context.Background(), "TCP", netip.MustParseAddrPort(l.Addr().String())); err == nil {
		t.Error("connected after Close")
	}
}
