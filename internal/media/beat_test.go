package media

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"parley/internal/codec/g711"
)

// talker feeds a session with a steady stream of one value.
type talker struct {
	s  *Session
	st stream
	v  int16
}

func (k *talker) addr() netip.AddrPort { return k.s.remote.addrPort() }

func (k *talker) say() { put(k.s, k.addr(), k.st.packet(voice(k.v, mixFrame))) }

// conference is a mix of talkers; each gives a value, 0 is silence.
func conference(r *rig, values ...int16) (*Mix, []*talker) {
	m := newMix(r.sh, MixConfig{})
	var all []*talker
	for i, v := range values {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 4000)
		all = append(all, &talker{s: r.call(addr.String(), m), st: stream{ssrc: uint32(i) + 1}, v: v})
	}
	return m, all
}

// hears lets everyone talk for n beats, and gives what one got in the last.
func hears(r *rig, all []*talker, who, n int) []int16 {
	for range n - 1 {
		for _, k := range all {
			k.say()
		}
		r.beats(1)
	}
	w := watch(all[who].s)
	for _, k := range all {
		k.say()
	}
	r.beats(1)
	var sound []int16
	for _, d := range w.out {
		if d.from == all[who].s.target() {
			x := make([]int16, len(d.data)-rtpHeaderSize)
			g711.DecodeMu(x, d.data[rtpHeaderSize:])
			sound = append(sound, x...)
		}
	}
	return sound
}

// is reports whether all of sound is near v.
func is(sound []int16, v int16) bool {
	return len(sound) > 0 && !slices.ContainsFunc(sound, func(x int16) bool {
		d := int(x) - int(v)
		return max(d, -d) > 40+int(max(v, -v))/16
	})
}

func TestOptions(t *testing.T) {
	r := newRig(t)
	m, all := conference(r, 1000, 2000, 0)
	listen := func(who int, want int16, what string) {
		t.Helper()
		if got := hears(r, all, who, 5); !is(got, want) {
			t.Errorf("%s: %d hears %v, want %d", what, who, got[:min(4, len(got))], want)
		}
	}
	listen(2, 3000, "both talk")
	listen(0, 2000, "both talk")
	m.apply(all[0].s, Options{Muted: true})
	listen(2, 2000, "one muted")
	m.apply(all[0].s, Options{GainDB: 6})
	listen(2, 4000, "one louder")
	m.apply(all[0].s, Options{GainDB: 500})
	listen(2, 12000, "gain has a limit")
	m.apply(all[0].s, Options{})
	m.apply(all[2].s, Options{Deaf: true})
	listen(2, 0, "deaf")
	m.apply(all[2].s, Options{})
	listen(2, 3000, "not deaf any more")
	m.leave(all[0].s)
	r.sh.place(all[0].s)
	listen(2, 2000, "one has left")
	listen(0, 0, "outside")
}

func TestHold(t *testing.T) {
	r := newRig(t)
	_, all := conference(r, 1000, 500)
	hears(r, all, 0, 3)
	p := all[0].s.params
	p.Send, p.Receive = false, false
	if err := r.configure(all[0].s, p); err != nil {
		t.Fatal(err)
	}
	if got := hears(r, all, 0, 3); got != nil {
		t.Errorf("packets are sent to one who is on hold")
	}
	if got := hears(r, all, 1, 3); !is(got, 0) {
		t.Errorf("one on hold is heard: %v", got[:4])
	}
	ts := all[0].s.out.timestamp
	hears(r, all, 0, 10)
	p.Send, p.Receive = true, true
	if err := r.configure(all[0].s, p); err != nil {
		t.Fatal(err)
	}
	w := watch(all[0].s)
	hears(r, all, 0, 1)
	i := slices.IndexFunc(w.out, func(d datagram) bool { return d.from == all[0].s.target() })
	if i < 0 {
		t.Fatal("nothing is sent after hold")
	}
	if b := w.out[i].data; b[1]&0x80 == 0 || tsOf(b) != ts+10*mixFrame {
		t.Errorf("first packet after hold: marker %v, timestamp %d after %d; want a marker and 10 frames later", b[1]&0x80 != 0, tsOf(b), ts)
	}
	// The old way to say hold, by an address that is none.
	p.Remote = netip.MustParseAddrPort("0.0.0.0:4000")
	if err := r.configure(all[0].s, p); err != nil {
		t.Fatal(err)
	}
	if got := hears(r, all, 0, 3); got != nil {
		t.Error("packets are sent although the far end has no address")
	}
}

