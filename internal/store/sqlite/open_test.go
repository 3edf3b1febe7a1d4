package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley"
	"parley/internal/store"
)

func TestASecondOpenOfADirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	first := openTest(t, dir)
	_, err := Open(t.Context(), Config{Dir: dir})
	if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("the second Open = %v, want ErrLocked naming %s", err, dir)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	openTest(t, dir)
}

func TestAnUnusableDirectoryIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	blocked := t.TempDir()
	if err := os.Mkdir(filepath.Join(blocked, lockFile), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below"), blocked} {
		if _, err := Open(t.Context(), Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "data directory "+dir) {
			t.Errorf("Open %s = %v, want an error that names the data directory", dir, err)
		}
	}
}

func TestAFileThatIsNoDatabaseIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, databaseFile), []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), databaseFile) {
		t.Errorf("Open = %v, want an error that names the file", err)
	}
	// The directory was given free again.
	if err := os.Remove(filepath.Join(dir, databaseFile)); err != nil {
		t.Fatal(err)
	}
	openTest(t, dir)
}

func TestANewDirectoryIsMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b", "ü?#%41")
	s := openTest(t, dir)
	for _, err := range s.Apply(t.Context(), []*store.Write{{Put: []store.Row{{Kind: "k", ID: "1", Doc: []byte("{}")}}}}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, databaseFile)); err != nil {
		t.Errorf("the database is not in its directory: %v", err)
	}
}

func TestANewerSchemaIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := openTest(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	raw := rawDatabase(t, dir)
	if _, err := raw.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)"); err != nil {
		t.Fatal(err)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Config{Dir: dir})
	newer, ok := errors.AsType[*SchemaError](err)
	if !ok || newer.Has != 99 || newer.Want < 1 || !strings.Contains(err.Error(), "newer") {
		t.Errorf("Open = %v, want a SchemaError for version 99", err)
	}
}

// rawDatabase opens the database beside the store, as another program would.
func rawDatabase(t *testing.T, dir string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, databaseFile))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestTheConnectionsAreDurable(t *testing.T) {
	s := openTest(t, t.TempDir())
	for _, c := range []struct{ pragma, want string }{{"journal_mode", "wal"}, {"synchronous", "2"}} {
		var got string
		if err := s.writer.conn.QueryRowContext(t.Context(), "PRAGMA "+c.pragma).Scan(&got); err != nil || got != c.want {
			t.Errorf("%s of the writer = %s, %v, want %s", c.pragma, got, err, c.want)
		}
	}
	if _, err := s.readers.ExecContext(t.Context(), "DELETE FROM events"); err == nil {
		t.Error("a reader's connection can write")
	}
}

// told is a write of one event.
func told(stream parley.ID, seq int64) *store.Write {
	return &store.Write{Events: []parley.Event{{Stream: stream, Seq: seq, Application: "app", Body: []byte(`{}`), SeedLen: 1}}}
}

func TestALockedDatabaseIsUnavailableAndComesBack(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), Config{Dir: dir, BusyTimeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	raw := rawDatabase(t, dir)
	if _, err := raw.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	group := []*store.Write{told("a", 1), told("b", 1)}
	for i, err := range s.Apply(t.Context(), group) {
		if !errors.Is(err, store.ErrUnavailable) || group[i].Events[0].Position != 0 {
			t.Errorf("write %d on a locked database = %v at position %d", i, err, group[i].Events[0].Position)
		}
	}
	if _, err := s.Events(t.Context(), store.EventQuery{}); err != nil {
		t.Errorf("reading while another writes: %v", err)
	}
	if _, err := raw.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	wantApplied(t, s, group...)
}

func wantApplied(t *testing.T, s *Store, group ...*store.Write) {
	t.Helper()
	for i, err := range s.Apply(t.Context(), group) {
		if err != nil {
			t.Errorf("write %d = %v", i, err)
		}
	}
}

// TestAFullDiskIsUnavailableAndComesBack bounds the database's size, which
// SQLite reports as it does a full disk.
func TestAFullDiskIsUnavailableAndComesBack(t *testing.T) {
	s := openTest(t, t.TempDir())
	wantApplied(t, s, told("a", 1))
	bound := func(pages string) {
		var n int
		if err := s.writer.conn.QueryRowContext(t.Context(), "PRAGMA max_page_count = "+pages).Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	bound("1")
	big := told("a", 2)
	big.Events[0].Body = make([]byte, 1<<20)
	conflict := told("a", 1)
	for i, err := range s.Apply(t.Context(), []*store.Write{told("b", 1), conflict, big}) {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("write %d on a full disk = %v, want ErrUnavailable", i, err)
		}
	}
	events, err := s.Events(t.Context(), store.EventQuery{})
	if err != nil || len(events) != 1 {
		t.Errorf("events after the fault: %d, %v", len(events), err)
	}
	if s.writer.conn != nil {
		bound("1000000")
	}
	wantApplied(t, s, told("b", 1), big)
	if events, err = s.Events(t.Context(), store.EventQuery{}); err != nil || len(events) != 3 || events[2].Position != 3 {
		t.Errorf("events at the end: %d, %v", len(events), err)
	}
}

