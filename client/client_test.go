package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"parley"
	"parley/client"
	"parley/internal/apispec"
)

const id = parley.ID("0197c2f3a1b27def8123456789abcdef")

// spec is the API's own description.
func spec(t *testing.T) *apispec.Spec {
	t.Helper()
	raw, err := os.ReadFile("../internal/httpapi/testdata/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	s, err := apispec.New(raw)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// server answers as the document's examples say, and holds every request
// against the document.
type server struct {
	t    *testing.T
	spec *apispec.Spec

	mu       sync.Mutex
	called   map[string]bool // operationIds; guarded by mu
	last     *http.Request   // guarded by mu
	example  any             // of the last answer; guarded by mu
	lastBody string          // guarded by mu
}

func newServer(t *testing.T) (*server, *client.Client) {
	t.Helper()
	s := &server{t: t, spec: spec(t), called: map[string]bool{}}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, client.New(srv.URL+"/", "pk_test", client.HTTPClient(srv.Client()))
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	if err := s.spec.CheckRequest(r, body); err != nil || r.Header.Get("Authorization") != "Bearer pk_test" {
		s.t.Errorf("%s %s with %q: %v", r.Method, r.URL, r.Header, err)
		http.Error(w, "no", http.StatusTeapot)
		return
	}
	op := s.spec.Operation(r.Method, r.URL.EscapedPath())
	s.called[s.spec.OperationID(r.Method, r.URL.EscapedPath())], s.last, s.lastBody = true, r, string(body)
	for status, number := range map[string]int{"200": 200, "201": 201, "202": 202, "204": 204} {
		at := slices.Concat(op, []string{"responses", status})
		if s.spec.At(at...) == nil {
			continue
		}
		w.WriteHeader(number)
		if s.example = s.spec.At(append(at, "content", "application/json", "example")...); s.example != nil {
			_ = json.NewEncoder(w).Encode(s.example)
		} else if number == 200 {
			_, _ = io.WriteString(w, "RIFF")
		}
		return
	}
}

// content is what was downloaded.
func content(r io.ReadCloser, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

// Every call is one that the API has, asks with what the API takes, and loses
// nothing of what the API shows.
func TestCallsFitTheAPI(t *testing.T) {
	s, api := newServer(t)
	ctx := t.Context()
	data, n, x, yes := "x", 7, -1.5, true
	all := client.ListOptions{Limit: 5, Cursor: "c", State: "s"}
	some := client.ListOptions{Limit: 5, Cursor: "c"}
	full := parley.FormatFull
	nothing := func(err error) (any, error) { return nil, err }
	calls := map[string]func() (any, error){
		"createConference": func() (any, error) {
			return api.CreateConference(ctx, client.ConferenceRequest{Name: "n", MaxDuration: &n, MaxParts: &n, Recording: true, BGMFile: "b", AutoHangup: &yes, DialIn: true, UserData: &data})
		},
		"listConferences": func() (any, error) { return api.Conferences(ctx, all) },
		"getConference":   func() (any, error) { return api.Conference(ctx, id) },
		"endConference":   func() (any, error) { return api.EndConference(ctx, id) },
		"invite": func() (any, error) {
			return api.Invite(ctx, id, client.InviteRequest{To: "1", CallID: id, From: "2", MaxDialDuration: &n, MaxDuration: &n, PlayFile: "p", Muted: true, Deaf: true, GainDB: x, UserData: &data})
		},
		"listParticipants": func() (any, error) { return api.Participants(ctx, id, all) },
		"getParticipant":   func() (any, error) { return api.Participant(ctx, id, id) },
		"updateParticipant": func() (any, error) {
			return api.UpdateParticipant(ctx, id, id, client.ParticipantPatch{Muted: &yes, Deaf: &yes, Hold: &yes, GainDB: &x})
		},
		"removeParticipant": func() (any, error) { return nothing(api.RemoveParticipant(ctx, id, id, false)) },
		"play": func() (any, error) {
			return api.Play(ctx, id, client.PlayRequest{Files: []string{"a"}, Loop: true, GainDB: x, To: []parley.ID{id}, UserData: &data})
		},
		"listPlaybacks": func() (any, error) { return api.Playbacks(ctx, id, all) },
		"getPlayback":   func() (any, error) { return api.Playback(ctx, id, id) },
		"stopPlayback":  func() (any, error) { return nothing(api.StopPlayback(ctx, id, id)) },
		"record": func() (any, error) {
			return api.Record(ctx, id, client.RecordRequest{MaxDuration: &n, UserData: &data})
		},
		"updateRecording":     func() (any, error) { return api.SetRecording(ctx, id, id, "paused") },
		"listRecordings":      func() (any, error) { return api.Recordings(ctx, id, all) },
		"getRecording":        func() (any, error) { return api.Recording(ctx, id) },
		"getRecordingContent": func() (any, error) { _, err := content(api.RecordingContent(ctx, id)); return nil, err },
		"deleteRecording":     func() (any, error) { return nothing(api.DeleteRecording(ctx, id)) },
		"putMedia":            func() (any, error) { return api.PutMedia(ctx, "a b.wav", strings.NewReader("RIFF")) },
		"listMedia":           func() (any, error) { return api.MediaFiles(ctx, some) },
		"getMedia":            func() (any, error) { _, err := content(api.MediaContent(ctx, "a b.wav")); return nil, err },
		"deleteMedia":         func() (any, error) { return nothing(api.DeleteMedia(ctx, "a b.wav")) },
		"listCalls":           func() (any, error) { return api.Calls(ctx, all) },
		"getCall":             func() (any, error) { return api.Call(ctx, id) },
		"answerCall": func() (any, error) {
			return api.AnswerCall(ctx, id, client.AnswerRequest{Conference: id, MaxDuration: &n, PlayFile: "p", Muted: true, Deaf: true, GainDB: x, UserData: &data})
		},
		"rejectCall": func() (any, error) { return nothing(api.RejectCall(ctx, id, 486)) },
		"hangupCall": func() (any, error) { return nothing(api.HangupCall(ctx, id)) },
		"listEvents": func() (any, error) {
			_, err := api.Events(ctx, client.EventOptions{Conference: id, Type: parley.EventConfEnd, After: "a", Since: 1, Until: 2, Limit: 3, Cursor: "c"})
			return nil, err
		},
		"createWebhook": func() (any, error) {
			return api.CreateWebhook(ctx, client.WebhookRequest{URL: "u", Format: full, Events: []string{"*"}, Secret: "s"})
		},
		"listWebhooks": func() (any, error) { return api.Webhooks(ctx, some) },
		"getWebhook":   func() (any, error) { return api.Webhook(ctx, id) },
		"updateWebhook": func() (any, error) {
			return api.UpdateWebhook(ctx, id, client.WebhookPatch{URL: &data, Format: &full, Events: &[]string{"*"}, Disabled: &yes, RotateSecret: true})
		},
		"deleteWebhook": func() (any, error) { return nothing(api.DeleteWebhook(ctx, id)) },
		"listDeliveries": func() (any, error) {
			return api.Deliveries(ctx, id, client.DeliveryOptions{EventID: "e", State: parley.DeliveryDead, Limit: 1, Cursor: "c"})
		},
		"replayEvents": func() (any, error) {
			got, err := api.Replay(ctx, id, client.ReplayRequest{EventID: "e", Conference: id, FromSeq: 1, ToSeq: 2, Dead: true})
			return map[string]int{"events": got}, err
		},
		"createTrunk": func() (any, error) {
			return api.CreateTrunk(ctx, client.TrunkRequest{Name: "n", Host: "h", Transport: "tcp", Username: "u", Password: "p", From: "1", Prefixes: []string{"+"}, Strip: 1, Prepend: "0", Addresses: []string{"192.0.2.1"}})
		},
		"listTrunks":        func() (any, error) { return api.Trunks(ctx, some) },
		"getTrunk":          func() (any, error) { return api.Trunk(ctx, id) },
		"replaceTrunk":      func() (any, error) { return api.ReplaceTrunk(ctx, id, client.TrunkRequest{Name: "n", Host: "h"}) },
		"deleteTrunk":       func() (any, error) { return nothing(api.DeleteTrunk(ctx, id)) },
		"createApplication": func() (any, error) { return api.CreateApplication(ctx, "n") },
		"listApplications":  func() (any, error) { return api.Applications(ctx, some) },
		"createKey":         func() (any, error) { return api.CreateKey(ctx, id, true) },
		"listKeys":          func() (any, error) { return api.Keys(ctx, id, some) },
		"deleteKey":         func() (any, error) { return nothing(api.DeleteKey(ctx, id)) },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			got, err := call()
			if err != nil {
				t.Fatal(err)
			}
			if !s.called[name] {
				t.Error("another operation was called")
			}
			if got != nil {
				wantAll(t, name, s.example, toJSON(t, got))
			}
		})
	}
	// The stream has tests of its own, the document is for other programs.
	calls["streamEvents"], calls["getOpenAPI"] = nil, nil
	for path, item := range s.spec.At("paths").(map[string]any) {
		for method := range item.(map[string]any) {
			if name := s.spec.OperationID(method, path); !hasKey(calls, name) {
				t.Errorf("the client cannot %s", name)
			}
		}
	}
}

func hasKey[V any](m map[string]V, k string) bool { _, ok := m[k]; return ok }

func toJSON(t *testing.T, v any) any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// wantAll wants every value of an answer in what the client made of it. null,
// false, 0 and "" may be left out there.
func wantAll(t *testing.T, where string, want, got any) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		fields, _ := got.(map[string]any)
		for name, w := range want {
			if !isZero(w) {
				wantAll(t, where+"."+name, w, fields[name])
			}
		}
	case []any:
		items, _ := got.([]any)
		if len(items) != len(want) {
			t.Errorf("%s: %v, want %v", where, got, want)
			return
		}
		for i := range want {
			wantAll(t, where, want[i], items[i])
		}
	default:
		if !reflect.DeepEqual(want, got) {
			t.Errorf("%s: %v, want %v", where, got, want)
		}
	}
}

