package sip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/control"
	"parley/internal/sip/transaction"
)

func TestBoundsOfCalls(t *testing.T) {
	onBenchWith(t, Config{Limits: Limits{Calls: 3, CallsPerSource: 2, OverloadAnswers: 2}}, func(b *bench) {
		from := func(host, tag string) { // a call from a host
			b.comesFrom(netip.AddrPortFrom(netip.MustParseAddr(host), 5060), "UDP", request("INVITE", tag, tag, "", 1, offerSDP()))
		}
		from("192.0.2.9", "a")
		from("192.0.2.9", "b")
		b.gets("100", "180", "100", "180")
		from("192.0.2.9", "c")
		if m := b.get("503"); !strings.Contains(m.text, "Retry-After: ") {
			t.Errorf("got\n%s", m.text)
		}
		from("192.0.2.10", "d") // another host
		b.gets("100", "180")
		from("192.0.2.11", "e") // no room at all
		b.gets("503")
		for i := range 20 { // after some answers there are none
			from("192.0.2.12", fmt.Sprint("f", i))
		}
		b.gets("503", "503", "503", "503")
		h := &heardCall{u: b.uses}
		h.call = b.agent.Dial(control.DialRequest{ID: "x", Target: "sip:bob@192.0.2.9", Events: h})
		h.hears("ended error 0")
		b.uses.calls[0].call.Reject(486)
		b.get("486")
		from("192.0.2.9", "g")
		b.gets("100", "180")
		if s := b.agent.Stats(); s.Calls != 3 || s.Refused != 22 {
			t.Errorf("%+v", s)
		}
	})
}

func TestBoundsOfTransactions(t *testing.T) {
	onBenchWith(t, Config{Limits: Limits{Transactions: 1}}, func(b *bench) {
		b.rings("a")
		b.comes(request("INVITE", "b1", "b", "", 1, offerSDP()))
		b.get("503")
		if s := b.agent.Stats(); s.Calls != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestDraining(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.up("a", nil)
		b.agent.Drain()
		b.comes(request("INVITE", "b1", "b", "", 1, offerSDP()))
		if m := b.get("503"); !strings.Contains(m.text, "Retry-After: ") {
			t.Errorf("got\n%s", m.text)
		}
		b.comes(request("OPTIONS", "o1", "o", "", 1, ""))
		b.get("503")
		h := &heardCall{u: b.uses}
		h.call = b.agent.Dial(control.DialRequest{ID: "x", Target: "sip:bob@192.0.2.9", Events: h})
		h.hears("ended error 0")
		c.sends("INVITE", offerSDP("sendrecv", "sendonly")) // calls that there are go on
		b.get("200")
		c.ack()
		c.hears("held true")
	})
}

func TestCloseHangsUp(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.up("a", nil)
		h, invite := b.outbound(control.DialRequest{})
		b.comes(reply(invite, 180, "b", ""))
		ringing := &inboundCall{}
		b.comes(request("INVITE", "r1", "r", "", 1, offerSDP()))
		b.gets("100", "180")
		b.uses.mu.Lock()
		ringing.heardCall = b.uses.calls[len(b.uses.calls)-1]
		b.uses.mu.Unlock()
		closed := make(chan error)
		go func() { closed <- b.agent.Close(context.Background()) }()
		all := map[string]sending{}
		for _, m := range b.sent() {
			all[word(m.Message)] = m
		}
		c.hears("ended removed 0")
		h.hears("ended removed 0")
		ringing.hears("ended removed 480")
		select {
		case err := <-closed:
			t.Errorf("closed before the far ends know: %v", err)
		default:
		}
		b.comes(reply(all["BYE"], 200, "", ""))
		b.comes(reply(all["CANCEL"], 200, "b", ""))
		b.comes(reply(invite, 487, "b", ""))
		if err := <-closed; err != nil {
			t.Error(err)
		}
		late := &heardCall{u: b.uses}
		late.call = b.agent.Dial(control.DialRequest{ID: "x", Target: "sip:bob@192.0.2.9", Events: late})
		late.hears("ended error 0")
	})
}

