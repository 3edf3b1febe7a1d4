package sip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley"
	"parley/internal/control"
	"parley/internal/media"
	"parley/internal/sip/message"
	"parley/internal/sip/transport"
)

// Where everybody is.
var (
	us   = netip.MustParseAddrPort("192.0.2.1:5060")
	them = netip.MustParseAddrPort("192.0.2.9:5062")
)

// A bench is an agent on a network in memory, with everyone around it played by
// the test: the far ends, the media plane, the use cases. It lives in a bubble
// of package synctest: time is virtual.
type bench struct {
	t     *testing.T
	agent *Agent
	air   *air
	uses  *uses

	mu       sync.Mutex
	sessions []*fakeSession
	shards   map[*media.Mix]int
	noMedia  error
	busy     int // how many sessions find their address in use
}

// onBench runs a test on a bench, and afterwards looks for what was left over.
func onBench(t *testing.T, f func(b *bench)) { onBenchWith(t, Config{}, f) }

func onBenchWith(t *testing.T, cfg Config, f func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, air: &air{}, shards: make(map[*media.Mix]int)}
		b.uses = &uses{b: b}
		cfg.Inbound, cfg.Logger = b.uses, slog.New(slog.DiscardHandler)
		b.agent = newAgent(cfg, b.air, b.openSession)
		b.agent.resolver = b
		defer func() { // also after t.Fatal
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			defer cancel()
			if err := b.agent.Close(ctx); err != nil {
				t.Errorf("close: %v", err)
			}
			if !t.Failed() {
				b.leftovers()
			}
		}()
		f(b)
	})
}

