package media

import "slices"

// A beat has slots, so that the mixes of a shard are spread over the 20 ms. A
// slot in which nothing is to be done does not wake the shard.
type slot struct {
	mixes []*Mix
	lobby []*Session // those in no mix, which send silence
	ports []*port    // of all the sessions of the slot
	uses  map[*port]int
	load  int // sessions
}

func (l *slot) busy() bool { return len(l.mixes) > 0 || len(l.lobby) > 0 }

func (l *slot) use(p *port) {
	p.users++
	l.load++
	if l.uses[p]++; l.uses[p] == 1 {
		l.ports = append(l.ports, p)
	}
}

func (l *slot) release(p *port) {
	p.users--
	l.load--
	if l.uses[p]--; l.uses[p] == 0 {
		delete(l.uses, p)
		l.ports = slices.DeleteFunc(l.ports, func(x *port) bool { return x == p })
	}
}

// lightest is the slot with the fewest sessions, then mixes.
func (sh *shard) lightest() *slot {
	best := &sh.slots[0]
	for i := range sh.slots {
		l := &sh.slots[i]
		if l.load < best.load || l.load == best.load && len(l.mixes) < len(best.mixes) {
			best = l
		}
	}
	return best
}

// home is the slot that m is in, or will be; for no mix the lightest.
func (sh *shard) home(m *Mix) *slot {
	if m == nil {
		return sh.lightest()
	}
	if m.home == nil {
		m.home = sh.lightest()
	}
	return m.home
}

// activate puts m on the beat, or off it, as it needs.
func (sh *shard) activate(m *Mix) {
	switch busy := m.busy() && !m.closed; {
	case busy && !m.active:
		sh.rouse()
		m.slot = sh.home(m)
		m.slot.mixes = append(m.slot.mixes, m)
		m.active = true
	case !busy && m.active:
		m.slot.mixes = slices.DeleteFunc(m.slot.mixes, func(x *Mix) bool { return x == m })
		m.slot, m.home, m.active = nil, nil, false
	}
}

// rouse lets the count of slots begin anew if the shard has had nothing to do.
func (sh *shard) rouse() {
	for i := range sh.slots {
		if sh.slots[i].busy() {
			return
		}
	}
	sh.done, sh.hold = int64(sh.now/slotTime), 0
}

// place puts a session into a slot: its mix's, or its port's.
func (sh *shard) place(s *Session) {
	switch {
	case s.slot != nil || s.closed.Load():
		return
	case s.mix != nil:
		s.slot = s.mix.slot
	case s.ready:
		sh.rouse()
		s.slot = s.port.home
		s.slot.lobby = append(s.slot.lobby, s)
	default:
		return
	}
	s.slot.use(s.port)
}

// unplace takes a session out of its slot.
func (sh *shard) unplace(s *Session) {
	if s.slot == nil {
		return
	}
	s.slot.release(s.port)
	if s.mix == nil {
		s.slot.lobby = slices.DeleteFunc(s.slot.lobby, func(x *Session) bool { return x == s })
	}
	s.slot = nil
}
