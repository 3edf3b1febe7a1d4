package acceptance

import (
	"net/http"
	"net/netip"
	"testing"
	"time"

	"parley"
	"parley/internal/phone"
	"parley/internal/server"
	"parley/internal/servertest"
)

// incoming lets a phone call a user whom the server does not know, and gives
// the call at both ends.
func (h *house) incoming(p *phone.Phone, user string) (*phone.Call, servertest.Callback) {
	h.t.Helper()
	n := 0
	for _, e := range h.app.Accepted() {
		if e.Type == parley.EventCallIncoming {
			n++
		}
	}
	k := dial(h.t, p, h.target(user))
	return k, h.app.Wait(parley.EventCallIncoming, n+1)[n]
}

// TestDialIn has callers who dial a conference by its name and by its ID.
func TestDialIn(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c := h.conference(body{"name": "weekly", "dial_in": true, "user_data": "conference", "max_parts": 2})
	anna := c.dialIn(h.Phone("anna", tone(440, -20)), "weekly")
	ben := c.dialIn(h.Phone("ben", tone(1000, -20)), c.id)
	anna.hearsTone(1000, -20)
	ben.hearsTone(440, -20)
	joined := c.about(parley.EventConfJoined, "call_id", anna.id)
	equal(t, "direction", joined.Text("direction"), "inbound")
	equal(t, "part_uri", joined.Text("part_uri"), anna.uri())
	equal(t, "user_data", joined.Text("user_data"), "conference")
	// It is full.
	chen := h.Phone("chen", nil)
	if end := ended(t, dial(t, chen, h.target("weekly"))); end.Reason != phone.RemoteRefusal || end.Status != 486 {
		t.Errorf("a caller to a conference that is full got %v, want 486", end)
	}
	anna.hangup()
	c.wait(parley.EventConfQuit, 1)
	c.dialIn(chen, "weekly").hearsTone(1000, -20)
	// One that does not take callers is not found by them.
	h.conference(body{"name": "closed"})
	k, e := h.incoming(h.Phone("dora", nil), "closed")
	h.Must(http.MethodPost, "/v1/calls/"+e.Text("call_id")+"/reject", body{}, nil)
	equal(t, "status of the refused call", ended(t, k).Status, 603)
}

// TestIncomingAnswered answers a ringing call into a conference.
func TestIncomingAnswered(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c := h.conference(body{})
	anna := c.invite(h.Phone("anna", tone(440, -20)), nil)
	p := h.Phone("ben", tone(1000, -20))
	k, e := h.incoming(p, "hotline")
	equal(t, "direction", e.Text("direction"), "inbound")
	equal(t, "to", e.Text("to"), h.target("hotline"))
	equal(t, "part_uri", e.Text("part_uri"), "sip:ben@"+p.Addr().String())
	patient(t, "it rings", k.WaitRinging)
	id := e.Text("call_id")
	h.Must(http.MethodPost, "/v1/calls/"+id+"/answer", body{"conference": c.id, "user_data": "answered"}, nil)
	patient(t, "it is answered", k.WaitAnswered)
	joined := c.about(parley.EventConfJoined, "call_id", id)
	equal(t, "user_data", joined.Text("user_data"), "answered")
	near(t, "join_time", joined.Time("join_time"), k.AnsweredAt(), roughly)
	(&guest{k, c, id}).hearsTone(440, -20)
	anna.hearsTone(1000, -20)
	answered := h.about(parley.EventCallAnswered, "call_id", id)
	equal(t, "seq of call.answered", answered.Seq(), 2)
	p2 := h.Refused(http.MethodPost, "/v1/calls/"+id+"/answer", body{})
	equal(t, "code of a second answer", p2.Code, parley.CodeInvalid)
}

// TestIncomingByItself answers a call to stand by itself, and takes it into a
// conference later.
func TestIncomingByItself(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	k, e := h.incoming(h.Phone("ben", tone(1000, -20)), "hotline")
	id := e.Text("call_id")
	h.Must(http.MethodPost, "/v1/calls/"+id+"/answer", body{}, nil)
	patient(t, "it is answered", k.WaitAnswered)
	h.about(parley.EventCallAnswered, "call_id", id)
	c := h.conference(body{})
	anna := c.invite(h.Phone("anna", tone(440, -20)), nil)
	h.Must(http.MethodPost, c.path("participants"), body{"call_id": id}, nil)
	c.about(parley.EventConfJoined, "call_id", id)
	anna.hearsTone(1000, -20)
	(&guest{k, c, id}).hearsTone(440, -20)
}

