package sip

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"parley/internal/control"
)

func TestWithinACall(t *testing.T) {
	for _, tt := range []struct{ method, want string }{
		{"OPTIONS", "200"}, {"INFO", "200"}, {"UPDATE", "200"}, {"PRACK", "481"},
		{"REFER", "405"}, {"NOTIFY", "405"}, {"MESSAGE", "405"}, {"JUMP", "501"},
	} {
		t.Run(tt.method, func(t *testing.T) {
			onBench(t, func(b *bench) {
				c := b.up("a", nil)
				c.sends(tt.method, "")
				if m := b.get(tt.want); tt.want != "481" && !strings.Contains(m.text, "Allow: INVITE") {
					t.Errorf("no Allow in\n%s", m.text)
				}
				c.hears()
				hangUp(b, c.heardCall)
			})
		})
	}
}

// hangUp ends a call from our side.
func hangUp(b *bench, h *heardCall) {
	b.t.Helper()
	h.forget()
	h.call.Hangup(control.ReasonRemoved)
	b.comes(reply(b.get("BYE"), 200, "", ""))
	h.hears("ended removed 0")
}

func TestOutsideOfCalls(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"OPTIONS", request("OPTIONS", "1", "a", "", 1, ""), "200"},
		{"OPTIONS with no hops left is for us", strings.Replace(request("OPTIONS", "1", "a", "", 1, ""), ": 70", ": 0", 1), "200"},
		{"OPTIONS that wants an extension", request("OPTIONS", "1", "a", "", 1, "", "Require: x"), "420"},
		{"BYE", request("BYE", "1", "a", "", 1, ""), "481"},
		{"BYE to an unknown dialog", request("BYE", "1", "a", "nobody", 1, ""), "481"},
		{"INVITE to an unknown dialog", request("INVITE", "1", "a", "nobody", 1, offerSDP()), "481"},
		{"OPTIONS to an unknown dialog", request("OPTIONS", "1", "a", "nobody", 1, ""), "481"},
		{"CANCEL", request("CANCEL", "1", "a", "", 1, ""), "481"},
		{"REGISTER", request("REGISTER", "1", "a", "", 1, ""), "405"},
		{"SUBSCRIBE", request("SUBSCRIBE", "1", "a", "", 1, ""), "405"},
		{"an invention", request("JUMP", "1", "a", "", 1, ""), "501"},
		{"ACK", request("ACK", "1", "a", "nobody", 1, ""), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				b.comes(tt.text)
				if tt.want == "" {
					b.gets()
					return
				}
				m := b.get(tt.want)
				if m.ToTag == "" {
					t.Errorf("no tag in\n%s", m.text)
				}
				if tt.name == "OPTIONS" {
					for _, has := range []string{"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE\r\n", "Accept: application/sdp\r\n", "Supported:", "Contact: "} {
						if !strings.Contains(m.text, has) {
							t.Errorf("no %q in\n%s", has, m.text)
						}
					}
				}
				if s := b.agent.Stats(); s.Transactions.Servers != 0 {
					t.Errorf("kept: %+v", s)
				}
			})
		})
	}
}

// RFC 3261 section 12.2.2.
func TestRequestsOutOfOrderAndOfOthers(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.up("a", nil)
		c.seq = 10
		c.sends("INFO", "")
		b.get("200")
		b.comes(request("INFO", "low", "a", c.tag, 10, ""))
		b.get("500")
		b.comes(strings.Replace(request("BYE", "other", "a", c.tag, 12, ""), ";tag=a", ";tag=b", 1))
		b.get("481")
		c.hears()
		c.sends("BYE", "")
		b.get("200")
		c.hears("ended hangup 0")
	})
}

func TestARepeatedBYE(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.up("a", nil)
		c.sends("BYE", "")
		b.get("200")
		c.seq--
		c.sends("BYE", "")
		b.get("200")
		c.sends("BYE", "") // another
		b.get("481")
		c.hears("ended hangup 0")
	})
}

