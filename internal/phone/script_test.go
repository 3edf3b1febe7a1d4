package phone_test

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/pion/rtp"

	"parley/internal/audiotest"
	"parley/internal/pcm"
	"parley/internal/phone"
	"parley/internal/sdp"
)

func TestDigitsArriveInOrder(t *testing.T) {
	t.Parallel()
	alice, bob := newPhone(t, phone.Config{}), newPhone(t, phone.Config{})
	out, in := connect(t, alice, bob)
	if err := out.SendDigits(deadline(t), "12#D"); err != nil {
		t.Fatal(err)
	}
	if got, err := in.WaitDigits(deadline(t), 4); got != "12#D" {
		t.Errorf("bob got %q, %v", got, err)
	}
	for _, d := range in.Digits() {
		if !d.Ended || d.Duration != 100*time.Millisecond {
			t.Errorf("digit %c: %v, ended %v; want 100 ms and ended", d.Key, d.Duration, d.Ended)
		}
	}
	if err := in.SendDigits(deadline(t), "0"); err != nil {
		t.Fatal(err)
	}
	if got, err := out.WaitDigits(deadline(t), 1); got != "0" {
		t.Errorf("alice got %q, %v", got, err)
	}
	if err := out.SendDigits(deadline(t), "1x"); err == nil {
		t.Error("x was taken for a digit")
	}
}

func TestDigitsNeedAnAgreement(t *testing.T) {
	t.Parallel()
	alice, bob := newPhone(t, phone.Config{}), newPhone(t, phone.Config{NoDigits: true})
	out, _ := connect(t, alice, bob)
	if err := out.SendDigits(deadline(t), "1"); !errors.Is(err, phone.ErrState) {
		t.Errorf("got %v", err)
	}
}

func TestHold(t *testing.T) {
	t.Parallel()
	tests := []struct{ hold, holder, held sdp.Direction }{
		{sdp.SendOnly, sdp.SendOnly, sdp.RecvOnly},
		{sdp.Inactive, sdp.Inactive, sdp.Inactive},
	}
	alice := newPhone(t, phone.Config{Sound: func() pcm.Source { return phone.Tone(440, -20) }})
	bob := newPhone(t, phone.Config{Sound: func() pcm.Source { return phone.Tone(1000, -20) }})
	out, in := connect(t, alice, bob)
	for _, tt := range tests {
		t.Run(tt.hold.String(), func(t *testing.T) {
			if err := out.Hold(deadline(t), tt.hold); err != nil {
				t.Fatal(err)
			}
			if err := in.WaitDirection(deadline(t), tt.held); err != nil || out.Direction() != tt.holder {
				t.Errorf("alice %v, bob %v, %v; want %v, %v", out.Direction(), in.Direction(), err, tt.holder, tt.held)
			}
			if err := out.Unhold(deadline(t)); err != nil {
				t.Fatal(err)
			}
			if err := in.WaitDirection(deadline(t), sdp.SendRecv); err != nil {
				t.Fatal(err)
			}
			hears(t, "alice", out, -20, 1000, 440)
			hears(t, "bob", in, -20, 440, 1000)
		})
	}
}

func TestTheHeldSideCanHoldToo(t *testing.T) {
	t.Parallel()
	alice, bob := newPhone(t, phone.Config{}), newPhone(t, phone.Config{})
	out, in := connect(t, alice, bob)
	if err := in.Hold(deadline(t), sdp.SendOnly); err != nil {
		t.Fatal(err)
	}
	if err := out.Hold(deadline(t), sdp.SendOnly); err != nil {
		t.Fatal(err)
	}
	if out.Direction() != sdp.Inactive || in.Direction() != sdp.Inactive {
		t.Errorf("alice %v, bob %v; want inactive", out.Direction(), in.Direction())
	}
}