func isZero(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case json.Number:
		return v == "0"
	case []any:
		return len(v) == 0
	}
	return v == ""
}

func TestPathsAreEscaped(t *testing.T) {
	s, api := newServer(t)
	if err := api.DeleteMedia(t.Context(), "../a b?.wav"); err != nil {
		t.Fatal(err)
	}
	if got, want := s.last.URL.EscapedPath(), "/v1/media/..%2Fa%20b%3F.wav"; got != want {
		t.Errorf("asked for %s, want %s", got, want)
	}
}

func TestOnce(t *testing.T) {
	s, api := newServer(t)
	for _, tt := range []struct {
		name string
		api  *client.Client
		want string
	}{{"once", api.Once("k1"), "k1"}, {"the client itself", api, ""}} {
		if _, err := tt.api.CreateConference(t.Context(), client.ConferenceRequest{}); err != nil {
			t.Fatal(err)
		}
		if got := s.last.Header.Get("Idempotency-Key"); got != tt.want {
			t.Errorf("%s: Idempotency-Key is %q, want %q", tt.name, got, tt.want)
		}
	}
	if _, err := api.Once("k1").Conferences(t.Context(), client.ListOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestNothingIsSentForDefaults(t *testing.T) {
	s, api := newServer(t)
	if _, err := api.CreateConference(t.Context(), client.ConferenceRequest{}); err != nil || s.lastBody != "{}" {
		t.Errorf("sent %q (%v), want {}", s.lastBody, err)
	}
	if err := api.RemoveParticipant(t.Context(), id, id, true); err != nil || s.last.URL.RawQuery != "" {
		t.Errorf("asked with %q (%v)", s.last.URL.RawQuery, err)
	}
}

func TestErrors(t *testing.T) {
	tests := map[string]struct {
		answer func(w http.ResponseWriter)
		want   client.Error
		code   parley.Code
	}{
		"problem": {
			func(w http.ResponseWriter) {
				w.WriteHeader(422)
				_, _ = io.WriteString(w, `{"type":"about:blank","title":"x","status":422,"detail":"to: what","code":"invalid_request","field":"to","errors":[{"field":"to","message":"what"}]}`)
			},
			client.Error{Status: 422, Code: "invalid_request", Field: "to", Detail: "to: what", Errors: []client.FieldError{{Field: "to", Message: "what"}}}, parley.CodeInvalid,
		},
		"busy": {
			func(w http.ResponseWriter) {
				w.Header().Set("Retry-After", "5")
				w.WriteHeader(503)
				_, _ = io.WriteString(w, `{"code":"no_capacity","detail":"full"}`)
			},
			client.Error{Status: 503, Code: "no_capacity", Detail: "full", RetryAfter: 5 * time.Second}, parley.CodeNoCapacity,
		},
		"a proxy's page": {
			func(w http.ResponseWriter) { w.WriteHeader(502); _, _ = io.WriteString(w, `<html>`) },
			client.Error{Status: 502, Detail: `Bad Gateway: "<html>"`}, "",
		},
		"another JSON": {
			func(w http.ResponseWriter) { w.WriteHeader(404); _, _ = io.WriteString(w, `{"message":"no"}`) },
			client.Error{Status: 404, Detail: `Not Found: "{\"message\":\"no\"}"`}, "",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { tt.answer(w) }))
			defer srv.Close()
			api := client.New(srv.URL, "k")
			_, err := api.Conference(t.Context(), id)
			got, ok := errors.AsType[*client.Error](err)
			if !ok || !reflect.DeepEqual(*got, tt.want) {
				t.Errorf("got %#v, want %#v", err, tt.want)
			}
			if parley.CodeOf(err) != tt.code {
				t.Errorf("CodeOf gives %q, want %q", parley.CodeOf(err), tt.code)
			}
			if _, err := api.RecordingContent(t.Context(), id); parley.CodeOf(err) != tt.code {
				t.Errorf("a download gives %v", err)
			}
		})
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `<html>`) }))
	defer srv.Close()
	if _, err := client.New(srv.URL, "k").Conference(t.Context(), id); err == nil {
		t.Error("a page passes for a conference")
	}
	if _, err := client.New("http://127.0.0.1:1", "k").Conference(t.Context(), id); err == nil {
		t.Error("nobody passes for a conference")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.New(srv.URL, "k").Conference(ctx, id); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that the context was cancelled", err)
	}
}

