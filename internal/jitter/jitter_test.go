package jitter_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"parley/internal/jitter"
)

const (
	rate  = 8000
	frame = 160
	beat  = 20 * time.Millisecond
)

// plain is a decoder of 8-bit linear samples, which is enough to see what goes
// where.
type plain struct{}

func (plain) Decode(dst []int16, payload []byte) (int, error) {
	for i, b := range payload {
		dst[i] = int16(int8(b)) << 8
	}
	return len(payload), nil
}

func newBuffer() *jitter.Buffer {
	return jitter.New(jitter.Config{Decoder: plain{}, Rate: rate, Frame: frame})
}

// tone is n samples of a sine from position at on, as plain payload.
func tone(hz float64, at, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(int8(math.Round(60 * math.Sin(2*math.Pi*hz*float64(at+i)/rate))))
	}
	return b
}

// same is a payload of n samples of one value: frames tell where they are from.
func same(v int8, n int) []byte { return slices.Repeat([]byte{byte(v)}, n) }

// packet is one that arrives.
type packet struct {
	at      time.Duration
	ts      uint32
	payload []byte
}

// run plays packets, in the order of their arrival, for so many beats: the
// first at the time 0.
func run(b *jitter.Buffer, packets []packet, beats int) (out []int16, kinds []jitter.Kind) {
	slices.SortStableFunc(packets, func(x, y packet) int { return int(x.at - y.at) })
	f := make([]int16, frame)
	for i := range beats {
		now := time.Duration(i) * beat
		for len(packets) > 0 && packets[0].at <= now {
			b.Push(packets[0].ts, packets[0].payload, packets[0].at)
			packets = packets[1:]
		}
		kinds = append(kinds, b.Pop(f, now))
		out = append(out, f...)
	}
	return out, kinds
}

// path makes the packets of a tone sent every ptime, each delayed by what delay
// says; a negative delay loses it.
func path(hz float64, ptime time.Duration, n int, start uint32, delay func(i int) time.Duration) []packet {
	var ps []packet
	size := int(ptime * rate / time.Second)
	for i := range n {
		if d := delay(i); d >= 0 {
			ps = append(ps, packet{time.Duration(i)*ptime + d, start + uint32(i*size), tone(hz, i*size, size)})
		}
	}
	return ps
}

func steady(d time.Duration) func(int) time.Duration {
	return func(int) time.Duration { return d }
}

// roughness is the greatest second difference: a click shows as one.
func roughness(x []int16) int {
	worst := 0
	for i := 2; i < len(x); i++ {
		d := int(x[i]) - 2*int(x[i-1]) + int(x[i-2])
		worst = max(worst, d, -d)
	}
	return worst
}

func count(kinds []jitter.Kind, k jitter.Kind) (n int) {
	for _, x := range kinds {
		if x == k {
			n++
		}
	}
	return n
}

func TestSteadyStreamIsPlayedExactlyAtTheNextBeat(t *testing.T) {
	for _, ptime := range []time.Duration{10, 20, 40, 60} {
		ptime *= time.Millisecond
		n := int(2 * time.Second / ptime)
		for _, start := range []uint32{0, 4711, math.MaxUint32 - 800} {
			b := newBuffer()
			// Sent by the first beat; those of 10 ms come two for a beat.
			out, kinds := run(b, path(440, ptime, n, start, steady(0)), 90)
			first := slices.Index(kinds, jitter.Played)
			if first > 1 {
				t.Fatalf("ptime %v: first played at beat %d", ptime, first)
			}
			if c := count(kinds, jitter.Concealed); c > 1 {
				t.Errorf("ptime %v, timestamps from %d: %d frames concealed", ptime, start, c)
			}
			if s := b.Stats(); s.Late+s.Duplicates+s.Overflows+s.Resyncs+s.Removed != 0 {
				t.Errorf("ptime %v, timestamps from %d: %+v", ptime, start, s)
			}
			want := make([]int16, 3200)
			_, _ = plain{}.Decode(want, tone(440, 0, len(want)))
			if ptime != 10*time.Millisecond && !slices.Equal(out[:len(want)], want) {
				t.Errorf("ptime %v, timestamps from %d: not what was sent", ptime, start)
			}
		}
	}
}

