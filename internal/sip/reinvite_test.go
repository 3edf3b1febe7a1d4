package sip

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"parley/internal/codec"
	"parley/internal/control"
	"parley/internal/media"
	"parley/internal/sip/transaction"
)

func TestTheFarEndHolds(t *testing.T) {
	for _, tt := range []struct {
		name, old, new string
		ours           string // direction that we answer
		receive        bool
	}{
		{"sendonly", "sendrecv", "sendonly", "recvonly", true},
		{"inactive", "sendrecv", "inactive", "inactive", false},
		{"address 0.0.0.0", "c=IN IP4 192.0.2.9", "c=IN IP4 0.0.0.0", "recvonly", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				c := b.up("a", nil)
				c.sends("INVITE", offerSDP(tt.old, tt.new))
				if ok := b.get("200"); !strings.Contains(ok.text, "a="+tt.ours+"\r\n") {
					t.Errorf("not %s:\n%s", tt.ours, ok.text)
				}
				c.ack()
				if p := b.session(0).last(); p.Send || p.Receive != tt.receive {
					t.Errorf("configured %+v", p)
				}
				c.hears("held true")
				c.sends("INVITE", offerSDP(tt.old, tt.new, "o=- 7 1", "o=- 7 2")) // still
				b.get("200")
				c.ack()
				c.sends("INVITE", offerSDP())
				b.get("200")
				c.ack()
				c.hears("held true", "held false")
				if p := b.session(0).last(); !p.Send || !p.Receive {
					t.Errorf("configured %+v", p)
				}
			})
		})
	}
}

func TestACallThatBeginsOnHold(t *testing.T) {
	onBench(t, func(b *bench) {
		b.comes(request("INVITE", "a1", "a", "", 1, offerSDP("sendrecv", "sendonly")))
		tag := b.gets("100", "180")[1].ToTag
		h := b.uses.calls[0]
		h.call.Answer(nil)
		b.get("200")
		b.comes(request("ACK", "ack", "a", tag, 1, ""))
		h.hears("answered", "held true")
	})
}

func TestHoldByUPDATE(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.up("a", nil)
		c.sends("UPDATE", offerSDP("sendrecv", "sendonly"))
		if ok := b.get("200"); !strings.Contains(ok.text, "a=recvonly\r\n") {
			t.Errorf("got\n%s", ok.text)
		}
		c.hears("held true")
		b.sleep(time.Minute)
		b.gets() // no ACK is awaited
	})
}

func TestTheFarEndChangesTheCodec(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.up("a", nil)
		c.sends("INVITE", offerSDP("0 8 101", "8 101", "40000", "41000"))
		b.get("200")
		c.ack()
		if p := b.session(0).last(); p.Codec != codec.PCMA || p.PayloadType != 8 || p.Remote.Port() != 41000 {
			t.Errorf("configured %+v", p)
		}
		c.hears()
	})
}

// RFC 3261 section 14.2: a re-INVITE that is refused changes nothing.
func TestAReInviteThatIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		text func(c *inboundCall) string
		want string
	}{
		{"no codec", func(c *inboundCall) string { return request("INVITE", "r", "a", c.tag, 2, offerSDP("0 8 101", "3")) }, "488"},
		{"no description", func(c *inboundCall) string { return request("INVITE", "r", "a", c.tag, 2, "hello") }, "488"},
		{"another body", func(c *inboundCall) string {
			return strings.Replace(request("INVITE", "r", "a", c.tag, 2, offerSDP()), "application/sdp", "text/plain", 1)
		}, "415"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				c := b.up("a", nil)
				b.comes(strings.Replace(tt.text(c), "9:5062>", "77:5062>", 1))
				b.get(tt.want)
				b.comes(request("ACK", "r", "a", c.tag, 2, ""))
				if n := len(b.session(0).params); n != 1 {
					t.Errorf("configured %d times", n)
				}
				c.hears()
				c.call.Hangup(control.ReasonRemoved)
				if bye := b.get("BYE"); bye.to != them {
					t.Errorf("BYE to %s: the target has moved", bye.to)
				}
			})
		})
	}
}

