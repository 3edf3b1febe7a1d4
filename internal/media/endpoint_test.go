package media_test

import (
	"encoding/binary"
	"math"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"parley"
	"parley/internal/codec"
	"parley/internal/codec/g711"
	"parley/internal/media"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// openPlane opens a plane on loopback that is closed when the test ends.
func openPlane(t *testing.T, change func(*media.Config)) *media.Plane {
	t.Helper()
	cfg := media.Config{Addr: loopback, PortMin: 21000, PortMax: 23999}
	if change != nil {
		change(&cfg)
	}
	p, err := media.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// told is a Facts that remembers.
type told struct {
	mu     sync.Mutex
	facts  []string
	change chan struct{}
}

func newTold() *told { return &told{change: make(chan struct{}, 1)} }

func (f *told) add(s string) {
	f.mu.Lock()
	f.facts = append(f.facts, s)
	f.mu.Unlock()
	select {
	case f.change <- struct{}{}:
	default:
	}
}

func (f *told) Talking(_ parley.ID, talking bool, _ time.Time) {
	f.add(map[bool]string{true: "talks", false: "stops"}[talking])
}
func (f *told) Digit(_ parley.ID, digit byte, _ time.Duration, _ time.Time) {
	f.add("digit " + string(digit))
}
func (f *told) Silent(parley.ID, time.Time) { f.add("silent") }

func (f *told) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.facts)
}

// wait waits until s has been told.
func (f *told) wait(t *testing.T, s string) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for !slices.Contains(f.all(), s) {
		select {
		case <-f.change:
		case <-deadline:
			t.Fatalf("not told %q, only %q", s, f.all())
		}
	}
}

// received is an RTP packet as a phone got it.
type received struct {
	at      time.Time
	marker  bool
	pt      uint8
	seq     uint16
	ts      uint32
	ssrc    uint32
	payload []byte
	from    netip.AddrPort
}

// phone is a far end: it sends a tone from a socket of its own, packet by
// packet, and keeps what it hears.
type phone struct {
	t       *testing.T
	conn    *net.UDPConn
	session *media.Session
	facts   *told
	format  codec.Format
	ptime   time.Duration

	mu   sync.Mutex
	hz   float64
	amp  float64
	got  []received
	more chan struct{}

	seq  uint16
	ts   uint32
	ssrc uint32
	at   int
	stop chan struct{}
	wg   sync.WaitGroup
}

// newPhone makes a phone of a tone.
func newPhone(t *testing.T, hz float64) *phone {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
	if err != nil {
		t.Fatal(err)
	}
	p := &phone{
		t: t, conn: conn, facts: newTold(), format: codec.PCMU, ptime: 20 * time.Millisecond, hz: hz, amp: 6000,
		ssrc: uint32(hz)*77777 + 1, seq: 65500, ts: math.MaxUint32 - 5000, stop: make(chan struct{}), more: make(chan struct{}, 1),
	}
	p.wg.Go(p.receive)
	t.Cleanup(p.hangUp)
	return p
}