func TestTwoOffersAtOnceGet491(t *testing.T) {
	t.Parallel()
	var ignored atomic.Bool
	bobAsks := make(chan struct{})
	// Alice does not hear bob's first re-INVITE, so his is open when hers comes.
	alice := newPhone(t, phone.Config{Faults: phone.Faults{Deaf: func(req *sip.Request) bool {
		if req.Method != sip.INVITE || ignored.Swap(true) {
			return false
		}
		close(bobAsks)
		return true
	}}})
	bob := newPhone(t, phone.Config{})
	out, in := connect(t, alice, bob)
	held := make(chan error, 1)
	go func() { held <- in.Hold(deadline(t), sdp.SendOnly) }()
	<-bobAsks
	err := out.Hold(deadline(t), sdp.SendOnly)
	if e, ok := errors.AsType[*phone.StatusError](err); !ok || e.Status != 491 {
		t.Errorf("alice's re-INVITE: %v, want 491", err)
	}
	if err := <-held; err != nil {
		t.Errorf("bob's re-INVITE, sent again: %v", err)
	}
}

func TestACallIsTakenBackWhileItRings(t *testing.T) {
	t.Parallel()
	alice := newPhone(t, phone.Config{})
	bob := newPhone(t, phone.Config{Answering: phone.Answering{Wait: true}})
	out, in := dial(t, alice, bob)
	if err := out.WaitRinging(deadline(t)); err != nil {
		t.Fatal(err)
	}
	if err := out.Hangup(deadline(t)); err != nil {
		t.Error(err)
	}
	ends(t, "alice", out, phone.LocalCancel, 487)
	ends(t, "bob", in, phone.RemoteCancel, 0)
	if err := in.Answer(); !errors.Is(err, phone.ErrState) {
		t.Errorf("a cancelled call was answered: %v", err)
	}
}

func TestACallIsTakenBackWhileItsAnswerIsUnderWay(t *testing.T) {
	t.Parallel()
	calls, cancelling := make(chan *phone.Call, 1), make(chan struct{})
	alice := newPhone(t, phone.Config{
		Trace: func(e phone.Event) {
			if e.Name == "cancelling" {
				close(cancelling)
			}
		},
		Hooks: phone.Hooks{Received: func(m sip.Message) {
			if res, ok := m.(*sip.Response); ok && res.IsSuccess() && res.CSeq().MethodName == sip.INVITE {
				call := <-calls
				go func() { _ = call.Hangup(deadline(t)) }() // how it ends is looked at below
				<-cancelling
			}
		}},
	})
	acked := make(chan struct{}, 10)
	bob := newPhone(t, phone.Config{Hooks: phone.Hooks{Received: func(m sip.Message) {
		if req, ok := m.(*sip.Request); ok && req.IsAck() {
			acked <- struct{}{}
		}
	}}})
	out, in := dial(t, alice, bob)
	calls <- out
	ends(t, "alice", out, phone.LocalCancel, 200)
	ends(t, "bob", in, phone.RemoteHangup, 0)
	select {
	case <-acked:
	case <-deadline(t).Done():
		t.Error("the 200 got no ACK")
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestACancelThatComesTooLateChangesNothing(t *testing.T) {
	t.Parallel()
	alice, bob := newPhone(t, phone.Config{}), newPhone(t, phone.Config{})
	out, in := connect(t, alice, bob)
	if err := out.SendCancel(deadline(t)); err != nil {
		t.Errorf("CANCEL: %v", err)
	}
	in.Play(phone.Tone(440, -20))
	hears(t, "alice", out, -20, 440)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		answer phone.Answering
		status int
	}{
		{"busy", phone.Answering{Status: 486}, 486},
		{"declined", phone.Answering{Status: 603, Ringing: []int{180, 183}}, 603},
		{"gone without ringing", phone.Answering{Status: 480, Ringing: []int{}}, 480},
	}
	alice, bob := newPhone(t, phone.Config{}), newPhone(t, phone.Config{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bob.SetAnswering(tt.answer)
			out, in := dial(t, alice, bob)
			ends(t, "alice", out, phone.RemoteRefusal, tt.status)
			ends(t, "bob", in, phone.LocalRefusal, tt.status)
			if err := out.WaitAnswered(deadline(t)); !errors.Is(err, phone.ErrEnded) {
				t.Errorf("waiting for the answer of a refused call: %v", err)
			}
		})
	}
}

