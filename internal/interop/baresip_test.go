package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/internal/audiotest"
	"parley/internal/servertest"
)

// rate is the sample rate of everything that is said and heard here.
const rate = 8000

// A phoneConfig is how one baresip is set up.
type phoneConfig struct {
	user      string
	tone      float64 // what it says, Hz at -20 dBFS
	codec     string  // the only one that it knows: "pcmu" (also when empty) or "pcma"
	transport string  // "udp" (also when empty) or "tcp"
	manual    bool    // lets calls ring until accept
}

// baresip is a running baresip 1.0.0, steered and watched through its module
// ctrl_tcp.
//
// It has two accounts. The second answers calls with what the loudspeaker of
// the first plays (module aubridge, at the pace of a sound card): who calls it
// hears what a human at the phone would, gaps included. The other way of
// baresip to keep what it hears, module sndfile, is removed from a call that is
// put on hold and never comes back, and leaves out what never came.
type baresip struct {
	*process
	t    *testing.T
	cfg  phoneConfig
	dir  string
	port int // SIP, UDP and TCP
	ctrl net.Conn

	mu      sync.Mutex
	events  []phoneEvent  // guarded by mu
	changed chan struct{} // guarded by mu; closed with each event
	answers chan phoneAnswer
}

// phoneEvent is what ctrl_tcp tells of a call.
type phoneEvent struct {
	Event     bool   `json:"event"`
	Type      string `json:"type"`
	Account   string `json:"accountaor"`
	Direction string `json:"direction"`
	Peer      string `json:"peeruri"`
	Param     string `json:"param"`
}

// phoneAnswer is what ctrl_tcp answers to a command.
type phoneAnswer struct {
	OK   bool   `json:"ok"`
	Data string `json:"data"`
}

// maxCall bounds how long a baresip lives whose test was killed. Its tone is as
// long: baresip hangs up at the end of the file.
const maxCall = 2 * time.Minute

// startBaresip runs a baresip until the test ends.
func startBaresip(t *testing.T, cfg phoneConfig) *baresip {
	t.Helper()
	path := program(t, "baresip")
	for range 3 {
		b := &baresip{t: t, cfg: cfg, dir: t.TempDir(), changed: make(chan struct{}), answers: make(chan phoneAnswer, 1)}
		// SIP, SIP over TLS, which takes the next port, control, RTP and RTCP.
		b.port = ports(t, 24)
		b.write("accounts", b.accounts())
		b.write("config", b.config())
		b.write("contacts", "")
		if err := audiotest.SaveWAV(b.file("tone.wav"), rate, audiotest.Tone(rate, cfg.tone, -20, maxCall)); err != nil {
			t.Fatal(err)
		}
		b.process = launch(t, "baresip "+cfg.user, b.dir, path,
			"-4", "-s", "-f", b.dir, "-n", "127.0.0.1", "-t", fmt.Sprint(int(maxCall.Seconds())))
		eventually(t, "baresip to be ready", func() bool { return !b.running() || b.out.has("baresip is ready") })
		if b.running() && !b.out.has("Address already in use") {
			b.control()
			return b
		}
		// Somebody took a port between our look and its bind.
	}
	t.Fatal("baresip does not start")
	return nil
}

func (b *baresip) file(name string) string { return filepath.Join(b.dir, name) }

