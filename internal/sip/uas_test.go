package sip

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"parley"
	"parley/internal/codec"
	"parley/internal/control"
	"parley/internal/media"
	"parley/internal/sip/transaction"
)

func TestACallComesAndIsHungUpByTheCaller(t *testing.T) {
	onBench(t, func(b *bench) {
		mix := &media.Mix{}
		b.shards[mix] = 3
		c := b.rings("a")
		if want := (control.IncomingCall{
			ID: c.in.ID, Application: "app", Trunk: "trunk", User: "conf1",
			From: "sip:alice@example.com", To: "sip:conf1@192.0.2.1", PartURI: "sip:alice@example.com", At: c.in.At,
		}); c.in != want || !c.in.ID.Valid() || !c.in.At.Equal(time.Now()) {
			t.Errorf("the use cases saw %+v, want %+v", c.in, want)
		}
		if c.call.Session() != nil {
			t.Error("a session before the answer")
		}
		c.call.Answer(mix)
		ok := b.get("200")
		for _, want := range []string{"Contact: <sip:parley@192.0.2.1:5060>\r\n", "Allow: INVITE, ACK", "m=audio 20000 RTP/AVP 0 101\r\n", "a=sendrecv\r\n"} {
			if !strings.Contains(ok.text, want) {
				t.Errorf("no %q in\n%s", want, ok.text)
			}
		}
		s := b.session(0)
		if s.shard != 3 || s.peer != them.Addr() {
			t.Errorf("session in shard %d for %s", s.shard, s.peer)
		}
		if got, want := s.last(), (media.Params{
			Remote: netip.MustParseAddrPort("192.0.2.9:40000"), RemoteRTCP: netip.MustParseAddrPort("192.0.2.9:40001"),
			SignallingAddr: them.Addr(), Codec: codec.PCMU, PayloadType: 0, DTMFPayloadType: 101,
			PTime: 20 * time.Millisecond, Send: true, Receive: true,
		}); got != want {
			t.Errorf("configured %+v, want %+v", got, want)
		}
		c.ack()
		c.hears("answered")
		b.gets()
		c.sends("BYE", "")
		b.get("200")
		c.hears("answered", "ended hangup 0")
		if !s.closed {
			t.Error("the session is open")
		}
		b.sleep(2 * transaction.Timeout)
		b.gets()
	})
}

// RFC 3261 section 13.3.1.4.
func TestThe200IsRepeatedUntilTheACK(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.rings("a")
		start := time.Now()
		c.call.Answer(nil)
		b.sleep(20 * time.Second)
		if got := since(start, b.sent()); got != "0 0.5 1.5 3.5 7.5 11.5 15.5 19.5" {
			t.Errorf("200 sent at %s", got)
		}
		c.sends("ACK", "") // of another CSeq
		c.seq = 1
		b.comes(strings.Replace(request("ACK", "x", "a", c.tag, 1, ""), ";tag=a", ";tag=b", 1)) // of another far end
		b.sleep(4 * time.Second)
		b.gets("200")
		c.ack()
		b.sleep(time.Minute)
		b.gets()
		c.hears("answered")
	})
}

// since is when messages were sent, in seconds.
func since(start time.Time, all []sending) string {
	var out []string
	for _, m := range all {
		out = append(out, fmt.Sprint(m.at.Sub(start).Seconds()))
	}
	return strings.Join(out, " ")
}

func TestWithoutACKTheCallEnds(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.rings("a")
		c.call.Answer(nil)
		b.sleep(transaction.Timeout - time.Millisecond)
		b.sent()
		b.sleep(time.Millisecond)
		bye := b.get("BYE")
		c.hears("answered", "ended error 0")
		b.comes(reply(bye, 200, "", ""))
	})
}

// RFC 3261 section 15: who was called sends no BYE before the ACK.
func TestAHangupWaitsForTheACK(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.rings("a")
		c.call.Answer(nil)
		b.get("200")
		c.call.Hangup(control.ReasonRemoved)
		c.hears("answered", "ended removed 0")
		b.gets()
		if !b.session(0).closed {
			t.Error("the session is open")
		}
		b.sleep(time.Second)
		b.gets("200")
		c.ack()
		bye := b.get("BYE")
		b.comes(reply(bye, 200, "", ""))
	})
	t.Run("that never comes", func(t *testing.T) {
		onBench(t, func(b *bench) {
			c := b.rings("a")
			c.call.Answer(nil)
			c.call.Hangup(control.ReasonRemoved)
			b.sleep(transaction.Timeout)
			all := b.sent()
			if last := all[len(all)-1]; word(last.Message) != "BYE" {
				t.Errorf("last sent\n%s", last.text)
			}
			c.hears("answered", "ended removed 0")
		})
	})
}

