package httpapi

import (
	"mime"
	"net/http"

	"parley"
	"parley/internal/control"
)

// content says what a body or answer is that is not JSON.
type content struct {
	types       []string // media types
	description string
	stream      bool // server-sent events
}

// audio is what files are sent as.
func audio() *content {
	return &content{types: []string{"audio/wav", "audio/mpeg"}, description: "the file, or with Range a part of it (206)"}
}

// download is a route that sends a file, as a whole or in ranges (RFC 9110
// section 14).
func download(m meta, open func(q *request) (control.Content, error)) route {
	m.method, m.status = http.MethodGet, http.StatusOK
	serve := func(_ *edge, w *writer, q *request) error {
		if _, err := newParams[none]().decode(q.URL.RawQuery); err != nil {
			return err
		}
		c, err := open(q)
		if err != nil {
			return ownPath(err)
		}
		defer func() { _ = c.Close() }() // it was only read
		w.Header().Set("Content-Type", c.Type)
		w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": c.Name}))
		http.ServeContent(&rangeWriter{writer: w}, q.Request, "", c.Modified, c)
		return nil
	}
	return route{meta: m, content: audio(), serve: serve}
}

// ownPath makes a media file that does not exist 404: it was not named in a
// body, but by the path.
func ownPath(err error) error {
	if parley.CodeOf(err) == parley.CodeMediaNotFound {
		return statusError{err, http.StatusNotFound}
	}
	return err
}

// rangeWriter makes the plain text with which http.ServeContent refuses a range
// a problem.
type rangeWriter struct {
	*writer
	refused bool
}

// WriteHeader implements http.ResponseWriter.
func (w *rangeWriter) WriteHeader(status int) {
	if status < 400 {
		w.writer.WriteHeader(status)
		return
	}
	w.refused = true
	err := parley.FieldErrorf(parley.CodeInvalid, "Range", "the file does not have that range; Content-Range says how long it is")
	if status == http.StatusPreconditionFailed {
		err = parley.Errorf(parley.CodeInvalid, "the file is not the one that If-Match or If-Unmodified-Since names")
	}
	h := w.Header()
	h.Del("Content-Disposition")
	h.Del("Content-Length")
	send(w.writer, problemAnswer(problemOf(statusError{err, status})))
}

// Write implements io.Writer.
func (w *rangeWriter) Write(p []byte) (int, error) {
	if w.refused {
		return len(p), nil
	}
	return w.writer.Write(p)
}
