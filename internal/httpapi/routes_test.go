package httpapi

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"parley"
	"parley/internal/control"
)

const conferencePath = "/v1/conferences/" + string(confID)

// Each use case is reached with exactly what the request says.
func TestRequests(t *testing.T) {
	tests := []struct {
		method, path, body string
		status             int
		called             string
		with               any
		location           string
	}{
		{"POST", "/v1/conferences", ``, 201, "CreateConference", control.ConferenceRequest{}, conferencePath},
		{"POST", "/v1/conferences", `{"name":"weekly","max_duration":60,"max_parts":3,"recording":true,"bgm_file":"a.mp3","auto_hangup":false,"dial_in":true,"user_data":"x"}`, 201,
			"CreateConference", control.ConferenceRequest{Name: "weekly", MaxDuration: new(60), MaxParts: new(3), Recording: true, BGMFile: "a.mp3", AutoHangup: new(false), DialIn: true, UserData: new("x")}, conferencePath},
		{"POST", "/v1/conferences", `{"user_data":null}`, 201, "CreateConference", control.ConferenceRequest{}, conferencePath},
		{"GET", "/v1/conferences", ``, 200, "Conferences", control.ListRequest{}, ""},
		{"GET", "/v1/conferences?limit=20&cursor=abc&state=active", ``, 200, "Conferences", control.ListRequest{Limit: 20, Cursor: "abc", State: "active"}, ""},
		{"GET", "/v1/conferences?limit=&cursor=&state=", ``, 200, "Conferences", control.ListRequest{}, ""},
		{"GET", conferencePath, ``, 200, "Conference", confID, ""},
		{"HEAD", conferencePath, ``, 200, "Conference", confID, ""},
		{"DELETE", conferencePath, ``, 200, "EndConference", confID, ""},
		{"POST", conferencePath + "/participants", `{"to":"+8613800138000","from":"sip:me@x","max_dial_duration":9,"max_duration":10,"play_file":"a.wav","muted":true,"deaf":true,"gain_db":-2.5,"user_data":""}`, 201,
			"Invite", control.InviteRequest{To: "+8613800138000", From: "sip:me@x", MaxDialDuration: new(9), MaxDuration: new(10), PlayFile: "a.wav", Muted: true, Deaf: true, GainDB: -2.5, UserData: new("")},
			conferencePath + "/participants/" + string(callID)},
		{"POST", conferencePath + "/participants", `{"call_id":"` + string(callID) + `"}`, 201, "Invite", control.InviteRequest{CallID: callID}, conferencePath + "/participants/" + string(callID)},
		{"GET", conferencePath + "/participants?state=all", ``, 200, "Participants", control.ListRequest{State: "all"}, ""},
		{"GET", conferencePath + "/participants/" + string(callID), ``, 200, "Participant", callID, ""},
		{"PATCH", conferencePath + "/participants/" + string(callID), `{"muted":true,"hold":false,"gain_db":0}`, 200, "UpdateParticipant", control.ParticipantPatch{Muted: new(true), Hold: new(false), GainDB: new(0.0)}, ""},
		{"PATCH", conferencePath + "/participants/" + string(callID), `{}`, 200, "UpdateParticipant", control.ParticipantPatch{}, ""},
		{"DELETE", conferencePath + "/participants/" + string(callID), ``, 204, "RemoveParticipant", true, ""},
		{"DELETE", conferencePath + "/participants/" + string(callID) + "?hangup=false", ``, 204, "RemoveParticipant", false, ""},
		{"DELETE", conferencePath + "/participants/" + string(callID) + "?hangup=true", ``, 204, "RemoveParticipant", true, ""},
		{"POST", conferencePath + "/playbacks", `{"files":["a.wav","https://x/b.mp3"],"loop":true,"gain_db":3,"to":["` + string(callID) + `"],"user_data":"p"}`, 201,
			"Play", control.PlayRequest{Files: []string{"a.wav", "https://x/b.mp3"}, Loop: true, GainDB: 3, To: []parley.ID{callID}, UserData: new("p")}, conferencePath + "/playbacks/" + string(playbackID)},
		{"GET", conferencePath + "/playbacks?limit=1000", ``, 200, "Playbacks", control.ListRequest{Limit: 1000}, ""},
		{"GET", conferencePath + "/playbacks/" + string(playbackID), ``, 200, "Playback", playbackID, ""},
		{"DELETE", conferencePath + "/playbacks/" + string(playbackID), ``, 204, "StopPlayback", playbackID, ""},
		{"POST", conferencePath + "/recordings", `{"max_duration":60,"user_data":"r"}`, 201, "Record", control.RecordRequest{MaxDuration: new(60), UserData: new("r")}, "/v1/recordings/" + string(recordingID)},
		{"POST", conferencePath + "/recordings", ``, 201, "Record", control.RecordRequest{}, "/v1/recordings/" + string(recordingID)},
		{"PATCH", conferencePath + "/recordings/" + string(recordingID), `{"state":"paused"}`, 200, "SetRecording", "paused", ""},
		{"GET", "/v1/recordings?conference=" + string(confID) + "&state=ended&limit=2", ``, 200, "Recordings", []any{confID, control.ListRequest{Limit: 2, State: "ended"}}, ""},
		{"GET", "/v1/recordings", ``, 200, "Recordings", []any{parley.ID(""), control.ListRequest{}}, ""},
		{"GET", "/v1/recordings/" + string(recordingID), ``, 200, "Recording", recordingID, ""},
		{"GET", "/v1/recordings/" + string(recordingID) + "/content", ``, 200, "RecordingContent", recordingID, ""},
		{"DELETE", "/v1/recordings/" + string(recordingID), ``, 204, "DeleteRecording", recordingID, ""},
		{"GET", "/v1/media?cursor=x", ``, 200, "MediaFiles", control.ListRequest{Cursor: "x"}, ""},
		{"PUT", "/v1/media/a%20b.wav", `RIFF`, 200, "PutMedia", "a b.wav", ""},
		{"GET", "/v1/media/a.wav", ``, 200, "MediaContent", "a.wav", ""},
		{"DELETE", "/v1/media/a.wav", ``, 204, "DeleteMedia", "a.wav", ""},
		{"DELETE", "/v1/media/..%2Fa.wav", ``, 204, "DeleteMedia", "../a.wav", ""},
		{"GET", "/v1/calls?state=ringing", ``, 200, "Calls", control.ListRequest{State: "ringing"}, ""},
		{"GET", "/v1/calls/" + string(callID), ``, 200, "Call", callID, ""},
		{"POST", "/v1/calls/" + string(callID) + "/answer", `{"conference":"` + string(confID) + `","max_duration":5,"play_file":"a","muted":true,"deaf":true,"gain_db":1,"user_data":"c"}`, 200,
			"AnswerCall", control.AnswerRequest{Conference: confID, MaxDuration: new(5), PlayFile: "a", Muted: true, Deaf: true, GainDB: 1, UserData: new("c")}, ""},
		{"POST", "/v1/calls/" + string(callID) + "/answer", ``, 200, "AnswerCall", control.AnswerRequest{}, ""},
		{"POST", "/v1/calls/" + string(callID) + "/reject", `{"status":486}`, 204, "RejectCall", 486, ""},
		{"POST", "/v1/calls/" + string(callID) + "/reject", ``, 204, "RejectCall", 0, ""},
		{"DELETE", "/v1/calls/" + string(callID), ``, 204, "HangupCall", callID, ""},
		{"GET", "/v1/events?conference=" + string(confID) + "&after=evt_1&limit=5&type=conf.end&since=1&until=2", ``, 200,
			"Events", control.EventRequest{Conference: confID, Type: parley.EventConfEnd, After: "evt_1", Since: 1, Until: 2, Limit: 5}, ""},
		{"GET", "/v1/events?cursor=evt_2", ``, 200, "Events", control.EventRequest{After: "evt_2"}, ""},
		{"POST", "/v1/webhooks", `{"url":"https://example.com/events","format":"seed","events":["*"],"secret":"whsec_x"}`, 201,
			"CreateWebhook", control.WebhookRequest{URL: "https://example.com/events", Format: parley.FormatSeed, Events: []string{"*"}, Secret: "whsec_x"}, "/v1/webhooks/" + string(webhookID)},
		{"GET", "/v1/webhooks", ``, 200, "Webhooks", control.ListRequest{}, ""},
		{"GET", "/v1/webhooks/" + string(webhookID), ``, 200, "Webhook", webhookID, ""},
		{"PATCH", "/v1/webhooks/" + string(webhookID), `{"url":"https://x","format":"full","events":[],"disabled":false,"rotate_secret":true}`, 200,
			"UpdateWebhook", control.WebhookPatch{URL: new("https://x"), Format: new(parley.FormatFull), Events: &[]string{}, Disabled: new(false), RotateSecret: true}, ""},
		{"DELETE", "/v1/webhooks/" + string(webhookID), ``, 204, "DeleteWebhook", webhookID, ""},
		{"GET", "/v1/webhooks/" + string(webhookID) + "/deliveries?event_id=evt_1&state=dead&limit=3&cursor=9", ``, 200,
			"Deliveries", control.DeliveryRequest{EventID: "evt_1", State: parley.DeliveryDead, Limit: 3, Cursor: "9"}, ""},
		{"POST", "/v1/webhooks/" + string(webhookID) + "/replay", `{"conference":"` + string(confID) + `","from_seq":2,"to_seq":5}`, 202,
			"Replay", control.ReplayRequest{Conference: confID, FromSeq: 2, ToSeq: 5}, ""},
		{"POST", "/v1/webhooks/" + string(webhookID) + "/replay", `{"event_id":"evt_1","dead":true}`, 202, "Replay", control.ReplayRequest{EventID: "evt_1", Dead: true}, ""},
		{"POST", "/v1/trunks", `{"name":"carrier","host":"h:1","transport":"tcp","username":"u","password":"p","from":"1","prefixes":["+86"],"strip":1,"prepend":"00","addresses":["192.0.2.1"]}`, 201,
			"CreateTrunk", control.TrunkRequest{Name: "carrier", Host: "h:1", Transport: "tcp", Username: "u", Password: "p", From: "1", Prefixes: []string{"+86"}, Strip: 1, Prepend: "00", Addresses: []string{"192.0.2.1"}}, "/v1/trunks/" + string(trunkID)},
		{"GET", "/v1/trunks", ``, 200, "Trunks", control.ListRequest{}, ""},
		{"GET", "/v1/trunks/" + string(trunkID), ``, 200, "Trunk", trunkID, ""},
		{"PUT", "/v1/trunks/" + string(trunkID), `{"name":"n","host":"h"}`, 200, "ReplaceTrunk", control.TrunkRequest{Name: "n", Host: "h"}, ""},
		{"DELETE", "/v1/trunks/" + string(trunkID), ``, 204, "DeleteTrunk", trunkID, ""},
		{"POST", "/v1/applications", `{"name":"support"}`, 201, "CreateApplication", "support", ""},
		{"GET", "/v1/applications?limit=1", ``, 200, "Applications", control.ListRequest{Limit: 1}, ""},
		{"POST", "/v1/keys", `{"operator":true}`, 201, "CreateKey", []any{appID, true}, "/v1/keys/" + string(keyID)},
		{"POST", "/v1/keys", `{"application":"` + string(trunkID) + `"}`, 201, "CreateKey", []any{trunkID, false}, "/v1/keys/" + string(keyID)},
		{"GET", "/v1/keys?application=" + string(appID), ``, 200, "Keys", []any{appID, control.ListRequest{}}, ""},
		{"DELETE", "/v1/keys/" + string(keyID), ``, 204, "DeleteKey", []any{parley.ID(""), keyID}, ""},
	}
	reached := map[string]bool{}
	a := newAPI(t, &fake{events: fakeEvents(), content: "RIFF"})
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			kind := "application/json"
			if tt.body == "" {
				kind = "-"
			} else if tt.called == "PutMedia" {
				kind = "audio/wav"
			}
			got := a.do(t, tt.method, tt.path, tt.body, "Authorization", "Bearer "+operatorKey, "Content-Type", kind)
			if got.status != tt.status {
				t.Fatalf("got %d, want %d\n%s", got.status, tt.status, got.body)
			}
			f := a.fake
			if f.calls[len(f.calls)-1] != tt.called || !reflect.DeepEqual(f.request(), tt.with) {
				t.Errorf("called %s with %#v, want %s with %#v", f.calls[len(f.calls)-1], f.request(), tt.called, tt.with)
			}
			if got.header.Get("Location") != tt.location {
				t.Errorf("Location is %q, want %q", got.header.Get("Location"), tt.location)
			}
			if (tt.status == 204 || tt.method == "HEAD") != (len(got.body) == 0) {
				t.Errorf("body is %q", got.body)
			}
			reached[a.spec.OperationID(tt.method, strings.Split(tt.path, "?")[0])] = true
		})
	}
	for _, r := range routesOf(Config{}) {
		if !reached[r.id] && r.id != "streamEvents" {
			t.Errorf("%s was not tried", r.id)
		}
	}
}

