package transaction

import (
	"container/list"
	"sync"
	"time"

	"parley/internal/sip/message"

	sipgo "github.com/emiago/sipgo/sip"
)

// Server is the transaction of a request that came, for whoever answers it.
// Its methods are safe for concurrent use.
type Server struct {
	// Message is the request.
	Message message.Message

	tag     string
	machine *server
}

// Serve begins a server transaction for m. tag is the To tag of its answers,
// those to its CANCEL included. cancelled is called, by Receive, when a CANCEL
// has come (and has been answered) before a final answer was given, maybe more
// than once; it must not block. Someone must answer, or call Abandon. The
// errors are ErrTooMany, ErrDuplicate and ErrClosed.
func (l *Layer) Serve(m message.Message, tag string, cancelled func()) (*Server, error) {
	s := &server{
		layer: l, key: serverKey(&m, m.Method), flow: m.Reply, tag: tag, cancelled: cancelled,
		invite: m.Method == "INVITE", state: stateProceeding,
	}
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
	l.servers[s.key] = s
	l.open++
	return &Server{Message: m, tag: tag, machine: s}, nil
}

// Answer begins an answer with the transaction's tag.
func (s *Server) Answer(status int) *sipgo.Response { return s.Message.Answer(status, s.tag) }

// Respond sends an answer. A 2xx to an INVITE may be sent again and again; of
// other final answers only the first is sent, and repeated as long as it must
// be. An error means that it was not sent.
func (s *Server) Respond(res *sipgo.Response) error {
	return s.machine.respond(res.StatusCode, []byte(res.String()))
}

// Abandon ends the transaction at once, without an answer.
func (s *Server) Abandon() { s.machine.end() }

// server is a server transaction (RFC 3261 section 17.2, RFC 6026 section 7.1).
// Once there is a final answer it holds on to little more than that: most
// transactions are in that state, to answer what is repeated.
type server struct {
	layer  *Layer
	key    string
	tag    string
	flow   message.Flow
	invite bool

	mu        sync.Mutex
	state     state         // guarded by mu; another request's Trying is stateProceeding here
	cancelled func()        // guarded by mu; nil once there is a final answer
	last      []byte        // guarded by mu: the answer to be repeated
	interval  time.Duration // guarded by mu: until the refusal is repeated
	repeat    *time.Timer   // guarded by mu: Timer G
	deadline  *time.Timer   // guarded by mu: Timer H, I, J or L

	place *list.Element // in layer.finished, guarded by layer.mu; nil before a final answer
}

// respond sends an answer and changes the state by it.
func (s *server) respond(status int, data []byte) error {
	oldest, err := s.advance(status, data)
	if oldest != nil {
		oldest.end()
	}
	return err
}

// advance is respond; it gives a transaction that there is no room for any
// more.
func (s *server) advance(status int, data []byte) (oldest *server, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == stateProceeding && status < 200:
		s.last = data
	case s.state == stateProceeding:
		s.finalLocked(status, data)
		oldest = s.layer.finish(s)
	case s.state == stateAccepted && status < 300:
	default:
		return nil, nil // answered before
	}
	err = s.flow.Send(data)
	if err != nil && s.state == stateCompleted {
		s.endLocked()
	}
	return oldest, err
}

// finalLocked takes the first final answer.
func (s *server) finalLocked(status int, data []byte) {
	s.cancelled, s.last = nil, data
	wait := Timeout
	switch {
	case s.invite && status < 300:
		// Repeating it is the user agent's; repeated INVITEs are absorbed.
		s.state, s.last = stateAccepted, nil
	case s.invite:
		s.state = stateCompleted
		if !s.flow.Reliable() {
			s.interval = T1
			s.repeat = time.AfterFunc(T1, s.again)
		}
	default:
		s.state = stateCompleted
		if s.flow.Reliable() {
			wait = 0
		}
	}
	s.deadline = time.AfterFunc(wait, s.end)
}

// again repeats a refusal that has no ACK yet: Timer G.
func (s *server) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateCompleted {
		return
	}
	s.interval = min(2*s.interval, T2)
	s.repeat.Reset(s.interval)
	s.sendLastLocked()
}

// receive takes a repetition of the request.
func (s *server) receive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stateProceeding || s.state == stateCompleted {
		s.sendLastLocked()
	}
}

func (s *server) sendLastLocked() {
	if s.last == nil {
		return
	}
	if err := s.flow.Send(s.last); err != nil {
		s.layer.cfg.Logger.Debug("answer not repeated", "to", s.flow.Remote(), "error", err)
	}
}

// acknowledged takes an ACK, and reports whether it was the one to a refusal:
// then it is nobody else's.
func (s *server) acknowledged() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case stateCompleted:
		s.state, s.last = stateConfirmed, nil
		if s.repeat != nil {
			s.repeat.Stop()
		}
		wait := T4 // Timer I
		if s.flow.Reliable() {
			wait = 0
		}
		s.deadline.Reset(wait)
		return true
	case stateConfirmed:
		return true
	}
	return false
}

// cancel tells the user agent of a CANCEL, if it has not answered yet.
func (s *server) cancel() {
	s.mu.Lock()
	f := s.cancelled
	s.mu.Unlock()
	if f != nil {
		f()
	}
}

// end ends the transaction.
func (s *server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked()
}

func (s *server) endLocked() {
	s.state, s.cancelled, s.last = stateTerminated, nil, nil
	for _, t := range []*time.Timer{s.repeat, s.deadline} {
		if t != nil {
			t.Stop()
		}
	}
	s.layer.drop(s)
}

// finish counts s as finished. If there is one too many of those it forgets the
// oldest and gives it, to be ended.
func (l *Layer) finish(s *server) (oldest *server) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.servers[s.key] != s {
		return nil
	}
	l.open--
	s.place = l.finished.PushBack(s)
	if l.finished.Len() <= l.cfg.MaxFinished {
		return nil
	}
	oldest = l.finished.Front().Value.(*server)
	l.dropLocked(oldest)
	return oldest
}

// drop forgets a transaction that has ended.
func (l *Layer) drop(s *server) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropLocked(s)
}

func (l *Layer) dropLocked(s *server) {
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
