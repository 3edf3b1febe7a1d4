package sdp

import (
	"errors"
	"strings"
	"testing"
)

func TestWhatIsNotRead(t *testing.T) {
	tests := []struct {
		name string
		text string
		want error
		says string
	}{
		{"nothing", "", ErrMalformed, ""},
		{"no letter", describe("audio"), ErrMalformed, `line 6`},
		{"control character", describe("a=\x00"), ErrMalformed, "control character"},
		{"port out of range", describe("m=audio 70000 RTP/AVP 0"), ErrMalformed, "70000"},
		{"negative port", describe("m=audio -1 RTP/AVP 0"), ErrMalformed, "-1"},
		{"m= without formats", describe("m=audio 4000 RTP/AVP"), ErrMalformed, "m=audio 4000 RTP/AVP"},
		{"rtpmap without rate", describe("m=audio 4000 RTP/AVP 0", "a=rtpmap:0 PCMU"), ErrMalformed, "rtpmap:0 PCMU"},
		{"rtcp without port", describe("m=audio 4000 RTP/AVP 0", "a=rtcp:x"), ErrMalformed, "rtcp:x"},
		{"audio without an address", "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n", ErrMalformed, "no c= line"},
		{"an address that is only a TTL", describe("m=audio 4000 RTP/AVP 0", "c=IN IP4 /1"), ErrMalformed, "no c= line"},
		{"version 1", strings.Replace(describe(), "v=0", "v=1", 1), ErrMalformed, ""},
		{"a long one", describe("a=" + strings.Repeat("x", MaxSize)), ErrTooLarge, "bytes"},
		{"many lines", describe(slicesOf("a=x", MaxLines)...), ErrTooLarge, "lines"},
		{"many media", describe(slicesOf("m=audio 0 RTP/AVP 0", MaxMedia+1)...), ErrTooLarge, "media descriptions"},
		{"many formats", describe("m=audio 4000 RTP/AVP" + strings.Repeat(" 0", MaxFormats+1)), ErrTooLarge, "formats"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.text))
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want %v that says %q", err, tt.want, tt.says)
			}
		})
	}
}

func slicesOf(s string, n int) []string {
	return strings.Split(strings.TrimSuffix(strings.Repeat(s+"\n", n), "\n"), "\n")
}

func TestWhatIsToleratedBesideAudio(t *testing.T) {
	tests := []struct{ name, text string }{
		{"bare line feeds", strings.ReplaceAll(describe("m=audio 4000 RTP/AVP 0"), "\r\n", "\n")},
		{"blank lines at the end", describe("m=audio 4000 RTP/AVP 0", "", "")},
		{"an unknown bandwidth type", describe("m=audio 4000 RTP/AVP 0", "b=XX:1")},
		{"an unknown media type", describe("m=audio 4000 RTP/AVP 0", "m=hologram 9 RTP/AVP 0")},
		{"an unknown letter", describe("m=audio 4000 RTP/AVP 0", "y=0200000001")},
		{"an empty session name", strings.Replace(describe("m=audio 4000 RTP/AVP 0"), "s=-", "s=", 1)},
		{"a blank session name", strings.Replace(describe("m=audio 4000 RTP/AVP 0"), "s=-", "s= ", 1)},
		{"a number of ports", describe("m=audio 4000/2 RTP/AVP 0")},
		{"a mail address that is none", strings.Replace(describe("m=audio 4000 RTP/AVP 0"), "c=", "e=\xff\r\nu=::\r\nc=", 1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := Answer(mustParse(t, tt.text), local()); err != nil {
				t.Error(err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, body := range samples(f) {
		f.Add(body)
	}
	f.Add([]byte(describe("m=audio 4000 RTP/AVP 0 8 101", "a=rtpmap:101 telephone-event/8000", "a=rtcp:1 IN IP4 h")))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := Parse(body)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge) {
				t.Fatalf("an error of neither kind: %v", err)
			}
			return
		}
		text := s.Bytes()
		if len(text) > MaxSize {
			return // the head that we add can push it over
		}
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("what we wrote is not read: %v\n%q", err, text)
		}
		if again.Media == nil && s.Media != nil || len(again.Media) != len(s.Media) {
			t.Fatalf("media: %d written, %d read", len(s.Media), len(again.Media))
		}
		if third := again.Bytes(); string(third) != string(text) {
			t.Fatalf("written twice\n%q\n%q", text, third)
		}
		checkAnswer(t, s)
	})
}

// checkAnswer holds what an answer promises against any offer.
func checkAnswer(t *testing.T, offer Session) {
	answer, n, err := Answer(offer, local())
	if err != nil {
		return
	}
	live := 0
	for i, m := range answer.Media {
		if m.Kind != offer.Media[i].Kind || m.Proto != offer.Media[i].Proto {
			t.Fatalf("media %d is %s %s in the offer, %s %s in the answer", i, offer.Media[i].Kind, offer.Media[i].Proto, m.Kind, m.Proto)
		}
		if m.Port != 0 {
			live++
		}
	}
	if live != 1 || len(answer.Media) != len(offer.Media) {
		t.Fatalf("%d of %d media accepted, %d offered", live, len(answer.Media), len(offer.Media))
	}
	if n.PTime < MinPTime || n.PTime > MaxPTime || n.PTime%MinPTime != 0 {
		t.Fatalf("ptime %v", n.PTime)
	}
	if !n.Remote.IsValid() || n.Remote.Port() == 0 {
		t.Fatalf("remote %v", n.Remote)
	}
	first, at := offer.Audio()
	if answer.Media[at].Port == 0 || first.Held() {
		return // the offerer would look at another one
	}
	theirs, err := AcceptAnswer(offer, answer)
	if err != nil {
		t.Fatalf("the offerer cannot take the answer: %v\n%q", err, answer.Bytes())
	}
	if theirs.Direction != n.Direction.Reverse() || !theirs.Codec.Is(Format{Name: n.Codec.Name, ClockRate: n.Codec.ClockRate}) ||
		theirs.SendPayloadType != n.ReceivePayloadType || theirs.ReceivePayloadType != n.SendPayloadType {
		t.Fatalf("the two sides agree on different things\n%+v\n%+v", n, theirs)
	}
}
