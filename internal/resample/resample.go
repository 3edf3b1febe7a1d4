// Package resample changes the sample rate of a stream: a polyphase FIR filter
// (windowed sinc, 32 taps at the lower of the two rates), for any rational
// ratio.
//
// Sound up to 0.43 of the lower rate (3.44 kHz of 8) passes within 0.1 dB;
// what would fall into that band as an alias or image is 69 dB down or more.
// The delay is 16 samples of the lower rate, 2 ms at 8 kHz.
package resample

import "math"

const (
	// taps is the length of the filter in samples of the lower rate.
	taps = 32
	// cutoff is the -6 dB point as a part of the lower rate: a little under
	// one half, so that what is left of the transition aliases above the
	// telephone band.
	cutoff = 0.49
	// beta shapes the Kaiser window: about 70 dB in the stop band.
	beta = 6.76
	// maxPhases bounds the table. The usual rates need at most 640; odd ones
	// (8001 Hz) are taken as the nearest ratio, which is off by less than one
	// part in a million.
	maxPhases = 1024
	// chunk is how many samples are taken in at a time.
	chunk = 512
)

// Resampler changes the rate of one stream of 16-bit mono samples. It does not
// allocate after New. It is used by one goroutine at a time.
type Resampler struct {
	up, down int // the ratio: up samples out for down samples in

	rows   []float32 // the filter, one row of length for each phase
	length int

	buf   []float32 // the newest samples; n of them
	n     int
	at    int // index in buf of the newest sample under the next output's filter
	phase int
}

// New makes a resampler from rate from to rate to, both in Hz and positive.
func New(from, to int) *Resampler {
	up, down := ratio(to, from)
	r := &Resampler{up: up, down: down, length: 1}
	if up == down {
		r.rows = []float32{1}
	} else {
		r.length = (taps*max(up, down)/up + 3) / 4 * 4
		r.rows = design(up, down, r.length)
	}
	r.buf = make([]float32, r.length+chunk)
	r.Reset()
	return r
}

// Reset forgets the stream: what comes next is the beginning of another.
func (r *Resampler) Reset() {
	clear(r.buf)
	r.n, r.at, r.phase = r.length-1, r.length-1, 0
}

// Delay is by how many samples, at the rate of the output, the output is late.
// That many zeros' worth of input bring out the end of a stream.
func (r *Resampler) Delay() int {
	if r.up == r.down {
		return 0
	}
	return (r.length/2*r.up + r.down/2) / r.down
}

// Process reads from src and writes to dst until one of them is used up, and
// reports how many samples it wrote and read. After n samples in all it has
// given n·to/from, rounded up: 20 ms in are 20 ms out wherever both rates have
// a whole number of samples in 20 ms, and src and dst of just these sizes are
// both used up. A stream may be cut into pieces of any size; the output does
// not depend on it.
func (r *Resampler) Process(dst, src []int16) (written, read int) {
	whole, part := r.down/r.up, r.down%r.up
	for {
		for ; r.at < r.n && written < len(dst); written++ {
			row := r.rows[r.phase*r.length : (r.phase+1)*r.length]
			dst[written] = dot(row, r.buf[r.at+1-r.length:r.at+1])
			r.at += whole
			if r.phase += part; r.phase >= r.up {
				r.phase -= r.up
				r.at++
			}
		}
		take := len(src) - read
		if written == len(dst) {
			take = min(take, r.at-r.n) // only what makes no further output due
		}
		if take <= 0 {
			return written, read
		}
		read += r.fill(src[read : read+take])
	}
}

// fill takes in as much of src as there is room for, at the cost of samples
// that no filter will reach any more.
func (r *Resampler) fill(src []int16) int {
	old := min(r.at+1-r.length, r.n)
	copy(r.buf, r.buf[old:r.n])
	r.n -= old
	r.at -= old
	src = src[:min(len(src), len(r.buf)-r.n)]
	for i, s := range src {
		r.buf[r.n+i] = float32(s)
	}
	r.n += len(src)
	return len(src)
}

// dot is the sum of products of two slices of the same length, a multiple of 4
// or 1, as a sample.
func dot(row, x []float32) int16 {
	var a, b, c, d float32
	for len(row) >= 4 && len(x) >= 4 {
		a += row[0] * x[0]
		b += row[1] * x[1]
		c += row[2] * x[2]
		d += row[3] * x[3]
		row, x = row[4:], x[4:]
	}
	if len(row) > 0 && len(x) > 0 {
		a = row[0] * x[0]
	}
	v := (a + b) + (c + d)
	if v < 0 {
		return int16(max(v-0.5, math.MinInt16))
	}
	return int16(min(v+0.5, math.MaxInt16))
}
