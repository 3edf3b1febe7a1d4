package transaction

import (
	"container/list"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"parley/internal/sip/message"
)

// The timers of RFC 3261 section 17, table 4.
const (
	// T1 is the estimate of the round-trip time.
	T1 = 500 * time.Millisecond
	// T2 is the longest interval between repetitions.
	T2 = 4 * time.Second
	// T4 is the longest that a message stays in the network.
	T4 = 5 * time.Second
	// Timeout is 64*T1: Timers B, F, H, J, L and M.
	Timeout = 64 * T1
)

// state is where a transaction is (RFC 3261 figures 5 to 8, RFC 6026 figures 3
// and 4).
type state uint8

const (
	stateCalling    state = iota // sent, and repeated until there is an answer
	stateProceeding              // no final answer yet
	stateAccepted                // INVITE: answered with a 2xx, of which more may come
	stateCompleted               // answered; for an INVITE: refused, and not acknowledged yet
	stateConfirmed               // INVITE that was refused, and the ACK came
	stateTerminated
)

// Errors of Serve and of client transactions.
var (
	// ErrTooMany: the Layer has as many open server transactions as it may.
	ErrTooMany = errors.New("too many transactions")
	// ErrDuplicate: the request has a server transaction already.
	ErrDuplicate = errors.New("the request is being served")
	// ErrTimeout: no answer in time (Timer B or F).
	ErrTimeout = errors.New("no answer")
	// ErrClosed: the layer was closed.
	ErrClosed = errors.New("closed")
)

// Config is what a Layer is made of.
type Config struct {
	// Request takes a request that begins something new, and an ACK to a 2xx
	// answer. It is called by Receive, on the same goroutine.
	Request func(m message.Message)
	// MaxOpen is how many server transactions without a final answer there may
	// be at a time, MaxFinished how many of the others are kept to answer
	// repetitions; when there are more, the oldest are forgotten before their
	// time. 0 means 20000 and 8192.
	MaxOpen, MaxFinished int
	// Logger takes what goes wrong, at debug level; nil means none.
	Logger *slog.Logger
}

// Layer holds the transactions of one user agent. Its methods are safe for
// concurrent use.
type Layer struct {
	cfg Config
	// Strays counts answers to no request of ours.
	strays atomic.Int64

	mu       sync.Mutex
	servers  map[string]*server // guarded by mu
	clients  map[string]*Client // guarded by mu
	open     int                // guarded by mu: servers without a final answer
	finished list.List          // guarded by mu: of *server with one, the oldest first
	closed   bool               // guarded by mu
}

// New makes a Layer.
func New(cfg Config) *Layer {
	if cfg.MaxOpen == 0 {
		cfg.MaxOpen = 20000
	}
	if cfg.MaxFinished == 0 {
		cfg.MaxFinished = 8192
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Layer{cfg: cfg, servers: make(map[string]*server), clients: make(map[string]*Client)}
}

// Receive takes a message from the network: it gives it to its transaction, or
// to Config.Request. It blocks only as long as sending takes.
func (l *Layer) Receive(m message.Message) {
	if m.Response != nil {
		l.response(m)
		return
	}
	switch m.Method {
	case "ACK":
		if s := l.server(serverKey(&m, "INVITE")); s == nil || !s.acknowledged() {
			l.cfg.Request(m)
		}
	case "CANCEL":
		l.cancel(m)
	default:
		if s := l.server(serverKey(&m, m.Method)); s != nil {
			s.receive()
			return
		}
		l.cfg.Request(m)
	}
}

// cancel answers a CANCEL (RFC 3261 section 9.2). It takes no transaction: what
// it finds when it is repeated is the same, and so is the answer.
func (l *Layer) cancel(m message.Message) {
	s := l.server(serverKey(&m, "INVITE"))
	if s == nil {
		l.answer(&m, 481, "none")
		return
	}
	l.answer(&m, 200, s.tag)
	s.cancel()
}

// answer sends an answer outside of a transaction.
func (l *Layer) answer(m *message.Message, status int, tag string) {
	if err := m.Reply.Send([]byte(m.Answer(status, tag).String())); err != nil {
		l.cfg.Logger.Debug("answer not sent", "status", status, "to", m.Source, "error", err)
	}
}

func (l *Layer) server(key string) *server {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.servers[key]
}

// response finds the request that an answer is for (RFC 3261 section 17.1.3).
func (l *Layer) response(m message.Message) {
	l.mu.Lock()
	c := l.clients[clientKey(m.Top.Branch, m.SeqMethod)]
	l.mu.Unlock()
	if c == nil {
		l.strays.Add(1)
		return
	}
	c.receive(m)
}

// Close forgets all transactions; those of clients end with ErrClosed.
func (l *Layer) Close() {
	l.mu.Lock()
	l.closed = true
	servers, clients := l.servers, l.clients
	l.servers, l.clients = make(map[string]*server), make(map[string]*Client)
	l.open, l.finished = 0, list.List{}
	l.mu.Unlock()
	for _, s := range servers {
		s.end()
	}
	for _, c := range clients {
		c.end(ErrClosed)
	}
}

// Stats counts transactions.
type Stats struct {
	Servers int   // server transactions, finished ones included
	Open    int   // those without a final answer
	Clients int   // client transactions
	Strays  int64 // answers to no request of ours, since New
}

// Stats counts the transactions at this moment.
func (l *Layer) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{Servers: len(l.servers), Open: l.open, Clients: len(l.clients), Strays: l.strays.Load()}
}

// serverKey names the server transaction of a request (RFC 3261 section
// 17.2.3); method is that of the request that began it.
func serverKey(m *message.Message, method string) string {
	if m.Top.HasCookie() {
		return m.Top.Branch + "|" + m.Top.SentBy() + "|" + method
	}
	// RFC 2543: what stays the same in a repetition, and in an ACK to a refusal.
	return m.FromTag + "|" + m.CallID + "|" + strconv.FormatUint(uint64(m.Seq), 10) + "|" + m.Via[0] + "|" + method
}

// clientKey names a client transaction; its branch is ours.
func clientKey(branch, method string) string { return branch + "|" + method }
