package sip

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley"
	"parley/internal/control"
	"parley/internal/media"
	"parley/internal/sip/transaction"
)

func TestWeCallAndHangUp(t *testing.T) {
	onBench(t, func(b *bench) {
		mix := &media.Mix{}
		b.shards[mix] = 2
		h, invite := b.outbound(control.DialRequest{From: "+8613800138000", Mix: mix})
		if invite.to != them || invite.URI != "sip:bob@192.0.2.9:5062" || invite.ToTag != "" ||
			!strings.HasPrefix(invite.From, "<sip:+8613800138000@192.0.2.1>;tag=") || invite.To != "<sip:bob@192.0.2.9:5062>" {
			t.Errorf("to %s\n%s", invite.to, invite.text)
		}
		for _, want := range []string{"Contact: <sip:parley@192.0.2.1:5060>\r\n", "Max-Forwards: 70\r\n", "Allow: INVITE", "m=audio 20000 RTP/AVP 0 8 101\r\n", ";rport\r\n"} {
			if !strings.Contains(invite.text, want) {
				t.Errorf("no %q in\n%s", want, invite.text)
			}
		}
		if s := b.session(0); s.shard != 2 || s.peer != them.Addr() || s.params != nil {
			t.Errorf("session %+v", s)
		}
		b.comes(reply(invite, 100, "", ""))
		for i := range 15 { // sipgo's WaitAnswer gave up after 10
			b.comes(reply(invite, 180+i%4, fmt.Sprint("fork", i), ""))
			b.sleep(2 * time.Second)
		}
		b.gets()
		h.hears()
		b.comes(reply(invite, 200, "b", offerSDP("0 8 101", "8 101")))
		ack := b.get("ACK")
		if ack.Seq != invite.Seq || ack.ToTag != "b" || ack.URI != "sip:bob@192.0.2.9:5062" || ack.Top.Branch == invite.Top.Branch {
			t.Errorf("ACK\n%s", ack.text)
		}
		h.hears("answered")
		if p := b.session(0).last(); p.PayloadType != 8 || !p.Send || p.SignallingAddr != them.Addr() {
			t.Errorf("configured %+v", p)
		}
		b.sleep(time.Hour)
		h.call.Hangup(control.ReasonRemoved)
		bye := b.get("BYE")
		if bye.Seq != invite.Seq+1 || bye.ToTag != "b" || bye.From != invite.From {
			t.Errorf("BYE\n%s", bye.text)
		}
		h.hears("answered", "ended removed 0")
		b.comes(reply(bye, 200, "", ""))
	})
}

func TestTheFarEndHangsUp(t *testing.T) {
	onBench(t, func(b *bench) {
		h, invite := b.outbound(control.DialRequest{})
		b.comes(reply(invite, 200, "b", offerSDP()))
		b.get("ACK")
		b.comes(within(invite, "BYE", "b", 1))
		b.get("200")
		h.hears("answered", "ended hangup 0")
		b.comes(reply(invite, 200, "b", offerSDP())) // our ACK was lost
		all := b.sent()
		if len(all) == 0 || all[0].Method != "ACK" {
			t.Errorf("not acknowledged any more:\n%s", texts(all))
		}
		b.sleep(2 * transaction.Timeout)
	})
}

// within writes a request of the far end within a call that we made.
func within(invite sending, method, tag string, seq int) string {
	return method + " sip:parley@192.0.2.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5062;branch=z9hG4bK" + method + fmt.Sprint(seq) + "\r\n" +
		"From: " + invite.To + ";tag=" + tag + "\r\nTo: " + invite.From + "\r\nCall-ID: " + invite.CallID +
		fmt.Sprintf("\r\nCSeq: %d %s\r\nContent-Length: 0\r\n\r\n", seq, method)
}

