package httpapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"parley"
	"parley/internal/control"
)

// Every way to ask wrongly that the edge itself can see: status, code, field,
// and words that say what was found or would be right.
func TestBadInput(t *testing.T) {
	const (
		confs        = "/v1/conferences"
		participants = conferencePath + "/participants"
		participant  = participants + "/" + string(callID)
		playbacks    = conferencePath + "/playbacks"
		recordings   = conferencePath + "/recordings"
		recording    = recordings + "/" + string(recordingID)
		calls        = "/v1/calls/" + string(callID)
		hooks        = "/v1/webhooks"
		hook         = hooks + "/" + string(webhookID)
		trunks       = "/v1/trunks"
	)
	tests := []struct {
		name, method, path, body string
		status                   int
		code                     parley.Code
		field, says              string
	}{
		{"body is a form", "POST", confs, `name=a`, 400, parley.CodeMalformed, "", "line 1, column 1 (byte 0)"},
		{"body is cut short", "POST", confs, `{"name":"a"`, 400, parley.CodeMalformed, "", "column 12"},
		{"comma at the end", "POST", confs, "{\n\"name\":\"a\",\n}", 400, parley.CodeMalformed, "", "line 3, column 1"},
		{"comment", "POST", confs, `{/* hi */}`, 400, parley.CodeMalformed, "", "expected a name"},
		{"two objects", "POST", confs, `{}{}`, 400, parley.CodeMalformed, "", "expected the end"},
		{"byte order mark", "POST", confs, "\ufeff{}", 400, parley.CodeMalformed, "", "byte order mark"},
		{"not UTF-8", "POST", confs, "{\"user_data\":\"\xff\"}", 400, parley.CodeMalformed, "", "not UTF-8"},
		{"Latin-1", "POST", confs, "{\"user_data\":\"M\xfcller\"}", 400, parley.CodeMalformed, "", "byte 0xfc is not UTF-8"},
		{"half a surrogate pair", "POST", confs, `{"user_data":"\ud800"}`, 400, parley.CodeMalformed, "", "half a surrogate pair"},
		{"raw line feed in a string", "POST", confs, "{\"user_data\":\"a\nb\"}", 400, parley.CodeMalformed, "", "control character"},
		{"nested too deep", "POST", confs, strings.Repeat(`{"a":`, 100), 400, parley.CodeMalformed, "", "nested deeper than 64"},
		{"NaN", "POST", participants, `{"gain_db":NaN}`, 400, parley.CodeMalformed, "", "expected a value"},
		{"leading zero", "POST", confs, `{"max_parts":08}`, 400, parley.CodeMalformed, "", "does not begin with 0"},
		{"body is an array", "POST", confs, `[]`, 422, parley.CodeInvalid, "", "must be an object"},
		{"body is null", "POST", confs, `null`, 422, parley.CodeInvalid, "", "must be an object"},
		{"body is a string", "POST", confs, `"weekly"`, 422, parley.CodeInvalid, "", "must be an object"},
		{"unknown field", "POST", confs, `{"max_part":3}`, 422, parley.CodeUnknownField, "max_part", "max_parts"},
		{"upper case", "POST", confs, `{"Name":"a"}`, 422, parley.CodeUnknownField, "Name", "name"},
		{"field of an answer", "POST", confs, `{"state":"active"}`, 422, parley.CodeUnknownField, "state", "there is no field"},
		{"field of another request", "POST", recordings, `{"files":["a.wav"]}`, 422, parley.CodeUnknownField, "files", "max_duration, user_data"},
		{"empty name of a field", "POST", confs, `{"":1}`, 422, parley.CodeUnknownField, "", "there is no field"},
		{"field twice", "POST", confs, `{"name":"a","name":"b"}`, 422, parley.CodeInvalid, "name", "twice"},
		{"max_duration as text", "POST", confs, `{"max_duration":"60"}`, 422, parley.CodeInvalid, "max_duration", "must be an integer"},
		{"max_duration with fraction", "POST", confs, `{"max_duration":1.5}`, 422, parley.CodeInvalid, "max_duration", "found 1.5"},
		{"max_duration huge", "POST", confs, `{"max_duration":1e400}`, 422, parley.CodeInvalid, "max_duration", "must be an integer"},
		{"max_parts null", "POST", confs, `{"max_parts":null}`, 422, parley.CodeInvalid, "max_parts", "left out"},
		{"max_parts true", "POST", confs, `{"max_parts":true}`, 422, parley.CodeInvalid, "max_parts", "found a boolean true"},
		{"recording as number", "POST", confs, `{"recording":1}`, 422, parley.CodeInvalid, "recording", "true or false"},
		{"recording as text", "POST", confs, `{"recording":"yes"}`, 422, parley.CodeInvalid, "recording", "true or false"},
		{"auto_hangup as text", "POST", confs, `{"auto_hangup":"false"}`, 422, parley.CodeInvalid, "auto_hangup", "true or false"},
		{"name as number", "POST", confs, `{"name":7}`, 422, parley.CodeInvalid, "name", "must be a string"},
		{"user_data as object", "POST", confs, `{"user_data":{"a":1}}`, 422, parley.CodeInvalid, "user_data", "found an object; it must be a string"},
		{"bgm_file as array", "POST", confs, `{"bgm_file":["a"]}`, 422, parley.CodeInvalid, "bgm_file", "found an array"},
		{"to as number", "POST", participants, `{"to":8613800138000}`, 422, parley.CodeInvalid, "to", "must be a string"},
		{"to null", "POST", participants, `{"to":null}`, 422, parley.CodeInvalid, "to", "found null"},
		{"call_id not an ID", "POST", participants, `{"call_id":"7"}`, 422, parley.CodeInvalid, "call_id", "32 lower-case hexadecimal digits"},
		{"call_id with dashes", "POST", participants, `{"call_id":"0197c2f3-a1b3-7abc-8123-456789abcdef"}`, 422, parley.CodeInvalid, "call_id", "must be an ID"},
		{"call_id upper case", "POST", participants, `{"call_id":"` + strings.ToUpper(string(callID)) + `"}`, 422, parley.CodeInvalid, "call_id", "must be an ID"},
		{"gain_db as text", "POST", participants, `{"gain_db":"loud"}`, 422, parley.CodeInvalid, "gain_db", "must be a number"},
		{"gain_db out of a float's range", "POST", participants, `{"gain_db":1e999}`, 422, parley.CodeInvalid, "gain_db", "out of range"},
		{"muted as text, by PATCH", "PATCH", participant, `{"muted":"true"}`, 422, parley.CodeInvalid, "muted", "true or false"},
		{"muted null, by PATCH", "PATCH", participant, `{"muted":null}`, 422, parley.CodeInvalid, "muted", "left out"},
		{"user_data by PATCH", "PATCH", participant, `{"user_data":"x"}`, 422, parley.CodeUnknownField, "user_data", "muted, deaf, hold, gain_db"},
		{"hangup neither true nor false", "DELETE", participant + "?hangup=no", ``, 422, parley.CodeInvalid, "hangup", "true or false"},
		{"files missing", "POST", playbacks, `{}`, 422, parley.CodeInvalid, "files", "is missing"},
		{"files missing, no body", "POST", playbacks, ``, 422, parley.CodeInvalid, "files", "an array of strings"},
		{"files as text", "POST", playbacks, `{"files":"a.wav"}`, 422, parley.CodeInvalid, "files", "an array of strings"},
		{"files null", "POST", playbacks, `{"files":null}`, 422, parley.CodeInvalid, "files", "found null"},
		{"a file as number", "POST", playbacks, `{"files":["a.wav",2]}`, 422, parley.CodeInvalid, "files[1]", "must be a string"},
		{"a file null", "POST", playbacks, `{"files":[null]}`, 422, parley.CodeInvalid, "files[0]", "found null"},
		{"a file as object", "POST", playbacks, `{"files":[{"name":"a.wav"}]}`, 422, parley.CodeInvalid, "files[0]", "found an object"},
		{"to not IDs", "POST", playbacks, `{"files":["a"],"to":["+86138"]}`, 422, parley.CodeInvalid, "to[0]", "must be an ID"},
		{"to not an array", "POST", playbacks, `{"files":["a"],"to":"` + string(callID) + `"}`, 422, parley.CodeInvalid, "to", "an array of IDs"},
		{"state missing", "PATCH", recording, `{}`, 422, parley.CodeInvalid, "state", "is missing"},
		{"state as boolean", "PATCH", recording, `{"state":true}`, 422, parley.CodeInvalid, "state", "must be a string"},
		{"conference not an ID", "POST", calls + "/answer", `{"conference":"weekly"}`, 422, parley.CodeInvalid, "conference", "must be an ID"},
		{"status as text", "POST", calls + "/reject", `{"status":"busy"}`, 422, parley.CodeInvalid, "status", "must be an integer"},
		{"url missing", "POST", hooks, `{"events":["*"]}`, 422, parley.CodeInvalid, "url", "is missing"},
		{"events as text", "POST", hooks, `{"url":"https://x","events":"*"}`, 422, parley.CodeInvalid, "events", "an array of strings"},
		{"rotate_secret as text", "PATCH", hook, `{"rotate_secret":"yes"}`, 422, parley.CodeInvalid, "rotate_secret", "true or false"},
		{"secret by PATCH", "PATCH", hook, `{"secret":"whsec_x"}`, 422, parley.CodeUnknownField, "secret", "rotate_secret"},
		{"from_seq with fraction", "POST", hook + "/replay", `{"from_seq":1.2}`, 422, parley.CodeInvalid, "from_seq", "must be an integer"},
		{"conference of a replay", "POST", hook + "/replay", `{"conference":1}`, 422, parley.CodeInvalid, "conference", "must be an ID"},
		{"host missing", "POST", trunks, `{"name":"n"}`, 422, parley.CodeInvalid, "host", "is missing"},
		{"strip as text", "PUT", trunks + "/" + string(trunkID), `{"name":"n","host":"h","strip":"1"}`, 422, parley.CodeInvalid, "strip", "must be an integer"},
		{"limit 0", "GET", confs + "?limit=0", ``, 422, parley.CodeInvalid, "limit", "an integer from 1"},
		{"limit negative", "GET", confs + "?limit=-1", ``, 422, parley.CodeInvalid, "limit", `found "-1"`},
		{"limit as text", "GET", confs + "?limit=many", ``, 422, parley.CodeInvalid, "limit", "an integer from 1"},
		{"limit huge", "GET", confs + "?limit=99999999999999999999", ``, 422, parley.CodeInvalid, "limit", "an integer from 1"},
		{"limit twice", "GET", confs + "?limit=1&limit=2", ``, 422, parley.CodeInvalid, "limit", "2 times"},
		{"unknown parameter", "GET", confs + "?staet=active", ``, 422, parley.CodeUnknownField, "staet", "limit, cursor, state"},
		{"parameter of another path", "GET", conferencePath + "?limit=1", ``, 422, parley.CodeUnknownField, "limit", "there are none"},
		{"parameter on a POST", "POST", confs + "?name=a", ``, 422, parley.CodeUnknownField, "name", "there are none"},
		{"query that cannot be read", "GET", confs + "?limit=%zz", ``, 422, parley.CodeInvalid, "", "query"},
		{"conference of events not an ID", "GET", "/v1/events?conference=weekly", ``, 422, parley.CodeInvalid, "conference", "an ID"},
		{"since as date", "GET", "/v1/events?since=2025-07-01", ``, 422, parley.CodeInvalid, "since", "milliseconds"},
		{"after and cursor", "GET", "/v1/events?after=evt_1&cursor=evt_2", ``, 422, parley.CodeInvalid, "cursor", "either"},
		{"limit of the stream", "GET", "/v1/events/stream?limit=1", ``, 422, parley.CodeUnknownField, "limit", "conference, type, after"},
		{"path ID too short", "GET", confs + "/7", ``, 404, parley.CodeNotFound, "", "32 lower-case hexadecimal digits"},
		{"path ID upper case", "GET", confs + "/" + strings.ToUpper(string(confID)), ``, 404, parley.CodeNotFound, "", "/v1/conferences/"},
		{"path ID with dashes", "DELETE", confs + "/0197c2f3-a1b2-7def-8123-456789abcdef", ``, 404, parley.CodeNotFound, "", "ID"},
		{"second path ID", "GET", participants + "/alice", ``, 404, parley.CodeNotFound, "", "ID"},
		{"path ID of a wrong body", "POST", confs + "/7/playbacks", `{`, 404, parley.CodeNotFound, "", "ID"},
		{"unknown path", "GET", "/v1/rooms", ``, 404, parley.CodeNotFound, "", "/v1/rooms"},
		{"unknown path below an ID", "GET", conferencePath + "/members", ``, 404, parley.CodeNotFound, "", "there is no path"},
		{"slash at the end", "GET", confs + "/", ``, 404, parley.CodeNotFound, "", "there is no path"},
		{"slash twice", "GET", "/v1//conferences", ``, 404, parley.CodeNotFound, "", "there is no path"},
		{"path that climbs", "GET", "/v1/media/../conferences", ``, 404, parley.CodeNotFound, "", "there is no path"},
		{"/v1 itself", "GET", "/v1", ``, 404, parley.CodeNotFound, "", "there is no path"},
		{"root", "GET", "/", ``, 404, parley.CodeNotFound, "", "there is no path"},
		{"outside", "GET", "/favicon.ico", ``, 404, parley.CodeNotFound, "", "there is no path"},
		{"method of another path", "PUT", confs, `{}`, 405, parley.CodeMethodNotAllowed, "", "GET, HEAD, POST"},
		{"method of nothing", "BREW", conferencePath, ``, 405, parley.CodeMethodNotAllowed, "", "DELETE, GET, HEAD"},
		{"OPTIONS", "OPTIONS", confs, ``, 405, parley.CodeMethodNotAllowed, "", "GET, HEAD, POST"},
		{"POST to a file", "POST", "/v1/media/a.wav", ``, 405, parley.CodeMethodNotAllowed, "", "DELETE, GET, HEAD, PUT"},
		{"POST to the document", "POST", "/openapi.json", ``, 405, parley.CodeMethodNotAllowed, "", "GET, HEAD"},
		{"applications without an operator's key", "GET", "/v1/applications", ``, 403, parley.CodeForbidden, "", "operator"},
		{"a new application without one", "POST", "/v1/applications", `{"name":"x"}`, 403, parley.CodeForbidden, "", "operator"},
		{"keys without one", "GET", "/v1/keys", ``, 403, parley.CodeForbidden, "", "operator"},
		{"a new key without one", "POST", "/v1/keys", ``, 403, parley.CodeForbidden, "", "operator"},
		{"deleting a key without one", "DELETE", "/v1/keys/" + string(keyID), ``, 403, parley.CodeForbidden, "", "operator"},
		{"body over 1 MiB", "POST", confs, `{"user_data":"` + strings.Repeat("a", 1<<20) + `"}`, 413, parley.CodeTooLarge, "", "1048576 bytes"},
	}
	f := &fake{stream: newFakeStream()}
	a := newAPI(t, f)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := a.do(t, tt.method, tt.path, tt.body)
			p := got.problem(t)
			if got.status != tt.status || p.Code != tt.code || p.Field != tt.field || !strings.Contains(p.Detail, tt.says) {
				t.Errorf("got %d %s about %q: %s\nwant %d %s about %q that says %q", got.status, p.Code, p.Field, p.Detail, tt.status, tt.code, tt.field, tt.says)
			}
			checkProblem(t, got)
			if tt.status == 405 && got.header.Get("Allow") != tt.says {
				t.Errorf("Allow is %q, want %q", got.header.Get("Allow"), tt.says)
			}
		})
	}
	if len(f.calls) > 0 {
		t.Errorf("use cases were called: %q", f.calls)
	}
}

