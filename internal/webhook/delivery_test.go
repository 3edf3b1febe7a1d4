package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"parley"
	"parley/internal/store"
)

func TestAnEventIsPostedAsTheContractSays(t *testing.T) {
	play(t, func(w *world) {
		w.hook("full", func(h *parley.Webhook) { h.Secrets = []string{"whsec_YmVmb3Jl", secret} })
		w.hook("seed", func(h *parley.Webhook) { h.Format = parley.FormatSeed })
		full, seed := w.net.at("full"), w.net.at("seed")
		w.tell("c1", 1)
		w.pass(0)

		r := full.requests()[0]
		want(t, "body", r.body, `{"event":"conf.joined","id":"c1","event_id":"evt_c1_1","seq":1}`)
		want(t, "body in the format seed", seed.requests()[0].body, `{"event":"conf.joined","id":"c1"}`)
		want(t, "URL", r.url, "http://full.test/hook")
		timestamp := time.Now().Unix()
		for header, value := range map[string]string{
			"Content-Type":      "application/json; charset=utf-8",
			"User-Agent":        "parley",
			"webhook-id":        "evt_c1_1",
			"webhook-timestamp": strconv.FormatInt(timestamp, 10),
		} {
			want(t, header, r.header.Get(header), value)
		}
		first, _ := ParseSecret("whsec_YmVmb3Jl")
		second, _ := ParseSecret(secret)
		want(t, "signature", r.header.Get("webhook-signature"), Sign([][]byte{first, second}, r.id, timestamp, []byte(r.body)))
	})
}

func TestAWebhookGetsWhatItAskedFor(t *testing.T) {
	play(t, func(w *world) {
		w.tell("early", 1)
		w.hook("all")
		w.hook("default", func(h *parley.Webhook) { h.Events = nil })
		w.hook("ends", func(h *parley.Webhook) { h.Events = []string{"conf.end"} })
		w.hook("foreign", func(h *parley.Webhook) { h.Application = "other" })
		w.hook("disabled", func(h *parley.Webhook) { h.Disabled = true })
		for _, name := range []string{"all", "default", "ends", "foreign", "disabled"} {
			w.net.at(name)
		}
		w.tellTypes(app, "c", parley.EventConfCreateSucc, parley.EventConfDTMF, parley.EventConfJoinFail)
		w.tellTypes("other", "f", parley.EventConfJoined)
		w.tellTypes(app, "c", parley.EventConfTalkingStart, parley.EventConfEnd)
		w.pass(time.Minute)
		want(t, "all", w.net.at("all").accepted(), ids("c", 1, 5))
		want(t, "default", w.net.at("default").accepted(), []string{"c_1", "c_3", "c_5"})
		want(t, "ends", w.net.at("ends").accepted(), []string{"c_5"})
		want(t, "foreign", w.net.at("foreign").accepted(), []string{"f_1"})
		want(t, "disabled", w.net.at("disabled").accepted(), []string{})
	})
}

func TestTheDeliveryIsRecorded(t *testing.T) {
	play(t, func(w *world) {
		h := w.hook("a")
		w.net.at("a").answers(func(r *request) answer {
			if r.attempt == 1 {
				return answer{after: 30 * time.Millisecond, err: errors.New("connection reset")}
			}
			return answer{status: 201, body: "thanks\xff", after: 40 * time.Millisecond}
		})
		began := parley.MillisOf(time.Now())
		w.tell("c", 1)
		w.pass(time.Second)
		d := w.delivery(h.ID, "evt_c_1")
		want(t, "after the first attempt", d, parley.Delivery{
			Webhook: h.ID, EventID: "evt_c_1", Stream: "c", Seq: 1, EventType: parley.EventConfJoined, State: parley.DeliveryPending,
			Attempts: 1, LastError: "connection reset", LatencyMS: 30, FirstTime: began, LastTime: began + 30, NextTime: began + 30 + 5000,
		})
		w.pass(time.Minute)
		d = w.delivery(h.ID, "evt_c_1")
		want(t, "after the second", d, parley.Delivery{
			Webhook: h.ID, EventID: "evt_c_1", Stream: "c", Seq: 1, EventType: parley.EventConfJoined, State: parley.DeliverySucceeded,
			Attempts: 2, LastStatus: 201, LatencyMS: 40, Response: "thanks\uFFFD", FirstTime: began, LastTime: began + 30 + 5000 + 40,
		})
		want(t, "behind", w.behind(h), []string{})
	})
}

