package storetest

import (
	"fmt"
	"testing"

	"parley"
	"parley/internal/store"
)

// delivery is the way of event a/seq to a webhook.
func delivery(webhook parley.ID, seq int64) parley.Delivery {
	return parley.Delivery{
		Webhook: webhook, EventID: parley.EventID("a", seq), Stream: "a", Seq: seq, EventType: parley.EventConfJoined,
		State: parley.DeliverySucceeded, Attempts: 1, LastStatus: 204, LatencyMS: 7, Response: "ok\u00e9", FirstTime: 10, LastTime: 20,
	}
}

// listed gives "webhook/seq" of the deliveries that q selects, and the cursor.
func listed(t *testing.T, s *suite, q store.DeliveryQuery) ([]string, int64) {
	t.Helper()
	list, next, err := s.Deliveries(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, d := range list {
		names = append(names, fmt.Sprintf("%s/%d", d.Webhook, d.Seq))
	}
	return names, next
}

func deliveryUpdates(t *testing.T, s *suite) {
	d := delivery("w", 1)
	d.State, d.LastStatus, d.LastError, d.NextTime = parley.DeliveryPending, 0, "connection refused", 99
	s.apply(t, &store.Write{Deliveries: []parley.Delivery{d}})
	s.apply(t, &store.Write{Deliveries: []parley.Delivery{delivery("w", 2)}})
	d.State, d.Attempts, d.LastStatus, d.LastError, d.LatencyMS, d.Response, d.LastTime, d.NextTime = parley.DeliveryDead, 3, 422, "refused", 11, "no", 98, 0
	s.apply(t, &store.Write{Deliveries: []parley.Delivery{d}})
	list, _, err := s.Deliveries(t.Context(), store.DeliveryQuery{EventID: d.EventID})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "delivery", list, []parley.Delivery{d})
	names, _ := listed(t, s, store.DeliveryQuery{})
	same(t, "order by the first attempt", names, []string{"w/2", "w/1"})
}

func deliveryPages(t *testing.T, s *suite) {
	for seq := int64(1); seq <= 5; seq++ {
		d := delivery("w", seq)
		if seq == 2 || seq == 4 {
			d.State = parley.DeliveryDead
		}
		s.apply(t, &store.Write{Deliveries: []parley.Delivery{d, delivery("v", seq)}})
	}
	var pages []string
	q := store.DeliveryQuery{Webhook: "w", Limit: 2}
	for range 5 {
		names, next := listed(t, s, q)
		pages = append(pages, fmt.Sprint(names))
		if next == 0 {
			break
		}
		q.Before = next
	}
	same(t, "pages", pages, []string{"[w/5 w/4]", "[w/3 w/2]", "[w/1]"})
	dead, next := listed(t, s, store.DeliveryQuery{Webhook: "w", State: parley.DeliveryDead, Limit: 2})
	same(t, "dead", dead, []string{"w/4", "w/2"})
	same(t, "cursor after the last", next, 0)
	done, _ := listed(t, s, store.DeliveryQuery{Webhook: "w", State: parley.DeliverySucceeded})
	same(t, "succeeded", done, []string{"w/5", "w/3", "w/1"})
	of, _ := listed(t, s, store.DeliveryQuery{EventID: parley.EventID("a", 3)})
	same(t, "of an event", of, []string{"v/3", "w/3"})
}

// wantBehind wants the streams in which the webhook is behind, as "stream:seq".
func wantBehind(t *testing.T, s *suite, webhook parley.ID, start int64, want ...string) {
	t.Helper()
	list, err := s.Behind(t.Context(), webhook, "app", start)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{}
	for _, c := range list {
		got = append(got, fmt.Sprintf("%s:%d", c.Stream, c.Seq))
		same(t, "webhook", c.Webhook, webhook)
	}
	same(t, "behind", got, append([]string{}, want...))
}

