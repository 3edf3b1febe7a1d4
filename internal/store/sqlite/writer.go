package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"parley"
	"parley/internal/store"
)

// The statements of a write.
const (
	sqlPut = `INSERT INTO records (kind, id, application, parent, key, live, doc) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (kind, id) DO UPDATE SET application = excluded.application, parent = excluded.parent,
		key = excluded.key, live = excluded.live, doc = excluded.doc`
	sqlDelete   = `DELETE FROM records WHERE kind = ? AND id = ?`
	sqlForget   = `DELETE FROM cursors WHERE webhook = ?`
	sqlEvent    = `INSERT INTO events (position, stream, seq, application, type, time, seed_len, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	sqlPosition = `UPDATE counters SET value = ? WHERE name = 'position'`
	sqlDelivery = `INSERT INTO deliveries (webhook, event_id, stream, seq, event_type, state, attempts, status, error, latency_ms,
		response, first_time, last_time, next_time) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (event_id, webhook) DO UPDATE SET state = excluded.state, attempts = excluded.attempts,
		status = excluded.status, error = excluded.error, latency_ms = excluded.latency_ms, response = excluded.response,
		first_time = excluded.first_time, last_time = excluded.last_time, next_time = excluded.next_time`
	sqlCursor = `INSERT INTO cursors (webhook, stream, seq, position) VALUES (?, ?, ?, ?)
		ON CONFLICT (webhook, stream) DO UPDATE SET seq = max(seq, excluded.seq), position = max(position, excluded.position)`
	sqlSettled = `DELETE FROM cursors WHERE webhook = ? AND stream <> '' AND position BETWEEN 1 AND ?`
)

// writer is the one connection that writes. It is not safe for concurrent use.
type writer struct {
	db       *sql.DB
	conn     *sql.Conn // nil after a fault: opened again by the next group
	stmts    []*sql.Stmt
	position int64 // the last one that is on disk

	put, delete, forget, event, setPosition, delivery, cursor, settled *sql.Stmt
}

func newWriter(ctx context.Context, db *sql.DB) (*writer, error) {
	w := &writer{db: db}
	if err := w.connect(ctx); err != nil {
		return nil, err
	}
	return w, nil
}

// connect opens the connection, prepares the statements and reads the counter.
func (w *writer) connect(ctx context.Context) error {
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return err
	}
	w.conn = conn
	for _, p := range []struct {
		stmt **sql.Stmt
		text string
	}{
		{&w.put, sqlPut}, {&w.delete, sqlDelete}, {&w.forget, sqlForget}, {&w.event, sqlEvent}, {&w.setPosition, sqlPosition},
		{&w.delivery, sqlDelivery}, {&w.cursor, sqlCursor}, {&w.settled, sqlSettled},
	} {
		*p.stmt, err = conn.PrepareContext(ctx, p.text) //nolint:sqlclosecheck // disconnect closes it
		if err != nil {
			return errors.Join(err, w.disconnect())
		}
		w.stmts = append(w.stmts, *p.stmt)
	}
	if err := conn.QueryRowContext(ctx, "SELECT value FROM counters WHERE name = 'position'").Scan(&w.position); err != nil {
		return errors.Join(err, w.disconnect())
	}
	return nil
}

// disconnect closes the connection for good, so that the next group gets a
// fresh one.
func (w *writer) disconnect() error {
	var errs []error
	for _, s := range w.stmts {
		errs = append(errs, s.Close())
	}
	w.stmts = nil
	if w.conn != nil {
		// ErrBadConn keeps the pool from using the connection again.
		_ = w.conn.Raw(func(any) error { return driver.ErrBadConn })
		if err := w.conn.Close(); !errors.Is(err, sql.ErrConnDone) {
			errs = append(errs, err)
		}
	}
	w.conn = nil
	return errors.Join(errs...)
}

func (w *writer) close() error { return errors.Join(w.disconnect(), w.db.Close()) }

// Apply implements store.Store.
func (s *Store) Apply(ctx context.Context, group []*store.Write) []error {
	s.mu.Lock()
	defer s.mu.Unlock()
	errs := make([]error, len(group))
	err := ctx.Err()
	if err == nil && s.writer == nil {
		err = fmt.Errorf("%w: closed", store.ErrUnavailable)
	}
	if err == nil {
		err = s.writer.apply(group, errs)
	}
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
	}
	return errs
}

// apply writes the group in one transaction, and one by one under savepoints
// only when one of them is refused. It is not interruptible: a context would
// cost a goroutine for each statement.
func (w *writer) apply(group []*store.Write, errs []error) error {
	if w.conn == nil {
		if err := w.connect(context.Background()); err != nil {
			return fault(err)
		}
	}
	err := w.transact(group, errs, w.together)
	if err != nil && !errors.Is(err, store.ErrUnavailable) {
		err = w.transact(group, errs, w.oneByOne)
	}
	return err
}

// transact runs body between BEGIN and COMMIT and, when all is on disk, sets
// the events' positions.
func (w *writer) transact(group []*store.Write, errs []error, body func([]*store.Write, []error) (int64, error)) error {
	clear(errs)
	if err := w.exec("BEGIN IMMEDIATE"); err != nil {
		return w.abandon(err)
	}
	last, err := body(group, errs)
	if err == nil && last != w.position {
		_, err = w.setPosition.Exec(last)
	}
	if err == nil {
		err = w.exec("COMMIT")
	}
	if err != nil {
		return w.abandon(err)
	}
	for i, write := range group {
		if errs[i] != nil {
			continue
		}
		for j := range write.Events {
			w.position++
			write.Events[j].Position = w.position
		}
	}
	return nil
}

// abandon rolls back and gives the connection up if that is not possible.
func (w *writer) abandon(cause error) error {
	err := fault(cause)
	// SQLite has rolled back by itself after some faults (a full disk, an I/O
	// error): ROLLBACK then fails and the connection is as good as new.
	if rollback := w.exec("ROLLBACK"); rollback != nil && errors.Is(err, store.ErrUnavailable) {
		_ = w.disconnect()
	}
	return err
}

// together writes the group; the first refusal ends it. It gives the position
// of the last event.
func (w *writer) together(group []*store.Write, _ []error) (int64, error) {
	position := w.position
	for _, write := range group {
		if err := w.write(write, position); err != nil {
			return 0, err
		}
		position += int64(len(write.Events))
	}
	return position, nil
}

// oneByOne writes the group under savepoints, so that a refused write fails
// alone.
func (w *writer) oneByOne(group []*store.Write, errs []error) (int64, error) {
	position := w.position
	for i, write := range group {
		if err := w.exec("SAVEPOINT one"); err != nil {
			return 0, err
		}
		err := w.write(write, position)
		if err == nil {
			position += int64(len(write.Events))
		} else {
			errs[i] = fault(err)
			if errors.Is(errs[i], store.ErrUnavailable) {
				return 0, err
			}
			if err := w.exec("ROLLBACK TO one"); err != nil {
				return 0, err
			}
		}
		if err := w.exec("RELEASE one"); err != nil {
			return 0, err
		}
	}
	return position, nil
}

// write writes one Write; its events get the positions after position.
func (w *writer) write(write *store.Write, position int64) error {
	for i := range write.Delete {
		if err := w.writeDelete(&write.Delete[i]); err != nil {
			return err
		}
	}
	for i := range write.Put {
		r := &write.Put[i]
		if _, err := w.put.Exec(string(r.Kind), r.ID, string(r.Application), string(r.Parent), r.Key, r.Live, string(r.Doc)); err != nil {
			return err
		}
	}
	for i := range write.Events {
		position++
		if err := w.writeEvent(&write.Events[i], position); err != nil {
			return err
		}
	}
	for i := range write.Deliveries {
		if err := w.writeDelivery(&write.Deliveries[i]); err != nil {
			return err
		}
	}
	for i := range write.Cursors {
		if err := w.writeCursor(&write.Cursors[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) writeDelete(k *store.RowKey) error {
	if _, err := w.delete.Exec(string(k.Kind), k.ID); err != nil {
		return err
	}
	if k.Kind != store.KindWebhook {
		return nil
	}
	_, err := w.forget.Exec(k.ID)
	return err
}

func (w *writer) writeEvent(e *parley.Event, position int64) error {
	_, err := w.event.Exec(position, string(e.Stream), e.Seq, string(e.Application), string(e.Type), int64(e.Time), e.SeedLen, e.Body)
	return err
}

func (w *writer) writeDelivery(d *parley.Delivery) error {
	_, err := w.delivery.Exec(string(d.Webhook), d.EventID, string(d.Stream), d.Seq, string(d.EventType), string(d.State), d.Attempts,
		d.LastStatus, d.LastError, d.LatencyMS, d.Response, int64(d.FirstTime), int64(d.LastTime), int64(d.NextTime))
	return err
}

func (w *writer) writeCursor(c *store.Cursor) error {
	if _, err := w.cursor.Exec(string(c.Webhook), string(c.Stream), c.Seq, c.Position); err != nil {
		return err
	}
	if c.Stream != "" {
		return nil
	}
	_, err := w.settled.Exec(string(c.Webhook), c.Position)
	return err
}

func (w *writer) exec(text string) error {
	_, err := w.conn.ExecContext(context.Background(), text)
	return err
}
