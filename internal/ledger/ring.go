package ledger

import (
	"sort"

	"parley"
)

// ring keeps the newest events in order of Position.
type ring struct {
	events []parley.Event // a circle
	start  int            // index of the oldest
	n      int            // how many
	floor  int64          // every event with a greater Position is here
	last   int64          // Position of the newest event ever added
}

func newRing(size int, last int64) ring {
	return ring{events: make([]parley.Event, size), floor: last, last: last}
}

// at is the i-th oldest event.
func (r *ring) at(i int) *parley.Event { return &r.events[(r.start+i)%len(r.events)] }

// add appends events, whose positions ascend; the oldest make room.
func (r *ring) add(events []parley.Event) {
	for i := range events {
		if r.n == len(r.events) {
			r.floor = r.at(0).Position
			r.start = (r.start + 1) % len(r.events)
			r.n--
		}
		r.n++
		*r.at(r.n - 1) = events[i]
		r.last = events[i].Position
	}
}

// after copies up to limit events with a Position greater than position. ok is
// false if the ring no longer has the first of them.
func (r *ring) after(position int64, limit int) (events []parley.Event, ok bool) {
	if position < r.floor {
		return nil, false
	}
	first := sort.Search(r.n, func(i int) bool { return r.at(i).Position > position })
	n := min(r.n-first, limit)
	if n <= 0 {
		return nil, true
	}
	events = make([]parley.Event, n)
	for i := range events {
		events[i] = *r.at(first + i)
	}
	return events, true
}
