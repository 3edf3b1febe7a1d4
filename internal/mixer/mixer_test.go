package mixer_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"parley/internal/mixer"
)

const frame = 160

// speaker gives a voice frame after frame.
type speaker struct {
	*mixer.Voice
	hz, amp float64
	at      int
	said    []int16 // what it gave, before the mixer touched it
	heard   []int16 // what it heard
}

func (s *speaker) speak() {
	f := s.Frame()
	for i := range f {
		f[i] = int16(s.amp * math.Sin(2*math.Pi*s.hz*float64(s.at)/8000))
		s.at++
	}
	s.said = append(s.said, f...)
}

// hall is a conference of speakers.
type hall struct {
	*mixer.Mixer
	all      []*speaker
	recorded []int16
	shared   []int16
	extra    func() (frame []int16, recorded bool) // a playback to everyone
}

func newHall(talkers int, speakers ...*speaker) *hall {
	h := &hall{Mixer: mixer.New(mixer.Config{Frame: frame, Talkers: talkers}), all: speakers}
	h.Reserve(len(speakers))
	for _, s := range speakers {
		s.Voice = mixer.NewVoice(frame)
	}
	return h
}

func (h *hall) beat() {
	h.Begin()
	for _, s := range h.all {
		s.speak()
		h.Offer(s.Voice)
	}
	h.Sum()
	if h.extra != nil {
		h.Add(h.extra())
	}
	out := make([]int16, frame)
	h.Record(out)
	h.recorded = append(h.recorded, out...)
	h.Finish()
	h.Shared(out)
	h.shared = append(h.shared, out...)
	for _, s := range h.all {
		h.Without(out, s.Voice, nil)
		s.heard = append(s.heard, out...)
	}
}

func (h *hall) beats(n int) {
	for range n {
		h.beat()
	}
}

// tone gives the level of hz in x in dB of full scale.
func tone(x []int16, hz float64) float64 {
	var re, im float64
	for i, s := range x {
		p := 2 * math.Pi * hz * float64(i) / 8000
		re += float64(s) * math.Cos(p)
		im += float64(s) * math.Sin(p)
	}
	return 20 * math.Log10(2*math.Hypot(re, im)/float64(len(x))/32768+1e-9)
}

// roughness is the greatest second difference: a click shows as one.
func roughness(x []int16) (worst int) {
	for i := 2; i < len(x); i++ {
		d := int(x[i]) - 2*int(x[i-1]) + int(x[i-2])
		worst = max(worst, d, -d)
	}
	return worst
}

func last(x []int16, beats int) []int16 { return x[len(x)-beats*frame:] }

func TestEveryoneHearsAllTheOthers(t *testing.T) {
	hz := []float64{400, 1000, 1700}
	var all []*speaker
	for _, f := range hz {
		all = append(all, &speaker{hz: f, amp: 6000})
	}
	h := newHall(8, all...)
	h.beats(100)
	for i, s := range all {
		for j, f := range hz {
			got, want := tone(last(s.heard, 50), f), 20*math.Log10(6000.0/32768)
			if i == j && got > -80 {
				t.Errorf("speaker %d hears itself at %.0f dB", i, got)
			}
			if i != j && math.Abs(got-want) > 0.1 {
				t.Errorf("speaker %d hears %d at %.1f dB, want %.1f", i, j, got, want)
			}
		}
	}
	for _, f := range hz {
		if got := tone(last(h.recorded, 50), f); got < -20 {
			t.Errorf("%v Hz recorded at %.1f dB", f, got)
		}
	}
}

func TestLoudSumsBendInsteadOfWrapping(t *testing.T) {
	var all []*speaker
	for i := range 8 {
		all = append(all, &speaker{hz: 200 + 130*float64(i), amp: 32000})
	}
	listener := &speaker{}
	h := newHall(20, append(all, listener)...)
	h.beats(100)
	for _, x := range [][]int16{listener.heard, h.recorded} {
		// Wrapping would jump from one end of the range to the other.
		for i := 1; i < len(x); i++ {
			if d := int(x[i]) - int(x[i-1]); d > 50000 || d < -50000 {
				t.Fatalf("sample %d jumps by %d", i, d)
			}
		}
		// The gain comes down, the sum is not just cut: no harmonics between.
		x = last(x, 50)
		if own, foreign := tone(x, 330), tone(x, 265); own-foreign < 35 {
			t.Errorf("voice at %.1f dB, distortion beside it at %.1f dB", own, foreign)
		}
	}
	all[0].amp = 0
	for _, s := range all[1:] {
		s.amp = 1000
	}
	h.beats(150)
	if got, want := tone(last(listener.heard, 50), 330), 20*math.Log10(1000.0/32768); math.Abs(got-want) > 0.5 {
		t.Errorf("3 s after the shouting a voice is at %.1f dB, want %.1f: the gain did not come back", got, want)
	}
}

