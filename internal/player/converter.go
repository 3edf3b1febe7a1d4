package player

import "parley/internal/resample"

// converter brings files of any rates to one, and takes out the delay of doing
// so: the first sample that goes in is the first that comes out.
type converter struct {
	to, from  int
	resampler *resample.Resampler // nil between files of different rates
	skip      int                 // samples still to be left out at the start
	rest      int                 // samples still to come out at the end
}

// begin makes ready for files of rate from; what was before has been flushed.
func (c *converter) begin(from int) {
	c.from, c.resampler = from, resample.New(from, c.to)
	c.skip, c.rest = c.resampler.Delay(), c.resampler.Delay()
}

// process reads from src and writes to dst until one of them is used up.
func (c *converter) process(dst, src []int16) (written, read int) {
	for c.skip > 0 {
		n, used := c.resampler.Process(dst[:min(c.skip, len(dst))], src[read:])
		read += used
		if c.skip -= n; n == 0 {
			return 0, read
		}
	}
	n, used := c.resampler.Process(dst, src[read:])
	return n, read + used
}

// flush writes the end of the files so far to dst; 0 when there is no more.
// Another begin must follow it before process.
func (c *converter) flush(dst []int16) int {
	if c.resampler == nil {
		return 0
	}
	c.rest -= c.skip // of a sound shorter than the delay
	var silence [64]int16
	for c.rest > 0 {
		n, _ := c.process(dst[:min(c.rest, len(dst))], silence[:])
		if c.rest -= n; n > 0 {
			return n
		}
	}
	c.from, c.resampler = 0, nil
	return 0
}