func (b *baresip) write(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(b.file(name), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// Offsets from the SIP port.
const (
	controlPort = 2
	firstRTP    = 4
	lastRTP     = 23
)

// config is baresip's configuration. What comes is decoded at once, without a
// jitter buffer that could lose some of it; the loudspeaker is 100 ms behind, so
// that a busy machine does not make gaps.
func (b *baresip) config() string {
	return fmt.Sprintf(`poll_method epoll
sip_listen %s
call_max_calls 4
audio_source aufile,%s
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
ausrc_format s16
auplay_format s16
auenc_format s16
audec_format s16
audio_buffer 100-400
rtp_ports %d-%d
rtp_stats yes
jitter_buffer_delay 0-0
statmode_default off
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module aubridge.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen %s
`, local(b.port), b.file("tone.wav"), b.port+firstRTP, b.port+lastRTP, local(b.port+controlPort))
}

func (b *baresip) accounts() string {
	mode, codec := "auto", b.cfg.codec
	if b.cfg.manual {
		mode = "manual"
	}
	if codec == "" {
		codec = "pcmu"
	}
	rest := ";regint=0;audio_codecs=" + codec
	phone := fmt.Sprintf("<%s>;answermode=%s;audio_source=aufile,%s%s", b.uri(), mode, b.file("tone.wav"), rest)
	return phone + ";audio_player=aubridge,speaker\n" +
		fmt.Sprintf("<%s>;answermode=auto;audio_source=aubridge,speaker;audio_player=aubridge,nobody%s\n", b.speaker(), rest)
}

// uri is where the phone is called.
func (b *baresip) uri() string { return uri(b.cfg.user, b.port, b.cfg.transport) }

// speaker is where the loudspeaker is called. It is silent from a hold on: who
// wants to hear what comes after has to call again.
func (b *baresip) speaker() string { return uri(b.cfg.user+"-speaker", b.port, "udp") }

// control connects to ctrl_tcp.
func (b *baresip) control() {
	b.t.Helper()
	conn, err := net.Dial("tcp", local(b.port+controlPort))
	if err != nil {
		b.t.Fatal(err)
	}
	b.ctrl = conn
	done := make(chan struct{})
	b.t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	go func() {
		defer close(done)
		b.listen(bufio.NewReader(conn))
	}()
}

// listen reads netstrings of JSON until the connection is closed.
func (b *baresip) listen(r *bufio.Reader) {
	for {
		var n int
		if _, err := fmt.Fscanf(r, "%d:", &n); err != nil {
			return
		}
		doc := make([]byte, n+1) // with the comma
		if _, err := io.ReadFull(r, doc); err != nil {
			return
		}
		var e phoneEvent
		if json.Unmarshal(doc[:n], &e) == nil && e.Event {
			b.mu.Lock()
			b.events = append(b.events, e)
			close(b.changed)
			b.changed = make(chan struct{})
			b.mu.Unlock()
			continue
		}
		var a phoneAnswer
		if json.Unmarshal(doc[:n], &a) == nil {
			b.answers <- a
		}
	}
}

// command gives baresip a command and waits until it has done it.
func (b *baresip) command(name, params string) {
	b.t.Helper()
	doc, err := json.Marshal(map[string]string{"command": name, "params": params})
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(b.ctrl, "%d:%s,", len(doc), doc); err != nil {
		b.t.Fatal(err)
	}
	select {
	case a := <-b.answers:
		if !a.OK {
			b.t.Fatalf("baresip %s: %s %s: %s", b.cfg.user, name, params, a.Data)
		}
	case <-time.After(servertest.Patience):
		b.t.Fatalf("baresip %s: %s %s: no answer", b.cfg.user, name, params)
	}
}

// Commands for the call that is up.
func (b *baresip) dial(to string)       { b.t.Helper(); b.ours("dial", to) }
func (b *baresip) hangup()              { b.t.Helper(); b.ours("hangup", "") }
func (b *baresip) hold()                { b.t.Helper(); b.ours("hold", "") }
func (b *baresip) resume()              { b.t.Helper(); b.ours("resume", "") }
func (b *baresip) digits(digits string) { b.t.Helper(); b.ours("sndcode", digits) }

// ours is command for the phone's own account, and not that of its speaker.
func (b *baresip) ours(name, params string) {
	b.t.Helper()
	b.command("uafind", strings.TrimSuffix(b.uri(), ";transport=tcp"))
	b.command(name, params)
}

// wait waits for the n-th event of a type of the phone's own account, from 1.
func (b *baresip) wait(kind string, n int) phoneEvent {
	b.t.Helper()
	timeout := time.After(servertest.Patience)
	for {
		b.mu.Lock()
		changed := b.changed
		found := 0
		var kinds []string
		for _, e := range b.events {
			kinds = append(kinds, e.Type)
			if e.Type == kind && !strings.Contains(e.Account, "-speaker@") {
				if found++; found == n {
					b.mu.Unlock()
					return e
				}
			}
		}
		b.mu.Unlock()
		select {
		case <-changed:
		case <-b.done:
			b.t.Fatalf("baresip %s ended: %v", b.cfg.user, b.err)
		case <-timeout:
			b.t.Fatalf("baresip %s: waited for event %d of %s; got %v", b.cfg.user, n, kind, kinds)
		}
	}
}
