package media

import (
	"encoding/binary"
	"io"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"parley"
	"parley/internal/codec"
	"parley/internal/codec/g711"
)

// wire is a socket in memory: what is put in is received, what is sent is kept.
type wire struct {
	in  []datagram
	out []datagram // from is where they are sent to
}

func (w *wire) receive(in *inbox) int {
	n := min(len(w.in), inboxSize)
	copy(in.packets[:], w.in[:n])
	w.in = w.in[n:]
	return n
}

func (w *wire) send(o *outbox) int {
	if w.out == nil {
		return 0 // nobody looks
	}
	for i := range o.n {
		w.out = append(w.out, datagram{data: append([]byte(nil), o.data[i][:o.size[i]]...), from: o.dest[i]})
	}
	return 0
}

func (w *wire) close() {}

// rig is a shard without its goroutine, on wires, in the test's own time.
type rig struct {
	t  *testing.T
	sh *shard
	at time.Duration
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t}
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	p := &Plane{wake: make(chan struct{}, 1), used: map[uint16]bool{}, cfg: Config{
		SilenceTimeout: 20 * time.Second, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Now: func() time.Time { return start.Add(r.at) },
	}}
	r.at = time.Second
	r.sh = newShard(p)
	p.shards = []*shard{r.sh}
	r.sh.clock = func() time.Duration { return r.at }
	r.sh.look()
	return r
}

// open opens a session, on a new port where no other can take it.
func (r *rig) open(peer netip.Addr, facts Facts) *Session {
	s := newSession(r.sh, SessionConfig{Call: parley.ID("call"), Peer: peer, Facts: facts, CNAME: "c@x"})
	if !r.sh.attach(s, nil, anywhere) {
		p := newPort(uint16(20000+2*len(r.sh.ports)), portSessions, &wire{}, &wire{})
		r.sh.attachNew(s, nil, p)
	}
	return s
}

// configure is Session.Configure without the shard's goroutine.
func (r *rig) configure(s *Session, p Params) error {
	r.t.Helper()
	if p.PTime == 0 {
		p.PTime = beatTime
	}
	if p.Codec.Name == "" {
		p.Codec = codec.PCMU
	}
	if err := p.check(); err != nil {
		return err
	}
	k, err := newParts(p)
	if err != nil {
		return err
	}
	return s.configure(p, k)
}

// call is a session that is open, configured for addr and in m.
func (r *rig) call(addr string, m *Mix) *Session {
	r.t.Helper()
	a := netip.MustParseAddrPort(addr)
	s := r.open(a.Addr(), nil)
	if err := r.configure(s, Params{Remote: a, Send: true, Receive: true, DTMFPayloadType: 101}); err != nil {
		r.t.Fatal(err)
	}
	if m != nil {
		m.join(s, Options{})
	}
	return s
}

// beats lets so many beats pass.
func (r *rig) beats(n int) {
	for range n * slots {
		r.at += slotTime
		r.sh.look()
		r.sh.beats()
	}
	r.sh.housekeep()
	r.sh.publish()
}

// stream makes RTP packets.
type stream struct {
	ssrc, ts uint32
	seq      uint16
	pt       uint8
}

// packet is the next packet of the stream.
func (st *stream) packet(payload []byte) []byte {
	b := make([]byte, rtpHeaderSize, rtpHeaderSize+len(payload))
	h := rtpHeader{payloadType: st.pt, seq: st.seq, timestamp: st.ts, ssrc: st.ssrc}
	h.put(b)
	st.seq++
	st.ts += uint32(len(payload))
	return append(b, payload...)
}

// put lets a packet arrive at the session's port.
func put(s *Session, from netip.AddrPort, b []byte) {
	w := s.port.rtp.(*wire)
	w.in = append(w.in, datagram{data: b, from: endpointOf(from)})
}

func putReport(s *Session, from netip.AddrPort, b []byte) {
	w := s.port.rtcp.(*wire)
	w.in = append(w.in, datagram{data: b, from: endpointOf(from)})
}

// watch keeps what the session's port sends from now on.
func watch(s *Session) *wire {
	w := s.port.rtp.(*wire)
	w.out = make([]datagram, 0, 100)
	return w
}

// voice is a payload of n samples of one value, as µ-law.
func voice(value int16, n int) []byte {
	x := make([]int16, n)
	for i := range x {
		x[i] = value
	}
	return g711.EncodeMu(nil, x)
}

// facts is a Facts that keeps what it is told.
type facts []string

func (f *facts) Talking(_ parley.ID, talking bool, _ time.Time) {
	*f = append(*f, map[bool]string{true: "talks", false: "stops"}[talking])
}
func (f *facts) Digit(_ parley.ID, digit byte, _ time.Duration, _ time.Time) {
	*f = append(*f, "digit "+string(digit))
}
func (f *facts) Silent(parley.ID, time.Time) { *f = append(*f, "silent") }

// tellAll tells what the shard has to tell.
func (r *rig) tellAll() {
	for f, ok := r.sh.facts.get(); ok; f, ok = r.sh.facts.get() {
		f.tell()
	}
}

func seqOf(b []byte) uint16 { return binary.BigEndian.Uint16(b[2:]) }
func tsOf(b []byte) uint32  { return binary.BigEndian.Uint32(b[4:]) }
