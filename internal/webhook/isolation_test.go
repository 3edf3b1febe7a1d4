package webhook

import (
	"fmt"
	"testing"
	"time"

	"parley"
)

func TestAHangingDestinationDelaysNobodyElse(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.Concurrency = 4
		w.restart()
		w.hook("dead")
		w.hook("live")
		dead, live := w.net.at("dead"), w.net.at("live")
		dead.always(hang())
		began := time.Now()
		for c := range 50 {
			w.tell(parley.ID(fmt.Sprint("c", c)), 3)
		}
		w.pass(0)
		want(t, "events that the live one accepted", len(live.accepted()), 150)
		for _, r := range live.requests() {
			if r.at != began {
				t.Fatalf("%s came after %v", r.id, r.at.Sub(began))
			}
		}
		w.pass(20 * time.Minute)
		want(t, "requests at once to the hanging one", dead.peak(), 4)
		w.tell("late", 1)
		w.pass(0)
		want(t, "events that the live one accepted", len(live.accepted()), 151)
	})
}

func TestAnotherApplicationsDestinationIsAnother(t *testing.T) {
	play(t, func(w *world) {
		w.cfg.Concurrency = 1
		w.restart()
		w.hook("shared")
		foreign := parley.Webhook{ID: "wh-other", Application: "other", URL: "http://shared.test/other", Events: []string{"*"}}
		w.save(foreign)
		shared := w.net.at("shared")
		shared.answers(func(r *request) answer {
			if r.stream() == "mine" {
				return hang()
			}
			return status(200)
		})
		w.tell("mine", 1)
		w.pass(time.Second)
		w.tellTypes("other", "theirs", parley.EventConfJoined)
		w.pass(0)
		want(t, "accepted", shared.accepted(), ids("theirs", 1, 1))
	})
}

