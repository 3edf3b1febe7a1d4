package media

import (
	"encoding/binary"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtcp"
)

// reports are the RTCP packets that a session's port has sent, as another
// implementation reads them.
func reports(t *testing.T, s *Session) (all [][]rtcp.Packet) {
	t.Helper()
	w := s.port.rtcp.(*wire)
	for _, d := range w.out {
		ps, err := rtcp.Unmarshal(d.data)
		if err != nil {
			t.Fatalf("report of ours: %v", err)
		}
		if err := rtcp.CompoundPacket(ps).Validate(); err != nil {
			t.Fatalf("report of ours: %v", err)
		}
		all = append(all, ps)
	}
	return all
}

func TestReports(t *testing.T) {
	r := newRig(t)
	_, all := conference(r, 1000, 0)
	k := all[0]
	k.s.port.rtcp.(*wire).out = make([]datagram, 0, 10)
	for i := range 1500 { // 30 s
		if i%10 == 3 {
			k.st.packet(voice(0, mixFrame)) // lost
		} else {
			k.say()
		}
		r.beats(1)
	}
	var own []*rtcp.SenderReport
	for i, ps := range reports(t, k.s) {
		sr, ok := ps[0].(*rtcp.SenderReport)
		if !ok || ps[1].(*rtcp.SourceDescription).Chunks[0].Items[0].Text != "c@x" {
			t.Fatalf("report %d: %v", i, ps)
		}
		if sr.SSRC == k.s.out.ssrc {
			own = append(own, sr)
		}
	}
	if len(own) < 3 || len(own) > 12 {
		t.Fatalf("%d reports in 30 s", len(own))
	}
	sr := own[len(own)-1]
	if b := sr.Reports[0]; b.SSRC != 1 || b.FractionLost < 20 || b.FractionLost > 31 || b.TotalLost < 100 || b.TotalLost > 150 {
		t.Errorf("one packet in ten was lost, reported %+v", b)
	}
	if sr.PacketCount == 0 || sr.OctetCount != 160*sr.PacketCount {
		t.Errorf("%d packets, %d bytes", sr.PacketCount, sr.OctetCount)
	}
	if got := k.s.stats().PacketsLost; got != 150 {
		t.Errorf("%d packets lost, want 150", got)
	}
	k.s.end()
	last := reports(t, k.s)
	ps := last[len(last)-1]
	if bye, ok := ps[len(ps)-1].(*rtcp.Goodbye); !ok || bye.Sources[0] != k.s.out.ssrc {
		t.Errorf("the last report is %v, want a BYE", ps)
	}
}

