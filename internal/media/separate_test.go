package media

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestLatching(t *testing.T) {
	const (
		signalled = "10.0.0.5:4000"  // in the SDP
		natted    = "192.0.2.9:6100" // where its packets come from
		sip       = "192.0.2.9"      // where its signalling comes from
		stranger  = "198.51.100.7:4000"
	)
	cases := []struct {
		name    string
		from    []string // of packets, one after the other
		latched string
	}{
		{"nothing came", nil, ""},
		{"as signalled", []string{signalled}, signalled},
		{"from the signalling's host", []string{natted}, natted},
		{"from the SDP's host, another port", []string{"10.0.0.5:5000"}, "10.0.0.5:5000"},
		{"from anywhere", []string{stranger}, ""},
		{"another port of the host, once latched", []string{natted, "192.0.2.9:6102"}, natted},
		{"a stranger, once latched", []string{natted, stranger}, natted},
		{"the signalled address wins", []string{natted, signalled}, signalled},
		{"and stays", []string{signalled, natted}, signalled},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			s := r.open(netip.MustParseAddr(sip), nil)
			err := r.configure(s, Params{
				Remote: netip.MustParseAddrPort(signalled), SignallingAddr: netip.MustParseAddr(sip), Send: true, Receive: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			for i, from := range c.from {
				st := stream{ssrc: uint32(i) + 1}
				put(s, netip.MustParseAddrPort(from), st.packet(voice(1000, 160)))
				r.beats(1)
			}
			want := netip.AddrPort{}
			if c.latched != "" {
				want = netip.MustParseAddrPort(c.latched)
			}
			if got := s.stats().Latched; got != want {
				t.Errorf("latched %v, want %v", got, want)
			}
			if want == (netip.AddrPort{}) {
				want = netip.MustParseAddrPort(signalled)
			}
			w := watch(s)
			r.beats(3)
			if len(w.out) != 3 {
				t.Fatalf("%d packets sent in 3 beats", len(w.out))
			}
			for _, d := range w.out {
				if d.from.addrPort() != want {
					t.Errorf("sent to %v, want %v", d.from.addrPort(), want)
				}
			}
		})
	}
}

func TestWhoMayBeMeantByAnUnknownAddressIsNeverGuessed(t *testing.T) {
	r := newRig(t)
	host := netip.MustParseAddr("192.0.2.1")
	behindNAT := func(s *Session, private string) {
		t.Helper()
		if err := r.configure(s, Params{Remote: netip.MustParseAddrPort(private), SignallingAddr: host, Send: true, Receive: true}); err != nil {
			t.Fatal(err)
		}
	}
	a, b := r.open(host, nil), r.open(host, nil)
	if a.port == b.port {
		t.Fatal("two sessions that expect packets from one host share a port")
	}
	c, d := r.open(netip.Addr{}, nil), r.open(netip.MustParseAddr("192.0.2.77"), nil)
	if c.port == a.port || c.port == b.port || d.port == c.port {
		t.Fatal("a session that may get packets from anywhere shares a port with one that waits")
	}
	behindNAT(a, "10.0.0.1:4000")
	st := stream{ssrc: 1}
	put(a, netip.MustParseAddrPort("192.0.2.1:1111"), st.packet(voice(1000, 160)))
	r.beats(1)
	if a.latched == 0 {
		t.Fatal("the only candidate did not latch")
	}
	// Now another one may share its port. When the first one's NAT moves it to
	// another port, the second must not take its packets.
	e := r.open(host, nil)
	if e.port != a.port {
		t.Fatal("a latched session keeps others from its port")
	}
	behindNAT(e, "10.0.0.2:4000")
	put(e, netip.MustParseAddrPort("192.0.2.1:2222"), st.packet(voice(1000, 160)))
	r.beats(1)
	if e.latched != 0 {
		t.Error("a session latched to another call's stream")
	}
	own := stream{ssrc: 2}
	put(e, netip.MustParseAddrPort("192.0.2.1:3333"), own.packet(voice(500, 160)))
	r.beats(1)
	if e.latched.port() != 3333 {
		t.Error("a session did not latch to its own stream")
	}
}

