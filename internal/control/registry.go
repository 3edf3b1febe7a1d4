package control

import (
	"sync"
	"time"

	"parley"
	"parley/internal/conference"
	"parley/internal/media"
)

// call is a live call: its signalling, its record, and the conference that it
// is in or on its way to. It is the CallEvents of its signalling.
type call struct {
	c    *Control
	id   parley.ID
	gone chan struct{} // closed when the call is over

	mu     sync.Mutex
	record parley.Call // guarded by mu
	handle Call        // guarded by mu; set once
	conf   *conf       // guarded by mu; nil while the call stands by itself
	ring   *time.Timer // guarded by mu; while a ringing call waits for the API
	over   bool        // guarded by mu
}

// addCall makes a call known. It refuses with parley.CodeNoCapacity when there
// are too many.
func (c *Control) addCall(record parley.Call, conf *conf) (*call, error) {
	k := &call{c: c, id: record.ID, record: record, conf: conf, gone: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.calls) >= c.cfg.MaxCalls {
		return nil, parley.Errorf(parley.CodeNoCapacity, "the server takes %d calls", c.cfg.MaxCalls)
	}
	c.calls[k.id] = k
	return k, nil
}

// liveCall finds a live call of an application, nil for none.
func (c *Control) liveCall(app, id parley.ID) *call {
	c.mu.Lock()
	k := c.calls[id]
	c.mu.Unlock()
	if k == nil || k.snapshot().Application != app {
		return nil
	}
	return k
}

func (k *call) snapshot() parley.Call {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.record
}

// signalling is the call's edge.
func (k *call) signalling() Call {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.handle
}

// setSignalling gives the call its edge.
func (k *call) setSignalling(h Call) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.handle = h
}

// session is the call's media, nil for none.
func (k *call) session() *media.Session {
	if h := k.signalling(); h != nil {
		return h.Session()
	}
	return nil
}

func (k *call) hangup(reason string) {
	if h := k.signalling(); h != nil {
		h.Hangup(reason)
	}
}

// enter puts the call on its way to a conference; false if it is in one or
// over.
func (k *call) enter(f *conf) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.conf != nil || k.over {
		return false
	}
	k.stopRingLocked()
	k.conf = f
	k.record.Conference = f.id
	return true
}

// leave takes the call out of f. A call that goes on stands by itself from
// then on; one that is hung up keeps, in its record, where it was last.
func (k *call) leave(f *conf, goesOn bool) {
	k.mu.Lock()
	if k.conf != f {
		k.mu.Unlock()
		return
	}
	k.conf = nil
	goesOn = goesOn && !k.over
	if goesOn {
		k.record.Conference = ""
	}
	if goesOn && k.record.State == parley.CallRinging {
		k.startRingLocked()
	}
	record := k.record
	k.mu.Unlock()
	if goesOn {
		k.c.journal.put(&record)
	}
}

// startRingLocked gives the API its time to answer.
func (k *call) startRingLocked() {
	k.ring = time.AfterFunc(k.c.cfg.RingTime, func() { k.signalling().Reject(statusUnavailable) })
}

// stopRingLocked ends the time in which the API may answer.
func (k *call) stopRingLocked() {
	if k.ring != nil {
		k.ring.Stop()
		k.ring = nil
	}
}

// observe tells the conference that the call is in.
func (k *call) observe(in conference.Input) {
	k.mu.Lock()
	f := k.conf
	k.mu.Unlock()
	if f != nil {
		f.runner.Observe(in)
	}
}

// tellLocked makes the next event of the call's own stream.
func (k *call) tellLocked(at time.Time, fact parley.Fact) parley.Event {
	k.record.Seq++
	e, err := parley.NewEvent(k.id, k.record.Seq, k.record.Application, parley.MillisOf(at), fact)
	if err != nil {
		panic("control: " + err.Error()) // no value of parley causes it
	}
	return e
}

// seed is the beginning of the call's events.
func seed(r parley.Call, at time.Time) parley.CallSeed {
	return parley.CallSeed{
		CallID: r.ID, Time: parley.MillisOf(at), Direction: r.Direction, PartURI: r.PartURI, From: r.From, To: r.To, UserData: r.UserData,
	}
}

// Answered implements CallEvents.
func (k *call) Answered(at time.Time) {
	k.mu.Lock()
	k.stopRingLocked()
	k.record.State, k.record.AnswerTime = parley.CallUp, parley.MillisOf(at)
	e := k.tellLocked(at, &parley.CallAnsweredFact{CallSeed: seed(k.record, at)})
	record := k.record
	k.mu.Unlock()
	k.c.journal.put(&record, e)
	k.observe(conference.Answered{CallID: k.id, At: at})
}

// Held implements CallEvents.
func (k *call) Held(held bool, _ time.Time) { k.observe(conference.Held{CallID: k.id, Held: held}) }

// Ended implements CallEvents.
func (k *call) Ended(end CallEnd) {
	k.mu.Lock()
	if k.over {
		k.mu.Unlock()
		return
	}
	k.over = true
	k.stopRingLocked()
	k.record.State, k.record.EndTime = parley.CallEnded, parley.MillisOf(end.At)
	k.record.Reason, k.record.SIPStatus = end.Reason, end.Status
	var status *int
	if end.Status != 0 {
		status = &end.Status
	}
	e := k.tellLocked(end.At, &parley.CallEndedFact{CallSeed: seed(k.record, end.At), Reason: end.Reason, SIPStatus: status})
	record := k.record
	k.mu.Unlock()
	k.c.journal.put(&record, e)
	k.observe(conference.Left{CallID: k.id, At: end.At, Reason: end.Reason, Status: end.Status})
	k.c.mu.Lock()
	delete(k.c.calls, k.id)
	k.c.mu.Unlock()
	close(k.gone)
}

// Talking implements media.Facts.
func (k *call) Talking(_ parley.ID, talking bool, at time.Time) {
	k.observe(conference.Talking{CallID: k.id, Talking: talking, At: at})
}

// Digit implements media.Facts.
func (k *call) Digit(_ parley.ID, digit byte, d time.Duration, at time.Time) {
	k.observe(conference.Digit{CallID: k.id, Digit: digit, Duration: d, At: at})
}

// Silent implements media.Facts: a call without sound is over.
func (k *call) Silent(parley.ID, time.Time) { k.hangup(parley.ReasonMediaTimeout) }