// checkProblem wants what every problem has.
func checkProblem(t *testing.T, a answer) {
	t.Helper()
	p := a.problem(t)
	if p.Type != "about:blank" || p.Title != http.StatusText(a.status) || p.Status != a.status || p.Detail == "" || p.Code == "" {
		t.Errorf("problem is not whole: %s", a.body)
	}
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type is %q", got)
	}
}

// All that is wrong is told at once.
func TestAllFaultsAreTold(t *testing.T) {
	a := newAPI(t, &fake{})
	got := a.do(t, "POST", conferencePath+"/playbacks", `{"loop":"x","what":1,"to":["7"]}`)
	want := []string{"loop", "what", "to[0]", "files"}
	p := got.problem(t)
	if len(p.Errors) != len(want) {
		t.Fatalf("errors are %v, want %q", p.Errors, want)
	}
	for i, e := range p.Errors {
		if e.Field != want[i] || e.Message == "" {
			t.Errorf("error %d is %v, want one about %s", i, e, want[i])
		}
	}
	if p.Code != parley.CodeInvalid || p.Field != "loop" {
		t.Errorf("the problem is %s about %s, want the first error's", p.Code, p.Field)
	}
}

// Each error of a use case has its status; the code and field are passed on.
func TestErrorsOfUseCases(t *testing.T) {
	f := &fake{}
	a := newAPI(t, f)
	for _, code := range allCodes(t) {
		f.err = fmt.Errorf("while testing: %w", &parley.Error{Code: code, Field: "name", Message: "what would be right", Err: errors.New("for the log alone")})
		req, err := http.NewRequest("GET", a.URL+"/v1/calls", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+appKey)
		resp, err := a.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		got := answer{resp.StatusCode, resp.Header, body}
		checkProblem(t, got)
		p := got.problem(t)
		if p.Code != code || p.Field != "name" || p.Detail != "name: what would be right" {
			t.Errorf("%s: %s", code, body)
		}
		if (p.Status >= 500) != (code == parley.CodeInternal || p.Status == 503) {
			t.Errorf("%s has no status of its own: %d", code, p.Status)
		}
		if (p.Status == 503) != (got.header.Get("Retry-After") != "") {
			t.Errorf("%s: Retry-After is %q", code, got.header.Get("Retry-After"))
		}
		if logged := strings.Contains(a.log.String(), "for the log alone"); logged != (p.Status >= 500) {
			t.Errorf("%s: logged: %v", code, logged)
		}
		a.log.Reset()
	}
}