func TestTheBreakerLetsOneProbeThroughAndThenEverythingDrains(t *testing.T) {
	play(t, func(w *world) {
		h := w.hook("a")
		a := w.net.at("a")
		down := true
		a.answers(func(*request) answer {
			if down {
				return answer{status: 500, after: time.Second}
			}
			return status(200)
		})
		const conferences, each = 20, 30
		for c := range conferences {
			w.tell(parley.ID(fmt.Sprint("c", c)), each)
		}
		w.pass(time.Minute) // the quick tries are over
		stats, err := w.d.Stats(w.t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want(t, "open breakers, lanes", []int{stats.OpenBreaks, stats.Lanes}, []int{1, conferences})
		quick := len(a.requests())
		if quick > conferences*3+2 {
			t.Errorf("%d requests before the breaker opened", quick)
		}
		a.peak()
		w.pass(10 * time.Hour)
		probes := a.requests()[quick:]
		want(t, "probes at once", a.peak(), 1)
		if len(probes) < 20 || len(probes) > 30 {
			t.Errorf("%d probes in ten hours", len(probes))
		}
		streams := map[string]bool{}
		for _, p := range probes {
			streams[p.stream()] = true
		}
		if len(streams) < 15 {
			t.Errorf("only %d conferences took part in the probes", len(streams))
		}
		a.locked(func() { down = false })
		w.pass(31 * time.Minute)
		want(t, "accepted", len(a.accepted()), conferences*each)
		for c := range conferences {
			name := fmt.Sprint("c", c)
			want(t, "order of "+name, of(name, a.accepted()), ids(name, 1, each))
		}
		w.pass(2 * time.Second)
		want(t, "behind", w.behind(h), []string{})
	})
}

func TestANewConferenceDoesNotWaitForABrokenOnesProbe(t *testing.T) {
	play(t, func(w *world) {
		w.hook("a")
		a := w.net.at("a")
		a.answers(func(r *request) answer {
			if r.stream() == "bad1" || r.stream() == "bad2" {
				return status(500)
			}
			return status(200)
		})
		w.tell("bad1", 1)
		w.tell("bad2", 1)
		w.pass(5 * time.Hour) // the next probe is up to half an hour away
		if s, _ := w.d.Stats(w.t.Context()); s.OpenBreaks != 1 {
			t.Fatal("the breaker is not open")
		}
		w.tell("good", 1)
		w.pass(0)
		want(t, "accepted", a.accepted(), ids("good", 1, 1))
	})
}

func TestSuccessesKeepTheBreakerClosed(t *testing.T) {
	play(t, func(w *world) {
		w.hook("a")
		a := w.net.at("a")
		a.answers(func(r *request) answer {
			if r.stream() == "good" {
				return status(200)
			}
			return status(500)
		})
		w.tell("bad1", 1)
		w.tell("bad2", 1)
		for range 300 {
			w.tell("good", 1)
			w.pass(time.Second)
			if s, _ := w.d.Stats(w.t.Context()); s.OpenBreaks > 0 {
				t.Fatalf("the breaker is open after %+v", s)
			}
		}
		want(t, "accepted", len(a.accepted()), 300)
	})
}

func TestExtraProbesComeOneAtATimeAndNotInAHurry(t *testing.T) {
	play(t, func(w *world) {
		w.hook("a")
		a := w.net.at("a")
		a.always(answer{status: 500, after: time.Second})
		w.tell("x", 1)
		w.tell("y", 1)
		w.pass(5 * time.Hour)
		before := len(a.requests())
		a.peak()
		for c := range 60 {
			w.tell(parley.ID(fmt.Sprint("c", c)), 1)
			w.pass(time.Second)
		}
		most := a.peak()
		if n := len(a.requests()) - before; n < 5 || n > 13 || most != 1 {
			t.Errorf("%d requests in a minute, %d at once", n, most)
		}
	})
}

// TestManyEventsOfAStoppedLaneAreReadFromTheStore has more than a lane holds.
func TestManyEventsOfAStoppedLaneAreReadFromTheStore(t *testing.T) {
	play(t, func(w *world) {
		w.hook("a", func(h *parley.Webhook) { h.Events = []string{"conf.joined"} })
		a := w.net.at("a")
		a.always(status(500))
		const n = 10 * laneQueue
		for range n {
			w.tellTypes(app, "c", parley.EventConfDTMF, parley.EventConfJoined)
		}
		w.pass(time.Minute)
		if s, _ := w.d.Stats(w.t.Context()); s.Queued > laneQueue {
			t.Errorf("%d events in memory", s.Queued)
		}
		a.always(answer{status: 200, after: time.Second})
		for range n { // more comes while it drains
			w.pass(time.Second)
			w.tell("c", 1)
		}
		w.pass(time.Hour)
		var wanted []string
		for i := 2; i <= 2*n; i += 2 {
			wanted = append(wanted, fmt.Sprint("c_", i))
		}
		wanted = append(wanted, ids("c", 2*n+1, 3*n)...)
		want(t, "accepted", a.accepted(), wanted)
	})
}

func TestALaneIsOneRequestAtATime(t *testing.T) {
	play(t, func(w *world) {
		w.hook("a")
		a := w.net.at("a")
		a.always(answer{status: 200, after: time.Second})
		w.tell("c", 10)
		w.pass(time.Minute)
		want(t, "at once", a.peak(), 1)
		want(t, "accepted", a.accepted(), ids("c", 1, 10))
		a.peak()
		for c := range 10 {
			w.tell(parley.ID(fmt.Sprint("d", c)), 2)
		}
		w.pass(time.Minute)
		want(t, "of ten conferences at once", a.peak(), 10)
	})
}

func TestARequestUnderWayIsNotCutOffAtOnceByClose(t *testing.T) {
	play(t, func(w *world) {
		h := w.hook("a")
		a := w.net.at("a")
		a.answers(func(r *request) answer {
			if r.stream() == "slow" {
				return answer{status: 200, after: 2 * time.Second}
			}
			return hang()
		})
		w.tell("slow", 2)
		w.tell("hanging", 1)
		w.pass(time.Second)
		began := time.Now()
		w.stop()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("Close took %v", took)
		}
		a.always(status(200))
		w.start()
		w.pass(time.Minute)
		want(t, "accepted in the end", sorted(a.accepted()), []string{"hanging_1", "slow_1", "slow_2"})
		want(t, "behind", w.behind(h), []string{})
	})
}
