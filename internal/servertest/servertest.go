// Package servertest runs a whole server in a test: real SQLite, real SIP and
// RTP on loopback, real HTTP, and a receiver of callbacks.
package servertest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"parley"
	"parley/internal/phone"
	"parley/internal/server"
)

// Key is the API key of every server here.
const Key = "test-key-0123456789"

// Server is a running server and the way to its API.
type Server struct {
	tb   testing.TB
	URL  string // of the API
	SIP  netip.AddrPort
	Data string // the data directory
	Key  string // of the application that asks

	stop     func()
	contract *contract
}

// Stop stops the server in an orderly way before the test ends.
func (s *Server) Stop() { s.stop() }

// As is the same server, asked with another key.
func (s *Server) As(key string) *Server {
	other := *s
	other.Key = key
	return &other
}

// Config is a server on free ports of loopback that lets webhooks lead there.
func Config(tb testing.TB) server.Config {
	tb.Helper()
	cfg := server.Default()
	cfg.Data = tb.TempDir()
	cfg.HTTP, cfg.SIP.Addr = "127.0.0.1:0", "127.0.0.1:0"
	cfg.APIKey = Key
	cfg.Webhooks.AllowPrivate = true
	cfg.DrainTimeout = 0
	cfg.Logger = slog.New(slog.NewTextHandler(logWriter{tb}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return cfg
}

// logWriter shows the server's log in the test's output.
type logWriter struct{ tb testing.TB }

func (w logWriter) Write(p []byte) (int, error) {
	if os.Getenv("PARLEY_TEST_LOG") != "" {
		_, _ = os.Stderr.Write(p)
	}
	return len(p), nil
}

// Start runs a server in this process until the test ends; change may be nil.
func Start(tb testing.TB, change func(*server.Config)) *Server {
	tb.Helper()
	cfg := Config(tb)
	if change != nil {
		change(&cfg)
	}
	s, err := server.Start(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	stop := sync.OnceFunc(func() {
		if err := s.Stop(tb.Context()); err != nil {
			tb.Errorf("stopping the server: %v", err)
		}
	})
	tb.Cleanup(stop)
	url := "http://" + s.HTTPAddr().String()
	return &Server{tb: tb, URL: url, SIP: s.SIPAddr(), Data: cfg.Data, Key: Key, stop: stop, contract: readContract(tb, url)}
}

// Answer is what came back for a request.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Problem is an answer that is not a success (RFC 9457).
type Problem struct {
	Status int
	Code   parley.Code
	Field  string
	Detail string
}

// Do makes a request and gives its status; a body other than nil is sent as
// JSON (an io.Reader as it is), the answer is decoded into out unless that is
// nil. Path begins with "/v1".
func (s *Server) Do(method, path string, body, out any) int {
	s.tb.Helper()
	a := s.Send(method, path, body)
	if out != nil && len(a.Body) > 0 {
		s.decode(method, path, a, out)
	}
	return a.Status
}

// Must is Do for a request that has to succeed.
func (s *Server) Must(method, path string, body, out any) {
	s.tb.Helper()
	a := s.Send(method, path, body)
	if a.Status/100 != 2 {
		s.tb.Fatalf("%s %s: %d %s", method, path, a.Status, a.Body)
	}
	if out != nil {
		s.decode(method, path, a, out)
	}
}

// Refused is Do for a request that has to be refused with a problem.
func (s *Server) Refused(method, path string, body any, header ...string) Problem {
	s.tb.Helper()
	a := s.Send(method, path, body, header...)
	if a.Status < 400 || a.Header.Get("Content-Type") != "application/problem+json" {
		s.tb.Fatalf("%s %s: %d %s %s, want a problem", method, path, a.Status, a.Header.Get("Content-Type"), a.Body)
	}
	var p Problem
	s.decode(method, path, a, &p)
	return p
}

func (s *Server) decode(method, path string, a Answer, out any) {
	s.tb.Helper()
	if err := json.Unmarshal(a.Body, out); err != nil {
		s.tb.Fatalf("%s %s: %d, not JSON: %v: %s", method, path, a.Status, err, a.Body)
	}
}

// Send makes a request with headers, each a name and a value.
func (s *Server) Send(method, path string, body any, header ...string) Answer {
	s.tb.Helper()
	a, err := s.Try(method, path, body, header...)
	if err != nil {
		s.tb.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// Try is Send for a server that may be gone: the error is that of the network.
func (s *Server) Try(method, path string, body any, header ...string) (Answer, error) {
	s.tb.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case io.Reader:
		r = b
	default:
		doc, err := json.Marshal(b)
		if err != nil {
			s.tb.Fatal(err)
		}
		r = bytes.NewReader(doc)
	}
	req, err := http.NewRequestWithContext(context.WithoutCancel(s.tb.Context()), method, s.URL+path, r)
	if err != nil {
		s.tb.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Key)
	if r != nil && !strings.HasPrefix(path, "/v1/media/") {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	a := Answer{Status: res.StatusCode, Header: res.Header}
	if a.Body, err = io.ReadAll(res.Body); err != nil {
		return a, err
	}
	if err := s.contract.check(req, a); err != nil && strings.HasPrefix(path, "/v1/") {
		s.tb.Errorf("%s %s: %d, other than the OpenAPI document says: %v: %.500s", method, path, a.Status, err, a.Body)
	}
	return a, nil
}

// Phone is a telephone on loopback until the test ends; change may be nil.
func (s *Server) Phone(name string, change func(*phone.Config)) *phone.Phone {
	s.tb.Helper()
	cfg := phone.Config{Name: name}
	if change != nil {
		change(&cfg)
	}
	p, err := phone.New(cfg)
	if err != nil {
		s.tb.Fatal(err)
	}
	s.tb.Cleanup(func() { _ = p.Close() })
	return p
}

// Patience is how long tests wait for what has to happen. It is an upper
// bound against hanging, never a measurement.
const Patience = 30 * time.Second