// allCodes reads the codes from where they are declared.
func allCodes(t *testing.T) []parley.Code {
	t.Helper()
	source, err := os.ReadFile("../../error.go")
	if err != nil {
		t.Fatal(err)
	}
	var codes []parley.Code
	for _, m := range regexp.MustCompile(`Code\w+ +Code = "(\w+)"`).FindAllStringSubmatch(string(source), -1) {
		codes = append(codes, parley.Code(m[1]))
	}
	if len(codes) < 30 {
		t.Fatalf("found %d codes only", len(codes))
	}
	return codes
}

// Of a fault of ours nothing is told, but it is logged.
func TestFaultsOfOurs(t *testing.T) {
	f := &fake{}
	a := newAPI(t, f)
	f.err = errors.New("secret detail")
	if got := a.do(t, "GET", "/v1/calls", ""); got.status != 500 || strings.Contains(string(got.body), "secret") || !strings.Contains(a.log.String(), "secret detail") {
		t.Errorf("an error: %d %s; log: %s", got.status, got.body, a.log)
	}
	a.log.Reset()
	f.panics = "secret panic"
	got := a.do(t, "POST", "/v1/conferences", "{}")
	if got.status != 500 || strings.Contains(string(got.body), "secret") || !strings.Contains(a.log.String(), "secret panic") || !strings.Contains(a.log.String(), "stack") {
		t.Errorf("a panic: %d %s; log: %s", got.status, got.body, a.log)
	}
	checkProblem(t, got)
	f.panics = nil
	f.err = nil
	if got := a.do(t, "GET", "/v1/calls", ""); got.status != 200 {
		t.Errorf("afterwards: %d", got.status)
	}
}