func TestAFailingEventHoldsBackOnlyItsOwnConference(t *testing.T) {
	play(t, func(w *world) {
		w.hook("a")
		a := w.net.at("a")
		healed := false
		a.answers(func(r *request) answer {
			if r.id == "evt_bad_2" && !healed {
				return status(500)
			}
			return status(200)
		})
		for range 5 {
			w.tell("bad", 1)
			w.tell("good", 1)
		}
		w.pass(0)
		want(t, "accepted at once", of("good", a.accepted()), ids("good", 1, 5))
		want(t, "of the failing conference", of("bad", a.accepted()), ids("bad", 1, 1))
		w.pass(10 * time.Minute)
		want(t, "of the failing conference after ten minutes", of("bad", a.accepted()), ids("bad", 1, 1))
		w.tell("good", 3)
		w.pass(0)
		want(t, "of the good one", of("good", a.accepted()), ids("good", 1, 8))
		a.locked(func() { healed = true })
		w.pass(time.Hour)
		want(t, "in the end", of("bad", a.accepted()), ids("bad", 1, 5))
	})
}

func TestAttemptsFollowTheScheduleForThreeDays(t *testing.T) {
	play(t, func(w *world) {
		h := w.hook("a")
		a := w.net.at("a")
		a.always(answer{status: 503, body: "down"})
		w.tell("c", 2)
		w.pass(71 * time.Hour)
		s := DefaultSchedule()
		at := time.Duration(0)
		for n, offset := range a.offsets() {
			if n > 0 {
				at += s.nominal(n)
			}
			if offset != at {
				t.Fatalf("attempt %d after %v, want %v", n+1, offset, at)
			}
		}
		d := w.delivery(h.ID, "evt_c_1")
		want(t, "state within three days", d.State, parley.DeliveryPending)
		for _, r := range a.requests() {
			want(t, "event", r.id, "evt_c_1")
		}
		w.pass(90 * time.Minute)
		d = w.delivery(h.ID, "evt_c_1")
		want(t, "state after three days", d.State, parley.DeliveryDead)
		want(t, "status, answer", fmt.Sprintln(d.LastStatus, d.Response, d.NextTime), "503 down 0\n")
		if age := time.Duration(d.LastTime-d.FirstTime) * time.Millisecond; age < s.GiveUp || age > s.GiveUp+s.Max {
			t.Errorf("given up after %v", age)
		}
		a.always(status(204))
		w.pass(time.Hour)
		want(t, "accepted after the dead letter", a.accepted(), ids("c", 2, 2))
		want(t, "behind", w.behind(h), []string{})
	})
}

func TestARefusedEventIsDeadAfterTheQuickTriesAndTheOrderGoesOn(t *testing.T) {
	play(t, func(w *world) {
		h := w.hook("a")
		a := w.net.at("a")
		a.answers(func(r *request) answer {
			if r.id == "evt_c_2" {
				return answer{status: 422, body: "unknown call"}
			}
			return status(200)
		})
		w.tell("c", 4)
		w.pass(0)
		want(t, "accepted while it is tried", a.accepted(), ids("c", 1, 1))
		w.pass(time.Minute)
		want(t, "accepted", a.accepted(), []string{"c_1", "c_3", "c_4"})
		want(t, "when", a.offsets(), []time.Duration{0, 0, 5 * time.Second, 25 * time.Second, 25 * time.Second, 25 * time.Second})
		d := w.delivery(h.ID, "evt_c_2")
		want(t, "dead letter", fmt.Sprintln(d.State, d.Attempts, d.LastStatus, d.LastError, d.Response), "dead 3 422 answered 422 unknown call\n")
		want(t, "behind", w.behind(h), []string{})
	})
}

func TestGoneDisablesTheWebhookForGood(t *testing.T) {
	play(t, func(w *world) {
		h := w.hook("a")
		w.hook("b")
		a := w.net.at("a")
		w.net.at("b")
		a.answers(func(r *request) answer {
			if r.id == "evt_c_2" {
				return status(410)
			}
			return status(200)
		})
		w.tell("c", 5)
		w.pass(time.Hour)
		want(t, "requests", len(a.requests()), 2)
		row, err := w.store.Get(w.t.Context(), store.KindWebhook, string(h.ID))
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Decode(row, &h); err != nil {
			t.Fatal(err)
		}
		want(t, "disabled, why", fmt.Sprintln(h.Disabled, h.Reason), "true gone\n")
		want(t, "the other webhook", w.net.at("b").accepted(), ids("c", 1, 5))
		w.restart()
		w.tell("c", 1)
		w.pass(time.Hour)
		want(t, "requests after a restart", len(a.requests()), 2)

		a.always(status(200))
		h.Disabled = false
		w.save(h)
		w.pass(time.Minute)
		want(t, "accepted once it is enabled again", a.accepted(), ids("c", 1, 6))
	})
}

