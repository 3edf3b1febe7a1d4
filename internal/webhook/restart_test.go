package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"parley"
	"parley/internal/store"
)

func TestARestartGoesOnWhereItEnded(t *testing.T) {
	play(t, func(w *world) {
		h := w.hook("a")
		a := w.net.at("a")
		a.answers(func(r *request) answer {
			if r.stream() == "stuck" {
				return status(500)
			}
			return status(200)
		})
		w.tell("done", 3)
		w.tell("stuck", 40)
		w.tell("part", 2)
		w.pass(20 * time.Second) // stuck_1 was tried twice
		w.stop()
		w.start()
		w.stop() // nothing is lost by a stop before anything happened
		w.cfg.Chance = func() float64 { return 0.5 }
		w.start()
		w.tell("part", 1)
		w.tell("new", 1)
		w.pass(0)
		want(t, "accepted", sorted(a.accepted()), sorted(append(append(ids("done", 1, 3), ids("part", 1, 3)...), "new_1")))
		want(t, "order", of("part", a.accepted()), ids("part", 1, 3))
		d := w.delivery(h.ID, "evt_stuck_1")
		want(t, "attempts so far", d.Attempts, 2)
		w.pass(5*time.Second + 100*time.Millisecond)
		want(t, "attempts after the restart, on the old schedule", w.delivery(h.ID, "evt_stuck_1").Attempts, 3)
		a.always(status(200))
		w.pass(time.Hour)
		want(t, "the stuck conference", of("stuck", a.accepted()), ids("stuck", 1, 40))
		want(t, "behind", w.behind(h), []string{})
		before := len(a.requests())
		w.restart()
		w.pass(time.Hour)
		want(t, "requests after one more restart", len(a.requests())-before, 0)
	})
}

func TestDaysWithoutTheServerAreNotCountedAgainstAnEvent(t *testing.T) {
	play(t, func(w *world) {
		h := w.hook("a")
		a := w.net.at("a")
		a.always(status(500))
		w.tell("c", 1)
		w.pass(time.Minute)
		w.stop()
		w.pass(4 * 24 * time.Hour)
		w.start()
		w.pass(time.Hour)
		d := w.delivery(h.ID, "evt_c_1")
		if d.State != parley.DeliveryPending || d.Attempts < 6 {
			t.Errorf("delivery %+v, want one that is still tried", d)
		}
		a.always(status(200))
		w.pass(time.Hour)
		want(t, "accepted", a.accepted(), ids("c", 1, 1))
	})
}

func TestEventsWrittenWhileNobodyDeliveredArrive(t *testing.T) {
	play(t, func(w *world) {
		h := w.hook("a")
		a := w.net.at("a")
		w.tell("c", 2)
		w.pass(time.Minute)
		_ = w.d.Close() // the ledger goes on
		<-w.ended
		w.tell("c", 20)
		w.tell("e", 20)
		w.d = New(w.cfg)
		go func() { w.ended <- w.d.Run(context.Background()) }()
		w.tell("c", 3) // while it finds out what is behind
		w.tell("e", 3)
		w.pass(time.Minute)
		for _, stream := range []string{"c", "e"} {
			want(t, "accepted of "+stream, of(stream, a.accepted()), ids(stream, 1, int(w.seq[parley.ID(stream)])))
		}
		want(t, "behind", w.behind(h), []string{})
	})
}

