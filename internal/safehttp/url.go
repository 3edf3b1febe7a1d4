package safehttp

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// maxURL is the longest URL, in bytes, that CheckURL accepts.
const maxURL = 2048

// URLError says what is wrong with a URL before anything is dialled.
type URLError struct {
	Reason string
}

func (e *URLError) Error() string { return e.Reason }

func urlErrorf(format string, args ...any) error {
	return &URLError{Reason: fmt.Sprintf(format, args...)}
}

// CheckURL says what is wrong with a URL that a customer gives, as far as it
// can be seen without resolving its name: a *URLError or *AddressError. A URL
// that passes may still be refused at dial time.
func (o Options) CheckURL(raw string) error {
	if len(raw) > maxURL {
		return urlErrorf("the URL is longer than %d bytes", maxURL)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return urlErrorf("the URL cannot be read")
	}
	p := newPolicy(o)
	return p.checkURL(u)
}

// checkURL judges scheme, host and port.
func (p *policy) checkURL(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" {
		return urlErrorf("the URL's scheme must be http or https")
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if host == "" {
		return urlErrorf("the URL has no host")
	}
	port, err := portOf(u)
	if err != nil {
		return err
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return p.check(netip.AddrPortFrom(addr, port))
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return p.check(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port))
	}
	if endsInNumber(host) {
		return urlErrorf("the URL's host %q is neither a name nor a usual IP address", host)
	}
	return p.checkPort(netip.Addr{}, port)
}

// portOf is the port that u leads to.
func portOf(u *url.URL) (uint16, error) {
	text := u.Port()
	if text == "" {
		if u.Scheme == "http" {
			return 80, nil
		}
		return 443, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, urlErrorf("the URL's port %q is not a port", text)
	}
	return uint16(n), nil
}

// endsInNumber reports whether host could be read as an IPv4 address in some
// unusual form: decimal, octal, hexadecimal or shortened (WHATWG URL, "ends in
// a number").
func endsInNumber(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if digits, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(digits, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}
