package media

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"parley/internal/codec"
	"parley/internal/pcm"
)

const (
	beatTime = pcm.FrameDuration
	// slots is how many parts a beat has, slotTime their length.
	slots    = 8
	slotTime = beatTime / slots

	// lateAfter is how late a beat may begin without being counted.
	lateAfter = 5 * time.Millisecond
	// backlog is how many beats are made up for after a stall; what lies
	// further back is left out. They come catchUp apart, not in one burst.
	backlog = 3
	catchUp = 5 * time.Millisecond

	// opsQueue is how many closures can wait for a shard, opsBudget how many
	// are carried out before the time is looked at again.
	opsQueue  = 256
	opsBudget = 64
	// dueSize is how many sessions are looked at after a beat.
	dueSize = 256
	// tidyEvery is how often what is left of ended calls is cleared away.
	tidyEvery = time.Second
)

// op is a closure to be carried out between two beats.
type op struct {
	fn   func()
	done chan struct{}
}

// shardCounts is counted by the beat, and published after it.
type shardCounts struct {
	beats, late, skipped, lost, in, unknown, malformed, panics int64
}

// shard is one beat: a goroutine that owns mixes, sessions and ports.
type shard struct {
	plane    *Plane
	alarm    *alarm
	ops      chan *op
	quit     chan struct{} // closed to stop
	stopped  chan struct{} // closed when stopped
	sessions atomic.Int64
	mixes    atomic.Int64
	openPort atomic.Int64
	facts    ring
	counts   [10]atomic.Int64 // shardCounts and what the outbox counts

	// All below is the goroutine's.
	silence  time.Duration
	clock    func() time.Duration // since the shard was made
	now      time.Duration        // by clock, at the last look
	nowWall  time.Time            // the same moment by Config.Now
	done     int64                // the last slot that was run, counted since clock was 0
	hold     time.Duration        // no beat before this: beats are being caught up
	slots    [slots]slot
	ports    []*port
	inbox    *inbox
	outbox   *outbox
	silences [][]byte // by codec: a frame of silence
	due      []*Session
	stale    bool // a mix may not need the beat any more
	current  any  // the session, playing or tap whose code runs
	count    shardCounts
	rng      *rand.Rand
	tidied   time.Duration
	timer    *time.Timer // while there is nothing to do
}

func newShard(p *Plane) *shard {
	epoch := time.Now()
	sh := &shard{
		plane: p, ops: make(chan *op, opsQueue), quit: make(chan struct{}), stopped: make(chan struct{}),
		silence: p.cfg.SilenceTimeout, nowWall: p.cfg.Now(),
		clock: func() time.Duration { return time.Since(epoch) },
		inbox: newInbox(), outbox: newOutbox(), due: make([]*Session, 0, dueSize),
		rng: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
	}
	for i := range sh.slots {
		sh.slots[i].uses = make(map[*port]int)
	}
	for _, f := range codec.Formats() {
		enc, _ := codec.NewEncoder(f) // every format of the list has one
		sh.silences = append(sh.silences, enc.Encode(nil, make([]int16, mixFrame)))
	}
	sh.timer = time.NewTimer(time.Hour)
	sh.timer.Stop()
	return sh
}

// codecIndex is f's place in shard.silences and Mix.shared.
func codecIndex(f codec.Format) int { return slices.Index(codec.Formats(), f) }

// do carries fn out between two beats and waits for that; false when the shard
// has stopped.
func (sh *shard) do(fn func()) bool {
	o := &op{fn: fn, done: make(chan struct{})}
	select {
	case sh.ops <- o:
	case <-sh.stopped:
		return false
	}
	sh.alarm.ring()
	select {
	case <-o.done:
		return true
	case <-sh.stopped:
		// The last closures were carried out before stopped was closed.
		select {
		case <-o.done:
			return true
		default:
			return false
		}
	}
}

// tell passes a fact on; false when there is no room for it now.
func (sh *shard) tell(f fact) bool {
	if !sh.facts.put(f) {
		return false
	}
	select {
	case sh.plane.wake <- struct{}{}:
	default:
	}
	return true
}

// wall is a time of the beat as a time of day.
func (sh *shard) wall(t time.Duration) time.Time { return sh.nowWall.Add(t - sh.now) }

// run is the shard's goroutine.
func (sh *shard) run() {
	// The thread is the beat's own, for its priority, and ends with it: it is
	// not unlocked.
	runtime.LockOSThread()
	prefer()
	sh.look()
	for sh.wait() {
		sh.look()
		sh.beats()
		sh.housekeep()
		sh.publish()
	}
	for {
		select {
		case o := <-sh.ops:
			sh.carryOut(o)
		default:
			sh.publish()
			close(sh.stopped)
			return
		}
	}
}

// look takes the time.
func (sh *shard) look() {
	sh.now = sh.clock()
	sh.nowWall = sh.plane.cfg.Now()
}

// wait waits for the next slot in which there is something to do, carrying out
// closures meanwhile. It returns false when the shard is to stop.
func (sh *shard) wait() bool {
	for n := 0; ; n++ {
		select {
		case o := <-sh.ops:
			sh.carryOut(o)
			if n < opsBudget {
				continue
			}
		case <-sh.quit:
			return false
		default:
		}
		at, ok := sh.nextSlot()
		if !ok {
			if due, alive := sh.idle(); due || !alive {
				return alive
			}
			continue
		}
		d := at - sh.clock()
		if d <= 0 {
			return true
		}
		sh.alarm.set()
		if len(sh.ops) > 0 {
			sh.alarm.unset()
			continue
		}
		sh.alarm.sleep(d)
	}
}

