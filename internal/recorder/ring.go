package recorder

import "sync/atomic"

// ringSeconds is how long the disk may stand still before sound is lost.
const ringSeconds = 4

// maxGaps is how many separate gaps the ring can tell of at a time.
const maxGaps = 64

// ring hands samples from the beat to the recorder's goroutine without a lock.
// A frame for which there is no room is lost; that, and where it was, is
// handed over as well, so that the time line holds.
type ring struct {
	samples []int16
	head    atomic.Uint64 // samples written; stored by the beat
	tail    atomic.Uint64 // samples read; stored by the goroutine

	gaps    [maxGaps]gap
	gapHead atomic.Uint64 // gaps written; stored by the beat
	gapTail atomic.Uint64 // gaps read; stored by the goroutine

	// lost is the number of samples lost since the last one that was written.
	// Only the beat touches it while it writes.
	lost atomic.Int64
}

// gap is samples that were lost.
type gap struct {
	at    uint64 // how many were written before
	count int64
}

func newRing(rate int) *ring { return &ring{samples: make([]int16, ringSeconds*rate)} }

// write puts a frame into the ring, all of it or nothing.
func (r *ring) write(frame []int16) {
	head, lost := r.head.Load(), r.lost.Load()
	room := len(r.samples) - int(head-r.tail.Load())
	gapHead := r.gapHead.Load()
	if room < len(frame) || lost > 0 && gapHead-r.gapTail.Load() == maxGaps {
		r.lost.Store(lost + int64(len(frame)))
		return
	}
	if lost > 0 {
		r.gaps[gapHead%maxGaps] = gap{head, lost}
		r.gapHead.Store(gapHead + 1) // before head: seen with the sample after it
		r.lost.Store(0)
	}
	at := int(head % uint64(len(r.samples)))
	n := copy(r.samples[at:], frame)
	copy(r.samples, frame[n:])
	r.head.Store(head + uint64(len(frame)))
}

// read takes samples out, up to the next gap, and reports how many were lost
// right after them.
func (r *ring) read(samples []int16) (n int, lost int64) {
	tail, head := r.tail.Load(), r.head.Load()
	n = int(min(head-tail, uint64(len(samples))))
	gapTail := r.gapTail.Load()
	next := &r.gaps[gapTail%maxGaps]
	atGap := gapTail < r.gapHead.Load() && next.at-tail <= uint64(n)
	if atGap {
		n, lost = int(next.at-tail), next.count
	}
	at := int(tail % uint64(len(r.samples)))
	first := copy(samples[:n], r.samples[at:])
	copy(samples[first:n], r.samples)
	r.tail.Store(tail + uint64(n))
	if atGap {
		r.gapTail.Store(gapTail + 1)
	}
	return n, lost
}
