package phone

import (
	"slices"
	"sync"
	"time"
)

// sender paces the packets of all calls of a phone on an absolute schedule:
// what a late wake-up delays is made up for by the next ones.
type sender struct {
	now  func() time.Time
	poke chan struct{} // the streams have changed

	mu      sync.Mutex // guards streams
	streams []*stream
}

func newSender(now func() time.Time) *sender {
	return &sender{now: now, poke: make(chan struct{}, 1)}
}

func (s *sender) add(st *stream) {
	s.mu.Lock()
	s.streams = append(s.streams, st)
	s.mu.Unlock()
	s.wake()
}

func (s *sender) remove(st *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// A new slice: run goes through the old one unlocked.
	s.streams = slices.DeleteFunc(slices.Clone(s.streams), func(other *stream) bool { return other == st })
}

// wake makes run look at the schedule again.
func (s *sender) wake() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// idle is how long run sleeps when nothing is due at all.
const idle = time.Hour

// run sends until stop is closed.
func (s *sender) run(stop <-chan struct{}) {
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		s.mu.Lock()
		streams := s.streams
		s.mu.Unlock()
		now := s.now()
		next := now.Add(idle)
		for _, st := range streams {
			st.tick(now)
			if due, ok := st.due(); ok && due.Before(next) {
				next = due
			}
		}
		timer.Reset(next.Sub(s.now()))
		select {
		case <-timer.C:
		case <-s.poke:
		case <-stop:
			return
		}
	}
}
