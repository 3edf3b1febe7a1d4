package parley

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// ID names a conference, call, playback, recording or any other record: a
// UUIDv7 (RFC 9562 section 5.7) written as 32 lower-case hexadecimal digits.
// IDs made later sort later, to the millisecond. The empty ID means "none".
type ID string

// NewID makes an ID whose time part is now, the rest random. It is safe for
// concurrent use.
func NewID(now time.Time) ID {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	// crypto/rand.Read never fails: it crashes the program instead.
	_, _ = rand.Read(b[6:])
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	return ID(hex.EncodeToString(b[:]))
}

// Valid reports whether id has the form of an ID: 32 lower-case hexadecimal
// digits.
func (id ID) Valid() bool {
	if len(id) != 32 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