// threeStreams writes events a/1 b/1 a/2 c/1 a/3 b/2 and a foreign one, and
// gives their positions.
func threeStreams(t *testing.T, s *suite) map[string]int64 {
	t.Helper()
	foreign := event("f", 1)
	foreign.Application = "other"
	w := told(event("a", 1), event("b", 1), foreign, event("a", 2), event("c", 1), event("a", 3), event("b", 2))
	s.apply(t, w)
	at := map[string]int64{}
	for i, name := range names(w.Events) {
		at[name] = w.Events[i].Position
	}
	return at
}

func behind(t *testing.T, s *suite) {
	wantBehind(t, s, "w", 0)
	at := threeStreams(t, s)
	wantBehind(t, s, "w", 0, "a:0", "b:0", "c:0")
	// A webhook that was created in the middle of a conference.
	wantBehind(t, s, "w", at["a/2"], "c:0", "a:2", "b:1")
	wantBehind(t, s, "w", at["b/2"])

	settled := func(stream parley.ID, seq int64) store.Cursor {
		return store.Cursor{Webhook: "w", Stream: stream, Seq: seq, Position: at[fmt.Sprintf("%s/%d", stream, seq)]}
	}
	s.apply(t, &store.Write{Cursors: []store.Cursor{settled("a", 2), settled("b", 2)}})
	wantBehind(t, s, "w", 0, "a:2", "c:0")
	wantBehind(t, s, "w", at["a/3"])
	wantBehind(t, s, "v", 0, "a:0", "b:0", "c:0")
	s.apply(t, &store.Write{Cursors: []store.Cursor{settled("a", 3), settled("c", 1)}})
	wantBehind(t, s, "w", 0)
	s.apply(t, told(event("c", 2)))
	wantBehind(t, s, "w", 0, "c:1")
}

func watermark(t *testing.T, s *suite) {
	at := threeStreams(t, s)
	s.apply(t, &store.Write{Cursors: []store.Cursor{
		{Webhook: "w", Stream: "a", Seq: 3, Position: at["a/3"]},
		{Webhook: "w", Stream: "b", Seq: 1, Position: at["b/1"]},
		{Webhook: "v", Stream: "b", Seq: 2, Position: at["b/2"]},
	}})
	s.apply(t, &store.Write{Cursors: []store.Cursor{{Webhook: "w", Position: at["a/2"]}}})
	wantBehind(t, s, "w", 0, "c:0", "b:1")
	wantBehind(t, s, "w", at["c/1"], "b:1")
	wantBehind(t, s, "v", 0, "a:0", "c:0")
	s.apply(t, &store.Write{Cursors: []store.Cursor{{Webhook: "w", Position: at["b/2"]}}})
	wantBehind(t, s, "w", 0)
	s.apply(t, told(event("a", 4)))
	wantBehind(t, s, "w", 0, "a:3")
}

func cursorForward(t *testing.T, s *suite) {
	at := threeStreams(t, s)
	s.apply(t, &store.Write{Cursors: []store.Cursor{{Webhook: "w", Stream: "a", Seq: 3, Position: at["a/3"]}, {Webhook: "w", Position: at["c/1"]}}})
	s.apply(t, &store.Write{Cursors: []store.Cursor{{Webhook: "w", Stream: "a", Seq: 1, Position: at["a/1"]}, {Webhook: "w", Position: at["a/1"]}}})
	wantBehind(t, s, "w", 0, "b:1")
}

func forgottenCursors(t *testing.T, s *suite) {
	threeStreams(t, s)
	w := &store.Write{Put: []store.Row{row(store.KindWebhook, "w"), row(store.KindWebhook, "v")}}
	for _, webhook := range []parley.ID{"w", "v"} {
		w.Cursors = append(w.Cursors, store.Cursor{Webhook: webhook, Stream: "a", Seq: 3})
	}
	s.apply(t, w)
	s.apply(t, &store.Write{Delete: []store.RowKey{{Kind: store.KindWebhook, ID: "w"}}})
	wantBehind(t, s, "w", 0, "a:0", "b:0", "c:0")
	wantBehind(t, s, "v", 0, "b:0", "c:0")
}
