package sip

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"parley"
	"parley/internal/control"

	"github.com/icholy/digest"
)

// provider is a trunk with an account.
func provider() *parley.Trunk {
	return &parley.Trunk{Name: "provider", Host: "192.0.2.9:5062", Username: "acct", Password: "secret"}
}

// response is what RFC 7616 section 3.4.1 makes of the account for a request,
// worked out here from the text of the RFC.
func response(sha bool, method, uri string, c *digest.Credentials) string {
	h := func(s string) string {
		if sha {
			sum := sha256.Sum256([]byte(s))
			return hex.EncodeToString(sum[:])
		}
		sum := md5.Sum([]byte(s))
		return hex.EncodeToString(sum[:])
	}
	a1, a2 := h("acct:"+c.Realm+":secret"), h(method+":"+uri)
	if c.QOP == "" {
		return h(a1 + ":" + c.Nonce + ":" + a2)
	}
	return h(a1 + ":" + c.Nonce + ":" + fmt.Sprintf("%08x", c.Nc) + ":" + c.Cnonce + ":" + c.QOP + ":" + a2)
}

func TestATrunkAsksForCredentials(t *testing.T) {
	for _, tt := range []struct {
		name, challenge string
		status          int
		field           string
		sha             bool
	}{
		{"MD5, no qop", `WWW-Authenticate: Digest realm="r", nonce="n1"`, 401, "Authorization", false},
		{"MD5", `WWW-Authenticate: Digest realm="r", nonce="n1", algorithm=MD5, qop="auth"`, 401, "Authorization", false},
		{"a proxy, auth after another qop", `Proxy-Authenticate: Digest realm="r", nonce="n1", qop="auth-int, auth"`, 407, "Proxy-Authorization", false},
		{"SHA-256", `Proxy-Authenticate: Digest realm="r", nonce="n1", algorithm=SHA-256, qop="auth"`, 407, "Proxy-Authorization", true},
		{"the first that we can", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n0\", algorithm=SHA-512-256, qop=\"auth\"\r\n" +
			"WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\", algorithm=SHA-256, qop=\"auth\"\r\n" +
			"WWW-Authenticate: Digest realm=\"r\", nonce=\"n2\", algorithm=MD5, qop=\"auth\"", 401, "Authorization", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onBench(t, func(b *bench) {
				h, invite := b.outbound(control.DialRequest{Target: "sip:123@192.0.2.9:5062", Trunk: provider()})
				b.comes(reply(invite, tt.status, "p", "", tt.challenge))
				m := b.gets("ACK", "INVITE")
				again := m[1]
				if again.Seq != invite.Seq+1 || again.CallID != invite.CallID || again.From != invite.From || again.ToTag != "" ||
					again.Top.Branch == invite.Top.Branch || !strings.HasSuffix(again.text, invite.text[strings.Index(invite.text, "v=0"):]) {
					t.Errorf("the second INVITE is not the first again:\n%s", again.text)
				}
				values := again.Values(tt.field)
				if len(values) != 1 {
					t.Fatalf("%s %q", tt.field, values)
				}
				c, err := digest.ParseCredentials(values[0])
				if err != nil {
					t.Fatal(err)
				}
				if c.Username != "acct" || c.Nonce != "n1" || c.URI != invite.URI || c.Response != response(tt.sha, "INVITE", invite.URI, c) {
					t.Errorf("credentials %+v", c)
				}
				b.comes(reply(again, 200, "b", offerSDP()))
				if ack := b.get("ACK"); len(ack.Values(tt.field)) != 1 || ack.Seq != again.Seq { // RFC 3261 section 22.1
					t.Errorf("ACK\n%s", ack.text)
				}
				h.hears("answered")
				hangUp(b, h)
			})
		})
	}
}

func TestCredentialsThatAreWrong(t *testing.T) {
	for _, nonce := range []string{"n1", "n2"} { // many give a new one each time
		onBench(t, func(b *bench) {
			h, invite := b.outbound(control.DialRequest{Trunk: provider()})
			challenge := `WWW-Authenticate: Digest realm="r", qop="auth", nonce="%s"`
			b.comes(reply(invite, 401, "p", "", fmt.Sprintf(challenge, "n1")))
			again := b.gets("ACK", "INVITE")[1]
			b.comes(reply(again, 401, "q", "", fmt.Sprintf(challenge, nonce)))
			b.get("ACK")
			h.hears("ended rejected 401")
		})
	}
}

func TestANonceThatIsStale(t *testing.T) {
	onBench(t, func(b *bench) {
		h, invite := b.outbound(control.DialRequest{Trunk: provider()})
		b.comes(reply(invite, 401, "p", "", `WWW-Authenticate: Digest realm="r", nonce="n1", qop="auth"`))
		b.comes(reply(b.gets("ACK", "INVITE")[1], 401, "p", "", `WWW-Authenticate: Digest realm="r", nonce="n2", stale=true, qop="auth"`))
		third := b.gets("ACK", "INVITE")[1]
		if third.Seq != invite.Seq+2 || len(third.Values("Authorization")) != 1 || !strings.Contains(third.text, `nonce="n2"`) {
			t.Errorf("got\n%s", third.text)
		}
		b.comes(reply(third, 200, "b", offerSDP()))
		b.get("ACK")
		h.hears("answered")
	})
}

