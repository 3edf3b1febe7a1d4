package ledger

import (
	"errors"

	"parley/internal/store"
)

// result is how a write ended.
type result int

const (
	applied result = iota
	conflicted
	failed     // the write is at fault
	unwritable // the database is at fault
)

// kindOf sorts the error of a write.
func kindOf(err error) result {
	switch {
	case err == nil:
		return applied
	case errors.Is(err, store.ErrConflict):
		return conflicted
	case errors.Is(err, store.ErrUnavailable):
		return unwritable
	default:
		return failed
	}
}
