package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"parley"
	"parley/internal/control"
	"parley/internal/strictjson"
)

// maxBody is the most bytes of a JSON body.
const maxBody = 1 << 20

// patience is how long a client may take to send a JSON body, and how long a
// connection may stand still while something is sent or received.
const patience = 30 * time.Second

// request is one request of an application.
type request struct {
	*http.Request
	// ctx is for the use case. That of a command does not end with the
	// connection: what was asked is done or not, but not left half done.
	ctx  context.Context
	who  control.Principal
	body []byte // once read
}

// app is whose request it is.
func (q *request) app() parley.ID { return q.who.Application }

// id is a wildcard of the path that holds an ID; the router has checked it.
func (q *request) id(name string) parley.ID { return parley.ID(q.PathValue(name)) }

// readBody reads a JSON body into q.body; a body that is empty stays nil.
func (q *request) readBody(w *writer) error {
	if q.ContentLength > maxBody {
		return errBodyTooLarge()
	}
	if err := q.checkContentType(); err != nil {
		return err
	}
	w.readBy(patience)
	defer w.readBy(0)
	// The plain ResponseWriter lets MaxBytesReader end the connection.
	body, err := io.ReadAll(http.MaxBytesReader(w.ResponseWriter, q.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return errBodyTooLarge()
	}
	if err != nil {
		return &parley.Error{Code: parley.CodeMalformed, Message: "the body broke off or took too long", Err: err}
	}
	q.body = body
	return nil
}

func errBodyTooLarge() error {
	return parley.Errorf(parley.CodeTooLarge, "the body is over the limit of %d bytes", maxBody)
}

// checkContentType wants JSON, uncompressed, where there is a body.
func (q *request) checkContentType() error {
	if q.ContentLength == 0 {
		return nil
	}
	if enc := q.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return parley.FieldErrorf(parley.CodeUnsupportedMedia, "Content-Encoding", "%q is not read here; send the body as it is", clip(enc))
	}
	header := q.Header.Get("Content-Type")
	kind, params, err := mime.ParseMediaType(header)
	if err != nil || kind != "application/json" {
		return parley.FieldErrorf(parley.CodeUnsupportedMedia, "Content-Type", "found %q; it must be application/json", clip(header))
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return parley.FieldErrorf(parley.CodeUnsupportedMedia, "Content-Type", "the charset %q is not read here; JSON is UTF-8", clip(charset))
	}
	return nil
}

// decodeBody reads q.body into a B. No body is the empty object: for many
// requests that says enough.
func decodeBody[B any](d strictjson.Decoder[B], q *request) (B, error) {
	body := q.body
	if len(body) == 0 {
		body = []byte("{}")
	}
	b, err := d.Decode(body)
	if e, ok := errors.AsType[*strictjson.SyntaxError](err); ok {
		return b, &parley.Error{Code: parley.CodeMalformed, Message: "the body is " + e.Error()}
	}
	return b, err
}

// idempotencyKey is the request's Idempotency-Key, empty for none.
func (q *request) idempotencyKey() (string, error) {
	values := q.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := values[0]
	ok := len(values) == 1 && key != ""
	for i := range len(key) {
		ok = ok && key[i] > ' ' && key[i] < 0x7f
	}
	if !ok {
		return "", parley.FieldErrorf(parley.CodeInvalid, "Idempotency-Key", "it must be one word of visible ASCII characters")
	}
	return key, nil
}

// fingerprint tells requests with one Idempotency-Key apart.
func (q *request) fingerprint() string {
	h := sha256.New()
	for _, part := range []string{q.Method, q.URL.EscapedPath(), q.URL.RawQuery} {
		_, _ = io.WriteString(h, part+"\n") // a hash takes everything
	}
	_, _ = h.Write(q.body)
	return hex.EncodeToString(h.Sum(nil))
}
