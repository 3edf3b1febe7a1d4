package servertest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"parley"
)

// Callback is one delivery as the receiver got it.
type Callback struct {
	At     time.Time
	Header http.Header
	Body   []byte
	Type   parley.EventType
	Fields map[string]any
	// Status is what the receiver answered; 0 for a connection that it cut.
	Status int
}

// Has reports whether the body has a field, null or not.
func (c Callback) Has(field string) bool {
	_, ok := c.Fields[field]
	return ok
}

// Text is a field of the body that is a string, empty for null.
func (c Callback) Text(field string) string {
	s, _ := c.Fields[field].(string)
	return s
}

// Number is a field of the body that is a number, 0 for null.
func (c Callback) Number(field string) int64 {
	n, _ := c.Fields[field].(float64)
	return int64(n)
}

// Time is a field of the body that is a point in time, zero for null.
func (c Callback) Time(field string) time.Time { return parley.Millis(c.Number(field)).Time() }

// EventID names the event, in any format: by the delivery's header.
func (c Callback) EventID() string { return c.Header.Get("webhook-id") }

// Seq is the event's place in its stream, by its ID.
func (c Callback) Seq() int64 {
	id := c.EventID()
	n, err := strconv.ParseInt(id[strings.LastIndexByte(id, '_')+1:], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Stream is the conference, or for call.* events the call, by the event's ID.
func (c Callback) Stream() string {
	_, rest, _ := strings.Cut(c.EventID(), "_")
	stream, _, _ := strings.Cut(rest, "_")
	return stream
}

// verify checks a delivery's signature as the Standard Webhooks specification
// says, without any code of the server.
func (c Callback) verify(secret string) error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return err
	}
	stamp := c.Header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return fmt.Errorf("webhook-timestamp %q: %w", stamp, err)
	}
	if age := c.At.Sub(time.Unix(seconds, 0)); age < -5*time.Minute || age > 5*time.Minute {
		return fmt.Errorf("webhook-timestamp %q is %v old", stamp, age)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", c.EventID(), stamp, c.Body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for s := range strings.FieldsSeq(c.Header.Get("webhook-signature")) {
		if hmac.Equal([]byte(s), []byte(want)) {
			return nil
		}
	}
	return errors.New("the signature is not valid")
}
