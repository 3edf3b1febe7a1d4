package interop

import (
	"net/http"
	"net/netip"
	"testing"
	"time"

	"parley"
	"parley/internal/phone"
	"parley/internal/server"
)

// nobody is a user that no conference has as its name.
const nobody = "somebody"

// comes starts a SIPp that calls a user of the server.
func (c *conference) comes(scenario, transport, user string, k keys) *sipp {
	c.t.Helper()
	return startSIPp(c.t, scenario, transport, int(c.server.SIP.Port()), user, k)
}

// rings waits for the call that nobody is there for, and gives its ID.
func (c *conference) rings(s *sipp) string {
	c.t.Helper()
	in := c.receiver.Wait(parley.EventCallIncoming, 1)[0]
	want(c.t, in.Fields, object{"part_uri": s.partURI(), "direction": "inbound", "from": s.partURI(), "to": uri(nobody, int(c.server.SIP.Port()), "")})
	return in.Text("call_id")
}

func TestSIPpDialsInAndHangsUp(t *testing.T) {
	t.Parallel()
	for codec, k := range codecs {
		t.Run(codec, func(t *testing.T) {
			overBoth(t, func(t *testing.T, transport string) {
				c := newConference(t, nil, nil)
				s := c.comes("caller_hangs_up", transport, c.name, k)
				id := c.joined(1)
				want(t, c.of(parley.EventConfJoined, id), object{"part_uri": s.partURI(), "direction": "inbound"})
				want(t, c.of(parley.EventConfQuit, id), object{"part_uri": s.partURI(), "reason": parley.ReasonHangup})
				s.succeeds()
				c.end()
			})
		})
	}
}

func TestSIPpDialsInByID(t *testing.T) {
	t.Parallel()
	c := newConference(t, nil, nil)
	s := c.comes("caller_hangs_up", "udp", c.id, nil)
	want(t, c.of(parley.EventConfQuit, c.joined(1)), object{"reason": parley.ReasonHangup})
	s.succeeds()
	c.end()
}

// Dialogues in which one call joins once and hangs up, whatever is unusual on
// the way.
func TestSIPpDialsInUnusually(t *testing.T) {
	t.Parallel()
	for _, scenario := range []string{
		"caller_offers_late", "caller_hangs_up_before_ack", "caller_cancel_crosses_200",
	} {
		t.Run(scenario, func(t *testing.T) {
			overBoth(t, func(t *testing.T, transport string) {
				c := newConference(t, nil, nil)
				s := c.comes(scenario, transport, c.name, nil)
				id := c.joined(1)
				want(t, c.of(parley.EventConfQuit, id), object{"part_uri": s.partURI(), "reason": parley.ReasonHangup})
				s.succeeds()
				if all := c.end(); count(all, parley.EventConfJoined) != 1 || count(all, parley.EventConfQuit) != 1 {
					t.Error("not one join and one quit")
				}
			})
		})
	}
}

func TestSIPpLosesItsACK(t *testing.T) {
	t.Parallel()
	for transport, scenario := range map[string]string{"udp": "caller_loses_ack", "tcp": "caller_loses_ack_tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			c := newConference(t, nil, nil)
			s := c.comes(scenario, transport, c.name, nil)
			want(t, c.of(parley.EventConfQuit, c.joined(1)), object{"reason": parley.ReasonHangup})
			s.succeeds()
			if n := received(s, "SIP/2.0 200"); n < 3+1 {
				t.Errorf("%d times 200, want the answer and two repetitions at least, and one to BYE", n)
			}
			c.end()
		})
	}
}

func TestSIPpRepeatsItsINVITE(t *testing.T) {
	t.Parallel()
	c := newConference(t, nil, nil)
	s := c.comes("caller_repeats_invite", "udp", nobody, nil)
	id := c.rings(s)
	// SIPp takes the second 180 for a sign that its INVITE was lost, and so on.
	eventually(t, "the INVITE to be repeated and answered by 180 again", func() bool { return received(s, "SIP/2.0 180") >= 5 })
	c.answer(id)
	want(t, c.of(parley.EventCallEnded, id), object{"reason": parley.ReasonHangup})
	s.succeeds()
	if n := count(c.end(), parley.EventCallIncoming); n != 1 {
		t.Errorf("%d calls came in, want 1", n)
	}
}

// answer takes a ringing call into the conference, and waits until it has
// hung up.
func (c *conference) answer(id string) {
	c.t.Helper()
	c.server.Must(http.MethodPost, "/v1/calls/"+id+"/answer", object{"conference": c.id, "user_data": "let in"}, nil)
	want(c.t, c.of(parley.EventConfJoined, id), object{"direction": "inbound", "user_data": "let in"})
	want(c.t, c.of(parley.EventConfQuit, id), object{"reason": parley.ReasonHangup, "user_data": "let in"})
}

