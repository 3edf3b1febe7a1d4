package sdp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// samples are descriptions as telephones, gateways and servers write them, and
// the bodies of RFC 4475.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.sdp")
	if err != nil || len(files) == 0 {
		t.Fatal("no samples", err)
	}
	out := map[string][]byte{}
	for _, f := range files {
		body, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(f), ".sdp")] = body
	}
	return out
}

func TestOffersOfTheWorldAreAnswered(t *testing.T) {
	const ms = time.Millisecond
	want := map[string]struct {
		codec   Codec
		payload uint8
		dtmf    uint8
		remote  string
		rtcp    string
		ptime   time.Duration
		flow    Direction
		ports   string // of the answer's media descriptions: our port is 20000
		error   string
	}{
		"asterisk-fax":       {PCMU(), 0, 0, "198.51.100.7:11322", "198.51.100.7:11323", 20 * ms, SendRecv, "image 0, audio 20000", ""},
		"asterisk-offer":     {PCMA(), 8, 101, "198.51.100.7:11322", "198.51.100.7:11323", 20 * ms, SendRecv, "audio 20000", ""},
		"baresip-offer":      {PCMU(), 0, 97, "192.168.1.20:13984", "192.168.1.20:13985", 20 * ms, SendRecv, "audio 20000", ""},
		"carrier-sbc":        {PCMU(), 0, 0, "203.0.113.9:40000", "203.0.113.9:40001", 20 * ms, SendRecv, "audio 20000", ""},
		"cisco-gateway":      {PCMA(), 8, 101, "10.10.20.1:17042", "10.10.20.1:17043", 20 * ms, SendRecv, "audio 20000", ""},
		"cisco-hold":         {PCMU(), 0, 101, "0.0.0.0:28412", "0.0.0.0:28413", 20 * ms, RecvOnly, "audio 20000", ""},
		"cisco-phone":        {PCMU(), 0, 101, "10.10.30.44:28412", "10.10.30.44:28413", 20 * ms, SendRecv, "audio 20000, video 0, application 0", ""},
		"ipv6":               {PCMU(), 0, 101, "[2001:db8::20]:30000", "[2001:db8::21]:30011", 20 * ms, SendRecv, "audio 20000", ""},
		"linphone-offer":     {PCMU(), 0, 100, "192.168.1.31:7078", "192.168.1.31:60021", 20 * ms, SendRecv, "audio 20000, video 0", ""},
		"rfc4475-badinv01":   {PCMU(), 0, 0, "192.0.2.15:49217", "192.0.2.15:49218", 20 * ms, SendRecv, "audio 20000, video 0", ""},
		"rfc4475-dblreq":     {error: `line 7`},
		"rfc4475-inv2543":    {PCMU(), 0, 0, "192.0.2.5:49217", "192.0.2.5:49218", 20 * ms, SendRecv, "audio 20000", ""},
		"rfc4475-ltgtruri":   {PCMU(), 0, 0, "192.0.2.5:49217", "192.0.2.5:49218", 20 * ms, SendRecv, "audio 20000, video 0", ""},
		"rfc4475-mismatch02": {error: "no s= line"},
		"rfc4475-test":       {error: "line 2"},
		"rfc4475-wsinv":      {PCMU(), 0, 0, "192.0.2.4:49217", "192.0.2.4:49218", 20 * ms, SendRecv, "audio 20000, video 0", ""},
		"sipp-pcap":          {PCMA(), 8, 101, "127.0.1.1:6000", "127.0.1.1:6001", 20 * ms, SendRecv, "audio 20000", ""},
		"sipp-uac":           {PCMU(), 0, 0, "127.0.1.1:6000", "127.0.1.1:6001", 20 * ms, SendRecv, "audio 20000", ""},
		"webrtc-beside-rtp":  {PCMA(), 8, 0, "192.0.2.77:7000", "192.0.2.77:7001", 20 * ms, SendRecv, "audio 0, audio 20000", ""},
	}
	for name, body := range samples(t) {
		t.Run(name, func(t *testing.T) {
			w, ok := want[name]
			if !ok {
				t.Fatal("the sample has no expectation")
			}
			offer, err := Parse(body)
			if w.error != "" {
				if err == nil || !strings.Contains(err.Error(), w.error) {
					t.Errorf("got %v, want an error that says %q", err, w.error)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			answer, n, err := Answer(offer, local())
			if err != nil {
				t.Fatal(err)
			}
			if n.Codec != w.codec || n.SendPayloadType != w.payload || n.SendDTMF != w.dtmf ||
				n.Remote.String() != w.remote || n.RemoteRTCP.String() != w.rtcp || n.PTime != w.ptime || n.Direction != w.flow {
				t.Errorf("negotiated %+v\nwant %+v", n, w)
			}
			var ports []string
			for _, m := range answer.Media {
				port := "0"
				if m.Port != 0 {
					port = m.Remote().String()[len("10.0.0.1:"):]
				}
				ports = append(ports, m.Kind+" "+port)
			}
			if got := strings.Join(ports, ", "); got != w.ports {
				t.Errorf("answered %s, want %s", got, w.ports)
			}
		})
	}
}