func TestPacketsOutOfOrderAndTwice(t *testing.T) {
	b := newBuffer()
	ps := []packet{
		{0, 0, same(1, 160)},
		{time.Millisecond, 160, same(2, 160)},
		{2 * time.Millisecond, 480, same(4, 160)},
		{3 * time.Millisecond, 320, same(3, 160)},
		{4 * time.Millisecond, 320, same(3, 160)},
		{30 * time.Millisecond, 480, same(4, 160)},
	}
	out, _ := run(b, ps, 5)
	for i, want := range []int16{1, 2, 3, 4} {
		if got := out[i*frame+80] >> 8; got != want {
			t.Errorf("frame %d is packet %d, want %d", i, got, want)
		}
	}
	if s := b.Stats(); s.Duplicates != 2 || s.Late != 0 {
		t.Errorf("%+v, want 2 duplicates", s)
	}
}

func TestLatePacketIsWaitedForOnceThenTheDelayIsEnough(t *testing.T) {
	b := newBuffer()
	// Every tenth packet comes 30 ms late.
	late := func(i int) time.Duration {
		if i%10 == 5 {
			return 35 * time.Millisecond
		}
		return 5 * time.Millisecond
	}
	_, kinds := run(b, path(300, beat, 300, 0, late), 300)
	if c := count(kinds, jitter.Concealed); c > 2 {
		t.Errorf("%d frames concealed, want at most 2: the delay did not grow, or fell back", c)
	}
	if s := b.Stats(); s.Late != 0 {
		t.Errorf("%d packets came too late", s.Late)
	}
}

func TestLostPacketsAreConcealedWithoutADelayThatStays(t *testing.T) {
	b := newBuffer()
	lost := func(i int) time.Duration {
		if i == 20 || i == 40 || i == 41 || i == 42 {
			return -1
		}
		return 5 * time.Millisecond
	}
	out, kinds := run(b, path(200, beat, 100, 0, lost), 100)
	if c := count(kinds, jitter.Concealed); c != 4 {
		t.Errorf("%d frames concealed, want 4", c)
	}
	if d := b.Stats().Delay; d > 20*time.Millisecond {
		t.Errorf("delay is %v after losses alone", d)
	}
	// A tone that falls on the pitch repeats: no click, at most at the ends of
	// the longer gap something of the fade.
	clean, _ := run(newBuffer(), path(200, beat, 100, 0, steady(5*time.Millisecond)), 100)
	if r, c := roughness(out[2*frame:]), roughness(clean[2*frame:]); r > 2*c {
		t.Errorf("roughness %d, of the whole tone %d", r, c)
	}
	// The one lost frame is filled at full level.
	if e := energy(out[21*frame : 22*frame]); e < energy(out[18*frame:19*frame])/2 {
		t.Errorf("concealed frame has energy %d, the one before %d", e, energy(out[18*frame:19*frame]))
	}
}

func energy(x []int16) (e int64) {
	for _, s := range x {
		e += int64(s) * int64(s)
	}
	return e
}

func TestConcealmentFadesToSilenceWithin60Milliseconds(t *testing.T) {
	b := newBuffer()
	out, kinds := run(b, path(200, beat, 20, 0, steady(0)), 60)
	if e := energy(out[20*frame : 20*frame+frame/2]); e == 0 {
		t.Error("nothing was made up")
	}
	if e := energy(out[23*frame:]); e != 0 {
		t.Errorf("energy %d more than 60 ms after the last packet", e)
	}
	if kinds[59] != jitter.Empty {
		t.Errorf("after 800 ms without a packet a frame is of kind %d, want Empty", kinds[59])
	}
}

