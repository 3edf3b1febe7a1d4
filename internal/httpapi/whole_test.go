package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"parley"
	"parley/client"
	"parley/internal/apispec"
	"parley/internal/audiotest"
	"parley/internal/phone"
	"parley/internal/servertest"
)

// whole is a server with everything behind the edge; every answer is held
// against the document that it serves.
type whole struct {
	t testing.TB
	*servertest.Server
	spec *apispec.Spec
}

func newWhole(t testing.TB) *whole {
	t.Helper()
	s := servertest.Start(t, nil)
	spec, err := apispec.New(s.Send("GET", "/openapi.json", nil).Body)
	if err != nil {
		t.Fatal(err)
	}
	return &whole{t, s, spec}
}

// ask sends a request with a body as it stands.
func (w *whole) ask(method, path, body string, header ...string) servertest.Answer {
	w.t.Helper()
	var b any
	if body != "" {
		b = strings.NewReader(body)
	}
	a := w.Send(method, path, b, header...)
	bare, _, _ := strings.Cut(path, "?")
	if err := w.spec.CheckAnswer(method, bare, a.Status, a.Header, a.Body); err != nil {
		w.t.Error(err)
	}
	return a
}

// must is ask for what has to succeed; out, if not nil, takes the answer.
func (w *whole) must(method, path, body string, out any) {
	w.t.Helper()
	a := w.ask(method, path, body)
	if a.Status/100 != 2 {
		w.t.Fatalf("%s %s: %d %s", method, path, a.Status, a.Body)
	}
	if out != nil {
		if err := json.Unmarshal(a.Body, out); err != nil {
			w.t.Fatal(err)
		}
	}
}

// id is must for what makes something: the ID in the field.
func (w *whole) id(method, path, body, field string) string {
	w.t.Helper()
	var fields map[string]any
	w.must(method, path, body, &fields)
	id, _ := fields[field].(string)
	return id
}

// until asks for a path until the answer says what is wanted.
func (w *whole) until(path, says string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), servertest.Patience)
	defer cancel()
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		a := w.ask("GET", path, "")
		if strings.Contains(string(a.Body), says) {
			tick.Stop()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			w.t.Fatalf("%s never said %s: %s", path, says, a.Body)
		}
	}
}