func TestAReInviteWithoutOffer(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.up("a", nil)
		c.sends("INVITE", "")
		if ok := b.get("200"); !strings.Contains(ok.text, "m=audio 20000 RTP/AVP 0 8 101\r\n") {
			t.Errorf("got\n%s", ok.text)
		}
		c.ack(offerSDP("0 8 101", "8", "sendrecv", "inactive"))
		if p := b.session(0).last(); p.Codec != codec.PCMA || p.Send {
			t.Errorf("configured %+v", p)
		}
		c.hears("held true")
		c.sends("INVITE", "")
		b.get("200")
		c.ack() // no answer: nothing is agreed on any more
		b.comes(reply(b.get("BYE"), 200, "", ""))
		c.hears("held true", "ended error 0")
	})
}

func TestAReInviteWithoutACK(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.up("a", nil)
		c.sends("INVITE", offerSDP())
		b.sleep(transaction.Timeout)
		all := b.sent()
		if last := all[len(all)-1]; word(last.Message) != "BYE" {
			t.Errorf("last sent\n%s", last.text)
		}
		c.hears("ended error 0")
	})
}

// A re-INVITE that comes before the first INVITE is answered (RFC 3261 section
// 14.2).
func TestAReInviteTooEarly(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.rings("a")
		c.sends("INVITE", offerSDP())
		if m := b.get("500"); !strings.Contains(m.text, "Retry-After: ") {
			t.Errorf("no Retry-After in\n%s", m.text)
		}
		c.sends("UPDATE", offerSDP())
		b.get("500")
		c.hears()
	})
}

func TestAReInviteWhileTheACKIsAwaited(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.rings("a")
		c.call.Answer(nil)
		b.get("200")
		c.sends("INVITE", offerSDP("sendrecv", "inactive"))
		b.get("200")
		b.sleep(time.Second)
		if m := b.gets("200"); m[0].Seq != 2 {
			t.Errorf("the 200 to CSeq %d is repeated", m[0].Seq)
		}
		c.ack()
		b.sleep(time.Minute)
		b.gets()
		c.hears("answered", "held true")
	})
}

func TestWeHold(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.up("a", nil)
		c.call.Hold(true)
		re := b.get("INVITE")
		if !strings.Contains(re.text, "a=sendonly\r\n") || !strings.Contains(re.text, "m=audio 20000 ") || re.ToTag != "a" {
			t.Errorf("got\n%s", re.text)
		}
		b.comes(reply(re, 100, "", ""))
		b.comes(reply(re, 200, "", offerSDP("sendrecv", "recvonly")))
		ack := b.get("ACK")
		if ack.Seq != re.Seq || ack.Top.Branch == re.Top.Branch {
			t.Errorf("ACK\n%s", ack.text)
		}
		if p := b.session(0).last(); !p.Send || p.Receive {
			t.Errorf("configured %+v", p)
		}
		b.comes(reply(re, 200, "", offerSDP("sendrecv", "recvonly"))) // our ACK was lost
		if again := b.get("ACK"); again.text != ack.text {
			t.Errorf("another ACK:\n%s", again.text)
		}
		c.hears() // that is not being held
		c.call.Hold(true)
		b.gets() // it is already
		c.call.Hold(false)
		re = b.get("INVITE")
		if !strings.Contains(re.text, "a=sendrecv\r\n") || !strings.Contains(re.text, "o=- ") {
			t.Errorf("got\n%s", re.text)
		}
		b.comes(reply(re, 200, "", offerSDP()))
		b.get("ACK")
		if p := b.session(0).last(); !p.Send || !p.Receive {
			t.Errorf("configured %+v", p)
		}
		c.sends("INVITE", offerSDP()) // the far end asks, we stay
		b.get("200")
		c.ack()
	})
}

func TestAHoldIsKeptInOurAnswers(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.up("a", nil)
		c.call.Hold(true)
		b.comes(reply(b.get("INVITE"), 200, "", offerSDP("sendrecv", "recvonly")))
		b.get("ACK")
		c.sends("INVITE", offerSDP())
		if ok := b.get("200"); !strings.Contains(ok.text, "a=sendonly\r\n") {
			t.Errorf("the hold is given up:\n%s", ok.text)
		}
		c.ack()
	})
}

func TestOfSeveralHoldsTheLastCounts(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.up("a", nil)
		c.call.Hold(true)
		re := b.get("INVITE")
		c.call.Hold(false)
		c.call.Hold(true)
		c.call.Hold(false)
		c.call.Hold(true)
		b.comes(reply(re, 200, "", offerSDP("sendrecv", "recvonly")))
		b.get("ACK")
		b.sleep(time.Minute)
		b.gets()
	})
}

