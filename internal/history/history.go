// Package history checks what a receiver got against the lifecycle law: per
// conference seq without gap or repeat and in order, one first and one last
// event, everything that begins ends once, times that make sense, event IDs
// that never change. It is for tests only, and trusts nothing but the bodies.
package history

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
)

// Category is a kind of violation.
type Category string

// The categories.
const (
	Malformed  Category = "malformed"  // not an event: no JSON, a field missing, null or out of order
	WrongID    Category = "wrong id"   // event_id is not evt_<stream>_<seq>
	Lost       Category = "lost"       // a seq that never came
	Reordered  Category = "reordered"  // a seq that came first after a later one
	Changed    Category = "changed"    // an event_id that came with other bytes
	Duplicated Category = "duplicated" // one thing told under two event IDs
	First      Category = "first"      // not conf.create.succ, or a failed conf.end, first
	Last       Category = "last"       // no conf.end, or something after it
	Unpaired   Category = "unpaired"   // begun and not ended, or ended and not begun
	Times      Category = "times"      // a time that cannot be
)

// Violation is one breach of the law.
type Violation struct {
	Category Category
	Stream   string // the conference, or for call.* the call
	Seq      int64  // 0 where it is about the whole stream
	Text     string
}

// String gives the violation in one line.
func (v Violation) String() string {
	return fmt.Sprintf("%s: %s seq %d: %s", v.Category, v.Stream, v.Seq, v.Text)
}

// Checker says what may be expected of a history. The zero Checker expects
// every event of conferences that are all over.
type Checker struct {
	// Live allows conferences that have not ended.
	Live bool
	// Filtered allows gaps in seq, and ends whose beginnings were not told: the
	// webhook did not ask for every type.
	Filtered bool
}

// Check checks the bodies that one webhook received, in the order of arrival.
// Repeats of the same bytes are allowed, as delivery is at least once.
func Check(bodies ...[]byte) []Violation { return Checker{}.Check(bodies...) }

// Check checks by what c expects. The violations are in the order of the
// streams' first appearance.
func (c Checker) Check(bodies ...[]byte) []Violation {
	r := &run{checker: c, streams: map[string]*stream{}}
	for _, b := range bodies {
		r.receive(b)
	}
	for _, s := range r.order {
		r.checkSeq(s)
		if s.conference {
			r.checkConference(s)
		}
	}
	return r.found
}

// run is one check.
type run struct {
	checker Checker
	streams map[string]*stream
	order   []*stream
	found   []Violation
}

// stream is what was received of a conference or call.
type stream struct {
	id         string
	conference bool
	events     []*event // first arrivals, in the order of arrival
	bySeq      map[int64]*event
}

func (r *run) report(c Category, stream string, seq int64, format string, args ...any) {
	r.found = append(r.found, Violation{c, stream, seq, fmt.Sprintf(format, args...)})
}

// receive takes one body.
func (r *run) receive(body []byte) {
	e, err := parse(body)
	if err != nil {
		id := ""
		if e != nil {
			id = e.stream()
		}
		r.report(Malformed, id, 0, "%v: %.200s", err, body)
		return
	}
	id := e.stream()
	s := r.streams[id]
	if s == nil {
		s = &stream{id: id, conference: !e.isCall(), bySeq: map[int64]*event{}}
		r.streams[id] = s
		r.order = append(r.order, s)
	}
	if want := fmt.Sprintf("evt_%s_%d", id, e.Seq); e.EventID != want {
		r.report(WrongID, id, e.Seq, "event_id is %s, want %s", e.EventID, want)
	}
	if earlier := s.bySeq[e.Seq]; earlier != nil {
		if !bytes.Equal(earlier.body, body) {
			r.report(Changed, id, e.Seq, "came as %.200s and as %.200s", earlier.body, body)
		}
		return
	}
	if n := len(s.events); n > 0 && e.Seq < s.events[n-1].Seq {
		r.report(Reordered, id, e.Seq, "came after seq %d", s.events[n-1].Seq)
	}
	s.bySeq[e.Seq] = e
	s.events = append(s.events, e)
}

// checkSeq looks for gaps, then puts the events in order.
func (r *run) checkSeq(s *stream) {
	slices.SortFunc(s.events, func(a, b *event) int { return cmp.Compare(a.Seq, b.Seq) })
	if r.checker.Filtered {
		return
	}
	next := int64(1)
	for _, e := range s.events {
		for ; next < e.Seq; next++ {
			r.report(Lost, s.id, next, "never came")
		}
		next = e.Seq + 1
	}
}
