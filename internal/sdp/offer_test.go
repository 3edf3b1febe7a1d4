package sdp

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func local() Local {
	return Local{
		Addr: netip.MustParseAddrPort("10.0.0.1:20000"), Codecs: []Codec{PCMU(), PCMA()},
		DTMFPayloadType: DTMFPayloadType, PTime: 20 * time.Millisecond, SessionID: 7,
	}
}

// describe puts the lines of one side's media under a usual head.
func describe(lines ...string) string {
	head := []string{"v=0", "o=alice 1 1 IN IP4 192.0.2.5", "s=-", "c=IN IP4 192.0.2.5", "t=0 0"}
	return strings.Join(append(head, lines...), "\r\n") + "\r\n"
}

func mustParse(t *testing.T, text string) Session {
	t.Helper()
	s, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse: %v\n%s", err, text)
	}
	return s
}

func TestAnOfferIsAnswered(t *testing.T) {
	tests := []struct {
		name   string
		offer  []string
		want   Negotiated
		answer string // lines that the answer has after its head
	}{
		{
			name:   "by its first codec, with digits",
			offer:  []string{"m=audio 4000 RTP/AVP 8 0 96", "a=rtpmap:96 telephone-event/8000", "a=fmtp:96 0-16"},
			want:   Negotiated{Codec: PCMA(), SendPayloadType: 8, ReceivePayloadType: 8, SendDTMF: 96, ReceiveDTMF: 96},
			answer: "m=audio 20000 RTP/AVP 8 96|a=rtpmap:8 PCMA/8000|a=rtpmap:96 telephone-event/8000|a=fmtp:96 0-15|a=ptime:20|a=sendrecv|",
		},
		{
			name:   "by the codec that we have, though it is named by a dynamic payload type",
			offer:  []string{"m=audio 4000 RTP/AVP 97 98", "a=rtpmap:97 opus/48000/2", "a=rtpmap:98 pcmu/8000/1"},
			want:   Negotiated{Codec: PCMU(), SendPayloadType: 98, ReceivePayloadType: 98},
			answer: "m=audio 20000 RTP/AVP 98|a=rtpmap:98 PCMU/8000|a=ptime:20|a=sendrecv|",
		},
		{
			name:   "without digits where their clock is another",
			offer:  []string{"m=audio 4000 RTP/AVP 0 96", "a=rtpmap:96 telephone-event/48000"},
			want:   Negotiated{Codec: PCMU()},
			answer: "m=audio 20000 RTP/AVP 0|a=rtpmap:0 PCMU/8000|a=ptime:20|a=sendrecv|",
		},
		{
			name:   "with the packet time that the other side likes",
			offer:  []string{"m=audio 4000 RTP/AVP 0", "a=ptime:30"},
			want:   Negotiated{Codec: PCMU(), PTime: 30 * time.Millisecond},
			answer: "m=audio 20000 RTP/AVP 0|a=rtpmap:0 PCMU/8000|a=ptime:20|a=sendrecv|",
		},
		{
			name:   "the first usable audio alone, all else refused in its place",
			offer:  []string{"m=video 5000 RTP/AVP 31", "m=audio 0 RTP/AVP 0", "m=image 5002 udptl t38", "m=audio 4000 RTP/AVP 0", "m=audio 4002 RTP/AVP 0"},
			want:   Negotiated{Codec: PCMU()},
			answer: "m=video 0 RTP/AVP 31|m=audio 0 RTP/AVP 0|a=sendrecv|m=image 0 udptl t38|m=audio 20000 RTP/AVP 0|a=rtpmap:0 PCMU/8000|a=ptime:20|a=sendrecv|m=audio 0 RTP/AVP 0|a=sendrecv|",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answer, got, err := Answer(mustParse(t, describe(tt.offer...)), local())
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Remote = netip.MustParseAddrPort("192.0.2.5:4000")
			tt.want.RemoteRTCP = netip.MustParseAddrPort("192.0.2.5:4001")
			if tt.want.PTime == 0 {
				tt.want.PTime = 20 * time.Millisecond
			}
			if got != tt.want {
				t.Errorf("negotiated\n got %+v\nwant %+v", got, tt.want)
			}
			head := "v=0|o=- 7 1 IN IP4 10.0.0.1|s=-|c=IN IP4 10.0.0.1|t=0 0|"
			if got := strings.ReplaceAll(string(answer.Bytes()), "\r\n", "|"); got != head+tt.answer {
				t.Errorf("answer\n got %s\nwant %s", got, head+tt.answer)
			}
		})
	}
}