// TestAWriterWhoseConnectionBrokeGetsANewOne closes the connection under it.
func TestAWriterWhoseConnectionBrokeGetsANewOne(t *testing.T) {
	s := openTest(t, t.TempDir())
	wantApplied(t, s, told("a", 1))
	_ = s.writer.conn.Close()
	for _, err := range s.Apply(t.Context(), []*store.Write{told("a", 2)}) {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Apply = %v, want ErrUnavailable", err)
		}
	}
	again := told("a", 2)
	wantApplied(t, s, again)
	if again.Events[0].Position != 2 {
		t.Errorf("position = %d, want 2", again.Events[0].Position)
	}
}

func TestABrokenConstraintThatIsNoConflictFailsAlone(t *testing.T) {
	s := openTest(t, t.TempDir())
	errs := s.Apply(t.Context(), []*store.Write{told("a", 1), told("b", 0), told("a", 2)})
	if errs[0] != nil || errs[2] != nil || errs[1] == nil || errors.Is(errs[1], store.ErrConflict) || errors.Is(errs[1], store.ErrUnavailable) {
		t.Errorf("errors %v, want only the second, of neither kind", errs)
	}
}

func TestAReadEndsWithItsContext(t *testing.T) {
	s := openTest(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Events(ctx, store.EventQuery{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Events = %v", err)
	}
	for _, err := range s.Apply(ctx, []*store.Write{told("a", 1)}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Apply = %v", err)
		}
	}
}

// TestTheHotQueriesUseAnIndex asks SQLite for its plan.
func TestTheHotQueriesUseAnIndex(t *testing.T) {
	s := openTest(t, t.TempDir())
	for _, c := range []struct{ query, want string }{
		{"SELECT doc FROM records WHERE kind = 'k' AND id = 'i'", "sqlite_autoindex_records_1 (kind=? AND id=?)"},
		{"SELECT doc FROM records WHERE true AND kind = 'k' AND live = 1 ORDER BY id DESC", "records_live (kind=?)"},
		{"SELECT doc FROM records WHERE true AND kind = 'k' AND application = 'a' ORDER BY id DESC", "records_application (application=? AND kind=?)"},
		{"SELECT doc FROM records WHERE true AND kind = 'k' AND parent <> '' AND parent = 'p' ORDER BY id", "records_parent (parent=? AND kind=?)"},
		{"SELECT doc FROM records WHERE true AND kind = 'k' AND key <> '' AND key = 'x' ORDER BY id", "records_key (key=? AND kind=?)"},
		{"SELECT body FROM events WHERE true AND position > 1 ORDER BY position LIMIT 10", "INTEGER PRIMARY KEY (rowid>?)"},
		{"SELECT body FROM events WHERE true AND stream = 's' AND seq > 1 ORDER BY seq LIMIT 10", "(stream=? AND seq>?)"},
		{"SELECT body FROM events WHERE true AND application = 'a' AND position > 1 ORDER BY position LIMIT 10", "events_application (application=? AND rowid>?)"},
		{"SELECT error FROM deliveries WHERE true AND webhook = 'w' AND number < 9 ORDER BY number DESC LIMIT 10", "deliveries_webhook (webhook=? AND rowid<?)"},
		{"SELECT error FROM deliveries WHERE true AND event_id = 'e' ORDER BY number DESC", "(event_id=?)"},
		{"SELECT error FROM deliveries WHERE true AND webhook = 'w' AND state <> 'succeeded' AND state = 'dead' ORDER BY number DESC", "deliveries_open (webhook=? AND state=?)"},
		{"DELETE FROM cursors WHERE webhook = 'w' AND stream <> '' AND position BETWEEN 1 AND 9", "(webhook=?)"},
	} {
		plan := explain(t, s, c.query)
		if !strings.Contains(plan, c.want) || strings.Contains(plan, "SCAN") {
			t.Errorf("%s\nis done by %s\nwant %s", c.query, plan, c.want)
		}
	}
}

func explain(t *testing.T, s *Store, query string) string {
	t.Helper()
	rows, err := s.readers.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var plan []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(plan, "; ")
}
