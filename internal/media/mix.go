package media

import (
	"slices"
	"time"

	"parley/internal/codec"
	"parley/internal/mixer"
	"parley/internal/pcm"
)

// MixConfig says how a Mix sounds.
type MixConfig struct {
	// Rate is the sample rate in Hz; 0 means 8000, the only one so far.
	Rate int
	// Talkers is how many are heard at once: while no more are in the mix,
	// everybody; of more, the loudest who talk. 0 means 8.
	Talkers int
}

// Mix is what the participants of one conference hear of each other. Its
// methods are safe for concurrent use. After Close they do nothing.
type Mix struct {
	shard *shard

	// All below is the shard's.
	slot     *slot // while on the beat
	home     *slot // where the mix is, or is going to be
	mixer    *mixer.Mixer
	sessions []*Session // in the order of their ports, so that batches are long
	playings []*Playing
	taps     []*Tap
	active   bool // on the beat
	over     bool // a playing is
	closed   bool
	shared   []encoding // by codec: the frame of those who add nothing to it
	plain    [mixFrame]int16
	own      [mixFrame]int16
	extra    [mixFrame]int32
	payload  [mixFrame]byte
}

// encoding is a frame encoded for several sessions.
type encoding struct {
	encoder codec.Encoder
	payload []byte
	valid   bool // made in this beat
}

// Options is a participant's place in a mix.
type Options struct {
	Muted  bool    // is not heard
	Deaf   bool    // hears nobody, and no playback
	GainDB float64 // of the participant's voice, -40 to 20 dB
}

func newMix(sh *shard, cfg MixConfig) *Mix {
	m := &Mix{shard: sh, mixer: mixer.New(mixer.Config{Frame: mixFrame, Talkers: cfg.Talkers})}
	for _, f := range codec.Formats() {
		enc, _ := codec.NewEncoder(f) // every format of the list has one
		m.shared = append(m.shared, encoding{encoder: enc, payload: make([]byte, 0, mixFrame)})
	}
	return m
}

// Add puts s into the mix. The session must be of the mix's shard (see
// SameShard); one that is not, or is closed, is not added. A session that is in
// another mix leaves that first.
func (m *Mix) Add(s *Session, o Options) {
	if s.shard != m.shard {
		return
	}
	m.shard.do(func() {
		if m.closed || s.closed.Load() || s.mix == m {
			return
		}
		if s.mix != nil {
			s.mix.leave(s)
		}
		m.join(s, o)
	})
}

// join is Add, between two beats.
func (m *Mix) join(s *Session, o Options) {
	sh := m.shard
	sh.unplace(s)
	s.mix = m
	s.voice.Reset()
	m.apply(s, o)
	s.hear = 1
	if s.deaf {
		s.hear = 0
	}
	at, _ := slices.BinarySearchFunc(m.sessions, s, func(a, b *Session) int { return int(a.port.number) - int(b.port.number) })
	m.sessions = slices.Insert(m.sessions, at, s)
	m.mixer.Reserve(len(m.sessions))
	sh.activate(m)
	sh.place(s)
}

// Set changes a participant's options, smoothly within 20 ms.
func (m *Mix) Set(s *Session, o Options) {
	m.shard.do(func() {
		if s.mix == m {
			m.apply(s, o)
		}
	})
}

func (m *Mix) apply(s *Session, o Options) {
	s.voice.Set(o.Muted, gain(o.GainDB))
	s.deaf = o.Deaf
}

// gain is the factor of so many decibels, within what is allowed.
func gain(db float64) float32 { return float32(pcm.Gain(max(-40, min(20, db)))) }

// Remove takes s out of the mix. The session goes on, in no mix.
func (m *Mix) Remove(s *Session) {
	m.shard.do(func() {
		if s.mix == m {
			m.leave(s)
			m.shard.place(s)
		}
	})
}

// leave takes s out, its voice fading; s is in no slot then.
func (m *Mix) leave(s *Session) {
	sh := m.shard
	sh.unplace(s)
	s.listen(sh.now)
	m.mixer.Leave(s.voice)
	s.mix = nil
	if i := slices.Index(m.sessions, s); i >= 0 {
		m.sessions = slices.Delete(m.sessions, i, i+1)
	}
	for _, p := range s.private {
		p.to = slices.DeleteFunc(p.to, func(x *Session) bool { return x == s })
	}
	s.private = nil
	if s.talking {
		s.talking = !sh.tell(fact{kind: factTalking, session: s, at: sh.wall(sh.now)})
	}
	sh.activate(m)
}

