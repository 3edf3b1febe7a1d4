package media_test

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"parley"
	"parley/internal/media"
)

func TestPortRangeIsChecked(t *testing.T) {
	cases := []struct {
		min, max uint16
		ok       bool
	}{
		{21000, 21003, true}, {21000, 21002, false}, {21001, 21004, false}, {21001, 21005, true}, {0, 0, false}, {21010, 21000, false}, {65534, 65535, false},
	}
	for _, c := range cases {
		p, err := media.Open(media.Config{Addr: loopback, PortMin: c.min, PortMax: c.max, Shards: 2})
		if (err == nil) != c.ok {
			t.Errorf("%d-%d: %v", c.min, c.max, err)
		}
		if err == nil {
			_ = p.Close()
		} else if !strings.Contains(err.Error(), "port range") {
			t.Errorf("error %q does not name the range", err)
		}
	}
	if _, err := media.Open(media.Config{Addr: netip.IPv6Loopback(), PortMin: 1000, PortMax: 2000}); err == nil {
		t.Error("an IPv6 address is accepted")
	}
}

func TestPortsAreUsedUp(t *testing.T) {
	p := openPlane(t, func(c *media.Config) { c.PortMin, c.PortMax, c.Shards, c.SessionsPerPort = 24100, 24105, 1, 2 })
	var all []*media.Session
	for i := range 7 {
		// Each from a host of its own, so that ports are shared.
		s, err := p.OpenSession(media.SessionConfig{Peer: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})})
		if i < 6 {
			if err != nil {
				t.Fatalf("session %d: %v", i, err)
			}
			all = append(all, s)
			continue
		}
		if parley.CodeOf(err) != parley.CodeNoCapacity {
			t.Errorf("error %v, want %s", err, parley.CodeNoCapacity)
		}
	}
	if st := p.Stats(); st.Ports != 3 || st.Sessions != 6 {
		t.Errorf("%d ports, %d sessions; want 3 and 6", st.Ports, st.Sessions)
	}
	for _, s := range all {
		if n := s.LocalAddr().Port(); n%2 != 0 || n < 24100 || n > 24104 {
			t.Errorf("RTP port %d", n)
		}
		s.Close()
		s.Close()
	}
	if st := p.Stats(); st.Sessions != 0 {
		t.Errorf("%d sessions after all were closed", st.Sessions)
	}
	// All ports may still get packets of the calls that have ended, but when
	// there are no others one of them has to do.
	if _, err := p.OpenSession(media.SessionConfig{}); err != nil {
		t.Error(err)
	}
}

func TestPortTakenByAnotherProgramIsLeftOut(t *testing.T) {
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 24201)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p := openPlane(t, func(c *media.Config) { c.PortMin, c.PortMax, c.Shards = 24200, 24203, 1 })
	s, err := p.OpenSession(media.SessionConfig{})
	if err != nil || s.LocalAddr().Port() != 24202 {
		t.Errorf("%v, %v; want port 24202", s, err)
	}
}

func TestAfterClose(t *testing.T) {
	p := openPlane(t, nil)
	mix := p.NewMix(media.MixConfig{})
	ph := newPhone(t, 440).join(p, mix)
	ph.pass(100 * time.Millisecond)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.OpenSession(media.SessionConfig{}); parley.CodeOf(err) != parley.CodeShuttingDown {
		t.Errorf("open after close: %v", err)
	}
	if err := ph.session.Configure(ph.params(nil)); !errors.Is(err, media.ErrClosed) {
		t.Errorf("configure after close: %v", err)
	}
	if st := ph.session.Stats(); st.PacketsReceived == 0 {
		t.Error("the last counts are gone")
	}
	mix.Add(ph.session, media.Options{})
	mix.Play(&count{}, media.PlayOptions{}).Stop()
	mix.Record(&keep{}).Stop()
	mix.Close()
	ph.session.Close()
}

// count is a source of n frames of one value.
type count struct {
	value int16
	n     int
}

func (c *count) Next(frame []int16) (int, bool) {
	if c.n <= 0 {
		return 0, true
	}
	for i := range frame {
		frame[i] = c.value
	}
	c.n--
	return len(frame), c.n == 0
}

// keep is a sink.
type keep struct {
	mu    sync.Mutex
	sound []int16
	after bool // Write was called although it must not be any more
	over  bool
}

func (k *keep) Write(frame []int16) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sound = append(k.sound, frame...)
	k.after = k.after || k.over
}