func TestNoCodecInCommon(t *testing.T) {
	t.Parallel()
	alice := newPhone(t, phone.Config{Codecs: []sdp.Codec{sdp.PCMU()}})
	bob := newPhone(t, phone.Config{Codecs: []sdp.Codec{sdp.PCMA()}})
	out, in := dial(t, alice, bob)
	ends(t, "alice", out, phone.RemoteRefusal, 488)
	ends(t, "bob", in, phone.LocalRefusal, 488)
}

func TestEarlyMedia(t *testing.T) {
	t.Parallel()
	alice := newPhone(t, phone.Config{})
	bob := newPhone(t, phone.Config{
		Sound:     func() pcm.Source { return phone.Tone(425, -20) },
		Answering: phone.Answering{Ringing: []int{183}, EarlyMedia: true, Wait: true},
	})
	out, in := dial(t, alice, bob)
	hears(t, "alice", out, -20, 425)
	if closed(out.Answered()) {
		t.Error("183 counts as an answer")
	}
	if err := in.Answer(); err != nil {
		t.Fatal(err)
	}
	if err := out.WaitAnswered(deadline(t)); err != nil {
		t.Fatal(err)
	}
	hears(t, "alice", out, -20, 425)
	if got := out.Provisionals(); !slices.Equal(got, []int{183}) {
		t.Errorf("provisional responses %v, want 183", got)
	}
}

func TestTheOfferMayComeInTheAnswer(t *testing.T) {
	t.Parallel()
	alice := newPhone(t, phone.Config{Faults: phone.Faults{NoOffer: true}, Sound: func() pcm.Source { return phone.Tone(440, -20) }})
	bob := newPhone(t, phone.Config{Sound: func() pcm.Source { return phone.Tone(1000, -20) }})
	out, in := connect(t, alice, bob)
	hears(t, "alice", out, -20, 1000, 440)
	hears(t, "bob", in, -20, 440, 1000)
}

func TestTheAnswerIsRepeatedUntilItsACK(t *testing.T) {
	t.Parallel()
	var acks atomic.Int32
	alice := newPhone(t, phone.Config{})
	bob := newPhone(t, phone.Config{Faults: phone.Faults{Deaf: func(req *sip.Request) bool {
		return req.Method == sip.ACK && acks.Add(1) == 1
	}}})
	_, in := connect(t, alice, bob)
	select {
	case <-in.Acknowledged():
	case <-deadline(t).Done():
		t.Error("no second ACK came")
	}
}

func TestAPhoneThatSendsNoACK(t *testing.T) {
	t.Parallel()
	repeats := make(chan struct{}, 100)
	alice := newPhone(t, phone.Config{Faults: phone.Faults{NoACK: true}})
	bob := newPhone(t, phone.Config{Hooks: phone.Hooks{Received: func(m sip.Message) {
		if req, ok := m.(*sip.Request); ok && req.IsAck() {
			repeats <- struct{}{}
		}
	}}})
	out, in := connect(t, alice, bob)
	if err := out.Hangup(deadline(t)); err != nil {
		t.Error(err)
	}
	ends(t, "bob", in, phone.RemoteHangup, 0)
	if closed(in.Acknowledged()) || len(repeats) > 0 {
		t.Error("an ACK came")
	}
}

