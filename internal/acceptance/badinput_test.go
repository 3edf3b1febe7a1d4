package acceptance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"parley"
	"parley/internal/audiotest"
	"parley/internal/phone"
	"parley/internal/server"
	"parley/internal/servertest"
	"parley/internal/store"
)

// rows is everything that the API shows: it must be the same before and after
// a request that is refused.
func (h *house) rows() string {
	h.t.Helper()
	var b strings.Builder
	for _, path := range []string{
		"/v1/conferences", "/v1/calls", "/v1/recordings", "/v1/media", "/v1/webhooks", "/v1/trunks", "/v1/keys", "/v1/applications", "/v1/events",
	} {
		a := h.Send(http.MethodGet, path, nil)
		fmt.Fprintf(&b, "%s %d %s\n", path, a.Status, a.Body)
	}
	var conferences struct{ Items []struct{ ID string } }
	h.Must(http.MethodGet, "/v1/conferences", nil, &conferences)
	for _, c := range conferences.Items {
		for _, part := range []string{"participants?state=all", "playbacks"} {
			fmt.Fprintf(&b, "%s %s\n", part, h.Send(http.MethodGet, "/v1/conferences/"+c.ID+"/"+part, nil).Body)
		}
	}
	return quality.ReplaceAllString(b.String(), "")
}

// quality is what changes by itself while a call is up.
var quality = regexp.MustCompile(`"quality":\{[^}]*\},`)

// cut is sound that breaks off: the header promises more.
func cut(file []byte) []byte { return file[:len(file)/2] }

