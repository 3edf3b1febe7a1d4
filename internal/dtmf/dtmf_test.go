package dtmf_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"parley/internal/dtmf"
)

const (
	clock    = 8000
	interval = 20 * time.Millisecond
	units    = uint32(clock / 50)
)

func start() time.Time { return time.Unix(1_700_000_000, 0) }

// sent is what a sender puts on the wire for keys: each packet with the time
// at which it leaves.
type sent struct {
	dtmf.Packet
	at time.Time
}

func press(t testing.TB, keys string, tone, pause time.Duration, timestamp uint32) []sent {
	t.Helper()
	s := dtmf.NewSender(clock)
	if err := s.Press(keys, tone, pause); err != nil {
		t.Fatal(err)
	}
	var packets []sent
	for at := start(); s.Busy(); at = at.Add(interval) {
		if p, ok := s.Next(timestamp, units); ok {
			packets = append(packets, sent{p, at})
		}
		timestamp += units
	}
	return packets
}

// drain gives the digits that are over at now.
func drain(r *dtmf.Receiver, now time.Time) []dtmf.Digit {
	var digits []dtmf.Digit
	for d, ok := r.Next(now); ok; d, ok = r.Next(now) {
		digits = append(digits, d)
	}
	return digits
}

// receive gives the digits that a receiver makes of packets, in their order,
// with the beat in between and for a second afterwards.
func receive(t testing.TB, packets []sent) []dtmf.Digit {
	t.Helper()
	r := dtmf.NewReceiver(clock)
	var digits []dtmf.Digit
	var now time.Time
	for _, p := range packets {
		if now.Before(p.at) {
			now = p.at
		}
		if err := r.Receive(p.Timestamp, p.Payload[:], now); err != nil {
			t.Fatal(err)
		}
		digits = append(digits, drain(r, now)...)
	}
	for range 50 {
		now = now.Add(interval)
		digits = append(digits, drain(r, now)...)
	}
	return digits
}

func keys(digits []dtmf.Digit) string {
	var s []byte
	for _, d := range digits {
		s = append(s, d.Key)
	}
	return string(s)
}

func TestEachPressIsOneDigitWithItsDuration(t *testing.T) {
	const all = "0123456789*#ABCD"
	got := receive(t, press(t, all, 100*time.Millisecond, 60*time.Millisecond, 0xffffff00))
	if keys(got) != all {
		t.Fatalf("received %q, want %q", keys(got), all)
	}
	for _, d := range got {
		if d.Duration != 100*time.Millisecond {
			t.Errorf("%c lasted %v, want 100ms", d.Key, d.Duration)
		}
	}
}

func TestSenderFollowsTheRFC(t *testing.T) {
	packets := press(t, "7", 50*time.Millisecond, 0, 4000)
	want := []struct {
		marker   bool
		flags    byte
		duration uint16
	}{
		{true, 10, 160}, {false, 10, 320},
		{false, 0x8a, 400}, {false, 0x8a, 400}, {false, 0x8a, 400}, // the end, three times
	}
	if len(packets) != len(want) {
		t.Fatalf("%d packets, want %d", len(packets), len(want))
	}
	for i, p := range packets {
		w := want[i]
		payload := [4]byte{7, w.flags, byte(w.duration >> 8), byte(w.duration)}
		if p.Marker != w.marker || p.Timestamp != 4000 || p.Payload != payload {
			t.Errorf("packet %d: %+v, want marker %v, timestamp 4000, payload % x", i, p.Packet, w.marker, payload)
		}
	}
}

func TestSenderPausesBetweenKeys(t *testing.T) {
	for _, c := range []struct{ pause, gap time.Duration }{
		{0, 40 * time.Millisecond}, // the repeated ends take that long
		{50 * time.Millisecond, 60 * time.Millisecond},
		{100 * time.Millisecond, 100 * time.Millisecond},
	} {
		packets := press(t, "12", 60*time.Millisecond, c.pause, 0)
		last := packets[len(packets)-1].Timestamp
		gap := time.Duration(last)*time.Second/clock - 60*time.Millisecond
		if gap != c.gap {
			t.Errorf("pause of %v asked for, %v made; want %v", c.pause, gap, c.gap)
		}
	}
}

func TestSenderRefuses(t *testing.T) {
	for _, c := range []struct {
		keys        string
		tone, pause time.Duration
	}{
		{"12x", 100 * time.Millisecond, 0},
		{"1", 0, 0},
		{"1", 9 * time.Second, 0},
		{"1", 100 * time.Millisecond, -1},
	} {
		s := dtmf.NewSender(clock)
		if err := s.Press(c.keys, c.tone, c.pause); err == nil || s.Busy() {
			t.Errorf("Press(%q, %v, %v): error %v, busy %v; want an error and nothing queued", c.keys, c.tone, c.pause, err, s.Busy())
		}
	}
}

