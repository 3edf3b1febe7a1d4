package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"parley/internal/store"
)

// databaseFile is the database's name in the data directory.
const databaseFile = "parley.db"

// Config says how to open a store.
type Config struct {
	// Dir is the data directory; it is made if it is not there.
	Dir string
	// Readers is the number of connections for reading; 0 means 4.
	Readers int
	// BusyTimeout is how long a statement waits for a lock that another
	// program holds on the database file; 0 means 2 s.
	BusyTimeout time.Duration
}

// Store is the database of one data directory. It implements store.Store.
type Store struct {
	path    string
	lock    *os.File
	readers *sql.DB

	// mu is held for one group at a time; Apply has only one caller, the
	// ledger, so nobody waits for it but Close.
	mu     sync.Mutex
	writer *writer
}

var _ store.Store = (*Store)(nil)

// Open locks the data directory, opens the database in it and brings its schema
// up to date. A directory that another process has is store.ErrLocked, named in
// the error; a schema of a newer program is a *SchemaError.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("data directory %s: %w", cfg.Dir, err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s, err := open(ctx, filepath.Join(dir, databaseFile), cfg)
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	s.lock = lock
	return s, nil
}

func open(ctx context.Context, path string, cfg Config) (*Store, error) {
	if cfg.BusyTimeout == 0 {
		cfg.BusyTimeout = 2 * time.Second
	}
	db, err := sql.Open("sqlite", dsn(path, cfg.BusyTimeout, false))
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	if err := prepareFile(ctx, db, path); err != nil {
		_ = db.Close()
		return nil, err
	}
	w, err := newWriter(ctx, db)
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	readers, err := sql.Open("sqlite", dsn(path, cfg.BusyTimeout, true))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("database %s: %w", path, err), w.close())
	}
	if cfg.Readers <= 0 {
		cfg.Readers = 4
	}
	readers.SetMaxOpenConns(cfg.Readers)
	readers.SetMaxIdleConns(cfg.Readers)
	return &Store{path: path, readers: readers, writer: w}, nil
}

// prepareFile checks that the file is a database that can be written, and
// migrates it.
func prepareFile(ctx context.Context, db *sql.DB, path string) error {
	var mode string
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return fmt.Errorf("database %s cannot be opened: %w", path, err)
	}
	if mode != "wal" {
		return fmt.Errorf("database %s: the file system does not support SQLite's WAL mode (journal_mode is %s)", path, mode)
	}
	return migrate(ctx, db, path)
}

// dsn names the database with the settings of every connection.
func dsn(path string, busy time.Duration, readOnly bool) string {
	q := url.Values{}
	q.Add("_pragma", "busy_timeout("+strconv.FormatInt(busy.Milliseconds(), 10)+")")
	q.Add("_pragma", "journal_mode(WAL)")
	q.Add("_pragma", "synchronous(FULL)")
	if readOnly {
		q.Add("_pragma", "query_only(1)")
	}
	u := url.URL{Path: path}
	return "file:" + u.EscapedPath() + "?" + q.Encode()
}

// Close waits for what runs, closes the database and gives the data directory
// free.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writer == nil {
		return nil
	}
	err := errors.Join(s.readers.Close(), s.writer.close(), s.lock.Close())
	s.writer = nil
	return err
}
