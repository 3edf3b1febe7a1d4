package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"parley"
	"parley/internal/store"
)

func events(t *testing.T, s *suite) {
	w := told(event("a", 1), event("b", 1))
	long := event("a", 2)
	long.Body = []byte(`{"user_data":"` + strings.Repeat("x", 100_000) + `"}`)
	s.apply(t, w, told(long))
	all := s.events(t, store.EventQuery{})
	same(t, "events", names(all), []string{"a/1", "b/1", "a/2"})
	for i, e := range append(w.Events, long) {
		e.Position = all[i].Position
		same(t, fmt.Sprintf("event %d", i), all[i], e)
		one, err := s.Event(t.Context(), e.Stream, e.Seq)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "Event", one, e)
	}
	same(t, "position set in place", w.Events[1].Position, all[1].Position)
	if _, err := s.Event(t.Context(), "a", 3); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an event that does not exist: %v, want ErrNotFound", err)
	}
}

func eventQueries(t *testing.T, s *suite) {
	end := event("a", 3)
	end.Type = parley.EventConfEnd
	foreign := event("f", 1)
	foreign.Application = "other"
	s.apply(t, told(event("a", 1), event("b", 1), event("a", 2), foreign, end, event("b", 2)))
	position := map[string]int64{}
	for _, e := range s.events(t, store.EventQuery{}) {
		position[names([]parley.Event{e})[0]] = e.Position
	}
	for _, c := range []struct {
		name string
		q    store.EventQuery
		want []string
	}{
		{"stream", store.EventQuery{Stream: "a"}, []string{"a/1", "a/2", "a/3"}},
		{"after seq", store.EventQuery{Stream: "a", AfterSeq: 1}, []string{"a/2", "a/3"}},
		{"after position", store.EventQuery{After: position["a/2"]}, []string{"f/1", "a/3", "b/2"}},
		{"stream after position", store.EventQuery{Stream: "b", After: position["b/1"]}, []string{"b/2"}},
		{"application", store.EventQuery{Application: "other"}, []string{"f/1"}},
		{"application after position", store.EventQuery{Application: "app", After: position["f/1"]}, []string{"a/3", "b/2"}},
		{"foreign stream", store.EventQuery{Application: "app", Stream: "f"}, []string{}},
		{"type", store.EventQuery{Type: parley.EventConfEnd}, []string{"a/3"}},
		{"since", store.EventQuery{Since: 1002}, []string{"a/2", "a/3", "b/2"}},
		{"until", store.EventQuery{Until: 1001}, []string{"a/1", "b/1", "f/1"}},
		{"limit", store.EventQuery{Limit: 2}, []string{"a/1", "b/1"}},
		{"nothing left", store.EventQuery{After: position["b/2"]}, []string{}},
	} {
		same(t, c.name, names(s.events(t, c.q)), c.want)
	}
}

func seqOnce(t *testing.T, s *suite) {
	s.apply(t, told(event("a", 1)))
	s.wantRefused(t, told(event("a", 1)))
	s.wantRefused(t, told(event("a", 2), event("a", 2)))
	s.apply(t, told(event("a", 2), event("b", 1)))
	same(t, "events", names(s.events(t, store.EventQuery{})), []string{"a/1", "a/2", "b/1"})
}

func refusedAlone(t *testing.T, s *suite) {
	s.apply(t, told(event("a", 1)))
	taken := row(store.KindConference, "taken")
	taken.Key = "daily"
	s.apply(t, &store.Write{Put: []store.Row{taken}})

	clash := row(store.KindConference, "clash")
	clash.Key = "daily"
	group := []*store.Write{
		{Put: []store.Row{row(store.KindCall, "1")}, Events: []parley.Event{event("a", 2)}},
		{Put: []store.Row{row(store.KindCall, "2")}, Events: []parley.Event{event("x", 1), event("a", 1)}},
		{Events: []parley.Event{event("x", 1)}, Put: []store.Row{clash}},
		{Delete: []store.RowKey{{Kind: taken.Kind, ID: taken.ID}}, Events: []parley.Event{event("a", 2)}},
		{Put: []store.Row{row(store.KindCall, "3")}, Events: []parley.Event{event("a", 3)}},
	}
	errs := s.Apply(t.Context(), group)
	for i, want := range []error{nil, store.ErrConflict, store.ErrConflict, store.ErrConflict, nil} {
		if !errors.Is(errs[i], want) {
			t.Errorf("write %d: %v, want %v", i, errs[i], want)
		}
	}
	all := s.events(t, store.EventQuery{})
	same(t, "events", names(all), []string{"a/1", "a/2", "a/3"})
	same(t, "position in place", group[4].Events[0].Position, all[2].Position)
	s.wantRow(t, taken)
	s.wantRow(t, row(store.KindCall, "1"))
	s.wantRow(t, row(store.KindCall, "3"))
	s.wantNoRow(t, store.KindCall, "2")
	s.wantNoRow(t, store.KindConference, "clash")
}

func positions(t *testing.T, s *suite) {
	last := func() int64 {
		p, err := s.LastPosition(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	same(t, "position of an empty store", last(), 0)
	s.apply(t, &store.Write{Put: []store.Row{row(store.KindCall, "1")}})
	same(t, "position without events", last(), 0)
	var before int64
	for seq := int64(1); seq <= 20; seq++ {
		a, b := told(event("a", seq)), told(event("b", seq))
		s.apply(t, a, b)
		p, q := a.Events[0].Position, b.Events[0].Position
		if p <= before || q <= p {
			t.Fatalf("positions %d, %d after %d", p, q, before)
		}
		same(t, "last position", last(), q)
		before = q
		if seq%7 == 0 {
			s.reopen(t)
			same(t, "last position after reopening", last(), q)
		}
	}
}

func reopened(t *testing.T, s *suite) {
	w := told(event("a", 1), event("a", 2))
	w.Put = []store.Row{row(store.KindCall, "1")}
	w.Deliveries = []parley.Delivery{delivery("w", 1)}
	w.Cursors = []store.Cursor{{Webhook: "w", Stream: "a", Seq: 1, Position: 1}}
	s.apply(t, w)
	s.reopen(t)
	same(t, "events", s.events(t, store.EventQuery{}), w.Events)
	s.wantRow(t, row(store.KindCall, "1"))
	list, _, err := s.Deliveries(t.Context(), store.DeliveryQuery{})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "deliveries", list, w.Deliveries)
	wantBehind(t, s, "w", 0, "a:1")
	s.wantRefused(t, told(event("a", 2)))
}

func concurrent(t *testing.T, s *suite) {
	const groups, size = 50, 8
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				list, err := s.Events(t.Context(), store.EventQuery{Stream: "a"})
				if err != nil {
					t.Errorf("Events: %v", err)
					return
				}
				if len(list)%size != 0 || len(list) > 0 && list[len(list)-1].Seq != int64(len(list)) {
					t.Errorf("a reader saw %d events: part of a group", len(list))
					return
				}
			}
		})
	}
	for g := range groups {
		w := &store.Write{}
		for i := range size {
			w.Events = append(w.Events, event("a", int64(g*size+i+1)))
		}
		s.apply(t, w)
	}
	close(stop)
	readers.Wait()
}