func TestAddressOfAnotherSessionIsRefused(t *testing.T) {
	r := newRig(t)
	a := r.call("192.0.2.1:4000", nil)
	b := r.open(netip.MustParseAddr("192.0.2.2"), nil)
	if a.port != b.port {
		t.Fatal("not on one port")
	}
	remote := Params{Remote: netip.MustParseAddrPort("192.0.2.1:4000"), Send: true, Receive: true}
	if err := r.configure(b, remote); !errors.Is(err, ErrAddressInUse) {
		t.Errorf("error %v, want ErrAddressInUse", err)
	}
	if b.ready || b.remote != 0 {
		t.Error("something changed all the same")
	}
	a.end()
	if err := r.configure(b, remote); err != nil {
		t.Errorf("after the other's end: %v", err)
	}
}

func TestLatePacketsOfAnEndedCallAreNobodys(t *testing.T) {
	r := newRig(t)
	addr := netip.MustParseAddrPort("192.0.2.1:4000")
	a := r.call(addr.String(), nil)
	old := stream{ssrc: 7}
	put(a, addr, old.packet(voice(1000, 160)))
	r.beats(1)
	a.end()

	// The next call comes from the same host: once from another port of it,
	// once from the very same address.
	for _, remote := range []string{"192.0.2.1:5000", addr.String()} {
		b := r.open(addr.Addr(), nil)
		if b.port != a.port {
			t.Fatal("not on the same port")
		}
		if err := r.configure(b, Params{Remote: netip.MustParseAddrPort(remote), Send: true, Receive: true}); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			put(a, addr, old.packet(voice(1000, 160)))
			put(a, netip.MustParseAddrPort("192.0.2.1:4002"), old.packet(voice(1000, 160)))
			r.beats(1)
		}
		if got := b.stats().PacketsReceived; got != 0 {
			t.Errorf("call from %v got %d packets of the one before", remote, got)
		}
		own := stream{ssrc: 8}
		put(b, netip.MustParseAddrPort(remote), own.packet(voice(500, 160)))
		r.beats(1)
		if got := b.stats().PacketsReceived; got != 1 {
			t.Errorf("call from %v got %d of its own packets, want 1", remote, got)
		}
		b.end()
	}
}

// far is a phone of the model: where it is, what signalling says of it, and the
// session that is meant for it.
type far struct {
	real      netip.AddrPort // where its packets come from
	signalled netip.AddrPort
	sip       netip.Addr
	to        *Session // that it was told to send to; also after its end
	live      bool
	was       []netip.AddrPort // where they came from before
	last      time.Duration    // when it last sent, or its call ended
	stream    stream
}

// sends reports whether the phone may still send: a phone stops some time after
// its call has ended.
func (f *far) sends(now time.Duration) bool { return f.live || now-f.last < quarantine-2*tidyEvery }

func (f *far) String() string { return fmt.Sprintf("%v (says %v)", f.real, f.signalled) }

