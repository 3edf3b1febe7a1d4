package sip

import (
	"context"
	"testing"
	"time"

	"parley/internal/control"
	"parley/internal/media"
	"parley/internal/phone"
	"parley/internal/sdp"
)

// ring makes a phone for a test.
func ring(t *testing.T, cfg phone.Config) *phone.Phone {
	t.Helper()
	p, err := phone.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func within20s(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// ends waits until a phone's call has ended.
func ends(t *testing.T, c *phone.Call, want phone.EndReason, status int) {
	t.Helper()
	end, err := c.WaitEnded(within20s(t))
	if err != nil || end.Reason != want || end.Status != status {
		t.Errorf("the phone's call ended %v (%v), want %s %d", end, err, want, status)
	}
}

func TestPhonesOverBothTransports(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		for _, codec := range []sdp.Codec{sdp.PCMU(), sdp.PCMA()} {
			cfg := phone.Config{Name: "+8613800138000", Transport: transport, Codecs: []sdp.Codec{codec}}
			t.Run(transport+" "+codec.Name+" in", func(t *testing.T) {
				h := open(t)
				p := ring(t, cfg)
				c, err := p.Dial(within20s(t), h.uri("conf%201", transport))
				if err != nil {
					t.Fatal(err)
				}
				in := h.next()
				if in.in.User != "conf 1" || in.in.PartURI != "+8613800138000" {
					t.Errorf("came as %+v", in.in)
				}
				if err := c.WaitRinging(within20s(t)); err != nil {
					t.Fatal(err)
				}
				in.call.Answer(nil)
				in.hears("answered")
				if err := c.WaitAnswered(within20s(t)); err != nil {
					t.Fatal(err)
				}
				if got := in.call.Session().Stats().Codec.Name; got != codec.Name {
					t.Errorf("codec %s, want %s", got, codec.Name)
				}
				inAMix(h, in.call)
				if err := c.SendDigits(within20s(t), "1#"); err != nil {
					t.Fatal(err)
				}
				in.hears("digit 1", "digit #")
				if err := c.Hold(within20s(t), sdp.SendOnly); err != nil {
					t.Fatal(err)
				}
				in.hears("held true")
				if err := c.Unhold(within20s(t)); err != nil {
					t.Fatal(err)
				}
				in.hears("held false")
				if err := c.Hangup(within20s(t)); err != nil {
					t.Fatal(err)
				}
				in.hears("ended hangup 0")
			})
			t.Run(transport+" "+codec.Name+" out", func(t *testing.T) {
				h := open(t)
				p := ring(t, cfg)
				out := h.dial(control.DialRequest{Target: p.URI()})
				out.hears("answered")
				if got := out.call.Session().Stats().Codec.Name; got != codec.Name {
					t.Errorf("codec %s, want %s", got, codec.Name)
				}
				c, err := p.NextCall(within20s(t))
				if err != nil {
					t.Fatal(err)
				}
				out.call.Hold(true)
				if err := c.WaitDirection(within20s(t), sdp.RecvOnly); err != nil {
					t.Fatal(err)
				}
				out.call.Hold(false)
				if err := c.WaitDirection(within20s(t), sdp.SendRecv); err != nil {
					t.Fatal(err)
				}
				out.call.Hangup(control.ReasonRemoved)
				ends(t, c, phone.RemoteHangup, 0)
				out.hears("ended removed 0")
			})
		}
	}
}

// inAMix puts a call into a mix: a session in none is not on the beat, and
// hears no digits.
func inAMix(h *house, c control.Call) {
	m := h.plane.NewMix(media.MixConfig{})
	done := make(chan error, 1)
	c.Move(m, func(err error) { done <- err })
	select {
	case err := <-done:
		if err != nil {
			h.t.Fatal(err)
		}
	case <-time.After(patience):
		h.t.Fatal("never moved")
	}
	m.Add(c.Session(), media.Options{})
	h.t.Cleanup(m.Close)
}

func TestPhonesThatDoNotAnswer(t *testing.T) {
	for _, tt := range []struct {
		name      string
		answering phone.Answering
		hears     string
	}{
		{"busy", phone.Answering{Status: 486}, "ended busy 486"},
		{"declined", phone.Answering{Status: 603}, "ended rejected 603"},
		{"moved", phone.Answering{Status: 302}, "ended rejected 302"},
		{"nobody there", phone.Answering{Wait: true}, "ended no_answer 0"},
		{"nobody there after much ado", phone.Answering{Ringing: []int{180, 181, 182, 183, 180, 180, 180, 180, 180, 180, 180, 180}, Wait: true, EarlyMedia: true}, "ended no_answer 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := open(t)
			p := ring(t, phone.Config{Answering: tt.answering})
			out := h.dial(control.DialRequest{Target: p.URI(), Timeout: 300 * time.Millisecond})
			out.hears(tt.hears)
			if tt.answering.Wait {
				c, err := p.NextCall(within20s(t))
				if err != nil {
					t.Fatal(err)
				}
				ends(t, c, phone.RemoteCancel, 0)
			}
		})
	}
}

func TestAPhoneCancels(t *testing.T) {
	h := open(t)
	p := ring(t, phone.Config{})
	c, err := p.Dial(within20s(t), h.uri("x", "udp"))
	if err != nil {
		t.Fatal(err)
	}
	in := h.next()
	if err := c.WaitRinging(within20s(t)); err != nil {
		t.Fatal(err)
	}
	if err := c.Hangup(within20s(t)); err != nil {
		t.Fatal(err)
	}
	in.hears("ended cancelled 487")
}

func TestAPhoneIsRefused(t *testing.T) {
	h := open(t)
	p := ring(t, phone.Config{})
	c, err := p.Dial(within20s(t), h.uri("x", "tcp"))
	if err != nil {
		t.Fatal(err)
	}
	h.next().call.Reject(404)
	ends(t, c, phone.RemoteRefusal, 404)
}

func TestAPhoneWithoutOffer(t *testing.T) {
	h := open(t)
	p := ring(t, phone.Config{Faults: phone.Faults{NoOffer: true}})
	c, err := p.Dial(within20s(t), h.uri("x", "udp"))
	if err != nil {
		t.Fatal(err)
	}
	in := h.next()
	in.call.Answer(nil)
	in.hears("answered")
	in.call.Hangup(control.ReasonRemoved)
	ends(t, c, phone.RemoteHangup, 0)
}

func TestAPhoneIsMovedToAnotherShard(t *testing.T) {
	h := open(t)
	p := ring(t, phone.Config{})
	mixes := []*media.Mix{h.plane.NewMix(media.MixConfig{}), h.plane.NewMix(media.MixConfig{})}
	out := h.dial(control.DialRequest{Target: p.URI(), Mix: mixes[0]})
	out.hears("answered")
	for i := range 6 {
		m := mixes[i%2]
		done := make(chan error, 1)
		out.call.Move(m, func(err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if !out.call.Session().SameShard(m) {
			t.Fatal("not in the shard")
		}
	}
}
