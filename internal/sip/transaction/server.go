package transaction

import (
	"container/list"
	"net"
	"sync"

	"parley/internal/sip/message"

	sipgo "github.com/emiago/sipgo/sip"
)

// LocalAddr implements sipgo's Connection.
func (c connection) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.Local()) }

// Ref implements sipgo's Connection: flows are not counted.
func (connection) Ref(int) int { return 1 }

// TryClose implements sipgo's Connection.
func (connection) TryClose() (int, error) { return 1, nil }

// Close implements sipgo's Connection.
func (connection) Close() error { return nil }

// Server is the transaction of a request that came (RFC 3261 section 17.2).
// It repeats final answers other than 2xx to an INVITE by itself. Its methods
// are safe for concurrent use.
type Server struct {
	// Message is the request.
	Message message.Message

	layer     *Layer
	key, tag  string
	tx        *sipgo.ServerTx
	cancelled func()

	mu     sync.Mutex
	status int // guarded by mu: of the last answer

	place *list.Element // in layer.finished, guarded by layer.mu; nil before a final answer
}

// Serve begins a server transaction for m. tag is the To tag of its answers,
// those to its CANCEL included. cancelled is called, by Receive, when a CANCEL
// has come (and has been answered) before a final answer was given, maybe more
// than once; it must not block. Someone must answer, or call Abandon. The
// errors are ErrTooMany, ErrDuplicate and ErrClosed.
func (l *Layer) Serve(m message.Message, tag string, cancelled func()) (*Server, error) {
	s := &Server{Message: m, layer: l, key: serverKey(&m, m.Method), tag: tag, cancelled: cancelled}
	if cancelled == nil {
		s.cancelled = func() {}
	}
	m.Request.SetTransport(m.Reply.Network())
	s.tx = sipgo.NewServerTx(s.key, m.Request, connection{m.Reply}, l.cfg.Logger)

	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return nil, ErrClosed
	case l.servers[s.key] != nil:
		return nil, ErrDuplicate
	case l.open >= l.cfg.MaxOpen:
		return nil, ErrTooMany
	}
	if err := s.tx.Init(); err != nil {
		return nil, err
	}
	s.tx.OnTerminate(func(string, error) { l.drop(s) })
	l.servers[s.key] = s
	l.open++
	return s, nil
}

// Answer begins an answer with the transaction's tag.
func (s *Server) Answer(status int) *sipgo.Response { return s.Message.Answer(status, s.tag) }

// Tag is the To tag of the transaction's answers.
func (s *Server) Tag() string { return s.tag }

// Respond sends an answer. A 2xx to an INVITE may be sent again and again. An
// error means that it was not sent, and that the transaction is over.
func (s *Server) Respond(res *sipgo.Response) error {
	s.settle(res.StatusCode)
	return s.tx.Respond(res)
}

// Status is the status of the last answer, 0 before the first.
func (s *Server) Status() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Abandon ends the transaction at once, without an answer.
func (s *Server) Abandon() {
	s.settle(statusAbandoned)
	s.tx.Terminate()
}

// statusAbandoned is the Status of a transaction that never was answered.
const statusAbandoned = 699

// settle notes an answer's status; the first final one makes the transaction
// finished.
func (s *Server) settle(status int) {
	s.mu.Lock()
	first := s.status < 200 && status >= 200
	s.status = status
	s.mu.Unlock()
	if first {
		s.layer.finish(s)
	}
}

// pending reports whether no final answer was given.
func (s *Server) pending() bool { return s.Status() < 200 }

// refused reports whether the transaction waits for the ACK to a refusal.
func (s *Server) refused() bool { return s.Status() >= 300 }

// receive takes a repetition of the request, or the ACK to a refusal.
func (s *Server) receive(m message.Message) {
	if err := s.tx.Receive(m.Request); err != nil {
		s.layer.cfg.Logger.Debug("transaction", "key", s.key, "error", err)
	}
}

// finish counts s as finished and forgets the oldest of those.
func (l *Layer) finish(s *Server) {
	var oldest *Server
	l.mu.Lock()
	if l.servers[s.key] == s {
		l.open--
		s.place = l.finished.PushBack(s)
	}
	if l.finished.Len() > l.cfg.MaxFinished {
		oldest = l.finished.Front().Value.(*Server)
	}
	l.mu.Unlock()
	if oldest != nil {
		oldest.tx.Terminate()
	}
}

// drop forgets a transaction that has ended.
func (l *Layer) drop(s *Server) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.servers[s.key] != s {
		return
	}
	delete(l.servers, s.key)
	if s.place == nil {
		l.open--
		return
	}
	l.finished.Remove(s.place)
}
