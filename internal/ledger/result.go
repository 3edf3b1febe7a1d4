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
	failed
)

// kindOf sorts the error of a write.
func kindOf(err error) result {
	switch {
	case err == nil:
		return applied
	case errors.Is(err, store.ErrConflict):
		return conflicted
	default:
		return failed
	}
}