func TestMuteAndGainAreSmooth(t *testing.T) {
	cases := []struct {
		name  string
		set   func(v *mixer.Voice)
		level float64 // of the others' tone after it, dB relative to before
	}{
		{"mute", func(v *mixer.Voice) { v.Set(true, 1) }, -80},
		{"6 dB down", func(v *mixer.Voice) { v.Set(false, 0.5) }, -6},
		{"6 dB up", func(v *mixer.Voice) { v.Set(false, 2) }, 6},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a, b := &speaker{hz: 500, amp: 8000}, &speaker{}
			h := newHall(8, a, b)
			h.beats(50)
			before := tone(last(b.heard, 25), 500)
			c.set(a.Voice)
			h.beats(50)
			after := tone(last(b.heard, 25), 500)
			if d := after - before; math.Abs(d-c.level) > 0.2 && !(c.level == -80 && d < -80) {
				t.Errorf("level changed by %.1f dB, want %.0f", d, c.level)
			}
			a.Set(false, 1)
			h.beats(20)
			// Steady tones of 8000 and 16000 have this much.
			clean := 16000 * math.Pow(2*math.Pi*500/8000, 2)
			if r := float64(roughness(b.heard[10*frame:])); r > 1.2*clean {
				t.Errorf("roughness %.0f, of the tone itself %.0f: a click", r, clean)
			}
		})
	}
}

func TestMutedVoiceIsNeitherHeardNorTalking(t *testing.T) {
	a, b := &speaker{hz: 500, amp: 8000}, &speaker{}
	h := newHall(8, a, b)
	a.Set(true, 1)
	h.beats(50)
	if tone(b.heard, 500) > -100 || a.Talking() || a.In() {
		t.Errorf("heard at %.0f dB, talking %v, in the sum %v", tone(b.heard, 500), a.Talking(), a.In())
	}
	if l := a.Level(); l != -15 {
		t.Errorf("level %d dBov, want -15: it is measured all the same", l)
	}
}

func TestAmongManyOnlyTalkersAreInTheSum(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var all []*speaker
	for range 40 {
		all = append(all, &speaker{hz: 100 + 50*rng.Float64(), amp: 20}) // -67 dBov: a line's noise
	}
	h := newHall(8, all...)
	h.beats(50)
	for i, s := range all {
		if s.In() {
			t.Fatalf("silent speaker %d is in the sum", i)
		}
	}
	all[3].amp, all[17].amp = 3000, 3000
	h.beats(10)
	for i, s := range all {
		if s.In() != (i == 3 || i == 17) || s.Talking() != s.In() {
			t.Errorf("speaker %d in the sum: %v, talking: %v", i, s.In(), s.Talking())
		}
	}
	if h.Talking() != 2 {
		t.Errorf("%d talk, want 2", h.Talking())
	}
	all[3].amp, all[17].amp = 20, 20
	h.beats(30)
	if all[3].In() || !all[3].Talking() {
		t.Errorf("0.6 s after its last word: in the sum %v, talking %v; want out, and still talking", all[3].In(), all[3].Talking())
	}
	h.beats(30)
	if all[3].Talking() {
		t.Error("still talking 1.2 s after its last word")
	}
}

func TestTheFirstClickIsHeard(t *testing.T) {
	var all []*speaker
	for range 40 {
		all = append(all, &speaker{hz: 130, amp: 20})
	}
	h := newHall(8, all...)
	h.beats(50)
	h.Begin()
	for _, s := range all {
		s.speak()
		if s == all[5] {
			for i := 40; i < 50; i++ {
				s.Frame()[i] = 12000
			}
		}
		h.Offer(s.Voice)
	}
	h.Sum()
	h.Finish()
	out := make([]int16, frame)
	h.Shared(out)
	if out[45] != 12000 {
		t.Errorf("click of 12000 is heard as %d", out[45])
	}
}

func TestOfTooManyTalkersTheLoudestAreHeard(t *testing.T) {
	var all []*speaker
	for i := range 30 {
		amp := 1000.0
		if i >= 22 {
			amp = 4000
		}
		all = append(all, &speaker{hz: 200 + 100*float64(i), amp: amp})
	}
	h := newHall(8, all...)
	h.beats(50)
	changes := 0
	in := make([]bool, len(all))
	for range 100 {
		h.beat()
		n := 0
		for i, s := range all {
			if s.In() != in[i] {
				in[i], changes = s.In(), changes+1
			}
			if s.In() {
				n++
			}
		}
		if n > 9 { // one may be fading out
			t.Fatalf("%d voices in the sum", n)
		}
	}
	for i := range all {
		if in[i] != (i >= 22) {
			t.Errorf("speaker %d in the sum: %v", i, in[i])
		}
	}
	if changes != 8 {
		t.Errorf("%d changes among steady speakers, want the first 8 alone", changes)
	}
	// One that is a little louder takes nobody's place, a much louder one does.
	all[0].amp = 5000
	h.beats(50)
	if all[0].In() {
		t.Error("a voice 2 dB louder took another's place")
	}
	all[0].amp = 16000
	h.beats(50)
	if !all[0].In() {
		t.Error("a voice 12 dB louder is not heard")
	}
}