// Every resource, with a real conference behind it.
func TestWholeAPI(t *testing.T) {
	w := newWhole(t)
	receiver := servertest.Receive(t)
	hook := receiver.Webhook(w.Server, "", "*")
	answering := w.Phone("anna", nil)
	chime := string(audiotest.WAV(8000, audiotest.Tone(8000, 440, -20, 300*time.Millisecond)))

	w.must("PUT", "/v1/media/chime%20one.wav", chime, nil)
	w.must("PUT", "/v1/media/chime%20one.wav", chime, nil)
	w.must("GET", "/v1/media", "", nil)
	if got := w.ask("GET", "/v1/media/chime%20one.wav", ""); string(got.Body) != chime {
		t.Errorf("the media file came back with %d bytes, want %d", len(got.Body), len(chime))
	}

	data := `"\u0000\ud83d\ude00<&>\u2028"`
	conf := "/v1/conferences/" + w.id("POST", "/v1/conferences", `{"name":"weekly","dial_in":true,"user_data":`+data+`}`, "id")
	w.until(conf, `"state":"active"`)
	w.must("GET", "/v1/conferences?state=active", "", nil)
	part := conf + "/participants/" + w.id("POST", conf+"/participants", fmt.Sprintf(`{"to":%q,"user_data":"anna"}`, answering.URI()), "call_id")
	w.until(part, `"state":"joined"`)
	w.until(part, `"codec":"PCM`)
	w.must("GET", conf+"/participants", "", nil)
	w.must("PATCH", part, `{"muted":true,"gain_db":-3}`, nil)

	play := conf + "/playbacks/" + w.id("POST", conf+"/playbacks", `{"files":["chime one.wav"],"loop":true}`, "playback_id")
	w.must("GET", play, "", nil)
	w.must("GET", conf+"/playbacks", "", nil)
	recording := w.id("POST", conf+"/recordings", `{"user_data":"minutes"}`, "recording_id")
	w.must("PATCH", conf+"/recordings/"+recording, `{"state":"paused"}`, nil)
	w.must("PATCH", conf+"/recordings/"+recording, `{"state":"recording"}`, nil)
	if got := w.ask("GET", "/v1/recordings/"+recording+"/content", ""); got.Status != 200 || !bytes.HasPrefix(got.Body, []byte("RIFF")) {
		t.Errorf("a recording that goes on: %d %s", got.Status, got.Body)
	}
	w.must("PATCH", conf+"/recordings/"+recording, `{"state":"stopped"}`, nil)
	w.must("GET", "/v1/recordings?state=ended", "", nil)
	w.must("GET", "/v1/recordings/"+recording, "", nil)
	if got := w.ask("GET", "/v1/recordings/"+recording+"/content", "", "Range", "bytes=0-3"); got.Status != 206 || string(got.Body) != "RIFF" {
		t.Errorf("the beginning of the recording: %d %q", got.Status, got.Body)
	}
	w.must("DELETE", play, "", nil)

	calls(t, w, conf)
	operations(w, hook)
	w.must("DELETE", part, "", nil)
	w.must("DELETE", conf, "", nil)
	w.must("GET", conf, "", nil)
	w.must("GET", conf+"/participants?state=all", "", nil)
	w.must("DELETE", "/v1/recordings/"+recording, "", nil)
	w.must("DELETE", "/v1/media/chime%20one.wav", "", nil)

	var list struct {
		Items []json.RawMessage `json:"items"`
	}
	id := strings.TrimPrefix(conf, "/v1/conferences/")
	w.must("GET", "/v1/events?limit=1000&conference="+id, "", &list)
	ended := receiver.Wait(parley.EventConfEnd, 1)[0]
	if last := list.Items[len(list.Items)-1]; !bytes.Equal(last, ended.Body) {
		t.Errorf("the list ends with %s, the callback was %s", last, ended.Body)
	}
	if !strings.Contains(string(ended.Body), `"user_data":"\u0000😀<&>\u2028"`) {
		t.Errorf("user_data is not what came: %s", ended.Body)
	}
	w.until("/v1/webhooks/"+hook+"/deliveries?state=succeeded", `"event":"conf.end"`)
	w.must("POST", "/v1/webhooks/"+hook+"/replay", `{"conference":"`+id+`","from_seq":1}`, nil)
}

// calls tries what can be done with calls outside conferences.
func calls(t *testing.T, w *whole, conf string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	caller := w.Phone("caller", nil)
	ring := func() string {
		if _, err := caller.Dial(ctx, "sip:hotline@"+w.SIP.String()); err != nil {
			t.Fatal(err)
		}
		w.until("/v1/calls?state=ringing", `"state":"ringing"`)
		var list struct {
			Items []struct {
				ID string `json:"call_id"`
			}
		}
		w.must("GET", "/v1/calls?state=ringing", "", &list)
		return list.Items[0].ID
	}
	rejected, inside, alone := ring(), "", ""
	w.must("POST", "/v1/calls/"+rejected+"/reject", `{"status":486}`, nil)
	w.until("/v1/calls/"+rejected, `"state":"ended"`)
	inside = ring()
	w.must("POST", "/v1/calls/"+inside+"/answer", `{"conference":"`+strings.TrimPrefix(conf, "/v1/conferences/")+`"}`, nil)
	w.until(conf+"/participants/"+inside, `"state":"joined"`)
	w.must("DELETE", conf+"/participants/"+inside+"?hangup=false", "", nil)
	w.until("/v1/calls/"+inside, `"state":"up"`)
	w.must("POST", conf+"/participants", `{"call_id":"`+inside+`"}`, nil)
	alone = ring()
	w.must("POST", "/v1/calls/"+alone+"/answer", "", nil)
	w.until("/v1/calls/"+alone, `"state":"up"`)
	w.must("DELETE", "/v1/calls/"+alone, "", nil)
	w.must("GET", "/v1/calls", "", nil)
}