func TestCloseWaitsNoLongerThanItMay(t *testing.T) {
	onBench(t, func(b *bench) {
		c := b.up("a", nil)
		unacked := b.rings("u")
		unacked.call.Answer(nil)
		h := &heardCall{u: b.uses}
		h.call = b.agent.Dial(control.DialRequest{ID: "x", Target: "sip:bob@them.example.com", Timeout: time.Minute, Events: h})
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		start := time.Now()
		err := b.agent.Close(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 2*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		c.hears("ended removed 0")
		h.hears("ended removed 0")
		unacked.hears("answered", "ended removed 0")
	})
}

func TestAPanicEndsOneCall(t *testing.T) {
	t.Run("that is up", func(t *testing.T) {
		onBench(t, func(b *bench) {
			c, other := b.up("a", nil), b.up("o", nil)
			b.session(0).facts.Digit("x", 'P', time.Second, time.Now())
			b.comes(reply(b.get("BYE"), 200, "", ""))
			c.hears("ended error 0")
			if !b.session(0).closed {
				t.Error("the session is open")
			}
			b.session(1).facts.Digit("x", '1', time.Second, time.Now())
			other.hears("digit 1")
			if n := b.agent.Stats().Panics; n != 1 {
				t.Errorf("%d panics counted", n)
			}
		})
	})
	t.Run("that comes", func(t *testing.T) {
		onBench(t, func(b *bench) {
			b.uses.panics = true
			b.comes(request("INVITE", "a1", "a", "", 1, offerSDP()))
			b.gets("100", "180", "500")
			b.comes(request("ACK", "a1", "a", "x", 1, ""))
		})
	})
	t.Run("that we make", func(t *testing.T) {
		onBench(t, func(b *bench) {
			h, invite := b.outbound(control.DialRequest{})
			b.comes(reply(invite, 180, "b", ""))
			b.session(0).facts.Digit("x", 'P', time.Second, time.Now())
			b.comes(reply(b.get("CANCEL"), 200, "b", ""))
			b.comes(reply(invite, 487, "b", ""))
			b.get("ACK")
			h.hears("ended error 0")
		})
	})
}

// Whatever a method of a call is told, and when, nothing happens in the wrong
// state, and nobody is told from within it.
func TestMethodsInAnyState(t *testing.T) {
	all := func(c control.Call) {
		c.Answer(nil)
		c.Reject(486)
		c.Hold(true)
		c.Move(nil, func(error) {})
		c.Session()
	}
	onBench(t, func(b *bench) {
		h, invite := b.outbound(control.DialRequest{})
		all(h.call)
		b.gets()
		b.comes(reply(invite, 486, "b", ""))
		b.get("ACK")
		h.hears("ended busy 486")
		all(h.call)
		h.call.Hangup(control.ReasonRemoved)
		b.gets()
		h.hears("ended busy 486")
		b.sleep(time.Hour)
		all(h.call)
		synctest.Wait()
	})
}

func TestNothingIsLeftWhenCallsAreOver(t *testing.T) {
	onBench(t, func(b *bench) {
		for i := range 50 {
			tag := fmt.Sprint("t", i)
			b.comes(request("INVITE", tag, tag, "", 1, offerSDP()))
			b.uses.mu.Lock()
			c := b.uses.calls[i]
			b.uses.mu.Unlock()
			ringing := b.gets("100", "180")[1]
			switch i % 3 {
			case 0:
				c.call.Answer(nil)
				b.get("200")
				b.comes(request("ACK", "ack"+tag, tag, ringing.ToTag, 1, ""))
				b.comes(request("BYE", "bye"+tag, tag, ringing.ToTag, 2, ""))
				b.get("200")
			case 1:
				c.call.Reject(603)
				b.get("603")
				b.comes(request("ACK", tag, tag, ringing.ToTag, 1, ""))
			case 2:
				b.comes(request("CANCEL", tag, tag, "", 1, ""))
				b.gets("200", "487")
				b.comes(request("ACK", tag, tag, ringing.ToTag, 1, ""))
			}
		}
		b.sleep(2 * transaction.Timeout)
		s := b.agent.Stats()
		if s.Calls != 0 || s.Transactions.Servers != 0 || s.Transactions.Clients != 0 || s.Transactions.Open != 0 || s.Answered != 17 {
			t.Errorf("%+v", s)
		}
	})
}