func TestWhyCallsAreRefused(t *testing.T) {
	for status, reason := range map[int]string{
		302: control.ReasonRejected, 400: control.ReasonRejected, 401: control.ReasonRejected, 403: control.ReasonRejected,
		404: control.ReasonNotFound, 408: control.ReasonNoAnswer, 410: control.ReasonNotFound, 415: control.ReasonRejected,
		480: control.ReasonNoAnswer, 484: control.ReasonNotFound, 486: control.ReasonBusy, 487: control.ReasonNoAnswer,
		488: control.ReasonRejected, 500: control.ReasonUnreachable, 503: control.ReasonUnreachable, 504: control.ReasonUnreachable,
		600: control.ReasonBusy, 603: control.ReasonRejected, 604: control.ReasonNotFound, 606: control.ReasonRejected,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			onBench(t, func(b *bench) {
				h, invite := b.outbound(control.DialRequest{})
				b.comes(reply(invite, 180, "b", ""))
				b.comes(reply(invite, status, "b", "", "Contact: <sip:elsewhere@192.0.2.66>"))
				if ack := b.get("ACK"); ack.Top.Branch != invite.Top.Branch || ack.ToTag != "b" {
					t.Errorf("ACK\n%s", ack.text)
				}
				h.hears(fmt.Sprintf("ended %s %d", reason, status))
			})
		})
	}
}

func TestNobodyAnswers(t *testing.T) {
	t.Run("in time", func(t *testing.T) {
		onBench(t, func(b *bench) {
			h, invite := b.outbound(control.DialRequest{Timeout: 20 * time.Second})
			b.comes(reply(invite, 180, "b", ""))
			b.sleep(20*time.Second - 1)
			h.hears()
			b.gets()
			b.sleep(1)
			h.hears("ended no_answer 0")
			cancel := b.get("CANCEL")
			if cancel.Top.Branch != invite.Top.Branch || cancel.Seq != invite.Seq || cancel.ToTag != "" || cancel.URI != invite.URI || cancel.From != invite.From {
				t.Errorf("CANCEL\n%s", cancel.text)
			}
			b.comes(reply(cancel, 200, "b", ""))
			b.comes(reply(invite, 487, "b", ""))
			b.get("ACK")
			if !b.session(0).closed {
				t.Error("the session is open")
			}
		})
	})
	t.Run("at all", func(t *testing.T) {
		onBench(t, func(b *bench) {
			h, _ := b.outbound(control.DialRequest{})
			b.sleep(transaction.Timeout)
			if n := len(b.sent()); n != 6 {
				t.Errorf("INVITE repeated %d times, want 6", n)
			}
			h.hears("ended unreachable 0")
		})
	})
	t.Run("and the INVITE may be lost", func(t *testing.T) {
		onBench(t, func(b *bench) {
			h, invite := b.outbound(control.DialRequest{Timeout: 3 * time.Second})
			b.sleep(3 * time.Second)
			h.hears("ended no_answer 0")
			b.gets("INVITE", "INVITE") // no CANCEL before an answer (section 9.1)
			b.comes(reply(invite, 180, "b", ""))
			cancel := b.get("CANCEL")
			b.comes(reply(invite, 183, "b", ""))
			b.gets()
			b.comes(reply(cancel, 200, "b", ""))
			b.comes(reply(invite, 487, "b", ""))
			b.get("ACK")
		})
	})
	t.Run("the INVITE after the CANCEL", func(t *testing.T) {
		onBench(t, func(b *bench) {
			_, invite := b.outbound(control.DialRequest{Timeout: 3 * time.Second})
			b.comes(reply(invite, 180, "b", ""))
			b.sleep(3 * time.Second)
			b.comes(reply(b.get("CANCEL"), 200, "b", ""))
			b.sleep(transaction.Timeout)
			if s := b.agent.Stats(); s.Calls != 0 || s.Transactions.Clients != 0 {
				t.Errorf("left: %+v", s)
			}
		})
	})
}

// RFC 3261 section 9.1: a 2xx that crosses the CANCEL makes a call, which must
// be ended.
func TestA200ThatCrossesTheCancel(t *testing.T) {
	onBench(t, func(b *bench) {
		h, invite := b.outbound(control.DialRequest{})
		b.comes(reply(invite, 180, "b", ""))
		h.call.Hangup(control.ReasonCancelled)
		cancel := b.get("CANCEL")
		b.comes(reply(invite, 200, "b", offerSDP()))
		m := b.gets("ACK", "BYE")
		if m[1].ToTag != "b" || m[1].Seq != invite.Seq+1 {
			t.Errorf("BYE\n%s", m[1].text)
		}
		b.comes(reply(invite, 200, "b", offerSDP()))
		b.get("ACK") // and no second BYE
		b.comes(reply(cancel, 200, "b", ""))
		b.comes(reply(m[1], 200, "", ""))
		h.hears("ended cancelled 0")
	})
}

