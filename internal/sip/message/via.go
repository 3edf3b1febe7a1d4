package message

import (
	"net/netip"
	"strconv"
	"strings"
)

// Via is one value of a Via header field (RFC 3261 section 20.42).
type Via struct {
	Transport string // in upper case
	Host      string // sent-by, an IPv6 address without its brackets
	Port      uint16 // 0 where there is none
	Branch    string
	// RPort is set where the sender asks for the answer to come back to the
	// port that the request came from (RFC 3581).
	RPort bool
}

// magicCookie begins the branch of those who follow RFC 3261 (section 8.1.1.7).
const magicCookie = "z9hG4bK"

// HasCookie reports whether the branch is one that names a transaction by
// itself.
func (v Via) HasCookie() bool {
	return len(v.Branch) > len(magicCookie) && strings.HasPrefix(v.Branch, magicCookie)
}

// SentBy is host and port, the port of the transport where none was given.
func (v Via) SentBy() string {
	port := v.Port
	if port == 0 {
		port = DefaultPort(v.Transport)
	}
	return strings.ToLower(v.Host) + ":" + strconv.Itoa(int(port))
}

// DefaultPort is the port that goes without saying on a transport.
func DefaultPort(transport string) uint16 {
	if strings.EqualFold(transport, "TLS") {
		return 5061
	}
	return 5060
}

// ParseVia reads one value of a Via header field, with white space wherever
// the grammar of RFC 3261 section 25.1 allows it. It refuses empty parameters
// (RFC 4475 section 3.1.2.1).
func ParseVia(value string) (Via, bool) {
	if hasEmptyParam(value) {
		return Via{}, false
	}
	return parseVia(value)
}

// parseVia is ParseVia for answers, where a semicolon too many is forgiven: the
// value is our own.
func parseVia(value string) (Via, bool) {
	var v Via
	params := splitQuoted(value, ';')
	if !v.sentProtocol(params[0]) {
		return Via{}, false
	}
	for _, p := range params[1:] {
		name, val, has := cutParam(p)
		switch {
		case strings.EqualFold(name, "branch"):
			v.Branch = val
		case strings.EqualFold(name, "rport") && !has:
			v.RPort = true
		}
	}
	return v, true
}

// sentProtocol reads "SIP/2.0/UDP host:port".
func (v *Via) sentProtocol(s string) bool {
	name, s, ok := strings.Cut(s, "/")
	if !ok || !strings.EqualFold(strings.TrimSpace(name), "SIP") {
		return false
	}
	version, s, ok := strings.Cut(s, "/")
	if !ok || !isToken(strings.TrimSpace(version)) {
		return false
	}
	fields := strings.Fields(s)
	if len(fields) < 2 || !isToken(fields[0]) {
		return false
	}
	v.Transport = strings.ToUpper(fields[0])
	// LWS is allowed around the colon.
	host, port, ok := cutHostPort(strings.Join(fields[1:], ""))
	v.Host, v.Port = host, port
	return ok
}

// cutHostPort takes host[:port] apart, the host a name, an address, or an IPv6
// address in brackets.
func cutHostPort(s string) (host string, port uint16, ok bool) {
	rest := ""
	if strings.HasPrefix(s, "[") {
		i := strings.IndexByte(s, ']')
		if i < 0 {
			return "", 0, false
		}
		host, rest = s[1:i], s[i+1:]
		if a, err := netip.ParseAddr(host); err != nil || !a.Is6() {
			return "", 0, false
		}
	} else {
		i := strings.IndexByte(s, ':')
		if i < 0 {
			i = len(s)
		}
		host, rest = s[:i], s[i:]
		if !isHost(host) {
			return "", 0, false
		}
	}
	if rest == "" {
		return host, 0, true
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(rest, ":"), 10, 16)
	if rest[0] != ':' || err != nil || n == 0 {
		return "", 0, false
	}
	return host, uint16(n), true
}

// isHost reports whether s is made of what host names and IPv4 addresses are
// made of, and the underscore that is seen in the wild.
func isHost(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphanum(c) && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 255
}

// Stamp is the topmost Via value as a server that got the request from src
// puts it into its answers: with received where the sender did not name the
// address, and rport where it asked for that (RFC 3261 section 18.2.1,
// RFC 3581 section 4). What the sender said of either is taken out.
func (v Via) Stamp(value string, src netip.AddrPort) string {
	params := splitQuoted(value, ';')
	var b strings.Builder
	b.WriteString(strings.TrimSpace(params[0]))
	for _, p := range params[1:] {
		name, _, _ := cutParam(p)
		if strings.EqualFold(name, "received") || strings.EqualFold(name, "rport") {
			continue
		}
		b.WriteByte(';')
		b.WriteString(strings.TrimSpace(p))
	}
	addr, err := netip.ParseAddr(v.Host)
	if v.RPort || err != nil || addr.Unmap() != src.Addr().Unmap() {
		b.WriteString(";received=")
		b.WriteString(src.Addr().Unmap().String())
	}
	if v.RPort {
		b.WriteString(";rport=")
		b.WriteString(strconv.Itoa(int(src.Port())))
	}
	return b.String()
}

// ReplyTo is where the answer to a datagram from src goes (RFC 3261
// section 18.2.2, RFC 3581 section 4). A maddr is not followed: answers go to
// where requests come from, and nowhere else.
func (v Via) ReplyTo(src netip.AddrPort) netip.AddrPort {
	switch {
	case v.RPort || v.Transport == "":
		return src
	case v.Port == 0:
		return netip.AddrPortFrom(src.Addr(), DefaultPort("UDP"))
	}
	return netip.AddrPortFrom(src.Addr(), v.Port)
}
