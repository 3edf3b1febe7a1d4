package phone

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"
)

// frame is 10 samples of one value.
func frame(v int16) []int16 { return slices.Repeat([]int16{v}, 10) }

func TestPacketsGoWhereTheirTimestampsSay(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	type packet struct {
		ssrc, timestamp uint32
		value           int16
		after           time.Duration
	}
	tests := []struct {
		name    string
		packets []packet
		want    []int16 // one for each 10 samples
		gaps    []Gap
		dropped int
	}{
		{"in order", []packet{{1, 100, 1, 0}, {1, 110, 2, 0}, {1, 120, 3, 0}}, []int16{1, 2, 3}, nil, 0},
		{"one lost", []packet{{1, 100, 1, 0}, {1, 120, 3, 0}}, []int16{1, 0, 3}, []Gap{{10, 10}}, 0},
		{"one late", []packet{{1, 100, 1, 0}, {1, 120, 3, 0}, {1, 110, 2, 0}, {1, 130, 4, 0}}, []int16{1, 2, 3, 4}, nil, 0},
		{"two late, backwards", []packet{{1, 100, 1, 0}, {1, 130, 4, 0}, {1, 120, 3, 0}, {1, 110, 2, 0}}, []int16{1, 2, 3, 4}, nil, 0},
		{"one of two gaps filled", []packet{{1, 100, 1, 0}, {1, 120, 3, 0}, {1, 140, 5, 0}, {1, 130, 4, 0}}, []int16{1, 0, 3, 4, 5}, []Gap{{10, 10}}, 0},
		{"twice", []packet{{1, 100, 1, 0}, {1, 100, 1, 0}, {1, 110, 2, 0}}, []int16{1, 2}, nil, 0},
		{"before the first", []packet{{1, 100, 1, 0}, {1, 90, 9, 0}, {1, 110, 2, 0}}, []int16{1, 2}, nil, 10},
		{"over the wrap-around", []packet{{1, math.MaxUint32 - 4, 1, 0}, {1, 5, 2, 0}}, []int16{1, 2}, nil, 0},
		{"another source at once", []packet{{1, 100, 1, 0}, {2, 7777, 2, time.Millisecond}}, []int16{1, 2}, nil, 0},
		{"another source later", []packet{{1, 100, 1, 0}, {2, 7777, 2, 5 * time.Millisecond}}, []int16{1, 0, 0, 0, 2}, []Gap{{10, 30}}, 0},
		{"a new time line", []packet{{1, 100, 1, 0}, {1, 100 + maxJump + 1, 2, 0}}, []int16{1, 2}, nil, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var l timeline
			for _, p := range tt.packets {
				l.put(p.ssrc, p.timestamp, frame(p.value), start.Add(p.after))
			}
			var want []int16
			for _, v := range tt.want {
				want = append(want, frame(v)...)
			}
			if !slices.Equal(l.samples, want) {
				t.Errorf("heard %v, want %v", l.samples, want)
			}
			if gaps := l.gaps(0); !slices.Equal(gaps, tt.gaps) {
				t.Errorf("gaps %v, want %v", gaps, tt.gaps)
			}
			if l.dropped != tt.dropped {
				t.Errorf("%d dropped, want %d", l.dropped, tt.dropped)
			}
		})
	}
}

func TestWhatIsHeardIsBounded(t *testing.T) {
	var l timeline
	l.put(1, 0, frame(1), time.Time{})
	l.last, l.at = maxHeard-15, maxHeard-15
	l.put(1, maxHeard-10, frame(2), time.Time{})
	l.put(1, maxHeard, frame(3), time.Time{})
	if len(l.samples) != maxHeard || l.dropped != 10 {
		t.Errorf("%d samples kept, %d dropped; want %d and 10", len(l.samples), l.dropped, maxHeard)
	}
}

func TestGapsFromAnOffset(t *testing.T) {
	var l timeline
	for _, at := range []uint32{0, 20, 60} {
		l.put(1, at, frame(1), time.Time{})
	}
	if got := l.gaps(15); !slices.Equal(got, []Gap{{15, 5}, {30, 30}}) {
		t.Errorf("from 15: %v", got)
	}
	if got := l.gaps(60); got != nil {
		t.Errorf("from 60: %v", got)
	}
}