func TestLostPacketsAreGaps(t *testing.T) {
	t.Parallel()
	var packets atomic.Int64
	alice := newPhone(t, phone.Config{
		Sound: func() pcm.Source { return phone.Tone(440, -20) },
		Hooks: phone.Hooks{RTP: func(*rtp.Packet) bool { return packets.Add(1)%10 != 0 }},
	})
	bob := newPhone(t, phone.Config{})
	_, in := connect(t, alice, bob)
	if err := in.WaitHeard(deadline(t), rate); err != nil {
		t.Fatal(err)
	}
	gaps := in.Gaps(0)
	if len(gaps) < 4 {
		t.Fatalf("%d gaps in a second, every tenth packet was lost", len(gaps))
	}
	for i, g := range gaps {
		if g.Length != 160 || g.At != (9+10*i)*160 || g.Duration() != 20*time.Millisecond {
			t.Errorf("gap %d at %d of %d samples, want %d of 160", i, g.At, g.Length, (9+10*i)*160)
		}
		if slices.Max(in.Heard()[g.At:g.At+g.Length]) != 0 {
			t.Errorf("gap %d is not silent", i)
		}
	}
	if s := in.Stats(); s.Lost < int64(len(gaps)) || s.Sources != 1 {
		t.Errorf("%d lost of %d sources, %d gaps", s.Lost, s.Sources, len(gaps))
	}
}

func TestAMutedPhoneSendsNothingAndItsTimeRunsOn(t *testing.T) {
	t.Parallel()
	alice := newPhone(t, phone.Config{Sound: func() pcm.Source { return phone.Tone(440, -20) }})
	bob := newPhone(t, phone.Config{})
	out, in := connect(t, alice, bob)
	if err := in.WaitHeard(deadline(t), rate/10); err != nil {
		t.Fatal(err)
	}
	out.Mute(true)
	sent := out.Stats().Sent.Packets
	if _, err := out.Listen(deadline(t), rate/2); err != nil { // half a second passes
		t.Fatal(err)
	}
	if now := out.Stats().Sent.Packets; now != sent {
		t.Errorf("%d packets left a muted phone", now-sent)
	}
	out.Mute(false)
	from := in.HeardLen()
	if err := in.WaitHeard(deadline(t), from+rate/2); err != nil {
		t.Fatal(err)
	}
	gaps := in.Gaps(0)
	if len(gaps) == 0 || gaps[0].Duration() < 400*time.Millisecond {
		t.Errorf("gaps %v, want one of half a second", gaps)
	}
}

func TestNoRTP(t *testing.T) {
	t.Parallel()
	alice, bob := newPhone(t, phone.Config{Faults: phone.Faults{NoRTP: true}}), newPhone(t, phone.Config{})
	out, in := connect(t, alice, bob)
	if _, err := out.Listen(deadline(t), rate/2); err != nil {
		t.Fatal(err)
	}
	if s := in.Stats(); s.Received.Packets != 0 || !in.HeardSince().IsZero() {
		t.Errorf("bob heard %d packets of a phone without RTP", s.Received.Packets)
	}
}

func TestPacketTimesAndCodecs(t *testing.T) {
	t.Parallel()
	tests := []struct {
		ptime time.Duration
		codec sdp.Codec
	}{
		{10 * time.Millisecond, sdp.PCMU()},
		{30 * time.Millisecond, sdp.PCMA()},
		{60 * time.Millisecond, sdp.PCMA()},
	}
	for _, tt := range tests {
		t.Run(tt.codec.Name+tt.ptime.String(), func(t *testing.T) {
			alice := newPhone(t, phone.Config{PTime: tt.ptime, Codecs: []sdp.Codec{tt.codec}, Sound: func() pcm.Source { return phone.Tone(440, -20) }})
			bob := newPhone(t, phone.Config{})
			out, in := connect(t, alice, bob)
			hears(t, "bob", in, -20, 440)
			s := in.Stats()
			if want := uint64(tt.ptime * rate / time.Second); s.Received.Bytes != s.Received.Packets*want {
				t.Errorf("%d packets of %d bytes, want %d bytes each", s.Received.Packets, s.Received.Bytes, want)
			}
			if got := out.Stats().Agreed.Codec.Name; got != tt.codec.Name {
				t.Errorf("codec %s", got)
			}
		})
	}
}

