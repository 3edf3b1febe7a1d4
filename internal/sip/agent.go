package sip

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/control"
	"parley/internal/media"
	"parley/internal/sip/message"
	"parley/internal/sip/transaction"
	"parley/internal/sip/transport"
)

// Config is what an Agent is made of.
type Config struct {
	// Addr is the local address of UDP and TCP, "ip:port". With port 0 a port
	// is chosen that is free in both.
	Addr string
	// AdvertisedHost is what we call ourselves in Via and Contact, an address
	// or a name; empty for the address of Addr, or the one that the kernel
	// sends from where that is 0.0.0.0.
	AdvertisedHost string
	// Media is where calls have their media.
	Media *media.Plane
	// Inbound takes the calls that come in.
	Inbound control.Inbound
	Limits  Limits
	// Logger takes what an operator should know; nil means slog.Default.
	Logger *slog.Logger
	// Now gives the times of events; nil means time.Now.
	Now func() time.Time
}

// Limits bound what others can make of the agent. A zero is the default.
type Limits struct {
	// Transport bounds messages and connections.
	Transport transport.Limits
	// Calls is how many calls there may be at a time, in and out, those whose
	// end is not confirmed yet included. Default 10000.
	Calls int
	// CallsPerSource is how many calls one address may have with us, an IPv6
	// network of 64 bits counting as one. Default: as many as Calls.
	CallsPerSource int
	// Transactions is how many requests may be unanswered at a time. Default
	// 20000.
	Transactions int
	// OverloadAnswers is how many 503 a second a source gets when there is no
	// room; further requests are dropped. Default 50.
	OverloadAnswers int
}

func (l Limits) withDefaults() Limits {
	if l.Calls == 0 {
		l.Calls = 10000
	}
	if l.CallsPerSource == 0 {
		l.CallsPerSource = l.Calls
	}
	if l.OverloadAnswers == 0 {
		l.OverloadAnswers = 50
	}
	return l
}

// network is what the agent sends over: a *transport.Transport, or, in tests,
// one in memory.
type network interface {
	Flow(ctx context.Context, network string, remote netip.AddrPort) (message.Flow, error)
	Local() netip.AddrPort
	Stats() transport.Stats
	Close() error
}

// Agent is the SIP user agent of the server. Its methods are safe for
// concurrent use. It implements control.Dialer.
type Agent struct {
	cfg      Config
	network  network
	layer    *transaction.Layer
	open     opener
	resolver resolver
	overload *transport.Limiter
	seed     maphash.Seed    // of the tags of stateless answers
	ctx      context.Context // ends when the agent is closed and has waited enough
	cancel   context.CancelFunc
	wg       sync.WaitGroup // calls, and what they wait for

	answered, refused, panics atomic.Int64

	mu    sync.Mutex
	books books // guarded by mu
}

// books are who is known to an agent.
type books struct {
	calls    map[*call]*entry
	dialogs  map[dialogKey]*call
	invites  map[inviteKey]*call
	sources  map[netip.Addr]int // calls that came in, by source
	draining bool
	closed   bool
}

// entry is what the books have of a call, to forget it by.
type entry struct {
	dialog dialogKey
	invite inviteKey
	source netip.Addr
}

// Listen opens the sockets of an agent. An error names the address that is in
// use, or wrong.
func Listen(cfg Config) (*Agent, error) {
	addr, err := netip.ParseAddrPort(cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("SIP address %q is not ip:port", cfg.Addr)
	}
	t, err := transport.Listen(transport.Config{Addr: addr, Limits: cfg.Limits.Transport, Logger: cfg.Logger, Now: cfg.Now})
	if err != nil {
		return nil, err
	}
	a := newAgent(cfg, t, planeOpener(cfg.Media))
	t.Start(a.layer.Receive)
	return a, nil
}

// newAgent makes an agent on a network, whose messages are still to be led to
// its layer.
func newAgent(cfg Config, n network, open opener) *Agent {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Limits = cfg.Limits.withDefaults()
	a := &Agent{
		cfg: cfg, network: n, open: open, resolver: net.DefaultResolver, seed: maphash.MakeSeed(),
		overload: transport.NewLimiter(float64(cfg.Limits.OverloadAnswers)),
		books: books{
			calls: make(map[*call]*entry), dialogs: make(map[dialogKey]*call),
			invites: make(map[inviteKey]*call), sources: make(map[netip.Addr]int),
		},
	}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	a.layer = transaction.New(transaction.Config{Request: a.request, MaxOpen: cfg.Limits.Transactions, Logger: cfg.Logger})
	return a
}

// Addr is the local address of UDP and TCP.
func (a *Agent) Addr() netip.AddrPort { return a.network.Local() }

