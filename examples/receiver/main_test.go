package main

import (
	"bytes"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestReceiverPrintsEachEventOnce(t *testing.T) {
	var out bytes.Buffer
	r := newReceiver(&out)
	post := func(body string) int {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequest("POST", "/", strings.NewReader(body)))
		return w.Code
	}
	joined := `{"event":"conf.joined","event_id":"evt_1_2"}`
	if a, b := post(joined), post(joined); a != 204 || b != 204 {
		t.Errorf("answered %d and %d, want 204 twice", a, b)
	}
	if got := strings.Count(out.String(), "evt_1_2"); got != 1 {
		t.Errorf("printed %d times: %q", got, out.String())
	}
	if code := post("no JSON"); code != 400 {
		t.Errorf("answered nonsense with %d, want 400", code)
	}
}
