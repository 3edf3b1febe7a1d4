// Package mixer sums the voices of a conference, on a beat, so that everyone
// hears all the others: one sum for all, from which each one's own voice is
// taken before it is limited.
//
// It is arithmetic on frames: no clock, no goroutine. Between New, NewVoice and
// Reserve nothing is allocated.
package mixer

import "slices"

// DefaultTalkers is how many voices are heard at once where Config says
// nothing.
const DefaultTalkers = 8

// Config says how a Mixer mixes.
type Config struct {
	// Frame is the number of samples of a frame.
	Frame int
	// Talkers is how many voices are heard at once: while there are no more
	// than that, everybody is; among more, the loudest of those who talk. 0
	// means DefaultTalkers.
	Talkers int
}

// Mixer mixes one conference. A beat is Begin; Offer for each voice; Sum; Add
// for each playback; Record, where wanted; Finish; Shared, and Without for each
// voice that is in. It is used by one goroutine at a time.
type Mixer struct {
	talkers int
	voices  []*Voice // offered in this beat
	active  []*Voice // those of them that could be heard
	sum     []int32  // voices and what is recorded beside them
	more    []int32  // what is heard but not recorded
	tail    []int32  // fading rest of voices that have left
	hasMore bool
	hasTail bool
	talking int // voices of this beat that talk
	heard   limiter
	tape    limiter
}

// New makes a Mixer.
func New(cfg Config) *Mixer {
	if cfg.Talkers == 0 {
		cfg.Talkers = DefaultTalkers
	}
	return &Mixer{
		talkers: cfg.Talkers,
		sum:     make([]int32, cfg.Frame),
		more:    make([]int32, cfg.Frame),
		tail:    make([]int32, cfg.Frame),
		heard:   limiter{gain: 1},
		tape:    limiter{gain: 1},
	}
}

// Reserve makes room for so many voices in a beat.
func (m *Mixer) Reserve(voices int) {
	m.voices = slices.Grow(m.voices[:0], voices)
	m.active = slices.Grow(m.active[:0], voices)
}

// Begin begins a beat.
func (m *Mixer) Begin() {
	m.voices, m.active = m.voices[:0], m.active[:0]
	m.talking = 0
	if m.hasTail {
		copy(m.sum, m.tail)
		clear(m.tail)
		m.hasTail = false
	} else {
		clear(m.sum)
	}
	if m.hasMore {
		clear(m.more)
		m.hasMore = false
	}
}

// Offer measures what v.Frame holds and makes it a candidate for the sum.
func (m *Mixer) Offer(v *Voice) {
	v.activity.hear(v.frame)
	m.voices = append(m.voices, v)
}

// Sum decides who is heard and adds them up. v.In tells then for each voice
// whether it is in the sum; its frame is changed to what the sum contains.
func (m *Mixer) Sum() {
	m.choose()
	for _, v := range m.voices {
		target := float32(0)
		if v.chosen {
			target = v.gain
		}
		v.in = v.now != 0 || target != 0
		if !v.in {
			continue
		}
		if v.now == 0 {
			onset(v.frame, target)
		} else {
			Scale(v.frame, v.now, target)
		}
		v.now = target
		add(m.sum, v.frame)
	}
}

// choose marks the voices that are to be heard.
func (m *Mixer) choose() {
	open := 0 // voices that are not muted
	for _, v := range m.voices {
		if !v.muted {
			open++
		}
	}
	few := open <= m.talkers
	chosen := 0
	for _, v := range m.voices {
		could := !v.muted && (v.activity.active() || few && v.activity.audible())
		if !v.muted && v.activity.active() {
			m.talking++
		}
		v.chosen = could && v.chosen // who was heard goes on
		if could {
			m.active = append(m.active, v)
		}
		if v.chosen {
			chosen++
		}
	}
	if len(m.active) <= m.talkers {
		for _, v := range m.active {
			v.chosen = true
		}
		return
	}
	for ; chosen < m.talkers; chosen++ {
		loudest(m.active).chosen = true
	}
	// At most one voice a beat gives way, and only to a clearly louder one.
	next, last := loudest(m.active), quietest(m.active)
	if next.activity.loudness > last.activity.loudness*clearly {
		next.chosen, last.chosen = true, false
	}
}

// clearly is the ratio of energy that makes a voice take another's place: 6 dB.
const clearly = 4

// loudest is the loudest voice that is not chosen, quietest the quietest that
// is. There must be one.
func loudest(voices []*Voice) (best *Voice) {
	for _, v := range voices {
		if !v.chosen && (best == nil || v.activity.loudness > best.activity.loudness) {
			best = v
		}
	}
	return best
}

func quietest(voices []*Voice) (best *Voice) {
	for _, v := range voices {
		if v.chosen && (best == nil || v.activity.loudness < best.activity.loudness) {
			best = v
		}
	}
	return best
}

// Talking is how many voices of this beat talk, after Sum.
func (m *Mixer) Talking() int { return m.talking }

// Add adds a frame that everybody hears, after Sum; recorded says whether
// Record has it too.
func (m *Mixer) Add(frame []int16, recorded bool) {
	if recorded {
		add(m.sum, frame)
		return
	}
	add(m.more, frame)
	m.hasMore = true
}

// Leave fades the voice of someone who has left: v.Frame must hold the frame
// after the last one that was mixed. Call it between two beats.
func (m *Mixer) Leave(v *Voice) {
	if v.now != 0 {
		Scale(v.frame, v.now, 0)
		add(m.tail, v.frame)
		m.hasTail = true
	}
	v.now, v.in, v.chosen = 0, false, false
}

// Record writes the sum to dst: all voices and the recorded playbacks. Call it
// before Finish.
func (m *Mixer) Record(dst []int16) {
	m.tape.follow(m.sum)
	m.tape.limit(dst, m.sum, nil)
}

// Finish ends the adding.
func (m *Mixer) Finish() {
	if m.hasMore {
		for i, s := range m.more {
			m.sum[i] += s
		}
	}
	m.heard.follow(m.sum)
}

// Shared writes to dst what those hear who are not in the sum.
func (m *Mixer) Shared(dst []int16) { m.heard.limit(dst, m.sum, nil) }

// Without writes to dst what v hears: the sum without its own voice, and with
// extra, a sum of frames for v alone that is changed, where that is not nil.
func (m *Mixer) Without(dst []int16, v *Voice, extra []int32) {
	var own []int16
	if v.in {
		own = v.frame
	}
	sum := m.sum
	if extra != nil {
		for i := range extra {
			extra[i] += m.sum[i]
		}
		sum = extra
	}
	m.heard.limit(dst, sum, own)
}

// AddTo adds frame to sum.
func AddTo(sum []int32, frame []int16) { add(sum, frame) }

func add(sum []int32, frame []int16) {
	frame = frame[:len(sum)]
	for i := range sum {
		sum[i] += int32(frame[i])
	}
}