// userData comes back exactly, whatever it is made of.
func TestUserDataExactly(t *testing.T) {
	a := newAPI(t, &fake{})
	for _, want := range []string{"", " ", "\x00\x01\x1f\x7f", "<&>\u2028\u2029", "\ufeff\ufffd\uffff", "😀é\u0301", `"\/`, strings.Repeat("ä", 2048)} {
		body, err := encode(map[string]string{"user_data": want})
		if err != nil {
			t.Fatal(err)
		}
		got := a.do(t, "POST", "/v1/conferences", string(body))
		var v struct {
			UserData *string `json:"user_data"`
		}
		if err := json.Unmarshal(got.body, &v); err != nil || v.UserData == nil || *v.UserData != want {
			t.Errorf("sent %q, got %v (%v)", want, v.UserData, err)
		}
		if r := a.fake.request().(control.ConferenceRequest); *r.UserData != want {
			t.Errorf("sent %q, the use case got %q", want, *r.UserData)
		}
	}
}

// Nothing that is asked for shows a secret, but to whom made it.
func TestSecretsAreNotShown(t *testing.T) {
	a := newAPI(t, &fake{})
	hook, trunk := "/v1/webhooks/"+string(webhookID), "/v1/trunks/"+string(trunkID)
	for _, tt := range []struct {
		method, path, body string
		shown              string // the one secret that is
	}{
		{"POST", "/v1/webhooks", `{"url":"https://example.com"}`, fakeSecret},
		{"PATCH", hook, `{"rotate_secret":true}`, fakeSecret},
		{"PATCH", hook, `{"disabled":true}`, ""},
		{"GET", hook, ``, ""},
		{"GET", "/v1/webhooks", ``, ""},
		{"POST", "/v1/trunks", `{"name":"n","host":"h","password":"correct horse"}`, ""},
		{"PUT", trunk, `{"name":"n","host":"h","password":"correct horse"}`, ""},
		{"GET", trunk, ``, ""},
		{"GET", "/v1/trunks", ``, ""},
		{"POST", "/v1/keys", ``, fakeMadeKey},
		{"GET", "/v1/keys", ``, ""},
	} {
		got := a.do(t, tt.method, tt.path, tt.body, "Authorization", "Bearer "+operatorKey)
		if got.status >= 300 {
			t.Fatalf("%s %s: %d", tt.method, tt.path, got.status)
		}
		for _, secret := range []string{fakeSecret, "whsec_older", "correct horse", fakeMadeKey} {
			if shown := strings.Contains(string(got.body), secret); shown != (secret == tt.shown) {
				t.Errorf("%s %s %s: shows %q: %v", tt.method, tt.path, tt.body, secret, shown)
			}
		}
		if strings.Contains(string(got.body), `"hash"`) {
			t.Errorf("%s %s shows a hash", tt.method, tt.path)
		}
	}
}

