package main

import (
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"parley/internal/server"
)

// parse gives the configuration that `parley serve` would run with.
func parse(t *testing.T, args ...string) (server.Config, error) {
	t.Helper()
	var c commands
	out := terminal{out: io.Discard, err: io.Discard}
	parser, err := newParser(t.Context(), &c, out, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(append([]string{"serve"}, args...)); err != nil {
		return server.Config{}, err
	}
	cfg := c.Serve.config(out)
	if cfg.Logger == nil || cfg.Version == "" {
		t.Errorf("no logger or no version: %+v", cfg)
	}
	cfg.Logger, cfg.Version = nil, ""
	return cfg, nil
}

// file writes a configuration file.
func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "parley.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestServeWithoutOptionsIsTheDefaultServer(t *testing.T) {
	got, err := parse(t)
	if err != nil {
		t.Fatal(err)
	}
	if want := server.Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// everyOption has a value for each option, and what the server is to get.
var everyOption = []struct {
	name, value string
	got         func(server.Config) any
	want        any
}{
	{"data", "/var/lib/parley", func(c server.Config) any { return c.Data }, "/var/lib/parley"},
	{"http", ":80", func(c server.Config) any { return c.HTTP }, ":80"},
	{"sip", "10.0.0.1:5070", func(c server.Config) any { return c.SIP.Addr }, "10.0.0.1:5070"},
	{"sip-allow", "10.1.2.3/8,192.0.2.7", func(c server.Config) any { return c.SIP.Allow },
		[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32")}},
	{"ring-timeout", "45s", func(c server.Config) any { return c.SIP.RingTimeout }, 45 * time.Second},
	{"rtp", "10.0.0.1", func(c server.Config) any { return c.RTP.Addr }, netip.MustParseAddr("10.0.0.1")},
	{"rtp-ports", "40000-40009", func(c server.Config) any { return [2]uint16{c.RTP.PortMin, c.RTP.PortMax} }, [2]uint16{40000, 40009}},
	{"media-timeout", "1m", func(c server.Config) any { return c.RTP.SilenceTimeout }, time.Minute},
	{"media-shards", "3", func(c server.Config) any { return c.RTP.Shards }, 3},
	{"api-key", "a-long-enough-key", func(c server.Config) any { return c.APIKey }, "a-long-enough-key"},
	{"notify-url", "http://127.0.0.1:9000/x?a=1", func(c server.Config) any { return c.Webhooks.NotifyURL }, "http://127.0.0.1:9000/x?a=1"},
	{"notify-secret", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3", func(c server.Config) any { return c.Webhooks.NotifySecret }, "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"},
	{"allow-private-callbacks", "true", func(c server.Config) any { return c.Webhooks.AllowPrivate }, true},
	{"webhook-schedule", "1s,2s,3m", func(c server.Config) any { return c.Webhooks.Schedule }, []time.Duration{time.Second, 2 * time.Second, 3 * time.Minute}},
	{"webhook-give-up", "24h", func(c server.Config) any { return c.Webhooks.GiveUp }, 24 * time.Hour},
	{"max-upload", "10MB", func(c server.Config) any { return c.MaxUpload }, int64(10_000_000)},
	{"max-calls", "77", func(c server.Config) any { return c.MaxCalls }, 77},
	{"drain-timeout", "0s", func(c server.Config) any { return c.DrainTimeout }, time.Duration(0)},
	{"log-level", "debug", nil, nil}, // in the logger
	{"log-format", "json", nil, nil},
}

func variable(option string) string {
	return "PARLEY_" + strings.ToUpper(strings.ReplaceAll(option, "-", "_"))
}

func TestEveryOptionIsInTheTable(t *testing.T) {
	parser, err := newParser(t.Context(), new(commands), terminal{io.Discard, io.Discard}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"config": true, "help": true}
	for _, o := range everyOption {
		known[o.name] = true
	}
	for _, n := range parser.Model.Children {
		if n.Name != "serve" {
			continue
		}
		for _, f := range n.Flags {
			if !known[f.Name] {
				t.Errorf("--%s is not tested as a flag, in the environment and in the file", f.Name)
			}
			if f.Name != "help" && (len(f.Envs) != 1 || f.Envs[0] != variable(f.Name)) {
				t.Errorf("--%s has the environment variables %v, want %s", f.Name, f.Envs, variable(f.Name))
			}
		}
	}
}

func TestEveryOptionByFlagEnvironmentAndFile(t *testing.T) {
	for _, o := range everyOption {
		expect := func(t *testing.T, args ...string) {
			t.Helper()
			cfg, err := parse(t, args...)
			if err != nil {
				t.Error(err)
			} else if o.got != nil && !reflect.DeepEqual(o.got(cfg), o.want) {
				t.Errorf("got %v, want %v", o.got(cfg), o.want)
			}
		}
		t.Run(o.name+" as a flag", func(t *testing.T) { expect(t, "--"+o.name+"="+o.value) })
		t.Run(o.name+" in the environment", func(t *testing.T) {
			t.Setenv(variable(o.name), o.value)
			expect(t)
		})
		t.Run(o.name+" in the file", func(t *testing.T) {
			expect(t, "--config", file(t, o.name+": "+o.value+"\n"))
		})
		t.Run(o.name+" in the file that the environment names", func(t *testing.T) {
			t.Setenv("PARLEY_CONFIG", file(t, o.name+": "+o.value+"\n"))
			expect(t)
		})
	}
}

func TestFlagBeatsEnvironmentBeatsFileBeatsDefault(t *testing.T) {
	config := file(t, "http: :1003\nmax-calls: 1003\nsip-allow: [10.3.0.0/16]\n")
	t.Setenv("PARLEY_HTTP", ":1002")
	t.Setenv("PARLEY_MAX_CALLS", "1002")
	got, err := parse(t, "--http", ":1001", "--config", config)
	if err != nil {
		t.Fatal(err)
	}
	if got.HTTP != ":1001" {
		t.Errorf("http is %s, want the flag's :1001", got.HTTP)
	}
	if got.MaxCalls != 1002 {
		t.Errorf("max-calls is %d, want the environment's 1002", got.MaxCalls)
	}
	if len(got.SIP.Allow) != 1 || got.SIP.Allow[0].String() != "10.3.0.0/16" {
		t.Errorf("sip-allow is %v, want the file's 10.3.0.0/16 alone", got.SIP.Allow)
	}
	if got.SIP.Addr != server.Default().SIP.Addr {
		t.Errorf("sip is %s, want the default", got.SIP.Addr)
	}
}

func TestBadEnvironmentIsNamed(t *testing.T) {
	t.Setenv("PARLEY_RTP_PORTS", "many")
	for _, args := range [][]string{nil, {"--config", file(t, "http: :80\n")}, {"--config", file(t, "rtp-ports: 2000-3000\n")}} {
		_, err := parse(t, args...)
		if err == nil || !strings.Contains(err.Error(), "PARLEY_RTP_PORTS") || !strings.Contains(err.Error(), "many") {
			t.Errorf("%v: got %v, want an error that names PARLEY_RTP_PORTS", args, err)
		}
	}
}

func TestByteSizeReadsWhatItWrites(t *testing.T) {
	for text, want := range map[string]byteSize{"0": 0, "0B": 0, "1": 1, "5 kB": 5000, "1024": 1024, "64MiB": 64 << 20, "3GB": 3_000_000_000, "7TiB": 7 << 40} {
		var got byteSize
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
		var again byteSize
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%q became %q, which is %d, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "-1", "1.5MB", "MiB", "9000000TiB", "64 mib"} {
		var got byteSize
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken as %d", text, got)
		}
	}
}

// TestConfigurationIsDocumented holds docs/configuration.md to the flags.
func TestConfigurationIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(options(t), &kong.Flag{Value: &kong.Value{Name: "config"}}) {
		row := "| `" + f.Name + "` | "
		_, rest, ok := strings.Cut(string(text), "\n"+row)
		if !ok {
			t.Errorf("no row of %s", f.Name)
			continue
		}
		cell, _, _ := strings.Cut(rest, " |")
		if f.HasDefault && strings.Trim(cell, "`") != f.Default && !sameDuration(strings.Trim(cell, "`"), f.Default) {
			t.Errorf("%s: the table says the default is %s, it is %q", f.Name, cell, f.Default)
		}
	}
}

// sameDuration reports whether a and b are the same length of time.
func sameDuration(a, b string) bool {
	x, err1 := time.ParseDuration(a)
	y, err2 := time.ParseDuration(b)
	return err1 == nil && err2 == nil && x == y
}
