package media

import (
	"slices"

	"parley/internal/mixer"
	"parley/internal/pcm"
)

// PlayOptions says who hears a source, and how.
type PlayOptions struct {
	// GainDB is the loudness, -40 to 20 dB.
	GainDB float64
	// To are those who hear it; nil means everybody, also those who join later.
	To []*Session
	// Duck lowers it while somebody talks: background music. It also makes it
	// stand still while nobody is in the mix.
	Duck bool
	// Record puts it into recordings too; not where To is set.
	Record bool
	// Done is told, on the facts goroutine, when src has ended by itself. It
	// may be nil.
	Done func()
}

const (
	// duckGain is what music has left while somebody talks: -14 dB.
	duckGain = 0.2
	// duckDown and duckUp are the changes of its gain in a frame: down in
	// 0.2 s, up in 1 s.
	duckDown = (1 - duckGain) / 10
	duckUp   = (1 - duckGain) / 50
)

// Playing is a source that is played in a mix.
type Playing struct {
	mix  *Mix
	src  pcm.Source // nil once it is not used any more
	done func()

	// All below is the shard's.
	gain    float32
	ducked  float32 // factor by ducking
	duck    bool
	record  bool
	private bool
	to      []*Session
	over    bool // nothing comes any more; to be told
	now     float32
	frame   [mixFrame]int16
}

// Play mixes src in, from the next beat on. src is used by the beat alone
// until Done is told or Stop has returned.
func (m *Mix) Play(src pcm.Source, o PlayOptions) *Playing {
	p := &Playing{
		mix: m, src: src, done: o.Done, gain: gain(o.GainDB), ducked: 1, duck: o.Duck, record: o.Record, private: o.To != nil,
	}
	p.now = p.gain
	to := slices.Clone(o.To)
	m.shard.do(func() {
		if m.closed {
			return
		}
		for _, s := range to {
			if s.mix == m {
				p.to = append(p.to, s)
				s.private = append(s.private, p)
			}
		}
		m.playings = append(m.playings, p)
		m.shard.activate(m)
	})
	return p
}

// Stop ends the playing; Done is not told then, unless src had ended before.
// After Stop src is not used any more. It may be called twice.
func (p *Playing) Stop() {
	m := p.mix
	m.shard.do(func() {
		if p.src == nil || m.closed {
			return
		}
		p.done = nil
		if m.active {
			// One frame more, to fade out.
			p.fetch()
			mixer.Scale(p.frame[:], p.now, 0)
			p.src, p.now = nil, 0
			return
		}
		p.over = true
		m.tidy()
	})
}

// fetch takes the next frame of the source; what it lacks is silence.
func (p *Playing) fetch() {
	n, ended := p.src.Next(p.frame[:])
	clear(p.frame[n:])
	p.over = ended
}

// play adds the playings to the sum, after the voices.
func (m *Mix) play() {
	for _, p := range m.playings {
		m.shard.current = p
		switch {
		case p.over: // heard to its end, but not told yet
			continue
		case p.src == nil: // stopped: the frame fades out
			p.over = true
		default:
			p.fetch()
			target := p.gain * p.follow(m.mixer.Talking() > 0)
			mixer.Scale(p.frame[:], p.now, target)
			p.now = target
		}
		m.over = m.over || p.over
		if !p.private {
			m.mixer.Add(p.frame[:], p.record)
		}
	}
	m.shard.current = nil
}

// tidy removes the playings that are over, after their last frame was sent.
func (m *Mix) tidy() {
	m.over = false
	m.playings = slices.DeleteFunc(m.playings, func(p *Playing) bool {
		if !p.over {
			return false
		}
		p.src = nil
		if p.done != nil && !m.shard.tell(fact{kind: factDone, fn: p.done}) {
			clear(p.frame[:])
			m.over = true // once more at the next beat
			return false
		}
		for _, s := range p.to {
			s.private = slices.DeleteFunc(s.private, func(x *Playing) bool { return x == p })
			if len(s.private) == 0 {
				s.private = nil
			}
		}
		return true
	})
}

// follow moves the ducking towards where it belongs, and gives its factor.
func (p *Playing) follow(talking bool) float32 {
	switch {
	case !p.duck:
	case talking:
		p.ducked = max(duckGain, p.ducked-duckDown)
	default:
		p.ducked = min(1, p.ducked+duckUp)
	}
	return p.ducked
}