// A list is never null, and tells of the next page.
func TestPages(t *testing.T) {
	a := newAPI(t, &fake{})
	for path, want := range map[string]string{
		"/v1/conferences": `"next_cursor":"next"`,
		"/v1/calls":       `"next_cursor":null`,
		"/v1/events":      `{"items":[],"next_cursor":null}`,
	} {
		if got := a.do(t, "GET", path, ""); !strings.Contains(string(got.body), want) {
			t.Errorf("%s: no %s in %s", path, want, got.body)
		}
	}
}

// Events are the ledger's bytes.
func TestEventsByteForByte(t *testing.T) {
	events := fakeEvents()
	a := newAPI(t, &fake{events: events})
	got := a.do(t, "GET", "/v1/events", "")
	want := `{"items":[` + string(events[0].Body) + `,` + string(events[1].Body) + `,` + string(events[2].Body) + `],"next_cursor":"` + events[2].ID() + `"}` + "\n"
	if string(got.body) != want {
		t.Errorf("got  %s\nwant %s", got.body, want)
	}
}

func TestIdempotency(t *testing.T) {
	f := &fake{}
	a := newAPI(t, f)
	post := func(key, path, body string) answer {
		return a.do(t, "POST", path, body, "Idempotency-Key", key, "Authorization", "Bearer "+operatorKey)
	}
	first := post("k1", "/v1/conferences", `{"name":"a"}`)
	again := post("k1", "/v1/conferences", `{"name":"a"}`)
	if f.count("CreateConference") != 1 {
		t.Errorf("done %d times", f.count("CreateConference"))
	}
	if first.status != again.status || string(first.body) != string(again.body) || first.header.Get("Location") != again.header.Get("Location") {
		t.Errorf("first %v, then %v", first, again)
	}
	if first.header.Get("Idempotency-Replayed") != "" || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("Idempotency-Replayed is %q, then %q", first.header.Get("Idempotency-Replayed"), again.header.Get("Idempotency-Replayed"))
	}
	for name, other := range map[string]answer{
		"another body":  post("k1", "/v1/conferences", `{"name":"b"}`),
		"another path":  post("k1", conferencePath+"/recordings", ``),
		"another space": post("k1", "/v1/conferences", `{"name": "a"}`),
	} {
		if p := other.problem(t); other.status != 422 || p.Code != parley.CodeIdempotencyReused {
			t.Errorf("%s: %d %s", name, other.status, p.Code)
		}
	}
	if p := post("k1 k1", "/v1/conferences", ``).problem(t); p.Code != parley.CodeInvalid || p.Field != "Idempotency-Key" {
		t.Errorf("a key with a space: %v", p)
	}
}

