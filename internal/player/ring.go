package player

import "sync/atomic"

// ring hands samples from the player's goroutine to the beat without a lock.
type ring struct {
	samples  []int16
	head     atomic.Uint64 // samples written; stored by the goroutine
	tail     atomic.Uint64 // samples read; stored by the beat
	finished atomic.Bool   // nothing more will be written
}

func newRing(size int) *ring { return &ring{samples: make([]int16, size)} }

// write puts in as many samples as there is room for.
func (r *ring) write(samples []int16) int {
	head := r.head.Load()
	n := min(len(samples), len(r.samples)-int(head-r.tail.Load()))
	at := int(head % uint64(len(r.samples)))
	first := copy(r.samples[at:], samples[:n])
	copy(r.samples, samples[first:n])
	r.head.Store(head + uint64(n))
	return n
}

// read takes out as many samples as there are, at most a frame, and reports
// whether these were the last.
func (r *ring) read(frame []int16) (n int, ended bool) {
	finished := r.finished.Load() // before head: what was written before it counts
	tail, head := r.tail.Load(), r.head.Load()
	n = int(min(uint64(len(frame)), head-tail))
	at := int(tail % uint64(len(r.samples)))
	first := copy(frame[:n], r.samples[at:])
	copy(frame[first:n], r.samples)
	r.tail.Store(tail + uint64(n))
	return n, finished && tail+uint64(n) == head
}