// TestBadInput makes every mistake that a request can have, and looks at what
// it is told and that nothing was half done.
func TestBadInput(t *testing.T) {
	t.Parallel()
	h := open(t, func(cfg *server.Config) { cfg.MaxUpload = 100_000 })
	h.upload("beep.wav", audiotest.Tone(rate, 600, -25, 300*time.Millisecond))
	c, past := h.conference(body{"name": "taken"}), h.over()
	other := h.application("other")
	foreign := (&house{Server: h.As(other), t: t, app: h.app}).create(body{"name": "theirs"})
	const nobody = "00000000000070008000000000000000"
	wave := audiotest.WAV(rate, audiotest.Tone(rate, 600, -25, time.Second))
	conferences, participants, playbacks := "/v1/conferences", c.path("participants"), c.path("playbacks")
	long := strings.Repeat("x", 4097)

	tests := []struct {
		name         string
		method, path string
		body         any // an io.Reader as it is
		status       int
		code         parley.Code
		field        string
		says         string // in the detail
	}{
		{"no JSON", "POST", conferences, text(`{"max_parts": `), 400, parley.CodeMalformed, "", ""},
		{"no JSON at all", "POST", conferences, text(`<xml/>`), 400, parley.CodeMalformed, "", ""},
		{"JSON and more", "POST", conferences, text(`{} {}`), 400, parley.CodeMalformed, "", ""},
		{"a list", "POST", conferences, text(`[]`), 422, parley.CodeInvalid, "", "object"},
		{"a body that is too long", "POST", conferences, text(`{"name": "` + strings.Repeat("x", 1<<20) + `"}`), 413, parley.CodeTooLarge, "", "1048576"},
		{"an unknown field", "POST", conferences, text(`{"max_part": 3}`), 422, parley.CodeUnknownField, "max_part", ""},
		{"a number as text", "POST", conferences, text(`{"max_parts": "3"}`), 422, parley.CodeInvalid, "max_parts", ""},
		{"text as a number", "POST", conferences, text(`{"name": 3}`), 422, parley.CodeInvalid, "name", ""},
		{"a fraction", "POST", conferences, text(`{"max_parts": 1.5}`), 422, parley.CodeInvalid, "max_parts", ""},
		{"no participants", "POST", conferences, body{"max_parts": 0}, 422, parley.CodeInvalid, "max_parts", "1 to 3000"},
		{"too many participants", "POST", conferences, body{"max_parts": 3001}, 422, parley.CodeInvalid, "max_parts", "1 to 3000"},
		{"no time", "POST", conferences, body{"max_duration": 0}, 422, parley.CodeInvalid, "max_duration", "1 to 86400"},
		{"too much time", "POST", conferences, body{"max_duration": 86401}, 422, parley.CodeInvalid, "max_duration", "1 to 86400"},
		{"user_data that is too long", "POST", conferences, body{"user_data": long}, 422, parley.CodeInvalid, "user_data", "4096"},
		{"a name that is taken", "POST", conferences, body{"name": "taken"}, 409, parley.CodeNameTaken, "name", c.id},
		{"a name with a space", "POST", conferences, body{"name": "a b"}, 422, parley.CodeInvalid, "name", ""},
		{"music with a path", "POST", conferences, body{"bgm_file": "../beep.wav"}, 422, parley.CodeInvalid, "bgm_file", ""},
		{"nobody to call", "POST", participants, body{}, 422, parley.CodeInvalid, "to", ""},
		{"to that is nothing", "POST", participants, body{"to": "alice"}, 422, parley.CodeInvalid, "to", "telephone number"},
		{"to that is a web page", "POST", participants, body{"to": "http://example.com"}, 422, parley.CodeInvalid, "to", "SIP URI"},
		{"a number without a trunk", "POST", participants, body{"to": "+8613800138000"}, 422, parley.CodeNoTrunk, "to", "trunk"},
		{"somebody and a call", "POST", participants, body{"to": "sip:a@127.0.0.1", "call_id": nobody}, 422, parley.CodeInvalid, "call_id", ""},
		{"an unknown call", "POST", participants, body{"call_id": nobody}, 404, parley.CodeNotFound, "call_id", ""},
		{"no time to answer", "POST", participants, body{"to": "sip:a@127.0.0.1", "max_dial_duration": 0}, 422, parley.CodeInvalid, "max_dial_duration", "1 to 300"},
		{"no time to stay", "POST", participants, body{"to": "sip:a@127.0.0.1", "max_duration": 0}, 422, parley.CodeInvalid, "max_duration", ""},
		{"user_data of an invite", "POST", participants, body{"to": "sip:a@127.0.0.1", "user_data": long}, 422, parley.CodeInvalid, "user_data", ""},
		{"an invite with a file that is missing", "POST", participants, body{"to": "sip:a@127.0.0.1", "play_file": "no.wav"}, 422, parley.CodeMediaNotFound, "play_file", "no.wav"},
		{"an invite that is too loud", "POST", participants, body{"to": "sip:a@127.0.0.1", "gain_db": 21}, 422, parley.CodeInvalid, "gain_db", ""},
		{"an invite to an unknown conference", "POST", conferences + "/" + nobody + "/participants", body{"to": "sip:a@127.0.0.1"}, 404, parley.CodeNotFound, "", ""},
		{"an invite to something that is no ID", "POST", conferences + "/taken/participants", body{"to": "sip:a@127.0.0.1"}, 404, parley.CodeNotFound, "", ""},
		{"an invite to a conference that has ended", "POST", past.path("participants"), body{"to": "sip:a@127.0.0.1"}, 409, parley.CodeConferenceEnded, "", ""},
		{"an invite to somebody else's conference", "POST", foreign.path("participants"), body{"to": "sip:a@127.0.0.1"}, 404, parley.CodeNotFound, "", ""},
		{"to see an unknown conference", "GET", conferences + "/" + nobody, nil, 404, parley.CodeNotFound, "", ""},
		{"to see somebody else's conference", "GET", foreign.path(), nil, 404, parley.CodeNotFound, "", ""},
		{"to end an unknown conference", "DELETE", conferences + "/" + nobody, nil, 404, parley.CodeNotFound, "", ""},
		{"to end a conference twice", "DELETE", past.path(), nil, 409, parley.CodeConferenceEnded, "", ""},
		{"to end somebody else's conference", "DELETE", foreign.path(), nil, 404, parley.CodeNotFound, "", ""},
		{"to change nobody", "PATCH", c.path("participants", nobody), body{"muted": true}, 404, parley.CodeNotFound, "", ""},
		{"to remove nobody", "DELETE", c.path("participants", nobody), nil, 404, parley.CodeNotFound, "", ""},
		{"to play nothing", "POST", playbacks, body{"files": []string{}}, 422, parley.CodeInvalid, "files", ""},
		{"to play a file that is missing", "POST", playbacks, body{"files": []string{"beep.wav", "no.wav"}}, 422, parley.CodeMediaNotFound, "files[1]", "no.wav"},
		{"to play a path", "POST", playbacks, body{"files": []string{"../../etc/passwd"}}, 422, parley.CodeInvalid, "files[0]", ""},
		{"to play to nobody", "POST", playbacks, body{"files": []string{"beep.wav"}, "to": []string{nobody}}, 409, parley.CodeNotJoined, "to[0]", ""},
		{"to play in an ended conference", "POST", past.path("playbacks"), body{"files": []string{"beep.wav"}}, 409, parley.CodeConferenceEnded, "", ""},
		{"to stop an unknown playback", "DELETE", c.path("playbacks", nobody), nil, 404, parley.CodeNotFound, "", ""},
		{"to record for no time", "POST", c.path("recordings"), body{"max_duration": 0}, 422, parley.CodeInvalid, "max_duration", ""},
		{"to record an ended conference", "POST", past.path("recordings"), body{}, 409, parley.CodeConferenceEnded, "", ""},
		{"to stop an unknown recording", "PATCH", c.path("recordings", nobody), body{"state": "stopped"}, 404, parley.CodeNotFound, "", ""},
		{"an unknown recording", "GET", "/v1/recordings/" + nobody + "/content", nil, 404, parley.CodeNotFound, "", ""},
		{"an upload with a path", "PUT", "/v1/media/a/b.wav", bytes.NewReader(wave), 422, parley.CodeInvalid, "name", ""},
		{"an upload with a way up", "PUT", "/v1/media/..%2fb.wav", bytes.NewReader(wave), 422, parley.CodeInvalid, "name", ""},
		{"an upload that is empty", "PUT", "/v1/media/empty.wav", text(""), 422, parley.CodeMediaUnreadable, "", "empty"},
		{"an upload that is text", "PUT", "/v1/media/text.wav", text("hello, world, this is no sound"), 422, parley.CodeMediaUnreadable, "", "WAV"},
		{"an upload that is a picture", "PUT", "/v1/media/picture.wav", text("\x89PNG\r\n\x1a\n" + strings.Repeat("x", 400)), 422, parley.CodeMediaUnreadable, "", "89 50 4e 47"},
		{"an upload that is cut short", "PUT", "/v1/media/cut.wav", bytes.NewReader(cut(wave)), 422, parley.CodeMediaUnreadable, "", ""},
		{"an upload that is too long", "PUT", "/v1/media/long.wav", bytes.NewReader(bytes.Repeat(wave, 8)), 413, parley.CodeTooLarge, "", "100000"},
		{"an unknown file", "GET", "/v1/media/no.wav", nil, 404, parley.CodeMediaNotFound, "", ""},
		{"to delete an unknown file", "DELETE", "/v1/media/no.wav", nil, 404, parley.CodeMediaNotFound, "", ""},
		{"an unknown incoming call", "POST", "/v1/calls/" + nobody + "/answer", body{}, 404, parley.CodeNotFound, "", ""},
		{"an unknown call to hang up", "DELETE", "/v1/calls/" + nobody, nil, 404, parley.CodeNotFound, "", ""},
		{"a webhook that leads nowhere", "POST", "/v1/webhooks", body{"url": "ftp://example.com"}, 422, parley.CodeWebhookURL, "url", ""},
		{"a webhook for no event", "POST", "/v1/webhooks", body{"url": h.app.URL, "events": []string{"conf.begin"}}, 422, parley.CodeInvalid, "events[0]", ""},
		{"a limit of nothing", "GET", conferences + "?limit=0", nil, 422, parley.CodeInvalid, "limit", ""},
		{"a filter that does not exist", "GET", conferences + "?status=active", nil, 422, parley.CodeUnknownField, "status", ""},
		{"events after none", "GET", "/v1/events?after=evt_1", nil, 422, parley.CodeInvalid, "after", "evt_"},
		{"a path that does not exist", "GET", "/v1/rooms", nil, 404, parley.CodeNotFound, "", ""},
		{"a method that does not exist", "PUT", conferences, body{}, 405, parley.CodeMethodNotAllowed, "", "POST"},
	}
	before := h.rows()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := h.Refused(tt.method, tt.path, tt.body)
			equal(t, "status", p.Status, tt.status)
			equal(t, "code", p.Code, tt.code)
			equal(t, "field", p.Field, tt.field)
			if !strings.Contains(p.Detail, tt.says) || p.Detail == "" {
				t.Errorf("detail %q, want something with %q", p.Detail, tt.says)
			}
			if after := h.rows(); after != before {
				t.Errorf("something was done:\n%s\nbefore:\n%s", after, before)
			}
		})
	}
	h.noKey(conferences)
}

