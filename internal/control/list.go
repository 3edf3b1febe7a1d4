package control

import (
	"context"
	"errors"

	"parley"
	"parley/internal/store"
)

// Bounds of a list's limit.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// limit is r's limit, checked.
func limit(n int) (int, error) {
	switch {
	case n == 0:
		return defaultLimit, nil
	case n < 0 || n > maxLimit:
		return 0, parley.FieldErrorf(parley.CodeInvalid, "limit", "%d is out of range: 1 to %d", n, maxLimit)
	}
	return n, nil
}

// row gives an application's record, or parley.CodeNotFound; what names its
// kind for the message. The operator's lookups leave app empty.
func (c *Control) row(ctx context.Context, kind store.Kind, app parley.ID, id, what string) (store.Row, error) {
	row, err := c.cfg.Store.Get(ctx, kind, id)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && app != "" && row.Application != app:
		return store.Row{}, parley.Errorf(parley.CodeNotFound, "no %s %s", what, id)
	case err != nil:
		return store.Row{}, storeError(err)
	}
	return row, nil
}

// get is row, decoded.
func get[T any](ctx context.Context, c *Control, kind store.Kind, app parley.ID, id, what string) (T, error) {
	var v T
	row, err := c.row(ctx, kind, app, id, what)
	if err != nil {
		return v, err
	}
	if err := store.Decode(row, &v); err != nil {
		return v, storeError(err)
	}
	return v, nil
}

// list gives a page of records, newest first. keep, if not nil, says which
// are wanted; a page is filled as far as there are any.
func list[T any](ctx context.Context, c *Control, q store.Query, r ListRequest, keep func(T) bool) (Page[T], error) {
	var page Page[T]
	n, err := limit(r.Limit)
	if err != nil {
		return page, err
	}
	page.Items = make([]T, 0, n)
	q.Before, q.Limit = r.Cursor, n+1
	for {
		rows, err := c.cfg.Store.List(ctx, q)
		if err != nil {
			return page, storeError(err)
		}
		for _, row := range rows {
			var v T
			if err := store.Decode(row, &v); err != nil {
				return page, storeError(err)
			}
			if keep == nil || keep(v) {
				if len(page.Items) == n {
					return page, nil
				}
				page.Items = append(page.Items, v)
			}
			if len(page.Items) == n {
				page.NextCursor = row.ID
			}
			q.Before = row.ID
		}
		if len(rows) < q.Limit {
			page.NextCursor = ""
			return page, nil
		}
	}
}

// all gives every record that q selects, decoded.
func all[T any](ctx context.Context, c *Control, q store.Query) ([]T, error) {
	rows, err := c.cfg.Store.List(ctx, q)
	if err != nil {
		return nil, storeError(err)
	}
	out := make([]T, len(rows))
	for i, row := range rows {
		if err := store.Decode(row, &out[i]); err != nil {
			return nil, storeError(err)
		}
	}
	return out, nil
}

// save commits records.
func (c *Control) save(ctx context.Context, records ...any) error {
	w := &store.Write{}
	for _, r := range records {
		w.Put = append(w.Put, store.Encode(r))
	}
	return c.commit(ctx, w)
}

// commit makes w durable.
func (c *Control) commit(ctx context.Context, w *store.Write) error {
	err := c.cfg.Ledger.Commit(ctx, w)
	if errors.Is(err, store.ErrConflict) {
		return parley.FieldErrorf(parley.CodeNameTaken, "name", "the name is in use")
	}
	return storeError(err)
}

// checkUserData bounds user_data.
func checkUserData(s *string) error {
	if s != nil && len(*s) > maxUserData {
		return parley.FieldErrorf(parley.CodeInvalid, "user_data", "%d bytes are too many: at most %d", len(*s), maxUserData)
	}
	return nil
}

// maxUserData is the most bytes of user_data.
const maxUserData = 4096

// inRange gives *p, or deflt for nil, within low to high.
func inRange(field string, p *int, deflt, low, high int) (int, error) {
	if p == nil {
		return deflt, nil
	}
	if *p < low || *p > high {
		return 0, parley.FieldErrorf(parley.CodeInvalid, field, "%d is out of range: %d to %d", *p, low, high)
	}
	return *p, nil
}

// checkGain bounds gain_db.
func checkGain(db float64) error {
	if !(db >= -40 && db <= 20) {
		return parley.FieldErrorf(parley.CodeInvalid, "gain_db", "%v is out of range: -40 to 20", db)
	}
	return nil
}
