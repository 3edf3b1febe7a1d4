package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"parley/internal/ledger"
	"parley/internal/media"
)

func TestLevelAndFormatAreReadFromText(t *testing.T) {
	for text, want := range map[string]slog.Level{"debug": slog.LevelDebug, "INFO": slog.LevelInfo, "warn": slog.LevelWarn, "Error": slog.LevelError} {
		var l Level
		if err := l.UnmarshalText([]byte(text)); err != nil || slog.Level(l) != want {
			t.Errorf("%q: got %v, %v, want %v", text, slog.Level(l), err, want)
		}
	}
	for text, want := range map[string]Format{"text": FormatText, "JSON": FormatJSON} {
		var f Format
		if err := f.UnmarshalText([]byte(text)); err != nil || f != want {
			t.Errorf("%q: got %v, %v, want %v", text, f, err, want)
		}
	}
	var l Level
	var f Format
	if l.UnmarshalText([]byte("loud")) == nil || f.UnmarshalText([]byte("xml")) == nil {
		t.Error("nonsense was taken")
	}
}

func TestLoggerWritesFromItsLevelUp(t *testing.T) {
	var text, object bytes.Buffer
	NewLogger(&text, Level(slog.LevelWarn), FormatText).Info("quiet")
	NewLogger(&text, Level(slog.LevelWarn), FormatText).Warn("loud", "call", "c1")
	NewLogger(&object, Level(slog.LevelDebug), FormatJSON).Debug("loud", "call", "c1")
	if s := text.String(); strings.Contains(s, "quiet") || !strings.Contains(s, "msg=loud call=c1") {
		t.Errorf("text log: %q", s)
	}
	var line map[string]any
	if err := json.Unmarshal(object.Bytes(), &line); err != nil || line["msg"] != "loud" || line["call"] != "c1" {
		t.Errorf("JSON log: %q, %v", object.String(), err)
	}
}

func get(h http.Handler) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	return w
}

func TestHealthThroughTheLifeOfAServer(t *testing.T) {
	var storeFault error
	h := NewHealth(Check{Name: "store", Probe: func() error { return storeFault }})
	expect := func(when string, status int, body string) {
		t.Helper()
		w := get(h.Ready())
		if got := strings.TrimSpace(w.Body.String()); w.Code != status || got != body {
			t.Errorf("%s: /readyz says %d %s, want %d %s", when, w.Code, got, status, body)
		}
		if w := get(h.Live()); w.Code != 200 || !strings.Contains(w.Body.String(), `"ok"`) {
			t.Errorf("%s: /healthz says %d %s", when, w.Code, w.Body)
		}
	}
	expect("before the start", 503, `{"status":"starting"}`)
	h.Set(Ready)
	expect("when ready", 200, `{"status":"ready"}`)
	storeFault = errors.New("disk full")
	expect("with a fault", 503, `{"status":"failing","failed":{"store":"disk full"}}`)
	storeFault = nil
	expect("when well again", 200, `{"status":"ready"}`)
	h.Set(Draining)
	expect("while draining", 503, `{"status":"draining"}`)
}

func allSources() Sources {
	return Sources{
		Live: func() Live {
			return Live{Conferences: 1, Participants: 2, Calls: 3, Playbacks: 4, Recordings: 5}
		},
		Media: func() media.PlaneStats {
			return media.PlaneStats{Sessions: 11, Ports: 12, Beats: 13, LateBeats: 14, SkippedBeats: 15, LostFacts: 16, PacketsIn: 17,
				PacketsOut: 18, SendErrors: 19, Mixes: 41, UnknownSource: 42, Malformed: 43, Panics: 44}
		},
		Ledger: func() ledger.Stats {
			return ledger.Stats{Groups: 21, Writes: 22, Events: 23, Conflicts: 24, Failures: 25, Available: true,
				LastApply: 260 * time.Millisecond, Queued: 27, Subscribers: 28}
		},
		Webhooks: func() Webhooks {
			return Webhooks{Deliveries: map[string]int64{"succeeded": 31, "dead": 32}, Pending: 33, Breakers: 34, Oldest: 1500 * time.Millisecond}
		},
	}
}

func TestMetricsShowEverySource(t *testing.T) {
	m := NewMetrics("1.2.3", allSources())
	m.ObserveRequest("GET", "/v1/conferences/{id}", 200, 3*time.Millisecond)
	w := get(m.Handler())
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	for _, want := range []string{
		`parley_build_info{version="1.2.3"} 1`,
		"parley_conferences 1", "parley_participants 2", "parley_calls 3", "parley_playbacks 4", "parley_recordings 5",
		"parley_media_sessions 11", "parley_media_port_pairs 12", "parley_media_beats_total 13", "parley_media_beats_late_total 14",
		"parley_media_beats_skipped_total 15", "parley_media_facts_lost_total 16", "parley_media_packets_received_total 17",
		"parley_media_packets_sent_total 18", "parley_media_send_errors_total 19",
		"parley_media_mixes 41", "parley_media_packets_unknown_source_total 42", "parley_media_packets_malformed_total 43",
		"parley_media_panics_total 44",
		"parley_ledger_transactions_total 21", "parley_ledger_writes_total 22", "parley_ledger_events_total 23",
		"parley_ledger_conflicts_total 24", "parley_ledger_failures_total 25", "parley_ledger_available 1",
		"parley_ledger_last_transaction_seconds 0.26", "parley_ledger_writes_queued 27", "parley_ledger_subscribers 28",
		`parley_webhook_deliveries_total{outcome="succeeded"} 31`, `parley_webhook_deliveries_total{outcome="dead"} 32`,
		"parley_webhook_lanes_pending 33", "parley_webhook_breakers_open 34", "parley_webhook_oldest_undelivered_seconds 1.5",
		`parley_http_request_duration_seconds_count{method="GET",route="/v1/conferences/{id}",status="200"} 1`,
		`parley_http_request_duration_seconds_bucket{method="GET",route="/v1/conferences/{id}",status="200",le="0.0025"} 0`,
		`parley_http_request_duration_seconds_bucket{method="GET",route="/v1/conferences/{id}",status="200",le="0.005"} 1`,
	} {
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(want) + `$`).MatchString(w.Body.String()) {
			t.Errorf("no line %q", want)
		}
	}
}

func TestMetricsLeaveOutWhatHasNoSource(t *testing.T) {
	body := get(NewMetrics("", Sources{}).Handler()).Body.String()
	if strings.Contains(body, "parley_calls") || !strings.Contains(body, "go_goroutines") {
		t.Errorf("got:\n%s", body)
	}
}

func TestTwoServersInOneProcessHaveTheirOwnMetrics(t *testing.T) {
	a, b := NewMetrics("a", allSources()), NewMetrics("b", Sources{})
	a.ObserveRequest("GET", "/", 200, time.Millisecond)
	if body := get(b.Handler()).Body.String(); strings.Contains(body, "parley_http_request") {
		t.Error("requests of one server are counted in the other")
	}
}