func TestDirectionIsWhatBothPermit(t *testing.T) {
	tests := []struct {
		remote string
		want   Direction // what we want
		got    Direction // what comes of it, as we see it
	}{
		{"", SendRecv, SendRecv},
		{"a=sendonly", SendRecv, RecvOnly},
		{"a=recvonly", SendRecv, SendOnly},
		{"a=inactive", SendRecv, Inactive},
		{"a=sendrecv", SendOnly, SendOnly},
		{"a=sendonly", SendOnly, Inactive},
		{"c=IN IP4 0.0.0.0", SendRecv, RecvOnly},
		{"c=IN IP6 ::", SendRecv, RecvOnly},
		{"c=IN IP4 0.0.0.0\r\na=inactive", SendRecv, Inactive},
		{"c=IN IP4 0.0.0.0\r\na=recvonly", SendRecv, Inactive},
	}
	for _, tt := range tests {
		l := local()
		l.Direction = tt.want
		media := []string{"m=audio 4000 RTP/AVP 0"}
		if tt.remote != "" {
			media = append(media, tt.remote)
		}
		remote := mustParse(t, describe(media...))
		answer, n, err := Answer(remote, l)
		if err != nil {
			t.Fatalf("%s: %v", tt.remote, err)
		}
		if n.Direction != tt.got || answer.Media[0].Direction != tt.got {
			t.Errorf("offer %q, we want %v: negotiated %v, answered %v, want %v", tt.remote, tt.want, n.Direction, answer.Media[0].Direction, tt.got)
		}
		n, err = AcceptAnswer(MakeOffer(l), remote)
		if err != nil || n.Direction != tt.got {
			t.Errorf("answer %q to our %v: %v, %v, want %v", tt.remote, tt.want, n.Direction, err, tt.got)
		}
	}
}

func TestDirectionOfTheSessionHoldsForMediaWithoutOne(t *testing.T) {
	text := strings.Replace(describe("m=audio 4000 RTP/AVP 0", "m=audio 4002 RTP/AVP 0", "a=sendrecv"), "t=0 0", "t=0 0\r\na=sendonly", 1)
	s := mustParse(t, text)
	if s.Media[0].Direction != SendOnly || s.Media[1].Direction != SendRecv {
		t.Errorf("got %v and %v, want sendonly and sendrecv", s.Media[0].Direction, s.Media[1].Direction)
	}
}

func TestPTimeToSend(t *testing.T) {
	tests := []struct {
		lines []string
		like  time.Duration
		want  time.Duration
	}{
		{nil, 0, 20},
		{nil, 30, 30},
		{[]string{"a=ptime:40"}, 20, 40},
		{[]string{"a=ptime:5"}, 20, 10},
		{[]string{"a=ptime:100"}, 20, 60},
		{[]string{"a=ptime:35"}, 20, 30},
		{[]string{"a=ptime:62.5"}, 20, 20},
		{[]string{"a=maxptime:30"}, 40, 30},
		{[]string{"a=ptime:60", "a=maxptime:20"}, 20, 20},
		{[]string{"a=ptime:0"}, 0, 20},
		{[]string{"a=ptime:-20"}, 0, 20},
	}
	for _, tt := range tests {
		l := local()
		l.PTime = tt.like * time.Millisecond
		_, n, err := Answer(mustParse(t, describe(append([]string{"m=audio 4000 RTP/AVP 0"}, tt.lines...)...)), l)
		if err != nil || n.PTime != tt.want*time.Millisecond {
			t.Errorf("%v, we like %d: %v, %v, want %d ms", tt.lines, tt.like, n.PTime, err, tt.want)
		}
	}
}

func TestWhereRTCPGoes(t *testing.T) {
	tests := []struct{ line, want string }{
		{"a=x", "192.0.2.5:4001"},
		{"a=rtcp:5555", "192.0.2.5:5555"},
		{"a=rtcp:53020 IN IP4 126.16.64.4", "126.16.64.4:53020"},
		{"a=rtcp:53020 IN IP6 2001:db8::1", "[2001:db8::1]:53020"},
		{"a=rtcp:0", "invalid AddrPort"},
	}
	for _, tt := range tests {
		_, n, err := Answer(mustParse(t, describe("m=audio 4000 RTP/AVP 0", tt.line)), local())
		if err != nil || n.RemoteRTCP.String() != tt.want {
			t.Errorf("%s: %v, %v, want %s", tt.line, n.RemoteRTCP, err, tt.want)
		}
	}
}

func TestWhatCannotBeAnswered(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		says  string
	}{
		{"no media", nil, "no media description at all"},
		{"video alone", []string{"m=video 5000 RTP/AVP 31"}, "video over RTP/AVP"},
		{"encrypted alone", []string{"m=audio 5000 RTP/SAVP 0"}, "audio over RTP/SAVP"},
		{"refused", []string{"m=audio 0 RTP/AVP 0"}, "port 0"},
		{"no common codec", []string{"m=audio 4000 RTP/AVP 18 3"}, "G729/8000, GSM/8000"},
		{"digits alone", []string{"m=audio 4000 RTP/AVP 96", "a=rtpmap:96 telephone-event/8000"}, "telephone-event/8000"},
		{"a payload type with a zero before it", []string{"m=audio 4000 RTP/AVP 00"}, "no common codec"},
		{"a name that hides another encoding", []string{"m=audio 4000 RTP/AVP 0", "a=rtpmap:0 L16/44100"}, "L16/44100"},
		{"host name", []string{"m=audio 4000 RTP/AVP 0", "c=IN IP4 phone.example.com"}, "host name"},
		{"multicast", []string{"m=audio 4000 RTP/AVP 0", "c=IN IP4 224.2.1.1/127"}, "multicast"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Answer(mustParse(t, describe(tt.lines...)), local())
			if !errors.Is(err, ErrNotAcceptable) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want ErrNotAcceptable that says %q", err, tt.says)
			}
		})
	}
}