// Whatever is wrong with the key, the answer is the same.
func TestAuthentication(t *testing.T) {
	a := newAPI(t, &fake{})
	want := a.do(t, "GET", "/v1/calls", "", "Authorization", "-")
	for name, header := range map[string]string{
		"no such key": "Bearer pk_other", "no key": "Bearer", "empty key": "Bearer ", "Basic": "Basic cGs6", "only the key": appKey,
		"prefix of a key": "Bearer " + appKey[:5], "key and more": "Bearer " + appKey + " x", "two schemes": "Bearer Bearer " + appKey,
	} {
		for _, path := range []string{"/v1/calls", "/v1/nothing", "/v1/applications", "/v1", "/v1/events/stream"} {
			got := a.do(t, "GET", path, "", "Authorization", header)
			if got.status != 401 || string(got.body) != string(want.body) || got.header.Get("WWW-Authenticate") != `Bearer realm="parley"` {
				t.Errorf("%s, %s: %d %s %v", name, path, got.status, got.body, got.header)
			}
		}
	}
	checkProblem(t, want)
	for _, header := range []string{"Bearer " + appKey, "bearer " + appKey, "BEARER   " + appKey} {
		if got := a.do(t, "GET", "/v1/calls", "", "Authorization", header); got.status != 200 {
			t.Errorf("%q: %d", header, got.status)
		}
	}
	if got := a.do(t, "GET", "/v1/calls", "", "Authorization", "Bearer pk_store_down"); got.status != 503 || strings.Contains(string(got.body), "fire") {
		t.Errorf("the store is down: %d %s", got.status, got.body)
	}
}

