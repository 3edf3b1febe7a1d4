package phone

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"parley/internal/pcm"
	"parley/internal/sdp"
)

// Call is one call of a phone, from its INVITE to its end.
type Call struct {
	phone    *Phone
	incoming bool
	dialog   *dialog
	stream   *stream
	life     life
	decided  chan struct{} // closed when an incoming call gets its final response

	mu        sync.Mutex               // guards what follows
	invite    *sip.Request             // the INVITE that began the call, in its last version
	server    *sip.ServerTx            // its transaction, when it came in
	early     []byte                   // the answer that went out before the 2xx
	acks      map[uint32]chan struct{} // closed when the ACK to our 2xx comes, by the sequence number of the INVITE
	previous  *sdp.Session             // the description that we sent last
	direction sdp.Direction            // what we want
	pending   bool                     // a re-INVITE of ours has no final response yet
	ack       *sip.Request             // to the last 2xx
	unheard   *sdp.Session             // our offer in a 2xx, whose answer the ACK brings
}

func newCall(p *Phone, d *dialog, incoming bool) (*Call, error) {
	st, err := openStream(p.addr.Addr(), p.cfg.Now)
	if err != nil {
		return nil, err
	}
	st.forced, st.packetOut, st.muted, st.report.off = p.cfg.PTime, p.cfg.Hooks.RTP, p.cfg.Faults.NoRTP, p.cfg.Faults.NoRTCP
	st.report.cname = p.cfg.Name + "@" + p.addr.Addr().String()
	st.out.sound = p.cfg.Sound()
	c := &Call{
		phone: p, incoming: incoming, dialog: d, stream: st, life: newLife(),
		decided: make(chan struct{}), acks: map[uint32]chan struct{}{},
	}
	st.trace = c.trace
	return c, nil
}

// key is how the phone finds the call of a request within the dialog.
func (c *Call) key() string { return c.dialog.callID + " " + c.dialog.local.tag }

func (c *Call) trace(name, detail string) { c.phone.trace(c.dialog.callID, name, detail) }

// ID is the Call-ID.
func (c *Call) ID() string { return c.dialog.callID }

// Incoming reports whether the other side sent the INVITE.
func (c *Call) Incoming() bool { return c.incoming }

// Remote is the other side's URI, of its From or To.
func (c *Call) Remote() string {
	c.dialog.mu.Lock()
	defer c.dialog.mu.Unlock()
	return c.dialog.remote.uri.String()
}

// Invite is a copy of the INVITE that began the call.
func (c *Call) Invite() *sip.Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.invite.Clone()
}

// finish ends the call once; the phone then lets go of it.
func (c *Call) finish(e End) {
	e.At = c.phone.cfg.Now()
	c.life.finish(e, func() { c.trace("ended", e.String()) })
}

// wait blocks until what is closed. The error is ErrEnded when the call ended
// before, or the context's.
func (c *Call) wait(ctx context.Context, what <-chan struct{}) error {
	select {
	case <-what:
		return nil
	case <-c.life.ended:
		if done(what) {
			return nil
		}
		return fmt.Errorf("%w: %v", ErrEnded, c.End())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// WaitRinging blocks until Ringing is closed, or the call was answered, which
// overtakes a provisional response now and then. The error wraps ErrEnded when
// the call ended before, or is the context's.
func (c *Call) WaitRinging(ctx context.Context) error {
	select {
	case <-c.life.answered:
		return nil
	case <-c.life.ringing:
		return nil
	case <-c.life.ended:
		return fmt.Errorf("%w: %v", ErrEnded, c.End())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// WaitAnswered blocks until Answered is closed. The error wraps ErrEnded, and
// says how the call ended, when it did before; or is the context's.
func (c *Call) WaitAnswered(ctx context.Context) error { return c.wait(ctx, c.life.answered) }

// WaitEnded blocks until the call is over and gives its End.
func (c *Call) WaitEnded(ctx context.Context) (End, error) {
	err := c.wait(ctx, c.life.ended)
	return c.End(), err
}

// Play replaces what the call sends, at once. Sound is at 8 kHz and read by the
// phone only. The channel is closed when sound has ended, after which silence
// is sent, or when it was replaced.
func (c *Call) Play(sound pcm.Source) <-chan struct{} { return c.stream.play(sound) }

// Mute stops the sending of RTP, or lets it go on; the time line runs on. It is
// what a broken network or a crashed phone looks like to the other side.
func (c *Call) Mute(on bool) {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	c.stream.muted = on
}

// SendDigits sends digits (0-9, *, #, A-D) as RFC 4733 events, 100 ms each with
// pauses of 100 ms, and returns after the last pause.
func (c *Call) SendDigits(ctx context.Context, digits string) error {
	sent := make(chan struct{})
	c.stream.mu.Lock()
	agreed := c.stream.out.active && c.stream.agreed.SendDTMF != 0
	var err error
	if agreed {
		err = c.stream.out.keypad.push(digits, sent)
	}
	c.stream.mu.Unlock()
	if !agreed {
		return fmt.Errorf("digits: %w: no telephone-event was agreed on", ErrState)
	}
	if err != nil {
		return err
	}
	return c.wait(ctx, sent)
}

// Heard is everything that the call received so far on the time line of its
// RTP timestamps, at 8 kHz; what never came is zero.
func (c *Call) Heard() []int16 { return c.HeardFrom(0) }

// HeardFrom is Heard from sample offset on.
func (c *Call) HeardFrom(offset int) []int16 {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	heard := c.stream.heard.samples
	return slices.Clone(heard[min(max(offset, 0), len(heard)):])
}

// HeardLen is the length of Heard, in samples.
func (c *Call) HeardLen() int {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	return len(c.stream.heard.samples)
}

// HeardSince is when the first packet of Heard came; zero: none came.
func (c *Call) HeardSince() time.Time {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	return c.stream.heard.first
}

// Gaps are the stretches of Heard from sample offset on for which no packet
// came.
func (c *Call) Gaps(offset int) []Gap {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	return c.stream.heard.gaps(offset)
}

// WaitHeard blocks until Heard is at least n samples long. The error is
// ErrEnded when the call ends before, or the context's.
func (c *Call) WaitHeard(ctx context.Context, n int) error {
	return c.stream.waitFor(ctx, func() bool { return len(c.stream.heard.samples) >= n })
}

// Listen waits for the next n samples and gives them.
func (c *Call) Listen(ctx context.Context, n int) ([]int16, error) {
	from := c.HeardLen()
	if err := c.WaitHeard(ctx, from+n); err != nil {
		return nil, err
	}
	return c.HeardFrom(from)[:n], nil
}

// Digits are the digits received so far.
func (c *Call) Digits() []Digit {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	return slices.Clone(c.stream.digits.digits)
}

// WaitDigits blocks until at least n digits were received and gives them as a
// string.
func (c *Call) WaitDigits(ctx context.Context, n int) (string, error) {
	var got string
	err := c.stream.waitFor(ctx, func() bool {
		got = c.stream.digits.String()
		return len(got) >= n
	})
	return got, err
}

// Direction is how media flows now, as the phone sees it.
func (c *Call) Direction() sdp.Direction {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	return c.stream.agreed.Direction
}

// WaitDirection blocks until media flows like that, because of either side.
func (c *Call) WaitDirection(ctx context.Context, d sdp.Direction) error {
	return c.stream.waitFor(ctx, func() bool { return c.stream.out.active && c.stream.agreed.Direction == d })
}
