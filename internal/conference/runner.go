package conference

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"parley"
	"parley/internal/store"
)

// Ledger makes a write durable, or says why not. *ledger.Ledger is one.
type Ledger interface {
	// CommitThen calls then when w is durable and before anybody is told of its
	// events.
	CommitThen(ctx context.Context, w *store.Write, then func()) error
}

// Stage carries out effects. Perform is called on the runner's goroutine, in
// the order of the effects, and must not block; what comes of an effect is told
// to r.Observe.
type Stage interface {
	Perform(r *Runner, e Effect)
}

// Config is what a Runner needs.
type Config struct {
	Ledger Ledger
	Stage  Stage
	Logger *slog.Logger
	Now    func() time.Time
	// Retry is how long the runner waits before it tries again to write what
	// has happened; zero means 250 ms.
	Retry time.Duration
}

// maxBatch is how many inputs one commit takes.
const maxBatch = 64

// Runner owns one conference: its goroutine alone steps the machine. Inputs
// are taken in order; what they give is committed before it is acted on.
//
// Commands wait until the conference is active. Observations are never lost:
// while the store cannot write, the runner keeps them, refuses commands with
// parley.CodeStoreUnavailable, and goes on when it can.
type Runner struct {
	cfg   Config
	state atomic.Pointer[State]
	done  chan struct{}

	mu      sync.Mutex
	queue   []entry       // guarded by mu
	changed chan struct{} // guarded by mu; closed and replaced at every new state
	wake    chan struct{} // buffered, 1
}

// entry is an input in the queue; a command has an answer channel.
type entry struct {
	in     Input
	answer chan<- answer // buffered, 1; nil for an observation
}

type answer struct {
	state *State
	err   error
}