func TestContentTypes(t *testing.T) {
	a := newAPI(t, &fake{})
	for header, want := range map[string]int{
		"application/json": 201, "application/json; charset=utf-8": 201, "Application/JSON;charset=UTF-8": 201,
		"-": 415, "text/plain": 415, "application/x-www-form-urlencoded": 415, "multipart/form-data; boundary=x": 415,
		"application/json; charset=latin1": 415, "application/json;;": 415, "application/xml": 415,
	} {
		if got := a.do(t, "POST", "/v1/conferences", `{}`, "Content-Type", header); got.status != want {
			t.Errorf("%s: %d, want %d\n%s", header, got.status, want, got.body)
		} else if want == 415 && got.problem(t).Field != "Content-Type" {
			t.Errorf("%s: %s", header, got.body)
		}
	}
	if got := a.do(t, "POST", "/v1/conferences", `{}`, "Content-Encoding", "gzip"); got.status != 415 || got.problem(t).Field != "Content-Encoding" {
		t.Errorf("gzip: %d %s", got.status, got.body)
	}
	if got := a.do(t, "POST", "/v1/conferences", ``); got.status != 201 {
		t.Errorf("no body: %d %s", got.status, got.body)
	}
}

// A media file that does not exist is 404 on its own path, 422 in a body.
func TestMediaNotFound(t *testing.T) {
	f := &fake{err: parley.Errorf(parley.CodeMediaNotFound, "no media file a.wav")}
	a := newAPI(t, f)
	for request, want := range map[string]int{"GET /v1/media/a.wav": 404, "DELETE /v1/media/a.wav": 404, "POST " + conferencePath + "/playbacks": 422} {
		method, path, _ := strings.Cut(request, " ")
		body := ""
		if method == "POST" {
			body = `{"files":["a.wav"]}`
		}
		if got := a.do(t, method, path, body); got.status != want || got.problem(t).Code != parley.CodeMediaNotFound || got.problem(t).Status != want {
			t.Errorf("%s: %d %s, want %d", request, got.status, got.body, want)
		}
	}
}

