package phone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/pion/rtp"

	"parley/internal/pcm"
	"parley/internal/sdp"
)

// Errors of this package.
var (
	// ErrClosed: the phone was closed.
	ErrClosed = errors.New("the phone is closed")
	// ErrEnded: the call has ended.
	ErrEnded = errors.New("the call has ended")
	// ErrState: the call is not in the state that the operation needs.
	ErrState = errors.New("not possible in the call's state")
)

// StatusError is a final response that refused a request.
type StatusError struct {
	Method string
	Status int
	Reason string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s was answered %d %s", e.Method, e.Status, e.Reason)
}

// Config is a phone's part of the script that does not change. The zero value
// is a phone on loopback that answers at once and says nothing.
type Config struct {
	Name      string         // user part of its URI; empty: "phone"
	Addr      netip.AddrPort // of SIP, and the IP address of RTP; zero: 127.0.0.1, port 0 is chosen by the kernel
	Transport string         // "udp" (also when empty) or "tcp"
	Codecs    []sdp.Codec    // the best first; nil: PCMU, PCMA
	PTime     time.Duration  // 10 to 60 ms: what it asks for and sends whatever it is asked; 0: 20 ms, and sends what it is asked
	NoDigits  bool           // offers and accepts no RFC 4733 events
	Account   Account
	Answering Answering         // of incoming calls; SetAnswering changes it
	Sound     func() pcm.Source // what each call plays from its start, at 8 kHz; nil: silence
	Faults    Faults            // what it does wrong
	Hooks     Hooks             // for tests
	Trace     func(Event)       // called with each event; must not block
	Logger    *slog.Logger      // nil: discards
	Now       func() time.Time  // nil: time.Now
}

// Account is what the phone knows about its registrar.
type Account struct {
	Registrar string // "sip:host[:port]"; empty: none, then Username is only for challenges to calls
	Username  string // empty: challenges are not answered
	Password  string
	Expires   time.Duration // 0: an hour
}

// Faults are what a phone can be told to do wrong.
type Faults struct {
	NoACK   bool                    // sends no ACK to a 2xx
	NoRTP   bool                    // sends no RTP (Call.Mute does it for one call, later)
	NoRTCP  bool                    // sends no RTCP
	NoOffer bool                    // sends its INVITE without a description, so that the other side offers
	Deaf    func(*sip.Request) bool // a request for which it gives true is ignored: no response at all
}

// Hooks let a test see and change what goes over the wire. They are called on
// goroutines of the phone and must not block.
type Hooks struct {
	Request   func(*sip.Request)        // each request before it is sent; may change it
	Response  func(*sip.Response)       // each response before it is sent; may change it
	Received  func(sip.Message)         // each request and response that came; must not change it
	RTP       func(*rtp.Packet) bool    // each RTP packet before it is sent; may change it, false drops it
	AnswerSDP func(offer []byte) []byte // when set: the body of the 200 to an INVITE, in place of the phone's own
}

// Event is something that happened, for people to read.
type Event struct {
	At     time.Time
	Call   string // Call-ID; empty for what is of the phone
	Name   string // "dialing", "ringing", "answered", "digit", "held", "ended" …
	Detail string
}

// Phone is one telephone. Make it with New.
type Phone struct {
	cfg    Config
	log    *slog.Logger
	addr   netip.AddrPort
	laddr  sip.Addr
	tpl    *sip.TransportLayer
	txl    *sip.TransactionLayer
	sender *sender
	listen func() error // ends the listener

	closing context.Context // done when Close begins
	close   context.CancelFunc

	mu           sync.Mutex // guards what follows
	answering    Answering
	calls        map[string]*Call // by Call-ID and our tag
	queue        []*Call          // incoming calls that NextCall has not given yet
	queued       chan struct{}    // closed and replaced when the queue grows
	closed       bool
	registration *registration
	wg           sync.WaitGroup // every goroutine of ours; Go only through start
}