// Record writes every frame of the mix to sink: all participants who are not
// muted, and the playbacks that say so, whether or not anybody is in the mix.
func (m *Mix) Record(sink pcm.Sink) *Tap {
	t := &Tap{mix: m, sink: sink}
	m.shard.do(func() {
		if !m.closed {
			m.taps = append(m.taps, t)
			m.shard.activate(m)
		}
	})
	return t
}

// Tap is a recording of a mix.
type Tap struct {
	mix  *Mix
	sink pcm.Sink
}

// Stop ends the recording and returns after the last Write. It may be called
// twice.
func (t *Tap) Stop() {
	m := t.mix
	m.shard.do(func() {
		m.taps = slices.DeleteFunc(m.taps, func(x *Tap) bool { return x == t })
		m.shard.activate(m)
	})
}

// Close ends all playings and recordings (Done is not told) and takes everyone
// out of the mix. It may be called twice.
func (m *Mix) Close() {
	m.shard.do(func() {
		if m.closed {
			return
		}
		for len(m.sessions) > 0 {
			s := m.sessions[len(m.sessions)-1]
			m.leave(s)
			m.shard.place(s)
		}
		m.closed = true
		m.playings, m.taps = nil, nil
		m.shard.activate(m)
		m.shard.mixes.Add(-1)
	})
}

// busy reports whether the mix has to be on the beat. Music alone needs nobody
// to go on for.
func (m *Mix) busy() bool {
	if len(m.sessions) > 0 || len(m.taps) > 0 {
		return true
	}
	return slices.ContainsFunc(m.playings, func(p *Playing) bool { return !p.duck })
}

// beat mixes a frame and sends it. due is the time that the beat is for.
func (m *Mix) beat(due time.Duration) {
	sh, mx := m.shard, m.mixer
	mx.Begin()
	for _, s := range m.sessions {
		sh.current = s
		s.listen(due)
		mx.Offer(s.voice)
	}
	sh.current = nil
	mx.Sum()
	m.play()
	if len(m.taps) > 0 {
		mx.Record(m.plain[:])
		for _, t := range m.taps {
			sh.current = t
			t.sink.Write(m.plain[:])
		}
		sh.current = nil
	}
	mx.Finish()
	for i := range m.shared {
		m.shared[i].valid = false
	}
	plain := false
	for _, s := range m.sessions {
		sh.current = s
		switch {
		case !s.sends():
			s.send(sh.silences[0])
		case s.deaf && s.hear == 0:
			s.send(sh.silences[s.out.codec])
		case s.voice.In() || s.private != nil || s.deaf || s.hear != 1:
			s.send(m.encodeFor(s))
		default:
			e := &m.shared[s.out.codec]
			if !e.valid {
				if !plain {
					mx.Shared(m.plain[:])
					plain = true
				}
				e.payload = e.encoder.Encode(e.payload[:0], m.plain[:])
				e.valid = true
			}
			s.send(e.payload)
		}
		m.after(s)
	}
	sh.current = nil
	if m.over {
		m.tidy()
		sh.stale = sh.stale || !m.busy()
	}
}

// encodeFor makes the frame of a session that hears something of its own.
func (m *Mix) encodeFor(s *Session) []byte {
	var extra []int32
	if s.private != nil {
		extra = m.extra[:]
		clear(extra)
		for _, p := range s.private {
			mixer.AddTo(extra, p.frame[:])
		}
	}
	m.mixer.Without(m.own[:], s.voice, extra)
	hear := float32(1)
	if s.deaf {
		hear = 0
	}
	mixer.Scale(m.own[:], s.hear, hear)
	s.hear = hear
	return s.out.encoder.Encode(m.payload[:0], m.own[:])
}

// after tells what has changed of a session in this beat.
func (m *Mix) after(s *Session) {
	if t := s.voice.Talking(); t != s.talking {
		sh := m.shard
		if sh.tell(fact{kind: factTalking, session: s, talking: t, at: sh.wall(sh.now)}) {
			s.talking = t
		}
	}
	s.next()
}
