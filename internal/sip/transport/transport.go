package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/sip/message"
)

// ErrClosed: the transport was closed.
var ErrClosed = errors.New("transport closed")

// Config is what a Transport is made of.
type Config struct {
	// Addr is the local address of UDP and TCP. With port 0 a port is chosen
	// that is free in both.
	Addr   netip.AddrPort
	Limits Limits
	// Logger takes refused messages at debug level and panics as errors; nil
	// means none.
	Logger *slog.Logger
	// Now gives the times of messages; nil means time.Now.
	Now func() time.Time
}

// Limits are the bounds in front of the user agent. A zero is the default.
type Limits struct {
	// MessagesPerSource is how many messages a second an address may send for
	// long, twice as many for a moment; what is more is dropped unread. An
	// IPv6 network of 64 bits counts as one address. Default 5000.
	MessagesPerSource int
	// RefusalsPerSource is how many messages that cannot be read an address
	// gets an answer to, a second. Default 20.
	RefusalsPerSource int
	// Connections and ConnectionsPerSource bound the TCP connections that
	// others opened. Defaults 4096 and 512.
	Connections, ConnectionsPerSource int
	// PartialTimeout is how long one message may take from its first byte to
	// its last. Default 10 s.
	PartialTimeout time.Duration
	// IdleTimeout is how long a connection may be silent. Default 10 min.
	IdleTimeout time.Duration
	// WriteTimeout is how long a far end may refuse to read. Default 5 s.
	WriteTimeout time.Duration
}

func (l Limits) withDefaults() Limits {
	set(&l.MessagesPerSource, 5000)
	set(&l.RefusalsPerSource, 20)
	set(&l.Connections, 4096)
	set(&l.ConnectionsPerSource, 512)
	set(&l.PartialTimeout, 10*time.Second)
	set(&l.IdleTimeout, 10*time.Minute)
	set(&l.WriteTimeout, 5*time.Second)
	return l
}

// set gives a value that is zero its default.
func set[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Stats counts what came since Listen.
type Stats struct {
	Received    int64 // messages handed on
	Malformed   int64 // messages refused as they could not be read
	Dropped     int64 // messages not read: too many from one source
	TimedOut    int64 // connections closed with half a message
	Refused     int64 // connections refused: too many
	Panics      int64 // panics while a message was handled
	Connections int   // open now
}

// Transport is the open sockets. Its methods are safe for concurrent use.
type Transport struct {
	cfg      Config
	receive  func(m message.Message)
	udp      *net.UDPConn
	tcp      *net.TCPListener
	local    netip.AddrPort
	parser   *message.Parser
	messages *Limiter
	refusals *Limiter
	wg       sync.WaitGroup
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc

	received, malformed, dropped, timedOut, refused, panics atomic.Int64

	mu     sync.Mutex
	conns  map[*conn]struct{}       // guarded by mu
	peers  map[netip.AddrPort]*conn // guarded by mu: the newest connection to each far end
	counts map[netip.Addr]int       // guarded by mu: connections that a source opened
	closed bool                     // guarded by mu
}

// Listen opens the sockets, which are not read before Start. An error names the
// address that is in use.
func Listen(cfg Config) (*Transport, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.Limits = cfg.Limits.withDefaults()
	udp, tcp, err := bind(cfg.Addr)
	if err != nil {
		return nil, err
	}
	// A burst of calls comes faster than it is read; what the kernel refuses
	// to keep is repeated by the far end, half a second later.
	_ = udp.SetReadBuffer(4 << 20)
	t := &Transport{
		cfg: cfg, udp: udp, tcp: tcp, local: unmap(udp.LocalAddr().(*net.UDPAddr).AddrPort()), parser: message.NewParser(),
		messages: NewLimiter(float64(cfg.Limits.MessagesPerSource)),
		refusals: NewLimiter(float64(cfg.Limits.RefusalsPerSource)),
		conns:    make(map[*conn]struct{}), peers: make(map[netip.AddrPort]*conn), counts: make(map[netip.Addr]int),
	}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t, nil
}

// Start begins to read. receive takes each message: those of a socket one
// after the other, of several sockets at once. While it runs nothing else is
// read there. Start is called once, before Flow and Close.
func (t *Transport) Start(receive func(m message.Message)) {
	t.receive = receive
	t.wg.Go(t.readUDP)
	t.wg.Go(t.accept)
}

// bind opens one port of UDP and TCP.
func bind(addr netip.AddrPort) (*net.UDPConn, *net.TCPListener, error) {
	version := "4"
	if addr.Addr().Is6() {
		version = "6"
	}
	for try := 0; ; try++ {
		udp, err := net.ListenUDP("udp"+version, net.UDPAddrFromAddrPort(addr))
		if err != nil {
			return nil, nil, fmt.Errorf("open UDP %s for SIP: %w", addr, err)
		}
		port := udp.LocalAddr().(*net.UDPAddr).AddrPort().Port()
		tcp, err := net.ListenTCP("tcp"+version, net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr.Addr(), port)))
		if err == nil {
			return udp, tcp, nil
		}
		_ = udp.Close()
		if addr.Port() != 0 || try == 20 {
			return nil, nil, fmt.Errorf("open TCP %s for SIP: %w", addr, err)
		}
	}
}

