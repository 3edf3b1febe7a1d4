package interop

import (
	"fmt"
	"net/http"
	"testing"

	"parley"
	"parley/internal/history"
	"parley/internal/server"
	"parley/internal/servertest"
)

// object is a JSON object.
type object = map[string]any

// conference is a live conference of a server of its own, whose events are
// all received.
type conference struct {
	t        *testing.T
	server   *servertest.Server
	receiver *servertest.Receiver
	id       string
	name     string
}

// newConference starts a server and creates a conference that can be dialled
// into; change may be nil, settings are added to the request.
func newConference(t *testing.T, change func(*server.Config), settings object) *conference {
	t.Helper()
	c := &conference{t: t, server: servertest.Start(t, change), receiver: servertest.Receive(t), name: "talk"}
	c.receiver.Webhook(c.server, "", "*")
	body := object{"name": c.name, "dial_in": true}
	for k, v := range settings {
		body[k] = v
	}
	var made struct{ ID string }
	c.server.Must(http.MethodPost, "/v1/conferences", body, &made)
	c.id = made.ID
	c.receiver.Wait(parley.EventConfCreateSucc, 1)
	return c
}

func (c *conference) path(format string, args ...any) string {
	return "/v1/conferences/" + c.id + fmt.Sprintf(format, args...)
}

// invite calls somebody into the conference and gives the call's ID.
func (c *conference) invite(to string, settings object) string {
	c.t.Helper()
	body := object{"to": to}
	for k, v := range settings {
		body[k] = v
	}
	var made struct {
		CallID string `json:"call_id"`
	}
	c.server.Must(http.MethodPost, c.path("/participants"), body, &made)
	return made.CallID
}

// dialIn is where the conference is called.
func (c *conference) dialIn(transport string) string {
	return uri(c.name, int(c.server.SIP.Port()), transport)
}

// of waits for the first event of a type that is about a call.
func (c *conference) of(kind parley.EventType, call string) object {
	c.t.Helper()
	return c.nth(kind, call, 1)
}

// nth waits for the n-th event of a type, from 1, that is about a call.
func (c *conference) nth(kind parley.EventType, call string, n int) object {
	c.t.Helper()
	return c.receiver.WaitFor(fmt.Sprintf("%s of %s", kind, call), n, func(cb servertest.Callback) bool {
		return cb.Type == kind && cb.Fields["call_id"] == call
	})[n-1].Fields
}

// joined waits until n calls have joined and gives the ID of the last.
func (c *conference) joined(n int) string {
	c.t.Helper()
	return c.receiver.Wait(parley.EventConfJoined, n)[n-1].Text("call_id")
}

// remove makes a participant leave.
func (c *conference) remove(call string) {
	c.t.Helper()
	c.server.Must(http.MethodDelete, c.path("/participants/%s", call), nil, nil)
}

// end ends the conference, holds everything that was told to the lifecycle law,
// and gives it.
func (c *conference) end() []servertest.Callback {
	c.t.Helper()
	c.server.Must(http.MethodDelete, c.path(""), nil, nil)
	c.receiver.Wait(parley.EventConfEnd, 1)
	all := c.receiver.All()
	var bodies [][]byte
	for _, cb := range all {
		if cb.Has("id") { // of the conference
			bodies = append(bodies, cb.Body)
		}
	}
	for _, v := range history.Check(bodies...) {
		c.t.Error(v)
	}
	return all
}

// count is how many events of a type were told.
func count(all []servertest.Callback, kind parley.EventType) (n int) {
	for _, cb := range all {
		if cb.Type == kind {
			n++
		}
	}
	return n
}

// want compares fields of an event.
func want(t *testing.T, event, fields object) {
	t.Helper()
	for name, value := range fields {
		if n, ok := value.(int); ok {
			value = float64(n) // as JSON has it
		}
		if got, ok := event[name]; !ok || got != value {
			t.Errorf("%v: %s is %v, want %v", event["event"], name, got, value)
		}
	}
}
