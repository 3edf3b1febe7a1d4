package jitter

const (
	// pastSize is how much of what was heard is kept, to conceal by: 50 ms.
	pastSize = 400
	// audioSize is the room for past and pending samples: of the latter there
	// are at most two frames, and a packet's piece more.
	audioSize = pastSize + 3*cellSize + 2*cellSize
)

// audio is decoded sound: what is to be played next, and what was played
// before it.
type audio struct {
	start, end int // samples[start:end] are pending
	samples    [audioSize]int16
}

// pending is the number of samples that wait to be played.
func (a *audio) pending() int { return a.end - a.start }

// ahead are the samples that wait to be played.
func (a *audio) ahead() []int16 { return a.samples[a.start:a.end] }

// past are the last samples before those to come, pending ones included; at
// most pastSize of them.
func (a *audio) past() []int16 { return a.samples[max(0, a.end-pastSize):a.end] }

// extend makes room for n more samples at the end, for the caller to fill.
func (a *audio) extend(n int) []int16 {
	if a.end+n > audioSize {
		keep := min(a.start, pastSize)
		copy(a.samples[:], a.samples[a.start-keep:a.end])
		a.end -= a.start - keep
		a.start = keep
	}
	a.end += n
	return a.samples[a.end-n : a.end]
}

// take moves the next samples into frame; as many must be pending.
func (a *audio) take(frame []int16) {
	copy(frame, a.samples[a.start:a.end])
	a.start += len(frame)
}

// drop forgets the next n samples.
func (a *audio) drop(n int) {
	copy(a.samples[a.start:], a.samples[a.start+n:a.end])
	a.end -= n
}