// operations tries webhooks, trunks, applications and keys.
func operations(w *whole, hook string) {
	w.t.Helper()
	w.must("GET", "/v1/webhooks", "", nil)
	w.must("GET", "/v1/webhooks/"+hook, "", nil)
	other := "/v1/webhooks/" + w.id("POST", "/v1/webhooks", `{"url":"http://127.0.0.1:1/","format":"seed"}`, "id")
	w.must("PATCH", other, `{"disabled":true,"rotate_secret":true,"events":["conf.end"]}`, nil)
	w.must("GET", other+"/deliveries", "", nil)
	w.must("DELETE", other, "", nil)
	const trunk = `{"name":"carrier","host":"127.0.0.1:5099","username":"u","password":"p","prefixes":["+86"]}`
	t := "/v1/trunks/" + w.id("POST", "/v1/trunks", trunk, "id")
	w.must("GET", t, "", nil)
	w.must("PUT", t, trunk, nil)
	w.must("GET", "/v1/trunks", "", nil)
	w.must("DELETE", t, "", nil)
	app := w.id("POST", "/v1/applications", `{"name":"support"}`, "id")
	w.must("GET", "/v1/applications", "", nil)
	key := w.id("POST", "/v1/keys", `{"application":"`+app+`"}`, "id")
	w.must("GET", "/v1/keys?application="+app, "", nil)
	w.must("DELETE", "/v1/keys/"+key, "", nil)
}