// New binds the phone's address and begins to listen. An address in use, or one
// that is not a single address of this machine, is an error.
func New(cfg Config) (*Phone, error) {
	cfg = cfg.withDefaults()
	if cfg.Addr.Addr().IsUnspecified() {
		return nil, fmt.Errorf("phone: %s is not one address of this machine", cfg.Addr.Addr())
	}
	if cfg.Transport != "udp" && cfg.Transport != "tcp" {
		return nil, fmt.Errorf("phone: transport %q is neither udp nor tcp", cfg.Transport)
	}
	if cfg.PTime != 0 && (cfg.PTime < sdp.MinPTime || cfg.PTime > sdp.MaxPTime || cfg.PTime%sdp.MinPTime != 0) {
		return nil, fmt.Errorf("phone: packet time %v is not 10, 20 … 60 ms", cfg.PTime)
	}
	p := &Phone{
		cfg: cfg, log: cfg.Logger.With("phone", cfg.Name), answering: cfg.Answering,
		calls: map[string]*Call{}, queued: make(chan struct{}), sender: newSender(cfg.Now),
	}
	p.closing, p.close = context.WithCancel(context.Background())
	p.tpl = sip.NewTransportLayer(net.DefaultResolver, sip.NewParser(), nil, sip.WithTransportLayerLogger(p.log))
	p.txl = sip.NewTransactionLayer(p.tpl, sip.WithTransactionLayerLogger(p.log),
		sip.WithTransactionLayerUnhandledResponseHandler(func(*sip.Response) {}))
	p.txl.OnRequest(p.onRequest)
	if err := p.serve(); err != nil {
		p.close()
		return nil, fmt.Errorf("phone: %w", err)
	}
	p.start(func() { p.sender.run(p.closing.Done()) })
	return p, nil
}

func (c Config) withDefaults() Config {
	if c.Name == "" {
		c.Name = "phone"
	}
	if !c.Addr.IsValid() {
		c.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	}
	if c.Transport == "" {
		c.Transport = "udp"
	}
	if c.Codecs == nil {
		c.Codecs = []sdp.Codec{sdp.PCMU(), sdp.PCMA()}
	}
	if c.Sound == nil {
		c.Sound = Silence
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// serve binds the SIP address and starts its reader.
func (p *Phone) serve() error {
	if p.cfg.Transport == "tcp" {
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(p.cfg.Addr))
		if err != nil {
			return err
		}
		p.addr, p.listen = addrPort(l.Addr()), l.Close
		p.start(func() { _ = p.tpl.ServeTCP(l) })
		return nil
	}
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(p.cfg.Addr))
	if err != nil {
		return err
	}
	p.addr, p.listen = addrPort(c.LocalAddr()), c.Close
	// Requests leave from the listening socket. Serve adds it to the pool only
	// when its goroutine runs, which may be after the first request.
	p.laddr = sip.Addr{IP: p.addr.Addr().AsSlice(), Port: int(p.addr.Port())}
	p.tpl.Pool("udp").Add(p.laddr.String(), &sip.UDPConnection{PacketConn: c, PacketAddr: p.laddr.String(), Listener: true})
	p.start(func() { _ = p.tpl.ServeUDP(c) })
	return nil
}

// start runs f on a goroutine that Close waits for; false: the phone is
// closed and f does not run.
func (p *Phone) start(f func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.wg.Go(f)
	return true
}

// hangupTime bounds how long Close waits for responses.
const hangupTime = time.Second

// Close hangs up every call, waiting for the other side a second at most, and
// returns when everything that the phone started has ended. It is idempotent.
func (p *Phone) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	calls := make([]*Call, 0, len(p.calls))
	for _, c := range p.calls {
		calls = append(calls, c)
	}
	r := p.registration
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), hangupTime)
	defer cancel()
	var wg sync.WaitGroup
	for _, c := range calls {
		wg.Go(func() { _ = c.Hangup(ctx) })
	}
	if r != nil {
		wg.Go(func() { _, _ = r.send(ctx, 0) })
	}
	wg.Wait()

	p.mu.Lock()
	p.closed = true
	for _, c := range p.calls {
		calls = append(calls, c)
	}
	p.mu.Unlock()
	p.close()
	for _, c := range calls { // also those that came meanwhile
		c.finish(End{Reason: LocalHangup})
	}
	p.txl.Close()
	err := p.listen()
	_ = p.tpl.Close()
	p.wg.Wait()
	return err
}

