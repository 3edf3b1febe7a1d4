package mixer

// Voice is what one participant gives to a mix.
type Voice struct {
	frame    []int16
	muted    bool
	gain     float32
	chosen   bool    // to be heard
	in       bool    // in the sum of this beat
	now      float32 // gain at the end of the last beat
	activity activity
}

// NewVoice makes a Voice for frames of so many samples, at gain 1.
func NewVoice(frame int) *Voice {
	v := &Voice{frame: make([]int16, frame), gain: 1}
	v.activity.reset()
	return v
}

// Frame is where the voice's next frame is to be written before Offer.
func (v *Voice) Frame() []int16 { return v.frame }

// Set says whether and how loud (1 is as it comes) the voice is heard from the
// next beat on. The change is smooth.
func (v *Voice) Set(muted bool, gain float32) { v.muted, v.gain = muted, gain }

// Reset forgets what was heard of the voice.
func (v *Voice) Reset() {
	v.activity.reset()
	v.chosen, v.in, v.now = false, false, 0
}

// In reports whether the voice is in the sum of this beat.
func (v *Voice) In() bool { return v.in }

// Talking reports whether the participant talks, debounced: it takes some
// 100 ms of speech to begin and a second without to stop. Who is muted does
// not talk.
func (v *Voice) Talking() bool { return v.activity.talking && !v.muted }

// Level is the level of the last frame offered, in dBov.
func (v *Voice) Level() int { return v.activity.level() }
