package interop

import (
	"net/http"
	"testing"

	"parley"
)

// call invites a SIPp with a scenario and gives the call's ID.
func (c *conference) call(scenario, transport string, k keys) (s *sipp, id string) {
	c.t.Helper()
	s = startSIPp(c.t, scenario, transport, 0, "", k)
	return s, c.invite(s.uri(), nil)
}

func TestSIPpIsCalledAndHangsUp(t *testing.T) {
	t.Parallel()
	for codec, k := range codecs {
		t.Run(codec, func(t *testing.T) {
			overBoth(t, func(t *testing.T, transport string) {
				c := newConference(t, nil, nil)
				s, id := c.call("called_and_hangs_up", transport, k)
				want(t, c.of(parley.EventConfJoined, id), object{"part_uri": s.partURI(), "direction": "outbound"})
				want(t, c.of(parley.EventConfQuit, id), object{"part_uri": s.partURI(), "reason": parley.ReasonHangup})
				s.succeeds()
				c.end()
			})
		})
	}
}

func TestSIPpIsCalledAndIsHungUp(t *testing.T) {
	t.Parallel()
	for _, scenario := range []string{
		"called_and_is_hung_up", "called_with_early_media", "called_with_early_description_only", "called_asks_within",
		"called_repeats_200",
	} {
		t.Run(scenario, func(t *testing.T) {
			overBoth(t, func(t *testing.T, transport string) {
				c := newConference(t, nil, nil)
				s, id := c.call(scenario, transport, codecs["A-law"])
				want(t, c.of(parley.EventConfJoined, id), object{"part_uri": s.partURI(), "direction": "outbound"})
				if scenario == "called_repeats_200" {
					eventually(t, "the second ACK", func() bool { return received(s, "ACK ") == 2 })
				}
				if scenario == "called_asks_within" {
					eventually(t, "all answers within the dialog", func() bool { return received(s, "SIP/2.0 501") == 1 })
				}
				c.remove(id)
				want(t, c.of(parley.EventConfQuit, id), object{"reason": parley.ReasonRemoved})
				s.succeeds()
				if all := c.end(); count(all, parley.EventConfJoined) != 1 || count(all, parley.EventConfQuit) != 1 {
					t.Error("not one join and one quit")
				}
			})
		})
	}
}

func TestSIPpNeverAnswers(t *testing.T) {
	overBoth(t, func(t *testing.T, transport string) {
		c := newConference(t, nil, nil)
		for _, scenario := range []string{"called_never_answers", "called_200_crosses_cancel"} {
			s := startSIPp(t, scenario, transport, 0, "", nil)
			id := c.invite(s.uri(), object{"max_dial_duration": 1})
			want(t, c.of(parley.EventConfJoinFail, id), object{"part_uri": s.partURI(), "reason": parley.ReasonNoAnswer})
			s.succeeds()
		}
		if n := count(c.end(), parley.EventConfJoined); n != 0 {
			t.Errorf("%d joined", n)
		}
	})
}

func TestSIPpRefuses(t *testing.T) {
	overBoth(t, func(t *testing.T, transport string) {
		c := newConference(t, nil, nil)
		for _, refusal := range []struct {
			line   string
			status int
			reason string
		}{
			{"486 Busy Here", 486, parley.ReasonBusy},
			{"600 Busy Everywhere", 600, parley.ReasonBusy},
			{"603 Decline", 603, parley.ReasonRejected},
			{"403 Forbidden", 403, parley.ReasonRejected},
			{"404 Not Found", 404, parley.ReasonNotFound},
			{"480 Temporarily Unavailable", 480, parley.ReasonNoAnswer},
			{"302 Moved Temporarily", 302, parley.ReasonRejected},
			{"503 Service Unavailable", 503, parley.ReasonUnreachable},
		} {
			s, id := c.call("called_refuses", transport, keys{"status": refusal.line})
			want(t, c.of(parley.EventConfJoinFail, id), object{
				"part_uri": s.partURI(), "reason": refusal.reason, "sip_status": refusal.status,
			})
			s.succeeds()
		}
		if n := count(c.end(), parley.EventConfJoined); n != 0 {
			t.Errorf("%d joined", n)
		}
	})
}