func TestEveryLossLeavesOneDigit(t *testing.T) {
	packets := press(t, "5", 100*time.Millisecond, 0, 1000)
	n := len(packets)
	for lost := range 1<<n - 1 { // all subsets but that which loses all
		var left []sent
		for i, p := range packets {
			if lost>>i&1 == 0 {
				left = append(left, p)
			}
		}
		got := receive(t, left)
		if keys(got) != "5" {
			t.Fatalf("with packets %b lost: %q, want one 5", lost, keys(got))
		}
		if d := got[0].Duration; d < interval || d > 100*time.Millisecond {
			t.Fatalf("with packets %b lost: it lasted %v", lost, d)
		}
	}
}

func TestAnyOrderOfOnePress(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		packets := press(t, "9", time.Duration(1+rng.IntN(10))*interval, 0, rng.Uint32())
		rng.Shuffle(len(packets), func(i, j int) { packets[i], packets[j] = packets[j], packets[i] })
		packets = append(packets, packets[rng.IntN(len(packets))]) // and one twice
		if got := receive(t, packets); keys(got) != "9" {
			t.Fatalf("received %q, want one 9", keys(got))
		}
	}
}

func TestShuffledPressesAreAllThereOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		packets := press(t, "1234567890", 80*time.Millisecond, 0, rng.Uint32())
		rng.Shuffle(len(packets), func(i, j int) { packets[i], packets[j] = packets[j], packets[i] })
		got := []byte(keys(receive(t, packets)))
		slices.Sort(got)
		if string(got) != "0123456789" {
			t.Fatalf("received %q, want each digit once", got)
		}
	}
}

func TestJitterKeepsTheOrderOfKeys(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		packets := press(t, "13579", 60*time.Millisecond, 0, rng.Uint32())
		for i := range packets { // up to 80 ms late, a fifth lost
			packets[i].at = packets[i].at.Add(time.Duration(rng.IntN(80)) * time.Millisecond)
		}
		slices.SortStableFunc(packets, func(a, b sent) int { return a.at.Compare(b.at) })
		packets = slices.DeleteFunc(packets, func(sent) bool { return rng.IntN(5) == 0 })
		got := keys(receive(t, packets))
		if !slices.IsSorted([]byte(got)) || len(got) < 4 {
			t.Fatalf("received %q, want 13579 in order", got)
		}
	}
}

