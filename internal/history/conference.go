package history

import "fmt"

// conference is what is known while the events of one are walked in order.
type conference struct {
	*run
	*stream
	begin   *int64
	end     *event
	failed  bool // it never began
	calls   map[string]*event
	quits   map[string]bool
	plays   map[string]*span
	records map[string]*span
	told    map[string]int64 // what was told, and under which seq
}

// span is a playback or recording.
type span struct {
	begun bool
	ended bool
}

// checkConference walks the events of a conference in the order of seq.
func (r *run) checkConference(s *stream) {
	c := &conference{
		run: r, stream: s, calls: map[string]*event{}, quits: map[string]bool{},
		plays: map[string]*span{}, records: map[string]*span{}, told: map[string]int64{},
	}
	for i, e := range s.events {
		if i == 0 && e.Seq == 1 {
			c.first(e)
		}
		c.step(e)
	}
	c.finish()
}

func (c *conference) violation(cat Category, e *event, format string, args ...any) {
	c.report(cat, c.id, e.Seq, "%s %s", e.Event, fmt.Sprintf(format, args...))
}

// first wants conf.create.succ, or the conf.end of a conference that never was.
func (c *conference) first(e *event) {
	switch e.Event {
	case "conf.create.succ":
	case "conf.end":
		c.failed = true
	default:
		c.violation(First, e, "is first")
	}
}

// step takes the next event.
func (c *conference) step(e *event) {
	if c.end != nil {
		c.violation(Last, e, "comes after conf.end")
	}
	if _, six := seedFields()[e.Event]; six {
		if seq, twice := c.told[e.rest]; twice {
			c.violation(Duplicated, e, "tells what seq %d told", seq)
		}
		c.told[e.rest] = e.Seq
	}
	c.within(e)
	switch e.Event {
	case "conf.create.succ":
		c.created(e)
	case "conf.end":
		c.ended(e)
	case "conf.joined":
		c.joined(e)
	case "conf.quit":
		c.quit(e)
	case "conf.play_start":
		c.begun(e, c.plays, e.PlaybackID)
	case "conf.play_end":
		c.over(e, c.plays, e.PlaybackID)
	case "conf.record_start":
		c.begun(e, c.records, e.RecordingID)
	case "conf.record_end":
		c.over(e, c.records, e.RecordingID)
	}
}

func (c *conference) created(e *event) {
	if e.Seq != 1 {
		c.violation(First, e, "is not first")
	}
	if e.BeginTime == nil {
		c.violation(Times, e, "has no begin_time")
	}
	c.begin = e.BeginTime
}

func (c *conference) ended(e *event) {
	c.end = e
	switch {
	case c.failed:
		if e.BeginTime != nil || e.EndTime != nil {
			c.violation(Times, e, "has times, of a conference that never began")
		}
		if e.Error == nil {
			c.violation(Malformed, e, "does not say why the conference never began")
		}
	case e.BeginTime == nil || e.EndTime == nil:
		c.violation(Times, e, "has no times")
	case *e.EndTime < *e.BeginTime:
		c.violation(Times, e, "ends %d ms before it begins", *e.BeginTime-*e.EndTime)
	case c.begin != nil && *e.BeginTime != *c.begin:
		c.violation(Times, e, "begins at %d, conf.create.succ said %d", *e.BeginTime, *c.begin)
	}
}

// callKey tells two stays of one call apart.
func callKey(e *event) string { return fmt.Sprint(e.CallID, " at ", *e.JoinTime) }

func (c *conference) joined(e *event) {
	if e.JoinTime == nil {
		c.violation(Times, e, "has no join_time")
		return
	}
	key := callKey(e)
	if c.calls[key] != nil {
		c.violation(Unpaired, e, "of call %s comes twice", key)
	}
	c.calls[key] = e
}

func (c *conference) quit(e *event) {
	if e.JoinTime == nil || e.QuitTime == nil {
		c.violation(Times, e, "lacks a time")
		return
	}
	if *e.QuitTime < *e.JoinTime {
		c.violation(Times, e, "quits %d ms before it joins", *e.JoinTime-*e.QuitTime)
	}
	key := callKey(e)
	switch {
	case c.calls[key] == nil:
		c.violation(Unpaired, e, "of call %s has no conf.joined", key)
	case c.quits[key]:
		c.violation(Unpaired, e, "of call %s comes twice", key)
	case c.calls[key].PartURI != e.PartURI:
		c.violation(Unpaired, e, "is of %s, conf.joined of %s", e.PartURI, c.calls[key].PartURI)
	}
	c.quits[key] = true
}

func (c *conference) begun(e *event, spans map[string]*span, id string) {
	if spans[id] != nil {
		c.violation(Unpaired, e, "of %s comes twice", id)
		return
	}
	spans[id] = &span{begun: true}
}

func (c *conference) over(e *event, spans map[string]*span, id string) {
	s := spans[id]
	switch {
	case s == nil && !c.checker.Filtered:
		c.violation(Unpaired, e, "of %s has no beginning", id)
	case s != nil && s.ended:
		c.violation(Unpaired, e, "of %s comes twice", id)
	}
	if s == nil {
		s = &span{}
		spans[id] = s
	}
	s.ended = true
	switch {
	case e.BeginTime == nil || e.EndTime == nil:
		c.violation(Times, e, "has no times")
	case *e.EndTime < *e.BeginTime:
		c.violation(Times, e, "ends %d ms before it begins", *e.BeginTime-*e.EndTime)
	case e.DurationMS < 0 || e.DurationMS > *e.EndTime-*e.BeginTime+slack:
		c.violation(Times, e, "lasts %d ms between times %d ms apart", e.DurationMS, *e.EndTime-*e.BeginTime)
	}
}

// slack is what a recording's sound may be longer than its times say, in ms:
// frames that were under way.
const slack = 1000

// within wants every time of an event after the conference's beginning.
func (c *conference) within(e *event) {
	if c.begin == nil || e.Event == "conf.end" {
		return
	}
	for _, at := range []*int64{e.Time, e.BeginTime, e.EndTime, e.JoinTime, e.QuitTime} {
		if at != nil && *at < *c.begin {
			c.violation(Times, e, "is %d ms before the conference's beginning", *c.begin-*at)
		}
	}
}

// finish looks at what is left when the last event was walked.
func (c *conference) finish() {
	last := c.events[len(c.events)-1]
	if c.end == nil {
		if !c.checker.Live {
			c.violation(Last, last, "is last, and not conf.end")
		}
		return
	}
	for key, joined := range c.calls {
		if !c.quits[key] {
			c.violation(Unpaired, joined, "of call %s has no conf.quit", key)
		}
	}
	for kind, spans := range map[string]map[string]*span{"playback": c.plays, "recording": c.records} {
		for id, s := range spans {
			if s.begun && !s.ended {
				c.report(Unpaired, c.id, 0, "%s %s has no end", kind, id)
			}
		}
	}
	if c.end.EndTime == nil {
		return
	}
	for _, e := range c.events {
		for _, at := range []*int64{e.Time, e.BeginTime, e.EndTime, e.JoinTime, e.QuitTime} {
			if at != nil && *at > *c.end.EndTime {
				c.violation(Times, e, "is %d ms after the conference's end", *at-*c.end.EndTime)
			}
		}
	}
}
