package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// secretPrefix is how the secrets of Standard Webhooks begin.
const secretPrefix = "whsec_"

// ParseSecret gives the key in a secret: "whsec_" and base64, with or without
// padding. The error does not contain the secret.
func ParseSecret(secret string) ([]byte, error) {
	text, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok {
		return nil, errors.New("a secret begins with " + secretPrefix)
	}
	key, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return nil, errors.New("a secret is base64 after " + secretPrefix)
	}
	if len(key) == 0 {
		return nil, errors.New("a secret has a key after " + secretPrefix)
	}
	return key, nil
}

// parseSecrets gives the keys of all secrets.
func parseSecrets(secrets []string) ([][]byte, error) {
	keys := make([][]byte, len(secrets))
	for i, s := range secrets {
		var err error
		if keys[i], err = ParseSecret(s); err != nil {
			return nil, fmt.Errorf("secret %d: %w", i+1, err)
		}
	}
	return keys, nil
}

// Sign gives the value of webhook-signature: for each key "v1," and the base64
// of the HMAC-SHA256 of id, timestamp (Unix seconds) and body joined by dots,
// separated by spaces.
func Sign(keys [][]byte, id string, timestamp int64, body []byte) string {
	signatures := make([]string, len(keys))
	for i, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id))
		mac.Write([]byte{'.'})
		mac.Write(strconv.AppendInt(nil, timestamp, 10))
		mac.Write([]byte{'.'})
		mac.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(signatures, " ")
}