func TestAllEndsLost(t *testing.T) {
	packets := press(t, "8", 100*time.Millisecond, 0, 0)[:4]
	r := dtmf.NewReceiver(clock)
	for _, p := range packets {
		if err := r.Receive(p.Timestamp, p.Payload[:], p.at); err != nil {
			t.Fatal(err)
		}
	}
	last := packets[3].at
	if got := drain(r, last.Add(299*time.Millisecond)); got != nil {
		t.Fatalf("%v reported while the key may still be held", got)
	}
	got := drain(r, last.Add(300*time.Millisecond))
	if keys(got) != "8" || got[0].Duration != 80*time.Millisecond {
		t.Fatalf("got %v, want one 8 of 80 ms", got)
	}
	// An end packet that was only late changes nothing any more.
	late := press(t, "8", 100*time.Millisecond, 0, 0)[5]
	if err := r.Receive(late.Timestamp, late.Payload[:], last.Add(400*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if got := drain(r, last.Add(time.Second)); got != nil {
		t.Errorf("the late packet gave %v again", got)
	}
}

func TestNextKeyEndsOneWhoseEndsWereLost(t *testing.T) {
	packets := press(t, "12", 100*time.Millisecond, 0, 0)
	packets = append(packets[:4:4], packets[7:]...)
	got := receive(t, packets)
	if keys(got) != "12" || got[0].Duration != 80*time.Millisecond || got[1].Duration != 100*time.Millisecond {
		t.Errorf("got %v, want 1 of 80 ms and 2 of 100 ms", got)
	}
}

// block is the payload of one event block.
func block(code byte, end bool, duration uint16) []byte {
	return dtmf.Event{Code: code, End: end, Volume: 10, Duration: duration}.Append(nil)
}

func TestLongPressInSegments(t *testing.T) {
	r := dtmf.NewReceiver(clock)
	now := start()
	take := func(timestamp uint32, payload []byte) {
		t.Helper()
		now = now.Add(interval)
		if err := r.Receive(timestamp, payload, now); err != nil {
			t.Fatal(err)
		}
	}
	first := uint32(0xfffff000) // the timestamp wraps around in between
	take(first, block(3, false, 160))
	take(first, block(3, false, 0xffff))
	take(first+0xffff, block(3, false, 160))
	if got := drain(r, now); got != nil {
		t.Fatalf("%v before the end", got)
	}
	take(first+2*0xffff, block(3, false, 160)) // the rest of the second segment was lost
	take(first+2*0xffff, block(3, true, 8000))
	got := drain(r, now)
	want := 2*0xffff*time.Second/clock + time.Second
	if keys(got) != "3" || got[0].Duration != want {
		t.Errorf("got %v, want one 3 of %v", got, want)
	}
}

func TestPackedEvents(t *testing.T) {
	r := dtmf.NewReceiver(clock)
	payload := slices.Concat(block(1, true, 800), block(2, true, 800), block(3, false, 400))
	if err := r.Receive(5000, payload, start()); err != nil {
		t.Fatal(err)
	}
	if err := r.Receive(5000+1600, block(3, true, 880), start()); err != nil {
		t.Fatal(err)
	}
	got := drain(r, start())
	if keys(got) != "123" || got[2].Duration != 110*time.Millisecond || got[2].Timestamp != 6600 {
		t.Errorf("got %v, want 1, 2 and 3 of 110 ms from 6600", got)
	}
}

func TestOtherEventsAndShortPayloads(t *testing.T) {
	r := dtmf.NewReceiver(clock)
	if err := r.Receive(0, block(16, true, 800), start()); err != nil { // flash
		t.Error(err)
	}
	if err := r.Receive(0, []byte{1, 2, 3}, start()); !errors.Is(err, dtmf.ErrShort) {
		t.Errorf("three bytes: %v, want ErrShort", err)
	}
	if got := drain(r, start().Add(time.Hour)); got != nil {
		t.Errorf("got %v, want nothing", got)
	}
}

func TestSenderThatStartsOverWithOldTimestamps(t *testing.T) {
	r := dtmf.NewReceiver(clock)
	now := start()
	if err := r.Receive(1<<30, block(1, true, 800), now); err != nil {
		t.Fatal(err)
	}
	drain(r, now)
	if err := r.Receive(100, block(2, true, 800), now); err != nil {
		t.Fatal(err)
	}
	if got := drain(r, now); got != nil {
		t.Errorf("a stray old packet gave %v", got)
	}
	now = now.Add(6 * time.Second)
	if err := r.Receive(100, block(2, true, 800), now); err != nil {
		t.Fatal(err)
	}
	if got := drain(r, now); keys(got) != "2" {
		t.Errorf("after the restart got %v, want 2", got)
	}
}

func TestFloodOfOpenEventsIsBounded(t *testing.T) {
	r := dtmf.NewReceiver(clock)
	now := start()
	for i := range uint32(10_000) {
		if err := r.Receive(i*200, block(4, false, 100), now); err != nil {
			t.Fatal(err)
		}
	}
	if got := drain(r, now.Add(time.Second)); len(got) > 32 {
		t.Errorf("%d digits of one instant, want at most 32", len(got))
	}
	// And the next real press is heard again.
	now = now.Add(2 * time.Second)
	if err := r.Receive(10_000*200, block(4, true, 100), now); err != nil {
		t.Fatal(err)
	}
	if got := drain(r, now); keys(got) != "4" {
		t.Errorf("after the flood got %v, want 4", got)
	}
}

func TestNoAllocation(t *testing.T) {
	r := dtmf.NewReceiver(clock)
	now, timestamp, end := start(), uint32(0), block(1, true, 800)
	n := testing.AllocsPerRun(1000, func() {
		now, timestamp = now.Add(time.Second), timestamp+clock
		if err := r.Receive(timestamp, end, now); err != nil {
			t.Fatal(err)
		}
		if d, ok := r.Next(now); !ok || d.Key != '1' {
			t.Fatal("no digit")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations a digit, want 0", n)
	}
}

func FuzzReceive(f *testing.F) {
	f.Add(uint32(0), block(1, true, 800), uint32(0), block(1, false, 400), int64(20))
	f.Add(uint32(1<<31), slices.Concat(block(1, true, 0), block(2, false, 0xffff)), uint32(0xffff), block(2, true, 1), int64(1e6))
	f.Add(uint32(5), []byte{1}, uint32(5), []byte{}, int64(-5))
	f.Fuzz(func(t *testing.T, ts1 uint32, p1 []byte, ts2 uint32, p2 []byte, ms int64) {
		r := dtmf.NewReceiver(clock)
		now := start()
		blocks := len(p1)/4 + len(p2)/4
		got := 0
		for _, p := range []struct {
			ts      uint32
			payload []byte
		}{{ts1, p1}, {ts2, p2}, {ts1, p1}} {
			_ = r.Receive(p.ts, p.payload, now)
			got += len(drain(r, now))
			now = now.Add(time.Duration(ms%10_000) * time.Millisecond)
		}
		now = now.Add(time.Minute)
		got += len(drain(r, now))
		if got > 2*blocks {
			t.Errorf("%d digits of %d blocks", got, blocks)
		}
		if _, ok := r.Next(now.Add(time.Hour)); ok {
			t.Error("a digit out of nothing")
		}
	})
}