// holds are the ways to put somebody on hold, and what is right to answer.
var holds = map[string]keys{
	"sendonly": {"hold": "sendonly", "address": "127.0.0.1", "answer": "recvonly"},
	"inactive": {"hold": "inactive", "address": "127.0.0.1", "answer": "inactive"},
	// Of RFC 2543; its answer has no direction that would matter.
	"0.0.0.0":          {"hold": "sendrecv", "address": "0.0.0.0", "answer": ""},
	"0.0.0.0 inactive": {"hold": "inactive", "address": "0.0.0.0", "answer": "inactive"},
}

func TestSIPpIsCalledAndHolds(t *testing.T) {
	t.Parallel()
	for way, k := range holds {
		t.Run(way, func(t *testing.T) {
			overBoth(t, func(t *testing.T, transport string) {
				c := newConference(t, nil, nil)
				s, id := c.call("called_holds", transport, k)
				c.holdsOnce(id)
				s.succeeds()
			})
		})
	}
}

// holdsOnce waits until a participant has held and resumed, and removes it.
func (c *conference) holdsOnce(id string) {
	c.t.Helper()
	want(c.t, c.nth(parley.EventConfParticipantUpdated, id, 1), object{"hold": true})
	want(c.t, c.nth(parley.EventConfParticipantUpdated, id, 2), object{"hold": false})
	c.remove(id)
	if n := count(c.end(), parley.EventConfParticipantUpdated); n != 2 {
		c.t.Errorf("%d updates were told, want 2", n)
	}
}

func TestOffersMeet(t *testing.T) {
	t.Parallel()
	for _, scenario := range []string{"called_refuses_glare", "called_makes_glare"} {
		t.Run(scenario, func(t *testing.T) {
			overBoth(t, func(t *testing.T, transport string) {
				c := newConference(t, nil, nil)
				s, id := c.call(scenario, transport, nil)
				c.of(parley.EventConfJoined, id)
				c.server.Must(http.MethodPatch, c.path("/participants/%s", id), object{"hold": true}, nil)
				want(t, c.of(parley.EventConfParticipantUpdated, id), object{"hold": true})
				held := 1
				if scenario == "called_refuses_glare" {
					held = 2
				}
				eventually(t, "an answer to our offer", func() bool { return sent(s, "SIP/2.0 200") == 1+1 && received(s, "ACK ") == 1+held })
				c.remove(id)
				want(t, c.of(parley.EventConfQuit, id), object{"reason": parley.ReasonRemoved})
				s.succeeds()
				c.end()
			})
		})
	}
}

func TestByeCrossesBye(t *testing.T) {
	overBoth(t, func(t *testing.T, transport string) {
		c := newConference(t, nil, nil)
		s, id := c.call("called_bye_crosses_bye", transport, nil)
		c.of(parley.EventConfJoined, id)
		c.remove(id)
		want(t, c.of(parley.EventConfQuit, id), object{"reason": parley.ReasonRemoved})
		s.succeeds()
		c.end()
	})
}

func TestTrunkChallenges(t *testing.T) {
	t.Parallel()
	for _, scenario := range []string{"called_and_challenges_401", "called_and_challenges_407"} {
		t.Run(scenario, func(t *testing.T) {
			overBoth(t, func(t *testing.T, transport string) {
				c := newConference(t, nil, nil)
				s := startSIPp(t, scenario, transport, 0, "", nil)
				c.trunk(s, "secret")
				id := c.invite("+8613800138000", nil)
				want(t, c.of(parley.EventConfJoined, id), object{"part_uri": "+8613800138000"})
				want(t, c.of(parley.EventConfQuit, id), object{"part_uri": "+8613800138000", "reason": parley.ReasonHangup})
				s.succeeds()
				c.end()
			})
		})
	}
}

func TestTrunkDoesNotLetUsIn(t *testing.T) {
	overBoth(t, func(t *testing.T, transport string) {
		c := newConference(t, nil, nil)
		s := startSIPp(t, "called_and_keeps_challenging", transport, 0, "", nil)
		c.trunk(s, "wrong")
		id := c.invite("+8613800138000", nil)
		want(t, c.of(parley.EventConfJoinFail, id), object{"reason": parley.ReasonRejected, "sip_status": 401})
		s.succeeds()
		c.end()
	})
}

// trunk makes a trunk for all numbers that leads to a SIPp.
func (c *conference) trunk(s *sipp, password string) {
	c.t.Helper()
	c.server.Must(http.MethodPost, "/v1/trunks", object{
		"name": "provider", "host": local(s.port), "transport": s.transport, "username": "joe", "password": password,
	}, nil)
}
