package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"parley/internal/audiotest"
	"parley/internal/pcm"
	"parley/internal/phone"
	"parley/internal/sdp"
)

// phoneCmd is `parley phone`: one call, dialled or answered, that goes as the
// options say.
type phoneCmd struct {
	Listen    netip.AddrPort `default:"127.0.0.1:0" placeholder:"ADDR" help:"Where the phone takes SIP; the sound goes to the same address (${default})."`
	Transport string         `default:"udp" enum:"udp,tcp" placeholder:"NAME" help:"udp or tcp (${default})."`
	Name      string         `default:"phone" placeholder:"NAME" help:"What the phone calls itself (${default})."`
	Server    string         `placeholder:"HOST[:PORT]" help:"Where --dial leads when it names only a user."`
	Register  *credentials   `env:"PARLEY_PHONE_REGISTER" placeholder:"USER:PASSWORD@HOST[:PORT]" help:"Register there first, and answer challenges with that."`

	Dial        string        `xor:"who calls" placeholder:"URI" help:"Call sip:user@host[:port]."`
	Answer      bool          `xor:"who calls" help:"Answer the first call that comes, which is what happens without --dial."`
	AnswerAfter time.Duration `placeholder:"TIME" help:"How long to ring before answering."`
	Wait        time.Duration `placeholder:"TIME" help:"Give up when no call is answered in so long."`

	Play   string        `xor:"sound" placeholder:"FILE" help:"Say what is in the file (WAV or MP3)."`
	Tone   float64       `xor:"sound" placeholder:"HZ" help:"Say a tone."`
	Level  float64       `default:"-20" placeholder:"DB" help:"Level of the tone in dBFS (${default})."`
	Loop   bool          `help:"Say the file again and again."`
	Digits string        `placeholder:"123#" help:"Press these keys when the call is answered."`
	Record string        `placeholder:"FILE.wav" help:"Write down what is heard."`
	PTime  time.Duration `name:"ptime" placeholder:"TIME" help:"Send packets of 10ms to 60ms."`
	Codec  []string      `placeholder:"NAME" help:"PCMU, PCMA, or both in the order of preference."`

	Duration  time.Duration `placeholder:"TIME" help:"Hang up so long after the answer; without it the other side does."`
	HoldAfter time.Duration `placeholder:"TIME" help:"Hold the other side so long after the answer."`
	HoldFor   time.Duration `default:"2s" placeholder:"TIME" help:"How long to hold (${default})."`
}

// credentials is "user:password@host".
type credentials struct{ user, password, host string }

// UnmarshalText reads "user:password@host[:port]"; the password may have any
// character.
func (c *credentials) UnmarshalText(text []byte) error {
	at := strings.LastIndexByte(string(text), '@')
	if at >= 0 {
		user, password, ok := strings.Cut(string(text[:at]), ":")
		if ok && user != "" && at+1 < len(text) {
			*c = credentials{user, password, string(text[at+1:])}
			return nil
		}
	}
	return errors.New("not of the form user:password@host") // without the text: it may hold a password
}

// Validate checks what the options alone cannot say.
func (c *phoneCmd) Validate() error {
	if c.Dial != "" && !strings.Contains(c.Dial, "@") && c.Server == "" && !strings.HasPrefix(c.Dial, "sip:") {
		return fmt.Errorf("--dial %s: give the whole URI, or --server", c.Dial)
	}
	if c.Tone < 0 || c.Tone >= 4000 {
		return fmt.Errorf("--tone %g: from 1 to 3999 Hz", c.Tone)
	}
	if c.Level > -3 {
		return fmt.Errorf("--level %g: -3 or less", c.Level)
	}
	_, err := c.codecs()
	return err
}

func (c *phoneCmd) codecs() ([]sdp.Codec, error) {
	var out []sdp.Codec
	for _, name := range c.Codec {
		switch strings.ToUpper(name) {
		case "PCMU":
			out = append(out, sdp.PCMU())
		case "PCMA":
			out = append(out, sdp.PCMA())
		default:
			return nil, fmt.Errorf("--codec %s: PCMU or PCMA", name)
		}
	}
	return out, nil
}

// Run makes or takes the call and fails unless it was answered and ended as the
// options say.
func (c *phoneCmd) Run(ctx context.Context, t terminal) error {
	// The SIP library says through the process's logger what is no news here,
	// such as connections that close; the events say what matters.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	cfg, err := c.config(t.out)
	if err != nil {
		return err
	}
	p, err := phone.New(cfg)
	if err != nil {
		return err
	}
	defer p.Close()
	cfg.Trace(phone.Event{At: time.Now(), Name: "listening", Detail: p.URI()})
	if c.Register != nil {
		if err := p.Register(ctx); err != nil {
			return err
		}
	}
	call, err := c.connect(ctx, p)
	if err != nil {
		return err
	}
	err = c.follow(ctx, call)
	stats(t.out, call)
	if c.Record != "" {
		err = errors.Join(err, audiotest.SaveWAV(c.Record, 8000, call.Heard()))
	}
	return err
}

