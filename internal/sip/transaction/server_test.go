package transaction

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRepeatedRequestsAreAnsweredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUser(t, Config{})
		m := u.message("OPTIONS", "z9hG4bK1")
		s := u.serve(t, m, nil)
		u.Receive(m)
		u.w.expect(t) // absorbed
		u.answers(s, 200)
		u.Receive(m)
		u.w.expect(t, "SIP/2.0 200 OK", "SIP/2.0 200 OK")
		if !slices.Equal(u.seen, []string{"OPTIONS"}) {
			t.Errorf("seen %q", u.seen)
		}
		time.Sleep(Timeout + time.Second)
		synctest.Wait()
		if got := u.Stats(); got.Servers != 0 {
			t.Errorf("left: %+v", got)
		}
	})
}

func TestInviteIsAnsweredWith2xx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUser(t, Config{})
		m := u.message("INVITE", "z9hG4bK1")
		s := u.serve(t, m, nil)
		u.answers(s, 100)
		u.Receive(m)
		u.w.expect(t, "SIP/2.0 100 Trying", "SIP/2.0 100 Trying")
		u.answers(s, 200)
		u.Receive(m) // RFC 6026 section 7.1: repeating is the user agent's
		u.w.expect(t, "SIP/2.0 200 OK")
		u.answers(s, 200)
		u.w.expect(t, "SIP/2.0 200 OK")
		for _, branch := range []string{"z9hG4bK2", "z9hG4bK1"} { // as RFC 3261 has it, and as some old phones do
			u.seen = nil
			u.Receive(u.message("ACK", branch))
			if !slices.Equal(u.seen, []string{"ACK"}) {
				t.Errorf("branch %s: seen %q, want the ACK", branch, u.seen)
			}
		}
		time.Sleep(Timeout + time.Second)
		synctest.Wait()
		if got := u.Stats(); got.Servers != 0 {
			t.Errorf("left: %+v", got)
		}
	})
}

func TestARefusalIsRepeatedUntilTheACK(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUser(t, Config{})
		s := u.serve(t, u.message("INVITE", "z9hG4bK1"), nil)
		u.answers(s, 486)
		time.Sleep(12 * time.Second)
		if got := u.w.when(); got != "0 0.5 1.5 3.5 7.5 11.5" {
			t.Errorf("sent at %s", got)
		}
		u.seen = nil
		u.Receive(u.message("ACK", "z9hG4bK1"))
		time.Sleep(2 * Timeout)
		synctest.Wait()
		u.w.expect(t)
		if len(u.seen) != 0 {
			t.Errorf("seen %q, the ACK is the transaction's", u.seen)
		}
		if got := u.Stats(); got.Servers != 0 {
			t.Errorf("left: %+v", got)
		}
	})
}

func TestARefusalWithoutACK(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUser(t, Config{})
		s := u.serve(t, u.message("INVITE", "z9hG4bK1"), nil)
		u.answers(s, 486)
		time.Sleep(Timeout + time.Second)
		synctest.Wait()
		if got := u.Stats(); got.Servers != 0 {
			t.Errorf("left: %+v", got)
		}
	})
}

// Requests of RFC 2543 have no branch that says which transaction they are of.
func TestWithoutTheMagicCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUser(t, Config{})
		m := u.message("INVITE", "1")
		s := u.serve(t, m, nil)
		u.answers(s, 486)
		u.Receive(m)
		u.w.expect(t, "SIP/2.0 486 Busy Here", "SIP/2.0 486 Busy Here")
		u.seen = nil
		u.Receive(u.message("ACK", "1"))
		if len(u.seen) != 0 {
			t.Errorf("seen %q, the ACK is the transaction's", u.seen)
		}
		u.Receive(u.parse("INVITE sip:us@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060\r\nFrom: <sip:t@h>;tag=theirs\r\n" +
			"To: <sip:us@192.0.2.1>\r\nCall-ID: call\r\nCSeq: 2 INVITE\r\nContent-Length: 0\r\n\r\n"))
		if !slices.Equal(u.seen, []string{"INVITE"}) {
			t.Errorf("seen %q, want the other INVITE", u.seen)
		}
		time.Sleep(2 * Timeout)
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUser(t, Config{})
		cancels := 0
		u.Receive(u.message("CANCEL", "z9hG4bK1"))
		u.w.expect(t, "SIP/2.0 481 Call/Transaction Does Not Exist")

		s := u.serve(t, u.message("INVITE", "z9hG4bK1"), func() { cancels++ })
		u.answers(s, 180)
		u.w.take()
		u.Receive(u.message("CANCEL", "z9hG4bK1"))
		if got := u.w.last(); !strings.HasPrefix(got, "SIP/2.0 200 ") || !strings.Contains(got, "tag=ours\r\n") || !strings.Contains(got, "1 CANCEL") {
			t.Errorf("the CANCEL is answered with\n%s", got)
		}
		u.Receive(u.message("CANCEL", "z9hG4bK1"))
		if cancels != 2 {
			t.Errorf("cancelled %d times, want 2", cancels)
		}
		u.w.take()
		u.answers(s, 487)
		u.Receive(u.message("CANCEL", "z9hG4bK1"))
		u.w.expect(t, "SIP/2.0 487 Request Terminated", "SIP/2.0 200 OK")
		if cancels != 2 {
			t.Errorf("cancelled %d times, want 2: a final answer was given", cancels)
		}

		// Crossing the 200: it stands (RFC 3261 section 9.2).
		s = u.serve(t, u.message("INVITE", "z9hG4bK2"), func() { cancels++ })
		u.answers(s, 200)
		u.w.take()
		u.Receive(u.message("CANCEL", "z9hG4bK2"))
		u.w.expect(t, "SIP/2.0 200 OK")
		if cancels != 2 {
			t.Errorf("cancelled although answered")
		}
		time.Sleep(2 * Timeout)
		synctest.Wait()
	})
}

func TestOfFinalAnswersTheFirstCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUser(t, Config{})
		s := u.serve(t, u.message("INVITE", "z9hG4bK1"), nil)
		for _, status := range []int{486, 180, 200, 500} {
			if err := s.Respond(s.Answer(status)); err != nil {
				t.Error(err)
			}
		}
		u.w.expect(t, "SIP/2.0 486 Busy Here")
		time.Sleep(2 * Timeout)
		synctest.Wait()
	})
}

func TestAnAnswerThatCannotBeSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUser(t, Config{})
		s := u.serve(t, u.message("INVITE", "z9hG4bK1"), nil)
		u.answers(s, 100)
		u.w.broken = errors.New("connection reset")
		for _, status := range []int{180, 486} {
			if err := s.Respond(s.Answer(status)); err == nil {
				t.Errorf("no error for the %d", status)
			}
		}
		if got := u.Stats(); got.Servers != 0 || got.Open != 0 {
			t.Errorf("left: %+v", got)
		}
		time.Sleep(2 * Timeout)
	})
}