func TestTheCallerCancels(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.rings("a")
		b.comes(request("CANCEL", "a1", "a", "", 1, ""))
		m := b.gets("200", "487")
		if m[0].ToTag != c.tag || m[1].ToTag != c.tag {
			t.Errorf("tags %q and %q, want %q", m[0].ToTag, m[1].ToTag, c.tag)
		}
		c.hears("ended cancelled 487")
		b.comes(request("ACK", "a1", "a", c.tag, 1, ""))
		c.call.Answer(nil) // too late
		c.call.Reject(486)
		c.call.Hangup(control.ReasonRemoved)
		b.sleep(time.Minute)
		b.gets()
	})
}

func TestACancelThatCrossesThe200(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.rings("a")
		c.call.Answer(nil)
		b.get("200")
		b.comes(request("CANCEL", "a1", "a", "", 1, ""))
		b.gets("200")
		c.ack()
		c.hears("answered")
		c.call.Hangup(control.ReasonRemoved)
		b.comes(reply(b.get("BYE"), 200, "", ""))
	})
}

func TestARingingCallIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name  string
		do    func(control.Call)
		sent  string
		hears string
	}{
		{"by status", func(c control.Call) { c.Reject(486) }, "486", "ended busy 486"},
		{"by a status that is none", func(c control.Call) { c.Reject(200) }, "603", "ended rejected 603"},
		{"for want of an answer", func(c control.Call) { c.Hangup(control.ReasonNoAnswer) }, "480", "ended no_answer 480"},
		{"as removed", func(c control.Call) { c.Hangup(control.ReasonRemoved) }, "480", "ended removed 480"},
		{"as busy", func(c control.Call) { c.Hangup(control.ReasonBusy) }, "486", "ended busy 486"},
		{"by nobody", func(control.Call) { time.Sleep(maxRinging) }, "480", "ended no_answer 480"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				c := b.rings("a")
				tt.do(c.call)
				b.get(tt.sent)
				b.comes(request("ACK", "a1", "a", c.tag, 1, ""))
				c.hears(tt.hears)
			})
		})
	}
}

func TestTheCallerHangsUpWhileItRings(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.rings("a")
		c.sends("BYE", "")
		b.gets("200", "487")
		c.hears("ended cancelled 487")
		b.comes(request("ACK", "a1", "a", c.tag, 1, ""))
	})
}

func TestALateOffer(t *testing.T) {
	late := func(b *bench) *inboundCall {
		b.comes(request("INVITE", "a1", "a", "", 1, ""))
		m := b.gets("100", "180")
		c := &inboundCall{heardCall: b.uses.calls[0], b: b, from: "a", tag: m[1].ToTag, seq: 1}
		c.call.Answer(nil)
		ok := b.get("200")
		if !strings.Contains(ok.text, "m=audio 20000 RTP/AVP 0 8 101\r\n") {
			t.Errorf("no offer in\n%s", ok.text)
		}
		c.hears()
		return c
	}
	t.Run("answered", func(t *testing.T) {
		onBench(t, func(b *bench) {
			c := late(b)
			c.sends("INVITE", offerSDP()) // before our offer has its answer
			b.gets("491")
			c.seq = 1
			c.ack(offerSDP("0 8 101", "8"))
			c.hears("answered")
			if p := b.session(0).last(); p.Codec != codec.PCMA || p.DTMFPayloadType != 0 {
				t.Errorf("configured %+v", p)
			}
		})
	})
	t.Run("not answered", func(t *testing.T) {
		onBench(t, func(b *bench) {
			c := late(b)
			c.ack()
			b.comes(reply(b.get("BYE"), 200, "", ""))
			c.hears("ended error 0")
		})
	})
	t.Run("hung up", func(t *testing.T) {
		onBench(t, func(b *bench) {
			c := late(b)
			c.call.Hangup(control.ReasonRemoved)
			c.ack(offerSDP())
			b.comes(reply(b.get("BYE"), 200, "", ""))
			c.hears("ended removed 0")
		})
	})
}

