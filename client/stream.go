package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"parley"
)

// StreamOptions chooses the events of a stream. Zero fields do not restrict.
type StreamOptions struct {
	Conference parley.ID // or a call, for call.* events
	Type       parley.EventType
	After      string // event_id: begin after it; empty for from now on
}

// Limits of a stream.
const (
	maxEvent    = 1 << 20          // bytes of a line
	streamIdle  = time.Minute      // without even a comment, a connection is dead
	firstPause  = time.Second / 4  // before connecting again
	longestWait = 30 * time.Second // between two tries to connect
)

// EventStream follows events. When its connection breaks it makes a new one and
// goes on after the last event, so that none is lost and none comes twice. Only
// events that come before the first one was received, and while there is no
// connection, can be missed: give After where that matters. It is for one
// goroutine.
type EventStream struct {
	c      *Client
	ctx    context.Context
	cancel context.CancelFunc
	o      StreamOptions

	body   io.Closer // of the connection, nil for none
	lines  *bufio.Scanner
	idle   *time.Timer // ends the connection
	broken int         // tries in a row that gave no event
}

// Stream follows events until ctx ends or Close is called. It connects with the
// first Next.
func (c *Client) Stream(ctx context.Context, o StreamOptions) *EventStream {
	s := &EventStream{c: c, o: o}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

// Close ends the stream. Next may be waiting meanwhile.
func (s *EventStream) Close() { s.cancel() }

// Next waits for the next event. Its error is the context's, or an *Error of
// the server that asking again would not change.
func (s *EventStream) Next() (Event, error) {
	for {
		if s.body == nil {
			if err := s.connect(); err != nil {
				if !s.mayTryAgain(err) {
					return Event{}, s.end(err)
				}
				continue
			}
		}
		e, err := s.read()
		if err == nil {
			s.o.After, s.broken = e.ID, 0
			return e, nil
		}
		s.disconnect()
		if !s.mayTryAgain(err) {
			return Event{}, s.end(err)
		}
	}
}

// connect opens a connection after the last event.
func (s *EventStream) connect() error {
	q := url.Values{}
	setText(q, "conference", s.o.Conference)
	setText(q, "type", s.o.Type)
	ctx, cancel := context.WithCancel(s.ctx)
	req, err := s.c.raw(ctx, http.MethodGet, path("events", "stream"), q, nil)
	if err != nil {
		cancel()
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	if s.o.After != "" {
		req.Header.Set("Last-Event-ID", s.o.After)
	}
	s.idle = time.AfterFunc(streamIdle, cancel)
	resp, err := s.c.send(req) //nolint:bodyclose // disconnect closes it
	if err != nil {
		s.idle.Stop()
		cancel()
		return err
	}
	s.body = closeBoth{resp.Body, cancel}
	s.lines = bufio.NewScanner(resp.Body)
	s.lines.Buffer(nil, maxEvent)
	return nil
}

// closeBoth closes a body and ends its request.
type closeBoth struct {
	io.Closer
	cancel context.CancelFunc
}

func (c closeBoth) Close() error {
	c.cancel()
	return c.Closer.Close()
}

func (s *EventStream) disconnect() {
	s.idle.Stop()
	_ = s.body.Close() // it is not needed any more
	s.body = nil
}

// end closes what is open; a stream that was ended says so.
func (s *EventStream) end(err error) error {
	if s.ctx.Err() != nil {
		err = s.ctx.Err()
	}
	if s.body != nil {
		s.disconnect()
	}
	s.cancel()
	return err
}

// read gives the next event of the connection.
func (s *EventStream) read() (Event, error) {
	var data []string
	for s.lines.Scan() {
		s.idle.Reset(streamIdle)
		line := s.lines.Text()
		switch value, isData := strings.CutPrefix(line, "data:"); {
		case isData:
			data = append(data, strings.TrimPrefix(value, " "))
		case line == "" && len(data) > 0:
			var e Event
			if err := json.Unmarshal([]byte(strings.Join(data, "\n")), &e); err != nil {
				return e, errMalformed{err}
			}
			return e, nil
		}
	}
	if err := s.lines.Err(); err != nil {
		return Event{}, err
	}
	return Event{}, io.ErrUnexpectedEOF
}

// errMalformed is an event that cannot be read; it would be the same again.
type errMalformed struct{ err error }

func (e errMalformed) Error() string { return fmt.Sprintf("event cannot be read: %v", e.err) }
func (e errMalformed) Unwrap() error { return e.err }

// mayTryAgain waits before the next connection. It gives false where a new one
// would not help, or the stream was ended.
func (s *EventStream) mayTryAgain(err error) bool {
	if _, malformed := errors.AsType[errMalformed](err); malformed {
		return false
	}
	pause := min(firstPause<<min(s.broken, 8), longestWait)
	if e, ok := errors.AsType[*Error](err); ok {
		if e.Status < 500 && e.Status != http.StatusTooManyRequests {
			return false
		}
		pause = max(pause, e.RetryAfter)
	}
	s.broken++
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}
