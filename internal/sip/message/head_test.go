package message

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// invite is a request with nothing wrong with it; tests spoil it.
const invite = "INVITE sip:conf1@192.0.2.1:5060 SIP/2.0\r\n" +
	"Via: SIP/2.0/UDP 192.0.2.9:5062;rport;branch=z9hG4bK-1, SIP/2.0/TCP proxy.example.com;branch=z9hG4bK-0\r\n" +
	"v: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK-00\r\n" +
	"Max-Forwards: 70\r\n" +
	"From: \"Alice; tag=no\" <sip:alice@192.0.2.9:5062;tag=neither>;x=\"a;b\";tag=abc\r\n" +
	"t: <sip:conf1@192.0.2.1:5060>\r\n" +
	"Call-ID: d-77665544@192.0.2.9\r\n" +
	"CSeq: 1 INVITE\r\n" +
	"Record-Route: <sip:p2.example.com;lr>,\r\n <sip:p1.example.com;lr>\r\n" +
	"Contact: <sip:alice@192.0.2.9:5062>\r\n" +
	"Content-Type: application/sdp\r\n" +
	"Content-Length: 5\r\n\r\n" +
	"v=0\r\n"

func TestScanReadsWhatAnAnswerNeeds(t *testing.T) {
	h, fault := Scan([]byte(invite + "and more of the datagram"))
	if fault != nil {
		t.Fatal(fault)
	}
	want := Head{
		Method: "INVITE", URI: "sip:conf1@192.0.2.1:5060",
		Via: []string{
			"SIP/2.0/UDP 192.0.2.9:5062;rport;branch=z9hG4bK-1, SIP/2.0/TCP proxy.example.com;branch=z9hG4bK-0",
			"SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK-00",
		},
		Top:  Via{Transport: "UDP", Host: "192.0.2.9", Port: 5062, Branch: "z9hG4bK-1", RPort: true},
		From: `"Alice; tag=no" <sip:alice@192.0.2.9:5062;tag=neither>;x="a;b";tag=abc`, FromTag: "abc",
		To:     "<sip:conf1@192.0.2.1:5060>",
		CallID: "d-77665544@192.0.2.9", CSeq: "1 INVITE", Seq: 1, SeqMethod: "INVITE",
		RecordRoute: []string{"<sip:p2.example.com;lr>, <sip:p1.example.com;lr>"},
		MaxForwards: 70, ContentLen: 5,
		Header: len(invite) - 5, Size: len(invite),
	}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("got  %+v\nwant %+v", h, want)
	}
}

func TestWhatIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name     string
		old, new string
		status   int // 0: dropped
	}{
		{"nothing", invite, "", 0},
		{"no line end", "\r\n", " ", 0},
		{"not SIP at all", "INVITE sip:conf1@192.0.2.1:5060 SIP/2.0", "GET / HTTP/1.1", 0},
		{"a method that is no token", "INVITE sip", "INV@ITE sip", 0},
		{"another version", "5060 SIP/2.0", "5060 SIP/3.0", 505},
		{"two spaces", "INVITE sip", "INVITE  sip", 400},
		{"space at the end of the line", "5060 SIP/2.0", "5060 SIP/2.0 ", 400},
		{"angle brackets", "sip:conf1@192.0.2.1:5060 SIP", "<sip:conf1@192.0.2.1> SIP", 400},
		{"header fields in the request-URI", "5060 SIP", "5060?Route=%3Csip:x%3E SIP", 400},
		{"an empty URI", "sip:conf1@192.0.2.1:5060 SIP", "sip: SIP", 400},
		{"a scheme that we do not know", "sip:conf1@192.0.2.1:5060 SIP", "tel:+8613800138000 SIP", 416},
		{"SIPS", "sip:conf1@192.0.2.1:5060 SIP", "sips:conf1@192.0.2.1 SIP", 416},
		{"no Via", "Via: SIP/2.0/UDP 192.0.2.9:5062;rport;branch=z9hG4bK-1, SIP/2.0/TCP proxy.example.com;branch=z9hG4bK-0\r\nv: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK-00\r\n", "", 0},
		{"a Via that cannot be read", "SIP/2.0/UDP 192.0.2.9:5062", "SIP/2.0/UDP", 400},
		{"no From", "From:", "X-From:", 400},
		{"no To", "t:", "X-To:", 400},
		{"no Call-ID", "Call-ID:", "X-Call-ID:", 400},
		{"an empty Call-ID", "d-77665544@192.0.2.9", "", 400},
		{"no CSeq", "CSeq:", "X-CSeq:", 400},
		{"two To", "Content-Type: application/sdp", "To: <sip:other@example.com>", 400},
		{"two lengths", "Content-Type: application/sdp", "l: 5", 400},
		{"CSeq of another method", "1 INVITE", "1 BYE", 400},
		{"CSeq without method", "1 INVITE", "1", 400},
		{"CSeq too large", "1 INVITE", "2147483648 INVITE", 400},
		{"Max-Forwards too large", "Max-Forwards: 70", "Max-Forwards: 256", 400},
		{"Max-Forwards that is no number", "Max-Forwards: 70", "Max-Forwards: many", 400},
		{"negative length", "Content-Length: 5", "Content-Length: -5", 400},
		{"length beyond the datagram", "Content-Length: 5", "Content-Length: 6", 400},
		{"a field without a name", "Contact:", ":", 400},
		{"a field without a colon", "Contact: <sip:alice@192.0.2.9:5062>", "Contact", 400},
		{"a bare line feed", "Contact: <", "Contact: \n<", 400},
		{"a header that does not end", "\r\n\r\nv=0\r\n", "\r\n", 400},
		{"too many fields", "Content-Type:", strings.Repeat("X: y\r\n", 300) + "Content-Type:", 513},
		{"a header too long", "Content-Type:", "X: " + strings.Repeat("y", 40000) + "\r\nContent-Type:", 513},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data := strings.Replace(invite, tt.old, tt.new, 1)
			if data == invite {
				t.Fatal("nothing was spoilt")
			}
			_, fault := Scan([]byte(data))
			if fault == nil {
				t.Fatal("taken")
			}
			if fault.Status != tt.status {
				t.Errorf("%v, want %d", fault, tt.status)
			}
		})
	}
}

