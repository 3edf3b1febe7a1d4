package jitter

import "math"

const (
	// minLag and maxLag bound the pitch period: 250 Hz to 50 Hz at 8 kHz.
	minLag, maxLag = 32, 160
	// fullGain samples of made-up sound are at full level, and after fadeOut
	// samples there is silence: 10 and 60 ms.
	fullGain, fadeOut = 80, 480
	// seam is the length of the cross-fade back to real sound: 5 ms.
	seam = 40
)

// concealer makes up sound where there is none, by repeating the last pitch
// period, fading out: the idea of G.711 Appendix I without its look-ahead.
type concealer struct {
	running bool
	cycle   [maxLag]int16 // one period, its end bent to fit its beginning
	lag     int
	at      int     // next sample of cycle
	made    int     // samples made up since begin
	step    float32 // jump from the past to cycle[0], faded out over the first samples
}

// begin prepares to go on after past, pastSize samples or fewer.
func (c *concealer) begin(past []int16) {
	c.running = true
	c.at, c.made = 0, 0
	c.step = 0
	if len(past) < 2*maxLag+maxLag/4 {
		c.lag = minLag
		clear(c.cycle[:])
		return
	}
	c.lag = pitch(past)
	end := len(past)
	copy(c.cycle[:c.lag], past[end-c.lag:])
	// The last quarter of the period leads over to what came before its first
	// sample, so that the repetition has no jump.
	bend := c.lag / 4
	for i := range bend {
		w := float32(i+1) / float32(bend+1)
		k := c.lag - bend + i
		before := past[end-c.lag-bend+i]
		c.cycle[k] = int16(float32(c.cycle[k])*(1-w) + float32(before)*w)
	}
	c.step = float32(past[end-1]) - float32(past[end-1-c.lag])
}

// fill makes up samples.
func (c *concealer) fill(dst []int16) {
	for i := range dst {
		dst[i] = c.sample()
	}
}

func (c *concealer) sample() int16 {
	if c.made >= fadeOut {
		return 0
	}
	v := float32(c.cycle[c.at])
	if c.made < seam {
		v += c.step * float32(seam-c.made) / seam
	}
	if c.made > fullGain {
		v *= float32(fadeOut-c.made) / (fadeOut - fullGain)
	}
	if c.at++; c.at == c.lag {
		c.at = 0
	}
	c.made++
	return int16(max(math.MinInt16, min(math.MaxInt16, v)))
}

// join leads from made-up sound over to the real sound that begins dst.
func (c *concealer) join(dst []int16) {
	n := min(seam, len(dst))
	for i := range n {
		w := float32(i+1) / float32(n+1)
		dst[i] = int16(float32(dst[i])*w + float32(c.sample())*(1-w))
	}
	c.running = false
}

// pitch finds the lag at which the end of past repeats itself best. Where
// nothing repeats, it is maxLag, which buzzes least.
func pitch(past []int16) int {
	const window = maxLag
	end := past[len(past)-window:]
	bestLag, best := maxLag, float32(0.5)
	// Every second lag and sample first, then the neighbours of the best.
	for lag := minLag; lag <= maxLag; lag += 2 {
		if s := likeness(end, past[len(past)-window-lag:], 2); s > best {
			bestLag, best = lag, s
		}
	}
	best = 0
	around := bestLag
	for lag := max(minLag, around-1); lag <= min(maxLag, around+1); lag++ {
		if s := likeness(end, past[len(past)-window-lag:], 1); s > best {
			bestLag, best = lag, s
		}
	}
	return bestLag
}

// likeness is the normalized correlation of a with as many samples of b, every
// step-th of them: 1 for equal shapes, 0 for none.
func likeness(a, b []int16, step int) float32 {
	b = b[:len(a)]
	var ab, aa, bb int64
	for i := 0; i < len(a); i += step {
		x, y := int64(a[i]), int64(b[i])
		ab += x * y
		aa += x * x
		bb += y * y
	}
	if ab <= 0 {
		return 0
	}
	return float32(float64(ab) / math.Sqrt(float64(aa)*float64(bb)))
}
