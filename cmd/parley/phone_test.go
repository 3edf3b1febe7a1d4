package main

import (
	"bytes"
	"context"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/audiotest"
	"parley/internal/phone"
	"parley/internal/sdp"
)

// phoneTime bounds what should happen at once.
const phoneTime = 20 * time.Second

// transcript is what a running command wrote, line by line.
type transcript struct {
	mu    sync.Mutex
	text  bytes.Buffer
	lines chan string
}

func (w *transcript) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(b)
	for line := range strings.Lines(string(b)) {
		w.lines <- strings.TrimSpace(line)
	}
	return len(b), nil
}

func (w *transcript) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// running is a `parley phone` under way.
type running struct {
	transcript
	status chan int
}

func runPhone(t *testing.T, args ...string) *running {
	t.Helper()
	r := &running{status: make(chan int, 1)}
	r.lines = make(chan string, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { r.status <- run(ctx, append([]string{"phone"}, args...), terminal{out: r, err: r}) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return r
}

// line waits for a line with that word and gives it.
func (r *running) line(t *testing.T, word string) string {
	t.Helper()
	timeout := time.After(phoneTime)
	for {
		select {
		case line := <-r.lines:
			if strings.Contains(line, word) {
				return line
			}
		case <-timeout:
			t.Fatalf("no line with %q in\n%s", word, r)
		}
	}
}

func (r *running) exits(t *testing.T, want int) {
	t.Helper()
	select {
	case got := <-r.status:
		if got != want {
			t.Errorf("status %d, want %d, after\n%s", got, want, r)
		}
	case <-time.After(phoneTime):
		t.Fatalf("still running after\n%s", r)
	}
}

// uri is where the command can be called.
func (r *running) uri(t *testing.T) string {
	t.Helper()
	_, uri, _ := strings.Cut(r.line(t, "listening"), "sip:")
	return "sip:" + uri
}

func otherPhone(t *testing.T, cfg phone.Config) (*phone.Phone, context.Context) {
	t.Helper()
	p, err := phone.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), phoneTime)
	t.Cleanup(cancel)
	return p, ctx
}

func TestPhoneAnswersSaysATonePressesKeysAndHolds(t *testing.T) {
	bob, ctx := otherPhone(t, phone.Config{})
	alice := runPhone(t, "--tone", "440", "--digits", "12#", "--hold-after", "1s", "--hold-for", "300ms")
	call, err := bob.Dial(ctx, alice.uri(t))
	if err != nil {
		t.Fatal(err)
	}
	if digits, err := call.WaitDigits(ctx, 3); digits != "12#" {
		t.Errorf("digits %q, %v", digits, err)
	}
	for _, d := range []sdp.Direction{sdp.RecvOnly, sdp.SendRecv} {
		if err := call.WaitDirection(ctx, d); err != nil {
			t.Fatalf("never %v: %v", d, err)
		}
	}
	sound, err := call.Listen(ctx, 4000)
	if err != nil {
		t.Fatal(err)
	}
	if level := audiotest.ToneLevel(sound, 8000, 440); math.Abs(level+20) > 1 {
		t.Errorf("440 Hz at %.1f dBFS, want -20", level)
	}
	if err := call.Hangup(ctx); err != nil {
		t.Error(err)
	}
	alice.exits(t, 0)
	for _, word := range []string{"incoming", "ringing    180", "answered", "ended      remote_hangup", "sent "} {
		alice.line(t, word)
	}
}

