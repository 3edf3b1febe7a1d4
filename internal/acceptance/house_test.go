// Package acceptance runs the whole server with real phones on loopback and
// looks at it from outside alone: what the API answers, what callbacks say,
// and what the phones hear.
package acceptance

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"parley"
	"parley/internal/audiotest"
	"parley/internal/pcm"
	"parley/internal/phone"
	"parley/internal/server"
	"parley/internal/servertest"
)

func TestMain(m *testing.M) {
	// The tests wait for sound most of the time: more of them than there are
	// processors can wait beside each other.
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f != nil {
		if n, err := strconv.Atoi(f.Value.String()); err == nil {
			_ = f.Value.Set(strconv.Itoa(max(n, 5)))
		}
	}
	os.Exit(servertest.Main(m))
}

// rate is that of the phones' sound, Hz.
const rate = 8000

// body is a JSON object.
type body map[string]any

// house is a server, and an application that is told everything.
type house struct {
	*servertest.Server
	t   testing.TB
	app *servertest.Receiver // gets every event
}

// open starts a house of its own for a test; change may be nil.
func open(t testing.TB, change func(*server.Config)) *house {
	t.Helper()
	h := &house{Server: servertest.Start(t, change), t: t, app: servertest.Receive(t)}
	h.app.Webhook(h.Server, "", "*")
	return h
}

// upload makes a media file of sound.
func (h *house) upload(name string, sound []int16) {
	h.t.Helper()
	h.Must(http.MethodPut, "/v1/media/"+name, bytes.NewReader(audiotest.WAV(rate, sound)), nil)
}

// conf is a live conference.
type conf struct {
	*house
	id string
}

// conference creates a conference, which has to begin.
func (h *house) conference(settings body) *conf {
	h.t.Helper()
	var made struct{ ID string }
	h.Must(http.MethodPost, "/v1/conferences", settings, &made)
	c := &conf{h, made.ID}
	c.wait(parley.EventConfCreateSucc, 1)
	return c
}

// path is the conference's, or that of something in it.
func (c *conf) path(parts ...string) string {
	var p strings.Builder
	p.WriteString("/v1/conferences/" + c.id)
	for _, s := range parts {
		p.WriteString("/" + s)
	}
	return p.String()
}

// wait gives the first n events of a type of the conference.
func (c *conf) wait(t parley.EventType, n int) []servertest.Callback {
	c.t.Helper()
	return c.app.WaitFor(fmt.Sprintf("%s of %s", t, c.id), n, func(e servertest.Callback) bool {
		return e.Type == t && e.Stream() == c.id
	})
}

// about gives the first event of a type about a call, or what else a field
// names.
func (h *house) about(t parley.EventType, field, value string) servertest.Callback {
	h.t.Helper()
	return h.app.WaitFor(fmt.Sprintf("%s with %s %s", t, field, value), 1, func(e servertest.Callback) bool {
		return e.Type == t && e.Text(field) == value
	})[0]
}

// end ends the conference.
func (c *conf) end() {
	c.t.Helper()
	c.Must(http.MethodDelete, c.path(), nil, nil)
}

// guest is a participant: what the server calls it, and the phone's side.
type guest struct {
	*phone.Call
	conf *conf
	id   string // call_id
}

// tone is a phone's sound.
func tone(hz, level float64) func(*phone.Config) {
	return func(cfg *phone.Config) { cfg.Sound = func() pcm.Source { return phone.Tone(hz, level) } }
}

// invite calls a phone, as settings say, and waits until it is in.
func (c *conf) invite(p *phone.Phone, settings body) *guest {
	c.t.Helper()
	g := c.call(p, settings)
	c.about(parley.EventConfJoined, "call_id", g.id)
	return g
}

// call calls a phone, and waits until it rings.
func (c *conf) call(p *phone.Phone, settings body) *guest {
	c.t.Helper()
	ask := body{"to": p.URI()}
	maps.Copy(ask, settings)
	var made struct {
		CallID string `json:"call_id"`
		State  string
	}
	c.Must(http.MethodPost, c.path("participants"), ask, &made)
	if made.State != "dialing" {
		c.t.Errorf("an invite is answered with state %q, want dialing", made.State)
	}
	return &guest{next(c.t, p), c, made.CallID}
}

// dialIn lets a phone call sip:user@server, and waits until it is in.
func (c *conf) dialIn(p *phone.Phone, user string) *guest {
	c.t.Helper()
	n := len(c.joined())
	k := dial(c.t, p, c.target(user))
	patient(c.t, "the call is answered", k.WaitAnswered)
	joined := c.wait(parley.EventConfJoined, n+1)
	return &guest{k, c, joined[n].Text("call_id")}
}

func (h *house) target(user string) string { return "sip:" + user + "@" + h.SIP.String() }

// joined is the conference's conf.joined so far.
func (c *conf) joined() (out []servertest.Callback) {
	for _, e := range c.app.Accepted() {
		if e.Type == parley.EventConfJoined && e.Stream() == c.id {
			out = append(out, e)
		}
	}
	return out
}

// patch changes the participant.
func (g *guest) patch(change body) {
	g.conf.t.Helper()
	g.conf.Must(http.MethodPatch, g.conf.path("participants", g.id), change, nil)
}