func TestDelayShrinksAfterABadSpell(t *testing.T) {
	for _, hz := range []float64{0, 150} { // silence, and a voice that never pauses
		b := newBuffer()
		rng := rand.New(rand.NewPCG(1, 2))
		bad := func(i int) time.Duration {
			if i >= 100 && i < 400 {
				return time.Duration(rng.Int64N(int64(120 * time.Millisecond)))
			}
			return 4 * time.Millisecond
		}
		ps := path(hz, beat, 1000, 0, bad)
		f := make([]int16, frame)
		slices.SortStableFunc(ps, func(x, y packet) int { return int(x.at - y.at) })
		var before, during, after time.Duration
		var out []int16
		for i := range 1000 {
			now := time.Duration(i) * beat
			for len(ps) > 0 && ps[0].at <= now {
				b.Push(ps[0].ts, ps[0].payload, ps[0].at)
				ps = ps[1:]
			}
			b.Pop(f, now)
			switch {
			case i == 99:
				before = b.Stats().Delay
			case i == 399:
				during = b.Stats().Delay
			case i == 399+250: // 5 s later
				after = b.Stats().Delay
			}
			if i > 420 {
				out = append(out, f...)
			}
		}
		if during < 40*time.Millisecond {
			t.Errorf("%v Hz: delay during the spell %v: it did not grow", hz, during)
		}
		if after > before+10*time.Millisecond {
			t.Errorf("%v Hz: delay %v before, %v during, %v 5 s after", hz, before, during, after)
		}
		clean := make([]int16, 1600)
		_, _ = plain{}.Decode(clean, tone(hz, 0, len(clean)))
		if r, c := roughness(out), roughness(clean); r > 3*c+600 {
			t.Errorf("%v Hz: roughness %d while shrinking, of the tone %d", hz, r, c)
		}
	}
}

func TestJitterOf60Milliseconds(t *testing.T) {
	b := newBuffer()
	rng := rand.New(rand.NewPCG(3, 4))
	delay := func(int) time.Duration { return time.Duration(rng.Int64N(int64(60 * time.Millisecond))) }
	_, kinds := run(b, path(150, beat, 3000, 0, delay), 3000)
	if c := count(kinds[100:], jitter.Concealed); c > 30 {
		t.Errorf("%d of 2900 frames concealed under 60 ms of jitter", c)
	}
	if d := b.Stats().Delay; d > 85*time.Millisecond {
		t.Errorf("delay %v under 60 ms of jitter", d)
	}
}

func TestStreamBeginsAnew(t *testing.T) {
	cases := []struct {
		name string
		from uint32 // timestamp at which the second part begins; the first ends at 16000
	}{
		{"timestamps jump ahead", 16000 + 30000},
		{"far ahead", 16000 + 1<<30},
		{"back", 2000},
		{"far back", math.MaxUint32 - 1<<30},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newBuffer()
			ps := path(200, beat, 100, 0, steady(0))
			for i := range 100 {
				ps = append(ps, packet{2*time.Second + time.Duration(i)*beat, c.from + uint32(i*160), same(100, 160)})
			}
			out, kinds := run(b, ps, 200)
			if e := count(kinds, jitter.Concealed); e > 5 {
				t.Errorf("%d frames concealed", e)
			}
			for i := 106; i < 200; i++ {
				if out[i*frame+80] != 100<<8 {
					t.Fatalf("frame %d is not of the second part", i)
				}
			}
		})
	}
}

func TestAPauseKeepsTheDelay(t *testing.T) {
	b := newBuffer()
	// 2 s of speech, 3 s in which nothing is sent (DTX), speech again.
	pause := func(i int) time.Duration {
		if i >= 100 && i < 250 {
			return -1
		}
		return 3 * time.Millisecond
	}
	out, kinds := run(b, path(200, beat, 350, 0, pause), 350)
	if d := b.Stats().Delay; d < 10*time.Millisecond || d > 20*time.Millisecond {
		t.Errorf("delay after the pause is %v, want 17ms as before it", d)
	}
	if c := count(kinds[260:], jitter.Played); c != 90 {
		t.Errorf("%d of 90 frames after the pause played", c)
	}
	if energy(out[255*frame:256*frame]) == 0 {
		t.Error("silence after the pause")
	}
}