// Start makes the conference durable and starts its goroutine; it returns when
// Create is committed. On an error nothing was done. The goroutine ends when
// the conference has ended, and Done is closed then.
func Start(ctx context.Context, cfg Config, create Create) (*Runner, error) {
	if cfg.Retry == 0 {
		cfg.Retry = 250 * time.Millisecond
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	r := &Runner{cfg: cfg, done: make(chan struct{}), changed: make(chan struct{}), wake: make(chan struct{}, 1)}
	state, out, err := Step(State{}, create, cfg.Now())
	if err != nil {
		return nil, err
	}
	if err := cfg.Ledger.CommitThen(ctx, out.Write(), func() { r.state.Store(&state) }); err != nil {
		return nil, commitError(err)
	}
	go r.run(state, out.Effects)
	return r, nil
}

// State is the conference as it was last committed. It is not nil.
func (r *Runner) State() *State { return r.state.Load() }

// Done is closed when the conference has ended and its goroutine is gone.
func (r *Runner) Done() <-chan struct{} { return r.done }

// Do gives a command and waits until it is durable, or refused. The state is
// that after the command. If ctx ends first, the command may still be done.
func (r *Runner) Do(ctx context.Context, in Input) (*State, error) {
	c := make(chan answer, 1)
	r.put(entry{in, c})
	select {
	case a := <-c:
		return a.state, a.err
	case <-ctx.Done():
		return nil, &parley.Error{Code: parley.CodeStoreUnavailable, Message: "the command was not confirmed in time; it may still be done", Err: ctx.Err()}
	case <-r.done:
		select {
		case a := <-c:
			return a.state, a.err
		default:
			return nil, r.ended()
		}
	}
}

// Observe tells what has happened. It never blocks.
func (r *Runner) Observe(in Input) { r.put(entry{in: in}) }

// Await waits until the committed state satisfies ok, and gives it.
func (r *Runner) Await(ctx context.Context, ok func(*State) bool) (*State, error) {
	for {
		r.mu.Lock()
		changed := r.changed
		r.mu.Unlock()
		if s := r.State(); ok(s) {
			return s, nil
		}
		select {
		case <-changed:
		case <-r.done:
			if s := r.State(); ok(s) {
				return s, nil
			}
			return nil, r.ended()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (r *Runner) ended() error {
	return parley.Errorf(parley.CodeConferenceEnded, "the conference %s has ended", r.State().ID)
}

func (r *Runner) put(e entry) {
	r.mu.Lock()
	r.queue = append(r.queue, e)
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// take gives up to maxBatch inputs in order. While the conference is being
// created, commands other than End stay in the queue.
func (r *Runner) take(phase Phase) []entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	var batch, rest []entry
	for i, e := range r.queue {
		if len(batch) == maxBatch {
			rest = append(rest, r.queue[i:]...)
			break
		}
		if _, end := e.in.(End); phase == PhaseCreating && e.answer != nil && !end {
			rest = append(rest, e)
			continue
		}
		batch = append(batch, e)
	}
	r.queue = rest
	return batch
}

func (r *Runner) run(state State, effects []Effect) {
	defer close(r.done)
	defer func() { r.refuseRest(r.ended()) }()
	r.perform(effects)
	for state.Phase != PhaseEnded {
		batch := r.take(state.Phase)
		if len(batch) == 0 {
			if !r.sleep(state.Deadline()) {
				continue
			}
			batch = []entry{{in: Tick{}}}
		}
		state = r.turn(state, batch)
	}
}

// sleep waits for inputs or the deadline; it reports whether that has come.
func (r *Runner) sleep(deadline time.Time) (due bool) {
	if deadline.IsZero() {
		<-r.wake
		return false
	}
	timer := time.NewTimer(deadline.Sub(r.cfg.Now()))
	defer timer.Stop()
	select {
	case <-r.wake:
		return false
	case <-timer.C:
		return !r.cfg.Now().Before(deadline)
	}
}

// turn steps a batch, commits it, carries out its effects and answers its
// commands. When the store fails, the commands are refused as if they had
// never come, and the observations are tried again until they are written.
func (r *Runner) turn(old State, batch []entry) State {
	for {
		state, out, answers := r.stepAll(old, batch)
		err := r.commit(out, &state)
		if err == nil {
			r.perform(out.Effects)
			for i, e := range batch {
				if e.answer == nil {
					continue
				}
				if answers[i] != nil {
					e.answer <- answer{err: answers[i]}
				} else {
					e.answer <- answer{state: &state}
				}
			}
			return state
		}
		r.cfg.Logger.Error("conference not written, will try again", "conference", old.ID, "error", err)
		batch = refuse(batch, commitError(err))
		if len(batch) == 0 {
			return old
		}
		timer := time.NewTimer(r.cfg.Retry)
		<-timer.C
		r.mu.Lock()
		r.queue = refuse(r.queue, commitError(err))
		r.mu.Unlock()
	}
}

// stepAll steps the machine through the batch; answers has the refusals.
func (r *Runner) stepAll(state State, batch []entry) (State, Output, []error) {
	var all Output
	answers := make([]error, len(batch))
	for i, e := range batch {
		next, out, err := r.step(state, e.in)
		if err != nil {
			answers[i] = err
			continue
		}
		state = next
		all.Records = append(all.Records, out.Records...)
		all.Events = append(all.Events, out.Events...)
		all.Effects = append(all.Effects, out.Effects...)
	}
	return state, all, answers
}

// step is Step, with a fault of the machine made an error: one bad input must
// not take the conference with it.
func (r *Runner) step(s State, in Input) (next State, out Output, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.cfg.Logger.Error("conference machine panicked", "conference", s.ID, "input", fmt.Sprintf("%T", in), "panic", p, "stack", string(debug.Stack()))
			next, out, err = s, Output{}, parley.Errorf(parley.CodeInternal, "internal error")
		}
	}()
	return Step(s, in, r.cfg.Now())
}

// commit makes out durable and then shows the state that it led to: whoever is
// told of an event finds that state or a later one.
func (r *Runner) commit(out Output, state *State) error {
	if len(out.Records) == 0 && len(out.Events) == 0 {
		r.publish(state)
		return nil
	}
	return r.cfg.Ledger.CommitThen(context.Background(), out.Write(), func() { r.publish(state) })
}

func (r *Runner) publish(s *State) {
	r.state.Store(s)
	r.mu.Lock()
	close(r.changed)
	r.changed = make(chan struct{})
	r.mu.Unlock()
}

func (r *Runner) perform(effects []Effect) {
	for _, e := range effects {
		r.cfg.Stage.Perform(r, e)
	}
}

func (r *Runner) refuseRest(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = refuse(r.queue, err)
}

// refuse answers the commands among entries with err and gives the others.
func refuse(entries []entry, err error) []entry {
	var rest []entry
	for _, e := range entries {
		if e.answer == nil {
			rest = append(rest, e)
			continue
		}
		e.answer <- answer{err: err}
	}
	return rest
}

// Write is what out has for the store. A record changed more than once is
// written in its last form only.
func (out Output) Write() *store.Write {
	w := &store.Write{Events: out.Events}
	at := make(map[store.RowKey]int, len(out.Records))
	for _, record := range out.Records {
		row := store.Encode(record)
		key := store.RowKey{Kind: row.Kind, ID: row.ID}
		if i, ok := at[key]; ok {
			w.Put[i] = row
			continue
		}
		at[key] = len(w.Put)
		w.Put = append(w.Put, row)
	}
	return w
}

// commitError is a failed commit as a customer sees it.
func commitError(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return &parley.Error{Code: parley.CodeNameTaken, Field: "name", Message: "a live conference has this name", Err: err}
	}
	return &parley.Error{Code: parley.CodeStoreUnavailable, Message: "nothing can be written now; nothing was done", Err: err}
}
