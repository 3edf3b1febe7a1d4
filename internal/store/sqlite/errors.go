package sqlite

import (
	"context"
	"errors"
	"fmt"

	"modernc.org/sqlite"

	"parley/internal/store"
)

// Result codes of SQLite (https://www.sqlite.org/rescode.html).
const (
	codeConstraint = 19
	codeUnique     = 2067
	codePrimaryKey = 1555
)

// fault sorts an error of the driver: a broken unique key is ErrConflict,
// another broken constraint stays itself (the caller's fault, not the
// database's), the end of the context stays itself, and anything else is
// ErrUnavailable.
func fault(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch {
		case e.Code() == codeUnique, e.Code() == codePrimaryKey:
			return fmt.Errorf("%w: %w", store.ErrConflict, err)
		case e.Code()&0xff == codeConstraint:
			return fmt.Errorf("store: refused: %w", err)
		}
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}
