package interop

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"parley"
	"parley/internal/audiotest"
	"parley/internal/pcm"
	"parley/internal/phone"
	"parley/internal/servertest"
)

// patience is a context that ends when the test has waited too long.
func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	t.Cleanup(cancel)
	return ctx
}

// listener calls the loudspeaker of a baresip.
func listener(t *testing.T, c *conference, b *baresip) *phone.Call {
	t.Helper()
	p := c.server.Phone("listener", nil)
	call, err := p.Dial(patience(t), b.speaker())
	if err == nil {
		err = call.WaitAnswered(patience(t))
	}
	if err != nil {
		t.Fatalf("the loudspeaker of %s: %v", b.cfg.user, err)
	}
	return call
}

// listen gives what a call hears in the next d.
func listen(t *testing.T, call *phone.Call, d time.Duration) []int16 {
	t.Helper()
	heard, err := call.Listen(patience(t), audiotest.Samples(rate, d))
	if err != nil {
		t.Fatal(err)
	}
	return heard
}

// The tones of the phones.
const low, middle, high = 440.0, 1000.0, 1700.0

// present is the least level of a tone, said at -20 dBFS, that was not lost on
// its way; absent is how far below the others one is that nobody should hear.
const present, absent = -23.0, 40.0

// hears checks that of the tones exactly the others are in what somebody heard.
func hears(t *testing.T, who string, heard []int16, own float64, others ...float64) {
	t.Helper()
	weakest := 0.0
	for _, hz := range others {
		level := typical(heard, hz)
		weakest = min(weakest, level)
		if level < present {
			t.Errorf("%s hears %.0f Hz at %.1f dBFS, want at least %.0f", who, hz, level, present)
		}
		t.Logf("%s hears %.0f Hz at %.1f dBFS", who, hz, level)
	}
	mine := audiotest.ToneLevel(heard, rate, own)
	if mine > weakest-absent {
		t.Errorf("%s hears its own %.0f Hz at %.1f dBFS, %.1f dB below the others, want %.0f", who, own, mine, weakest-mine, absent)
	}
	t.Logf("%s hears its own %.0f Hz at %.1f dBFS", who, own, mine)
}

// typical is the level of a tone in the median half second: a jitter buffer that
// changes its delay shifts the tone's phase, and over a longer time the parts
// before and after would cancel each other.
func typical(heard []int16, hz float64) float64 {
	var levels []float64
	for part := range slices.Chunk(heard, rate/2) {
		if len(part) == rate/2 {
			levels = append(levels, audiotest.ToneLevel(part, rate, hz))
		}
	}
	slices.Sort(levels)
	return levels[len(levels)/2]
}

// longestGap is how long a listener may hear nothing.
const longestGap = 60 * time.Millisecond

// steady is how long a conference of tones is listened to.
const steady = 5 * time.Second

// steadily gives a stretch of what each call hears in which there is no gap.
// A gap in one stretch may be this machine's, which had no time for the phone;
// those of the server come back.
func steadily(t *testing.T, calls []*phone.Call) [][]int16 {
	t.Helper()
	for try := 1; ; try++ {
		stretches, gaps := stretch(t, calls), 0
		for i, heard := range stretches {
			for _, gap := range audiotest.Gaps(heard, nil, rate, longestGap) {
				gaps++
				t.Logf("try %d: listener %d hears nothing for %v at %v", try, i, gap.Length, gap.At)
			}
		}
		if gaps == 0 {
			return stretches
		}
		if try == 3 {
			t.Errorf("in %d stretches of %v there was always a gap of more than %v", try, steady, longestGap)
			return stretches
		}
	}
}

// stretch gives what each call hears in the same next seconds.
func stretch(t *testing.T, calls []*phone.Call) [][]int16 {
	t.Helper()
	begin := make([]int, len(calls))
	for i, call := range calls {
		begin[i] = call.HeardLen() + audiotest.Samples(rate, 500*time.Millisecond)
	}
	out := make([][]int16, len(calls))
	for i, call := range calls {
		n := audiotest.Samples(rate, steady)
		if err := call.WaitHeard(patience(t), begin[i]+n); err != nil {
			t.Fatal(err)
		}
		out[i] = call.HeardFrom(begin[i])[:n]
	}
	return out
}