func TestPlayAndRecord(t *testing.T) {
	p := openPlane(t, nil)
	mix := p.NewMix(media.MixConfig{})
	a, b := newPhone(t, 0).join(p, mix), newPhone(t, 0).join(p, mix)
	a.pass(200 * time.Millisecond)
	tape := &keep{}
	tap := mix.Record(tape)
	done := make(chan string, 4)
	say := func(s string) func() { return func() { done <- s } }
	mix.Play(&count{value: 1000, n: 25}, media.PlayOptions{Record: true, Done: say("all")})
	mix.Play(&count{value: 300, n: 25}, media.PlayOptions{To: []*media.Session{a.session}, Done: say("private")})
	soundA, _ := a.hear(time.Second)
	soundB, _ := b.hear(100 * time.Millisecond)
	_ = soundB
	for range 2 {
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			t.Fatal("the end of a playing is not told")
		}
	}
	if n := samplesNear(soundA, 1300); n < 2000 {
		t.Errorf("the one who has both hears them together in %d samples", n)
	}
	tap.Stop()
	tape.mu.Lock()
	tape.over = true
	sound := slices.Clone(tape.sound)
	tape.mu.Unlock()
	if n := samplesNear(sound, 1000); n != 25*160 {
		t.Errorf("%d samples of the playback are on the tape, want %d", n, 25*160)
	}
	playing := mix.Play(&count{value: 2000, n: 1 << 30}, media.PlayOptions{Done: say("stopped")})
	b.pass(200 * time.Millisecond)
	playing.Stop()
	playing.Stop()
	b.pass(100 * time.Millisecond)
	sound, _ = b.hear(200 * time.Millisecond)
	if n := samplesNear(sound, 2000); n > 0 {
		t.Errorf("%d samples after the stop", n)
	}
	select {
	case s := <-done:
		t.Errorf("told that %q is done", s)
	default:
	}
	tape.mu.Lock()
	defer tape.mu.Unlock()
	if tape.after {
		t.Error("Write after Stop")
	}
}

func samplesNear(sound []int16, v int) (n int) {
	for _, s := range sound {
		if d := int(s) - v; max(d, -d) < v/16+20 {
			n++
		}
	}
	return n
}

func TestMusicIsDuckedWhileSomebodyTalks(t *testing.T) {
	p := openPlane(t, nil)
	mix := p.NewMix(media.MixConfig{})
	talker, listener := newPhone(t, 440).join(p, mix), newPhone(t, 0).join(p, mix)
	talker.set(440, 0)
	mix.Play(&count{value: 4000, n: 1 << 30}, media.PlayOptions{Duck: true})
	listener.pass(2 * time.Second) // it has talked a little
	quiet, _ := listener.hear(200 * time.Millisecond)
	talker.set(440, 5000)
	listener.pass(time.Second)
	busy, _ := listener.hear(200 * time.Millisecond)
	if m := mean(quiet); m < 3500 {
		t.Errorf("music alone at %d, want 4000", m)
	}
	if m := mean(busy); m < 500 || m > 1200 {
		t.Errorf("music under a voice at %d, want 800", m)
	}
	talker.set(440, 0)
	listener.pass(3 * time.Second)
	if again, _ := listener.hear(200 * time.Millisecond); mean(again) < 3500 {
		t.Errorf("music after the voice at %d, want 4000", mean(again))
	}
}

func mean(sound []int16) int {
	sum := 0
	for _, s := range sound {
		sum += int(s)
	}
	return sum / max(1, len(sound))
}

func TestFactsOverRealSockets(t *testing.T) {
	p := openPlane(t, func(c *media.Config) { c.SilenceTimeout = 500 * time.Millisecond })
	mix := p.NewMix(media.MixConfig{})
	ph := newPhone(t, 440).join(p, mix)
	ph.facts.wait(t, "talks")
	other := newPhone(t, 0).open(p, mix, nil)
	other.facts.wait(t, "silent")
	ph.session.Close()
	st := ph.session.Stats()
	if st.PacketsReceived == 0 || st.PacketsSent == 0 || st.Latched != ph.addr() || st.LastPacket.IsZero() {
		t.Errorf("%+v", st)
	}
}

func TestManySessionsComeAndGoWhileOthersTalk(t *testing.T) {
	p := openPlane(t, nil)
	mix := p.NewMix(media.MixConfig{})
	a, b := newPhone(t, 440).join(p, mix), newPhone(t, 1000).join(p, mix)
	a.pass(500 * time.Millisecond)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				s, err := p.OpenSession(media.SessionConfig{Mix: mix, Peer: netip.MustParseAddr("127.0.0.9")})
				if err != nil {
					t.Error(err)
					return
				}
				mix.Add(s, media.Options{})
				mix.Set(s, media.Options{Muted: true})
				_ = s.Stats()
				if !s.SameShard(mix) {
					t.Error("not in the mix's shard")
				}
				s.Close()
			}
		})
	}
	sound, packets := a.hear(time.Second)
	wg.Wait()
	checkStream(t, packets, a.format, a.ptime)
	if l := level(sound, 1000); l < -25 {
		t.Errorf("the other is heard at %.0f dB meanwhile", l)
	}
	_ = b
}