// Dial implements control.Dialer.
func (a *Agent) Dial(r control.DialRequest) control.Call {
	c := a.newCall(r.ID, phaseCalling)
	if a.enter(c, nil) == admitted {
		c.post(func() { c.place(r) })
	} else {
		c.post(func() {
			c.events = r.Events
			c.finish(control.ReasonError, 0)
		})
	}
	if !a.start(c) {
		go c.run() // ends at once; Close has returned, or does not wait for it
	}
	return c
}

// admission is whether there is room for a call.
type admission uint8

const (
	admitted admission = iota
	merged             // the INVITE has made a call already
	full               // too many, or draining
)

// enter writes a call into the books; m is the INVITE of one that comes in.
func (a *Agent) enter(c *call, m *message.Message) admission {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := &a.books
	if b.draining || len(b.calls) >= a.cfg.Limits.Calls {
		return full
	}
	e := &entry{}
	if m != nil {
		e.invite = inviteKey{m.CallID, m.FromTag, m.Seq}
		e.source = transport.Source(m.Source.Addr())
		switch {
		case b.invites[e.invite] != nil:
			return merged
		case b.sources[e.source] >= a.cfg.Limits.CallsPerSource:
			return full
		}
		e.dialog = dialogKey{m.CallID, c.dialog.localTag}
		b.invites[e.invite] = c
		b.sources[e.source]++
		b.dialogs[e.dialog] = c
	}
	b.calls[c] = e
	return admitted
}

// know notes the dialog that a call of ours has begun.
func (a *Agent) know(c *call, callID, localTag string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := a.books.calls[c]; e != nil {
		e.dialog = dialogKey{callID, localTag}
		a.books.dialogs[e.dialog] = c
	}
}

// forget takes a call out of the books.
func (a *Agent) forget(c *call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := &a.books
	e := b.calls[c]
	if e == nil {
		return
	}
	delete(b.calls, c)
	delete(b.dialogs, e.dialog)
	if b.invites[e.invite] == c {
		delete(b.invites, e.invite)
	}
	if e.source.IsValid() {
		if b.sources[e.source]--; b.sources[e.source] <= 0 {
			delete(b.sources, e.source)
		}
	}
}

// start starts the goroutine of a call; false once the agent is being closed.
func (a *Agent) start(c *call) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.books.closed {
		return false
	}
	a.wg.Go(c.run)
	return true
}

// statelessTag is the To tag of answers to m outside of a transaction: the same
// each time that m is repeated (RFC 3261 section 8.2.7).
func (a *Agent) statelessTag(m *message.Message) string {
	var h maphash.Hash
	h.SetSeed(a.seed)
	for _, s := range []string{m.Top.Branch, m.CallID, m.FromTag, m.CSeq} {
		_, _ = h.WriteString(s)
		_ = h.WriteByte(0)
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// isDraining reports whether new calls are refused.
func (a *Agent) isDraining() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.books.draining
}

// Drain refuses calls from now on: those that come in with 503, those to be
// placed by ending at once. Calls that there are go on.
func (a *Agent) Drain() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.books.draining = true
}

// Close ends all calls, as hung up by us, waits until the far ends know it, or
// until ctx ends, then closes the sockets and waits for all goroutines.
func (a *Agent) Close(ctx context.Context) error {
	a.mu.Lock()
	a.books.draining, a.books.closed = true, true
	a.mu.Unlock()
	a.all(func(c *call) { c.hangup(control.ReasonRemoved) })
	done := make(chan struct{})
	go func() {
		a.wg.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = fmt.Errorf("SIP: not all calls ended in time: %w", ctx.Err())
	}
	a.cancel()
	a.layer.Close()
	a.all(func(c *call) {
		c.finish(control.ReasonRemoved, 0)
		c.debts = 0
	})
	<-done
	return errors.Join(err, a.network.Close())
}

// all has something done by each call's goroutine.
func (a *Agent) all(f func(c *call)) {
	a.mu.Lock()
	calls := slices.Collect(maps.Keys(a.books.calls))
	a.mu.Unlock()
	for _, c := range calls {
		c.post(func() { f(c) })
	}
}

// Stats counts what the agent has, and has done since Listen.
type Stats struct {
	Calls        int   // that there are, those whose end is not confirmed included
	Answered     int64 // calls that came up
	Refused      int64 // requests refused without a call
	Panics       int64 // calls ended by a panic
	Transport    transport.Stats
	Transactions transaction.Stats
}

// Stats counts at this moment.
func (a *Agent) Stats() Stats {
	a.mu.Lock()
	calls := len(a.books.calls)
	a.mu.Unlock()
	return Stats{
		Calls: calls, Answered: a.answered.Load(), Refused: a.refused.Load(), Panics: a.panics.Load(),
		Transport: a.network.Stats(), Transactions: a.layer.Stats(),
	}
}
