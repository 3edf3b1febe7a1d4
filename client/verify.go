package client

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
)

// Errors of VerifyWebhook.
var (
	// ErrSignature: no signature is by one of the secrets. Answer 401 or 403
	// and do not look at the body.
	ErrSignature = errors.New("client: the webhook's signature is not valid")
	// ErrTime: the request was signed too long ago or in the future. It may be
	// one that somebody has recorded and sends again.
	ErrTime = errors.New("client: the webhook's time is not near ours")
)

// defaultTolerance is how far webhook-timestamp may be from the receiver's
// clock.
const defaultTolerance = 5 * time.Minute

// VerifyWebhook checks that the request with these headers and this body was
// signed by the server (Standard Webhooks): with one of the secrets (whsec_…;
// two while one is being rotated), not further than tolerance (0 for 5 minutes)
// from now. The body must be the bytes that came. Events may come twice: drop a
// webhook-id that was seen before.
func VerifyWebhook(h http.Header, body []byte, secrets []string, now time.Time, tolerance time.Duration) error {
	if tolerance == 0 {
		tolerance = defaultTolerance
	}
	id, timestamp := h.Get("webhook-id"), h.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || id == "" {
		return fmt.Errorf("%w: webhook-id or webhook-timestamp is missing or malformed", ErrSignature)
	}
	if err := matchSignature(h, id+"."+timestamp+".", body, secrets); err != nil {
		return err
	}
	if away := now.Sub(time.Unix(seconds, 0)).Abs(); away > tolerance {
		return fmt.Errorf("%w: %v away", ErrTime, away.Round(time.Second))
	}
	return nil
}

// matchSignature looks for a signature of prefix and body by one of the secrets.
func matchSignature(h http.Header, prefix string, body []byte, secrets []string) error {
	var given [][]byte
	for field := range strings.FieldsSeq(h.Get("webhook-signature")) {
		if text, ok := strings.CutPrefix(field, "v1,"); ok {
			if mac, err := base64.StdEncoding.DecodeString(text); err == nil {
				given = append(given, mac)
			}
		}
	}
	for _, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil || len(key) == 0 {
			return errors.New("client: a webhook secret is not whsec_ and base64")
		}
		mac := hmac.New(sha256.New, key)
		_, _ = mac.Write([]byte(prefix)) // a hash takes everything
		_, _ = mac.Write(body)
		for _, g := range given {
			if hmac.Equal(g, mac.Sum(nil)) {
				return nil
			}
		}
	}
	return ErrSignature
}
