package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// command carries out a command line in a context that has ended already, so
// that serve starts and stops at once.
func command(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var o, e bytes.Buffer
	status = run(ctx, args, terminal{out: &o, err: &e})
	return status, o.String(), e.String()
}

func TestEveryCommandHasHelp(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"serve", "--help"}, {"demo", "--help"}, {"phone", "--help"}, {"version", "--help"}} {
		status, out, errs := command(t, args...)
		if status != 0 || !strings.Contains(out, "Usage: parley") || errs != "" {
			t.Errorf("%v: status %d, out %q, errors %q", args, status, out, errs)
		}
	}
}

func TestVersion(t *testing.T) {
	status, out, _ := command(t, "version")
	if status != 0 || !strings.HasPrefix(out, "parley ") || !strings.Contains(out, "go1.") {
		t.Errorf("status %d: %q", status, out)
	}
}

func TestBadCommandLines(t *testing.T) {
	tests := []struct {
		args []string
		want string
	}{
		{nil, "expected one of"},
		{[]string{"server"}, `did you mean "serve"`},
		{[]string{"serve", "--htpp", ":1"}, `unknown flag --htpp, did you mean`},
		{[]string{"serve", "--rtp-ports", "20000"}, `--rtp-ports: "20000" is not a range of ports such as 20000-29999`},
		{[]string{"serve", "--rtp", "localhost"}, "--rtp: "},
		{[]string{"serve", "--sip-allow", "10.0.0.0/40"}, `--sip-allow: "10.0.0.0/40" is neither a block`},
		{[]string{"serve", "--max-upload", "big"}, `--max-upload: "big" is not a size`},
		{[]string{"serve", "--drain-timeout", "soon"}, "--drain-timeout: "},
		{[]string{"serve", "--log-level", "loud"}, `--log-level: "loud" is none of debug`},
		{[]string{"serve", "--log-format", "xml"}, `--log-format: "xml" is neither`},
		{[]string{"serve", "--config", "nowhere.yaml"}, "config: open nowhere.yaml: no such file"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			status, out, errs := command(t, tt.args...)
			if status != exitUsage || out != "" || !strings.Contains(errs, tt.want) {
				t.Errorf("status %d, out %q, errors %q; want %d and %q", status, out, errs, exitUsage, tt.want)
			}
		})
	}
}

func TestServeRefusesWhatTheServerRefuses(t *testing.T) {
	status, _, errs := command(t, "serve", "--data", t.TempDir(), "--rtp-ports", "20000-20001")
	if status != exitFailed || !strings.Contains(errs, "rtp-ports: 20000-20001 is too small") {
		t.Errorf("status %d: %q", status, errs)
	}
}