func TestDriftOfTheSendersClock(t *testing.T) {
	for _, ppm := range []float64{200, -200} {
		b := newBuffer()
		drift := func(i int) time.Duration {
			return 10*time.Millisecond + time.Duration(float64(i)*float64(beat)*ppm*1e-6) + time.Second
		}
		// The beats begin a second later than the sender, whose packets are
		// therefore never before the first.
		ps := path(0, beat, 30000, 0, drift)
		_, kinds := run(b, ps, 30000)
		if d := b.Stats().Delay; d > 45*time.Millisecond {
			t.Errorf("%+v ppm: delay %v after 10 minutes", ppm, d)
		}
		if c := count(kinds[60:], jitter.Concealed); c > 12 {
			t.Errorf("%+v ppm: %d frames concealed in 10 minutes", ppm, c)
		}
	}
}

func TestFloodIsBounded(t *testing.T) {
	b := newBuffer()
	f := make([]int16, frame)
	for i := range uint32(1000) {
		b.Push(i*160, same(1, 160), 0)
	}
	if s := b.Stats(); s.Overflows != 1000-32 {
		t.Errorf("%d packets dropped of 1000, room is for 32", s.Overflows)
	}
	if k := b.Pop(f, 0); k != jitter.Played {
		t.Errorf("kind %d after a flood", k)
	}
}

func TestSkippedTimeIsNotHeardLater(t *testing.T) {
	b := newBuffer()
	f := make([]int16, frame)
	for i := range uint32(10) {
		b.Push(i*160, same(int8(i), 160), 0)
	}
	b.Pop(f, 0)
	b.Skip(3 * frame)
	b.Pop(f, 80*time.Millisecond)
	if got := f[80] >> 8; got != 4 {
		t.Errorf("after 3 frames left out, packet %d is played, want 4", got)
	}
}

// A beat that is behind its time takes packets that came after that time.
func TestTheDelayIsNotNegative(t *testing.T) {
	b := newBuffer()
	f := make([]int16, frame)
	for i := range 10 {
		now := time.Duration(i) * beat
		b.Push(uint32(i*160), same(1, 160), now+2*beat)
		b.Pop(f, now)
	}
	if d := b.Stats().Delay; d != 0 {
		t.Errorf("packets that came after the beat waited %v", d)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	b := newBuffer()
	f := make([]int16, frame)
	payload := tone(200, 0, 160)
	i := uint32(0)
	if n := testing.AllocsPerRun(2000, func() {
		if i%7 != 3 {
			b.Push(i*160, payload, time.Duration(i)*beat)
		}
		b.Pop(f, time.Duration(i)*beat)
		i++
	}); n != 0 {
		t.Errorf("%v allocations for a packet and a frame", n)
	}
}

func FuzzBuffer(f *testing.F) {
	f.Add([]byte{0, 0, 160, 1, 0, 160, 9, 9, 9, 0, 0, 0})
	f.Add([]byte{0, 255, 255, 3, 127, 10, 4, 128, 0, 250, 250, 250})
	f.Fuzz(func(t *testing.T, script []byte) {
		b := newBuffer()
		var now time.Duration
		var ts uint32
		out := make([]int16, frame)
		payload := make([]byte, jitter.MaxPayload+1)
		for len(script) >= 3 {
			op, x, y := script[0], int(script[1]), int(script[2])
			script = script[3:]
			switch op % 6 {
			case 0, 1:
				ts += uint32(x)
				b.Push(ts, payload[:min(2*y, len(payload))], now+time.Duration(x)*time.Millisecond)
			case 2:
				b.Push(ts-uint32(x*y), payload[:y], now)
			case 3:
				ts += uint32(x) << (y % 32)
			case 4:
				b.Skip(x * y % 1000)
			case 5:
				if x == 0 {
					b.Reset()
				}
			}
			if op&64 != 0 {
				b.Pop(out, now)
				now += beat
			}
		}
	})
}

func BenchmarkPacketAndFrame(b *testing.B) {
	buf := newBuffer()
	f := make([]int16, frame)
	payload := tone(200, 0, 160)
	for i := range b.N {
		buf.Push(uint32(i)*160, payload, time.Duration(i)*beat)
		buf.Pop(f, time.Duration(i)*beat)
	}
}