// TestIncomingNotAnswered has calls that the application rejects, leaves
// ringing, and that the caller gives up.
func TestIncomingNotAnswered(t *testing.T) {
	t.Parallel()
	h := open(t, func(cfg *server.Config) { cfg.SIP.RingTimeout = 700 * time.Millisecond })
	p := h.Phone("anna", nil)
	k, e := h.incoming(p, "hotline")
	h.Must(http.MethodPost, "/v1/calls/"+e.Text("call_id")+"/reject", body{"status": 486}, nil)
	if end := ended(t, k); end.Reason != phone.RemoteRefusal || end.Status != 486 {
		t.Errorf("the rejected call ended with %v", end)
	}
	began := time.Now()
	k, e = h.incoming(p, "hotline")
	if end := ended(t, k); end.Reason != phone.RemoteRefusal || end.Status != 480 {
		t.Errorf("the call that nobody answered ended with %v", end)
	}
	if d := time.Since(began); d < 700*time.Millisecond {
		t.Errorf("it rang for %v", d)
	}
	h.about(parley.EventCallEnded, "call_id", e.Text("call_id"))
	k, e = h.incoming(p, "hotline")
	patient(t, "it rings", k.WaitRinging)
	patient(t, "the caller gives up", k.Hangup)
	over := h.about(parley.EventCallEnded, "call_id", e.Text("call_id"))
	equal(t, "seq of call.ended", over.Seq(), 2)
	p2 := h.Refused(http.MethodPost, "/v1/calls/"+e.Text("call_id")+"/answer", body{})
	equal(t, "code of an answer that is late", p2.Code, parley.CodeCallEnded)
}

// TestStranger calls from where nobody may call from.
func TestStranger(t *testing.T) {
	t.Parallel()
	h := open(t, func(cfg *server.Config) { cfg.SIP.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	c := h.conference(body{"name": "weekly", "dial_in": true})
	p := h.Phone("anna", nil)
	if end := ended(t, dial(t, p, h.target("weekly"))); end.Reason != phone.RemoteRefusal || end.Status != 403 {
		t.Errorf("the stranger's call ended with %v, want 403", end)
	}
	// A trunk at that address makes it known.
	h.Must(http.MethodPost, "/v1/trunks", body{"name": "carrier", "host": "sip.example.com", "addresses": []string{"127.0.0.1"}}, nil)
	c.dialIn(p, "weekly")
	equal(t, "calls", len(h.allCalls()), 1)
}

// TestTrunk calls a number through a trunk, and is called through it.
func TestTrunk(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	gateway := h.Phone("gateway", tone(440, -20))
	h.Must(http.MethodPost, "/v1/trunks", body{
		"name": "carrier", "host": gateway.Addr().String(), "prefixes": []string{"+86"}, "strip": 1, "prepend": "00", "from": "02087654321",
	}, nil)
	c := h.conference(body{})
	var made struct {
		CallID  string `json:"call_id"`
		PartURI string `json:"part_uri"`
	}
	h.Must(http.MethodPost, c.path("participants"), body{"to": "+86 138-0013-8000"}, &made)
	equal(t, "part_uri", made.PartURI, "+8613800138000")
	k := next(t, gateway)
	equal(t, "called number", k.Invite().Recipient.User, "008613800138000")
	equal(t, "caller's number", k.Invite().From().Address.User, "02087654321")
	joined := c.about(parley.EventConfJoined, "call_id", made.CallID)
	equal(t, "part_uri of conf.joined", joined.Text("part_uri"), "+8613800138000")
	p := h.Refused(http.MethodPost, c.path("participants"), body{"to": "+4930123456"})
	equal(t, "code for a number that no trunk takes", p.Code, parley.CodeNoTrunk)
	patient(t, "the gateway hangs up", k.Hangup)
	quit := c.about(parley.EventConfQuit, "call_id", made.CallID)
	equal(t, "part_uri of conf.quit", quit.Text("part_uri"), "+8613800138000")
	equal(t, "reason of conf.quit", quit.Text("reason"), "hangup")
}

// TestNotJoined invites phones that do not answer, each in their own way.
func TestNotJoined(t *testing.T) {
	t.Parallel()
	h := open(t, nil)
	c := h.conference(body{})
	for _, tt := range []struct {
		name   string
		answer phone.Answering
		reason string
		status int64
	}{
		{"busy", phone.Answering{Status: 486}, "busy", 486},
		{"declined", phone.Answering{Status: 603}, "rejected", 603},
		{"unknown", phone.Answering{Status: 404}, "not_found", 404},
		{"broken", phone.Answering{Status: 500}, "unreachable", 500},
		{"away", phone.Answering{Wait: true}, "no_answer", 0},
	} {
		p := h.Phone(tt.name, func(cfg *phone.Config) { cfg.Answering = tt.answer })
		g := c.call(p, body{"max_dial_duration": 1})
		fail := c.about(parley.EventConfJoinFail, "call_id", g.id)
		equal(t, "reason of "+tt.name, fail.Text("reason"), tt.reason)
		equal(t, "sip_status of "+tt.name, fail.Number("sip_status"), tt.status)
		equal(t, "part_uri of "+tt.name, fail.Text("part_uri"), p.URI())
		if end := g.ended(); tt.answer.Wait && end.Reason != phone.RemoteCancel {
			t.Errorf("the phone that did not answer was told %v, want a CANCEL", end)
		}
	}
	// Taken back while it rings.
	g := c.call(h.Phone("slow", func(cfg *phone.Config) { cfg.Answering.Wait = true }), nil)
	h.Must(http.MethodDelete, c.path("participants", g.id), nil, nil)
	equal(t, "reason", c.about(parley.EventConfJoinFail, "call_id", g.id).Text("reason"), "cancelled")
	if end := g.ended(); end.Reason != phone.RemoteCancel {
		t.Errorf("the phone was told %v, want a CANCEL", end)
	}
	equal(t, "guests that joined", len(c.joined()), 0)
}
