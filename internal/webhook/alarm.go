package webhook

import (
	"container/heap"
	"time"
)

// alarm is something to do at a time. It is owned by one lane or target, which
// sets it anew when it has fired.
type alarm struct {
	at    time.Time
	index int // in the heap, -1 outside
	fire  func()
}

// alarms is a heap of alarms, the earliest first.
type alarms []*alarm

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a alarms) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].index, a[j].index = i, j
}

// Push implements heap.Interface.
func (a *alarms) Push(x any) {
	e := x.(*alarm)
	e.index = len(*a)
	*a = append(*a, e)
}

// Pop implements heap.Interface.
func (a *alarms) Pop() any {
	old := *a
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*a = old[:len(old)-1]
	e.index = -1
	return e
}

// set makes e fire at the given time, whether it was set before or not.
func (a *alarms) set(e *alarm, at time.Time) {
	e.at = at
	if e.index >= 0 {
		heap.Fix(a, e.index)
		return
	}
	heap.Push(a, e)
}

// stop keeps e from firing.
func (a *alarms) stop(e *alarm) {
	if e.index >= 0 {
		heap.Remove(a, e.index)
	}
}

// due removes and gives the next alarm that is not later than now, nil if
// there is none.
func (a *alarms) due(now time.Time) *alarm {
	if len(*a) == 0 || (*a)[0].at.After(now) {
		return nil
	}
	return heap.Pop(a).(*alarm)
}