// TestNobodyEverHearsAnothersPackets plays random calls from few hosts, behind
// NATs and not, that send before, during and after their calls, whose NATs move
// them, and strangers. A packet may be dropped; it must never reach a session
// that is not its sender's.
func TestNobodyEverHearsAnothersPackets(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		r := newRig(t)
		var all []*far
		heard := 0
		deliver := func(f *far, from netip.AddrPort) {
			f.last = r.at
			before := map[*Session]int64{}
			for _, p := range r.sh.ports {
				for _, s := range p.sessions {
					before[s] = s.count.received
				}
			}
			put(f.to, from, f.stream.packet(voice(1000, 160)))
			r.beats(1)
			for _, p := range r.sh.ports {
				for _, s := range p.sessions {
					if s.count.received == before[s] {
						continue
					}
					heard++
					if s != f.to {
						t.Fatalf("seed %d: a packet of %v was heard by the session of another\nsender: live %v, session ready %v latched %v; hearer: ready %v remote %v latched %v", seed, f,
							f.live, f.to.ready, f.to.latched.addrPort(), s.ready, s.remote.addrPort(), s.latched.addrPort())
					}
				}
			}
		}
		for range 600 {
			switch op := rng.IntN(20); {
			case op < 4 && len(all) < 200: // a new call
				f := newFar(rng, all)
				f.to = openFar(rng, r, f)
				f.live = true
				all = append(all, f)
				if rng.IntN(4) > 0 {
					configureFar(r, f)
				}
			case len(all) == 0:
			case op < 6: // the answer comes, or a re-INVITE
				if f := all[rng.IntN(len(all))]; f.live {
					configureFar(r, f)
				}
			case op < 8: // an end; the phone goes on sending for a while
				if f := all[rng.IntN(len(all))]; f.live {
					f.live, f.last = false, r.at
					f.to.end()
				}
			case op < 9: // its NAT gives it another port
				f := all[rng.IntN(len(all))]
				f.was = append(f.was, f.real)
				f.real = netip.AddrPortFrom(f.real.Addr(), uint16(40000+rng.IntN(20000)))
			case op < 10: // a stranger tries
				f := all[rng.IntN(len(all))]
				stray := &far{to: f.to, stream: stream{ssrc: rng.Uint32()}}
				from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(rng.IntN(3))}), uint16(4000+rng.IntN(20)))
				got := f.to.count.received
				deliver(stray, from)
				if f.to.count.received != got {
					t.Fatalf("seed %d: %v hears a stranger from %v", seed, f, from)
				}
			default:
				if f := all[rng.IntN(len(all))]; f.sends(r.at) {
					deliver(f, f.real)
				}
			}
		}
		if heard < 50 {
			t.Errorf("seed %d: only %d packets were heard at all", seed, heard)
		}
	}
}

// newFar makes a phone at one of a few hosts, at an address of its own, whose
// signalling says the truth or a private address.
func newFar(rng *rand.Rand, all []*far) *far {
	f := &far{stream: stream{ssrc: rng.Uint32(), seq: uint16(rng.Uint32()), ts: rng.Uint32()}}
	for taken := true; taken; {
		f.real = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(rng.IntN(4))}), uint16(4000+2*rng.IntN(400)))
		taken = false
		for _, o := range all {
			taken = taken || o.real == f.real || o.signalled == f.real || slices.Contains(o.was, f.real)
		}
	}
	f.sip, f.signalled = f.real.Addr(), f.real
	if rng.IntN(2) == 0 {
		f.signalled = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(rng.IntN(3))}), uint16(4000+2*rng.IntN(3)))
	}
	return f
}

// openFar opens a session for a phone; now and then as if there were no more
// ports, so that it has to share one with others of its host.
func openFar(rng *rand.Rand, r *rig, f *far) *Session {
	s := newSession(r.sh, SessionConfig{Peer: f.sip})
	if rng.IntN(4) == 0 && r.sh.attach(s, nil, anyhow) {
		return s
	}
	return r.open(f.sip, nil)
}

func configureFar(r *rig, f *far) {
	_ = r.configure(f.to, Params{Remote: f.signalled, SignallingAddr: f.sip, Send: true, Receive: true})
}

func TestShardForgetsWhatEndedCallsLeave(t *testing.T) {
	r := newRig(t)
	s := r.call("192.0.2.1:4000", nil)
	st := stream{ssrc: 1}
	put(s, netip.MustParseAddrPort("192.0.2.1:4000"), st.packet(voice(1000, 160)))
	r.beats(1)
	s.end()
	r.at += quarantine + 2*time.Second
	r.beats(1)
	if len(r.sh.ports) != 0 {
		t.Errorf("%d ports are still open", len(r.sh.ports))
	}
	if at, ok := r.sh.nextSlot(); ok {
		t.Errorf("a shard with no work wakes at %v", at)
	}
}
