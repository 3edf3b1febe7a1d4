package storetest

import (
	"errors"
	"testing"

	"parley/internal/store"
)

func records(t *testing.T, s *suite) {
	r := row(store.KindCall, "c1")
	r.Parent, r.Key = "conf", "key"
	r.Doc = []byte(`{"user_data":"<&>é\u0000","n":18446744073709551615}`)
	other := row(store.KindTrunk, "c1")
	s.wantNoRow(t, r.Kind, r.ID)
	s.apply(t, &store.Write{Put: []store.Row{r, other}})
	s.wantRow(t, r)

	r.Doc, r.Live, r.Parent, r.Key = []byte(`{"n":2}`), false, "", "new"
	s.apply(t, &store.Write{Put: []store.Row{r}})
	s.wantRow(t, r)
	s.wantRow(t, other)

	s.apply(t, &store.Write{Delete: []store.RowKey{{Kind: r.Kind, ID: r.ID}, {Kind: r.Kind, ID: "never there"}}})
	s.wantNoRow(t, r.Kind, r.ID)
	s.wantRow(t, other)
}

func queries(t *testing.T, s *suite) {
	put := func(kind store.Kind, id string, change func(r *store.Row)) {
		r := row(kind, id)
		change(&r)
		s.apply(t, &store.Write{Put: []store.Row{r}})
	}
	put(store.KindConference, "1", func(r *store.Row) { r.Key = "daily" })
	put(store.KindConference, "2", func(r *store.Row) { r.Application = "other"; r.Key = "daily" })
	put(store.KindConference, "3", func(r *store.Row) { r.Live = false; r.Key = "daily" })
	put(store.KindConference, "4", func(r *store.Row) { r.Live = false })
	put(store.KindCall, "5", func(r *store.Row) { r.Parent = "1" })
	put(store.KindPlayback, "6", func(r *store.Row) { r.Parent = "1"; r.Live = false })
	put(store.KindCall, "7", func(r *store.Row) { r.Parent = "2"; r.Application = "other" })
	for _, c := range []struct {
		name string
		q    store.Query
		want []string
	}{
		{"kind", store.Query{Kind: store.KindConference}, []string{"4", "3", "2", "1"}},
		{"kind upwards", store.Query{Kind: store.KindConference, Ascending: true}, []string{"1", "2", "3", "4"}},
		{"application", store.Query{Kind: store.KindConference, Application: "app"}, []string{"4", "3", "1"}},
		{"live", store.Query{Kind: store.KindConference, LiveOnly: true}, []string{"2", "1"}},
		{"live of an application", store.Query{Kind: store.KindConference, Application: "app", LiveOnly: true}, []string{"1"}},
		{"parent", store.Query{Parent: "1"}, []string{"6", "5"}},
		{"parent and kind", store.Query{Parent: "1", Kind: store.KindCall}, []string{"5"}},
		{"key", store.Query{Kind: store.KindConference, Key: "daily"}, []string{"3", "2", "1"}},
		{"key of an application", store.Query{Kind: store.KindConference, Application: "app", Key: "daily", LiveOnly: true}, []string{"1"}},
		{"nothing", store.Query{Kind: store.KindTrunk}, []string{}},
		{"limit", store.Query{Kind: store.KindConference, Limit: 2}, []string{"4", "3"}},
		{"all", store.Query{}, []string{"7", "6", "5", "4", "3", "2", "1"}},
	} {
		list, err := s.List(t.Context(), c.q)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		same(t, c.name, ids(list), c.want)
	}
}

func pages(t *testing.T, s *suite) {
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		s.apply(t, &store.Write{Put: []store.Row{row(store.KindCall, id)}})
	}
	for _, c := range []struct {
		ascending bool
		want      []string
	}{
		{false, []string{"e", "d", "c", "b", "a"}},
		{true, []string{"a", "b", "c", "d", "e"}},
	} {
		var got []string
		q := store.Query{Kind: store.KindCall, Ascending: c.ascending, Limit: 2}
		for range 5 {
			list, err := s.List(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 0 {
				break
			}
			got = append(got, ids(list)...)
			q.Before = list[len(list)-1].ID
		}
		same(t, "pages", got, c.want)
	}
}

func liveKeys(t *testing.T, s *suite) {
	named := func(id, key string) store.Row {
		r := row(store.KindConference, id)
		r.Key = key
		return r
	}
	s.apply(t, &store.Write{Put: []store.Row{named("1", "daily")}})
	s.wantRefused(t, &store.Write{Put: []store.Row{named("2", "daily")}})
	s.wantNoRow(t, store.KindConference, "2")

	s.apply(t, &store.Write{Put: []store.Row{named("1", "daily")}}) // itself again
	s.apply(t, &store.Write{Put: []store.Row{named("3", ""), named("4", "")}})
	foreign := named("5", "daily")
	foreign.Application = "other"
	ended := named("6", "daily")
	ended.Live = false
	kind := named("7", "daily")
	kind.Kind = store.KindTrunk
	s.apply(t, &store.Write{Put: []store.Row{foreign, ended, kind}})
}

func freedKeys(t *testing.T, s *suite) {
	r := row(store.KindConference, "1")
	r.Key = "daily"
	s.apply(t, &store.Write{Put: []store.Row{r}})
	ended := r
	ended.Live = false
	next := r
	next.ID = "2"
	// Ended and taken anew in one group, in that order.
	s.apply(t, &store.Write{Put: []store.Row{ended}}, &store.Write{Put: []store.Row{next}})
	last := r
	last.ID = "3"
	// Deletions of a write come before what it puts.
	s.apply(t, &store.Write{Put: []store.Row{last}, Delete: []store.RowKey{{Kind: next.Kind, ID: next.ID}}})
	s.wantRow(t, last)
	s.wantRow(t, ended)
}

func closedStore(t *testing.T, s *suite) {
	s.apply(t, &store.Write{Put: []store.Row{row(store.KindCall, "1")}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	errs := s.Apply(t.Context(), []*store.Write{told(event("s", 1)), {}})
	for _, err := range errs {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Apply on a closed store = %v, want ErrUnavailable", err)
		}
	}
	same(t, "errors", len(errs), 2)
	if _, err := s.Get(t.Context(), store.KindCall, "1"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Get on a closed store = %v, want ErrUnavailable", err)
	}
}
