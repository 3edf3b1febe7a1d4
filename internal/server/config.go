package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"time"
)

// Config is everything that an operator chooses. Default gives one with which
// a server runs on one machine, on loopback. The names in the errors are those
// of the command's options.
type Config struct {
	// Data is the directory of the database, recordings and media files. It is
	// made if it is missing.
	Data string
	// HTTP is where the API listens, "host:port"; port 0 takes a free one.
	HTTP string
	SIP  SIPConfig
	RTP  RTPConfig
	// Webhooks is how events leave.
	Webhooks WebhookConfig
	// APIKey is the first key of the application "default". Empty: one is made
	// at the first start and printed once.
	APIKey string
	// MaxUpload bounds a media file, in bytes.
	MaxUpload int64
	// MaxCalls bounds the calls of the server at one time.
	MaxCalls int
	// DrainTimeout is how long running calls may go on after the end was asked
	// for.
	DrainTimeout time.Duration
	// Version is what the server says it is.
	Version string
	// Logger takes everything that an operator should know; nil discards it.
	Logger *slog.Logger
	// Now is the clock of everything that is told to customers; nil means
	// time.Now.
	Now func() time.Time
}

// SIPConfig is the signalling with phones and trunks.
type SIPConfig struct {
	// Addr is where SIP listens, UDP and TCP, "host:port"; port 0 takes a free
	// one.
	Addr string
	// Allow are the addresses that may call in without a trunk.
	Allow []netip.Prefix
	// RingTimeout is how long an incoming call waits for the application.
	RingTimeout time.Duration
}

// RTPConfig is the sound on the network.
type RTPConfig struct {
	// Addr is the local address of all RTP ports, and the one that phones are
	// told: an address of this machine, never 0.0.0.0.
	Addr netip.Addr
	// PortMin and PortMax bound the UDP ports, both included. RTP takes an
	// even one, RTCP the next.
	PortMin, PortMax uint16
	// SilenceTimeout ends a call from which no packet came for so long though
	// it is not on hold.
	SilenceTimeout time.Duration
	// Shards is the number of beats beside each other; 0 means one for each
	// processor.
	Shards int
}

// WebhookConfig is the delivery of events.
type WebhookConfig struct {
	// NotifyURL is the URL of the default webhook; empty for none. It is the
	// operator's own and may be private.
	NotifyURL string
	// NotifySecret signs the default webhook's deliveries, "whsec_" and
	// base64. Empty: one is made at the first start and printed once.
	NotifySecret string
	// AllowPrivate lets customers' webhooks and file URLs lead to loopback and
	// private addresses.
	AllowPrivate bool
	// Schedule is how long to wait after each failed try, the last entry to be
	// repeated until GiveUp; nil means the built-in one.
	Schedule []time.Duration
	// GiveUp is how long one event is tried.
	GiveUp time.Duration
}

// Default is a server on loopback.
func Default() Config {
	return Config{
		Data: "./parley-data",
		HTTP: "127.0.0.1:8080",
		SIP: SIPConfig{
			Addr:        "127.0.0.1:5060",
			Allow:       []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
			RingTimeout: 30 * time.Second,
		},
		RTP: RTPConfig{
			Addr: netip.AddrFrom4([4]byte{127, 0, 0, 1}), PortMin: 20000, PortMax: 29999,
			SilenceTimeout: 20 * time.Second,
		},
		Webhooks:     WebhookConfig{GiveUp: 72 * time.Hour},
		MaxUpload:    64 << 20,
		MaxCalls:     20_000,
		DrainTimeout: 30 * time.Second,
	}
}

// minPairs is the smallest useful number of port pairs.
const minPairs = 2

// Validate says all that is wrong with c, one line for each option, without
// touching the machine.
func (c *Config) Validate() error {
	var wrong []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	check(c.Data != "", "data: a directory is needed")
	check(validAddr(c.HTTP), "http: %q is not an address such as 127.0.0.1:8080", c.HTTP)
	check(validAddr(c.SIP.Addr), "sip: %q is not an address such as 127.0.0.1:5060", c.SIP.Addr)
	check(c.SIP.RingTimeout > 0, "ring-timeout: %v is not a positive duration", c.SIP.RingTimeout)
	wrong = append(wrong, c.RTP.validate()...)
	wrong = append(wrong, c.Webhooks.validate()...)
	check(c.APIKey == "" || validKey(c.APIKey), "api-key: 8 to 256 visible ASCII characters are needed")
	check(c.MaxUpload > 0, "max-upload: %d is not a positive number of bytes", c.MaxUpload)
	check(c.MaxCalls > 0, "max-calls: %d is not a positive number", c.MaxCalls)
	check(c.DrainTimeout >= 0, "drain-timeout: %v is negative", c.DrainTimeout)
	return errors.Join(wrong...)
}

func (c *RTPConfig) validate() (wrong []error) {
	if !c.Addr.IsValid() || c.Addr.IsUnspecified() || c.Addr.IsMulticast() {
		wrong = append(wrong, fmt.Errorf("rtp: %v is not an address that phones can send to; name one of this machine's", c.Addr))
	}
	if n := c.pairs(); n < minPairs {
		wrong = append(wrong, fmt.Errorf(
			"rtp-ports: %d-%d is too small: %d pair(s) of an even port for RTP and the next for RTCP, at least %d are needed; say 20000-29999",
			c.PortMin, c.PortMax, n, minPairs))
	}
	if c.PortMin < 1024 {
		wrong = append(wrong, fmt.Errorf("rtp-ports: %d is below 1024", c.PortMin))
	}
	if c.SilenceTimeout <= 0 {
		wrong = append(wrong, fmt.Errorf("media-timeout: %v is not a positive duration", c.SilenceTimeout))
	}
	if c.Shards < 0 || c.Shards > 1024 {
		wrong = append(wrong, fmt.Errorf("media-shards: %d is not between 0 and 1024", c.Shards))
	}
	return wrong
}

// pairs is the number of RTP ports in the range: even ones whose successor is
// in it too.
func (c *RTPConfig) pairs() int {
	first := (int(c.PortMin) + 1) / 2 * 2
	return max(0, (int(c.PortMax)-first+1)/2)
}

func (c *WebhookConfig) validate() (wrong []error) {
	if u, err := url.Parse(c.NotifyURL); c.NotifyURL != "" && (err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https")) {
		wrong = append(wrong, fmt.Errorf("notify-url: %q is not a URL such as https://example.com/events", c.NotifyURL))
	}
	for _, d := range c.Schedule {
		if d <= 0 {
			wrong = append(wrong, fmt.Errorf("webhook-schedule: %v is not a positive duration", d))
		}
	}
	if c.GiveUp <= 0 {
		wrong = append(wrong, fmt.Errorf("webhook-give-up: %v is not a positive duration", c.GiveUp))
	}
	return wrong
}

// validAddr reports whether s is host:port with a numeric port. The host may be
// empty or a name.
func validAddr(s string) bool {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// validKey reports whether s can stand in an Authorization header and is not
// too easily guessed.
func validKey(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) >= 8 && len(s) <= 256
}

// prepareData makes the data directory and proves that it can be written.
func prepareData(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data: cannot make the directory: %w", err)
	}
	f, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return fmt.Errorf("data: the directory cannot be written: %w", err)
	}
	_, err = f.WriteString("x")
	err = errors.Join(err, f.Close(), os.Remove(f.Name()))
	if err != nil {
		return fmt.Errorf("data: the directory cannot be written: %w", err)
	}
	return nil
}
