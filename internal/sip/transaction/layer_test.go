package transaction

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/sip/message"

	sipgo "github.com/emiago/sipgo/sip"
)

// wire is a Flow that keeps what is sent, with the time of sending.
type wire struct {
	reliable bool
	start    time.Time

	mu     sync.Mutex
	sent   []string
	times  []time.Duration
	broken error
	gone   bool
}

func newWire() *wire { return &wire{start: time.Now()} }

func (w *wire) Send(data []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken != nil {
		return w.broken
	}
	w.sent = append(w.sent, string(data))
	w.times = append(w.times, time.Since(w.start))
	return nil
}

func (w *wire) Network() string {
	if w.reliable {
		return "TCP"
	}
	return "UDP"
}
func (w *wire) Reliable() bool { return w.reliable }
func (w *wire) Alive() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.gone
}
func (w *wire) Local() netip.AddrPort  { return netip.MustParseAddrPort("192.0.2.1:5060") }
func (w *wire) Remote() netip.AddrPort { return netip.MustParseAddrPort("192.0.2.9:5060") }

// take gives the first lines of what was sent since the last take.
func (w *wire) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var lines []string
	for _, m := range w.sent {
		line, _, _ := strings.Cut(m, "\r\n")
		lines = append(lines, line)
	}
	w.sent, w.times = nil, nil
	return lines
}

// when gives the times of what was sent since the last take, in seconds.
func (w *wire) when() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, d := range w.times {
		out = append(out, fmt.Sprint(d.Seconds()))
	}
	w.sent, w.times = nil, nil
	return strings.Join(out, " ")
}

func (w *wire) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent[len(w.sent)-1]
}

// expect compares what was sent with start lines.
func (w *wire) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := w.take(); !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

// user is a user agent that keeps what it is told.
type user struct {
	*Layer
	t    *testing.T
	w    *wire
	seen []string
}

func newUser(t *testing.T, cfg Config) *user {
	u := &user{t: t, w: newWire()}
	cfg.Request = func(m message.Message) { u.seen = append(u.seen, m.Method) }
	u.Layer = New(cfg)
	return u
}

// message makes a request of the far end; branch, method and CSeq vary.
func (u *user) message(method, branch string, extra ...string) message.Message {
	text := method + " sip:us@192.0.2.1 SIP/2.0\r\n" +
		"Via: SIP/2.0/UDP 192.0.2.9:5060;branch=" + branch + "\r\n" +
		"From: <sip:them@192.0.2.9>;tag=theirs\r\nTo: <sip:us@192.0.2.1>\r\n" +
		"Call-ID: call\r\nCSeq: 1 " + method + "\r\n" + strings.Join(extra, "") + "Content-Length: 0\r\n\r\n"
	return u.parse(text)
}

func (u *user) parse(text string) message.Message {
	m, fault := message.NewParser().Parse([]byte(text))
	if fault != nil {
		panic(fault)
	}
	m.Source, m.Reply, m.At = u.w.Remote(), u.w, time.Now()
	return m
}

// serve lets a request come and begins its transaction.
func (u *user) serve(t *testing.T, m message.Message, cancelled func()) *Server {
	t.Helper()
	u.seen = nil
	u.Receive(m)
	if !slices.Equal(u.seen, []string{m.Method}) {
		t.Fatalf("the user agent saw %q, want %s", u.seen, m.Method)
	}
	s, err := u.Serve(m, "ours", cancelled)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// request makes a request of ours.
func request(method sipgo.RequestMethod, branch string) *sipgo.Request {
	var uri sipgo.Uri
	if err := sipgo.ParseUri("sip:them@192.0.2.9", &uri); err != nil {
		panic(err)
	}
	r := sipgo.NewRequest(method, uri)
	via := &sipgo.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: "UDP", Host: "192.0.2.1", Port: 5060}
	via.Params.Add("branch", branch)
	r.AppendHeader(via)
	r.AppendHeader(sipgo.NewHeader("Route", "<sip:192.0.2.9;lr>"))
	from := &sipgo.FromHeader{Address: uri}
	from.Params.Add("tag", "ours")
	r.AppendHeader(from)
	r.AppendHeader(&sipgo.ToHeader{Address: uri})
	id := sipgo.CallIDHeader("call")
	r.AppendHeader(&id)
	r.AppendHeader(&sipgo.CSeqHeader{SeqNo: 7, MethodName: method})
	r.SetBody(nil)
	return r
}

// answers keeps what a client transaction tells, in one word each.
type answers struct {
	mu  sync.Mutex
	got []string
}

