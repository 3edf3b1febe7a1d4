package message

import (
	"errors"
	"strings"
	"testing"
)

func TestFrame(t *testing.T) {
	const m = "OPTIONS sip:a SIP/2.0\r\nVia: x\r\nl : 4\r\n\r\nbody"
	for _, tt := range []struct {
		name, data string
		want       int
		err        error
	}{
		{"nothing yet", "", 0, nil},
		{"half a header", m[:20], 0, nil},
		{"a header", m[:len(m)-4], 0, nil},
		{"all but one byte", m[:len(m)-1], 0, nil},
		{"a message", m, len(m), nil},
		{"a message and a half", m + m[:9], len(m), nil},
		{"no length", "OPTIONS sip:a SIP/2.0\r\nVia: x\r\n\r\n", 0, ErrNoLength},
		{"two lengths", "OPTIONS sip:a SIP/2.0\r\nl: 1\r\nContent-Length: 1\r\n\r\nx", 0, ErrNoLength},
		{"a length that is none", "OPTIONS sip:a SIP/2.0\r\nl: -1\r\n\r\nx", 0, ErrNoLength},
		{"a body too long", "OPTIONS sip:a SIP/2.0\r\nl: 65536\r\n\r\nx", 0, ErrTooLong},
		{"a header too long", strings.Repeat("x", 33<<10), 0, ErrTooLong},
		{"a header too long that ends", strings.Repeat("x", 33<<10) + "\r\n\r\n", 0, ErrTooLong},
	} {
		n, err := Frame([]byte(tt.data))
		if n != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %d, %v, want %d, %v", tt.name, n, err, tt.want, tt.err)
		}
	}
	if n := Gap([]byte("\r\n\r\nOPTIONS")); n != 4 {
		t.Errorf("gap %d, want 4", n)
	}
}