func TestAFileIsHeardWhole(t *testing.T) {
	t.Parallel()
	alice, bob := newPhone(t, phone.Config{}), newPhone(t, phone.Config{})
	out, in := connect(t, alice, bob)
	speech := audiotest.Speech(1)[:2*rate]
	start := in.HeardLen()
	played := out.Play(phone.Samples(speech))
	if err := in.WaitHeard(deadline(t), start+len(speech)+rate/2); err != nil {
		t.Fatal(err)
	}
	if !closed(played) {
		t.Error("the file has not ended")
	}
	if lag, c := audiotest.Correlate(speech, in.HeardFrom(start), rate/2); c < 0.99 {
		t.Errorf("what was heard correlates with the file by %.3f, late by %d samples", c, lag)
	}
}

func TestReplacingASoundEndsIt(t *testing.T) {
	t.Parallel()
	alice, bob := newPhone(t, phone.Config{}), newPhone(t, phone.Config{})
	out, in := connect(t, alice, bob)
	first := out.Play(phone.Tone(440, -20))
	out.Play(phone.Loop(audiotest.Tone(rate, 1000, -20, 10*time.Millisecond)))
	if !closed(first) {
		t.Error("the first sound goes on")
	}
	hears(t, "bob", in, -20, 1000, 440)
}

func TestReportsTellOfTheOtherSide(t *testing.T) {
	t.Parallel()
	alice, bob := newPhone(t, phone.Config{Name: "alice"}), newPhone(t, phone.Config{Name: "bob"})
	out, _ := connect(t, alice, bob)
	for {
		if r := out.Stats().Reports; r.Received > 0 {
			if r.CNAME != "bob@127.0.0.1" || r.RemoteLost != 0 {
				t.Errorf("got %+v", r)
			}
			return
		}
		if _, err := out.Listen(deadline(t), rate/4); err != nil {
			t.Fatal(err)
		}
	}
}

func TestManyCallsAtOnceOnOnePhone(t *testing.T) {
	t.Parallel()
	bob := newPhone(t, phone.Config{Sound: func() pcm.Source { return phone.Tone(1000, -20) }})
	var wg sync.WaitGroup
	for range 5 {
		alice := newPhone(t, phone.Config{})
		out, _ := connect(t, alice, bob)
		wg.Go(func() { hears(t, "alice", out, -20, 1000) })
	}
	wg.Wait()
}

func TestAPhoneCallsItself(t *testing.T) {
	t.Parallel()
	alice := newPhone(t, phone.Config{})
	out, in := connect(t, alice, alice)
	in.Play(phone.Tone(440, -20))
	hears(t, "alice", out, -20, 440)
	if err := in.Hangup(deadline(t)); err != nil {
		t.Fatal(err)
	}
	ends(t, "alice", out, phone.RemoteHangup, 0)
}

func TestClosingHangsUp(t *testing.T) {
	t.Parallel()
	alice, bob := newPhone(t, phone.Config{}), newPhone(t, phone.Config{})
	out, in := connect(t, alice, bob)
	if err := alice.Close(); err != nil {
		t.Error(err)
	}
	ends(t, "alice", out, phone.LocalHangup, 0)
	ends(t, "bob", in, phone.RemoteHangup, 0)
	if _, err := alice.Dial(deadline(t), bob.URI()); !errors.Is(err, phone.ErrClosed) {
		t.Errorf("a closed phone dials: %v", err)
	}
	if _, err := alice.NextCall(deadline(t)); !errors.Is(err, phone.ErrClosed) {
		t.Errorf("a closed phone waits for calls: %v", err)
	}
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	gone := newPhone(t, phone.Config{Transport: "tcp"})
	gone.Close()
	alice := newPhone(t, phone.Config{Transport: "tcp"})
	if _, err := alice.Dial(deadline(t), gone.URI()); err == nil {
		t.Error("a call to nobody began")
	}
}

