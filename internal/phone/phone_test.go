package phone_test

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"parley/internal/audiotest"
	"parley/internal/phone"
)

const rate = 8000

// within is how long a test waits for what should happen at once. It is only
// a bound for failures.
const within = 20 * time.Second

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	t.Cleanup(cancel)
	return ctx
}

func newPhone(t *testing.T, cfg phone.Config) *phone.Phone {
	t.Helper()
	p, err := phone.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// dial calls from one phone to the other and gives both ends of the call.
func dial(t *testing.T, from, to *phone.Phone) (out, in *phone.Call) {
	t.Helper()
	ctx := deadline(t)
	out, err := from.Dial(ctx, to.URI())
	if err != nil {
		t.Fatal(err)
	}
	in, err = to.NextCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return out, in
}

// connect is dial, and waits until both ends are answered.
func connect(t *testing.T, from, to *phone.Phone) (out, in *phone.Call) {
	t.Helper()
	out, in = dial(t, from, to)
	for _, c := range []*phone.Call{out, in} {
		if err := c.WaitAnswered(deadline(t)); err != nil {
			t.Fatal(err)
		}
	}
	return out, in
}

// ends waits for the end of a call and checks how it came.
func ends(t *testing.T, who string, c *phone.Call, reason phone.EndReason, status int) {
	t.Helper()
	end, err := c.WaitEnded(deadline(t))
	if err != nil || end.Reason != reason || end.Status != status {
		t.Errorf("%s: the call ended by %v, %v; want %s %d", who, end, err, reason, status)
	}
}

// hears listens to half a second after the other, until one has the tone hz at
// level and none of the others; what was said before may still be on its way.
func hears(t *testing.T, who string, c *phone.Call, level float64, hz float64, others ...float64) {
	t.Helper()
	ctx := deadline(t)
	var levels []float64
	for {
		sound, err := c.Listen(ctx, rate/2)
		if err != nil {
			t.Errorf("%s hears %g Hz and %g Hz at %.1f dBFS at last, want %.1f of the first alone: %v", who, hz, others, levels, level, err)
			return
		}
		levels = audiotest.ToneLevels(sound, rate, append([]float64{hz}, others...)...)
		if math.Abs(levels[0]-level) < 1 && (len(others) == 0 || slices.Max(levels[1:]) < -50) {
			return
		}
	}
}

func TestTwoPhonesHearEachOther(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			alice := newPhone(t, phone.Config{Name: "alice", Transport: transport})
			bob := newPhone(t, phone.Config{Name: "bob", Transport: transport})
			out, in := connect(t, alice, bob)
			out.Play(phone.Tone(440, -20))
			in.Play(phone.Tone(1000, -15))
			hears(t, "bob", in, -20, 440, 1000)
			hears(t, "alice", out, -15, 1000, 440)
			if err := out.Hangup(deadline(t)); err != nil {
				t.Error(err)
			}
			ends(t, "alice", out, phone.LocalHangup, 0)
			ends(t, "bob", in, phone.RemoteHangup, 0)
		})
	}
}
