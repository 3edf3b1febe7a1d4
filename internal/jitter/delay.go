package jitter

import "time"

const (
	// windowParts times partTime is how far back the tracker looks before the
	// delay may shrink.
	windowParts = 5
	partTime    = 500 * time.Millisecond
	// margin is what the worst packet must have left after shrinking.
	margin = 2 * time.Millisecond
	// none is the slack of a part in which nothing came.
	none = time.Duration(1<<63 - 1)
)

// delayTracker keeps how early packets come before they are played: their
// slack. The least of the last seconds says how much delay could be saved.
type delayTracker struct {
	least   [windowParts]time.Duration
	part    int
	filled  int           // parts that are over since reset
	ends    time.Duration // of the current part; 0 before the first packet
	average time.Duration
}

func (t *delayTracker) reset() {
	for i := range t.least {
		t.least[i] = none
	}
	t.filled, t.ends = 0, 0
}

// observe takes the slack of a packet that arrived at now.
func (t *delayTracker) observe(slack, now time.Duration) {
	switch {
	case t.ends == 0:
		t.ends = now + partTime
		t.average = slack
	case now >= t.ends:
		t.part = (t.part + 1) % windowParts
		t.least[t.part] = none
		t.filled++
		t.ends = max(t.ends, now-partTime) + partTime
	}
	t.least[t.part] = min(t.least[t.part], slack)
	t.average += (slack - t.average) / 16
}

// shift corrects what is kept by a change of the delay.
func (t *delayTracker) shift(by time.Duration) {
	for i, v := range t.least {
		if v != none {
			t.least[i] = v + by
		}
	}
	t.average += by
}

// spare is the least slack of the whole window; 0 before it is full.
func (t *delayTracker) spare() time.Duration {
	if t.filled < windowParts {
		return 0
	}
	least := none
	for _, v := range t.least {
		least = min(least, v)
	}
	if least == none {
		return 0
	}
	return least
}
