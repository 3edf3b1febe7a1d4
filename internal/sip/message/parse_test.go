package message

import (
	"net/netip"
	"strings"
	"testing"

	sipgo "github.com/emiago/sipgo/sip"
)

var src = netip.MustParseAddrPort("198.51.100.7:40000")

func TestAnAnswerCopiesTheRequest(t *testing.T) {
	m, fault := NewParser().Parse([]byte(invite))
	if fault != nil {
		t.Fatal(fault)
	}
	m.Source = src
	want := "SIP/2.0 200 OK\r\n" +
		"Via: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bK-1;received=198.51.100.7;rport=40000, SIP/2.0/TCP proxy.example.com;branch=z9hG4bK-0\r\n" +
		"Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK-00\r\n" +
		"Record-Route: <sip:p2.example.com;lr>, <sip:p1.example.com;lr>\r\n" +
		"From: \"Alice; tag=no\" <sip:alice@192.0.2.9:5062;tag=neither>;x=\"a;b\";tag=abc\r\n" +
		"To: <sip:conf1@192.0.2.1:5060>;tag=ours\r\n" +
		"Call-ID: d-77665544@192.0.2.9\r\n" +
		"CSeq: 1 INVITE\r\n" +
		"Content-Length: 0\r\n\r\n"
	if got := m.Answer(200, "ours").String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := m.Answer(100, "ours").String(); strings.Contains(got, "tag=ours") || strings.Contains(got, "Record-Route") {
		t.Errorf("100 has a tag or a route:\n%s", got)
	}
	if got := m.Answer(486, "ours").String(); !strings.HasPrefix(got, "SIP/2.0 486 Busy Here\r\n") || strings.Contains(got, "Record-Route") {
		t.Errorf("486 with a route, or without its phrase:\n%s", got)
	}
}

func TestAnAnswerKeepsTheTagThatIsThere(t *testing.T) {
	m, _ := NewParser().Parse([]byte(strings.Replace(invite, "5060>\r\n", "5060>;tag=theirs\r\n", 1)))
	if got := m.Answer(481, "ours").String(); strings.Contains(got, "ours") || !strings.Contains(got, ";tag=theirs\r\n") {
		t.Errorf("got\n%s", got)
	}
}

func TestParse(t *testing.T) {
	m, fault := NewParser().Parse([]byte(invite + "rest"))
	if fault != nil {
		t.Fatal(fault)
	}
	r := m.Request
	if r == nil || r.Method != sipgo.INVITE || r.Recipient.User != "conf1" || r.Contact().Address.Port != 5062 {
		t.Errorf("got %v", r)
	}
	if string(m.Body()) != "v=0\r\n" {
		t.Errorf("body %q", m.Body())
	}
	if got := m.Values("content-type"); len(got) != 1 || got[0] != "application/sdp" {
		t.Errorf("Content-Type %q", got)
	}
}

func TestMethodsAreCaseSensitive(t *testing.T) {
	m, fault := NewParser().Parse([]byte(strings.ReplaceAll(invite, "INVITE", "Invite")))
	if fault != nil || m.Request.IsInvite() {
		t.Errorf("%v, method %v", fault, m.Request.Method)
	}
}

func TestWhiteSpaceWhereTheGrammarHasIt(t *testing.T) {
	m, fault := NewParser().Parse([]byte(strings.Replace(invite, "Contact: <sip:alice@192.0.2.9:5062>",
		"Contact  :  \"A \\\" ; B\" <sip:alice@192.0.2.9:5062>  ;  q  =  0.5 ; x", 1)))
	if fault != nil {
		t.Fatal(fault)
	}
	if q, _ := m.Request.Contact().Params.Get("q"); q != "0.5" {
		t.Errorf("Contact %v", m.Request.Contact())
	}
}

