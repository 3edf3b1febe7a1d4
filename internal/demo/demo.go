// Package demo is a conference that happens before one's eyes: three scripted
// telephones, real SIP and RTP, real speech, against a running server. It
// looks at everything from outside: what the API answers, what the callbacks
// say, and who hears whom, measured from the sound that each phone received.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"time"

	"parley"
	"parley/client"
	"parley/internal/audiotest"
	"parley/internal/pcm"
	"parley/internal/phone"
)

// Config is where the server is and where to show what happens.
type Config struct {
	API string // base URL, "http://127.0.0.1:8080"
	Key string // an API key of the server
	SIP netip.AddrPort
	// Data is the server's data directory, to say where the recording lies.
	Data string
	Out  io.Writer
}

// Where and what the demonstration uses.
const (
	secret    = "whsec_cGFybGV5LWRlbW9uc3RyYXRpb24tc2VjcmV0LTAx" //nolint:gosec // shown to everybody
	chimeName = "chime.wav"
	chimeHz   = 1000.0
	confName  = "demo"
)

// stage is a demonstration under way.
type stage struct {
	cfg      Config
	api      *client.Client
	receiver *receiver
	cast     []*actor // Anna, Ben, Chen
	conf     parley.ID
	calls    map[string]parley.ID // call IDs by actor's name
	began    time.Time

	mu     sync.Mutex // guards Out, which the receiver writes to as well
	faults []error    // guarded by mu
}

// Run plays the demonstration. Its error says all that was not right.
func Run(ctx context.Context, cfg Config) error {
	s := &stage{cfg: cfg, api: client.New(cfg.API, cfg.Key), calls: map[string]parley.ID{}, began: time.Now()}
	defer s.close()
	for _, scene := range []struct {
		title string
		play  func(context.Context) error
	}{
		{"The application listens for callbacks, three phones are on their desks", s.setUp},
		{"A conference is created, recorded from the first join", s.create},
		{"Anna and Ben are invited, Chen dials in", s.gather},
		{"All three speak at once: who hears whom", s.speak},
		{"Ben is muted: nobody hears him, he hears the others", s.mute},
		{"A file is played to everybody", s.play},
		{"Chen hangs up", s.leave},
		{"The conference is ended", s.end},
		{"The recording", s.listenBack},
		{"The ledger", s.audit},
	} {
		s.say("\n%s", scene.title)
		if err := scene.play(ctx); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", scene.title, err), s.verdict())
		}
	}
	return s.verdict()
}

// verdict is all that was not as it should be.
func (s *stage) verdict() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.faults...)
}

// say shows a line.
func (s *stage) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.cfg.Out, format+"\n", args...)
}

// check shows what was measured and remembers it if it is not right.
func (s *stage) check(ok bool, format string, args ...any) {
	mark := "ok  "
	if !ok {
		mark = "WRONG"
		s.mu.Lock()
		s.faults = append(s.faults, fmt.Errorf(format, args...))
		s.mu.Unlock()
	}
	s.say("  %-5s "+format, append([]any{mark}, args...)...)
}

// showCallback shows a callback as it comes.
func (s *stage) showCallback(c callback) {
	s.say("  %6.2fs  <- %-18s after %3d ms  %s", time.Since(s.began).Seconds(), c.Type, c.Took.Milliseconds(), c.Body)
}

func (s *stage) close() {
	for _, a := range s.cast {
		_ = a.phone.Close()
	}
	if s.receiver != nil {
		s.receiver.close()
	}
}

func (s *stage) setUp(ctx context.Context) error {
	var err error
	if s.receiver, err = listen(secret, s.showCallback); err != nil {
		return err
	}
	if _, err := s.api.CreateWebhook(ctx, client.WebhookRequest{URL: s.receiver.url, Secret: secret}); err != nil {
		return err
	}
	for i, name := range []string{"anna", "ben", "chen"} {
		voice := audiotest.Speech(i + 1)
		p, err := phone.New(phone.Config{
			Name: name, Sound: func() pcm.Source { return phone.Loop(voice) }, Answering: phone.Answering{After: 200 * time.Millisecond},
		})
		if err != nil {
			return err
		}
		s.cast = append(s.cast, &actor{name: name, voice: voice, phone: p})
		s.say("  %s is %s", name, p.URI())
	}
	chime := audiotest.WAV(rate, audiotest.Tone(rate, chimeHz, -20, 2*time.Second))
	_, err = s.api.PutMedia(ctx, chimeName, strings.NewReader(string(chime)))
	return err
}