// RFC 3261 section 14.1.
func TestGlare(t *testing.T) {
	t.Run("theirs is refused", func(t *testing.T) {
		onBench(t, func(b *bench) {
			c := b.up("a", nil)
			c.call.Hold(true)
			re := b.get("INVITE")
			c.sends("INVITE", offerSDP())
			b.get("491")
			b.comes(request("ACK", "aINVITE2", "a", c.tag, 2, ""))
			c.sends("UPDATE", offerSDP())
			b.get("491")
			b.comes(reply(re, 200, "", offerSDP("sendrecv", "recvonly")))
			b.get("ACK")
			c.sends("INVITE", offerSDP())
			b.get("200")
			c.ack()
		})
	})
	t.Run("ours is refused, the call is theirs", func(t *testing.T) {
		onBench(t, func(b *bench) {
			c := b.up("a", nil)
			c.call.Hold(true)
			re := b.get("INVITE")
			b.comes(reply(re, 491, "", ""))
			b.get("ACK")
			c.sends("INVITE", offerSDP()) // theirs goes first
			b.get("200")
			b.sleep(400 * time.Millisecond)
			b.gets() // ours waits for their ACK, whatever the delay
			b.sleep(1700 * time.Millisecond)
			b.gets("200", "200")
			c.ack()
			again := b.get("INVITE")
			if again.Seq != re.Seq+1 || !strings.Contains(again.text, "a=sendonly") {
				t.Errorf("got\n%s", again.text)
			}
			b.comes(reply(again, 200, "", offerSDP("sendrecv", "recvonly")))
			b.get("ACK")
			if b.session(0).last().Receive {
				t.Error("not on hold")
			}
		})
	})
	t.Run("ours is refused, the call is ours", func(t *testing.T) {
		onBench(t, func(b *bench) {
			h, invite := b.outbound(control.DialRequest{})
			b.comes(reply(invite, 200, "b", offerSDP()))
			b.get("ACK")
			h.call.Hold(true)
			re := b.get("INVITE")
			b.comes(reply(re, 491, "", ""))
			b.get("ACK")
			b.sleep(2099 * time.Millisecond)
			b.gets()
			b.sleep(1901 * time.Millisecond)
			if all := b.sent(); len(all) == 0 || all[0].Method != "INVITE" || !strings.Contains(all[0].text, "a=sendonly") {
				t.Errorf("no second try within 4 s:\n%s", texts(all))
			}
		})
	})
}

func TestOurReInviteIsRefused(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.up("a", nil)
		c.call.Hold(true)
		b.comes(reply(b.get("INVITE"), 488, "", ""))
		b.get("ACK")
		c.hears()
		c.call.Hold(false) // that is how it is
		b.gets()
		c.call.Hold(true)
		b.comes(reply(b.get("INVITE"), 200, "", offerSDP("sendrecv", "recvonly")))
		b.get("ACK")
		if b.session(0).last().Receive {
			t.Error("not on hold")
		}
	})
}

func TestTheFarEndHasLostTheCall(t *testing.T) {
	for _, tt := range []struct {
		name  string
		do    func(b *bench, re sending)
		hears string
	}{
		{"481", func(b *bench, re sending) { b.comes(reply(re, 481, "", "")) }, "ended hangup 481"},
		{"408", func(b *bench, re sending) { b.comes(reply(re, 408, "", "")) }, "ended unreachable 408"},
		{"no answer", func(b *bench, re sending) { b.sleep(transaction.Timeout) }, "ended unreachable 0"},
		{"an answer that cannot be used", func(b *bench, re sending) { b.comes(reply(re, 200, "", "")) }, "ended error 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				c := b.up("a", nil)
				c.call.Hold(true)
				tt.do(b, b.get("INVITE"))
				all := b.sent()
				bye := all[len(all)-1]
				if word(bye.Message) != "BYE" {
					t.Errorf("no BYE\n%s", texts(all))
				}
				b.comes(reply(bye, 481, "", ""))
				c.hears(tt.hears)
			})
		})
	}
}

func TestHangupDuringOurReInvite(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.up("a", nil)
		c.call.Hold(true)
		re := b.get("INVITE")
		c.call.Hangup(control.ReasonRemoved)
		bye := b.get("BYE")
		b.comes(reply(re, 200, "", offerSDP())) // crossed
		b.get("ACK")
		b.comes(reply(bye, 200, "", ""))
		c.hears("ended removed 0")
		if n := len(b.session(0).params); n != 1 {
			t.Errorf("configured %d times", n)
		}
	})
}