func TestSIPpDialsInAndIsHungUp(t *testing.T) {
	overBoth(t, func(t *testing.T, transport string) {
		c := newConference(t, nil, nil)
		s := c.comes("caller_is_hung_up", transport, c.name, nil)
		id := c.joined(1)
		c.remove(id)
		want(t, c.of(parley.EventConfQuit, id), object{"reason": parley.ReasonRemoved})
		s.succeeds()
		c.end()
	})
}

func TestSilentSIPpIsHungUp(t *testing.T) {
	t.Parallel()
	c := newConference(t, func(cfg *server.Config) { cfg.RTP.SilenceTimeout = time.Second }, nil)
	s := c.comes("caller_is_hung_up", "udp", c.name, nil)
	want(t, c.of(parley.EventConfQuit, c.joined(1)), object{"reason": parley.ReasonMediaTimeout})
	s.succeeds()
	c.end()
}

func TestSIPpDialsInAndHolds(t *testing.T) {
	t.Parallel()
	for way, k := range holds {
		t.Run(way, func(t *testing.T) {
			overBoth(t, func(t *testing.T, transport string) {
				c := newConference(t, nil, nil)
				s := c.comes("caller_holds", transport, c.name, k)
				c.holdsOnce(c.joined(1))
				s.succeeds()
			})
		})
	}
}

func TestSIPpRings(t *testing.T) {
	t.Parallel()
	tests := []struct {
		scenario string
		does     func(c *conference, id string) // what the application does
		end      object                         // call.ended
	}{
		{"caller_cancels", nil, object{"reason": parley.ReasonCancelled}},
		{"caller_says_bye_while_it_rings", nil, object{"reason": parley.ReasonCancelled}},
		{"caller_gets_no_answer", nil, object{"reason": parley.ReasonNoAnswer, "sip_status": 480}},
		{"caller_is_rejected", func(c *conference, id string) {
			c.server.Must(http.MethodPost, "/v1/calls/"+id+"/reject", object{"status": 486}, nil)
		}, object{"sip_status": 486}},
		{"caller_is_answered", (*conference).answer, object{"reason": parley.ReasonHangup}},
	}
	for _, tt := range tests {
		t.Run(tt.scenario, func(t *testing.T) {
			overBoth(t, func(t *testing.T, transport string) {
				c := newConference(t, func(cfg *server.Config) { cfg.SIP.RingTimeout = 2 * time.Second }, nil)
				s := c.comes(tt.scenario, transport, nobody, nil)
				id := c.rings(s)
				if tt.does != nil {
					tt.does(c, id)
				}
				want(t, c.of(parley.EventCallEnded, id), tt.end)
				s.succeeds()
				c.end()
			})
		})
	}
}

func TestSIPpIsRefused(t *testing.T) {
	t.Parallel()
	for scenario, change := range map[string]func(*server.Config){
		"caller_is_forbidden":        func(cfg *server.Config) { cfg.SIP.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} },
		"caller_has_no_common_codec": nil,
		"caller_asks_options":        nil,
	} {
		t.Run(scenario, func(t *testing.T) {
			overBoth(t, func(t *testing.T, transport string) {
				c := newConference(t, change, nil)
				c.comes(scenario, transport, c.name, nil).succeeds()
				if n := count(c.end(), parley.EventConfJoined); n != 0 {
					t.Errorf("%d joined", n)
				}
			})
		})
	}
}

func TestSIPpFindsTheConferenceFull(t *testing.T) {
	overBoth(t, func(t *testing.T, transport string) {
		c := newConference(t, nil, object{"max_parts": 1})
		first := c.server.Phone("first", nil)
		c.of(parley.EventConfJoined, c.invite(first.URI(), nil))
		c.comes("caller_finds_it_full", transport, c.name, nil).succeeds()
		if n := count(c.end(), parley.EventConfJoined); n != 1 {
			t.Errorf("%d joined, want 1", n)
		}
		hungUp(t, first)
	})
}

// hungUp waits until the only call of a phone is over, by the server.
func hungUp(t *testing.T, p *phone.Phone) {
	t.Helper()
	call, err := p.NextCall(patience(t))
	if err != nil {
		t.Fatal(err)
	}
	if end, err := call.WaitEnded(patience(t)); err != nil || end.Reason != phone.RemoteHangup {
		t.Errorf("the call ended by %v, %v", end, err)
	}
}