// config is the phone that the options describe; its events become lines of
// out.
func (c *phoneCmd) config(out io.Writer) (phone.Config, error) {
	codecs, err := c.codecs()
	if err != nil {
		return phone.Config{}, err
	}
	sound, err := c.sound()
	if err != nil {
		return phone.Config{}, err
	}
	var mu sync.Mutex // one line at a time
	cfg := phone.Config{
		Name: c.Name, Addr: c.Listen, Transport: c.Transport, Codecs: codecs, PTime: c.PTime, Sound: sound,
		Answering: phone.Answering{After: c.AnswerAfter},
		Trace: func(e phone.Event) {
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintln(out, strings.TrimSpace(fmt.Sprintf("%s %-10s %s", e.At.Format("15:04:05.000"), e.Name, e.Detail)))
		},
	}
	if r := c.Register; r != nil {
		cfg.Account = phone.Account{Registrar: r.host, Username: r.user, Password: r.password}
	}
	return cfg, nil
}

// sound is what the call says from its start.
func (c *phoneCmd) sound() (func() pcm.Source, error) {
	switch {
	case c.Tone != 0:
		return func() pcm.Source { return phone.Tone(c.Tone, c.Level) }, nil
	case c.Play == "":
		return phone.Silence, nil
	}
	samples, err := phone.LoadFile(c.Play)
	if err != nil {
		return nil, err
	}
	if c.Loop {
		return func() pcm.Source { return phone.Loop(samples) }, nil
	}
	return func() pcm.Source { return phone.Samples(samples) }, nil
}

// connect makes the call, or waits for one, until it is answered.
func (c *phoneCmd) connect(ctx context.Context, p *phone.Phone) (*phone.Call, error) {
	if c.Wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.Wait, fmt.Errorf("no call was answered in %v", c.Wait))
		defer cancel()
	}
	var call *phone.Call
	var err error
	if c.Dial != "" {
		call, err = p.Dial(ctx, c.target())
	} else {
		call, err = p.NextCall(ctx)
	}
	if err != nil {
		return nil, err
	}
	return call, call.WaitAnswered(ctx)
}

// target is the URI to call.
func (c *phoneCmd) target() string {
	if c.Server != "" && !strings.Contains(c.Dial, "@") {
		return strings.TrimPrefix(c.Dial, "sip:") + "@" + c.Server
	}
	return c.Dial
}

// follow goes through the script of the answered call, to its end.
func (c *phoneCmd) follow(ctx context.Context, call *phone.Call) error {
	script, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var keys, hold error
	if c.Digits != "" {
		wg.Go(func() { keys = call.SendDigits(script, c.Digits) })
	}
	if c.HoldAfter > 0 {
		wg.Go(func() { hold = c.hold(script, call) })
	}
	err := c.untilEnd(ctx, call)
	stop()
	wg.Wait()
	return errors.Join(err, keys, hold)
}

// hold holds the other side for a while.
func (c *phoneCmd) hold(ctx context.Context, call *phone.Call) error {
	if err := sleep(ctx, call, c.HoldAfter); err != nil {
		return fmt.Errorf("hold: %w", err)
	}
	if err := call.Hold(ctx, sdp.SendOnly); err != nil {
		return err
	}
	if err := sleep(ctx, call, c.HoldFor); err != nil {
		return fmt.Errorf("end of the hold: %w", err)
	}
	return call.Unhold(ctx)
}

// untilEnd hangs up when it is time, or waits until the other side does.
func (c *phoneCmd) untilEnd(ctx context.Context, call *phone.Call) error {
	if c.Duration > 0 {
		if err := sleep(ctx, call, c.Duration); err != nil {
			return errors.Join(fmt.Errorf("not %v long: %w", c.Duration, err), hangup(call))
		}
		return hangup(call)
	}
	end, err := call.WaitEnded(ctx)
	if err != nil {
		return errors.Join(fmt.Errorf("interrupted: %w", err), hangup(call))
	}
	if end.Reason != phone.RemoteHangup {
		return fmt.Errorf("the call ended by %v", end)
	}
	return nil
}

// hangup ends the call although the command's context may be over.
func hangup(call *phone.Call) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return call.Hangup(ctx)
}

// sleep lets d of the call pass.
func sleep(ctx context.Context, call *phone.Call, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-call.Ended():
		return fmt.Errorf("%w by %v", phone.ErrEnded, call.End())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stats says what was sent and heard.
func stats(out io.Writer, call *phone.Call) {
	s, gaps := call.Stats(), call.Gaps(0)
	fmt.Fprintf(out, "sent %d packets; heard %.1f s in %d packets, %d lost, %d gaps, jitter %.1f ms\n",
		s.Sent.Packets, float64(call.HeardLen())/8000, s.Received.Packets, s.Lost, len(gaps),
		float64(s.Jitter.Microseconds())/1000)
	if digits := call.Digits(); len(digits) > 0 {
		keys := make([]byte, len(digits))
		for i, d := range digits {
			keys[i] = d.Key
		}
		fmt.Fprintf(out, "digits received: %s\n", keys)
	}
}
