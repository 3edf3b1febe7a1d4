package phone_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"parley/internal/phone"
)

// statusOf is the status of a refusal, 0 for any other error.
func statusOf(err error) int {
	if e, ok := errors.AsType[*phone.StatusError](err); ok {
		return e.Status
	}
	return 0
}

// ask sends one message over UDP, without any SIP library, and gives the first
// line and the headers of what comes back.
func ask(t *testing.T, p *phone.Phone, method, headers string) string {
	t.Helper()
	conn, err := net.Dial("udp", p.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	message := fmt.Sprintf("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK-%s\r\nMax-Forwards: 70\r\n"+
		"CSeq: 1 %s\r\n%sContent-Length: 0\r\n\r\n", method, p.URI(), conn.LocalAddr(), method, method, headers)
	if _, err := conn.Write([]byte(message)); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(within))
	buf := make([]byte, 4096)
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatalf("no response to %s: %v", method, err)
	}
	return string(buf[:n])
}

func TestRequestsOutsideOfCalls(t *testing.T) {
	t.Parallel()
	p := newPhone(t, phone.Config{})
	from := "From: <sip:x@127.0.0.1>;tag=1\r\nCall-ID: none\r\n"
	stranger := from + "To: <sip:phone@127.0.0.1>;tag=none\r\n"
	tests := []struct {
		name, method, headers, status string
	}{
		{"a question what it can", "OPTIONS", from + "To: <sip:phone@127.0.0.1>\r\n", "200"},
		{"an unknown method", "NOTIFY", stranger, "405"},
		{"the end of no call", "BYE", stranger, "481"},
		{"a change to no call", "INVITE", stranger, "481"},
		{"taking back no call", "CANCEL", stranger, "481"},
		{"no Call-ID", "OPTIONS", "From: <sip:x@127.0.0.1>;tag=1\r\nTo: <sip:phone@127.0.0.1>\r\n", "400"},
		{"no To", "INVITE", from, "400"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, p, tt.method, tt.headers)
			if !strings.HasPrefix(got, "SIP/2.0 "+tt.status+" ") {
				t.Errorf("got %q, want %s", got, tt.status)
			}
			if tt.status[0] != '4' || tt.status == "405" {
				if !strings.Contains(got, "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\n") {
					t.Errorf("no Allow in %q", got)
				}
			}
		})
	}
}