// nextSlot is when there is something to do; false while there is nothing.
func (sh *shard) nextSlot() (time.Duration, bool) {
	for n := sh.done + 1; n <= sh.done+slots; n++ {
		if sh.slots[n%slots].busy() {
			return max(sh.hold, time.Duration(n)*slotTime), true
		}
	}
	return 0, false
}

// idle waits, without a slot to be run, for the next closure: for ever when
// there are no ports to be tidied up. due means that there are.
func (sh *shard) idle() (due, alive bool) {
	var tick <-chan time.Time
	if len(sh.ports) > 0 {
		sh.timer.Reset(max(0, sh.tidied+tidyEvery-sh.clock()))
		tick = sh.timer.C
	}
	select {
	case o := <-sh.ops:
		sh.carryOut(o)
		return false, true
	case <-tick:
		return true, true
	case <-sh.quit:
		return false, false
	}
}

func (sh *shard) carryOut(o *op) {
	sh.look()
	defer close(o.done)
	o.fn()
	sh.outbox.flush()
}

// beats runs the slots whose time has come.
func (sh *shard) beats() {
	if sh.now < sh.hold {
		return
	}
	reached := int64(sh.now / slotTime)
	if behind := reached - sh.done - slots; behind > backlog*slots {
		sh.leaveOut((behind - backlog*slots + slots - 1) / slots)
	}
	until := min(reached, sh.done+slots)
	for n := sh.done + 1; n <= until; n++ {
		sh.done = n
		if l := &sh.slots[n%slots]; l.busy() {
			sh.runSlot(l, time.Duration(n)*slotTime)
		}
	}
	sh.hold = 0
	if sh.done < reached {
		sh.hold = sh.now + catchUp
	}
	if sh.stale {
		sh.stale = false
		sh.reactivate()
	}
}

// leaveOut lets the time go on by so many beats that are too late to be run.
func (sh *shard) leaveOut(beats int64) {
	sh.done += beats * slots
	for i := range sh.slots {
		l := &sh.slots[i]
		for _, m := range l.mixes {
			sh.count.skipped += beats
			for _, s := range m.sessions {
				s.skip(int(beats) * mixFrame)
			}
		}
		for _, s := range l.lobby {
			s.skip(int(beats) * mixFrame)
		}
	}
}

// runSlot runs the mixes of a slot, for the time due. A panic of one session's
// code ends that session.
func (sh *shard) runSlot(l *slot, due time.Duration) {
	defer sh.survive()
	sh.look()
	for _, p := range l.ports {
		p.drain(sh)
	}
	for _, m := range l.mixes {
		sh.count.beats++
		if sh.now-due > lateAfter {
			sh.count.late++
		}
		m.beat(due)
	}
	for _, s := range l.lobby {
		sh.current = s
		s.listen(due)
		s.send(sh.silences[s.out.codec])
		s.next()
	}
	sh.current = nil
	sh.outbox.flush()
	for _, s := range sh.due {
		sh.current = s
		s.look()
	}
	sh.current = nil
	sh.due = sh.due[:0]
	sh.outbox.flush()
}

// next counts the beats of a session until it is to be looked at.
func (s *Session) next() {
	if s.tick--; s.tick == 0 {
		sh := s.shard
		if len(sh.due) == cap(sh.due) {
			s.tick = 1
			return
		}
		sh.due = append(sh.due, s)
		s.tick = lookInterval
	}
}

// choice says which ports a session may be opened on.
type choice uint8

const (
	// best are those of the slot that the session will be in, so that the
	// packets of a beat come and go in few batches, where it can be told apart.
	best     choice = iota
	anywhere        // of other slots too
	anyhow          // where it may not be told apart, if it is behind a NAT
)

// attach opens a session, that is to join m if that is not nil, on the first
// port that will do; false when there is none.
func (sh *shard) attach(s *Session, m *Mix, c choice) bool {
	home := sh.home(m)
	for _, p := range sh.ports {
		if p.room() && (c > best || p.home == home) && (c == anyhow || p.clear(s.peer)) {
			sh.attachTo(s, p)
			return true
		}
	}
	return false
}

// attachNew opens a session on a new port.
func (sh *shard) attachNew(s *Session, m *Mix, p *port) {
	p.home = sh.home(m)
	sh.ports = append(sh.ports, p)
	sh.attachTo(s, p)
}

func (sh *shard) attachTo(s *Session, p *port) {
	s.port = p
	p.sessions = append(p.sessions, s)
	s.tick = uint8(1 + sh.rng.IntN(lookInterval))
	sh.sessions.Add(1)
}

// publish makes the counts visible to others.
func (sh *shard) publish() {
	c, o := &sh.count, sh.outbox
	for i, v := range [...]int64{c.beats, c.late, c.skipped, c.lost, c.in, c.unknown, c.malformed, c.panics, o.sent, o.failed} {
		sh.counts[i].Store(v)
	}
}
