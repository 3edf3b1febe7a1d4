// Package storetest is the suite that every driver of internal/store passes:
// the same cases, whatever the database. It is for tests only.
package storetest

import (
	"errors"
	"fmt"
	"testing"

	"parley"
	"parley/internal/store"
)

// New makes an empty database for a test and gives the function that opens it.
// The database is opened again only after the store before was closed.
type New func(t *testing.T) (open func(t *testing.T) store.Store)

// Run runs the suite on a driver.
func Run(t *testing.T, driver New) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s *suite)
	}{
		{"records are kept, replaced and removed", records},
		{"a record's columns find it", queries},
		{"pages of records meet without overlap", pages},
		{"a live key is unique in its application", liveKeys},
		{"a key is free again when its record has ended", freedKeys},
		{"events come back in order, byte for byte", events},
		{"events are selected by every field", eventQueries},
		{"a seq is used once in a stream", seqOnce},
		{"a refused write fails alone and leaves nothing", refusedAlone},
		{"positions ascend and are never used twice", positions},
		{"what was applied is there after reopening", reopened},
		{"deliveries are updated in place", deliveryUpdates},
		{"deliveries are listed newest first", deliveryPages},
		{"a webhook is behind in the streams that it has not settled", behind},
		{"a watermark settles every stream", watermark},
		{"a cursor never goes back", cursorForward},
		{"a deleted webhook's cursors are forgotten", forgottenCursors},
		{"a closed store is unavailable", closedStore},
		{"readers and the writer do not disturb each other", concurrent},
	} {
		t.Run(c.name, func(t *testing.T) {
			open := driver(t)
			s := &suite{open: open, Store: open(t)}
			defer func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}()
			c.run(t, s)
		})
	}
}

// suite is the store of one case.
type suite struct {
	store.Store
	open func(t *testing.T) store.Store
}

// reopen closes the store and opens it again.
func (s *suite) reopen(t *testing.T) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	s.Store = s.open(t)
}

// apply applies the writes as one group and wants every one done.
func (s *suite) apply(t *testing.T, group ...*store.Write) {
	t.Helper()
	for i, err := range s.Apply(t.Context(), group) {
		if err != nil {
			t.Fatalf("write %d: %v", i, err)
		}
	}
}

// wantRefused applies one write and wants ErrConflict.
func (s *suite) wantRefused(t *testing.T, w *store.Write) {
	t.Helper()
	errs := s.Apply(t.Context(), []*store.Write{w})
	if len(errs) != 1 || !errors.Is(errs[0], store.ErrConflict) {
		t.Fatalf("Apply = %v, want ErrConflict", errs)
	}
}

// wantRow wants the row as given.
func (s *suite) wantRow(t *testing.T, want store.Row) {
	t.Helper()
	got, err := s.Get(t.Context(), want.Kind, want.ID)
	if err != nil {
		t.Fatalf("Get %s %s: %v", want.Kind, want.ID, err)
	}
	same(t, "Get "+want.ID, got, want)
}

// wantNoRow wants that there is no such row.
func (s *suite) wantNoRow(t *testing.T, kind store.Kind, id string) {
	t.Helper()
	if r, err := s.Get(t.Context(), kind, id); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get %s %s = %+v, %v, want ErrNotFound", kind, id, r, err)
	}
}

// events gives what q selects.
func (s *suite) events(t *testing.T, q store.EventQuery) []parley.Event {
	t.Helper()
	list, err := s.Events(t.Context(), q)
	if err != nil {
		t.Fatalf("Events %+v: %v", q, err)
	}
	return list
}

// row makes a live row.
func row(kind store.Kind, id string) store.Row {
	return store.Row{Kind: kind, ID: id, Application: "app", Live: true, Doc: []byte(`{"n":1}`)}
}

// event makes an event whose body tells it from others.
func event(stream parley.ID, seq int64) parley.Event {
	body := fmt.Appendf(nil, `{"event":"conf.joined","id":"%s","user_data":"a\u0000<&>é","seq":%d}`, stream, seq)
	return parley.Event{Stream: stream, Seq: seq, Application: "app", Type: parley.EventConfJoined, Time: parley.Millis(1000 + seq), Body: body, SeedLen: 20}
}

// told is a write of events alone.
func told(events ...parley.Event) *store.Write { return &store.Write{Events: events} }

// names gives "stream/seq" of each event.
func names(events []parley.Event) []string {
	list := []string{}
	for _, e := range events {
		list = append(list, fmt.Sprintf("%s/%d", e.Stream, e.Seq))
	}
	return list
}

// ids gives the ID of each row.
func ids(rows []store.Row) []string {
	list := []string{}
	for _, r := range rows {
		list = append(list, r.ID)
	}
	return list
}

// same compares by what is printed.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("%s = %s, want %s", what, g, w)
	}
}
