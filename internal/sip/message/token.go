package message

import "strings"

func isAlphanum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// isToken reports whether s is a token (RFC 3261 section 25.1).
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlphanum(c) && strings.IndexByte("-.!%*_+`'~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// isScheme reports whether s is the scheme of a URI (RFC 3986 section 3.1).
func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || !isAlphanum(c) && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}

// splitQuoted splits s at sep wherever that is neither in a quoted string nor
// in angle brackets. It gives at least one part.
func splitQuoted(s string, sep byte) []string {
	var parts []string
	quoted, angle := false, false
	start := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case c == sep && !angle:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

// cutParam takes name=value apart; has is false for a parameter without value.
func cutParam(p string) (name, value string, has bool) {
	name, value, has = strings.Cut(p, "=")
	return strings.TrimSpace(name), strings.TrimSpace(value), has
}

// closed reports whether every quoted string and angle bracket in s that is
// opened is closed: only then something can be written behind it.
func closed(s string) bool {
	quoted, angle := false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		}
	}
	return !quoted && !angle
}

// hasEmptyParam reports whether a value has a semicolon too many, or a
// parameter without a name.
func hasEmptyParam(value string) bool {
	if !strings.Contains(value, ";") {
		return false
	}
	for _, p := range splitQuoted(value, ';')[1:] {
		if name, _, _ := cutParam(p); name == "" {
			return true
		}
	}
	return false
}

// param is a parameter of a From or To value (RFC 3261 section 20.10): what
// stands after the URI, or after the angle bracket where there is one.
func param(value, name string) (string, bool) {
	for _, p := range splitQuoted(value, ';')[1:] {
		if n, v, _ := cutParam(p); strings.EqualFold(n, name) {
			return v, true
		}
	}
	return "", false
}

// Tokens splits the values of a header field that is a list of tokens, such as
// Require or Supported: several fields, each maybe with commas.
func Tokens(values ...string) []string {
	var out []string
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	return out
}
