package recorder

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"parley/internal/audiofile"
)

// emptyRate stands in the header of a file that has no sound and never got a
// header.
const emptyRate = 8000

// Repair makes the header of a recording that was not closed tell of all the
// sound that is in the file, which stays open. A file that is too short to
// have a header becomes an empty recording. A file that begins otherwise than
// a recording is an error, and left as it is.
func Repair(f File) (Result, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return Result{}, fmt.Errorf("recorder: %w", err)
	}
	rate, sound := emptyRate, int64(0)
	if size >= audiofile.HeaderSize {
		if rate, err = headerRate(f); err != nil {
			return Result{}, fmt.Errorf("recorder: %w", err)
		}
		sound = min(size-audiofile.HeaderSize, audiofile.MaxDataSize) &^ 1
	}
	h := audiofile.Header(rate, sound)
	if _, err := f.WriteAt(h[:], 0); err != nil {
		return Result{}, fmt.Errorf("recorder: %w", err)
	}
	if err := f.Truncate(audiofile.HeaderSize + sound); err != nil {
		return Result{}, fmt.Errorf("recorder: %w", err)
	}
	if err := f.Sync(); err != nil {
		return Result{}, fmt.Errorf("recorder: %w", err)
	}
	return result(rate, sound, 0), nil
}

// headerRate reads the sample rate from a header that Create wrote.
func headerRate(f File) (int, error) {
	var h [audiofile.HeaderSize]byte
	if _, err := f.ReadAt(h[:], 0); err != nil {
		return 0, err
	}
	rate := int(binary.LittleEndian.Uint32(h[24:]))
	if rate < 1 || rate > 1_000_000 {
		return 0, errors.New("the file is not a recording")
	}
	// Apart from the two sizes it must be the header for this rate.
	want := audiofile.Header(rate, 0)
	copy(want[4:8], h[4:8])
	copy(want[40:44], h[40:44])
	if h != want {
		return 0, errors.New("the file is not a recording")
	}
	return rate, nil
}
