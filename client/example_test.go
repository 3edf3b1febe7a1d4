package client_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"parley"
	"parley/client"
)

// A receiver of callbacks: it verifies the signature, then looks at the event.
func ExampleVerifyWebhook() {
	secrets := []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
	now := func() time.Time { return time.Unix(1614265330, 0) } // time.Now
	receiver := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if err := client.VerifyWebhook(r.Header, body, secrets, now(), 0); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		event, err := client.ParseEvent(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if event.Type == parley.EventConfJoined {
			var joined parley.JoinedFact
			if err := event.Decode(&joined); err == nil {
				fmt.Println(joined.PartURI, "is in", joined.ID)
			}
		}
		w.WriteHeader(http.StatusNoContent)
	}
	r := httptest.NewRequest("POST", "/events", strings.NewReader(`{"event":"conf.joined"}`))
	w := httptest.NewRecorder()
	receiver(w, r)
	fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	// Output: 403 client: the webhook's signature is not valid: webhook-id or webhook-timestamp is missing or malformed
}