func TestWhatTheParserRefuses(t *testing.T) {
	for _, tt := range []struct{ name, old, new string }{
		{"From without an address", "From: \"Alice; tag=no\" <sip:alice@192.0.2.9:5062;tag=neither>", "From: \"Alice\" "},
		{"an open quotation mark", "t: <", "t: \"Bob <"},
		{"To everybody", "t: <sip:conf1@192.0.2.1:5060>", "t: *"},
		{"a Contact that is no address", "Contact: <sip:alice@192.0.2.9:5062>", "Contact: <"},
		{"a route that is no address", "<sip:p1.example.com;lr>", "<sip:"},
		{"a Contact of two words", "Contact: <sip:alice@192.0.2.9:5062>", "Contact: <sip:alice@192.0.2.9;x=a b>"},
		{"a route that is not ASCII", "<sip:p1.example.com;lr>", "<sip:p1.example.com;lr;x=\xc3\xa9>"},
		{"a quotation mark in Via", "branch=z9hG4bK-1,", "branch=z9hG4bK-1\","},
		{"a quotation mark in To", "t: <sip:conf1@192.0.2.1:5060>", "t: <sip:conf1@192.0.2.1:5060>;x=\"y"},
		{"a bracket in Via", "branch=z9hG4bK-00", "branch=<z9hG4bK-00"},
		{"a host that is none", "sip:conf1@192.0.2.1:5060 SIP", "sip:conf1@a,b SIP"},
		{"a Contact without a host", "Contact: <sip:alice@192.0.2.9:5062>", "Contact: <sip:alice@>"},
	} {
		data := strings.Replace(invite, tt.old, tt.new, 1)
		if data == invite {
			t.Fatalf("%s: nothing was spoilt", tt.name)
		}
		m, fault := NewParser().Parse([]byte(data))
		if fault == nil || fault.Status != 400 || m.Request != nil || m.CallID == "" {
			t.Errorf("%s: %v, want a 400 and a head to answer with", tt.name, fault)
		}
	}
}

// Requests are refused for a semicolon too many (RFC 4475 section 3.1.2.1);
// what answers us is forgiven.
func TestASemicolonTooMany(t *testing.T) {
	for _, old := range []string{"branch=z9hG4bK-1,", "tag=abc", "Contact: <sip:alice@192.0.2.9:5062>"} {
		request := strings.Replace(invite, old, strings.TrimSuffix(old, ",")+";"+old[len(strings.TrimSuffix(old, ",")):], 1)
		if _, fault := NewParser().Parse([]byte(request)); fault == nil || fault.Status != 400 {
			t.Errorf("after %s in a request: %v, want 400", old, fault)
		}
		response := strings.Replace(request, "INVITE sip:conf1@192.0.2.1:5060 SIP/2.0", "SIP/2.0 200 OK", 1)
		m, fault := NewParser().Parse([]byte(response))
		if fault != nil || m.Top.Branch != "z9hG4bK-1" || m.FromTag != "abc" || m.Response.Contact() == nil {
			t.Errorf("after %s in an answer: %v, %+v", old, fault, m.Head)
		}
	}
	m, _ := NewParser().Parse([]byte(strings.Replace(strings.Replace(invite, "INVITE sip:conf1@192.0.2.1:5060 SIP/2.0", "SIP/2.0 200 OK", 1),
		"t: <sip:conf1@192.0.2.1:5060>", "t: <sip:conf1@192.0.2.1:5060> ; ; tag = theirs;", 1)))
	if m.To != "<sip:conf1@192.0.2.1:5060>;tag=theirs" || m.ToTag != "theirs" {
		t.Errorf("To %q is what our ACK will have", m.To)
	}
}

func TestAPanicInTheParserIsAFault(t *testing.T) {
	p := &Parser{requests: sipgo.NewParser(sipgo.WithHeadersParsers(map[string]sipgo.HeaderParser{
		"cseq": func([]byte, string) (sipgo.Header, error) { panic("deep inside") },
	}))}
	if _, fault := p.Parse([]byte(invite)); fault == nil || fault.Status != 400 || !strings.Contains(fault.Cause, "deep inside") {
		t.Errorf("got %v", fault)
	}
	parse := careful("x", func([]byte, string) (sipgo.Header, error) { panic("deep inside") }, true)
	if h, err := parse(nil, "value"); err != nil || h.Value() != "value" {
		t.Errorf("got %v, %v, want the field as it was", h, err)
	}
}