// What the use cases refuse: status, code and field, and nothing half done.
func TestWholeBadInput(t *testing.T) {
	w := newWhole(t)
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	const nobody = "0197c2f3a1b27def8123456789abcdef"
	conf := "/v1/conferences/" + w.id("POST", "/v1/conferences", `{"name":"weekly","max_parts":2}`, "id")
	ended := "/v1/conferences/" + w.id("POST", "/v1/conferences", `{}`, "id")
	w.must("DELETE", ended, "", nil)
	full := "/v1/conferences/" + w.id("POST", "/v1/conferences", `{"max_parts":1}`, "id")
	silent := w.Phone("silent", func(c *phone.Config) { c.Answering.Wait = true })
	w.must("POST", full+"/participants", fmt.Sprintf(`{"to":%q}`, silent.URI()), nil)
	dialing := w.id("POST", conf+"/participants", fmt.Sprintf(`{"to":%q}`, silent.URI()), "call_id")
	anna := w.Phone("anna", nil)
	gone := w.id("POST", conf+"/participants", fmt.Sprintf(`{"to":%q}`, anna.URI()), "call_id")
	call, err := anna.NextCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w.until(conf+"/participants/"+gone, `"state":"joined"`)
	if err := call.Hangup(ctx); err != nil {
		t.Fatal(err)
	}
	w.until(conf+"/participants/"+gone, `"state":"left"`)
	recording := w.id("POST", conf+"/recordings", "", "recording_id")
	chime := string(audiotest.WAV(8000, audiotest.Tone(8000, 440, -20, 100*time.Millisecond)))
	w.must("PUT", "/v1/media/a.wav", chime, nil)
	over := w.id("POST", conf+"/playbacks", `{"files":["a.wav"]}`, "playback_id")
	w.until(conf+"/playbacks/"+over, `"state":"ended"`)
	app := w.id("POST", "/v1/applications", `{"name":"other"}`, "id")
	var key struct{ Key string }
	w.must("POST", "/v1/keys", `{"application":"`+app+`"}`, &key)
	foreign := []string{"Authorization", "Bearer " + key.Key}

	long := func(n int) string { return strings.Repeat("x", n) }
	tests := []struct {
		name, method, path, body string
		status                   int
		code                     parley.Code
		field                    string
	}{
		{"max_parts 0", "POST", "/v1/conferences", `{"max_parts":0}`, 422, parley.CodeInvalid, "max_parts"},
		{"max_parts negative", "POST", "/v1/conferences", `{"max_parts":-1}`, 422, parley.CodeInvalid, "max_parts"},
		{"max_parts beyond the limit", "POST", "/v1/conferences", `{"max_parts":3001}`, 422, parley.CodeInvalid, "max_parts"},
		{"max_duration 0", "POST", "/v1/conferences", `{"max_duration":0}`, 422, parley.CodeInvalid, "max_duration"},
		{"max_duration beyond the limit", "POST", "/v1/conferences", `{"max_duration":86401}`, 422, parley.CodeInvalid, "max_duration"},
		{"user_data of 4097 bytes", "POST", "/v1/conferences", `{"user_data":"` + long(4097) + `"}`, 422, parley.CodeInvalid, "user_data"},
		{"user_data of 2049 umlauts", "POST", "/v1/conferences", `{"user_data":"` + strings.Repeat("ä", 2049) + `"}`, 422, parley.CodeInvalid, "user_data"},
		{"two live conferences of one name", "POST", "/v1/conferences", `{"name":"weekly"}`, 409, parley.CodeNameTaken, "name"},
		{"name with a space", "POST", "/v1/conferences", `{"name":"our weekly"}`, 422, parley.CodeInvalid, "name"},
		{"name that is an address", "POST", "/v1/conferences", `{"name":"a@b"}`, 422, parley.CodeInvalid, "name"},
		{"name too long", "POST", "/v1/conferences", `{"name":"` + long(129) + `"}`, 422, parley.CodeInvalid, "name"},
		{"bgm_file with a path", "POST", "/v1/conferences", `{"bgm_file":"../a.wav"}`, 422, parley.CodeInvalid, "bgm_file"},
		{"unknown conference", "GET", "/v1/conferences/" + nobody, ``, 404, parley.CodeNotFound, ""},
		{"ending it again", "DELETE", ended, ``, 409, parley.CodeConferenceEnded, ""},
		{"limit beyond the limit", "GET", "/v1/conferences?limit=1001", ``, 422, parley.CodeInvalid, "limit"},
		{"to empty", "POST", conf + "/participants", `{"to":""}`, 422, parley.CodeInvalid, "to"},
		{"neither to nor call_id", "POST", conf + "/participants", `{}`, 422, parley.CodeInvalid, "to"},
		{"both to and call_id", "POST", conf + "/participants", `{"to":"1","call_id":"` + nobody + `"}`, 422, parley.CodeInvalid, "call_id"},
		{"to neither number nor URI", "POST", conf + "/participants", `{"to":"alice at home"}`, 422, parley.CodeInvalid, "to"},
		{"to a mail address", "POST", conf + "/participants", `{"to":"mailto:alice@example.com"}`, 422, parley.CodeInvalid, "to"},
		{"to with a header in it", "POST", conf + "/participants", `{"to":"sip:a@b\r\nRoute: x"}`, 422, parley.CodeInvalid, "to"},
		{"number with no trunk", "POST", conf + "/participants", `{"to":"+8613800138000"}`, 422, parley.CodeNoTrunk, "to"},
		{"from neither number nor URI", "POST", conf + "/participants", `{"to":"sip:a@127.0.0.1","from":"x y"}`, 422, parley.CodeInvalid, "from"},
		{"max_dial_duration 0", "POST", conf + "/participants", `{"to":"sip:a@127.0.0.1","max_dial_duration":0}`, 422, parley.CodeInvalid, "max_dial_duration"},
		{"max_duration 0, invite", "POST", conf + "/participants", `{"to":"sip:a@127.0.0.1","max_duration":0}`, 422, parley.CodeInvalid, "max_duration"},
		{"gain_db too loud", "POST", conf + "/participants", `{"to":"sip:a@127.0.0.1","gain_db":21}`, 422, parley.CodeInvalid, "gain_db"},
		{"play_file missing", "POST", conf + "/participants", `{"to":"sip:a@127.0.0.1","play_file":"b.wav"}`, 422, parley.CodeMediaNotFound, "play_file"},
		{"unknown call", "POST", conf + "/participants", `{"call_id":"` + nobody + `"}`, 404, parley.CodeNotFound, "call_id"},
		{"a call that rings there", "POST", conf + "/participants", `{"call_id":"` + dialing + `"}`, 409, parley.CodeNotJoined, "call_id"},
		{"full, invites in flight counted", "POST", full + "/participants", `{"to":"sip:a@127.0.0.1"}`, 409, parley.CodeConferenceFull, ""},
		{"into one that has ended", "POST", ended + "/participants", `{"to":"sip:a@127.0.0.1"}`, 409, parley.CodeConferenceEnded, ""},
		{"into none", "POST", "/v1/conferences/" + nobody + "/participants", `{"to":"sip:a@127.0.0.1"}`, 404, parley.CodeNotFound, ""},
		{"unknown participant", "PATCH", conf + "/participants/" + nobody, `{"muted":true}`, 404, parley.CodeNotFound, ""},
		{"participant already gone", "PATCH", conf + "/participants/" + gone, `{"muted":true}`, 409, parley.CodeParticipantGone, ""},
		{"removing one who has gone", "DELETE", conf + "/participants/" + gone, ``, 409, parley.CodeParticipantGone, ""},
		{"gain_db too low", "PATCH", conf + "/participants/" + dialing, `{"gain_db":-41}`, 422, parley.CodeInvalid, "gain_db"},
		{"hold of one who has not joined", "PATCH", conf + "/participants/" + dialing, `{"hold":true}`, 409, parley.CodeNotJoined, "hold"},
		{"no files", "POST", conf + "/playbacks", `{"files":[]}`, 422, parley.CodeInvalid, "files"},
		{"101 files", "POST", conf + "/playbacks", `{"files":["a.wav"` + strings.Repeat(`,"a.wav"`, 100) + `]}`, 422, parley.CodeInvalid, "files"},
		{"an empty file name", "POST", conf + "/playbacks", `{"files":["a.wav",""]}`, 422, parley.CodeInvalid, "files[1]"},
		{"file missing", "POST", conf + "/playbacks", `{"files":["a.wav","b.wav"]}`, 422, parley.CodeMediaNotFound, "files[1]"},
		{"file with a path", "POST", conf + "/playbacks", `{"files":["../../etc/passwd"]}`, 422, parley.CodeInvalid, "files[0]"},
		{"playing to one who is not there", "POST", conf + "/playbacks", `{"files":["a.wav"],"to":["` + nobody + `"]}`, 409, parley.CodeNotJoined, "to[0]"},
		{"playing to one who has gone", "POST", conf + "/playbacks", `{"files":["a.wav"],"to":["` + gone + `"]}`, 409, parley.CodeNotJoined, "to[0]"},
		{"unknown playback", "DELETE", conf + "/playbacks/" + nobody, ``, 404, parley.CodeNotFound, ""},
		{"playback that is over", "DELETE", conf + "/playbacks/" + over, ``, 409, parley.CodePlaybackEnded, ""},
		{"a second recording", "POST", conf + "/recordings", ``, 409, parley.CodeRecordingActive, ""},
		{"max_duration 0, recording", "POST", full + "/recordings", `{"max_duration":0}`, 422, parley.CodeInvalid, "max_duration"},
		{"no state of a recording", "PATCH", conf + "/recordings/" + recording, `{"state":"ended"}`, 422, parley.CodeInvalid, "state"},
		{"unknown recording", "PATCH", conf + "/recordings/" + nobody, `{"state":"paused"}`, 404, parley.CodeNotFound, ""},
		{"deleting a recording that goes on", "DELETE", "/v1/recordings/" + recording, ``, 409, parley.CodeRecordingLive, ""},
		{"unknown recording's content", "GET", "/v1/recordings/" + nobody + "/content", ``, 404, parley.CodeNotFound, ""},
		{"media name with a path", "PUT", "/v1/media/b/a.wav", chime, 422, parley.CodeInvalid, "name"},
		{"media name that climbs", "PUT", "/v1/media/..%2F..%2Fa.wav", chime, 422, parley.CodeInvalid, "name"},
		{"media name with a zero byte", "PUT", "/v1/media/a%00.wav", chime, 422, parley.CodeInvalid, "name"},
		{"media name too long", "PUT", "/v1/media/" + long(129), chime, 422, parley.CodeInvalid, "name"},
		{"upload that is no audio", "PUT", "/v1/media/b.wav", "%PDF-1.7 hello", 422, parley.CodeMediaUnreadable, ""},
		{"upload that is empty", "PUT", "/v1/media/b.wav", ``, 422, parley.CodeMediaUnreadable, ""},
		{"upload cut short", "PUT", "/v1/media/b.wav", chime[:30], 422, parley.CodeMediaUnreadable, ""},
		{"unknown media file", "GET", "/v1/media/b.wav", ``, 404, parley.CodeMediaNotFound, ""},
		{"deleting an unknown media file", "DELETE", "/v1/media/b.wav", ``, 404, parley.CodeMediaNotFound, ""},
		{"unknown call by its path", "GET", "/v1/calls/" + nobody, ``, 404, parley.CodeNotFound, ""},
		{"hanging up a call that is over", "DELETE", "/v1/calls/" + gone, ``, 409, parley.CodeCallEnded, ""},
		{"answering a call that is over", "POST", "/v1/calls/" + gone + "/answer", ``, 409, parley.CodeCallEnded, ""},
		{"answering a call of our own", "POST", "/v1/calls/" + dialing + "/answer", ``, 422, parley.CodeInvalid, ""},
		{"rejecting with a success", "POST", "/v1/calls/" + dialing + "/reject", `{"status":200}`, 422, parley.CodeInvalid, "status"},
		{"after what is no event_id", "GET", "/v1/events?after=7", ``, 422, parley.CodeInvalid, "after"},
		{"after an unknown event", "GET", "/v1/events?after=evt_" + nobody + "_1", ``, 404, parley.CodeNotFound, "after"},
		{"stream after an unknown event", "GET", "/v1/events/stream?after=evt_" + nobody + "_1", ``, 404, parley.CodeNotFound, "after"},
		{"webhook without a scheme", "POST", "/v1/webhooks", `{"url":"example.com"}`, 422, parley.CodeWebhookURL, "url"},
		{"webhook by ftp", "POST", "/v1/webhooks", `{"url":"ftp://example.com"}`, 422, parley.CodeWebhookURL, "url"},
		{"unknown format", "POST", "/v1/webhooks", `{"url":"http://127.0.0.1","format":"xml"}`, 422, parley.CodeInvalid, "format"},
		{"unknown event type", "POST", "/v1/webhooks", `{"url":"http://127.0.0.1","events":["conf.end","conf.entered"]}`, 422, parley.CodeInvalid, "events[1]"},
		{"secret that is none", "POST", "/v1/webhooks", `{"url":"http://127.0.0.1","secret":"hush"}`, 422, parley.CodeInvalid, "secret"},
		{"unknown webhook", "PATCH", "/v1/webhooks/" + nobody, `{"disabled":true}`, 404, parley.CodeNotFound, ""},
		{"unknown webhook's deliveries", "GET", "/v1/webhooks/" + nobody + "/deliveries", ``, 404, parley.CodeNotFound, ""},
		{"unknown webhook's replay", "POST", "/v1/webhooks/" + nobody + "/replay", `{"dead":true}`, 404, parley.CodeNotFound, ""},
		{"trunk without a host", "POST", "/v1/trunks", `{"name":"n","host":""}`, 422, parley.CodeInvalid, "host"},
		{"trunk by carrier pigeon", "POST", "/v1/trunks", `{"name":"n","host":"h","transport":"pigeon"}`, 422, parley.CodeInvalid, "transport"},
		{"trunk's prefix no number", "POST", "/v1/trunks", `{"name":"n","host":"h","prefixes":["+86","abc"]}`, 422, parley.CodeInvalid, "prefixes[1]"},
		{"trunk's address no address", "POST", "/v1/trunks", `{"name":"n","host":"h","addresses":["300.0.0.1"]}`, 422, parley.CodeInvalid, "addresses[0]"},
		{"unknown trunk", "DELETE", "/v1/trunks/" + nobody, ``, 404, parley.CodeNotFound, ""},
		{"application without a name", "POST", "/v1/applications", `{"name":""}`, 422, parley.CodeInvalid, "name"},
		{"key of an unknown application", "POST", "/v1/keys", `{"application":"` + nobody + `"}`, 404, parley.CodeNotFound, ""},
		{"unknown key", "DELETE", "/v1/keys/" + nobody, ``, 404, parley.CodeNotFound, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &whole{t, w.Server, w.spec}
			got := w.ask(tt.method, tt.path, tt.body)
			var p servertest.Problem
			if err := json.Unmarshal(got.Body, &p); err != nil {
				t.Fatalf("%d %s", got.Status, got.Body)
			}
			if got.Status != tt.status || p.Code != tt.code || p.Field != tt.field || p.Detail == "" {
				t.Errorf("got %d %s, want %d %s about %q", got.Status, got.Body, tt.status, tt.code, tt.field)
			}
		})
	}
	for _, path := range []string{
		conf, conf + "/participants", conf + "/participants/" + gone, conf + "/playbacks", conf + "/playbacks/" + over,
		"/v1/recordings/" + recording, "/v1/recordings/" + recording + "/content", "/v1/media/a.wav", "/v1/calls/" + gone,
	} {
		if got := w.ask("GET", path, "", foreign...); got.Status != http.StatusNotFound {
			t.Errorf("another application sees %s: %d %s", path, got.Status, got.Body)
		}
	}
	if got := w.ask("GET", "/v1/applications", "", foreign...); got.Status != http.StatusForbidden {
		t.Errorf("a key that is no operator's: %d %s", got.Status, got.Body)
	}
}

