package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"parley/internal/store"
)

// lockFile is the file in the data directory that is locked while it is open.
const lockFile = "parley.lock"

// lockDir makes the data directory if it is not there and locks it for this
// process, until the returned file is closed or the process ends. A directory
// that another process has is store.ErrLocked.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory %s cannot be made: %w", dir, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory %s cannot be written: %w", dir, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	_ = f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("data directory %s: %w", dir, store.ErrLocked)
	}
	return nil, fmt.Errorf("data directory %s cannot be locked: %w", dir, err)
}
