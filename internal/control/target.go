package control

import (
	"cmp"
	"net/netip"
	"strings"

	"parley"
)

// target is where an invite leads.
type target struct {
	uri     string // SIP URI to call
	partURI string // as the customer would dial it
	from    string
	trunk   *parley.Trunk
}

// target reads an invite's to: a telephone number, which takes the trunk whose
// prefix fits best, or a SIP URI.
func (c *Control) target(app parley.ID, to, from string) (target, error) {
	if err := checkFrom(from); err != nil {
		return target{}, err
	}
	number, isTel := strings.CutPrefix(to, "tel:")
	if isTel {
		number, _, _ = strings.Cut(number, ";")
	}
	if dialled, ok := cleanNumber(number); ok {
		t := c.trunkFor(app, dialled)
		if t == nil {
			return target{}, parley.FieldErrorf(parley.CodeNoTrunk, "to", "no trunk takes the number %s: make one with POST /v1/trunks whose prefixes fit", dialled)
		}
		from = cmp.Or(from, t.From, t.Username, defaultFrom)
		return target{uri: trunkURI(t, dialled), partURI: dialled, from: from, trunk: t}, nil
	}
	partURI, ok := cleanSIP(to)
	if !ok {
		return target{}, parley.FieldErrorf(parley.CodeInvalid, "to", "%q is neither a telephone number (+8613800138000, 02087654321) nor a SIP URI (sip:alice@example.com)", clip(to))
	}
	return target{uri: to, partURI: partURI, from: cmp.Or(from, defaultFrom)}, nil
}

// defaultFrom is the user that calls come from when nobody says otherwise.
const defaultFrom = "parley"

// clip shortens what a customer sent, for a message.
func clip(s string) string {
	if len(s) > 80 {
		return s[:77] + "..."
	}
	return s
}

// checkFrom says what is wrong with a from: a number, or a SIP URI.
func checkFrom(from string) error {
	if from == "" {
		return nil
	}
	if _, ok := cleanNumber(from); ok {
		return nil
	}
	if _, ok := cleanSIP(from); ok {
		return nil
	}
	return parley.FieldErrorf(parley.CodeInvalid, "from", "%q is neither a telephone number nor a SIP URI", clip(from))
}

// cleanNumber gives a telephone number without its visual separators (RFC 3966
// section 3): digits, * and #, with or without a leading +, 2 to 32 of them.
func cleanNumber(s string) (string, bool) {
	var b strings.Builder
	digits := 0
	for i, r := range s {
		switch {
		case r >= '0' && r <= '9' || r == '*' || r == '#':
			digits++
			b.WriteRune(r)
		case r == '+' && i == 0:
			b.WriteRune(r)
		case r == '-' || r == '.' || r == '(' || r == ')' || r == ' ':
		default:
			return "", false
		}
	}
	return b.String(), digits >= 2 && digits <= 32
}

// cleanSIP checks a SIP URI (RFC 3261 section 19.1) as far as a typing error
// goes, and gives it without parameters and headers: scheme, user, host, port.
func cleanSIP(s string) (string, bool) {
	rest, ok := strings.CutPrefix(s, "sip:")
	if !ok || len(s) > 512 {
		return "", false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`<>"\^{}|`+"`", c) >= 0 {
			return "", false
		}
	}
	user, hostPart, found := strings.Cut(rest, "@")
	if !found {
		user, hostPart = "", rest
	} else if user == "" {
		return "", false
	}
	if i := strings.IndexAny(hostPart, ";?"); i >= 0 {
		hostPart = hostPart[:i]
	}
	if !isHostPort(hostPart) {
		return "", false
	}
	if user == "" {
		return "sip:" + hostPart, true
	}
	if i := strings.IndexByte(user, ':'); i >= 0 { // a password is nobody's business
		user = user[:i]
	}
	return "sip:" + user + "@" + hostPart, true
}

// isHostPort reports whether s is a host name or address, with or without a
// port.
func isHostPort(s string) bool {
	if _, err := netip.ParseAddrPort(s); err == nil {
		return true
	}
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		a, err := netip.ParseAddr(s[1 : len(s)-1])
		return err == nil && a.Is6()
	}
	host, port, hasPort := strings.Cut(s, ":")
	if hasPort {
		if _, err := netip.ParseAddrPort("127.0.0.1:" + port); err != nil {
			return false
		}
	}
	if host == "" || len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(host, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// trunkURI is where a number is called through a trunk.
func trunkURI(t *parley.Trunk, number string) string {
	number = t.Prepend + number[min(t.Strip, len(number)):]
	number = strings.ReplaceAll(number, "#", "%23") // RFC 3261 section 25.1
	uri := "sip:" + number + "@" + t.Host
	if t.Transport == "tcp" {
		uri += ";transport=tcp"
	}
	return uri
}