// Local is the address of the sockets.
func (t *Transport) Local() netip.AddrPort { return t.local }

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// Flow is a way to remote: at once for UDP, and for TCP over the connection
// that there is, else over a new one, which takes its time.
func (t *Transport) Flow(ctx context.Context, network string, remote netip.AddrPort) (message.Flow, error) {
	remote = unmap(remote)
	switch network {
	case "UDP":
		return &datagrams{t: t, remote: remote}, nil
	case "TCP":
		if c := t.peer(remote); c != nil {
			return c, nil
		}
		return t.dial(ctx, remote)
	}
	return nil, fmt.Errorf("transport %q is not supported", network)
}

// deliver hands a message on, and survives what happens there.
func (t *Transport) deliver(m message.Message) {
	defer func() {
		if p := recover(); p != nil {
			t.panics.Add(1)
			t.cfg.Logger.Error("panic while a message was handled", "panic", p, "from", m.Source, "method", m.Method, "status", m.Status, "stack", string(debug.Stack()))
		}
	}()
	t.received.Add(1)
	t.receive(m)
}

// refuse answers what could not be read.
func (t *Transport) refuse(m *message.Message, fault *message.Fault) {
	t.malformed.Add(1)
	t.cfg.Logger.Debug("message refused", "from", m.Source, "cause", fault.Cause, "status", fault.Status)
	if fault.Status == 0 || m.Method == "ACK" || !t.refusals.Allow(m.Source.Addr(), m.At) {
		return
	}
	if err := m.Reply.Send([]byte(m.Answer(fault.Status, "refused").String())); err != nil {
		t.cfg.Logger.Debug("refusal not sent", "to", m.Source, "error", err)
	}
}

// Stats counts what came.
func (t *Transport) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Stats{
		Received: t.received.Load(), Malformed: t.malformed.Load(), Dropped: t.dropped.Load(), TimedOut: t.timedOut.Load(),
		Refused: t.refused.Load(), Panics: t.panics.Load(), Connections: len(t.conns),
	}
}

// Close closes the sockets and waits for their goroutines.
func (t *Transport) Close() error {
	t.mu.Lock()
	t.closed = true
	conns := make([]*conn, 0, len(t.conns))
	for c := range t.conns {
		conns = append(conns, c)
	}
	t.mu.Unlock()
	t.cancel()
	err := errors.Join(t.udp.Close(), t.tcp.Close())
	for _, c := range conns {
		c.close()
	}
	t.wg.Wait()
	return err
}