func TestGoneIsAboutTheURLThatSaidSo(t *testing.T) {
	play(t, func(w *world) {
		h := w.hook("old")
		w.net.at("old").always(answer{status: 410, after: time.Second})
		w.net.at("new")
		w.tell("c", 2)
		w.pass(0)
		old := h
		h.URL = "http://new.test/"
		w.save(h)
		w.pass(time.Minute)
		want(t, "accepted at the new URL", w.net.at("new").accepted(), ids("c", 1, 2))

		// The same when the answer comes after the row was changed and before
		// the dispatcher was told.
		if err := w.d.disableRow(w.t.Context(), old); err != nil {
			t.Fatal(err)
		}
		w.restart()
		w.tell("c", 1)
		w.pass(time.Minute)
		want(t, "accepted at the new URL", w.net.at("new").accepted(), ids("c", 1, 3))
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	play(t, func(w *world) {
		h := w.hook("a")
		a := w.net.at("a")
		calm := time.Now().Add(10 * time.Minute)
		a.answers(func(*request) answer {
			left := time.Until(calm)
			if left <= 0 {
				return status(200)
			}
			if left > 5*time.Minute {
				return answer{status: 429, header: map[string]string{"Retry-After": "300"}}
			}
			return answer{status: 503, header: map[string]string{"Retry-After": calm.UTC().Format(http.TimeFormat)}}
		})
		w.tell("c", 2)
		w.pass(time.Second)
		w.tell("d", 2) // another conference, while the destination asked for rest
		w.pass(time.Minute)
		d := w.delivery(h.ID, "evt_c_1")
		want(t, "next attempt", d.NextTime-d.LastTime, 300_000)
		w.pass(time.Hour)
		want(t, "when", a.offsets()[:4], []time.Duration{0, 5 * time.Minute, 10 * time.Minute, 10 * time.Minute})
		want(t, "accepted", len(a.accepted()), 4)
		want(t, "requests", len(a.requests()), 6)
	})
}

func TestARequestThatWasUnderWayDoesNotEndThePause(t *testing.T) {
	play(t, func(w *world) {
		w.hook("a")
		a := w.net.at("a")
		a.answers(func(r *request) answer {
			if r.id == "evt_busy_1" && r.attempt == 1 {
				return answer{status: 429, header: map[string]string{"Retry-After": "300"}}
			}
			return answer{status: 200, after: time.Second}
		})
		w.tell("slow", 2)
		w.pass(0) // its first event is under way
		w.tell("busy", 1)
		w.pass(time.Minute)
		want(t, "accepted during the pause", a.accepted(), ids("slow", 1, 1))
		w.pass(5 * time.Minute)
		want(t, "accepted after it", sorted(a.accepted()), []string{"busy_1", "slow_1", "slow_2"})
	})
}

func TestRetryAfterZeroIsNoInvitationToHurry(t *testing.T) {
	play(t, func(w *world) {
		w.hook("a")
		a := w.net.at("a")
		a.always(answer{status: 429, header: map[string]string{"Retry-After": "0"}})
		w.tell("c", 1)
		w.pass(time.Minute)
		if n := len(a.requests()); n > 13 {
			t.Errorf("%d requests in a minute", n)
		}
	})
}

func TestRedirectsAndTimeoutsAreFailures(t *testing.T) {
	play(t, func(w *world) {
		h := w.hook("a")
		a := w.net.at("a")
		a.answers(func(r *request) answer {
			switch r.attempt {
			case 1:
				return answer{status: 302, header: map[string]string{"Location": "http://elsewhere.test/"}}
			case 2:
				return answer{status: 200, after: 10*time.Second + time.Millisecond}
			}
			return answer{status: 200, after: 10*time.Second - time.Millisecond}
		})
		w.tell("c", 1)
		w.pass(time.Second)
		want(t, "after the redirect", w.delivery(h.ID, "evt_c_1").LastError, "answered 302")
		w.pass(15 * time.Second)
		d := w.delivery(h.ID, "evt_c_1")
		want(t, "after the time-out", fmt.Sprintln(d.State, d.LastStatus, d.LatencyMS), "pending 0 10000\n")
		w.pass(time.Hour)
		want(t, "accepted", a.accepted(), ids("c", 1, 1))
		want(t, "when", a.offsets(), []time.Duration{0, 5 * time.Second, 35 * time.Second})
	})
}