func TestOurOffer(t *testing.T) {
	got := strings.ReplaceAll(string(MakeOffer(local()).Bytes()), "\r\n", "|")
	want := "v=0|o=- 7 1 IN IP4 10.0.0.1|s=-|c=IN IP4 10.0.0.1|t=0 0|m=audio 20000 RTP/AVP 0 8 101|" +
		"a=rtpmap:0 PCMU/8000|a=rtpmap:8 PCMA/8000|a=rtpmap:101 telephone-event/8000|a=fmtp:101 0-15|a=ptime:20|a=sendrecv|"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTheAnswerToOurOffer(t *testing.T) {
	tests := []struct {
		name   string
		answer []string
		want   Negotiated
	}{
		{
			"one codec, digits", []string{"m=audio 4000 RTP/AVP 8 101", "a=rtpmap:101 telephone-event/8000"},
			Negotiated{Codec: PCMA(), SendPayloadType: 8, ReceivePayloadType: 8, SendDTMF: 101, ReceiveDTMF: 101},
		},
		{
			"no digits", []string{"m=audio 4000 RTP/AVP 0"},
			Negotiated{Codec: PCMU()},
		},
		{
			"other payload types: each side's own numbers", []string{"m=audio 4000 RTP/AVP 100 110", "a=rtpmap:100 PCMA/8000", "a=rtpmap:110 telephone-event/8000"},
			Negotiated{Codec: PCMA(), SendPayloadType: 100, ReceivePayloadType: 8, SendDTMF: 110, ReceiveDTMF: 101},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.Remote = netip.MustParseAddrPort("192.0.2.5:4000")
			tt.want.RemoteRTCP = netip.MustParseAddrPort("192.0.2.5:4001")
			tt.want.PTime = 20 * time.Millisecond
			got, err := AcceptAnswer(MakeOffer(local()), mustParse(t, describe(tt.answer...)))
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v\nwant %+v", got, err, tt.want)
			}
		})
	}
}

func TestAnAnswerWithoutAudioIsNotAcceptable(t *testing.T) {
	for _, lines := range [][]string{nil, {"m=audio 0 RTP/AVP 0"}, {"m=audio 4000 RTP/AVP 18"}, {"m=video 4000 RTP/AVP 31"}} {
		if _, err := AcceptAnswer(MakeOffer(local()), mustParse(t, describe(lines...))); !errors.Is(err, ErrNotAcceptable) {
			t.Errorf("%v: got %v", lines, err)
		}
	}
}

func TestTheVersionGrowsWithTheContentAlone(t *testing.T) {
	l := local()
	first := MakeOffer(l)
	l.Previous, l.SessionID = &first, 99
	again := MakeOffer(l)
	if again.Origin != first.Origin {
		t.Errorf("the same offer: o=%+v, was %+v", again.Origin, first.Origin)
	}
	l.Direction = SendOnly
	held := MakeOffer(l)
	if held.Origin.ID != 7 || held.Origin.Version != 2 {
		t.Errorf("a changed offer: o=%+v, want id 7 version 2", held.Origin)
	}
	l.Previous = &held
	answer, _, err := Answer(mustParse(t, describe("m=audio 4000 RTP/AVP 0")), l)
	if err != nil || answer.Origin.ID != 7 || answer.Origin.Version != 3 {
		t.Errorf("an answer after it: o=%+v, %v, want id 7 version 3", answer.Origin, err)
	}
}

func TestALaterOfferKeepsMediaAndPayloadTypes(t *testing.T) {
	l := local()
	answer, _, err := Answer(mustParse(t, describe("m=video 5000 RTP/AVP 31",
		"m=audio 4000 RTP/AVP 98 101 99", "a=rtpmap:98 PCMA/8000", "a=rtpmap:101 opus/48000/2", "a=rtpmap:99 telephone-event/8000")), l)
	if err != nil {
		t.Fatal(err)
	}
	l.Previous = &answer
	l.Direction = Inactive
	_, body, _ := strings.Cut(string(MakeOffer(l).Bytes()), "t=0 0\r\n")
	want := "m=video 0 RTP/AVP 31|m=audio 20000 RTP/AVP 0 98 99|a=rtpmap:0 PCMU/8000|a=rtpmap:98 PCMA/8000|" +
		"a=rtpmap:99 telephone-event/8000|a=fmtp:99 0-15|a=ptime:20|a=inactive|"
	if got := strings.ReplaceAll(body, "\r\n", "|"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
