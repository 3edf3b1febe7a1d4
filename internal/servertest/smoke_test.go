package servertest

import (
	"context"
	"net/http"
	"testing"
	"time"

	"parley"
	"parley/internal/audiotest"
	"parley/internal/pcm"
	"parley/internal/phone"
)

func TestTwoPhonesHearEachOther(t *testing.T) {
	s := Start(t, nil)
	r := Receive(t)
	r.Webhook(s, "", "*")
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	var conf struct{ ID parley.ID }
	s.Must(http.MethodPost, "/v1/conferences", map[string]any{"name": "hall", "dial_in": true, "recording": true}, &conf)
	tones := []float64{440, 1000}
	var calls []*phone.Call
	for i, hz := range tones {
		p := s.Phone([]string{"anna", "ben"}[i], func(c *phone.Config) {
			c.Sound = func() pcm.Source { return phone.Tone(hz, -15) }
		})
		if i == 0 {
			s.Must(http.MethodPost, "/v1/conferences/"+string(conf.ID)+"/participants", map[string]any{"to": p.URI()}, nil)
			c, err := p.NextCall(ctx)
			if err != nil {
				t.Fatal(err)
			}
			calls = append(calls, c)
		} else {
			c, err := p.Dial(ctx, "sip:hall@"+s.SIP.String())
			if err != nil {
				t.Fatal(err)
			}
			calls = append(calls, c)
		}
		if err := calls[i].WaitAnswered(ctx); err != nil {
			t.Fatal(err)
		}
	}
	r.Wait(parley.EventConfJoined, 2)
	for i, c := range calls {
		from := c.HeardLen()
		if err := c.WaitHeard(ctx, from+2*8000); err != nil {
			t.Fatal(err)
		}
		heard := c.HeardFrom(from + 8000)
		other, own := audiotest.ToneLevel(heard, 8000, tones[1-i]), audiotest.ToneLevel(heard, 8000, tones[i])
		t.Logf("phone %d hears the other at %.1f dBFS, itself at %.1f", i, other, own)
		if other < -20 || own > other-40 {
			t.Errorf("phone %d hears the other at %.1f dBFS, itself at %.1f", i, other, own)
		}
	}
	if err := calls[0].Hangup(ctx); err != nil {
		t.Fatal(err)
	}
	r.Wait(parley.EventConfQuit, 1)
	began := time.Now()
	s.Must(http.MethodDelete, "/v1/conferences/"+string(conf.ID), nil, nil)
	r.Wait(parley.EventConfEnd, 1)
	t.Log("ended after", time.Since(began))
	for _, c := range r.All() {
		t.Logf("%s", c.Body)
	}
}
