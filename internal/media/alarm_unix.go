//go:build unix && !linux

package media

import "time"

// alarm lets a beat sleep until its next slot.
type alarm struct {
	timer *time.Timer
	rung  chan struct{}
}

func newAlarm() (*alarm, error) {
	a := &alarm{timer: time.NewTimer(time.Hour), rung: make(chan struct{}, 1)}
	a.timer.Stop()
	return a, nil
}

func (a *alarm) close() {}

// ring ends the sleep, or the next one.
func (a *alarm) ring() {
	select {
	case a.rung <- struct{}{}:
	default:
	}
}

// sleep sleeps for d, or until ring.
func (a *alarm) sleep(d time.Duration) {
	a.timer.Reset(d)
	select {
	case <-a.timer.C:
	case <-a.rung:
	}
}

func (a *alarm) set() {}

func (a *alarm) unset() {}

// moreProcs does nothing: the thread of a sleeping beat keeps no processor.
func moreProcs(int) {}
