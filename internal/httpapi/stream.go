package httpapi

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"parley"
	"parley/internal/control"
)

// stream is the route of the event stream (WHATWG HTML section 9.2).
func stream(c Events, cfg Config, m meta) route {
	m.method, m.status = http.MethodGet, http.StatusOK
	params := newParams[eventFilter]()
	serve := func(_ *edge, w *writer, q *request) error {
		p, err := params.decode(q.URL.RawQuery)
		if err != nil {
			return err
		}
		if last := q.Header.Get("Last-Event-ID"); last != "" {
			p.After = last
		}
		ctx, cancel := context.WithCancel(q.ctx)
		defer cancel()
		defer context.AfterFunc(cfg.Closing, cancel)()
		events, err := c.EventStream(ctx, q.app(), control.EventRequest{Conference: p.Conference, Type: p.Type, After: p.After})
		if err != nil {
			return err
		}
		defer events.Close()
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Accel-Buffering", "no")
		w.WriteHeader(http.StatusOK)
		if q.Method == http.MethodHead {
			return nil
		}
		if err := follow(ctx, w, events, cfg.Heartbeat); err != nil && ctx.Err() == nil {
			cfg.Logger.Warn("an event stream could not go on", "error", err)
		}
		return nil
	}
	return route{
		meta: m, query: typeOf[eventFilter](), serve: serve,
		content: &content{types: []string{"text/event-stream"}, description: "the events, one after the other, without end", stream: true},
	}
}

// follow sends what comes until ctx ends or the client has gone; its error says
// why no more events came.
func follow(ctx context.Context, w *writer, events control.EventStream, heartbeat time.Duration) error {
	out := []byte(": this stream begins here\nretry: 1000\n\n")
	for {
		if _, err := w.Write(out); err != nil {
			return nil
		}
		if err := w.flush(); err != nil {
			return nil
		}
		batch, err := next(ctx, events, heartbeat)
		if err != nil {
			return err
		}
		out = out[:0]
		for _, e := range batch {
			out = appendEvent(out, e)
		}
		if len(batch) == 0 {
			out = append(out, ": alive\n\n"...)
		}
	}
}

// next waits for events, none if none come in time.
func next(ctx context.Context, events control.EventStream, heartbeat time.Duration) ([]parley.Event, error) {
	short, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	batch, err := events.Next(short)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, nil
	}
	return batch, err
}

// appendEvent writes one event. A body is one line, as JSON without white
// space is; should it not be, each line is a data line of its own.
func appendEvent(out []byte, e parley.Event) []byte {
	out = append(out, "id: "...)
	out = append(out, e.ID()...)
	out = append(out, "\nevent: "...)
	out = append(out, e.Type...)
	for line := range bytes.SplitSeq(e.Body, []byte("\n")) {
		out = append(out, "\ndata: "...)
		out = append(out, line...)
	}
	return append(out, "\n\n"...)
}
