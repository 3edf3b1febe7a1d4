package phone_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"

	"parley/internal/phone"
)

// registrar is a server that challenges every request, answers REGISTER with
// 200 and refuses calls with 486.
type registrar struct {
	t         *testing.T
	algorithm string
	password  string
	addr      string
	binding   chan string // Contact and Expires of each REGISTER that was let in
}

func newRegistrar(t *testing.T, algorithm, password string) *registrar {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &registrar{t: t, algorithm: algorithm, password: password, addr: conn.LocalAddr().String(), binding: make(chan string, 10)}
	tpl := sip.NewTransportLayer(net.DefaultResolver, sip.NewParser(), nil)
	txl := sip.NewTransactionLayer(tpl)
	txl.OnRequest(r.serve)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = tpl.ServeUDP(conn) // until conn is closed
	}()
	t.Cleanup(func() {
		txl.Close()
		conn.Close()
		tpl.Close()
		<-served
	})
	return r
}

func (r *registrar) serve(req *sip.Request, tx *sip.ServerTx) {
	status, ask, given := 200, "WWW-Authenticate", "Authorization"
	if req.Method == sip.INVITE {
		status, ask, given = 486, "Proxy-Authenticate", "Proxy-Authorization"
	}
	h := req.GetHeader(given)
	switch {
	case req.IsAck():
		tx.Terminate()
		return
	case h == nil && req.Method == sip.INVITE:
		status = 407
	case h == nil:
		status = 401
	case !r.knows(req, h.Value()):
		status = 403
	case req.Method == sip.REGISTER:
		r.binding <- req.Contact().Value() + " " + req.GetHeader("Expires").Value()
	}
	res := sip.NewResponseFromRequest(req, status, "", nil)
	if h == nil {
		// Something that no phone can do stands first.
		res.AppendHeader(sip.NewHeader(ask, `Digest realm="parley", nonce="x", algorithm=AKAv2-MD5`))
		res.AppendHeader(sip.NewHeader(ask, fmt.Sprintf(`Digest realm="parley", nonce="4711", algorithm=%s, qop="auth"`, r.algorithm)))
	}
	if err := tx.Respond(res); err != nil {
		r.t.Error(err)
	}
}

// knows checks the credentials as RFC 7616 section 3.4 says.
func (r *registrar) knows(req *sip.Request, header string) bool {
	got, err := digest.ParseCredentials(header)
	if err != nil || got.URI != req.Recipient.String() {
		return false
	}
	want, err := digest.Digest(
		&digest.Challenge{Realm: "parley", Nonce: "4711", Algorithm: got.Algorithm, QOP: []string{"auth"}},
		digest.Options{Method: string(req.Method), URI: got.URI, Count: got.Nc, Cnonce: got.Cnonce, Username: got.Username, Password: r.password})
	return err == nil && want.Response == got.Response && strings.EqualFold(got.Algorithm, r.algorithm)
}

func TestRegistrationWithDigest(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"MD5", "SHA-256"} {
		t.Run(algorithm, func(t *testing.T) {
			r := newRegistrar(t, algorithm, "secret")
			alice := newPhone(t, phone.Config{Name: "desk", Account: phone.Account{Registrar: "sip:" + r.addr, Username: "alice", Password: "secret"}})
			if err := alice.Register(deadline(t)); err != nil {
				t.Fatal(err)
			}
			want := "<" + alice.URI() + ">"
			if got := <-r.binding; got != want+" 3600" {
				t.Errorf("bound %s, want %s for an hour", got, want)
			}
			if err := alice.Close(); err != nil {
				t.Fatal(err)
			}
			if got := <-r.binding; got != want+" 0" {
				t.Errorf("closing bound %s, want %s taken back", got, want)
			}
		})
	}
}

func TestRegistrationWithTheWrongPassword(t *testing.T) {
	t.Parallel()
	r := newRegistrar(t, "MD5", "secret")
	alice := newPhone(t, phone.Config{Account: phone.Account{Registrar: r.addr, Username: "alice", Password: "guessed"}})
	if err := alice.Register(deadline(t)); statusOf(err) != 403 {
		t.Errorf("got %v, want 403", err)
	}
}

func TestACallThroughAChallenge(t *testing.T) {
	t.Parallel()
	r := newRegistrar(t, "SHA-256", "secret")
	tests := []struct {
		name    string
		account phone.Account
		status  int
	}{
		{"with the password", phone.Account{Username: "alice", Password: "secret"}, 486},
		{"with another", phone.Account{Username: "alice", Password: "guessed"}, 403},
		{"without any", phone.Account{}, 407},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			alice := newPhone(t, phone.Config{Account: tt.account})
			call, err := alice.Dial(deadline(t), "bob@"+r.addr)
			if err != nil {
				t.Fatal(err)
			}
			ends(t, "alice", call, phone.RemoteRefusal, tt.status)
		})
	}
}