// What a customer got wrong is kept like any answer, what the server could not
// do is not, and what was never understood is not either.
func TestIdempotencyOfErrors(t *testing.T) {
	f := &fake{}
	a := newAPI(t, f)
	post := func(body string) answer {
		return a.do(t, "POST", "/v1/conferences", body, "Idempotency-Key", "k1")
	}
	if got := post(`{"nmae":"a"}`); got.status != 422 {
		t.Errorf("unknown field: %d", got.status)
	}
	f.err = parley.Errorf(parley.CodeStoreUnavailable, "disk full")
	if got := post(`{"name":"a"}`); got.status != 503 || got.header.Get("Retry-After") != "1" {
		t.Errorf("store down: %d, Retry-After %q", got.status, got.header.Get("Retry-After"))
	}
	f.err = parley.FieldErrorf(parley.CodeNameTaken, "name", "in use")
	first := post(`{"name":"a"}`)
	f.err = nil
	again := post(`{"name":"a"}`)
	if first.status != 409 || again.status != 409 || string(first.body) != string(again.body) || again.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("got %d %s, then %d %s", first.status, first.body, again.status, again.body)
	}
	if f.count("CreateConference") != 2 {
		t.Errorf("tried %d times, want 2", f.count("CreateConference"))
	}
}

// Only a hash of a key is kept, so that a repeated answer lacks it.
func TestIdempotencyKeepsNoKey(t *testing.T) {
	f := &fake{}
	a := newAPI(t, f)
	post := func() answer {
		return a.do(t, "POST", "/v1/keys", ``, "Idempotency-Key", "k1", "Authorization", "Bearer "+operatorKey)
	}
	first, again := post(), post()
	if !strings.Contains(string(first.body), fakeMadeKey) || strings.Contains(string(again.body), fakeMadeKey) || again.status != 201 {
		t.Errorf("first %s, then %d %s", first.body, again.status, again.body)
	}
	for _, kept := range f.answers {
		if strings.Contains(string(kept.Body), fakeMadeKey) {
			t.Errorf("kept: %s", kept.Body)
		}
	}
}

