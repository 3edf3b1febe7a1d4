package sqlite

import (
	"context"
	"database/sql"

	"parley"
	"parley/internal/store"
)

const deliveryColumns = `number, webhook, event_id, stream, seq, event_type, state, attempts, status, error, latency_ms, response,
	first_time, last_time, next_time`

// Deliveries implements store.Store.
func (s *Store) Deliveries(ctx context.Context, q store.DeliveryQuery) ([]parley.Delivery, int64, error) {
	var w where
	if q.Webhook != "" {
		w.add("webhook = ?", string(q.Webhook))
	}
	if q.EventID != "" {
		w.add("event_id = ?", q.EventID)
	}
	switch q.State {
	case "":
	case parley.DeliverySucceeded:
		w.add("state = ?", string(q.State))
	default:
		// Said twice for the planner: the partial index has this condition.
		w.add("state <> 'succeeded' AND state = ?", string(q.State))
	}
	if q.Before > 0 {
		w.add("number < ?", q.Before)
	}
	more := limit(q.Limit)
	if more > 0 {
		more++ // to see whether there is a next page
	}
	var list []parley.Delivery
	var numbers []int64
	text := "SELECT " + deliveryColumns + " FROM deliveries WHERE true" + w.text.String() + " ORDER BY number DESC LIMIT ?"
	err := s.query(ctx, text, append(w.args, more), func(rows *sql.Rows) error {
		var d parley.Delivery
		var number int64
		err := rows.Scan(&number, &d.Webhook, &d.EventID, &d.Stream, &d.Seq, &d.EventType, &d.State, &d.Attempts, &d.LastStatus,
			&d.LastError, &d.LatencyMS, &d.Response, &d.FirstTime, &d.LastTime, &d.NextTime)
		list, numbers = append(list, d), append(numbers, number)
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	if q.Limit > 0 && len(list) > q.Limit {
		return list[:q.Limit], numbers[q.Limit-1], nil
	}
	return list, 0, nil
}

// Behind implements store.Store.
func (s *Store) Behind(ctx context.Context, webhook, application parley.ID, start int64) ([]store.Cursor, error) {
	const text = `
		WITH mark AS (
			SELECT max(?, coalesce((SELECT position FROM cursors WHERE webhook = ? AND stream = ''), 0)) AS position
		), open AS (
			SELECT stream, min(seq) AS first, max(seq) AS last, min(position) AS position
			FROM events WHERE application = ? AND position > (SELECT position FROM mark) GROUP BY stream
		)
		SELECT open.stream, max(open.first - 1, coalesce(cursors.seq, 0)) AS settled
		FROM open LEFT JOIN cursors ON cursors.webhook = ? AND cursors.stream = open.stream
		WHERE open.last > coalesce(cursors.seq, 0)
		ORDER BY open.position`
	var list []store.Cursor
	args := []any{start, string(webhook), string(application), string(webhook)}
	err := s.query(ctx, text, args, func(rows *sql.Rows) error {
		c := store.Cursor{Webhook: webhook}
		err := rows.Scan(&c.Stream, &c.Seq)
		list = append(list, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}