// The client follows a real stream from its beginning, and goes on after a
// given event.
func TestWholeStream(t *testing.T) {
	w := newWhole(t)
	api := client.New(w.URL, w.Key)
	ctx, cancel := context.WithTimeout(t.Context(), servertest.Patience)
	defer cancel()
	first, err := api.CreateConference(ctx, client.ConferenceRequest{Name: "first"})
	if err != nil {
		t.Fatal(err)
	}
	w.until("/v1/conferences/"+string(first.ID), `"state":"active"`)
	stream := api.Stream(ctx, client.StreamOptions{After: parley.EventID(first.ID, 1)})
	defer stream.Close()
	if _, err := api.EndConference(ctx, first.ID); err != nil {
		t.Fatal(err)
	}
	e, err := stream.Next()
	if err != nil || e.Type != parley.EventConfEnd || e.ID != parley.EventID(first.ID, 2) {
		t.Fatalf("got %+v, %v, want conf.end", e, err)
	}
	page, err := api.Events(ctx, client.EventOptions{Conference: first.ID})
	if err != nil || len(page.Items) != 2 || !bytes.Equal(page.Items[1].Body, e.Body) {
		t.Errorf("the list has %+v (%v), the stream %s", page, err, e.Body)
	}
}

// A POST with an Idempotency-Key is done once, however often it comes.
func TestWholeIdempotency(t *testing.T) {
	w := newWhole(t)
	post := func() servertest.Answer {
		return w.ask("POST", "/v1/conferences", `{"user_data":"once"}`, "Idempotency-Key", "order-4711")
	}
	first, again := post(), post()
	if first.Status != 201 || !bytes.Equal(first.Body, again.Body) || first.Header.Get("Location") != again.Header.Get("Location") ||
		again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("got %d %s, then %d %s %v", first.Status, first.Body, again.Status, again.Body, again.Header)
	}
	var list struct{ Items []json.RawMessage }
	w.must("GET", "/v1/conferences", "", &list)
	if len(list.Items) != 1 {
		t.Errorf("%d conferences were made", len(list.Items))
	}
	if other := w.ask("POST", "/v1/conferences", `{}`, "Idempotency-Key", "order-4711"); other.Status != 422 {
		t.Errorf("another request: %d %s", other.Status, other.Body)
	}
}