func TestBYEsThatCross(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.up("a", nil)
		c.call.Hangup(control.ReasonRemoved)
		bye := b.get("BYE")
		c.sends("BYE", "")
		b.get("200")
		c.sends("INFO", "")
		b.get("481")
		b.comes(reply(bye, 481, "", ""))
		c.hears("ended removed 0")
		b.sleep(time.Minute)
		b.gets()
	})
}

func TestABYEWithoutAnswer(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.up("a", nil)
		c.call.Hangup(control.ReasonRemoved)
		c.hears("ended removed 0")
		b.sleep(time.Minute)
		if n := len(b.sent()); n != 11 {
			t.Errorf("BYE sent %d times, want 11", n)
		}
	})
}

// RFC 3261 sections 12.1.1 and 12.2.1.1: requests go the way that the INVITE
// came.
func TestTheRouteOfACall(t *testing.T) {
	for _, tt := range []struct {
		name, recordRoute string
		uri, to           string
		routes            []string
	}{
		{"direct", "", "sip:alice@192.0.2.9:5062", "192.0.2.9:5062", nil},
		{
			"loose routers", "Record-Route: <sip:192.0.2.20;lr>, <sip:p1.example.com;lr;ftag=x>",
			"sip:alice@192.0.2.9:5062", "192.0.2.20:5060", []string{"<sip:192.0.2.20;lr>", "<sip:p1.example.com;lr;ftag=x>"},
		},
		{
			"a strict router", "Record-Route: <sip:192.0.2.20:5070>, <sip:192.0.2.21;lr>",
			"sip:192.0.2.20:5070", "192.0.2.20:5070", []string{"<sip:192.0.2.21;lr>", "<sip:alice@192.0.2.9:5062>"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				invite := request("INVITE", "a1", "a", "", 1, offerSDP())
				if tt.recordRoute != "" {
					invite = request("INVITE", "a1", "a", "", 1, offerSDP(), tt.recordRoute)
				}
				b.comes(invite)
				ringing := b.gets("100", "180")[1]
				if tt.recordRoute != "" && !strings.Contains(ringing.text, tt.recordRoute+"\r\n") {
					t.Errorf("no %s in\n%s", tt.recordRoute, ringing.text)
				}
				h := b.uses.calls[0]
				h.call.Answer(nil)
				b.get("200")
				b.comes(request("ACK", "ack", "a", ringing.ToTag, 1, ""))
				h.call.Hangup(control.ReasonRemoved)
				bye := b.get("BYE")
				if bye.URI != tt.uri || bye.to != netip.MustParseAddrPort(tt.to) || strings.Join(bye.Values("Route"), " ") != strings.Join(tt.routes, " ") {
					t.Errorf("to %s\n%s", bye.to, bye.text)
				}
				if bye.From != "<sip:conf1@192.0.2.1>;tag="+ringing.ToTag || bye.To != `"Alice" <sip:alice@example.com>;tag=a` || bye.CallID != "call-of-a" {
					t.Errorf("of another dialog\n%s", bye.text)
				}
				b.comes(reply(bye, 200, "", ""))
			})
		})
	}
}

func TestTheFarEndMoves(t *testing.T) {
	for _, method := range []string{"INVITE", "UPDATE"} {
		t.Run(method, func(t *testing.T) {
			onBench(t, func(b *bench) {
				c := b.up("a", nil)
				c.seq++
				body := offerSDP()
				if method == "UPDATE" {
					body = ""
				}
				b.comes(strings.Replace(request(method, "moved", "a", c.tag, c.seq, body), "<sip:alice@192.0.2.9:5062>", "<sip:alice@192.0.2.30:5064>", 1))
				b.get("200")
				if method == "INVITE" {
					c.ack()
				}
				c.call.Hangup(control.ReasonRemoved)
				bye := b.get("BYE")
				if bye.to != netip.MustParseAddrPort("192.0.2.30:5064") || bye.URI != "sip:alice@192.0.2.30:5064" {
					t.Errorf("to %s\n%s", bye.to, bye.text)
				}
				b.comes(reply(bye, 200, "", ""))
			})
		})
	}
}