func (a *answers) handle(m *message.Message, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.got = append(a.got, err.Error())
		return
	}
	a.got = append(a.got, fmt.Sprintf("%d %s", m.Status, m.ToTag))
}

func (a *answers) expect(t *testing.T, want ...string) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Equal(a.got, want) {
		t.Errorf("told %q, want %q", a.got, want)
	}
	a.got = nil
}

// answer lets the far end answer the request with branch.
func (u *user) answer(method sipgo.RequestMethod, branch string, status int, tag string) {
	u.Receive(u.parse(fmt.Sprintf("SIP/2.0 %d X\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=%s\r\nFrom: <sip:them@192.0.2.9>;tag=ours\r\n"+
		"To: <sip:them@192.0.2.9>;tag=%s\r\nCall-ID: call\r\nCSeq: 7 %s\r\nContent-Length: 0\r\n\r\n", status, branch, tag, method)))
}

// answers sends an answer, which always can be sent here.
func (u *user) answers(s *Server, status int) {
	u.t.Helper()
	if err := s.Respond(s.Answer(status)); err != nil {
		u.t.Error(err)
	}
}

func TestBoundsOfServerTransactions(t *testing.T) {
	u := newUser(t, Config{MaxOpen: 2, MaxFinished: 2})
	var all []*Server
	for i, branch := range []string{"z9hG4bKa", "z9hG4bKb", "z9hG4bKc"} {
		s, err := u.Serve(u.message("OPTIONS", branch), "ours", nil)
		if i == 2 {
			if !errors.Is(err, ErrTooMany) {
				t.Fatalf("a third open one: %v", err)
			}
			break
		}
		all = append(all, s)
	}
	if _, err := u.Serve(u.message("OPTIONS", "z9hG4bKa"), "ours", nil); !errors.Is(err, ErrDuplicate) {
		t.Errorf("the same again: %v", err)
	}
	for _, s := range all {
		if err := s.Respond(s.Answer(200)); err != nil {
			t.Fatal(err)
		}
	}
	if got := u.Stats(); got.Open != 0 || got.Servers != 2 {
		t.Errorf("answered: %+v", got)
	}
	s, err := u.Serve(u.message("OPTIONS", "z9hG4bKc"), "ours", nil)
	if err != nil {
		t.Fatal(err)
	}
	u.answers(s, 200)
	if got := u.Stats(); got.Servers != 2 {
		t.Errorf("a third finished one: %+v, want the oldest forgotten", got)
	}
	u.seen = nil
	u.Receive(u.message("OPTIONS", "z9hG4bKa"))
	u.Receive(u.message("OPTIONS", "z9hG4bKb"))
	if !slices.Equal(u.seen, []string{"OPTIONS"}) {
		t.Errorf("seen %q, want the forgotten one alone", u.seen)
	}
	if s, err = u.Serve(u.message("OPTIONS", "z9hG4bKd"), "ours", nil); err != nil {
		t.Fatal(err)
	}
	s.Abandon()
	if got := u.Stats(); got.Open != 0 || got.Servers > 2 {
		t.Errorf("abandoned: %+v", got)
	}
}

func TestBoundsHoldWhenManyAnswerAtOnce(t *testing.T) {
	u := newUser(t, Config{MaxFinished: 10})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 200 {
				s, err := u.Serve(u.message("OPTIONS", fmt.Sprintf("z9hG4bK%d-%d", i, j)), "ours", nil)
				if err != nil {
					t.Error(err)
					return
				}
				u.answers(s, 200)
			}
		})
	}
	all.Wait()
	if got := u.Stats(); got.Servers != 10 || got.Open != 0 {
		t.Errorf("%+v, want 10 kept", got)
	}
}

func TestClose(t *testing.T) {
	u := newUser(t, Config{})
	s, err := u.Serve(u.message("OPTIONS", "z9hG4bKa"), "ours", nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	u.Send(request("BYE", "z9hG4bK1"), u.w, func(_ *message.Message, err error) { done <- err })
	u.Close()
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Errorf("told %v", err)
	}
	if _, err := u.Serve(u.message("OPTIONS", "z9hG4bKb"), "ours", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("served after Close: %v", err)
	}
	u.Send(request("BYE", "z9hG4bK2"), u.w, func(_ *message.Message, err error) { done <- err })
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Errorf("told %v", err)
	}
	u.answers(s, 200)
	if got := u.Stats(); got.Servers+got.Open+got.Clients != 0 {
		t.Errorf("left: %+v", got)
	}
}