func TestRoundTrip(t *testing.T) {
	r := newRig(t)
	_, all := conference(r, 1000, 0)
	s := all[0].s
	from := netip.AddrPortFrom(s.remote.addrPort().Addr(), s.remote.port()+1)
	hears(r, all, 0, 400)
	sent := s.in.sentSR[0]
	if sent.at == 0 {
		t.Fatal("no sender report in 8 s")
	}
	report := func(lsr uint32, waited time.Duration, ssrc uint32) []byte {
		b, err := (&rtcp.ReceiverReport{SSRC: 1, Reports: []rtcp.ReceptionReport{{
			SSRC: ssrc, FractionLost: 64, Jitter: 80, LastSenderReport: lsr, Delay: uint32(waited * 65536 / time.Second),
		}}}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, forged := range map[string][]byte{
		"an LSR that we never sent": report(12345, 0, s.out.ssrc),
		"another's SSRC":            report(sent.middle, 0, s.out.ssrc+1),
		"RTP":                       all[0].st.packet(voice(0, 160)),
	} {
		putReport(s, from, forged)
		r.beats(rtcpBeats)
		if s.in.rtt != 0 {
			t.Errorf("%s gives an RTT of %v", name, s.in.rtt)
		}
	}
	putReport(s, netip.MustParseAddrPort("198.51.100.1:4001"), report(sent.middle, 0, s.out.ssrc))
	r.beats(rtcpBeats)
	if s.in.rtt != 0 {
		t.Error("a stranger's report counts")
	}
	// 40 ms there and back; it arrives when it is read at the latest.
	waited := r.at - sent.at - 40*time.Millisecond
	putReport(s, from, report(sent.middle, waited, s.out.ssrc))
	r.beats(rtcpBeats)
	st := s.stats()
	if st.RTT < 40*time.Millisecond || st.RTT > 41*time.Millisecond+rtcpBeats*beatTime {
		t.Errorf("RTT %v, want 40 ms or little more", st.RTT)
	}
	if math.Abs(st.RemoteLost-0.25) > 0.01 || st.RemoteJitter != 10*time.Millisecond {
		t.Errorf("far end lost %v, jitter %v", st.RemoteLost, st.RemoteJitter)
	}
}

func TestJitterAsTheRFCHasIt(t *testing.T) {
	var s source
	// Every second packet 8 ms late: |D| is 8 ms, and so in the end is J.
	for i := range 400 {
		at := time.Hour*24*30 + time.Duration(i)*beatTime
		if i%2 == 1 {
			at += 8 * time.Millisecond
		}
		s.update(1, uint16(i))
		s.time(uint32(i*mixFrame), at, 8000)
	}
	if ms := s.jitter / 8; math.Abs(ms-8) > 0.3 {
		t.Errorf("jitter %.2f ms, want 8", ms)
	}
}

func TestSequenceNumbers(t *testing.T) {
	cases := []struct {
		name     string
		seq      []uint16
		verdicts []verdict
		lost     int64
	}{
		{"in order", []uint16{10, 11, 12}, []verdict{take, take, take}, 0},
		{"around the end", []uint16{65534, 65535, 0, 1}, []verdict{take, take, take, take}, 0},
		{"a gap", []uint16{1, 2, 5}, []verdict{take, take, take}, 2},
		{"out of order", []uint16{1, 3, 2}, []verdict{take, take, take}, 0},
		{"out of order around the end", []uint16{65535, 1, 0}, []verdict{take, take, take}, 0},
		{"one stray", []uint16{1, 30000, 2, 3}, []verdict{take, drop, take, take}, 0},
		{"another sequence", []uint16{1, 30000, 30001, 30002}, []verdict{take, drop, begin, take}, 0},
	}
	for _, c := range cases {
		var s source
		for i, seq := range c.seq {
			if got := s.update(1, seq); got != c.verdicts[i] {
				t.Errorf("%s: verdict %d of packet %d, want %d", c.name, got, i, c.verdicts[i])
			}
		}
		if s.lost() != c.lost {
			t.Errorf("%s: %d lost, want %d", c.name, s.lost(), c.lost)
		}
	}
}

func FuzzRTP(f *testing.F) {
	good := (&stream{ssrc: 1, seq: 5, ts: 160}).packet(voice(100, 160))
	f.Add(good, good)
	digit := (&stream{ssrc: 1, seq: 6, ts: 320, pt: 101}).packet([]byte{5, 0x8a, 3, 0})
	f.Add(good, digit)
	extended := (&stream{ssrc: 1, seq: 7}).packet(append([]byte{0xbe, 0xde, 0, 1, 1, 2, 3, 4}, voice(9, 80)...))
	extended[0] |= 0x10
	f.Add(extended, (&stream{ssrc: 2, seq: 65535, ts: 1 << 31}).packet(voice(100, 480)))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		r := newRig(t)
		_, all := conference(r, 0, 0)
		own, other := all[0], all[1]
		for _, d := range [][]byte{a, b, a, b} {
			put(own.s, own.addr(), d[:min(len(d), packetSize)])
			put(own.s, netip.MustParseAddrPort("198.51.100.1:9"), d[:min(len(d), packetSize)])
			r.beats(1)
		}
		if r.sh.count.panics != 0 {
			t.Fatal("a packet made the beat panic")
		}
		if other.s.count.received != 0 {
			t.Fatal("another session got the packet")
		}
		h, payload, ok := parseRTP(a)
		if ok && (len(payload) > len(a)-rtpHeaderSize || h.payloadType > 127) {
			t.Fatalf("%d bytes of payload in a packet of %d", len(payload), len(a))
		}
	})
}

func FuzzRTCP(f *testing.F) {
	for _, p := range []rtcp.Packet{
		&rtcp.ReceiverReport{SSRC: 1, Reports: []rtcp.ReceptionReport{{SSRC: 2, TotalLost: 1 << 23}}},
		&rtcp.SenderReport{SSRC: 1, NTPTime: 1 << 60},
		&rtcp.CompoundPacket{
			&rtcp.ReceiverReport{SSRC: 1}, rtcp.NewCNAMESourceDescription(1, "x"), &rtcp.Goodbye{Sources: []uint32{1}},
		},
	} {
		b, err := p.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newRig(t)
		_, all := conference(r, 0)
		s := all[0].s
		if len(b) >= 12 {
			// Let the block be about the stream that there is.
			binary.BigEndian.PutUint32(b[8:], s.out.ssrc)
		}
		putReport(s, netip.AddrPortFrom(s.remote.addrPort().Addr(), 4001), b)
		r.beats(rtcpBeats)
		if r.sh.count.panics != 0 || s.closed.Load() {
			t.Fatal("a report ended the session")
		}
		if rtt := s.stats().RTT; rtt < 0 || rtt > r.at {
			t.Fatalf("RTT %v", rtt)
		}
	})
}