func TestEventsKeepTheirBytes(t *testing.T) {
	const body = `{"event":"conf.joined","id":"` + string(id) + `","join_time":5,"call_id":"` + string(id) + `","part_uri":"+86<1>","user_data":null,"event_id":"evt_` + string(id) + `_2","seq":2,"direction":"outbound"}`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"items":[`+body+`],"next_cursor":null}`)
	}))
	defer srv.Close()
	page, err := client.New(srv.URL, "k").Events(t.Context(), client.EventOptions{})
	if err != nil || len(page.Items) != 1 {
		t.Fatal(page, err)
	}
	parsed, err := client.ParseEvent([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []client.Event{page.Items[0], parsed} {
		if string(e.Body) != body || e.ID != "evt_"+string(id)+"_2" || e.Seq != 2 || e.Type != parley.EventConfJoined {
			t.Errorf("got %+v", e)
		}
		var fact parley.JoinedFact
		if err := e.Decode(&fact); err != nil || fact.PartURI != "+86<1>" || fact.JoinTime != 5 || fact.Direction != parley.Outbound {
			t.Errorf("decoded %+v (%v)", fact, err)
		}
	}
	if _, err := client.ParseEvent([]byte(`[]`)); err == nil {
		t.Error("an array passes for an event")
	}
}