func TestMove(t *testing.T) {
	here, there := &media.Mix{}, &media.Mix{}
	outcome := func() (func(error), func(t *testing.T, want bool)) {
		var got []error
		return func(err error) { got = append(got, err) }, func(t *testing.T, want bool) {
			t.Helper()
			if len(got) != 1 || (got[0] == nil) != want {
				t.Errorf("done told %v, want success %v once", got, want)
			}
		}
	}
	moving := func(t *testing.T, f func(b *bench, c *inboundCall, re sending, expect func(*testing.T, bool))) {
		onBench(t, func(b *bench) {
			b.shards[here], b.shards[there] = 0, 1
			c := b.up("a", here)
			done, expect := outcome()
			c.call.Move(there, done)
			f(b, c, b.get("INVITE"), expect)
		})
	}
	t.Run("in the same shard", func(t *testing.T) {
		onBench(t, func(b *bench) {
			c := b.up("a", here)
			done, expect := outcome()
			c.call.Move(here, done)
			b.gets()
			expect(t, true)
		})
	})
	t.Run("to another", func(t *testing.T) {
		moving(t, func(b *bench, c *inboundCall, re sending, expect func(*testing.T, bool)) {
			if !strings.Contains(re.text, "m=audio 20002 ") || b.session(1).shard != 1 || b.session(1).peer != them.Addr() {
				t.Errorf("got\n%s", re.text)
			}
			b.comes(reply(re, 200, "", offerSDP("40000", "41000")))
			b.get("ACK")
			expect(t, true)
			if p := b.session(1).last(); p.Remote != netip.MustParseAddrPort("192.0.2.9:41000") || !p.Send {
				t.Errorf("configured %+v", p)
			}
			if !b.session(0).closed || b.session(1).closed {
				t.Error("not the new session alone is open")
			}
			c.hears()
		})
	})
	t.Run("refused", func(t *testing.T) {
		moving(t, func(b *bench, c *inboundCall, re sending, expect func(*testing.T, bool)) {
			b.comes(reply(re, 488, "", ""))
			b.get("ACK")
			expect(t, false)
			if b.session(0).closed || !b.session(1).closed {
				t.Error("not the old session alone is open")
			}
			c.sends("INVITE", offerSDP())
			if ok := b.get("200"); !strings.Contains(ok.text, "m=audio 20000 ") {
				t.Errorf("got\n%s", ok.text)
			}
			c.ack()
		})
	})
	t.Run("the far end hangs up", func(t *testing.T) {
		moving(t, func(b *bench, c *inboundCall, re sending, expect func(*testing.T, bool)) {
			c.sends("BYE", "")
			b.get("200")
			expect(t, false)
			c.hears("ended hangup 0")
			b.comes(reply(re, 487, "", ""))
			b.get("ACK")
		})
	})
	t.Run("the new port is no good either", func(t *testing.T) {
		onBench(t, func(b *bench) {
			b.shards[here], b.shards[there] = 0, 1
			c := b.up("a", here)
			done, expect := outcome()
			b.busy = 3
			c.call.Move(there, done)
			b.comes(reply(b.get("INVITE"), 200, "", offerSDP()))
			b.comes(reply(b.gets("ACK", "INVITE")[1], 200, "", offerSDP()))
			re := b.gets("ACK", "INVITE")[1]
			if !strings.Contains(re.text, "m=audio 20006 ") {
				t.Errorf("got\n%s", re.text)
			}
			b.comes(reply(re, 200, "", offerSDP()))
			b.get("ACK")
			expect(t, true)
			for i := range 4 {
				if b.session(i).closed != (i < 3) {
					t.Errorf("session %d: closed %v", i, b.session(i).closed)
				}
			}
		})
	})
	t.Run("no media", func(t *testing.T) {
		onBench(t, func(b *bench) {
			b.shards[here], b.shards[there] = 0, 1
			c := b.up("a", here)
			b.noMedia = errors.New("no ports")
			done, expect := outcome()
			c.call.Move(there, done)
			b.gets()
			expect(t, false)
			c.hears()
		})
	})
	t.Run("before and after", func(t *testing.T) {
		onBench(t, func(b *bench) {
			c := b.rings("a")
			done, expect := outcome()
			c.call.Move(here, done)
			b.gets()
			expect(t, false)
			c.call.Reject(486)
			b.get("486")
			b.comes(request("ACK", "a1", "a", c.tag, 1, ""))
			done, expect = outcome()
			c.call.Move(here, done)
			b.gets()
			expect(t, false)
		})
	})
}
