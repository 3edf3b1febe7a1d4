package jitter

import "time"

const (
	// quiet is the mean square under which a cut is not heard: -50 dBov.
	quiet = 10737
	// pause is how many Pops lie between two cuts that might be heard.
	pause = 5
	// overlap is the length of the cross-fade over a cut: 8 ms.
	overlap = 64
	// likely is the likeness that makes a cut at a pitch period inaudible.
	likely = 0.7
	// excess is how much delay is cut away even where it might be heard.
	excess = 60 * time.Millisecond
)

// shorten cuts out samples when packets have come earlier than needed for
// seconds: anything in silence, whole pitch periods in speech, so that the
// pitch stays.
func (b *Buffer) shorten(frame int) {
	if b.cooldown > 0 {
		b.cooldown--
	}
	least := b.delay.spare()
	if least == 0 {
		return
	}
	// Pending samples beyond whole frames only add delay. More than those can
	// be spared in whole frames alone, since packets come as wholes.
	rest := b.audio.pending() - frame
	spare := rest
	if frames := (least - b.duration(rest) - margin) / b.beat; frames > 0 {
		spare += int(frames) * frame
		for b.audio.pending() < 2*frame+overlap && b.queue.n > 0 && b.decodeNext() == 0 {
		}
	}
	if spare < overlap/4 {
		return
	}
	sound := b.audio.ahead()
	room := min(spare, len(sound)-frame, len(sound)-overlap)
	cut := 0
	switch {
	case room <= 0:
	case meanSquare(sound[:min(len(sound), frame+room)]) < quiet:
		cut = room
	case spare >= frame && b.cooldown == 0:
		cut = period(sound, room, least > excess)
	}
	if cut > 0 {
		b.cut(cut)
	}
}

// cut takes n samples out of the pending ones.
func (b *Buffer) cut(n int) {
	sound := b.audio.ahead()
	for i := range overlap {
		w := float32(i+1) / (overlap + 1)
		sound[n+i] = int16(float32(sound[i])*(1-w) + float32(sound[n+i])*w)
	}
	b.audio.drop(n)
	b.delay.shift(-b.duration(n))
	b.stats.Removed += int64(n)
	b.cooldown = pause
}

// period is the number of samples, at most room, that sound can lose best; 0
// where every cut would be heard, unless forced.
func period(sound []int16, room int, forced bool) int {
	longest := min(room, maxLag, len(sound)-overlap)
	best, cut := float32(likely), 0
	if forced {
		best = 0
	}
	for lag := minLag; lag <= longest; lag++ {
		if s := likeness(sound[:overlap], sound[lag:], 1); s > best {
			best, cut = s, lag
		}
	}
	return cut
}

func meanSquare(samples []int16) int64 {
	var sum int64
	for _, s := range samples {
		sum += int64(s) * int64(s)
	}
	return sum / int64(max(1, len(samples)))
}