func TestPTimes(t *testing.T) {
	for _, ms := range []int{10, 20, 30, 40, 50, 60} {
		r := newRig(t)
		_, all := conference(r, 0, 1000)
		p := all[0].s.params
		p.PTime = time.Duration(ms) * time.Millisecond
		if err := r.configure(all[0].s, p); err != nil {
			t.Fatal(err)
		}
		w := watch(all[0].s)
		for range 30 { // 600 ms
			all[1].say()
			r.beats(1)
		}
		var own []datagram
		for _, d := range w.out {
			if d.from == all[0].s.target() {
				own = append(own, d)
			}
		}
		if len(own) != 600/ms {
			t.Errorf("ptime %d: %d packets in 600 ms, want %d", ms, len(own), 600/ms)
		}
		for i, d := range own[1:] {
			if len(d.data) != rtpHeaderSize+8*ms || seqOf(d.data) != seqOf(own[i].data)+1 || tsOf(d.data) != tsOf(own[i].data)+uint32(8*ms) {
				t.Fatalf("ptime %d: packet %d of %d bytes, seq %d, timestamp %d after %d, %d", ms, i, len(d.data), seqOf(d.data), tsOf(d.data), seqOf(own[i].data), tsOf(own[i].data))
			}
		}
	}
}

func TestBadParamsAreRefused(t *testing.T) {
	r := newRig(t)
	s := r.open(netip.Addr{}, nil)
	good := Params{Remote: netip.MustParseAddrPort("192.0.2.1:4000"), Send: true, Receive: true}
	for name, change := range map[string]func(*Params){
		"ptime 5 ms":   func(p *Params) { p.PTime = 5 * time.Millisecond },
		"ptime 25 ms":  func(p *Params) { p.PTime = 25 * time.Millisecond },
		"ptime 120 ms": func(p *Params) { p.PTime = 120 * time.Millisecond },
		"IPv6":         func(p *Params) { p.Remote = netip.MustParseAddrPort("[::1]:4000") },
		"payload type": func(p *Params) { p.PayloadType = 200 },
		"codec":        func(p *Params) { p.Codec.Name, p.Codec.SampleRate, p.Codec.ClockRate = "G729", 8000, 8000 },
	} {
		p := good
		change(&p)
		if err := r.configure(s, p); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestBadPacketsAreNotPlayed(t *testing.T) {
	good := func(st *stream) []byte { return st.packet(voice(8000, 160)) }
	cases := map[string]func(st *stream) []byte{
		"version 1":         func(st *stream) []byte { b := good(st); b[0] = 1 << 6; return b },
		"cut short":         func(st *stream) []byte { return good(st)[:11] },
		"empty":             func(*stream) []byte { return nil },
		"no payload":        func(st *stream) []byte { return good(st)[:12] },
		"payload type":      func(st *stream) []byte { b := good(st); b[1] = 18; return b },
		"too many CSRCs":    func(st *stream) []byte { b := good(st)[:40]; b[0] |= 15; return b },
		"long extension":    func(st *stream) []byte { b := good(st); b[0] |= 0x10; b[14], b[15] = 255, 255; return b },
		"too much padding":  func(st *stream) []byte { b := good(st); b[0] |= 0x20; b[len(b)-1] = 255; return b },
		"RTCP":              func(st *stream) []byte { b := good(st); b[1] = 200; return b },
		"another SSRC once": func(st *stream) []byte { return (&stream{ssrc: 99, seq: st.seq, ts: st.ts}).packet(voice(8000, 160)) },
		"far sequence once": func(st *stream) []byte { x := *st; x.seq += 30000; return x.packet(voice(8000, 160)) },
	}
	for name, bad := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			_, all := conference(r, 500, 0)
			hears(r, all, 1, 10)
			put(all[0].s, all[0].addr(), bad(&all[0].st))
			for _, x := range hears(r, all, 1, 3) {
				if x > 600 || x < 0 { // a frame may be missing, and concealed
					t.Fatalf("heard %d", x)
				}
			}
			if got := all[0].s.stats().Malformed; got != 1 {
				t.Errorf("%d counted as malformed, want 1", got)
			}
		})
	}
}

func TestAnotherStreamOfTheSameFarEndTakesOver(t *testing.T) {
	r := newRig(t)
	_, all := conference(r, 500, 0)
	hears(r, all, 1, 10)
	all[0].st, all[0].v = stream{ssrc: 77, seq: 40000, ts: 12345}, 900
	if got := hears(r, all, 1, 8); !is(got, 900) {
		t.Errorf("after a change of SSRC %v is heard", got[:4])
	}
	if l := all[0].s.stats().PacketsLost; l != 0 {
		t.Errorf("%d packets counted as lost", l)
	}
}

