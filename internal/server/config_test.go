package server

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDefaultConfigIsValid(t *testing.T) {
	c := Default()
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
}

func TestConfigSaysWhatIsWrong(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Config)
		want   string // in the error; empty for none
	}{
		{"no data directory", func(c *Config) { c.Data = "" }, "data: "},
		{"HTTP without a port", func(c *Config) { c.HTTP = "127.0.0.1" }, `http: "127.0.0.1"`},
		{"HTTP with a port too high", func(c *Config) { c.HTTP = "127.0.0.1:65536" }, "http: "},
		{"HTTP with a named port", func(c *Config) { c.HTTP = "127.0.0.1:http" }, "http: "},
		{"HTTP on all addresses, any port", func(c *Config) { c.HTTP = ":0" }, ""},
		{"SIP without a port", func(c *Config) { c.SIP.Addr = "localhost" }, `sip: "localhost"`},
		{"SIP on a name", func(c *Config) { c.SIP.Addr = "localhost:5070" }, ""},
		{"no time to ring", func(c *Config) { c.SIP.RingTimeout = 0 }, "ring-timeout: 0s"},
		{"no RTP address", func(c *Config) { c.RTP.Addr = netip.Addr{} }, "rtp: "},
		{"RTP on all addresses", func(c *Config) { c.RTP.Addr = netip.IPv4Unspecified() }, "rtp: 0.0.0.0"},
		{"one port", func(c *Config) { c.RTP.PortMin, c.RTP.PortMax = 20000, 20000 }, "rtp-ports: 20000-20000 is too small: 0 pair"},
		{"one pair", func(c *Config) { c.RTP.PortMin, c.RTP.PortMax = 20000, 20001 }, "too small: 1 pair"},
		{"one pair between odd ends", func(c *Config) { c.RTP.PortMin, c.RTP.PortMax = 20001, 20004 }, "too small: 1 pair"},
		{"two pairs", func(c *Config) { c.RTP.PortMin, c.RTP.PortMax = 20000, 20003 }, ""},
		{"two pairs up to the last port", func(c *Config) { c.RTP.PortMin, c.RTP.PortMax = 65532, 65535 }, ""},
		{"ports the wrong way round", func(c *Config) { c.RTP.PortMin, c.RTP.PortMax = 30000, 20000 }, "too small: 0 pair"},
		{"ports of the system", func(c *Config) { c.RTP.PortMin = 1000 }, "rtp-ports: 1000 is below 1024"},
		{"no media timeout", func(c *Config) { c.RTP.SilenceTimeout = -time.Second }, "media-timeout: -1s"},
		{"shards below zero", func(c *Config) { c.RTP.Shards = -1 }, "media-shards: -1"},
		{"a notify URL without a host", func(c *Config) { c.Webhooks.NotifyURL = "http:///events" }, "notify-url: "},
		{"a notify URL of another scheme", func(c *Config) { c.Webhooks.NotifyURL = "ftp://example.com" }, "notify-url: "},
		{"a notify URL", func(c *Config) { c.Webhooks.NotifyURL = "http://127.0.0.1:9000/events" }, ""},
		{"a schedule that stands still", func(c *Config) { c.Webhooks.Schedule = []time.Duration{time.Second, 0} }, "webhook-schedule: 0s"},
		{"no time for an event", func(c *Config) { c.Webhooks.GiveUp = 0 }, "webhook-give-up: 0s"},
		{"a short key", func(c *Config) { c.APIKey = "secret" }, "api-key: "},
		{"a key with a space", func(c *Config) { c.APIKey = "a secret key" }, "api-key: "},
		{"a key", func(c *Config) { c.APIKey = "demo-key" }, ""},
		{"no upload", func(c *Config) { c.MaxUpload = 0 }, "max-upload: 0"},
		{"no calls", func(c *Config) { c.MaxCalls = 0 }, "max-calls: 0"},
		{"a drain that ended before", func(c *Config) { c.DrainTimeout = -1 }, "drain-timeout: "},
		{"no drain", func(c *Config) { c.DrainTimeout = 0 }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Default()
			tt.change(&c)
			err := c.Validate()
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestConfigSaysEverythingAtOnce(t *testing.T) {
	c := Default()
	c.HTTP, c.MaxCalls = "x", -1
	err := c.Validate()
	if err == nil || len(strings.Split(err.Error(), "\n")) != 2 {
		t.Errorf("got %v, want two lines", err)
	}
}

func TestDataDirectory(t *testing.T) {
	base := t.TempDir()
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, dir, want string }{
		{"is made", filepath.Join(base, "a", "b"), ""},
		{"is there", base, ""},
		{"is a file", file, "data: cannot make the directory"},
		{"is below a file", filepath.Join(file, "a"), "data: cannot make the directory"},
		{"is read-only", "/proc", "data: the directory cannot be written"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := prepareData(tt.dir)
			if (tt.want == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if left, _ := filepath.Glob(filepath.Join(base, ".writable-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
