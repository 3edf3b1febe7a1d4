package sip

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/control"
	"parley/internal/media"
	"parley/internal/sip/message"
)

// between separates the messages of one fuzz input.
const between = "\n~~~\n"

// FuzzReceive plays messages at an agent that has a call that came in and one
// that it makes: nothing panics, whatever it sends can be read (airFlow sees to
// that), and the calls end when the agent is closed. In a message $TAG stands
// for our tag in the call that came in, $VIA, $FROM, $ID and $SEQ for what is in
// the INVITE of the other.
func FuzzReceive(f *testing.F) {
	const answer = "SIP/2.0 200 OK\r\nVia: $VIA\r\nFrom: $FROM\r\nTo: <sip:bob@192.0.2.9:5062>;tag=b\r\nCall-ID: $ID\r\nCSeq: $SEQ INVITE\r\n" +
		"Contact: <sip:bob@192.0.2.9>\r\nContent-Type: application/sdp\r\n\r\n"
	for _, seed := range [][]string{
		{request("INVITE", "r", "a", "$TAG", 2, offerSDP("sendrecv", "inactive")), request("ACK", "r2", "a", "$TAG", 2, "")},
		{request("INVITE", "r", "a", "$TAG", 2, ""), request("ACK", "r2", "a", "$TAG", 2, offerSDP())},
		{request("UPDATE", "r", "a", "$TAG", 2, offerSDP()), request("BYE", "y", "a", "$TAG", 3, "")},
		{request("INFO", "r", "a", "$TAG", 2, ""), request("OPTIONS", "o", "a", "$TAG", 1, "")},
		{request("INVITE", "n", "n", "", 1, offerSDP()), request("CANCEL", "n", "n", "", 1, "")},
		{answer + offerSDP(), answer + offerSDP(), strings.Replace(answer, "tag=b", "tag=c", 1) + offerSDP()},
		{strings.Replace(answer, "200 OK", "183 X", 1) + offerSDP(), strings.Replace(answer, "200 OK", "407 X\r\nProxy-Authenticate: Digest realm=\"r\", nonce=\"n\"", 1)},
		{strings.Replace(answer, "Contact", "Record-Route: <sip:1.2.3.4>, <sip:5.6.7.8;lr>\r\nContact", 1) + offerSDP()},
	} {
		f.Add([]byte(strings.Join(seed, between)))
	}
	files, _ := filepath.Glob("testdata/rfc4475/*.dat")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		// In a bubble, so that the same input takes the same way.
		synctest.Test(t, func(t *testing.T) { playMessages(t, string(data)) })
	})
}

// playMessages is one run of FuzzReceive.
func playMessages(t *testing.T, data string) {
	b := &bench{t: t, air: &air{}, shards: make(map[*media.Mix]int)}
	b.uses = &uses{b: b}
	a := newAgent(Config{Inbound: b.uses, Logger: slog.New(slog.DiscardHandler)}, b.air, b.openSession)
	a.resolver = nobody{}
	b.agent = a
	b.comes(request("INVITE", "a1", "a", "", 1, offerSDP()))
	b.uses.calls[0].call.Answer(nil)
	tag := b.gets("100", "180", "200")[2].ToTag
	b.comes(request("ACK", "ack", "a", tag, 1, ""))
	out, invite := b.outbound(control.DialRequest{Trunk: provider()})
	fill := strings.NewReplacer("$TAG", tag, "$VIA", invite.Via[0], "$FROM", invite.From, "$ID", invite.CallID, "$SEQ", strings.Fields(invite.CSeq)[0])
	for m := range strings.SplitSeq(data, between) {
		receive(a, b.air, fill.Replace(m))
		synctest.Wait()
	}
	out.call.Hangup(control.ReasonRemoved)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	_ = a.Close(over)
	if n := a.panics.Load(); n != 0 {
		t.Fatalf("%d panics", n)
	}
	for _, c := range b.uses.calls {
		if n := len(c.told); n == 0 || !strings.HasPrefix(c.told[n-1], "ended") {
			t.Fatalf("a call was told %q", c.told)
		}
	}
}

// receive gives an agent what came from the network, read as it is there.
func receive(a *Agent, n *air, text string) {
	m, fault := message.NewParser().Parse([]byte(text))
	if fault != nil {
		return
	}
	m.Source, m.At = them, time.Now()
	m.Reply = &airFlow{n: n, network: "UDP", remote: m.Top.ReplyTo(them)}
	a.layer.Receive(m)
}

// nobody knows no host.
type nobody struct{}

func (nobody) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, os.ErrNotExist
}