func TestThreeBaresipsHearEachOther(t *testing.T) {
	for _, codec := range []string{"pcmu", "pcma"} {
		t.Run(codec, func(t *testing.T) { // alone: it measures time
			c := newConference(t, nil, object{"recording": true})
			tones := []float64{low, middle, high}
			phones := make([]*baresip, len(tones))
			for i, user := range []string{"low", "middle", "high"} {
				phones[i] = startBaresip(t, phoneConfig{user: user, tone: tones[i], codec: codec})
			}
			for _, b := range phones[:2] {
				want(t, c.of(parley.EventConfJoined, c.invite(b.uri(), nil)),
					object{"part_uri": b.uri(), "direction": "outbound"})
			}
			phones[2].dial(c.dialIn("udp"))
			want(t, c.of(parley.EventConfJoined, c.joined(3)),
				object{"part_uri": phones[2].uri(), "direction": "inbound"})

			listeners := make([]*phone.Call, len(phones))
			for i, b := range phones {
				listeners[i] = listener(t, c, b)
			}
			for i, heard := range steadily(t, listeners) {
				others := slices.Delete(slices.Clone(tones), i, i+1)
				hears(t, phones[i].cfg.user, heard, tones[i], others...)
			}
			c.agreedOn(codec)
			c.end()
			for _, b := range phones {
				b.closed(1, byFarEnd)
			}
			hearsAll(t, c.recording(), tones)
		})
	}
}

// agreedOn checks the codec of everybody in the conference.
func (c *conference) agreedOn(codec string) {
	c.t.Helper()
	var list struct {
		Items []struct {
			PartURI string `json:"part_uri"`
			Quality struct {
				Codec string
				Lost  int `json:"packets_lost"`
			}
		}
	}
	c.server.Must(http.MethodGet, c.path("/participants"), nil, &list)
	for _, p := range list.Items {
		if p.Quality.Codec != strings.ToUpper(codec) || p.Quality.Lost != 0 {
			c.t.Errorf("%s: codec %s, %d packets lost; want %s, none", p.PartURI, p.Quality.Codec, p.Quality.Lost, codec)
		}
	}
}

// recording downloads the conference's recording.
func (c *conference) recording() []int16 {
	c.t.Helper()
	id := c.receiver.Wait(parley.EventConfRecordEnd, 1)[0].Text("recording_id")
	file := c.server.Send(http.MethodGet, "/v1/recordings/"+id+"/content", nil)
	samples, hz, err := audiotest.ParseWAV(file.Body)
	if err != nil || hz != rate {
		c.t.Fatalf("recording: status %d, %d Hz, %v", file.Status, hz, err)
	}
	return samples
}

// hearsAll checks that all tones are in the last seconds of a recording, which
// ends when everybody has left.
func hearsAll(t *testing.T, recording []int16, tones []float64) {
	t.Helper()
	end := len(recording) - audiotest.Samples(rate, 500*time.Millisecond)
	begin := end - audiotest.Samples(rate, steady)
	if begin < 0 {
		t.Fatalf("the recording has only %v", audiotest.Duration(rate, len(recording)))
	}
	last := recording[begin:end]
	for _, hz := range tones {
		if level := typical(last, hz); level < present {
			t.Errorf("the recording has %.0f Hz at %.1f dBFS, want at least %.0f", hz, level, present)
		}
	}
	for _, gap := range audiotest.Gaps(last, nil, rate, longestGap) {
		t.Errorf("the recording has nothing for %v at %v", gap.Length, gap.At)
	}
}

func TestBaresipHoldsAndResumes(t *testing.T) {
	t.Parallel()
	c := newConference(t, nil, nil)
	b := startBaresip(t, phoneConfig{user: "holder", tone: middle})
	other := c.server.Phone("other", func(cfg *phone.Config) {
		cfg.Sound = func() pcm.Source { return phone.Tone(low, -20) }
	})
	c.of(parley.EventConfJoined, c.invite(other.URI(), nil))
	heard, err := other.NextCall(patience(t))
	if err != nil {
		t.Fatal(err)
	}
	id := c.invite(b.uri(), nil)
	c.of(parley.EventConfJoined, id)
	before := listener(t, c, b)
	listen(t, heard, 500*time.Millisecond)
	hears(t, "other", listen(t, heard, time.Second), low, middle)
	listen(t, before, 500*time.Millisecond)
	hears(t, "holder", listen(t, before, time.Second), middle, low)

	b.hold()
	want(t, c.of(parley.EventConfParticipantUpdated, id), object{"hold": true})
	listen(t, heard, 500*time.Millisecond) // what was under way
	if level := audiotest.RMS(listen(t, heard, time.Second)); level > -60 {
		t.Errorf("while the holder holds, the other hears %.1f dBFS", level)
	}

	b.resume()
	want(t, c.nth(parley.EventConfParticipantUpdated, id, 2), object{"hold": false})
	after := listener(t, c, b)
	listen(t, heard, 500*time.Millisecond)
	hears(t, "other after the hold", listen(t, heard, time.Second), low, middle)
	listen(t, after, 500*time.Millisecond)
	hears(t, "holder after the hold", listen(t, after, time.Second), middle, low)
	if n := count(c.end(), parley.EventConfParticipantUpdated); n != 2 {
		t.Errorf("%d updates were told, want 2", n)
	}
	b.closed(1, byFarEnd)
	if end, err := heard.WaitEnded(patience(t)); err != nil || end.Reason != phone.RemoteHangup {
		t.Errorf("the other's call ended by %v, %v", end, err)
	}
}

