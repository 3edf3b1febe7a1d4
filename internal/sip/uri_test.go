package sip

import (
	"strings"
	"testing"

	"parley/internal/sip/message"

	sipgo "github.com/emiago/sipgo/sip"
)

func TestPartURI(t *testing.T) {
	for from, want := range map[string]string{
		"sip:alice@example.com":                              "sip:alice@example.com",
		"sip:alice:password@Example.COM;transport=tcp?x=y":   "sip:alice@example.com",
		"sip:alice@10.0.0.5:5062":                            "sip:alice@10.0.0.5:5062",
		"sip:alice@[2001:db8::1]:5062":                       "sip:alice@[2001:db8::1]:5062",
		"sips:alice@example.com":                             "sip:alice@example.com",
		"sip:%61lice@example.com":                            "sip:alice@example.com",
		"sip:a%20b%25@example.com":                           "sip:a%20b%25@example.com",
		"sip:%3Cb%3E%00@example.com":                         "sip:%3Cb%3E%00@example.com",
		"sip:100%@example.com":                               "sip:100%25@example.com",
		"sip:+8613800138000@10.0.0.1":                        "+8613800138000",
		"sip:02087654321@10.0.0.1":                           "02087654321",
		"sip:7@10.0.0.1":                                     "7",
		"sip:+1-212-555-1212@gateway.example.com;user=phone": "+12125551212",
		"sip:+1-212-555-1212@gateway.example.com":            "sip:+1-212-555-1212@gateway.example.com",
		"sip:+358-555-1234567;postd=pp22@foo.com;user=phone": "+3585551234567",
		"sip:1001a@10.0.0.1":                                 "sip:1001a@10.0.0.1",
		"sip:+@10.0.0.1":                                     "sip:+@10.0.0.1",
		"sip:1+2@10.0.0.1":                                   "sip:1+2@10.0.0.1",
		"sip:bob@10.0.0.1;user=phone":                        "sip:bob@10.0.0.1",
		"tel:+1-201-555-0123":                                "+12015550123",
		"tel:7042;phone-context=example.com":                 "7042",
		"tel:":                                               "sip:anonymous@anonymous.invalid",
		"tel:none":                                           "sip:anonymous@anonymous.invalid",
		"sip:example.com":                                    "sip:anonymous@example.com",
		"sip:anonymous@anonymous.invalid":                    "sip:anonymous@anonymous.invalid",
		"mailto:alice@example.com":                           "sip:anonymous@anonymous.invalid",
	} {
		u, err := parseURI(from)
		if err != nil && from != "tel:" {
			t.Errorf("%s: %v", from, err)
		}
		if got := partURI(&u); got != want {
			t.Errorf("%s: %s, want %s", from, got, want)
		}
	}
}

func TestPartURIIsBounded(t *testing.T) {
	long := partURI(&sipgo.Uri{Scheme: "sip", User: strings.Repeat("a b", 1000), Host: "example.com"})
	if len(long) > 300 || !strings.HasSuffix(long, "@example.com") || strings.Contains(long, "%@") || strings.Contains(long, "%2@") {
		t.Errorf("%d bytes: %s", len(long), long)
	}
	if n := partURI(&sipgo.Uri{Scheme: "sip", User: strings.Repeat("1", 1000), Host: "example.com"}); !strings.HasPrefix(n, "sip:") {
		t.Errorf("a number of 1000 digits: %s", n)
	}
}

// FuzzPartURI: what a caller says of himself, read as it is from the network,
// makes a part_uri that is one line of printable ASCII, a number or a SIP URI,
// never empty, and that stays the same when it is read again.
func FuzzPartURI(f *testing.F) {
	for _, s := range []string{"sip:alice@example.com", "tel:+1-201-555-0123;x=y", "sip:%3Cb%3E%00@[2001:db8::1]:5062;user=phone?a=b", "sip:@", "sip:é@h"} {
		f.Add(s)
	}
	read := func(from string) (sipgo.Uri, bool) {
		m, fault := message.NewParser().Parse([]byte(strings.Replace(options("x"), "<sip:t@127.0.0.1>", "<"+from+">", 1)))
		if fault != nil {
			return sipgo.Uri{}, false
		}
		return m.Request.From().Address, true
	}
	f.Fuzz(func(t *testing.T, from string) {
		u, ok := read(from)
		if !ok {
			return
		}
		part := partURI(&u)
		if part == "" || len(part) > 3*maxPart+len(u.Host)+20 {
			t.Fatalf("%q: %q", from, part)
		}
		for _, c := range []byte(part) {
			if c <= ' ' || c > '~' || strings.IndexByte("<>\"", c) >= 0 {
				t.Fatalf("%q: %q has %q", from, part, c)
			}
		}
		if number(part) == part {
			return
		}
		back, ok := read(part)
		if !ok || !strings.HasPrefix(part, "sip:") || len(part) <= maxPart && partURI(&back) != part {
			t.Fatalf("%q: %q, read again %q", from, part, partURI(&back))
		}
	})
}