func TestReceptionCounts(t *testing.T) {
	tests := []struct {
		name      string
		sequences []uint16
		lost      int64
		reorders  uint64
	}{
		{"in order", []uint16{1, 2, 3}, 0, 0},
		{"one lost", []uint16{1, 2, 4}, 1, 0},
		{"one late", []uint16{1, 3, 2, 4}, 0, 1},
		{"one twice", []uint16{1, 2, 2}, -1, 1},
		{"over the wrap-around", []uint16{65534, 65535, 1, 2}, 1, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r reception
			now := time.Unix(1_700_000_000, 0)
			for i, seq := range tt.sequences {
				h := rtp.Header{SSRC: 1, SequenceNumber: seq, Timestamp: uint32(160 * i)}
				r.packet(&h, 160, now.Add(time.Duration(i)*20*time.Millisecond))
			}
			if r.sourceLost() != tt.lost || r.reorders != tt.reorders {
				t.Errorf("%d lost, %d out of order; want %d, %d", r.sourceLost(), r.reorders, tt.lost, tt.reorders)
			}
			if r.jitter != 0 {
				t.Errorf("jitter %v of packets on time", r.jitter)
			}
		})
	}
}

func TestJitterAndANewSource(t *testing.T) {
	var r reception
	now := time.Unix(1_700_000_000, 0)
	for i := range 200 { // every other packet is 10 ms late
		h := rtp.Header{SSRC: 1, SequenceNumber: uint16(i), Timestamp: uint32(160 * i)}
		r.packet(&h, 160, now.Add(time.Duration(20*i+10*(i%2))*time.Millisecond))
	}
	if math.Abs(r.jitter-80) > 1 { // 10 ms are 80 units
		t.Errorf("jitter %.1f units, want 80", r.jitter)
	}
	h := rtp.Header{SSRC: 2, SequenceNumber: 7}
	r.packet(&h, 160, now)
	if r.sources != 2 || r.sourceLost() != 0 || r.total.Packets != 201 || r.jitter != 0 {
		t.Errorf("after a new source: %+v", r)
	}
}

func TestAnEventIsSentAsTheRFCSays(t *testing.T) {
	var k keypad
	done := make(chan struct{})
	if err := k.push("5#", done); err != nil {
		t.Fatal(err)
	}
	var got []event
	steps := 0
	for timestamp := uint32(1000); ; timestamp += 160 {
		e, ok, busy := k.step(timestamp, 160)
		if !busy {
			break
		}
		if ok {
			got = append(got, e)
		}
		steps++
	}
	select {
	case <-done:
	default:
		t.Error("done is not closed after the last digit")
	}
	var want []event
	for i, digit := range []byte{5, 11} {
		start := 1000 + uint32(i*steps/2*160)
		for n, d := range []uint16{160, 320, 480, 640} {
			want = append(want, event{[4]byte{digit, keyVolume, byte(d >> 8), byte(d)}, start, n == 0})
		}
		for range 3 {
			want = append(want, event{[4]byte{digit, keyVolume | 0x80, 800 >> 8, 800 & 0xff}, start, false})
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("sent\n%v\nwant\n%v", got, want)
	}
}

func TestReceivedEventsBecomeDigits(t *testing.T) {
	var l digitLog
	now := time.Unix(1_700_000_000, 0)
	begins := 0
	for _, p := range []struct {
		timestamp uint32
		payload   [4]byte
	}{
		{100, eventPayload(1, false, 160)}, {100, eventPayload(1, false, 320)}, {100, eventPayload(1, true, 800)}, {100, eventPayload(1, true, 800)},
		{5000, eventPayload(1, true, 400)},  // its beginning was lost
		{9000, eventPayload(16, true, 400)}, // flash is no digit
		{9500, eventPayload(10, false, 160)},
	} {
		if l.packet(p.timestamp, p.payload[:], now) {
			begins++
		}
	}
	l.packet(1, []byte{1, 2}, now) // too short
	if l.String() != "11*" || begins != 3 {
		t.Errorf("got %q in %d beginnings", l.String(), begins)
	}
	if d := l.digits[0]; d.Duration != 100*time.Millisecond || !d.Ended {
		t.Errorf("first digit %+v", d)
	}
	if l.digits[2].Ended {
		t.Error("a digit without an end packet counts as ended")
	}
}
