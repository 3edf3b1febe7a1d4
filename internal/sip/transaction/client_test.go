package transaction

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestInviteWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, a := newUser(t, Config{}), &answers{}
		u.Send(request("INVITE", "z9hG4bK1"), u.w, a.handle)
		time.Sleep(Timeout - time.Millisecond)
		if got := u.w.when(); got != "0 0.5 1.5 3.5 7.5 15.5 31.5" {
			t.Errorf("sent at %s", got)
		}
		a.expect(t)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		a.expect(t, "no answer")
		u.answer("INVITE", "z9hG4bK1", 200, "late")
		a.expect(t)
		if got := u.Stats(); got.Clients != 0 || got.Strays != 1 {
			t.Errorf("left: %+v", got)
		}
	})
}

func TestOtherRequestWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, a := newUser(t, Config{}), &answers{}
		u.Send(request("BYE", "z9hG4bK1"), u.w, a.handle)
		time.Sleep(Timeout)
		synctest.Wait()
		if got := u.w.when(); got != "0 0.5 1.5 3.5 7.5 11.5 15.5 19.5 23.5 27.5 31.5" {
			t.Errorf("sent at %s", got)
		}
		a.expect(t, "no answer")
	})
}

func TestOtherRequestAfterAProvisionalAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, a := newUser(t, Config{}), &answers{}
		u.Send(request("BYE", "z9hG4bK1"), u.w, a.handle)
		u.answer("BYE", "z9hG4bK1", 100, "")
		time.Sleep(10 * time.Second)
		if got := u.w.when(); got != "0 0.5 4.5 8.5" { // T2 from the next repetition on
			t.Errorf("sent at %s", got)
		}
		u.answer("BYE", "z9hG4bK1", 200, "b")
		u.answer("BYE", "z9hG4bK1", 200, "b")
		a.expect(t, "100 ", "200 b")
		time.Sleep(T4)
		synctest.Wait()
		u.w.expect(t)
		if got := u.Stats(); got.Clients != 0 || got.Strays != 0 {
			t.Errorf("left: %+v", got)
		}
	})
}

func TestRingingLastsAsLongAsItLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, a := newUser(t, Config{}), &answers{}
		u.Send(request("INVITE", "z9hG4bK1"), u.w, a.handle)
		for range 12 { // sipgo's WaitAnswer gave up after 10
			u.answer("INVITE", "z9hG4bK1", 180, "b")
			time.Sleep(10 * time.Second)
		}
		u.w.expect(t, "INVITE sip:them@192.0.2.9 SIP/2.0")
		u.answer("INVITE", "z9hG4bK1", 200, "b")
		a.expect(t, strings.Split(strings.Repeat("180 b,", 12)+"200 b", ",")...)
	})
}

// RFC 3261 section 13.2.2.4: each 2xx is for the user agent, be it repeated or
// from another branch of a fork, for 64*T1.
func TestEvery2xxIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, a := newUser(t, Config{}), &answers{}
		u.Send(request("INVITE", "z9hG4bK1"), u.w, a.handle)
		u.answer("INVITE", "z9hG4bK1", 200, "b")
		u.answer("INVITE", "z9hG4bK1", 200, "b")
		u.answer("INVITE", "z9hG4bK1", 180, "c")
		time.Sleep(Timeout - time.Millisecond)
		u.answer("INVITE", "z9hG4bK1", 200, "c")
		u.answer("INVITE", "z9hG4bK1", 486, "d")
		a.expect(t, "200 b", "200 b", "200 c")
		u.w.expect(t, "INVITE sip:them@192.0.2.9 SIP/2.0") // the ACK is the user agent's
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if got := u.Stats(); got.Clients != 0 {
			t.Errorf("left: %+v", got)
		}
	})
}

func TestARefusalIsAcknowledgedEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, a := newUser(t, Config{}), &answers{}
		u.Send(request("INVITE", "z9hG4bK1"), u.w, a.handle)
		u.answer("INVITE", "z9hG4bK1", 486, "b")
		want := "ACK sip:them@192.0.2.9 SIP/2.0\r\n" +
			"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\n" +
			"Route: <sip:192.0.2.9;lr>\r\n" +
			"Max-Forwards: 70\r\n" +
			"From: <sip:them@192.0.2.9>;tag=ours\r\n" +
			"To: <sip:them@192.0.2.9>;tag=b\r\n" +
			"Call-ID: call\r\nCSeq: 7 ACK\r\nContent-Length: 0\r\n\r\n"
		if got := u.w.last(); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		u.w.take()
		time.Sleep(T1)
		u.answer("INVITE", "z9hG4bK1", 486, "b")
		u.w.expect(t, "ACK sip:them@192.0.2.9 SIP/2.0") // at once, not 4 s later
		a.expect(t, "486 b")
		time.Sleep(Timeout)
		synctest.Wait()
		if got := u.Stats(); got.Clients != 0 {
			t.Errorf("left: %+v", got)
		}
	})
}

func TestOnAStreamNothingIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, a := newUser(t, Config{}), &answers{}
		u.w.reliable = true
		u.Send(request("INVITE", "z9hG4bK1"), u.w, a.handle)
		u.Send(request("BYE", "z9hG4bK2"), u.w, a.handle)
		u.Send(request("INFO", "z9hG4bK3"), u.w, a.handle)
		time.Sleep(20 * time.Second)
		u.w.expect(t, "INVITE sip:them@192.0.2.9 SIP/2.0", "BYE sip:them@192.0.2.9 SIP/2.0", "INFO sip:them@192.0.2.9 SIP/2.0")
		u.answer("INVITE", "z9hG4bK1", 603, "b")
		u.answer("BYE", "z9hG4bK2", 200, "b")
		synctest.Wait()
		time.Sleep(time.Millisecond)
		if got := u.Stats(); got.Clients != 1 {
			t.Errorf("%+v, want the unanswered one alone", got)
		}
		time.Sleep(12 * time.Second)
		synctest.Wait()
		a.expect(t, "603 b", "200 b", "no answer")
	})
}

func TestARequestThatCannotBeSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, a := newUser(t, Config{}), &answers{}
		u.w.broken = errors.New("network is unreachable")
		u.Send(request("INVITE", "z9hG4bK1"), u.w, a.handle)
		a.expect(t) // not from within Send
		synctest.Wait()
		a.expect(t, "send INVITE: network is unreachable")
		time.Sleep(2 * Timeout)
		a.expect(t)
		if got := u.Stats(); got.Clients != 0 {
			t.Errorf("left: %+v", got)
		}
	})
}

func TestTheNetworkBreaksWhileRepeating(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, a := newUser(t, Config{}), &answers{}
		u.Send(request("BYE", "z9hG4bK1"), u.w, a.handle)
		u.w.mu.Lock()
		u.w.broken = errors.New("gone")
		u.w.mu.Unlock()
		time.Sleep(2 * Timeout)
		a.expect(t, "send BYE: gone")
	})
}

func TestAbandon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, a := newUser(t, Config{}), &answers{}
		c := u.Send(request("INVITE", "z9hG4bK1"), u.w, a.handle)
		u.answer("INVITE", "z9hG4bK1", 180, "b")
		c.Abandon()
		c.Abandon()
		synctest.Wait()
		a.expect(t, "180 b", "no answer")
		time.Sleep(2 * Timeout)
		if got := u.Stats(); got.Clients != 0 {
			t.Errorf("left: %+v", got)
		}
	})
}

func TestTheStreamIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, a, ringing := newUser(t, Config{}), &answers{}, &answers{}
		u.w.reliable = true
		u.Send(request("INVITE", "z9hG4bK1"), u.w, a.handle)
		u.Send(request("INVITE", "z9hG4bK2"), u.w, ringing.handle)
		u.answer("INVITE", "z9hG4bK2", 180, "b")
		time.Sleep(2 * T1)
		u.w.mu.Lock()
		u.w.gone = true
		u.w.mu.Unlock()
		time.Sleep(2 * T1)
		a.expect(t, "connection lost")
		time.Sleep(2 * Timeout)
		ringing.expect(t, "180 b") // the far end may answer on another connection
	})
}
