package sip

import (
	"net/netip"
	"strconv"
	"strings"

	sipgo "github.com/emiago/sipgo/sip"
)

// maxPart bounds what of a far end's URI is shown to customers.
const maxPart = 255

// partURI is the caller as a customer would dial it: the number where the URI
// is one (a tel URI, user=phone, or a user part that is only digits), else
// sip:user@host without display name, password and parameters. It is never
// empty.
func partURI(u *sipgo.Uri) string {
	if u.Scheme == "tel" {
		if n := number(unescape(u.Raw())); n != "" {
			return n
		}
		return "sip:anonymous@anonymous.invalid" // RFC 3323 section 4.1.1.3
	}
	if u.Scheme != "sip" && u.Scheme != "sips" {
		return "sip:anonymous@anonymous.invalid"
	}
	user := unescape(u.User)
	phone, _ := u.UriParams.Get("user")
	if n := number(user); n != "" && (strings.EqualFold(phone, "phone") || n == user) {
		return n
	}
	return plain(u)
}

// number is s as a telephone number without visual separators and parameters
// (RFC 3966 section 3): digits, maybe after a plus sign; empty if it is none.
func number(s string) string {
	s, _, _ = strings.Cut(s, ";")
	if len(s) > maxPart {
		return ""
	}
	out := make([]byte, 0, len(s))
	digits := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
			out = append(out, c)
		case c == '+' && i == 0:
			out = append(out, c)
		case c == '-' || c == '.' || c == '(' || c == ')':
		default:
			return ""
		}
	}
	if digits == 0 {
		return ""
	}
	return string(out)
}

// plain is a SIP URI without display name, password, parameters and header
// fields, its escapes undone where they were not needed.
func plain(u *sipgo.Uri) string {
	user := "anonymous"
	if u.User != "" {
		user = escape(unescape(u.User))
	}
	host := strings.ToLower(strings.Trim(u.Host, "[]"))
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		host = "[" + host + "]"
	}
	if u.Port > 0 {
		host += ":" + strconv.Itoa(u.Port)
	}
	if len(user) > maxPart {
		user = user[:maxPart]
		if i := strings.LastIndexByte(user, '%'); i > len(user)-3 {
			user = user[:i] // not half an escape
		}
	}
	return "sip:" + user + "@" + host
}

// unescape undoes the escapes of a URI (RFC 3261 section 19.1.2); what looks
// like one and is none stays as it is.
func unescape(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, ok1 := hexDigit(s[i+1])
			lo, ok2 := hexDigit(s[i+2])
			if ok1 && ok2 {
				out = append(out, hi<<4|lo)
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// userChars are what a user part may have besides letters and digits (RFC 3261
// section 25.1: unreserved and user-unreserved).
const userChars = "-_.!~*'()&=+$,;?/"

// escape writes a user part.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte(userChars, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

// parseURI reads a SIP URI that comes from our own side. Panics of the parser
// are not expected there, but contained by the call's goroutine.
func parseURI(s string) (sipgo.Uri, error) {
	var u sipgo.Uri
	err := sipgo.ParseUri(s, &u)
	return u, err
}