func TestConfigurationsThatAreRefused(t *testing.T) {
	t.Parallel()
	taken := newPhone(t, phone.Config{})
	tests := map[string]phone.Config{
		"address in use":      {Addr: taken.Addr()},
		"unknown transport":   {Transport: "sctp"},
		"odd packet time":     {PTime: 25 * time.Millisecond},
		"unspecified address": {Addr: netip.MustParseAddrPort("0.0.0.0:0")},
	}
	for name, cfg := range tests {
		if p, err := phone.New(cfg); err == nil {
			p.Close()
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := taken.Dial(deadline(t), "tel:+4930"); err == nil {
		t.Error("a telephone number was dialled without a server")
	}
}

func TestTheCalleeHangsUpAtOnce(t *testing.T) {
	t.Parallel()
	alice, bob := newPhone(t, phone.Config{}), newPhone(t, phone.Config{})
	for range 20 {
		out, in := dial(t, alice, bob)
		if err := in.WaitAnswered(deadline(t)); err != nil {
			t.Fatal(err)
		}
		if err := in.Hangup(deadline(t)); err != nil {
			t.Fatal(err)
		}
		ends(t, "alice", out, phone.RemoteHangup, 0)
		if !closed(out.Answered()) {
			t.Fatal("the call was ended before it was answered")
		}
	}
}

func TestAnAnswerOfTheScriptsOwn(t *testing.T) {
	t.Parallel()
	alice := newPhone(t, phone.Config{})
	bob := newPhone(t, phone.Config{Hooks: phone.Hooks{AnswerSDP: func([]byte) []byte {
		return []byte("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n")
	}}})
	out, in := dial(t, alice, bob)
	if end, err := out.WaitEnded(deadline(t)); err != nil || end.Reason != phone.Failed || !errors.Is(end.Err, sdp.ErrNotAcceptable) {
		t.Errorf("alice: %v, %v; want failed for want of audio", end, err)
	}
	ends(t, "bob", in, phone.RemoteHangup, 0)
}

func TestHooksChangeWhatIsSent(t *testing.T) {
	t.Parallel()
	alice := newPhone(t, phone.Config{Hooks: phone.Hooks{Request: func(req *sip.Request) {
		req.AppendHeader(sip.NewHeader("X-Script", string(req.Method)))
	}}})
	bob := newPhone(t, phone.Config{
		Answering: phone.Answering{Wait: true},
		Hooks: phone.Hooks{Response: func(res *sip.Response) {
			if res.StatusCode == 180 {
				res.StatusCode, res.Reason = 181, "Forwarded"
			}
		}},
	})
	out, in := dial(t, alice, bob)
	if h := in.Invite().GetHeader("X-Script"); h == nil || h.Value() != "INVITE" {
		t.Errorf("header %v", h)
	}
	if err := out.WaitRinging(deadline(t)); err != nil || !slices.Equal(out.Provisionals(), []int{181}) {
		t.Errorf("provisional responses %v, %v; want 181", out.Provisionals(), err)
	}
}

func TestTheScriptDecides(t *testing.T) {
	t.Parallel()
	alice := newPhone(t, phone.Config{})
	bob := newPhone(t, phone.Config{Answering: phone.Answering{Wait: true, Ringing: []int{}}})
	out, in := dial(t, alice, bob)
	for _, status := range []int{180, 182} {
		if err := in.Ring(status); err != nil {
			t.Fatal(err)
		}
	}
	if err := in.Progress(183); err != nil {
		t.Fatal(err)
	}
	if err := in.Reject(480); err != nil {
		t.Fatal(err)
	}
	ends(t, "alice", out, phone.RemoteRefusal, 480)
	ends(t, "bob", in, phone.LocalRefusal, 480)
	if err := in.Ring(180); !errors.Is(err, phone.ErrState) {
		t.Errorf("ringing after the end: %v", err)
	}
}