// text is a body as it is.
func text(s string) *strings.Reader { return strings.NewReader(s) }

// noKey asks with keys that are not valid.
func (h *house) noKey(path string) {
	h.t.Helper()
	for _, key := range []string{"", "wrong-key-123456", servertest.Key + "x", strings.ToUpper(servertest.Key)} {
		p := h.As(key).Refused(http.MethodGet, path, nil)
		equal(h.t, "status without a key", p.Status, 401)
		equal(h.t, "code without a key", p.Code, parley.CodeUnauthorized)
	}
}

// over is a conference that has ended.
func (h *house) over() *conf {
	c := h.conference(body{})
	c.end()
	return c
}

// create creates a conference and waits for nothing.
func (h *house) create(settings body) *conf {
	h.t.Helper()
	var made struct{ ID string }
	h.Must(http.MethodPost, "/v1/conferences", settings, &made)
	return &conf{h, made.ID}
}

// application makes another application, and gives a key of it.
func (h *house) application(name string) (key string) {
	h.t.Helper()
	var app struct{ ID string }
	h.Must(http.MethodPost, "/v1/applications", body{"name": name}, &app)
	var made struct{ Key string }
	h.Must(http.MethodPost, "/v1/keys", body{"application": app.ID}, &made)
	return made.Key
}