// hangup lets the phone hang up.
func (g *guest) hangup() {
	g.conf.t.Helper()
	patient(g.conf.t, "the BYE is answered", g.Hangup)
}

// ended waits until the call is over at the phone.
func (g *guest) ended() phone.End { return ended(g.conf.t, g.Call) }

func ended(t testing.TB, c *phone.Call) (end phone.End) {
	t.Helper()
	patient(t, "the call ends", func(ctx context.Context) (err error) {
		end, err = c.WaitEnded(ctx)
		return err
	})
	return end
}

// next is the phone's next incoming call.
func next(t testing.TB, p *phone.Phone) (c *phone.Call) {
	t.Helper()
	patient(t, "the phone rings", func(ctx context.Context) (err error) {
		c, err = p.NextCall(ctx)
		return err
	})
	return c
}

func dial(t testing.TB, p *phone.Phone, uri string) (c *phone.Call) {
	t.Helper()
	patient(t, "the phone dials", func(ctx context.Context) (err error) {
		c, err = p.Dial(ctx, uri)
		return err
	})
	return c
}

// patient does what has to happen before Patience is over.
func patient(t testing.TB, what string, do func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	if err := do(ctx); err != nil {
		t.Fatalf("waited that %s: %v", what, err)
	}
}

// listen gives what the guest hears during the next d.
func (g *guest) listen(d time.Duration) (sound []int16) {
	g.conf.t.Helper()
	patient(g.conf.t, "there is sound", func(ctx context.Context) (err error) {
		sound, err = g.Listen(ctx, audiotest.Samples(rate, d))
		return err
	})
	return sound
}

// window is how long a piece of sound is that is looked at.
const window = 200 * time.Millisecond

// steady is how many pieces of sound in a row have to be as they should. What
// a busy machine does to one piece is no fault, so it is waited for more.
const steady = 3

// hears waits until what the guest hears is, for a while, as ok says. The
// failure shows what else there was.
func (g *guest) hears(what string, ok func(sound []int16) bool, show func(sound []int16) any) {
	g.conf.t.Helper()
	deadline := time.Now().Add(servertest.Patience)
	for row := 0; row < steady; {
		sound := g.listen(window)
		if row++; !ok(sound) {
			row = 0
		}
		if row == 0 && time.Now().After(deadline) {
			g.conf.t.Fatalf("waited to hear %s; it is %v", what, show(sound))
		}
	}
}

// hearsNothing waits until there is silence.
func (g *guest) hearsNothing() {
	g.conf.t.Helper()
	g.hears("nothing", func(sound []int16) bool { return audiotest.RMS(sound) < -60 },
		func(sound []int16) any { return audiotest.RMS(sound) })
}

// levels is how loud tones are: dBFS by Hz.
type levels map[float64]float64

// gone is the level of a tone that is not there.
const gone = -127

// absent is the level below which a tone counts as not there, dBFS. G.711's
// own noise under tones of -20 dBFS lies some 15 dB below that.
const absent = -50

// fit reports whether sound has the tones, to within 2 dB.
func (l levels) fit(sound []int16) bool {
	for hz, want := range l {
		got := audiotest.ToneLevel(sound, rate, hz)
		if want == gone && got > absent || want != gone && (got < want-2 || got > want+2) {
			return false
		}
	}
	return true
}

// measured is the levels as they are.
func (l levels) measured(sound []int16) levels {
	out := levels{}
	for hz := range l {
		out[hz] = math.Round(audiotest.ToneLevel(sound, rate, hz)*10) / 10
	}
	return out
}

// hearsTones waits until the guest hears tones at their levels.
func (g *guest) hearsTones(want levels) {
	g.conf.t.Helper()
	g.hears(fmt.Sprint(want), want.fit, func(sound []int16) any { return want.measured(sound) })
}

func (g *guest) hearsTone(hz, level float64) {
	g.conf.t.Helper()
	g.hearsTones(levels{hz: level})
}

func (g *guest) missesTone(hz float64) {
	g.conf.t.Helper()
	g.hearsTones(levels{hz: gone})
}

// roughly is how far times may be apart where a busy machine may delay things.
const roughly = time.Second

// near fails unless two moments are no further apart than by.
func near(t testing.TB, what string, got, want time.Time, by time.Duration) {
	t.Helper()
	if d := got.Sub(want); got.IsZero() || d < -by || d > by {
		t.Errorf("%s: %v, want %v: %v apart", what, got, want, d)
	}
}

// lasted fails unless something took so long, and hardly longer.
func lasted(t testing.TB, what string, from, to time.Time, want time.Duration) {
	t.Helper()
	if d := to.Sub(from); from.IsZero() || d < want-20*time.Millisecond || d > want+roughly {
		t.Errorf("%s took %v, want %v", what, d, want)
	}
}

// equal fails unless got is want.
func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// wav reads a WAV file of the conference's rate.
func wav(t testing.TB, what string, file []byte) []int16 {
	t.Helper()
	sound, hz, err := audiotest.ParseWAV(file)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	equal(t, what+": rate", hz, rate)
	return sound
}
