package webhook

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"parley"
)

// How much of an answer is kept, and read so that the connection can be used
// again, in bytes.
const (
	keptBody    = 512
	drainedBody = 32 << 10
)

// verdict is what an attempt means.
type verdict int

const (
	delivered verdict = iota
	failing           // the destination fails: the event is tried on the schedule
	refused           // the event is refused: dead after the quick tries
	gone              // 410: the webhook is disabled
)

// outcome is the result of one attempt.
type outcome struct {
	verdict  verdict
	status   int    // 0: no answer
	err      string // empty when delivered
	response string // the beginning of the answer
	latency  time.Duration
	// pause is what Retry-After asked for; paused is false where it did not.
	pause  time.Duration
	paused bool
}

// judge says what a status means (contract, "Delivery").
func judge(status int) verdict {
	switch {
	case status >= 200 && status < 300:
		return delivered
	case status == http.StatusGone:
		return gone
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusNotFound,
		status == http.StatusRequestTimeout, status == http.StatusTooManyRequests:
		return failing
	case status >= 400 && status < 500:
		return refused
	default:
		return failing
	}
}

// post makes one attempt: blocking, at most timeout long.
func (d *Dispatcher) post(ctx context.Context, t endpoint, e parley.Event) outcome {
	ctx, cancel := context.WithTimeout(ctx, d.plan.Timeout)
	defer cancel()
	body := e.Body
	if t.seed {
		body = e.Seed()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url, bytes.NewReader(body))
	if err != nil {
		return outcome{verdict: failing, err: "the URL cannot be called"}
	}
	t.sign(req, e.ID(), d.now().Unix(), body)
	began := time.Now()
	resp, err := t.client.Do(req)
	o := outcome{latency: time.Since(began)}
	if err != nil {
		o.verdict, o.err = failing, reason(err)
		return o
	}
	defer func() { _ = resp.Body.Close() }() // nothing is left to say about it
	o.status, o.verdict = resp.StatusCode, judge(resp.StatusCode)
	o.response = beginning(resp.Body)
	if o.verdict != delivered {
		o.err = fmt.Sprintf("answered %d", o.status)
	}
	if o.status == http.StatusTooManyRequests || o.status == http.StatusServiceUnavailable {
		o.pause, o.paused = parseRetryAfter(resp.Header.Get("Retry-After"), d.now())
	}
	return o
}

// endpoint is what an attempt needs to know of a webhook.
type endpoint struct {
	url    string
	seed   bool
	keys   [][]byte
	client *http.Client
}

// sign sets the headers (Standard Webhooks 1.0).
func (t endpoint) sign(req *http.Request, id string, timestamp int64, body []byte) {
	h := req.Header
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("User-Agent", "parley")
	h.Set("webhook-id", id)
	h.Set("webhook-timestamp", strconv.FormatInt(timestamp, 10))
	if len(t.keys) > 0 {
		h.Set("webhook-signature", Sign(t.keys, id, timestamp, body))
	}
}

// beginning gives the first bytes of an answer as valid UTF-8, and reads a
// little further. What the answer's end does to it does not matter: the status
// has been said.
func beginning(body io.Reader) string {
	kept := make([]byte, keptBody)
	n, err := io.ReadFull(body, kept)
	if err == nil {
		_, _ = io.CopyN(io.Discard, body, drainedBody)
	}
	kept = kept[:n]
	for cut := 0; cut < utf8.UTFMax-1 && n == keptBody && len(kept) > 0; cut++ {
		// A character that the limit has cut in two is left out.
		if r, _ := utf8.DecodeLastRune(kept); r != utf8.RuneError {
			break
		}
		kept = kept[:len(kept)-1]
	}
	return strings.ToValidUTF8(string(kept), "\uFFFD")
}

// reason is what a customer is told of a failed request: the innermost cause
// without method and URL, which the customer knows.
func reason(err error) string {
	if e, ok := err.(*url.Error); ok { //nolint:errorlint // the outermost alone is unwrapped
		err = e.Err
	}
	text := strings.ToValidUTF8(err.Error(), "\uFFFD")
	const limit = 300
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "")
	}
	return text
}