func TestPhoneDialsPlaysAndRecords(t *testing.T) {
	dir := t.TempDir()
	said, heard := filepath.Join(dir, "said.wav"), filepath.Join(dir, "heard.wav")
	if err := audiotest.SaveWAV(said, 16000, audiotest.Tone(16000, 1000, -20, 2*time.Second)); err != nil {
		t.Fatal(err)
	}
	bob, ctx := otherPhone(t, phone.Config{Transport: "tcp"})
	alice := runPhone(t, "--transport", "tcp", "--dial", bob.URI(), "--play", said, "--record", heard, "--duration", "1s")
	call, err := bob.NextCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	call.Play(phone.Tone(1700, -20))
	sound, err := call.Listen(ctx, 4000)
	if err != nil {
		t.Fatal(err)
	}
	if level := audiotest.ToneLevel(sound, 8000, 1000); math.Abs(level+20) > 1 {
		t.Errorf("the file: 1000 Hz at %.1f dBFS, want -20", level)
	}
	alice.exits(t, 0)
	recorded, err := phone.LoadFile(heard)
	if err != nil {
		t.Fatal(err)
	}
	if len(recorded) < 4000 {
		t.Fatalf("%d samples were recorded", len(recorded))
	}
	if level := audiotest.ToneLevel(recorded[800:], 8000, 1700); math.Abs(level+20) > 1 {
		t.Errorf("the recording: 1700 Hz at %.1f dBFS, want -20", level)
	}
}

func TestPhoneFailsWhereTheScriptDoes(t *testing.T) {
	busy, _ := otherPhone(t, phone.Config{Answering: phone.Answering{Status: 486}})
	alice := runPhone(t, "--dial", busy.URI())
	alice.exits(t, exitFailed)
	alice.line(t, "remote_refusal 486")

	silent, _ := otherPhone(t, phone.Config{Answering: phone.Answering{Wait: true}})
	alice = runPhone(t, "--dial", silent.URI(), "--wait", "100ms")
	alice.exits(t, exitFailed)
	alice.line(t, "no call was answered in 100ms")

	bob, ctx := otherPhone(t, phone.Config{})
	alice = runPhone(t, "--dial", "bob", "--server", bob.Addr().String(), "--duration", "1h")
	call, err := bob.NextCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := call.WaitAnswered(ctx); err != nil {
		t.Fatal(err)
	}
	if err := call.Hangup(ctx); err != nil {
		t.Error(err)
	}
	alice.exits(t, exitFailed)
	alice.line(t, "not 1h0m0s long")
}

func TestBadPhoneOptions(t *testing.T) {
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"--dial", "bob"}, "--dial bob: give the whole URI, or --server"},
		{[]string{"--dial", "sip:bob@host", "--answer"}, "--dial and --answer can't be used together"},
		{[]string{"--tone", "440", "--play", "x.wav"}, "can't be used together"},
		{[]string{"--tone", "4000"}, "--tone 4000: from 1 to 3999 Hz"},
		{[]string{"--level", "0"}, "--level 0: -3 or less"},
		{[]string{"--codec", "opus"}, "--codec opus: PCMU or PCMA"},
		{[]string{"--transport", "tls"}, "--transport must be one of"},
		{[]string{"--listen", "here"}, "--listen: "},
		{[]string{"--register", "alice@host"}, "not of the form user:password@host"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			status, out, errs := command(t, append([]string{"phone"}, tt.args...)...)
			if status != exitUsage || out != "" || !strings.Contains(errs, tt.want) {
				t.Errorf("status %d, out %q, errors %q; want %d and %q", status, out, errs, exitUsage, tt.want)
			}
		})
	}
	if status, _, errs := command(t, "phone", "--play", "missing.wav"); status != exitFailed || !strings.Contains(errs, "missing.wav") {
		t.Errorf("a missing file: status %d, %q", status, errs)
	}
}

func TestCredentials(t *testing.T) {
	var c credentials
	if err := c.UnmarshalText([]byte("alice:p@ss:word@example.com:5060")); err != nil || c != (credentials{"alice", "p@ss:word", "example.com:5060"}) {
		t.Errorf("%+v, %v", c, err)
	}
	for _, text := range []string{"", "alice", "alice@host", ":secret@host", "alice:secret@"} {
		if err := c.UnmarshalText([]byte(text)); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
