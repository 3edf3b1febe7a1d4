package message

import (
	"net/netip"
	"testing"
)

func TestParseVia(t *testing.T) {
	for value, want := range map[string]Via{
		"SIP/2.0/UDP 192.0.2.9:5062;rport;branch=z9hG4bK-1":                     {Transport: "UDP", Host: "192.0.2.9", Port: 5062, Branch: "z9hG4bK-1", RPort: true},
		"SIP / 2.0 / udp  first.example.com : 4000;ttl=16 ; branch = z9hG4bKa7": {Transport: "UDP", Host: "first.example.com", Port: 4000, Branch: "z9hG4bKa7"},
		"SIP/2.0/TCP [2001:db8::9:1]:5061;branch=z9hG4bK1":                      {Transport: "TCP", Host: "2001:db8::9:1", Port: 5061, Branch: "z9hG4bK1"},
		`SIP/2.0/UDP h;x="a;branch=z9hG4bKno";branch=z9hG4bKyes;rport=5`:        {Transport: "UDP", Host: "h", Branch: "z9hG4bKyes"},
		"SIP/2.0/TLS h.example.com":                                             {Transport: "TLS", Host: "h.example.com"},
	} {
		got, ok := ParseVia(value)
		if !ok || got != want {
			t.Errorf("%q: %+v %v, want %+v", value, got, ok, want)
		}
	}
	for _, value := range []string{"", "SIP", "SIP/2.0", "SIP/2.0/UDP", "HTTP/1.1/UDP h", "SIP/2.0/UDP h:0", "SIP/2.0/UDP h:65536",
		"SIP/2.0/UDP h:x", "SIP/2.0/UDP [::1", "SIP/2.0/UDP [h]", "SIP/2.0/UDP 192.0.2.15;;", "SIP/2.0/UDP h;", "SIP/2.0/UDP h;=x", "SIP/2.0/UDP a<b>", "SIP/2.0/U P h:"} {
		if v, ok := ParseVia(value); ok {
			t.Errorf("%q: read as %+v", value, v)
		}
	}
}

// RFC 3261 section 18.2.1 and RFC 3581 section 4.
func TestStamp(t *testing.T) {
	src := netip.MustParseAddrPort("192.0.2.1:9988")
	for value, want := range map[string]string{
		"SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK1":                         "SIP/2.0/UDP 192.0.2.1:5062;branch=z9hG4bK1",
		"SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKkjshdyff":             "SIP/2.0/UDP 10.1.1.1:4540;branch=z9hG4bKkjshdyff;received=192.0.2.1;rport=9988",
		"SIP/2.0/UDP 10.1.1.1;branch=z9hG4bK1":                               "SIP/2.0/UDP 10.1.1.1;branch=z9hG4bK1;received=192.0.2.1",
		"SIP/2.0/UDP host.example.com ; branch=z9hG4bK1 ; x":                 "SIP/2.0/UDP host.example.com;branch=z9hG4bK1;x;received=192.0.2.1",
		"SIP/2.0/UDP 192.0.2.1;received=203.0.113.7;rport=7;branch=z9hG4bK1": "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
		`SIP/2.0/UDP 192.0.2.1;x="a;rport";branch=z9hG4bK1`:                  `SIP/2.0/UDP 192.0.2.1;x="a;rport";branch=z9hG4bK1`,
	} {
		v, ok := ParseVia(value)
		if !ok {
			t.Errorf("%q: not read", value)
		}
		if got := v.Stamp(value, src); got != want {
			t.Errorf("%q\ngot  %q\nwant %q", value, got, want)
		}
	}
}

// RFC 3261 section 18.2.2.
func TestReplyTo(t *testing.T) {
	src := netip.MustParseAddrPort("192.0.2.1:9988")
	for value, want := range map[string]string{
		"SIP/2.0/UDP 10.1.1.1:4540;rport":             "192.0.2.1:9988",
		"SIP/2.0/UDP 10.1.1.1:4540":                   "192.0.2.1:4540",
		"SIP/2.0/UDP 10.1.1.1":                        "192.0.2.1:5060",
		"SIP/2.0/UDP 10.1.1.1:4540;maddr=203.0.113.7": "192.0.2.1:4540",
	} {
		v, _ := ParseVia(value)
		if got := v.ReplyTo(src).String(); got != want {
			t.Errorf("%q: to %s, want %s", value, got, want)
		}
	}
	if got := (Via{}).ReplyTo(src); got != src {
		t.Errorf("a Via that cannot be read: to %s, want %s", got, src)
	}
}