// Addr is where the phone takes SIP.
func (p *Phone) Addr() netip.AddrPort { return p.addr }

// URI is where the phone can be called, without a registrar.
func (p *Phone) URI() string {
	u := p.contact()
	return u.String()
}

func (p *Phone) contact() sip.Uri {
	u := sip.Uri{Scheme: "sip", User: p.cfg.Name, Host: p.addr.Addr().String(), Port: int(p.addr.Port())}
	if p.cfg.Transport == "tcp" {
		u.UriParams = sip.HeaderParams{{K: "transport", V: "tcp"}}
	}
	return u
}

// identity is what the phone calls itself in From: its address of record where
// it has one.
func (p *Phone) identity() sip.Uri {
	if p.cfg.Account.Registrar != "" {
		if u, err := parseURI(p.cfg.Account.Registrar); err == nil {
			return sip.Uri{Scheme: "sip", User: p.cfg.Account.Username, Host: u.Host, Port: u.Port}
		}
	}
	u := p.contact()
	u.UriParams = nil
	return u
}

// NextCall waits for the next incoming call, each is given once.
func (p *Phone) NextCall(ctx context.Context) (*Call, error) {
	for {
		p.mu.Lock()
		if len(p.queue) > 0 {
			c := p.queue[0]
			p.queue = p.queue[1:]
			p.mu.Unlock()
			return c, nil
		}
		queued := p.queued
		p.mu.Unlock()
		select {
		case <-queued:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-p.closing.Done():
			return nil, ErrClosed
		}
	}
}

// SetAnswering changes what happens to the calls that come from now on.
func (p *Phone) SetAnswering(a Answering) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answering = a
}

// adopt makes c one of the phone's calls, until it has ended; false: the phone
// is closed.
func (p *Phone) adopt(c *Call) bool {
	p.sender.add(c.stream)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		p.sender.remove(c.stream)
		return false
	}
	p.calls[c.key()] = c
	if c.incoming {
		p.queue = append(p.queue, c)
		close(p.queued)
		p.queued = make(chan struct{})
	}
	p.wg.Go(c.stream.readRTP)
	p.wg.Go(c.stream.readRTCP)
	p.wg.Go(func() {
		<-c.life.ended
		p.drop(c)
	})
	return true
}

// drop lets go of a call that has ended.
func (p *Phone) drop(c *Call) {
	p.sender.remove(c.stream)
	c.stream.sayGoodbye()
	c.stream.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.calls, c.key())
}

// find gives the call of a request within a dialog.
func (p *Phone) find(req *sip.Request) *Call {
	id, to := req.CallID(), req.To()
	if id == nil || to == nil {
		return nil
	}
	tag, _ := to.Params.Get("tag")
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[id.Value()+" "+tag]
}

func (p *Phone) trace(call, name, detail string) {
	p.log.Debug(name, "call", call, "detail", detail)
	if p.cfg.Trace != nil {
		p.cfg.Trace(Event{At: p.cfg.Now(), Call: call, Name: name, Detail: detail})
	}
}

func parseURI(s string) (sip.Uri, error) {
	var u sip.Uri
	if !strings.HasPrefix(strings.ToLower(s), "sip:") {
		s = "sip:" + s
	}
	if err := sip.ParseUri(s, &u); err != nil {
		return sip.Uri{}, fmt.Errorf("URI %q: %w", s, err)
	}
	if u.Host == "" {
		return sip.Uri{}, fmt.Errorf("URI %q has no host", s)
	}
	return u, nil
}