func TestDigits(t *testing.T) {
	r := newRig(t)
	var told facts
	addr := netip.MustParseAddrPort("192.0.2.1:4000")
	s := r.open(addr.Addr(), &told)
	if err := r.configure(s, Params{Remote: addr, Send: true, Receive: true, DTMFPayloadType: 101}); err != nil {
		t.Fatal(err)
	}
	st := stream{ssrc: 1, pt: 101}
	event := func(code byte, end bool, duration uint16) []byte {
		ts := st.ts
		e := byte(10)
		if end {
			e |= 0x80
		}
		b := st.packet([]byte{code, e, byte(duration >> 8), byte(duration)})
		st.ts = ts
		return b
	}
	for _, press := range []byte{5, 11} {
		for d := uint16(160); d <= 800; d += 160 {
			put(s, addr, event(press, false, d))
			r.beats(1)
		}
		for range 3 {
			put(s, addr, event(press, true, 960))
		}
		r.beats(5)
		st.ts += 1600
	}
	put(s, addr, event(7, false, 160)) // its end is lost
	r.beats(60)
	r.tellAll()
	if want := (facts{"digit 5", "digit #", "digit 7"}); !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

func TestSilenceIsToldOnceAndNotOnHold(t *testing.T) {
	r := newRig(t)
	var told facts
	addr := netip.MustParseAddrPort("192.0.2.1:4000")
	s := r.open(addr.Addr(), &told)
	p := Params{Remote: addr, Send: true, Receive: true}
	if err := r.configure(s, p); err != nil {
		t.Fatal(err)
	}
	pass := func(d time.Duration, want ...string) {
		t.Helper()
		r.beats(int(d / beatTime))
		r.tellAll()
		if !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
		told = nil
	}
	pass(19 * time.Second)
	pass(2*time.Second, "silent")
	pass(30 * time.Second)
	st := stream{ssrc: 1}
	put(s, addr, st.packet(voice(100, 160)))
	pass(19 * time.Second)
	pass(2*time.Second, "silent")
	// We hold them, they hold us (and may play music or nothing), or both.
	for _, hold := range []Params{{Send: true}, {Receive: true}, {}} {
		p.Send, p.Receive = hold.Send, hold.Receive
		_ = r.configure(s, p)
		pass(60 * time.Second)
		p.Send, p.Receive = true, true
		_ = r.configure(s, p)
		pass(19 * time.Second)
		pass(2*time.Second, "silent")
	}
}

func TestTalkingIsTold(t *testing.T) {
	r := newRig(t)
	m := newMix(r.sh, MixConfig{})
	var told facts
	addr := netip.MustParseAddrPort("192.0.2.1:4000")
	s := r.open(addr.Addr(), &told)
	_ = r.configure(s, Params{Remote: addr, Send: true, Receive: true})
	m.join(s, Options{})
	k := &talker{s: s, st: stream{ssrc: 1}, v: 3000}
	hears(r, []*talker{k}, 0, 10)
	k.v = 0
	hears(r, []*talker{k}, 0, 70)
	k.v = 3000
	hears(r, []*talker{k}, 0, 10)
	m.leave(s)
	r.tellAll()
	if want := (facts{"talks", "stops", "talks", "stops"}); !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}

func TestAnIdleMixIsNotOnTheBeat(t *testing.T) {
	r := newRig(t)
	m, all := conference(r, 100, 100)
	if !m.active {
		t.Fatal("a mix with two in it is not on the beat")
	}
	for _, k := range all {
		k.s.end()
	}
	if m.active || r.sh.sessions.Load() != 0 {
		t.Errorf("active %v, %d sessions", m.active, r.sh.sessions.Load())
	}
	before := r.sh.count.beats
	r.beats(10)
	if r.sh.count.beats != before {
		t.Error("an empty mix has beats")
	}
}

func TestAStallIsMadeUpForWithoutABurst(t *testing.T) {
	for _, stall := range []time.Duration{30 * time.Millisecond, 60 * time.Millisecond, 500 * time.Millisecond} {
		r := newRig(t)
		_, all := conference(r, 1000, 0)
		hears(r, all, 1, 10)
		s := all[1].s
		ts, at := s.out.timestamp, r.at
		r.at += stall
		w := watch(s)
		worst := 0
		for r.at < at+stall+200*time.Millisecond {
			n := len(w.out)
			r.sh.look()
			r.sh.beats()
			worst = max(worst, len(w.out)-n)
			r.at += slotTime
		}
		if worst > 2 { // one packet for each of the two
			t.Errorf("after %v, %d packets went out at once", stall, worst)
		}
		// The time of the stream has kept up with the clock.
		if got, want := int(s.out.timestamp-ts)/mixFrame, int((r.at-at)/beatTime); got < want-1 || got > want+1 {
			t.Errorf("after %v, the stream is at frame %d, the clock at %d", stall, got, want)
		}
		if skipped := r.sh.count.skipped; (skipped > 0) != (stall == 500*time.Millisecond) {
			t.Errorf("after %v, %d beats were left out", stall, skipped)
		}
	}
}

// bomb is a source and sink that panics.
type bomb struct{}

func (bomb) Next([]int16) (int, bool) { panic("source") }
func (bomb) Write([]int16)            { panic("sink") }

func TestAPanicEndsWhatItBelongsTo(t *testing.T) {
	r := newRig(t)
	m, all := conference(r, 1000, 0)
	var told facts
	hears(r, all, 1, 5)
	p := &Playing{mix: m, src: bomb{}, gain: 1, ducked: 1}
	m.playings = append(m.playings, p)
	r.beats(1)
	m.taps = append(m.taps, &Tap{mix: m, sink: bomb{}})
	r.beats(1)
	if len(m.playings) != 0 || len(m.taps) != 0 {
		t.Errorf("%d playings, %d taps left", len(m.playings), len(m.taps))
	}
	all[0].s.facts = &told
	all[0].s.buf = nil // as good a bug as any
	r.beats(1)
	r.tellAll()
	if !all[0].s.closed.Load() || !slices.Equal(told, facts{"silent"}) {
		t.Errorf("the session is closed: %v, told %v", all[0].s.closed.Load(), told)
	}
	if r.sh.count.panics != 3 {
		t.Errorf("%d panics counted", r.sh.count.panics)
	}
	if got := hears(r, all[1:], 0, 5); !is(got, 0) || len(m.sessions) != 1 {
		t.Errorf("the other hears %v", got[:4])
	}
}

// steady is a source of one value for n frames.
type steady struct {
	v int16
	n int
}

func (p *steady) Next(frame []int16) (int, bool) {
	for i := range frame {
		frame[i] = p.v
	}
	p.n--
	return len(frame), p.n == 0
}

func TestAllocationsPerBeat(t *testing.T) {
	r := newRig(t)
	m := newMix(r.sh, MixConfig{})
	var all []*talker
	for i := range 100 {
		k := &talker{s: r.call(netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}), 4000).String(), m), st: stream{ssrc: uint32(i)}}
		if i < 3 {
			k.v = 3000
		}
		all = append(all, k)
	}
	src := &steady{v: 300, n: 1 << 30}
	m.playings = append(m.playings, &Playing{mix: m, src: src, gain: 1, ducked: 1, duck: true, record: true})
	private := &Playing{mix: m, src: src, gain: 1, ducked: 1, private: true, to: []*Session{all[50].s}}
	m.playings = append(m.playings, private)
	all[50].s.private = []*Playing{private}
	m.taps = append(m.taps, &Tap{mix: m, sink: silentSink{}})
	packets := make([][]byte, len(all))
	for i, k := range all {
		packets[i] = k.st.packet(voice(k.v, mixFrame))
	}
	box := make([]datagram, 0, len(all))
	w := all[0].s.port.rtp.(*wire)
	sent := r.sh.outbox.sent
	beat := func() {
		box = box[:0]
		for i, k := range all {
			h := rtpHeader{seq: k.st.seq, timestamp: k.st.ts, ssrc: k.st.ssrc}
			h.put(packets[i])
			k.st.seq++
			k.st.ts += mixFrame
			box = append(box, datagram{data: packets[i], from: k.s.remote})
		}
		w.in = box
		r.at += beatTime
		r.sh.look()
		r.sh.beats()
		r.sh.publish()
	}
	for range 100 {
		beat()
	}
	// 500 beats: every session has sent an RTCP report meanwhile.
	if n := testing.AllocsPerRun(500, beat); n != 0 {
		t.Errorf("%v allocations a beat", n)
	}
	if got := r.sh.outbox.sent - sent; got < 600*100 {
		t.Errorf("only %d packets were sent in 600 beats of 100", got)
	}
	if !all[0].s.talking || all[99].s.talking {
		t.Error("the talkers do not talk, or the others do")
	}
}

type silentSink struct{}

func (silentSink) Write([]int16) {}
