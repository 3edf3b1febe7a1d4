package client_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"parley/client"
)

// vector is one of the Standard Webhooks project's own.
type vector struct {
	Secret    string `json:"secret"`
	ID        string `json:"id"`
	Timestamp int64  `json:"timestamp"`
	Payload   string `json:"payload"`
	Expected  string `json:"expected"`
}

func vectors(t *testing.T) []vector {
	t.Helper()
	b, err := os.ReadFile("testdata/standard-webhooks-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Sign []vector `json:"sign"`
	}
	if err := json.Unmarshal(b, &file); err != nil || len(file.Sign) == 0 {
		t.Fatal(file, err)
	}
	return file.Sign
}

func (v vector) header(signature string) http.Header {
	h := http.Header{}
	h.Set("webhook-id", v.ID)
	h.Set("webhook-timestamp", strconv.FormatInt(v.Timestamp, 10))
	h.Set("webhook-signature", signature)
	return h
}

func TestVerifyWebhook(t *testing.T) {
	const other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	for _, v := range vectors(t) {
		now, body, secrets := time.Unix(v.Timestamp, 0), []byte(v.Payload), []string{v.Secret}
		without := func(name string) http.Header {
			h := v.header(v.Expected)
			h.Del(name)
			return h
		}
		with := func(name, value string) http.Header {
			h := v.header(v.Expected)
			h.Set(name, value)
			return h
		}
		tests := map[string]struct {
			header  http.Header
			body    string
			secrets []string
			now     time.Time
			want    error
		}{
			"as it came":               {v.header(v.Expected), v.Payload, secrets, now, nil},
			"two signatures":           {v.header("v1,AAAA " + v.Expected), v.Payload, secrets, now, nil},
			"another version first":    {v.header("v1a,AAAA " + v.Expected), v.Payload, secrets, now, nil},
			"old secret":               {v.header(v.Expected), v.Payload, []string{other, v.Secret}, now, nil},
			"secret without its mark":  {v.header(v.Expected), v.Payload, []string{v.Secret[len("whsec_"):]}, now, nil},
			"clock 5 minutes behind":   {v.header(v.Expected), v.Payload, secrets, now.Add(-5 * time.Minute), nil},
			"clock 5 minutes ahead":    {v.header(v.Expected), v.Payload, secrets, now.Add(5 * time.Minute), nil},
			"too old":                  {v.header(v.Expected), v.Payload, secrets, now.Add(5*time.Minute + time.Second), client.ErrTime},
			"from the future":          {v.header(v.Expected), v.Payload, secrets, now.Add(-5*time.Minute - time.Second), client.ErrTime},
			"another secret":           {v.header(v.Expected), v.Payload, []string{other}, now, client.ErrSignature},
			"no secrets":               {v.header(v.Expected), v.Payload, nil, now, client.ErrSignature},
			"body changed":             {v.header(v.Expected), v.Payload + " ", secrets, now, client.ErrSignature},
			"no body":                  {v.header(v.Expected), "", secrets, now, client.ErrSignature},
			"time changed":             {with("webhook-timestamp", strconv.FormatInt(v.Timestamp+1, 10)), v.Payload, secrets, now, client.ErrSignature},
			"time out of this world":   {with("webhook-timestamp", "9223372036854775807"), v.Payload, secrets, now, client.ErrSignature},
			"time that is none":        {with("webhook-timestamp", "now"), v.Payload, secrets, now, client.ErrSignature},
			"id changed":               {with("webhook-id", v.ID+"x"), v.Payload, secrets, now, client.ErrSignature},
			"signature empty":          {v.header(""), v.Payload, secrets, now, client.ErrSignature},
			"signature cut":            {v.header(v.Expected[:20]), v.Payload, secrets, now, client.ErrSignature},
			"signature without v1":     {v.header(v.Expected[3:]), v.Payload, secrets, now, client.ErrSignature},
			"signature of another one": {v.header("v1,AAAA"), v.Payload, secrets, now, client.ErrSignature},
			"no id":                    {without("webhook-id"), v.Payload, secrets, now, client.ErrSignature},
			"no time":                  {without("webhook-timestamp"), v.Payload, secrets, now, client.ErrSignature},
			"no signature":             {without("webhook-signature"), v.Payload, secrets, now, client.ErrSignature},
		}
		for name, tt := range tests {
			if err := client.VerifyWebhook(tt.header, []byte(tt.body), tt.secrets, tt.now, 0); !errors.Is(err, tt.want) {
				t.Errorf("%s: got %v, want %v", name, err, tt.want)
			}
		}
		if err := client.VerifyWebhook(v.header(v.Expected), body, secrets, now.Add(2*time.Second), time.Second); !errors.Is(err, client.ErrTime) {
			t.Errorf("with a tolerance of 1 s: got %v", err)
		}
		if err := client.VerifyWebhook(v.header(v.Expected), body, []string{"whsec_!"}, now, 0); err == nil || errors.Is(err, client.ErrSignature) {
			t.Errorf("a secret that is none: got %v", err)
		}
	}
}

func FuzzVerifyWebhook(f *testing.F) {
	f.Add("msg_1", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", []byte(`{}`))
	f.Add("", "", "", []byte(nil))
	f.Fuzz(func(t *testing.T, id, timestamp, signature string, body []byte) {
		h := http.Header{}
		h.Set("webhook-id", id)
		h.Set("webhook-timestamp", timestamp)
		h.Set("webhook-signature", signature)
		// Nobody who does not know the secret can sign.
		if client.VerifyWebhook(h, body, []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, time.Unix(1614265330, 0), 0) == nil {
			t.Errorf("%q passes", h)
		}
	})
}