func TestCallsThatAreNotTaken(t *testing.T) {
	video := "v=0\r\no=- 7 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=video 4 RTP/AVP 31\r\n"
	plainBody := func(contentType, encoding string) string {
		return strings.Replace(request("INVITE", "a1", "a", "", 1, offerSDP()), "Content-Type: application/sdp\r\n", contentType+encoding, 1)
	}
	for _, tt := range []struct{ name, text, want, has string }{
		{"no audio", request("INVITE", "a1", "a", "", 1, video), "488", ""},
		{"no codec in common", request("INVITE", "a1", "a", "", 1, offerSDP("0 8 101", "3")), "488", ""},
		{"no description", request("INVITE", "a1", "a", "", 1, "hello"), "488", ""},
		{"another body", plainBody("Content-Type: text/plain\r\n", ""), "415", "Accept: application/sdp\r\n"},
		{"an encoded body", plainBody("c: application/sdp\r\n", "Content-Encoding: gzip\r\n"), "415", "Accept-Encoding: identity\r\n"},
		{"a body of no type", plainBody("", ""), "415", ""},
		{"no hops left", strings.Replace(request("INVITE", "a1", "a", "", 1, offerSDP()), "Max-Forwards: 70", "Max-Forwards: 0", 1), "483", ""},
		{"a loop", request("INVITE", "a1", "a", "", 1, offerSDP(), "Via: SIP/2.0/UDP x, SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx"), "482", ""},
		{"wants no description", request("INVITE", "a1", "a", "", 1, offerSDP(), "Accept: text/plain"), "406", ""},
		{"wants an extension", request("INVITE", "a1", "a", "", 1, offerSDP(), "Require: 100rel, x"), "420", "Unsupported: 100rel, x\r\n"},
		{"a Contact that is no SIP URI", strings.Replace(request("INVITE", "a1", "a", "", 1, offerSDP()), "<sip:alice@192.0.2.9:5062>", "<mailto:alice@x>", 1), "400", ""},
		{"a Contact that is everything", strings.Replace(request("INVITE", "a1", "a", "", 1, offerSDP()), "<sip:alice@192.0.2.9:5062>", "*", 1), "400", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				b.comes(tt.text)
				all := b.sent()
				if len(all) > 0 && all[0].Status == 100 {
					all = all[1:]
				}
				if len(all) != 1 || word(all[0].Message) != tt.want || !strings.Contains(all[0].text, tt.has) || all[0].ToTag == "" {
					t.Errorf("want %s with a tag and %q, got\n%s", tt.want, tt.has, texts(all))
				}
				if len(b.uses.calls) != 0 {
					t.Error("the use cases heard of it")
				}
				b.comes(request("ACK", "a1", "a", all[0].ToTag, 1, ""))
			})
		})
	}
}

func TestPolicyComesFirst(t *testing.T) {
	onBench(t, func(b *bench) {
		b.uses.refuse = true
		bad := strings.Replace(request("INVITE", "a1", "a", "", 1, "hello"), "Max-Forwards: 70", "Max-Forwards: 0", 1)
		b.comes(bad)
		first := b.get("403")
		b.comes(bad)
		if again := b.get("403"); again.text != first.text {
			t.Errorf("a repeated request gets another answer:\n%s\n%s", first.text, again.text)
		}
		b.comes(request("ACK", "a1", "a", first.ToTag, 1, ""))
		b.gets()
		if s := b.agent.Stats(); s.Calls != 0 || s.Transactions.Servers != 0 || s.Refused != 2 {
			t.Errorf("kept: %+v", s)
		}
	})
}

func TestACallThatComesOnTwoWays(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.rings("a")
		b.comes(request("INVITE", "other", "a", "", 1, offerSDP()))
		b.get("482")
		b.comes(request("INVITE", "a1", "a", "", 1, offerSDP())) // merely repeated
		b.get("180")
		c.hears()
	})
}

// A phone of RFC 2543 has no branch, no tag and no Contact.
func TestAnOldPhone(t *testing.T) {
	onBench(t, func(b *bench) {
		old := strings.NewReplacer(";branch=z9hG4bKa1", "", ";tag=a", "", "Contact: <sip:alice@192.0.2.9:5062>\r\n", "",
			"alice@example.com", "alice@192.0.2.9:5099").Replace(request("INVITE", "a1", "a", "", 1, offerSDP()))
		b.comes(old)
		b.gets("100", "180")
		c := b.uses.calls[0]
		c.call.Answer(nil)
		tag := b.get("200").ToTag
		b.comes(strings.NewReplacer(";branch=z9hG4bKx", "", ";tag=a", "").Replace(request("ACK", "x", "a", tag, 1, "")))
		c.hears("answered")
		c.call.Hangup(control.ReasonRemoved)
		bye := b.get("BYE")
		if bye.to != netip.MustParseAddrPort("192.0.2.9:5099") {
			t.Errorf("BYE to %s", bye.to)
		}
		b.comes(reply(bye, 200, "", ""))
	})
}

func TestNoRoomForMedia(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.rings("a")
		b.noMedia = parley.Errorf(parley.CodeNoCapacity, "no ports")
		c.call.Answer(nil)
		if m := b.get("503"); !strings.Contains(m.text, "Retry-After: ") {
			t.Errorf("got\n%s", m.text)
		}
		c.hears("ended error 503")
		b.comes(request("ACK", "a1", "a", c.tag, 1, ""))
	})
}

// The media plane shares ports: a far end whose address others have on one gets
// another.
func TestAnAddressInUse(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.rings("a")
		b.busy = 2
		c.call.Answer(nil)
		if ok := b.get("200"); !strings.Contains(ok.text, "m=audio 20004 ") {
			t.Errorf("got\n%s", ok.text)
		}
		if !b.session(0).closed || !b.session(1).closed || b.session(2).closed {
			t.Error("not the third session alone is open")
		}
		c.ack()
	})
}
