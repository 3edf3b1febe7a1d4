package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"parley/internal/control"
)

// answer runs a use case and sends what comes of it, a POST with an
// Idempotency-Key only once.
func (e *edge) answer(w *writer, q *request, m meta, do func() (any, error)) error {
	key, err := q.idempotencyKey()
	if err != nil {
		return err
	}
	if m.method != http.MethodPost || key == "" {
		v, err := do()
		if err != nil {
			return err
		}
		a, err := success(m, v)
		if err != nil {
			return err
		}
		send(w, a)
		return nil
	}
	var fresh control.Answer
	a, err := e.cfg.Control.Idempotent(q.ctx, q.app(), key, q.fingerprint(), func() (control.Answer, error) {
		v, err := do()
		if err != nil {
			return refusal(err)
		}
		if fresh, err = success(m, v); err != nil {
			return control.Answer{}, err
		}
		if k, ok := v.(keepable); ok {
			return success(m, k.kept())
		}
		return fresh, nil
	})
	if err != nil {
		return err
	}
	switch {
	case a.Replayed:
		w.Header().Set("Idempotency-Replayed", "true")
	case fresh.Status != 0:
		a = fresh
	}
	send(w, a)
	return nil
}

// refusal is the answer to an error that is kept like any other; a fault of the
// server is not, so that the request can be made again.
func refusal(err error) (control.Answer, error) {
	if p := problemOf(err); p.Status < 500 {
		return problemAnswer(p), nil
	}
	return control.Answer{}, err
}

// success encodes the answer of a use case.
func success(m meta, v any) (control.Answer, error) {
	a := control.Answer{Status: m.status, Header: map[string]string{}}
	if l, ok := v.(located); ok && m.status == http.StatusCreated {
		a.Header["Location"] = l.location()
	}
	if m.status == http.StatusNoContent {
		return a, nil
	}
	body, err := encode(v)
	a.Body, a.Header["Content-Type"] = body, "application/json"
	return a, err
}

func problemAnswer(p problem) control.Answer {
	body, err := encode(p)
	if err != nil {
		panic(err) // strings and numbers can be encoded
	}
	return control.Answer{Status: p.Status, Header: p.header(), Body: body}
}

// send writes an answer. That the client has gone meanwhile is no fault.
func send(w *writer, a control.Answer) {
	for name, value := range a.Header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.Status)
	if len(a.Body) > 0 {
		_, _ = w.Write(a.Body)
	}
}

// fail answers with the problem that err is. Faults of the server are logged
// with their cause, which the client does not see.
func (e *edge) fail(plain http.ResponseWriter, r *http.Request, err error) {
	p := problemOf(err)
	if p.Status >= 500 && r.Context().Err() == nil {
		e.cfg.Logger.Error("request failed", "method", r.Method, "path", r.URL.Path, "status", p.Status, "code", p.Code, "error", err)
	}
	w := plain.(*writer)
	if w.begun {
		panic(http.ErrAbortHandler)
	}
	send(w, problemAnswer(p))
}

// encode is json.Marshal without the escaping of <, > and &.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return b.Bytes(), nil
}