// RFC 3261 section 13.2.2.4.
func TestAForkIsAnsweredTwice(t *testing.T) {
	onBench(t, func(b *bench) {
		h, invite := b.outbound(control.DialRequest{})
		b.comes(reply(invite, 180, "b", ""))
		b.comes(reply(invite, 180, "c", ""))
		b.comes(reply(invite, 200, "c", offerSDP()))
		b.get("ACK")
		b.comes(reply(invite, 200, "b", offerSDP("40000", "50000")))
		m := b.gets("ACK", "BYE")
		if m[0].ToTag != "b" || m[1].ToTag != "b" {
			t.Errorf("got\n%s", texts(m))
		}
		b.comes(reply(m[1], 200, "", ""))
		b.comes(reply(invite, 200, "c", offerSDP()))
		if ack := b.get("ACK"); ack.ToTag != "c" {
			t.Errorf("ACK\n%s", ack.text)
		}
		h.hears("answered")
		if p := b.session(0).last(); p.Remote.Port() != 40000 {
			t.Errorf("configured %+v", p)
		}
		hangUp(b, h)
		// A branch that answers when all is over.
		b.comes(reply(invite, 200, "d", offerSDP()))
		m = b.gets("ACK", "BYE")
		b.comes(reply(m[1], 200, "", ""))
	})
}

func TestAnswersThatCannotBeUsed(t *testing.T) {
	for _, tt := range []struct{ name, body string }{
		{"none", ""},
		{"no description", "hello"},
		{"another codec", offerSDP("0 8 101", "3")},
		{"refused audio", offerSDP("audio 40000", "audio 0")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				h, invite := b.outbound(control.DialRequest{})
				b.comes(reply(invite, 200, "b", tt.body))
				m := b.gets("ACK", "BYE")
				b.comes(reply(m[1], 200, "", ""))
				h.hears("ended error 0")
			})
		})
	}
	t.Run("no Contact", func(t *testing.T) {
		onBench(t, func(b *bench) {
			h, invite := b.outbound(control.DialRequest{})
			b.comes(strings.Replace(reply(invite, 200, "b", offerSDP()), "Contact:", "X:", 1))
			m := b.gets("ACK", "BYE")
			b.comes(reply(m[1], 200, "", ""))
			h.hears("ended error 0")
		})
	})
}

func TestTheDescriptionCameEarly(t *testing.T) {
	onBench(t, func(b *bench) {
		h, invite := b.outbound(control.DialRequest{})
		b.comes(reply(invite, 183, "b", offerSDP("0 8 101", "8")))
		h.hears()
		if len(b.session(0).params) != 0 {
			t.Error("configured before the answer")
		}
		b.comes(reply(invite, 200, "b", ""))
		b.get("ACK")
		h.hears("answered")
		if p := b.session(0).last(); p.PayloadType != 8 {
			t.Errorf("configured %+v", p)
		}
	})
}

func TestHangupBeforeTheAnswer(t *testing.T) {
	t.Run("while the way is being found", func(t *testing.T) {
		onBench(t, func(b *bench) {
			h := &heardCall{u: b.uses}
			h.call = b.agent.Dial(control.DialRequest{ID: "x", Target: "sip:bob@them.example.com", Timeout: time.Minute, Events: h})
			synctest.Wait()
			h.call.Hangup(control.ReasonCancelled)
			h.hears("ended cancelled 0")
			b.sleep(time.Second)
			b.gets()
		})
	})
	t.Run("while the way of the ACK is being found", func(t *testing.T) {
		onBench(t, func(b *bench) {
			h, invite := b.outbound(control.DialRequest{})
			b.comes(strings.Replace(reply(invite, 200, "b", offerSDP()), "Contact: <sip:bob@192.0.2.9:5062>", "Contact: <sip:bob@them.example.com:5062>", 1))
			h.call.Hangup(control.ReasonCancelled)
			b.gets()
			h.hears("ended cancelled 0")
			b.sleep(time.Second / 5) // the names are looked up
			all := b.sent()
			if len(all) != 2 || all[0].Method != "ACK" || all[1].Method != "BYE" || all[1].to != them {
				t.Errorf("got\n%s", texts(all))
			}
			b.comes(reply(all[1], 200, "", ""))
		})
	})
}