func TestSecurityHeaders(t *testing.T) {
	a := newAPI(t, &fake{})
	for _, path := range []string{"/v1/calls", "/v1/nothing", "/nothing", "/openapi.json"} {
		got := a.do(t, "GET", path, "", "Origin", "https://example.com")
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Access-Control-Allow-Origin": "",
		} {
			if got.header.Get(name) != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got.header.Get(name), want)
			}
		}
	}
}

// A body without end is not read without end; one that breaks off is refused.
func TestBodiesWithoutLength(t *testing.T) {
	a := newAPI(t, &fake{})
	for name, tt := range map[string]struct {
		request string
		status  int
	}{
		"over the limit": {"Transfer-Encoding: chunked\r\n\r\n200000\r\n" + strings.Repeat(" ", 0x200000) + "\r\n0\r\n\r\n", 413},
		"breaks off":     {"Content-Length: 100\r\n\r\n{\"name\":", 400},
		"bad chunks":     {"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
	} {
		conn, err := net.Dial("tcp", a.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			// The server may stop reading before all of it is sent.
			_, _ = io.WriteString(conn, "POST /v1/conferences HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+appKey+"\r\nContent-Type: application/json\r\n"+tt.request)
			_ = conn.(*net.TCPConn).CloseWrite()
		}()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != tt.status {
			t.Errorf("%s: %d %s, want %d", name, resp.StatusCode, body, tt.status)
		}
		conn.Close()
		<-done
	}
}

// A command goes on when its client has gone: it is done or not, not half.
func TestCommandsOutliveTheirClient(t *testing.T) {
	f := &blocking{fake: &fake{}, entered: make(chan context.Context), leave: make(chan struct{})}
	a := newAPI(t, f.fake, func(c *Config) { c.Control = f })
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", a.URL+"/v1/conferences", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+appKey)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if resp, err := a.Client().Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	inside := <-f.entered
	cancel()
	<-done
	if inside.Done() != nil {
		t.Error("the command's context can end before the command does")
	}
	close(f.leave)
}

// blocking holds CreateConference up.
type blocking struct {
	*fake
	entered chan context.Context
	leave   chan struct{}
}

func (b *blocking) CreateConference(ctx context.Context, app parley.ID, r control.ConferenceRequest) (parley.Conference, error) {
	b.entered <- ctx
	<-b.leave
	return b.fake.CreateConference(ctx, app, r)
}