// TestBadMoment asks for what is right, at the wrong time.
func TestBadMoment(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	h.upload("beep.wav", audiotest.Tone(rate, 600, -25, 300*time.Millisecond))
	c := h.conference(body{"max_parts": 2})
	anna := c.invite(h.Phone("anna", nil), nil)
	slow := h.Phone("ben", func(cfg *phone.Config) { cfg.Answering.Wait = true })
	ben := c.call(slow, nil)
	refused := func(method, path string, ask body, code parley.Code, field string) {
		t.Helper()
		p := h.Refused(method, path, ask)
		if p.Status != http.StatusConflict || p.Code != code || p.Field != field {
			t.Errorf("%s %s: %+v, want 409 %s %q", method, path, p, code, field)
		}
	}
	participants := c.path("participants")
	refused("POST", participants, body{"to": "sip:a@127.0.0.1"}, parley.CodeConferenceFull, "")
	refused("POST", participants, body{"call_id": anna.id}, parley.CodeCallInConference, "call_id")
	refused("POST", participants, body{"call_id": ben.id}, parley.CodeNotJoined, "call_id")
	refused("PATCH", c.path("participants", ben.id), body{"hold": true}, parley.CodeNotJoined, "hold")
	refused("POST", c.path("playbacks"), body{"files": []string{"beep.wav"}, "to": []string{ben.id}}, parley.CodeNotJoined, "to[0]")
	anna.hangup()
	c.wait(parley.EventConfQuit, 1)
	refused("PATCH", c.path("participants", anna.id), body{"muted": true}, parley.CodeParticipantGone, "")
	refused("DELETE", c.path("participants", anna.id), nil, parley.CodeParticipantGone, "")
	h.about(parley.EventCallEnded, "call_id", anna.id)
	refused("DELETE", "/v1/calls/"+anna.id, nil, parley.CodeCallEnded, "")
	refused("POST", "/v1/calls/"+anna.id+"/answer", body{}, parley.CodeCallEnded, "")
	var play struct {
		ID string `json:"playback_id"`
	}
	h.Must("POST", c.path("playbacks"), body{"files": []string{"beep.wav"}}, &play)
	c.wait(parley.EventConfPlayEnd, 1)
	refused("DELETE", c.path("playbacks", play.ID), nil, parley.CodePlaybackEnded, "")
	var rec struct {
		ID string `json:"recording_id"`
	}
	h.Must("POST", c.path("recordings"), body{}, &rec)
	refused("POST", c.path("recordings"), body{}, parley.CodeRecordingActive, "")
	refused("DELETE", "/v1/recordings/"+rec.ID, nil, parley.CodeRecordingLive, "")
	if p := h.Refused("PATCH", c.path("recordings", rec.ID), body{"state": "gone"}); p.Code != parley.CodeInvalid || p.Field != "state" {
		t.Errorf("a state that does not exist: %+v", p)
	}
	h.Must("PATCH", c.path("recordings", rec.ID), body{"state": "stopped"}, nil)
	refused("PATCH", c.path("recordings", rec.ID), body{"state": "paused"}, parley.CodeRecordingEnded, "")
	c.end()
	if end := ended(t, ben.Call); end.Reason != phone.RemoteCancel {
		t.Errorf("the call that was not answered ended with %v, want a CANCEL", end)
	}
	refused("PATCH", c.path("participants", ben.id), body{"muted": true}, parley.CodeConferenceEnded, "")
}