// A far end on a stream gets what we send on that stream, also where its
// Contact is a port that nobody listens on.
func TestAStreamIsUsedForBothWays(t *testing.T) {
	onBench(t, func(b *bench) {
		stream := &airFlow{n: b.air, network: "TCP", remote: netip.MustParseAddrPort("192.0.2.9:40123")}
		tcp := func(s string) string { return strings.Replace(s, "SIP/2.0/UDP", "SIP/2.0/TCP", 1) }
		b.comesBy(stream, tcp(request("INVITE", "a1", "a", "", 1, offerSDP())))
		m := b.gets("100", "180")
		if !strings.Contains(m[1].text, ";transport=tcp>") {
			t.Errorf("our Contact is not on TCP:\n%s", m[1].text)
		}
		h := b.uses.calls[0]
		h.call.Answer(nil)
		b.get("200")
		b.comesBy(stream, tcp(request("ACK", "ack", "a", m[1].ToTag, 1, "")))
		h.call.Hangup(control.ReasonRemoved)
		bye := b.get("BYE")
		if bye.network != "TCP" || bye.to != stream.remote || bye.Top.Transport != "TCP" {
			t.Errorf("BYE by %s to %s\n%s", bye.network, bye.to, bye.text)
		}
		b.comesBy(stream, reply(bye, 200, "", ""))
	})
}

func TestAStreamThatIsGone(t *testing.T) {
	onBench(t, func(b *bench) {
		stream := &airFlow{n: b.air, network: "TCP", remote: netip.MustParseAddrPort("192.0.2.9:40123")}
		tcp := func(s string) string {
			return strings.Replace(strings.Replace(s, "SIP/2.0/UDP", "SIP/2.0/TCP", 1), "9:5062>", "9:5062;transport=tcp>", 1)
		}
		b.comesBy(stream, tcp(request("INVITE", "a1", "a", "", 1, offerSDP())))
		tag := b.gets("100", "180")[1].ToTag
		h := b.uses.calls[0]
		h.call.Answer(nil)
		b.get("200")
		b.comesBy(stream, tcp(request("ACK", "ack", "a", tag, 1, "")))
		stream.gone = true
		h.call.Hangup(control.ReasonRemoved)
		b.sleep(100 * time.Millisecond) // a connection to the Contact is opened
		bye := b.get("BYE")
		if bye.network != "TCP" || bye.to != them {
			t.Errorf("BYE by %s to %s", bye.network, bye.to)
		}
		b.comes(reply(bye, 200, "", ""))
	})
}

func TestAContactWithAName(t *testing.T) {
	onBench(t, func(b *bench) {
		b.comes(strings.Replace(request("INVITE", "a1", "a", "", 1, offerSDP()), "<sip:alice@192.0.2.9:5062>", "<sip:alice@them.example.com>", 1))
		tag := b.gets("100", "180")[1].ToTag
		h := b.uses.calls[0]
		h.call.Answer(nil)
		b.get("200")
		b.comes(request("ACK", "ack", "a", tag, 1, ""))
		h.call.Hangup(control.ReasonRemoved)
		b.gets() // the name is being looked up
		b.sleep(200 * time.Millisecond)
		bye := b.get("BYE")
		if bye.to != netip.MustParseAddrPort("192.0.2.9:5060") {
			t.Errorf("BYE to %s", bye.to)
		}
		b.comes(reply(bye, 200, "", ""))
	})
}

func TestFactsOfTheMedia(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.up("a", nil)
		f := b.session(0).facts
		f.Talking("x", true, time.Now())
		f.Digit("x", '5', time.Second, time.Now())
		f.Silent("x", time.Now())
		c.hears("talking true", "digit 5", "silent")
		hangUp(b, c.heardCall)
		f.Talking("x", false, time.Now()) // nothing after the end
		c.hears("ended removed 0")
	})
}