func TestAResponseIsNeverAnswered(t *testing.T) {
	for _, first := range []string{"SIP/2.0 200 OK", "SIP/2.0 99 Low", "SIP/2.0 700 High", "SIP/2.0 4294967301 Big", "SIP/1.0 200 OK", "SIP/2.0 2x0 OK"} {
		data := strings.Replace(invite, "INVITE sip:conf1@192.0.2.1:5060 SIP/2.0", first, 1)
		data = strings.Replace(data, "CSeq: 1 INVITE", "CSeq: one", 1)
		if _, fault := Scan([]byte(data)); fault == nil || fault.Status != 0 {
			t.Errorf("%s: %v, want a fault without status", first, fault)
		}
	}
}

// The torture messages of RFC 4475 as far as reading goes: which are refused
// before they reach the user agent, and with what. Those of section 3.1.1 are
// valid and must be read.
func TestRFC4475(t *testing.T) {
	refused := map[string]int{
		"badaspec":   400,                    // 3.1.2.6: spaces within the angle brackets
		"badinv01":   400,                    // 3.1.2.1: empty parameters
		"baddn":      400,                    // 3.1.2.15: display name in need of quotes; the copy lacks its last line too
		"badvers":    505,                    // 3.1.2.16
		"bigcode":    0,                      // 3.1.2.19: a response code of 33 bits
		"clerr":      400,                    // 3.1.2.2: Content-Length beyond the datagram
		"escruri":    400,                    // 3.1.2.11: header fields in the request-URI
		"insuf":      400,                    // 3.3.1: no From, To, Call-ID
		"ltgtruri":   400,                    // 3.1.2.7
		"lwsruri":    400,                    // 3.1.2.8
		"lwsstart":   400,                    // 3.1.2.9
		"mcl01":      400,                    // 3.3.9: two lengths
		"mismatch01": 400, "mismatch02": 400, // 3.1.2.17, 3.1.2.18: another method in CSeq
		"multi01":  400, // 3.3.8: two values where one is allowed
		"ncl":      400, // 3.1.2.3: negative Content-Length
		"novelsc":  416, // 3.3.4
		"quotbal":  400, // 3.1.2.6: a quotation mark without the other
		"scalar02": 400, // 3.1.2.4: numbers out of range
		"scalarlg": 0,   // 3.1.2.5: the same in a response
		"test":     0,   // not of the RFC: no version in the start line
		"trws":     400, // 3.1.2.10: white space at the end of the start line
		"unkscm":   416, // 3.3.2
	}
	files, err := filepath.Glob("../testdata/rfc4475/*.dat")
	if err != nil || len(files) != 50 {
		t.Fatalf("%d messages, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".dat")
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, fault := NewParser().Parse(data)
		want, refuse := refused[name]
		switch {
		case fault != nil && !refuse:
			t.Errorf("%s: %v, want it read", name, fault)
		case fault == nil && refuse:
			t.Errorf("%s: read, want %d", name, want)
		case fault != nil && fault.Status != want:
			t.Errorf("%s: %v, want %d", name, fault, want)
		}
	}
}
