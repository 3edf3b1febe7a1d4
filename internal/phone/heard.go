package phone

import (
	"slices"
	"time"
)

// sampleRate is the rate of all sound in this package, Hz.
const sampleRate = 8000

const (
	// maxHeard bounds what one call keeps: an hour, 58 MB.
	maxHeard = 3600 * sampleRate
	// maxJump is how far a timestamp may be from its predecessor to be on the
	// same time line; a sender that goes further has begun a new one.
	maxJump = 60 * sampleRate
)

// Gap is a stretch of the time line for which no packet came.
type Gap struct {
	At     int // samples from the beginning of what was heard
	Length int // samples
}

// Duration is the length of the gap in time.
func (g Gap) Duration() time.Duration {
	return time.Duration(g.Length) * time.Second / sampleRate
}

// span is a stretch of the time line that packets covered, end exclusive.
type span struct{ start, end int }

// timeline puts packets where their RTP timestamps say, whatever their order:
// sample 0 is the first of the first packet, what never came is zero. It is
// not safe for concurrent use.
type timeline struct {
	samples []int16
	spans   []span // ordered, not touching each other
	ssrc    uint32
	last    uint32 // the RTP timestamp of the last packet
	at      int    // its place in samples
	began   bool
	first   time.Time // when the first packet came
	dropped int       // samples that lay before the first one, or over the bound
}

// put takes the samples of one packet that arrived now.
func (l *timeline) put(ssrc, timestamp uint32, samples []int16, now time.Time) {
	at := l.place(ssrc, timestamp, now)
	if at < 0 || at+len(samples) > maxHeard {
		l.dropped += len(samples)
		return
	}
	if need := at + len(samples) - len(l.samples); need > 0 {
		l.samples = append(l.samples, make([]int16, need)...)
	}
	copy(l.samples[at:], samples)
	l.cover(span{at, at + len(samples)})
}

// place finds where a packet belongs. A new source, or a jump that no pause
// explains, goes on where the clock says.
func (l *timeline) place(ssrc, timestamp uint32, now time.Time) int {
	switch jump := int(int32(timestamp - l.last)); {
	case !l.began:
		l.began, l.first, l.at = true, now, 0
	case ssrc != l.ssrc || jump > maxJump || jump < -maxJump:
		l.at = max(len(l.samples), int(now.Sub(l.first)*sampleRate/time.Second))
	default:
		l.at += jump
	}
	l.ssrc, l.last = ssrc, timestamp
	return l.at
}

func (l *timeline) cover(s span) {
	if n := len(l.spans); n > 0 && l.spans[n-1].end == s.start { // the usual case
		l.spans[n-1].end = s.end
		return
	}
	i, _ := slices.BinarySearchFunc(l.spans, s, func(a, b span) int { return a.start - b.start })
	l.spans = slices.Insert(l.spans, i, s)
	for j := max(i-1, 0); j+1 < len(l.spans); {
		switch next := l.spans[j+1]; {
		case l.spans[j].end >= next.start:
			l.spans[j].end = max(l.spans[j].end, next.end)
			l.spans = slices.Delete(l.spans, j+1, j+2)
		case j >= i:
			return // what lies behind the new one is as it was
		default:
			j++
		}
	}
}

// gaps are the stretches between the spans, from the sample offset on.
func (l *timeline) gaps(offset int) []Gap {
	var out []Gap
	for i := 1; i < len(l.spans); i++ {
		from, to := max(l.spans[i-1].end, offset), l.spans[i].start
		if from < to {
			out = append(out, Gap{At: from, Length: to - from})
		}
	}
	return out
}