func (p *phone) addr() netip.AddrPort { return p.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// hangUp stops sending and receiving.
func (p *phone) hangUp() {
	select {
	case <-p.stop:
		return
	default:
	}
	close(p.stop)
	_ = p.conn.Close()
	p.wg.Wait()
}

// open opens the phone's session and configures it.
func (p *phone) open(plane *media.Plane, mix *media.Mix, change func(*media.Params)) *phone {
	p.t.Helper()
	s, err := plane.OpenSession(media.SessionConfig{Call: parley.ID("call"), Mix: mix, Peer: loopback, Facts: p.facts, CNAME: "test"})
	if err != nil {
		p.t.Fatal(err)
	}
	p.session = s
	if err := s.Configure(p.params(change)); err != nil {
		p.t.Fatal(err)
	}
	return p
}

func (p *phone) params(change func(*media.Params)) media.Params {
	params := media.Params{
		Remote: p.addr(), SignallingAddr: loopback, Codec: p.format, PayloadType: uint8(p.format.PayloadType),
		DTMFPayloadType: 101, PTime: p.ptime, Send: true, Receive: true,
	}
	if change != nil {
		change(&params)
	}
	return params
}

// join opens the phone's session, adds it to the mix and lets it talk.
func (p *phone) join(plane *media.Plane, mix *media.Mix) *phone {
	p.open(plane, mix, nil)
	mix.Add(p.session, media.Options{})
	p.talk()
	return p
}

// talk sends packets until the phone hangs up.
func (p *phone) talk() {
	to := p.session.LocalAddr()
	p.wg.Go(func() {
		tick := time.NewTicker(p.ptime)
		defer tick.Stop()
		for {
			p.say(to)
			select {
			case <-tick.C:
			case <-p.stop:
				return
			}
		}
	})
}

// say sends one packet of the tone.
func (p *phone) say(to netip.AddrPort) {
	n := int(p.ptime * 8000 / time.Second)
	samples := make([]int16, n)
	p.mu.Lock()
	for i := range samples {
		samples[i] = int16(p.amp * math.Sin(2*math.Pi*p.hz*float64(p.at+i)/8000))
	}
	p.mu.Unlock()
	p.at += n
	payload := g711.EncodeMu(nil, samples)
	if p.format == codec.PCMA {
		payload = g711.EncodeA(nil, samples)
	}
	p.send(to, uint8(p.format.PayloadType), payload)
	p.ts += uint32(n)
}

func (p *phone) send(to netip.AddrPort, pt uint8, payload []byte) {
	b := make([]byte, 12, 12+len(payload))
	b[0], b[1] = 0x80, pt
	binary.BigEndian.PutUint16(b[2:], p.seq)
	binary.BigEndian.PutUint32(b[4:], p.ts)
	binary.BigEndian.PutUint32(b[8:], p.ssrc)
	p.seq++
	_, _ = p.conn.WriteToUDPAddrPort(append(b, payload...), to)
}

func (p *phone) receive() {
	b := make([]byte, 2000)
	for {
		n, from, err := p.conn.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		r := received{
			at: time.Now(), marker: b[1]&0x80 != 0, pt: b[1] & 0x7f, seq: binary.BigEndian.Uint16(b[2:]),
			ts: binary.BigEndian.Uint32(b[4:]), ssrc: binary.BigEndian.Uint32(b[8:]), payload: slices.Clone(b[12:n]), from: from,
		}
		p.mu.Lock()
		p.got = append(p.got, r)
		p.mu.Unlock()
		select {
		case p.more <- struct{}{}:
		default:
		}
	}
}

// hear waits for so much sound from now on, and gives it and its packets.
func (p *phone) hear(d time.Duration) ([]int16, []received) {
	p.t.Helper()
	p.mu.Lock()
	first := len(p.got)
	p.mu.Unlock()
	deadline := time.After(d + 10*time.Second)
	for {
		p.mu.Lock()
		got := slices.Clone(p.got[min(first, len(p.got)):])
		p.mu.Unlock()
		var sound []int16
		for _, r := range got {
			x := make([]int16, len(r.payload))
			if r.pt == 8 {
				g711.DecodeA(x, r.payload)
			} else {
				g711.DecodeMu(x, r.payload)
			}
			sound = append(sound, x...)
		}
		if time.Duration(len(sound))*time.Second/8000 >= d {
			return sound, got
		}
		select {
		case <-p.more:
		case <-deadline:
			p.t.Fatalf("heard only %d samples in %v", len(sound), d+10*time.Second)
		}
	}
}

// set changes the phone's tone.
func (p *phone) set(hz, amp float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hz, p.amp = hz, amp
}

// pass waits for a time in which what comes is not looked at.
func (p *phone) pass(d time.Duration) { p.t.Helper(); p.hear(d) }
