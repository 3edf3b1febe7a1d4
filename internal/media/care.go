package media

import (
	"runtime"
	"slices"
)

// survive keeps the beat going when code of a session, a source or a sink has
// panicked: what it belongs to is ended.
func (sh *shard) survive() {
	reason := recover()
	if reason == nil {
		return
	}
	sh.count.panics++
	sh.due = sh.due[:0]
	culprit := sh.current
	sh.current = nil
	stack := make([]byte, 4<<10)
	stack = stack[:runtime.Stack(stack, false)]
	switch c := culprit.(type) {
	case *Session:
		// Control is told by what it knows: no packet comes any more.
		sh.tell(fact{kind: factChore, fn: func() {
			if c.facts != nil {
				c.facts.Silent(c.call, sh.plane.cfg.Now())
			}
		}})
		c.params.Receive = false // its buffer is not to be trusted any more
		c.end()
	case *Playing:
		c.over = true
		c.mix.tidy()
		sh.stale = true
	case *Tap:
		c.mix.taps = slices.DeleteFunc(c.mix.taps, func(t *Tap) bool { return t == c })
		sh.stale = true
	}
	log := sh.plane.cfg.Logger
	sh.tell(fact{kind: factChore, fn: func() {
		log.Error("panic on the media beat", "reason", reason, "stack", string(stack))
	}})
}

// reactivate takes mixes off the beat that do not need it any more.
func (sh *shard) reactivate() {
	for i := range sh.slots {
		for _, m := range slices.Clone(sh.slots[i].mixes) {
			sh.activate(m)
		}
	}
}

// housekeep forgets what has been left by ended calls, and closes ports that
// have not been used for a while.
func (sh *shard) housekeep() {
	if sh.now-sh.tidied < tidyEvery {
		return
	}
	sh.tidied = sh.now
	sh.ports = slices.DeleteFunc(sh.ports, func(p *port) bool {
		if p.users == 0 {
			p.drain(sh) // who still sends after its call stays in quarantine
		}
		p.tidy(sh.now)
		if len(p.sessions) > 0 || len(p.ended)+len(p.unheard) > 0 || sh.now-p.emptied < quarantine {
			return false
		}
		return sh.tell(fact{kind: factChore, fn: func() { sh.plane.closePort(sh, p) }})
	})
}
