package control

import (
	"strings"
	"testing"

	"parley"
)

func TestCleanNumber(t *testing.T) {
	good := map[string]string{
		"+8613800138000": "+8613800138000", "02087654321": "02087654321", "+44 (20) 7946-0018": "+442079460018",
		"*98#": "*98#", "10": "10",
	}
	for in, want := range good {
		if got, ok := cleanNumber(in); !ok || got != want {
			t.Errorf("cleanNumber(%q) = %q, %v", in, got, ok)
		}
	}
	for _, in := range []string{"", "1", "+", "8+6", "alice", "12a", strings.Repeat("1", 33), "１２３"} {
		if got, ok := cleanNumber(in); ok {
			t.Errorf("cleanNumber(%q) = %q, want none", in, got)
		}
	}
}

func TestCleanSIP(t *testing.T) {
	good := map[string]string{
		"sip:alice@example.com":                    "sip:alice@example.com",
		"sip:alice@example.com:5070;transport=tcp": "sip:alice@example.com:5070",
		"sip:alice:secret@example.com?Subject=x":   "sip:alice@example.com",
		"sip:example.com":                          "sip:example.com",
		"sip:+49301234567@127.0.0.1;user=phone":    "sip:+49301234567@127.0.0.1",
		"sip:bob@[2001:db8::1]:5060":               "sip:bob@[2001:db8::1]:5060",
		"sip:a%20b@host":                           "sip:a%20b@host",
	}
	for in, want := range good {
		if got, ok := cleanSIP(in); !ok || got != want {
			t.Errorf("cleanSIP(%q) = %q, %v; want %q", in, got, ok, want)
		}
	}
	for _, in := range []string{
		"", "alice@example.com", "sips:alice@example.com", "sip:", "sip:@example.com", "sip:alice@", "sip:alice@exa mple.com",
		"sip:alice@example.com\r\nVia: x", "sip:alice@-bad.com", "sip:alice@host:99999", "sip:alice@host:", "sip:<alice>@host", "http://example.com",
		"sip:alice@a..b",
	} {
		if got, ok := cleanSIP(in); ok {
			t.Errorf("cleanSIP(%q) = %q, want none", in, got)
		}
	}
}

func TestTrunkURI(t *testing.T) {
	trunk := &parley.Trunk{Host: "gw.example.com:5070", Transport: "tcp", Strip: 1, Prepend: "00"}
	if got, want := trunkURI(trunk, "+49#30"), "sip:0049%2330@gw.example.com:5070;transport=tcp"; got != want {
		t.Errorf("trunkURI = %q, want %q", got, want)
	}
}

func TestLongestPrefixTakesTheNumber(t *testing.T) {
	c := &Control{trunks: []parley.Trunk{
		{Application: "a", Name: "rest"},
		{Application: "a", Name: "germany", Prefixes: []string{"+49"}},
		{Application: "a", Name: "berlin", Prefixes: []string{"+1", "+4930"}},
		{Application: "b", Name: "other", Prefixes: []string{"+4930123"}},
	}}
	for number, want := range map[string]string{"+4930123": "berlin", "+4989": "germany", "0800": "rest"} {
		if got := c.trunkFor("a", number); got == nil || got.Name != want {
			t.Errorf("trunkFor(%s) = %v, want %s", number, got, want)
		}
	}
	if got := c.trunkFor("b", "0800"); got != nil {
		t.Errorf("trunkFor of b = %v, want none", got)
	}
}

func TestParseEventID(t *testing.T) {
	const id = "0190000000007000800000000000000c"
	if s, n, ok := parseEventID("evt_" + id + "_12"); !ok || s != id || n != 12 {
		t.Errorf("got %s %d %v", s, n, ok)
	}
	for _, in := range []string{"", "evt_", "evt_" + id, "evt_" + id + "_", "evt_" + id + "_0", "evt_" + id + "_+1", "evt_" + id + "_-1", "evt_X_1", id + "_1"} {
		if _, _, ok := parseEventID(in); ok {
			t.Errorf("parseEventID(%q) is accepted", in)
		}
	}
}

func FuzzTarget(f *testing.F) {
	for _, s := range []string{"+49 30 123", "sip:a@b", "tel:+1;ext=2", "sip:a:b@[::1]:1;x?y=z", "sip:%00@h"} {
		f.Add(s)
	}
	c := &Control{trunks: []parley.Trunk{{Application: "a", Host: "gw"}}}
	f.Fuzz(func(t *testing.T, to string) {
		got, err := c.target("a", to, "")
		if err != nil {
			return
		}
		if got.partURI == "" || strings.ContainsAny(got.uri+got.partURI, "\r\n <>\"") {
			t.Fatalf("target(%q) = %+v", to, got)
		}
	})
}