func TestCursorsDoNotPileUp(t *testing.T) {
	play(t, func(w *world) {
		h := w.hook("a")
		w.net.at("a")
		for c := range 50 {
			w.tell(parley.ID(fmt.Sprint("c", c)), 3)
		}
		w.pass(time.Minute)
		// With the watermark nothing is behind even from the very start.
		list, err := w.store.Behind(w.t.Context(), h.ID, app, 0)
		if err != nil || len(list) != 0 {
			t.Errorf("behind %v, %v", list, err)
		}
		if s, _ := w.d.Stats(w.t.Context()); s.Lanes != 0 || s.Queued != 0 || s.Delivered != 150 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestReplay(t *testing.T) {
	play(t, func(w *world) {
		h := w.hook("a")
		a := w.net.at("a")
		a.answers(func(r *request) answer {
			if r.id == "evt_c_2" && r.attempt <= 3 {
				return status(400)
			}
			return status(200)
		})
		w.tell("c", 4)
		w.pass(time.Minute)
		want(t, "state", w.delivery(h.ID, "evt_c_2").State, parley.DeliveryDead)
		replay := func(seqs ...int64) {
			var events []parley.Event
			for _, seq := range seqs {
				e, err := w.store.Event(w.t.Context(), "c", seq)
				if err != nil {
					t.Fatal(err)
				}
				events = append(events, e)
			}
			if err := w.d.Replay(w.t.Context(), h.ID, events); err != nil {
				t.Fatal(err)
			}
		}
		replay(2)
		w.pass(time.Minute)
		d := w.delivery(h.ID, "evt_c_2")
		want(t, "after the replay", fmt.Sprintln(d.State, d.Attempts), "succeeded 1\n")
		want(t, "accepted", a.accepted(), []string{"c_1", "c_3", "c_4", "c_2"})
		want(t, "body of the replay", a.requests()[len(a.requests())-1].body, `{"event":"conf.joined","id":"c","event_id":"evt_c_2","seq":2}`)

		before := len(a.accepted())
		replay(1, 2, 3, 4)
		w.pass(time.Minute)
		want(t, "a range", a.accepted()[before:], ids("c", 1, 4))
	})
}

func TestAReplayThatFailsDisturbsNoLaterEvents(t *testing.T) {
	play(t, func(w *world) {
		h := w.hook("a")
		a := w.net.at("a")
		w.tell("c", 2)
		w.pass(time.Minute)
		e, err := w.store.Event(w.t.Context(), "c", 1)
		if err != nil {
			t.Fatal(err)
		}
		poisoned := true
		a.answers(func(r *request) answer {
			if r.id == "evt_c_1" && poisoned {
				return status(500)
			}
			return status(200)
		})
		if err := w.d.Replay(w.t.Context(), h.ID, []parley.Event{e}); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Hour)
		w.tell("c", 3)
		w.pass(0)
		want(t, "accepted", a.accepted(), ids("c", 1, 5))
		w.restart()
		w.tell("c", 1)
		w.pass(time.Minute)
		want(t, "accepted after a restart", a.accepted(), ids("c", 1, 6))
		a.locked(func() { poisoned = false })
		w.pass(time.Hour)
		want(t, "the replay arrives all the same", a.accepted(), append(ids("c", 1, 6), "c_1"))
		want(t, "state", w.delivery(h.ID, "evt_c_1").State, parley.DeliverySucceeded)
		n := len(a.requests())
		w.restart()
		w.pass(time.Hour)
		want(t, "requests after that", len(a.requests()), n)
	})
}

func TestWhatIsStillOnItsWayIsNotReplayed(t *testing.T) {
	play(t, func(w *world) {
		h := w.hook("a")
		a := w.net.at("a")
		a.always(status(500))
		w.tell("c", 2)
		w.pass(time.Second)
		var events []parley.Event
		for seq := range int64(2) {
			e, err := w.store.Event(w.t.Context(), "c", seq+1)
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, e)
		}
		if err := w.d.Replay(w.t.Context(), h.ID, events); err != nil {
			t.Fatal(err)
		}
		a.always(status(200))
		w.pass(time.Hour)
		want(t, "accepted", a.accepted(), ids("c", 1, 2))
		err := w.d.Replay(w.t.Context(), "nobody", events)
		want(t, "replay to a webhook that is not there", parley.CodeOf(err), parley.CodeInvalid)
	})
}

func TestRefresh(t *testing.T) {
	play(t, func(w *world) {
		h := w.hook("old")
		w.net.at("old").always(status(404))
		w.tell("c", 3)
		w.tell("d", 1)
		w.pass(time.Hour)
		if s, _ := w.d.Stats(w.t.Context()); s.OpenBreaks != 1 {
			t.Fatal("the breaker is not open")
		}
		moved := w.net.at("new")
		h.URL = "http://new.test/moved"
		w.save(h)
		w.pass(0)
		want(t, "accepted at once at the new URL", sorted(moved.accepted()), append(ids("c", 1, 3), "d_1"))
		want(t, "URL", moved.requests()[0].url, "http://new.test/moved")

		h.Secrets, h.Events = []string{"whsec_YmVmb3Jl"}, []string{"conf.end"}
		w.save(h)
		w.tellTypes(app, "c", parley.EventConfJoined, parley.EventConfEnd)
		w.pass(0)
		want(t, "accepted by the new filter", moved.accepted()[4:], ids("c", 5, 5))
		key, _ := ParseSecret("whsec_YmVmb3Jl")
		last := moved.requests()[4]
		want(t, "signature", last.header.Get("webhook-signature"), Sign([][]byte{key}, last.id, last.at.Unix(), []byte(last.body)))

		h.Disabled = true
		w.save(h)
		w.tellTypes(app, "c", parley.EventConfEnd)
		w.pass(time.Hour)
		want(t, "accepted while it is disabled", len(moved.accepted()), 5)
		h.Disabled = false
		w.save(h)
		w.pass(time.Minute)
		want(t, "accepted once it is enabled", moved.accepted()[5:], ids("c", 6, 6))

		w.commit(&store.Write{Delete: []store.RowKey{{Kind: store.KindWebhook, ID: string(h.ID)}}})
		if err := w.d.Refresh(w.t.Context()); err != nil {
			t.Fatal(err)
		}
		w.tellTypes(app, "c", parley.EventConfEnd)
		w.pass(time.Hour)
		want(t, "accepted once it is removed", len(moved.accepted()), 6)
	})
}

func TestTrustedWebhooksUseTheirOwnClient(t *testing.T) {
	play(t, func(w *world) {
		trusted := &network{receivers: map[string]*receiver{}}
		w.cfg.Trusted = withoutRedirects(w.cfg.Client)
		w.cfg.Trusted.Transport = trusted
		w.restart()
		w.hook("own", func(h *parley.Webhook) { h.Trusted = true })
		w.hook("customers")
		own := trusted.at("own")
		customers := w.net.at("customers")
		w.tell("c", 1)
		w.pass(0)
		want(t, "accepted", append(own.accepted(), customers.accepted()...), []string{"c_1", "c_1"})
	})
}

// faulty is a store that cannot be read while down is true.
type faulty struct {
	store.Store
	down *atomic.Bool
}

func (f faulty) err() error {
	if f.down.Load() {
		return fmt.Errorf("%w: as the test wants it", store.ErrUnavailable)
	}
	return nil
}

func (f faulty) List(ctx context.Context, q store.Query) ([]store.Row, error) {
	if err := f.err(); err != nil {
		return nil, err
	}
	return f.Store.List(ctx, q)
}

func (f faulty) Events(ctx context.Context, q store.EventQuery) ([]parley.Event, error) {
	if err := f.err(); err != nil {
		return nil, err
	}
	return f.Store.Events(ctx, q)
}

func (f faulty) Behind(ctx context.Context, webhook, application parley.ID, start int64) ([]store.Cursor, error) {
	if err := f.err(); err != nil {
		return nil, err
	}
	return f.Store.Behind(ctx, webhook, application, start)
}

func TestAStoreThatCannotBeReadDelaysAndLosesNothing(t *testing.T) {
	play(t, func(w *world) {
		var down atomic.Bool
		w.wrap = func(s store.Store) store.Store { return faulty{s, &down} }
		w.restart()
		h := w.hook("a")
		a := w.net.at("a")
		a.always(status(500))
		w.tell("c", 3*laneQueue)
		w.pass(time.Second)
		down.Store(true)
		a.always(status(200))
		w.pass(time.Minute)
		want(t, "what memory had", of("c", a.accepted()), ids("c", 1, laneQueue))
		if err := w.d.Refresh(w.t.Context()); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Refresh = %v", err)
		}
		w.tell("d", 2)
		w.pass(time.Second)
		want(t, "another conference", of("d", a.accepted()), ids("d", 1, 2))
		w.restart() // and the start has to wait for the store, too
		w.pass(time.Minute)
		down.Store(false)
		w.pass(10 * time.Second)
		want(t, "in the end", of("c", a.accepted()), ids("c", 1, 3*laneQueue))
		w.pass(2 * time.Second)
		want(t, "behind", w.behind(h), []string{})
		accepted := sorted(a.accepted())
		want(t, "accepted twice", len(accepted)-len(slices.Compact(slices.Clone(accepted))), 0)
	})
}