func TestSteadyNoiseBecomesBackgroundButMusicDoesNot(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	v := mixer.NewVoice(frame)
	m := mixer.New(mixer.Config{Frame: frame, Talkers: 1})
	m.Reserve(2)
	other := mixer.NewVoice(frame)
	beat := func(sound func(i int) float64) {
		m.Begin()
		for i := range v.Frame() {
			v.Frame()[i] = int16(sound(i))
			other.Frame()[i] = 0
		}
		m.Offer(v)
		m.Offer(other)
		m.Sum()
		m.Finish()
	}
	noise := func(amp float64) func(int) float64 {
		return func(int) float64 { return amp * rng.NormFloat64() }
	}
	for range 900 {
		beat(noise(200)) // -44 dBov
	}
	if v.In() || v.Talking() {
		t.Error("steady noise counts as talking after 18 s")
	}
	for range 10 { // speech 10 dB above the noise
		beat(noise(700))
	}
	if !v.In() || !v.Talking() {
		t.Errorf("speech 10 dB above the noise: in %v, talking %v", v.In(), v.Talking())
	}
	for range 2000 {
		beat(func(i int) float64 { return 5000 * math.Sin(float64(i)/3) })
	}
	if !v.In() {
		t.Error("a loud steady sound is dropped as background after 40 s")
	}
}

func TestWhoLeavesFadesOut(t *testing.T) {
	a, b := &speaker{hz: 500, amp: 12000}, &speaker{}
	h := newHall(8, a, b)
	h.beats(20)
	a.speak()
	h.Leave(a.Voice)
	h.all = []*speaker{b}
	h.beats(5)
	clean := 12000 * math.Pow(2*math.Pi*500/8000, 2)
	if r := float64(roughness(b.heard[frame:])); r > 1.2*clean {
		t.Errorf("roughness %.0f, of the tone itself %.0f: a click", r, clean)
	}
	if e := tone(last(b.heard, 3), 500); e > -100 {
		t.Errorf("still heard at %.0f dB", e)
	}
}

func TestPlaybacksAreRecordedOnlyWhereTheySaySo(t *testing.T) {
	for _, recorded := range []bool{true, false} {
		a, b := &speaker{hz: 500, amp: 3000}, &speaker{}
		h := newHall(8, a, b)
		at := 0
		h.extra = func() ([]int16, bool) {
			f := make([]int16, frame)
			for i := range f {
				f[i] = int16(3000 * math.Sin(2*math.Pi*900*float64(at)/8000))
				at++
			}
			return f, recorded
		}
		h.beats(50)
		if heard := tone(last(a.heard, 25), 900); heard < -25 {
			t.Errorf("recorded %v: playback heard at %.0f dB", recorded, heard)
		}
		if tape := tone(last(h.recorded, 25), 900); (tape > -25) != recorded {
			t.Errorf("recorded %v: playback on the tape at %.0f dB", recorded, tape)
		}
	}
}

func TestExtraIsHeardByOneAlone(t *testing.T) {
	a, b := &speaker{hz: 500, amp: 3000}, &speaker{hz: 800, amp: 3000}
	h := newHall(8, a, b)
	h.beats(5)
	extra := make([]int32, frame)
	whisper := make([]int16, frame)
	for i := range whisper {
		whisper[i] = 100
	}
	mixer.AddTo(extra, whisper)
	plain, with := make([]int16, frame), make([]int16, frame)
	h.Without(plain, a.Voice, nil)
	h.Without(with, a.Voice, extra)
	for i := range with {
		if with[i] != plain[i]+100 {
			t.Fatalf("sample %d: %d with the extra, %d without", i, with[i], plain[i])
		}
	}
}

func TestNothingIsAllocatedOnTheBeat(t *testing.T) {
	var all []*speaker
	for i := range 100 {
		all = append(all, &speaker{hz: 200, amp: float64(i * 100)})
	}
	h := newHall(8, all...)
	out := make([]int16, frame)
	if n := testing.AllocsPerRun(100, func() {
		h.Begin()
		for _, s := range h.all {
			h.Offer(s.Voice)
		}
		h.Sum()
		h.Add(out, true)
		h.Record(out)
		h.Finish()
		h.Shared(out)
		for _, s := range h.all {
			h.Without(out, s.Voice, nil)
		}
	}); n != 0 {
		t.Errorf("%v allocations a beat", n)
	}
}

func BenchmarkOffer(b *testing.B) {
	s := &speaker{hz: 300, amp: 3000}
	h := newHall(8, s)
	s.speak()
	h.Begin()
	for range b.N {
		h.Begin()
		h.Offer(s.Voice)
	}
}

func BenchmarkWithout(b *testing.B) {
	s := &speaker{hz: 300, amp: 3000}
	h := newHall(8, s)
	h.beats(3)
	out := make([]int16, frame)
	b.ResetTimer()
	for range b.N {
		h.Without(out, s.Voice, nil)
	}
}
