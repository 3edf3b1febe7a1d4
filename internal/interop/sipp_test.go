package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/internal/servertest"
)

// A sipp is a SIPp that plays one of the dialogues in testdata/sipp, once. The
// name of the file says what happens in it.
type sipp struct {
	*process
	t         *testing.T
	dir       string
	port      int
	transport string
}

// keys are the words in square brackets that a scenario leaves open.
type keys map[string]string

// startSIPp runs a scenario. Where remote is not 0, SIPp begins, by a call to a
// user there; else it waits for one.
func startSIPp(t *testing.T, scenario, transport string, remote int, user string, k keys) *sipp {
	t.Helper()
	s := &sipp{t: t, dir: t.TempDir(), transport: transport, port: ports(t, 8)}
	s.fill(scenario, k)
	args := []string{
		"-sf", "scenario.xml", "-m", "1", "-nostdin", "-t", map[string]string{"udp": "u1", "tcp": "t1"}[transport],
		"-i", "127.0.0.1", "-p", fmt.Sprint(s.port), "-mp", fmt.Sprint(s.port + 2), "-cp", fmt.Sprint(s.port + 6),
		"-recv_timeout", "15000", "-timeout", "40", "-timeout_error",
		"-trace_msg", "-message_file", "messages", "-trace_err", "-error_file", "errors",
	}
	if remote != 0 {
		args = append(args, "-s", user, local(remote))
	}
	s.process = launch(t, "sipp "+scenario, s.dir, program(t, "sipp"), args...)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s: %s\n%s", s.name, s.read("errors"), tail(s.read("messages"), 12_000))
		}
	})
	if remote == 0 {
		eventually(t, "sipp to listen", func() bool { return !s.running() || s.listens() })
	}
	return s
}

// fill writes the scenario with its keys filled in. SIPp's own keys (-key) do
// not reach into status lines and regular expressions.
func (s *sipp) fill(scenario string, k keys) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "sipp", scenario+".xml"))
	if err != nil {
		s.t.Fatal(err)
	}
	filled := string(text)
	for _, given := range []keys{k, codecs["µ-law"]} {
		for key, value := range given {
			filled = strings.ReplaceAll(filled, "["+key+"]", value)
		}
	}
	if err := os.WriteFile(filepath.Join(s.dir, "scenario.xml"), []byte(filled), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// codecs are the keys of a SIPp that knows one codec.
var codecs = map[string]keys{
	"µ-law": {"codec": "PCMU", "pt": "0"},
	"A-law": {"codec": "PCMA", "pt": "8"},
}

// tail is the last n bytes of s at most.
func tail(s string, n int) string { return s[max(0, len(s)-n):] }

func (s *sipp) read(name string) string {
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		return ""
	}
	return string(text)
}

// listens looks in the kernel's table whether SIPp waits at its port, without
// touching that. Connections of an earlier test may be there too.
func (s *sipp) listens() bool {
	table, err := os.ReadFile("/proc/net/" + s.transport)
	if err != nil {
		s.t.Fatal(err)
	}
	const loopback, anybody = "0100007F", "00000000:0000"
	waiting := map[string]string{"udp": "07", "tcp": "0A"}[s.transport]
	return strings.Contains(string(table), fmt.Sprintf(" %s:%04X %s %s ", loopback, s.port, anybody, waiting))
}

// uri is where SIPp is called.
func (s *sipp) uri() string { return uri("sipp", s.port, s.transport) }

// partURI is SIPp's as events have it.
func (s *sipp) partURI() string { return uri("sipp", s.port, "") }

// succeeds waits until the dialogue was played to its end, every message as
// the scenario expects it.
func (s *sipp) succeeds() {
	s.t.Helper()
	select {
	case <-s.done:
		if s.err != nil {
			s.t.Errorf("%s: %v", s.name, s.err)
		}
	case <-time.After(servertest.Patience):
		s.t.Errorf("%s goes on", s.name)
	}
}

// overBoth runs a test over UDP and over TCP.
func overBoth(t *testing.T, f func(t *testing.T, transport string)) {
	t.Parallel()
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			f(t, transport)
		})
	}
}

// received and sent count SIPp's messages so far by how they begin.
func received(s *sipp, begin string) int { return s.messages("received", begin) }
func sent(s *sipp, begin string) int     { return s.messages("sent", begin) }

func (s *sipp) messages(direction, begin string) (n int) {
	for _, part := range strings.Split(s.read("messages"), "-----------------------------------------------") {
		head, message, _ := strings.Cut(part, "\n\n")
		if strings.Contains(head, " message "+direction) && strings.HasPrefix(strings.TrimSpace(message), begin) {
			n++
		}
	}
	return n
}
