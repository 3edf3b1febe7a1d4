package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"parley"
	"parley/internal/store"
)

// where collects conditions and their arguments.
type where struct {
	text strings.Builder
	args []any
}

// add adds a condition with one argument.
func (w *where) add(condition string, arg any) {
	w.text.WriteString(" AND ")
	w.text.WriteString(condition)
	w.args = append(w.args, arg)
}

// query runs a SELECT that ends in "WHERE true"-like text plus the conditions,
// and scan for each row.
func (s *Store) query(ctx context.Context, text string, args []any, scan func(*sql.Rows) error) error {
	rows, err := s.readers.QueryContext(ctx, text, args...)
	if err != nil {
		return fault(err)
	}
	defer func() { _ = rows.Close() }() // an error of the rows is in rows.Err
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fault(err)
		}
	}
	return fault(rows.Err())
}

// limit is SQLite's LIMIT for n, where 0 means none.
func limit(n int) int {
	if n <= 0 {
		return -1
	}
	return n
}

const rowColumns = "kind, id, application, parent, key, live, doc"

func scanRow(rows *sql.Rows) (store.Row, error) {
	var r store.Row
	var doc []byte
	err := rows.Scan(&r.Kind, &r.ID, &r.Application, &r.Parent, &r.Key, &r.Live, &doc)
	r.Doc = doc
	return r, err
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, kind store.Kind, id string) (store.Row, error) {
	var row store.Row
	found := false
	err := s.query(ctx, "SELECT "+rowColumns+" FROM records WHERE kind = ? AND id = ?", []any{string(kind), id}, func(rows *sql.Rows) error {
		var err error
		row, err = scanRow(rows)
		found = true
		return err
	})
	if err == nil && !found {
		err = store.ErrNotFound
	}
	return row, err
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, q store.Query) ([]store.Row, error) {
	var w where
	if q.Kind != "" {
		w.add("kind = ?", string(q.Kind))
	}
	if q.Application != "" {
		w.add("application = ?", string(q.Application))
	}
	if q.Parent != "" {
		// Said twice for the planner: the partial index has this condition.
		w.add("parent <> '' AND parent = ?", string(q.Parent))
	}
	if q.Key != "" {
		w.add("key <> '' AND key = ?", q.Key)
	}
	if q.LiveOnly {
		w.text.WriteString(" AND live = 1")
	}
	order := " ORDER BY id DESC"
	if q.Ascending {
		order = " ORDER BY id"
	}
	switch {
	case q.Before == "":
	case q.Ascending:
		w.add("id > ?", q.Before)
	default:
		w.add("id < ?", q.Before)
	}
	var list []store.Row
	text := "SELECT " + rowColumns + " FROM records WHERE true" + w.text.String() + order + " LIMIT ?"
	err := s.query(ctx, text, append(w.args, limit(q.Limit)), func(rows *sql.Rows) error {
		r, err := scanRow(rows)
		list = append(list, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

const eventColumns = "position, stream, seq, application, type, time, seed_len, body"

func scanEvent(rows *sql.Rows) (parley.Event, error) {
	var e parley.Event
	err := rows.Scan(&e.Position, &e.Stream, &e.Seq, &e.Application, &e.Type, &e.Time, &e.SeedLen, &e.Body)
	return e, err
}

// Events implements store.Store.
func (s *Store) Events(ctx context.Context, q store.EventQuery) ([]parley.Event, error) {
	var w where
	order := " ORDER BY position"
	if q.Stream != "" {
		w.add("stream = ?", string(q.Stream))
		// In a stream seq and position ascend together; the index has seq.
		order = " ORDER BY seq"
		if q.AfterSeq > 0 {
			w.add("seq > ?", q.AfterSeq)
		}
	}
	if q.Application != "" {
		w.add("application = ?", string(q.Application))
	}
	if q.Type != "" {
		w.add("type = ?", string(q.Type))
	}
	if q.After > 0 {
		w.add("position > ?", q.After)
	}
	if q.Since > 0 {
		w.add("time >= ?", int64(q.Since))
	}
	if q.Until > 0 {
		w.add("time <= ?", int64(q.Until))
	}
	var list []parley.Event
	text := "SELECT " + eventColumns + " FROM events WHERE true" + w.text.String() + order + " LIMIT ?"
	err := s.query(ctx, text, append(w.args, limit(q.Limit)), func(rows *sql.Rows) error {
		e, err := scanEvent(rows)
		list = append(list, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Event implements store.Store.
func (s *Store) Event(ctx context.Context, stream parley.ID, seq int64) (parley.Event, error) {
	var event parley.Event
	found := false
	err := s.query(ctx, "SELECT "+eventColumns+" FROM events WHERE stream = ? AND seq = ?", []any{string(stream), seq}, func(rows *sql.Rows) error {
		var err error
		event, err = scanEvent(rows)
		found = true
		return err
	})
	if err == nil && !found {
		err = store.ErrNotFound
	}
	return event, err
}

// LastPosition implements store.Store.
func (s *Store) LastPosition(ctx context.Context) (int64, error) {
	var last int64
	err := s.readers.QueryRowContext(ctx, "SELECT value FROM counters WHERE name = 'position'").Scan(&last)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return last, fault(err)
}