// leftovers complains about what a test leaves behind.
func (b *bench) leftovers() {
	a := b.agent
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := len(a.books.calls) + len(a.books.dialogs) + len(a.books.invites) + len(a.books.sources); n != 0 {
		b.t.Errorf("left in the books: %+v", a.books)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, s := range b.sessions {
		if !s.closed {
			b.t.Errorf("media session %d is still open", i)
		}
	}
	b.uses.mu.Lock()
	defer b.uses.mu.Unlock()
	for _, c := range b.uses.calls {
		if ended := slices.IndexFunc(c.told, func(s string) bool { return strings.HasPrefix(s, "ended") }); ended != len(c.told)-1 {
			b.t.Errorf("a call was told %q: ended is not once and last", c.told)
		}
	}
}

// LookupNetIP implements resolver: one name is known.
func (b *bench) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	select { // it takes its time
	case <-time.After(100 * time.Millisecond):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if host == "them.example.com" {
		return []netip.Addr{them.Addr()}, nil
	}
	return nil, errors.New("no such host")
}

// air is the network: it keeps what the agent sends.
type air struct {
	mu   sync.Mutex
	sent []sending
	dead bool // sending fails
}

type sending struct {
	message.Message
	to      netip.AddrPort
	network string
	text    string
	at      time.Time
}

func (n *air) Flow(ctx context.Context, network string, remote netip.AddrPort) (message.Flow, error) {
	if network == "TCP" {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if remote.Port() == 9 {
			return nil, errors.New("connection refused")
		}
	}
	return &airFlow{n: n, network: network, remote: remote}, nil
}
func (n *air) Local() netip.AddrPort  { return us }
func (n *air) Stats() transport.Stats { return transport.Stats{} }
func (n *air) Close() error           { return nil }

type airFlow struct {
	n       *air
	network string
	remote  netip.AddrPort
	gone    bool
}

func (f *airFlow) Send(data []byte) error {
	m, fault := message.NewParser().Parse(data)
	if fault != nil {
		panic(fmt.Sprintf("the agent sent what cannot be read: %v\n%s", fault, data))
	}
	f.n.mu.Lock()
	defer f.n.mu.Unlock()
	if f.n.dead {
		return errors.New("network is unreachable")
	}
	f.n.sent = append(f.n.sent, sending{m, f.remote, f.network, string(data), time.Now()})
	return nil
}
func (f *airFlow) Network() string        { return f.network }
func (f *airFlow) Reliable() bool         { return f.network == "TCP" }
func (f *airFlow) Alive() bool            { return !f.gone }
func (f *airFlow) Local() netip.AddrPort  { return us }
func (f *airFlow) Remote() netip.AddrPort { return f.remote }

// sent gives what the agent has sent by now and was not taken yet.
func (b *bench) sent() []sending {
	synctest.Wait()
	b.air.mu.Lock()
	defer b.air.mu.Unlock()
	all := b.air.sent
	b.air.sent = nil
	return all
}

// gets takes what the agent has sent and compares its first words: "INVITE",
// "200". It gives the messages.
func (b *bench) gets(want ...string) []sending {
	b.t.Helper()
	all := b.sent()
	got := make([]string, len(all))
	for i, m := range all {
		got[i] = word(m.Message)
	}
	if !slices.Equal(got, want) {
		b.t.Fatalf("the agent sent %q, want %q\n%s", got, want, texts(all))
	}
	return all
}

// get is gets for one message.
func (b *bench) get(want string) sending {
	b.t.Helper()
	return b.gets(want)[0]
}

func word(m message.Message) string {
	if m.IsRequest() {
		return m.Method
	}
	return strconv.Itoa(m.Status)
}

func texts(all []sending) string {
	var s strings.Builder
	for _, m := range all {
		fmt.Fprintf(&s, "--- %s to %s %s\n%s", m.at.Format("05.000"), m.network, m.to, m.text)
	}
	return s.String()
}

// comes lets a message come from a far end.
func (b *bench) comes(text string) { b.comesFrom(them, "UDP", text) }

func (b *bench) comesFrom(from netip.AddrPort, network, text string) {
	b.t.Helper()
	b.comesBy(&airFlow{n: b.air, network: network, remote: from}, text)
}

func (b *bench) comesBy(f message.Flow, text string) {
	b.t.Helper()
	m, fault := message.NewParser().Parse([]byte(text))
	if fault != nil {
		b.t.Fatalf("the test's message: %v\n%s", fault, text)
	}
	m.Source, m.Reply, m.At = f.Remote(), f, time.Now()
	b.agent.layer.Receive(m)
	synctest.Wait()
}

// sleep lets time go by.
func (b *bench) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// fakeSession is a media session that notes what is done with it.
type fakeSession struct {
	b      *bench
	addr   netip.AddrPort
	shard  int
	peer   netip.Addr
	facts  media.Facts
	busy   bool // the remote address is another's
	params []media.Params
	closed bool
}

// openSession is the media plane.
func (b *bench) openSession(cfg media.SessionConfig) (session, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.noMedia != nil {
		return nil, b.noMedia
	}
	s := &fakeSession{b: b, addr: netip.AddrPortFrom(us.Addr(), uint16(20000+2*len(b.sessions))), peer: cfg.Peer, facts: cfg.Facts}
	if cfg.Mix != nil {
		s.shard = b.shards[cfg.Mix]
	}
	s.busy = len(b.sessions) < b.busy
	b.sessions = append(b.sessions, s)
	return s, nil
}

func (s *fakeSession) LocalAddr() netip.AddrPort { return s.addr }
func (s *fakeSession) SameShard(m *media.Mix) bool {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	return s.b.shards[m] == s.shard
}
func (s *fakeSession) Configure(p media.Params) error {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	if s.busy {
		return media.ErrAddressInUse
	}
	s.params = append(s.params, p)
	return nil
}
func (s *fakeSession) Close() {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.closed = true
}

// session is the i-th media session that was opened.
func (b *bench) session(i int) *fakeSession {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if i >= len(b.sessions) {
		b.t.Fatalf("%d media sessions were opened, want more than %d", len(b.sessions), i)
	}
	return b.sessions[i]
}

// params is how a session was configured last.
func (s *fakeSession) last() media.Params {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	if len(s.params) == 0 {
		s.b.t.Fatal("the media session was never configured")
	}
	return s.params[len(s.params)-1]
}

// uses are the use cases.
type uses struct {
	b      *bench
	refuse bool // nobody may call
	panics bool
	mu     sync.Mutex
	calls  []*heardCall
}

// heardCall is a call as the use cases know it.
type heardCall struct {
	u    *uses
	in   control.IncomingCall
	call control.Call

	told []string // guarded by u.mu
}

func (u *uses) Admit(src netip.Addr) (control.Origin, bool) {
	return control.Origin{Application: "app", Trunk: "trunk"}, !u.refuse
}

func (u *uses) Incoming(in control.IncomingCall, call control.Call) control.CallEvents {
	if u.panics {
		panic("in the use cases")
	}
	h := &heardCall{u: u, in: in, call: call}
	u.mu.Lock()
	u.calls = append(u.calls, h)
	u.mu.Unlock()
	return h
}

func (h *heardCall) tell(format string, args ...any) {
	h.u.mu.Lock()
	defer h.u.mu.Unlock()
	h.told = append(h.told, fmt.Sprintf(format, args...))
}

func (h *heardCall) Talking(_ parley.ID, talking bool, _ time.Time) { h.tell("talking %v", talking) }
func (h *heardCall) Digit(_ parley.ID, d byte, _ time.Duration, _ time.Time) {
	if d == 'P' {
		panic("on a digit")
	}
	h.tell("digit %c", d)
}
func (h *heardCall) Silent(parley.ID, time.Time) { h.tell("silent") }
func (h *heardCall) Answered(time.Time)          { h.tell("answered") }
func (h *heardCall) Held(held bool, _ time.Time) { h.tell("held %v", held) }
func (h *heardCall) Ended(end control.CallEnd)   { h.tell("ended %s %d", end.Reason, end.Status) }

// hears compares all that a call was told since the last time.
func (h *heardCall) hears(want ...string) {
	h.u.b.t.Helper()
	synctest.Wait()
	h.u.mu.Lock()
	defer h.u.mu.Unlock()
	if !slices.Equal(h.told, want) {
		h.u.b.t.Errorf("the use cases were told %q, want %q", h.told, want)
	}
}

// offerSDP is a description of the far end.
func offerSDP(changes ...string) string {
	s := "v=0\r\no=- 7 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n" +
		"m=audio 40000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
	return strings.NewReplacer(changes...).Replace(s)
}

// request writes a request of the far end; lines are further header fields.
func request(method, branch, fromTag, toTag string, seq int, body string, lines ...string) string {
	to := "<sip:conf1@192.0.2.1>"
	if toTag != "" {
		to += ";tag=" + toTag
	}
	var s strings.Builder
	s.WriteString(method + " sip:conf1@192.0.2.1:5060 SIP/2.0\r\n" +
		"Via: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bK" + branch + "\r\n" +
		"Max-Forwards: 70\r\n" +
		"From: \"Alice\" <sip:alice@example.com>;tag=" + fromTag + "\r\n" +
		"To: " + to + "\r\nCall-ID: call-of-" + fromTag + "\r\n" +
		fmt.Sprintf("CSeq: %d %s\r\n", seq, method))
	if method == "INVITE" || method == "UPDATE" {
		s.WriteString("Contact: <sip:alice@192.0.2.9:5062>\r\n")
	}
	for _, l := range lines {
		s.WriteString(l + "\r\n")
	}
	if body != "" {
		s.WriteString("Content-Type: application/sdp\r\n")
	}
	return s.String() + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

// reply writes the far end's answer to a request of the agent.
func reply(to sending, status int, tag, body string, lines ...string) string {
	var s strings.Builder
	s.WriteString(fmt.Sprintf("SIP/2.0 %d %s\r\n", status, message.Phrase(status)))
	for _, v := range to.Via {
		s.WriteString("Via: " + v + "\r\n")
	}
	toValue := to.To
	if tag != "" && to.ToTag == "" {
		toValue += ";tag=" + tag
	}
	s.WriteString("From: " + to.From + "\r\nTo: " + toValue + "\r\nCall-ID: " + to.CallID + "\r\nCSeq: " + to.CSeq + "\r\n")
	if status < 300 && to.Method == "INVITE" && status > 100 {
		s.WriteString("Contact: <sip:bob@192.0.2.9:5062>\r\n")
	}
	for _, l := range lines {
		s.WriteString(l + "\r\n")
	}
	if body != "" {
		s.WriteString("Content-Type: application/sdp\r\n")
	}
	return s.String() + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

// An inboundCall is a call from the far end, played by the test.
type inboundCall struct {
	*heardCall
	b    *bench
	from string // the far end's tag
	tag  string // ours
	seq  int
}

// rings lets a call come and ring.
func (b *bench) rings(fromTag string) *inboundCall {
	b.t.Helper()
	b.comes(request("INVITE", fromTag+"1", fromTag, "", 1, offerSDP()))
	m := b.gets("100", "180")
	b.uses.mu.Lock()
	defer b.uses.mu.Unlock()
	if len(b.uses.calls) == 0 {
		b.t.Fatal("the use cases were not told of the call")
	}
	return &inboundCall{heardCall: b.uses.calls[len(b.uses.calls)-1], b: b, from: fromTag, tag: m[1].ToTag, seq: 1}
}

// up lets a call come and be answered into mix.
func (b *bench) up(fromTag string, mix *media.Mix) *inboundCall {
	b.t.Helper()
	c := b.rings(fromTag)
	c.call.Answer(mix)
	b.get("200")
	c.ack()
	c.hears("answered")
	c.forget()
	return c
}

// forget forgets what the use cases were told.
func (h *heardCall) forget() {
	h.u.mu.Lock()
	defer h.u.mu.Unlock()
	h.told = nil
}

// ack sends the ACK to the last INVITE.
func (c *inboundCall) ack(body ...string) {
	c.b.t.Helper()
	c.b.comes(request("ACK", fmt.Sprint("ack", c.seq), c.from, c.tag, c.seq, strings.Join(body, "")))
}

// sends sends a request within the call.
func (c *inboundCall) sends(method, body string, lines ...string) {
	c.b.t.Helper()
	c.seq++
	c.b.comes(request(method, fmt.Sprint(c.from, method, c.seq), c.from, c.tag, c.seq, body, lines...))
}

// outbound places a call and gives its INVITE.
func (b *bench) outbound(r control.DialRequest) (*heardCall, sending) {
	b.t.Helper()
	h := &heardCall{u: b.uses}
	b.uses.mu.Lock()
	b.uses.calls = append(b.uses.calls, h)
	b.uses.mu.Unlock()
	r.ID, r.Events = "call", h
	if r.Target == "" {
		r.Target = "sip:bob@192.0.2.9:5062"
	}
	if r.Timeout == 0 {
		r.Timeout = 50 * time.Second
	}
	h.call = b.agent.Dial(r)
	return h, b.get("INVITE")
}
