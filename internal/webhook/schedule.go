package webhook

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Schedule says when a failed attempt is repeated.
type Schedule struct {
	// Quick are the delays after the first failures.
	Quick []time.Duration
	// Tries is how many attempts count as quick tries: after so many failures
	// a refused event is a dead letter, and the breaker may open. 0 means 3.
	Tries int
	// Base is the delay after those of Quick; it doubles with every further
	// failure up to Max.
	Base time.Duration
	Max  time.Duration
	// GiveUp is how long after its first attempt an event is tried at least;
	// then it is a dead letter.
	GiveUp time.Duration
	// Jitter is the part of each delay, up to 1, that chance adds or takes;
	// less than 0 means none.
	Jitter float64
	// Timeout is how long the destination may take to answer.
	Timeout time.Duration
}

// DefaultSchedule is the contract's: three tries within the first minute, even
// if each of them times out, then an exponential back-off from 15 s to half an
// hour, for three days.
func DefaultSchedule() Schedule {
	return Schedule{
		Quick: []time.Duration{5 * time.Second, 20 * time.Second}, Tries: 3, Base: 15 * time.Second, Max: 30 * time.Minute,
		GiveUp: 72 * time.Hour, Jitter: 0.2, Timeout: 10 * time.Second,
	}
}

// withDefaults replaces what is zero by the default schedule's.
func (s Schedule) withDefaults() Schedule {
	d := DefaultSchedule()
	if s.Jitter == 0 {
		s.Jitter = d.Jitter
	}
	if s.Quick == nil {
		s.Quick = d.Quick
	}
	if s.Tries <= 0 {
		s.Tries = d.Tries
	}
	if s.Base <= 0 {
		s.Base = d.Base
	}
	if s.Max <= 0 {
		s.Max = d.Max
	}
	if s.GiveUp <= 0 {
		s.GiveUp = d.GiveUp
	}
	if s.Timeout <= 0 {
		s.Timeout = d.Timeout
	}
	s.Jitter = max(0, min(1, s.Jitter))
	return s
}

// nominal is the delay after the given number of failures (1 or more), before
// jitter.
func (s Schedule) nominal(failures int) time.Duration {
	if failures <= len(s.Quick) {
		return s.Quick[max(failures, 1)-1]
	}
	d := s.Base
	for range failures - len(s.Quick) - 1 {
		if d >= s.Max {
			break
		}
		d *= 2
	}
	return min(d, s.Max)
}

// delay is the delay after the given number of failures; chance is in [0, 1).
func (s Schedule) delay(failures int, chance float64) time.Duration {
	d := float64(s.nominal(failures))
	return time.Duration(d * (1 - s.Jitter + 2*s.Jitter*chance))
}

// attempts is how many attempts the schedule makes at least before it gives
// up. Counting attempts besides time keeps a clock that jumps, or a server that
// was off for days, from turning events into dead letters untried.
func (s Schedule) attempts() int {
	total := time.Duration(0)
	for n := 1; ; n++ {
		nominal := s.nominal(n)
		delay := time.Duration(float64(nominal) * (1 + s.Jitter))
		if n > len(s.Quick) && nominal == s.Max { // and so is every later one
			return n - 1 + int((s.GiveUp-total+delay-1)/delay)
		}
		if total += delay; total >= s.GiveUp {
			return n
		}
	}
}

// maxRetryAfter bounds what a destination may ask for.
const maxRetryAfter = 24 * time.Hour

// parseRetryAfter reads Retry-After (RFC 9110 section 10.2.3): seconds or an
// HTTP date. ok is false for anything else. The result is between 0 and
// maxRetryAfter.
func parseRetryAfter(value string, now time.Time) (after time.Duration, ok bool) {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0, false
	}
	if strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter, true // more digits than fit are more than a day
		}
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return max(0, min(maxRetryAfter, at.Sub(now))), true
}