func TestWaysThatAreNone(t *testing.T) {
	for _, target := range []string{
		"sip:bob@nowhere.example.com", "sip:bob@192.0.2.9:9;transport=tcp", "sip:bob@192.0.2.9;transport=tls",
		"sips:bob@192.0.2.9", "sip:bob@[2001:db8::1]", "tel:+8613800138000", "nonsense", "", "sip:bob@192.0.2.9:99999", "sip:",
	} {
		t.Run(target, func(t *testing.T) {
			onBench(t, func(b *bench) {
				h := &heardCall{u: b.uses}
				h.call = b.agent.Dial(control.DialRequest{ID: "x", Target: target, Timeout: time.Minute, Events: h})
				b.sleep(time.Second)
				h.hears("ended unreachable 0")
				b.gets()
			})
		})
	}
}

func TestANameIsCalled(t *testing.T) {
	onBench(t, func(b *bench) {
		h := &heardCall{u: b.uses}
		h.call = b.agent.Dial(control.DialRequest{ID: "x", Target: "sip:bob@them.example.com:5062;transport=tcp", Timeout: time.Minute, Events: h})
		b.sleep(200 * time.Millisecond)
		invite := b.get("INVITE")
		if invite.network != "TCP" || invite.to != them || invite.Top.Transport != "TCP" || !strings.Contains(invite.text, ";transport=tcp>\r\n") {
			t.Errorf("by %s to %s\n%s", invite.network, invite.to, invite.text)
		}
		b.comes(reply(invite, 486, "b", ""))
		b.get("ACK")
	})
}

func TestNoMediaForACall(t *testing.T) {
	onBench(t, func(b *bench) {
		b.noMedia = parley.Errorf(parley.CodeNoCapacity, "no ports")
		h := &heardCall{u: b.uses}
		h.call = b.agent.Dial(control.DialRequest{ID: "x", Target: "sip:bob@192.0.2.9", Timeout: time.Minute, Events: h})
		h.hears("ended error 0")
		b.gets()
	})
}

func TestTheNetworkIsDown(t *testing.T) {
	onBench(t, func(b *bench) {
		b.air.dead = true
		h := &heardCall{u: b.uses}
		h.call = b.agent.Dial(control.DialRequest{ID: "x", Target: "sip:bob@192.0.2.9", Timeout: time.Minute, Events: h})
		h.hears("ended unreachable 0")
	})
}

// Another call has the far end's address on the port that we offered: the call
// is up when a re-INVITE has moved it to another port.
func TestTheAddressIsInUse(t *testing.T) {
	t.Run("moved", func(t *testing.T) {
		onBench(t, func(b *bench) {
			b.busy = 1
			h, invite := b.outbound(control.DialRequest{})
			b.comes(reply(invite, 200, "b", offerSDP()))
			re := b.gets("ACK", "INVITE")[1]
			h.hears()
			if !strings.Contains(re.text, "m=audio 20002 ") || re.ToTag != "b" || re.Seq != invite.Seq+1 {
				t.Errorf("got\n%s", re.text)
			}
			b.comes(reply(re, 200, "b", offerSDP()))
			b.get("ACK")
			h.hears("answered")
			if !b.session(0).closed || !b.session(1).last().Send {
				t.Error("not the second session alone is used")
			}
		})
	})
	t.Run("not moved", func(t *testing.T) {
		onBench(t, func(b *bench) {
			b.busy = 1
			h, invite := b.outbound(control.DialRequest{})
			b.comes(reply(invite, 200, "b", offerSDP()))
			b.comes(reply(b.gets("ACK", "INVITE")[1], 488, "b", ""))
			b.comes(reply(b.gets("ACK", "BYE")[1], 200, "", ""))
			h.hears("ended error 0")
		})
	})
	t.Run("hung up meanwhile", func(t *testing.T) {
		onBench(t, func(b *bench) {
			b.busy = 1
			h, invite := b.outbound(control.DialRequest{})
			b.comes(reply(invite, 200, "b", offerSDP()))
			re := b.gets("ACK", "INVITE")[1]
			h.call.Hangup(control.ReasonCancelled)
			bye := b.get("BYE")
			b.comes(reply(re, 200, "b", offerSDP()))
			b.get("ACK")
			b.comes(reply(bye, 200, "", ""))
			h.hears("ended cancelled 0")
		})
	})
}

