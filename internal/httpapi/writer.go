package httpapi

import (
	"net/http"
	"time"
)

// writer is a ResponseWriter that knows whether the answer has begun and gives
// a connection that stands still up: each write has its own deadline, however
// long the whole takes.
type writer struct {
	http.ResponseWriter
	begun bool
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *writer) WriteHeader(status int) {
	w.begun = true
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	w.begun = true
	w.writeBy(patience)
	return w.ResponseWriter.Write(p)
}

// writeBy bounds what is written next. A ResponseWriter that knows no deadlines
// is one of a test.
func (w *writer) writeBy(d time.Duration) {
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Now().Add(d))
}

// readBy bounds what is read next, 0 removes the bound.
func (w *writer) readBy(d time.Duration) {
	var t time.Time
	if d > 0 {
		t = time.Now().Add(d)
	}
	_ = http.NewResponseController(w.ResponseWriter).SetReadDeadline(t)
}

// flush sends what was written.
func (w *writer) flush() error {
	return http.NewResponseController(w.ResponseWriter).Flush()
}
