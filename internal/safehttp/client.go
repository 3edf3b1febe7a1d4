package safehttp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// ErrTooLarge is what reading a response body gives beyond Options.MaxBody.
var ErrTooLarge = errors.New("the response body is over its limit")

// Options says what a client may do. The zero Options reach public addresses
// only, on any port.
type Options struct {
	// AllowPrivate lets the client reach loopback, private (RFC 1918, RFC 4193)
	// and shared (RFC 6598) addresses; metadata services stay refused.
	AllowPrivate bool
	// Allow are ranges that may be reached whatever they are.
	Allow []netip.Prefix
	// Ports are the only ports that may be reached; none means any.
	Ports []uint16
	// Timeout bounds a request with its response body; 0 means 30 s.
	Timeout time.Duration
	// MaxBody bounds a response body in bytes; 0 means 1 MiB.
	MaxBody int64
	// ConnsPerHost bounds the connections to one host that are kept for the
	// next request; 0 means 32.
	ConnsPerHost int
	// Resolver resolves names; nil means the system's.
	Resolver *net.Resolver
	// RootCAs verify servers; nil means the system's.
	RootCAs *x509.CertPool
}

// Limits that are the same for every client.
const (
	dialTimeout      = 5 * time.Second
	handshakeTimeout = 5 * time.Second
	headerTimeout    = 15 * time.Second
	idleTimeout      = 60 * time.Second
	maxHeader        = 64 << 10 // bytes
	maxIdle          = 4096     // connections over all hosts
)

// New makes a client. An address that is refused shows as an *AddressError, a
// URL that cannot be called as a *URLError, in the chain of the error of Do.
// A redirect is returned as it came.
func New(o Options) *http.Client { return newClient(o, nil) }

// newClient makes a client; dialled, if not nil, is asked after the policy has
// let an address pass.
func newClient(o Options, dialled func(netip.AddrPort) error) *http.Client {
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.MaxBody == 0 {
		o.MaxBody = 1 << 20
	}
	if o.ConnsPerHost == 0 {
		o.ConnsPerHost = 32
	}
	g := &guard{policy: newPolicy(o), maxBody: o.MaxBody, dialled: dialled}
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: idleTimeout, Resolver: o.Resolver, ControlContext: g.control}
	g.transport = &http.Transport{
		Proxy:                  nil,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    handshakeTimeout,
		ResponseHeaderTimeout:  headerTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    o.ConnsPerHost,
		MaxResponseHeaderBytes: maxHeader,
		// What a customer's server compresses is not unpacked: a small answer
		// could become a huge one.
		DisableCompression: true,
	}
	return &http.Client{
		Transport:     g,
		Timeout:       o.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// guard is the RoundTripper around the transport.
type guard struct {
	policy    policy
	maxBody   int64
	transport *http.Transport
	dialled   func(netip.AddrPort) error
}

// RoundTrip judges the URL, then lets the transport work.
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := g.policy.checkURL(r.URL); err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // as a RoundTripper must
		}
		return nil, err
	}
	resp, err := g.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &limitedBody{ReadCloser: resp.Body, left: g.maxBody}
	return resp, nil
}

// CloseIdleConnections makes http.Client.CloseIdleConnections work.
func (g *guard) CloseIdleConnections() { g.transport.CloseIdleConnections() }

// control runs after a socket was made and before it connects; address is the
// one that it will connect to.
func (g *guard) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("network %s is not allowed", network)
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %s is not allowed: %w", address, err)
	}
	if err := g.policy.check(to); err != nil {
		return err
	}
	if g.dialled != nil {
		return g.dialled(to)
	}
	return nil
}

// limitedBody gives ErrTooLarge beyond its limit.
type limitedBody struct {
	io.ReadCloser
	left int64 // bytes
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrTooLarge
	}
	// One byte more than is left tells a body that ends at the limit from one
	// that goes on.
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return n - 1, ErrTooLarge
	}
	return n, err
}