func (s *stage) create(ctx context.Context) error {
	data := `{"order":4711}`
	conf, err := s.api.CreateConference(ctx, client.ConferenceRequest{Name: confName, DialIn: true, Recording: true, UserData: &data})
	if err != nil {
		return err
	}
	s.conf = conf.ID
	s.say("  %6.2fs  -> POST /v1/conferences: %s", time.Since(s.began).Seconds(), conf.ID)
	return s.receiver.wait(ctx, parley.EventConfCreateSucc, 1)
}

func (s *stage) gather(ctx context.Context) error {
	for _, a := range s.cast[:2] {
		p, err := s.api.Invite(ctx, s.conf, client.InviteRequest{To: a.phone.URI()})
		if err != nil {
			return err
		}
		s.calls[a.name] = p.CallID
		if a.call, err = a.phone.NextCall(ctx); err != nil {
			return err
		}
	}
	chen := s.cast[2]
	var err error
	if chen.call, err = chen.phone.Dial(ctx, fmt.Sprintf("sip:%s@%s", confName, s.cfg.SIP)); err != nil {
		return err
	}
	for _, a := range s.cast {
		if err := a.call.WaitAnswered(ctx); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
	}
	return s.receiver.wait(ctx, parley.EventConfJoined, len(s.cast))
}

// speak measures who hears whom.
func (s *stage) speak(ctx context.Context) error {
	return s.matrix(ctx, func(listener, speaker *actor) bool { return listener != speaker })
}

// together lets everybody listen for d at the same time.
func (s *stage) together(ctx context.Context, d time.Duration) ([][]int16, error) {
	heard := make([][]int16, len(s.cast))
	faults := make([]error, len(s.cast))
	var wg sync.WaitGroup
	for i, a := range s.cast {
		wg.Go(func() { heard[i], faults[i] = a.listen(ctx, d) })
	}
	wg.Wait()
	return heard, errors.Join(faults...)
}

// matrix checks for each pair whether the listener hears the speaker as
// expected.
func (s *stage) matrix(ctx context.Context, expected func(listener, speaker *actor) bool) error {
	heard, err := s.together(ctx, listening)
	if err != nil {
		return err
	}
	for i, listener := range s.cast {
		for _, speaker := range s.cast {
			like := likeness(speaker.voice, heard[i])
			if expected(listener, speaker) {
				s.check(like >= threshold, "%-4s hears %-4s (correlation %.2f)", listener.name, speaker.name, like)
			} else {
				s.check(like < threshold, "%-4s does not hear %-4s (correlation %.2f)", listener.name, speaker.name, like)
			}
		}
	}
	return nil
}

func (s *stage) mute(ctx context.Context) error {
	yes, no := true, false
	ben := s.cast[1]
	if _, err := s.api.UpdateParticipant(ctx, s.conf, s.calls[ben.name], client.ParticipantPatch{Muted: &yes}); err != nil {
		return err
	}
	// What is on its way still has his voice.
	if _, err := ben.listen(ctx, 300*time.Millisecond); err != nil {
		return err
	}
	err := s.matrix(ctx, func(listener, speaker *actor) bool { return listener != speaker && speaker != ben })
	if err != nil {
		return err
	}
	_, err = s.api.UpdateParticipant(ctx, s.conf, s.calls[ben.name], client.ParticipantPatch{Muted: &no})
	return err
}

func (s *stage) play(ctx context.Context) error {
	for _, a := range s.cast {
		a.call.Play(phone.Silence())
	}
	if _, err := s.cast[0].listen(ctx, 500*time.Millisecond); err != nil {
		return err
	}
	if _, err := s.api.Play(ctx, s.conf, client.PlayRequest{Files: []string{chimeName}}); err != nil {
		return err
	}
	heard, err := s.together(ctx, 1500*time.Millisecond)
	if err != nil {
		return err
	}
	for i, a := range s.cast {
		level := audiotest.ToneLevel(heard[i][rate/2:], rate, chimeHz)
		s.check(level > -30, "%-4s hears the chime of %.0f Hz (%.0f dBFS)", a.name, chimeHz, level)
	}
	return s.receiver.wait(ctx, parley.EventConfPlayEnd, 1)
}

func (s *stage) leave(ctx context.Context) error {
	chen := s.cast[2]
	if err := chen.call.Hangup(ctx); err != nil {
		return err
	}
	return s.receiver.wait(ctx, parley.EventConfQuit, 1)
}

func (s *stage) end(ctx context.Context) error {
	if _, err := s.api.EndConference(ctx, s.conf); err != nil {
		return err
	}
	for _, a := range s.cast {
		if _, err := a.call.WaitEnded(ctx); err != nil {
			return err
		}
	}
	return s.receiver.wait(ctx, parley.EventConfEnd, 1)
}