// TestBadStart starts servers that cannot run: each says why, in the words of
// the command's options, and leaves nothing behind.
func TestBadStart(t *testing.T) {
	t.Parallel()
	used, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = used.Close() }()
	busy, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = busy.Close() }()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*server.Config)
		says   []string
	}{
		{"a port of the API that is in use", func(c *server.Config) { c.HTTP = used.Addr().String() }, []string{"http", used.Addr().String(), "in use"}},
		{"a port of SIP that is in use", func(c *server.Config) { c.SIP.Addr = busy.LocalAddr().String() }, []string{"sip", busy.LocalAddr().String(), "in use"}},
		{"too few ports for sound", func(c *server.Config) { c.RTP.PortMin, c.RTP.PortMax = 20000, 20001 }, []string{"rtp-ports", "20000-20001"}},
		{"too few ports for so many shards", func(c *server.Config) { c.RTP.PortMin, c.RTP.PortMax, c.RTP.Shards = 20000, 20007, 5 }, []string{"rtp-ports", "20000-20007"}},
		{"data below a file", func(c *server.Config) { c.Data = filepath.Join(file, "data") }, []string{"data", file}},
		{"data that cannot be written", func(c *server.Config) { c.Data = "/proc" }, []string{"data", "written"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := servertest.Config(t)
			tt.change(&cfg)
			s, err := server.Start(t.Context(), cfg)
			if err == nil {
				_ = s.Stop(t.Context())
				t.Fatal("it started")
			}
			for _, word := range tt.says {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not name %q", err, word)
				}
			}
			// What had been started was given back: the same data serve.
			again := servertest.Config(t)
			if again.Data = cfg.Data; strings.HasPrefix(tt.name, "data") {
				return
			}
			if s, err = server.Start(t.Context(), again); err != nil {
				t.Fatalf("afterwards, with the same data: %v", err)
			}
			if err := s.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSecondProcess has two processes on one data directory: the second does
// not start, and the first goes on.
func TestSecondProcess(t *testing.T) {
	t.Parallel()
	first := servertest.Spawn(t, t.TempDir(), 20000, 29999)
	cfg := servertest.Config(t)
	cfg.Data = first.Data
	s, err := server.Start(t.Context(), cfg)
	if err == nil {
		_ = s.Stop(t.Context())
		t.Fatal("two servers on one data directory")
	}
	if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), first.Data) {
		t.Errorf("%q does not say that %s is in use", err, first.Data)
	}
	first.Must(http.MethodPost, "/v1/conferences", body{}, nil)
}

// TestStrangePackets throws bytes at the SIP port that are no messages, and
// messages that nobody asked for: the server goes on.
func TestStrangePackets(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c := h.conference(body{"dial_in": true})
	anna := c.invite(h.Phone("anna", tone(440, -20)), nil)
	ben := c.invite(h.Phone("ben", nil), nil)
	for _, network := range []string{"udp", "tcp"} {
		k, err := net.Dial(network, h.SIP.String())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []string{
			"\x00", "\r\n\r\n", "INVITE", "BYE sip:x SIP/2.0\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n", strings.Repeat("\xff", 1400),
			"INVITE sip:x@y SIP/2.0\r\nContent-Length: -1\r\n\r\n", "OPTIONS sip:x SIP/2.0\r\nContent-Length: 99999999999999999999\r\n\r\n",
			"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		} {
			if _, err := k.Write([]byte(m)); err != nil && network == "udp" {
				t.Fatal(err)
			}
		}
		_ = k.Close()
	}
	ben.hearsTone(440, -20)
	chen := c.dialIn(h.Phone("chen", nil), c.id)
	chen.hearsTone(440, -20)
	anna.hangup()
	c.wait(parley.EventConfQuit, 1)
	var shown struct{ Participants []json.RawMessage }
	c.Must(http.MethodGet, c.path(), nil, &shown)
	equal(t, "participants", len(shown.Participants), 2)
}