func TestDigitsFromBaresip(t *testing.T) {
	t.Parallel()
	const digits = "159*0#7731"
	c := newConference(t, nil, nil)
	b := startBaresip(t, phoneConfig{user: "presser", tone: low})
	id := c.invite(b.uri(), nil)
	c.of(parley.EventConfJoined, id)
	b.wait("CALL_ESTABLISHED", 1)
	b.digits(digits)
	c.nth(parley.EventConfDTMF, id, len(digits))
	var got strings.Builder
	for _, cb := range c.end() {
		if cb.Type == parley.EventConfDTMF {
			got.WriteString(cb.Text("digit"))
		}
	}
	if got.String() != digits {
		t.Errorf("the digits %s were told as %s", digits, got.String())
	}
	b.closed(1, byFarEnd)
}

func TestBaresipHangsUp(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			c := newConference(t, nil, nil)
			b := startBaresip(t, phoneConfig{user: "caller", tone: low, transport: transport})
			invited := c.invite(b.uri(), nil)
			c.of(parley.EventConfJoined, invited)
			b.wait("CALL_ESTABLISHED", 1)
			b.hangup()
			want(t, c.of(parley.EventConfQuit, invited), object{"reason": parley.ReasonHangup})

			b.dial(c.dialIn(transport))
			dialled := c.joined(2)
			b.wait("CALL_ESTABLISHED", 2)
			b.hangup()
			want(t, c.of(parley.EventConfQuit, dialled), object{"reason": parley.ReasonHangup})
		})
	}
}

func TestTheAPIRemovesBaresip(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			c := newConference(t, nil, nil)
			b := startBaresip(t, phoneConfig{user: "guest", tone: low, transport: transport})
			invited := c.invite(b.uri(), nil)
			c.of(parley.EventConfJoined, invited)
			c.remove(invited)
			want(t, c.of(parley.EventConfQuit, invited), object{"reason": parley.ReasonRemoved})
			b.closed(1, byFarEnd)

			b.dial(c.dialIn(transport))
			dialled := c.joined(2)
			c.remove(dialled)
			want(t, c.of(parley.EventConfQuit, dialled), object{"reason": parley.ReasonRemoved})
			b.closed(2, byFarEnd)
		})
	}
}

// byFarEnd is what baresip says of a call that the server has ended by BYE.
const byFarEnd = "Connection reset by peer"

// closed waits for the end of the phone's n-th call, which baresip explains.
func (b *baresip) closed(n int, why string) {
	b.t.Helper()
	if e := b.wait("CALL_CLOSED", n); e.Param != why {
		b.t.Errorf("baresip says of the end of its call: %q, want %q", e.Param, why)
	}
}

func TestBaresipDoesNotAnswer(t *testing.T) {
	t.Parallel()
	c := newConference(t, nil, nil)
	b := startBaresip(t, phoneConfig{user: "sleeper", tone: low, manual: true})
	id := c.invite(b.uri(), object{"max_dial_duration": 1})
	want(t, c.of(parley.EventConfJoinFail, id), object{"reason": parley.ReasonNoAnswer, "part_uri": b.uri()})
	b.wait("CALL_INCOMING", 1)
	b.wait("CALL_CLOSED", 1) // by our CANCEL
}

func TestBaresipRefuses(t *testing.T) {
	t.Parallel()
	c := newConference(t, nil, nil)
	b := startBaresip(t, phoneConfig{user: "refuser", tone: low, manual: true})
	id := c.invite(b.uri(), nil)
	b.wait("CALL_INCOMING", 1)
	b.hangup()
	want(t, c.of(parley.EventConfJoinFail, id), object{"reason": parley.ReasonBusy, "sip_status": 486})
}