func TestUpload(t *testing.T) {
	f := &fake{newMedia: true}
	a := newAPI(t, f)
	data := strings.Repeat("x", 1000)
	got := a.do(t, "PUT", "/v1/media/new%20one.wav", data, "Content-Type", "audio/wav")
	if got.status != http.StatusCreated || got.header.Get("Location") != "/v1/media/new%20one.wav" || f.uploaded != data {
		t.Errorf("got %d, Location %q, %d bytes", got.status, got.header.Get("Location"), len(f.uploaded))
	}
	if got := a.do(t, "PUT", "/v1/media/a.wav", data+"x"); got.status != 413 || got.problem(t).Code != parley.CodeTooLarge {
		t.Errorf("1001 bytes: %d %s", got.status, got.body)
	}
	if got := a.do(t, "PUT", "/v1/media/a.wav", data, "Content-Type", "multipart/form-data; boundary=x"); got.status != 415 {
		t.Errorf("a form: %d %s", got.status, got.body)
	}
	if got := a.do(t, "PUT", "/v1/media/a.wav?x=1", data); got.status != 422 {
		t.Errorf("with a query: %d %s", got.status, got.body)
	}
}

// A name with a path in it is the use case's to refuse, and gets there.
func TestMediaNameWithAPath(t *testing.T) {
	f := &fake{newMedia: true, err: parley.FieldErrorf(parley.CodeInvalid, "name", "no path in it")}
	a := newAPI(t, f)
	for path, name := range map[string]string{"/v1/media/b/a.wav": "b/a.wav", "/v1/media/..%2Fa.wav": "../a.wav", "/v1/media/%2e%2e": "..", "/v1/media/": ""} {
		got := a.do(t, "PUT", path, "RIFF", "Content-Type", "audio/wav")
		if p := got.problem(t); got.status != 422 || p.Field != "name" || f.request() != name {
			t.Errorf("%s: %d %s; the use case got %q", path, got.status, got.body, f.request())
		}
	}
}

