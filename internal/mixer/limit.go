package mixer

const (
	// knee is the level up to which sound passes unchanged: -0.8 dBFS. What
	// is above bends towards full scale and never reaches it.
	knee  = 30000
	above = 32767 - knee
	// attack is how many samples it takes to turn down: 4 ms at 8 kHz.
	attack = 32
	// release is how much of a reduction is given back in a frame.
	release = 0.06
)

// soften bends v, of any size, into the range of a sample. It is small enough
// to be inlined.
func soften(v int32) int16 {
	if uint32(v+knee) <= 2*knee {
		return int16(v)
	}
	return bend(int64(v))
}

func bend(v int64) int16 {
	if v < 0 {
		return -bend(-v)
	}
	x := v - knee
	return int16(knee + above*x/(x+above))
}

// limiter turns a sum down while it is too loud: at the beginning of the frame
// in which it is, and back up slowly. What stands out before the gain is down,
// soften bends.
type limiter struct {
	from, gain float32 // at the beginning and the end of the frame
}

// follow sets the gain for a frame by its peak.
func (l *limiter) follow(sum []int32) {
	peak := int32(0)
	for _, s := range sum {
		peak = max(peak, s, -s)
	}
	l.from = l.gain
	target := float32(1)
	if peak > knee {
		target = knee / float32(peak)
	}
	if target < l.gain {
		l.gain = target
		return
	}
	if l.gain += (target - l.gain) * release; l.gain > 0.999 {
		l.gain = 1
	}
}

// limit writes sum, less own where that is not nil, to dst within the range of
// a sample.
func (l *limiter) limit(dst []int16, sum []int32, own []int16) {
	dst = dst[:len(sum)]
	switch {
	case l.from != 1 || l.gain != 1:
		l.reduce(dst, sum, own)
	case own == nil:
		for i, s := range sum {
			dst[i] = soften(s)
		}
	default:
		own = own[:len(sum)]
		for i, s := range sum {
			dst[i] = soften(s - int32(own[i]))
		}
	}
}

// reduce is limit at a gain that changes.
func (l *limiter) reduce(dst []int16, sum []int32, own []int16) {
	length := len(sum)
	if l.gain < l.from {
		length = min(length, attack)
	}
	g, step := l.from, (l.gain-l.from)/float32(length)
	for i, s := range sum {
		if i < length {
			g += step
		}
		if own != nil {
			s -= int32(own[i])
		}
		dst[i] = soften(int32(float32(s) * g))
	}
}

// Scale multiplies frame by a gain that goes evenly from one value to another.
func Scale(frame []int16, from, to float32) {
	switch {
	case from == 1 && to == 1:
	case from == 0 && to == 0:
		clear(frame)
	default:
		g, step := from, (to-from)/float32(len(frame))
		for i, s := range frame {
			g += step
			frame[i] = soften(int32(float32(s) * g))
		}
	}
}

// onsetLength is how fast a voice comes in: 2 ms at 8 kHz, so that the
// beginning of a word is not lost.
const onsetLength = 16

// onset brings a voice from silence to a gain at the beginning of frame.
func onset(frame []int16, to float32) {
	n := min(onsetLength, len(frame))
	Scale(frame[:n], 0, to)
	Scale(frame[n:], to, to)
}