// Whoever finds each nonce stale is not served for ever.
func TestChallengesWithoutEnd(t *testing.T) {
	onBench(t, func(b *bench) {
		h, invite := b.outbound(control.DialRequest{Trunk: provider()})
		for i := range 100 {
			b.comes(reply(invite, 401, "p", "", fmt.Sprintf(`WWW-Authenticate: Digest realm="r", nonce="n%d", stale=true`, i)))
			all := b.sent()
			if len(all) == 1 {
				if i > maxChallenges {
					t.Errorf("%d challenges answered", i)
				}
				h.hears("ended rejected 401")
				return
			}
			invite = all[1]
		}
		t.Error("100 challenges answered")
	})
}

func TestCredentialsAreForTheTrunkAlone(t *testing.T) {
	challenge := `WWW-Authenticate: Digest realm="r", nonce="n1", qop="auth"`
	t.Run("not for calls without one", func(t *testing.T) {
		onBench(t, func(b *bench) {
			h, invite := b.outbound(control.DialRequest{})
			b.comes(reply(invite, 401, "p", "", challenge))
			b.get("ACK")
			h.hears("ended rejected 401")
		})
	})
	t.Run("not for a trunk without an account", func(t *testing.T) {
		onBench(t, func(b *bench) {
			h, invite := b.outbound(control.DialRequest{Trunk: &parley.Trunk{Host: "192.0.2.9:5062"}})
			b.comes(reply(invite, 401, "p", "", challenge))
			b.get("ACK")
			h.hears("ended rejected 401")
		})
	})
	t.Run("not for who says that he is the far end of the call", func(t *testing.T) {
		onBench(t, func(b *bench) {
			h, invite := b.outbound(control.DialRequest{Trunk: provider()})
			b.comes(strings.Replace(reply(invite, 200, "b", offerSDP()), "Contact: <sip:bob@192.0.2.9:5062>", "Contact: <sip:bob@192.0.2.66>", 1))
			b.get("ACK")
			h.call.Hangup(control.ReasonRemoved)
			bye := b.get("BYE")
			b.comes(reply(bye, 401, "", "", challenge))
			b.gets()
			h.hears("answered", "ended removed 0")
		})
	})
	t.Run("for other requests to it", func(t *testing.T) {
		onBench(t, func(b *bench) {
			h, invite := b.outbound(control.DialRequest{Trunk: provider()})
			b.comes(reply(invite, 200, "b", offerSDP()))
			b.get("ACK")
			h.call.Hold(true)
			re := b.get("INVITE")
			b.comes(reply(re, 407, "", "", `Proxy-Authenticate: Digest realm="r", nonce="n1", qop="auth"`))
			again := b.gets("ACK", "INVITE")[1]
			b.comes(reply(again, 200, "", offerSDP("sendrecv", "recvonly")))
			if ack := b.get("ACK"); len(ack.Values("Proxy-Authorization")) != 1 || ack.Seq != re.Seq+1 {
				t.Errorf("ACK\n%s", ack.text)
			}
			h.call.Hangup(control.ReasonRemoved)
			bye := b.get("BYE")
			b.comes(reply(bye, 407, "", "", `Proxy-Authenticate: Digest realm="r", nonce="n2", qop="auth"`))
			again = b.get("BYE")
			c, err := digest.ParseCredentials(again.Values("Proxy-Authorization")[0])
			if err != nil || c.Response != response(false, "BYE", bye.URI, c) || again.Seq != bye.Seq+1 {
				t.Errorf("%+v %v", c, err)
			}
			b.comes(reply(again, 200, "", ""))
		})
	})
}

func TestACancelAfterAChallenge(t *testing.T) {
	onBench(t, func(b *bench) {
		h, invite := b.outbound(control.DialRequest{Trunk: provider(), Timeout: time.Second})
		b.comes(reply(invite, 100, "", ""))
		b.comes(reply(invite, 401, "p", "", `WWW-Authenticate: Digest realm="r", nonce="n1"`))
		again := b.gets("ACK", "INVITE")[1]
		b.sleep(time.Second)
		b.gets("INVITE") // repeated; the second INVITE has no answer yet, so no CANCEL
		b.comes(reply(again, 180, "b", ""))
		cancel := b.get("CANCEL")
		if cancel.Top.Branch != again.Top.Branch || cancel.Seq != again.Seq {
			t.Errorf("CANCEL\n%s", cancel.text)
		}
		b.comes(reply(cancel, 200, "b", ""))
		b.comes(reply(again, 487, "b", ""))
		b.get("ACK")
		h.hears("ended no_answer 0")
	})
}