// An upload that does not say its length is bounded too.
func TestUploadInChunks(t *testing.T) {
	f := &fake{}
	a := newAPI(t, f)
	for n, want := range map[int]int{1000: 200, 1001: 413} {
		req, err := http.NewRequest("PUT", a.URL+"/v1/media/a.wav", struct{ *strings.Reader }{strings.NewReader(strings.Repeat("x", n))})
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+appKey)
		req.ContentLength = -1
		resp, err := a.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%d bytes: %d, want %d", n, resp.StatusCode, want)
		}
	}
	if len(f.uploaded) != 1000 {
		t.Errorf("%d bytes came", len(f.uploaded))
	}
}

func TestDownloadRanges(t *testing.T) {
	f := &fake{content: "0123456789"}
	a := newAPI(t, f)
	path := "/v1/recordings/" + string(recordingID) + "/content"
	tests := []struct {
		name   string
		header []string
		status int
		body   string
	}{
		{"whole", nil, 200, "0123456789"},
		{"first part", []string{"Range", "bytes=0-3"}, 206, "0123"},
		{"last part", []string{"Range", "bytes=-2"}, 206, "89"},
		{"open end", []string{"Range", "bytes=7-"}, 206, "789"},
		{"not changed", []string{"If-Modified-Since", at.Time().Format(http.TimeFormat)}, 304, ""},
		{"another file by now", []string{"Range", "bytes=0-3", "If-Range", "Mon, 02 Jan 2006 15:04:05 GMT"}, 200, "0123456789"},
	}
	for _, tt := range tests {
		got := a.do(t, "GET", path, "", tt.header...)
		if got.status != tt.status || string(got.body) != tt.body {
			t.Errorf("%s: %d %q, want %d %q", tt.name, got.status, got.body, tt.status, tt.body)
		}
		if tt.status == 200 && (got.header.Get("Content-Type") != "audio/wav" || !strings.Contains(got.header.Get("Content-Disposition"), string(recordingID)+".wav")) {
			t.Errorf("%s: %v", tt.name, got.header)
		}
	}
	got := a.do(t, "GET", path, "", "Range", "bytes=20-30")
	if p := got.problem(t); got.status != 416 || p.Status != 416 || p.Field != "Range" || got.header.Get("Content-Range") != "bytes */10" {
		t.Errorf("beyond the end: %d %v %s", got.status, got.header, got.body)
	}
	got = a.do(t, "GET", path, "", "If-Unmodified-Since", "Mon, 02 Jan 2006 15:04:05 GMT")
	if p := got.problem(t); got.status != 412 || p.Status != 412 {
		t.Errorf("changed since: %d %s", got.status, got.body)
	}
}