// RFC 3261 section 12.1.2: the route is the Record-Route backwards.
func TestTheRouteOfACallThatWeMake(t *testing.T) {
	onBench(t, func(b *bench) {
		h, invite := b.outbound(control.DialRequest{})
		b.comes(reply(invite, 200, "b", offerSDP(), "Record-Route: <sip:192.0.2.20;lr>, <sip:192.0.2.21;lr>", "Record-Route: <sip:192.0.2.22:5070;lr>"))
		ack := b.get("ACK")
		if got := strings.Join(ack.Values("Route"), " "); got != "<sip:192.0.2.22:5070;lr> <sip:192.0.2.21;lr> <sip:192.0.2.20;lr>" || ack.to != netip.MustParseAddrPort("192.0.2.22:5070") || ack.URI != "sip:bob@192.0.2.9:5062" {
			t.Errorf("to %s\n%s", ack.to, ack.text)
		}
		hangUp(b, h)
	})
}

func TestRequestsBeforeTheAnswer(t *testing.T) {
	onBench(t, func(b *bench) {
		h, invite := b.outbound(control.DialRequest{})
		b.comes(reply(invite, 180, "b", ""))
		b.comes(within(invite, "BYE", "b", 1))
		b.get("481")
		b.comes(within(invite, "PRACK", "b", 2))
		b.get("481")
		h.hears()
	})
}

func TestAnswersOfNobody(t *testing.T) {
	onBench(t, func(b *bench) {
		_, invite := b.outbound(control.DialRequest{})
		b.comes(strings.Replace(reply(invite, 200, "b", offerSDP()), invite.Top.Branch, "z9hG4bKguess", 1))
		b.gets()
		if s := b.agent.Stats(); s.Transactions.Strays != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestFrom(t *testing.T) {
	trunk := &parley.Trunk{Name: "t", Host: "192.0.2.9:5062", Username: "acct", From: "+862087654321"}
	for _, tt := range []struct {
		name string
		r    control.DialRequest
		want string
	}{
		{"our own", control.DialRequest{}, "<sip:parley@192.0.2.1>;tag="},
		{"a number", control.DialRequest{From: "02087654321"}, "<sip:02087654321@192.0.2.1>;tag="},
		{"a URI", control.DialRequest{From: "sip:desk@example.com;x=y"}, "<sip:desk@example.com>;tag="},
		{"the trunk's", control.DialRequest{Trunk: trunk}, "<sip:+862087654321@192.0.2.9:5062>;tag="},
		{"through the trunk", control.DialRequest{Trunk: trunk, From: "+1 2"}, "<sip:+1%202@192.0.2.9:5062>;tag="},
		{"the trunk's account", control.DialRequest{Trunk: &parley.Trunk{Host: "192.0.2.9:5062", Username: "acct"}}, "<sip:acct@192.0.2.9:5062>;tag="},
		{"a trunk without an account", control.DialRequest{Trunk: &parley.Trunk{Host: "192.0.2.9:5062"}, From: "7"}, "<sip:7@192.0.2.1>;tag="},
		{"one that breaks out", control.DialRequest{From: "a>;tag=x\r\nX: y"}, "<sip:a%3E;tag=x%0D%0AX%3A%20y@192.0.2.1>;tag="},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				_, invite := b.outbound(tt.r)
				if !strings.HasPrefix(invite.From, tt.want) {
					t.Errorf("From %s, want %s", invite.From, tt.want)
				}
			})
		})
	}
}

func TestATrunkTakesTheCall(t *testing.T) {
	onBench(t, func(b *bench) {
		h := &heardCall{u: b.uses}
		h.call = b.agent.Dial(control.DialRequest{
			ID: "x", Target: "sip:+8613800138000@provider.example.net", Timeout: time.Minute, Events: h,
			Trunk: &parley.Trunk{Name: "t", Host: "192.0.2.40:5070", Transport: "tcp"},
		})
		b.sleep(100 * time.Millisecond)
		invite := b.get("INVITE")
		if invite.network != "TCP" || invite.to != netip.MustParseAddrPort("192.0.2.40:5070") || invite.URI != "sip:+8613800138000@provider.example.net" {
			t.Errorf("by %s to %s\n%s", invite.network, invite.to, invite.text)
		}
		b.comes(reply(invite, 404, "b", ""))
		b.get("ACK")
	})
}

func TestErrorsOfThePlane(t *testing.T) {
	if got := refusalOf(errors.New("anything")); got != 500 {
		t.Errorf("refused with %d, want 500", got)
	}
	if got := refusalOf(fmt.Errorf("x: %w", media.ErrParams)); got != 488 {
		t.Errorf("refused with %d, want 488", got)
	}
}
