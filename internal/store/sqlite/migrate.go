package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// SchemaError says that the database was written by a newer program.
type SchemaError struct {
	Path string
	Has  int64 // the schema's version in the database
	Want int64 // the newest version that this program knows
}

func (e *SchemaError) Error() string {
	return fmt.Sprintf("database %s has schema version %d, this program knows versions up to %d: use the newer program", e.Path, e.Has, e.Want)
}

// migrate brings the schema up to date, never down. Each step is a transaction
// of its own, so that an interrupted migration goes on at the next start.
func migrate(ctx context.Context, db *sql.DB, path string) error {
	dir, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return fmt.Errorf("migrate %s: %w", path, err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, dir, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("migrate %s: %w", path, err)
	}
	has, want, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("migrate %s: %w", path, err)
	}
	if has > want {
		return &SchemaError{Path: path, Has: has, Want: want}
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate %s: %w", path, err)
	}
	return nil
}