// TestALaneReadsNoFurtherThanTheSubscription keeps events from coming twice:
// those after the bound come through the subscription.
func TestALaneReadsNoFurtherThanTheSubscription(t *testing.T) {
	d := New(Config{Client: http.DefaultClient})
	tg := &target{hook: parley.Webhook{Start: 2, Events: []string{"conf.end"}}, lanes: map[laneKey]*lane{}}
	tg.set(tg.hook, nil)
	event := func(seq, position int64, typ parley.EventType) parley.Event {
		return parley.Event{Stream: "c", Seq: seq, Position: position, Type: typ}
	}
	stored := []parley.Event{
		event(1, 2, parley.EventConfEnd), // before the webhook's start
		event(2, 5, parley.EventConfJoined), event(3, 7, parley.EventConfEnd),
		event(4, 9, parley.EventConfEnd), // committed, not handed over yet
	}
	l := d.newLane(tg, laneKey{stream: "c"})
	l.behind, l.bound = true, 8
	d.fill(l, stored, 8)
	if len(l.queue) != 1 || l.queue[0].Seq != 3 || l.read != 3 || l.pos != 5 || l.behind || d.queued != 1 {
		t.Errorf("lane %+v", l)
	}
	l = d.newLane(tg, laneKey{stream: "c"})
	l.behind, l.bound = true, 9 // the next event came while the store was read
	d.fill(l, stored[:3], 8)
	if len(l.queue) != 1 || !l.behind {
		t.Errorf("lane %+v is not behind, though an event came meanwhile", l)
	}
}

func TestTheWatermarkStopsAtWhatIsNotSettled(t *testing.T) {
	tg := &target{lanes: map[laneKey]*lane{}}
	want(t, "without lanes", tg.floor(100), 100)
	tg.lanes[laneKey{stream: "a"}] = &lane{pos: 40}
	tg.lanes[laneKey{stream: "b"}] = &lane{pos: 70}
	tg.lanes[laneKey{stream: "b", replay: true}] = &lane{}
	want(t, "with lanes", tg.floor(100), 40)
	tg.recovering = true
	want(t, "before it is known what is behind", tg.floor(100), 0)
}
