package webhook

import (
	"slices"
	"time"

	"parley"
)

// laneKey names a lane of a target. Replays have a lane of their own beside the
// stream's, so that whatever becomes of them does not disturb later events.
type laneKey struct {
	stream parley.ID
	replay bool
}

// laneState is what a lane is waiting for.
type laneState int

const (
	laneIdle    laneState = iota
	laneQueued            // for a slot at the destination
	laneWorking           // has a slot: an attempt or a read is under way
	laneWaiting           // for its next attempt
	laneBlocked           // for the target's breaker
)

// lane is the way of one stream's events to one webhook.
type lane struct {
	key    laneKey
	target *target
	state  laneState
	slot   *destination // where it has a slot, while it is working
	gone   bool         // the target was removed: results no longer count

	// queue holds the next events, all of them wanted. Events after them are
	// in the store: while behind is true, up to the position bound.
	queue  []parley.Event
	behind bool
	bound  int64
	read   int64   // the seq up to which events are queued or were not wanted
	pos    int64   // everything of the stream up to this position is settled
	seqs   []int64 // of a replay lane: what is still to be read

	record parley.Delivery // of the head, with its attempts so far
	alarm  alarm
	// failures is how often the head failed in a row with nothing delivered to
	// the target meanwhile: as seen, its count of deliveries, shows.
	failures int
	seen     int64
}

// empty reports whether nothing is left to do.
func (l *lane) empty() bool { return len(l.queue) == 0 && !l.behind && len(l.seqs) == 0 }

// target is a webhook that is delivered to.
type target struct {
	hook  parley.Webhook
	keys  [][]byte
	wants map[parley.EventType]bool // nil: everything
	dest  *destination

	lanes map[laneKey]*lane
	// recovering is true until the store has said where the webhook got to
	// before; until then its lanes only collect.
	recovering bool
	start      int64 // position of the subscription when recovering began
	// resume are attempts that were made before the lane was.
	resume map[string]parley.Delivery

	breaker breaker

	mark  int64 // the last watermark written
	dirty bool  // something was settled since
}

// set makes the target what the row says.
func (t *target) set(w parley.Webhook, keys [][]byte) {
	t.hook, t.keys, t.wants = w, keys, nil
	if slices.Contains(w.Events, "*") {
		return
	}
	t.wants = map[parley.EventType]bool{}
	for _, e := range parley.EventTypes() {
		t.wants[e] = w.Wants(e)
	}
}

// takes reports whether the webhook gets the event.
func (t *target) takes(e parley.Event) bool {
	return e.Position > t.hook.Start && (t.wants == nil || t.wants[e.Type])
}

// endpoint is what an attempt needs to know.
func (t *target) endpoint(c *Config) endpoint {
	e := endpoint{url: t.hook.URL, seed: t.hook.Format == parley.FormatSeed, keys: t.keys, client: c.Client}
	if t.hook.Trusted {
		e.client = c.Trusted
	}
	return e
}

// floor is the position up to which everything is settled; current is how far
// the subscription has been read.
func (t *target) floor(current int64) int64 {
	if t.recovering {
		return 0
	}
	low := current
	for key, l := range t.lanes {
		if !key.replay {
			low = min(low, l.pos)
		}
	}
	return low
}

// breaker keeps a failing destination from being tried by every lane.
type breaker struct {
	open     bool
	paused   bool  // opened by Retry-After: only the probe closes it
	probe    *lane // the one lane that may try
	extra    bool  // the probe is out of turn: its failure changes nothing
	failures int   // since it opened, the event's own before that included
	until    time.Time
	blocked  fifo[*lane]
	alarm    alarm

	successes int64              // answers of a destination that works
	exhausted map[parley.ID]bool // streams out of quick tries since the last of them
	last      time.Time          // of the last failure
}

// destination is an application's host: where the number of requests at once is
// limited.
type destination struct {
	key     string
	targets int // that lead here
	slots   int // taken
	queue   fifo[*lane]
}
