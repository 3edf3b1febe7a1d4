package media

import (
	"time"

	"parley"
)

// Facts is told what a session hears. Its methods are called on a goroutine of
// the plane's own, in order for each session, and must not block for long:
// other sessions' facts wait.
type Facts interface {
	// Talking: the participant began or stopped talking. Debounced: it takes
	// some 100 ms of speech to begin and about a second of silence to stop.
	Talking(call parley.ID, talking bool, at time.Time)
	// Digit: a key was pressed, and held for duration (RFC 4733).
	Digit(call parley.ID, digit byte, duration time.Duration, at time.Time)
	// Silent: no packet has come for SilenceTimeout although the far end
	// should be sending. Told again only after a packet has come.
	Silent(call parley.ID, at time.Time)
}
