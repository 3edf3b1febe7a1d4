package strictjson

import (
	"bytes"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects may be nested.
const MaxDepth = 64

// scanner walks over JSON text. Its methods begin at the first byte of what
// they read and leave pos behind it.
type scanner struct {
	data []byte
	pos  int
}

func (s *scanner) fail(format string, args ...any) error {
	return newSyntaxError(s.data, min(s.pos, len(s.data)), fmt.Sprintf(format, args...))
}

// found describes the next character, for messages.
func (s *scanner) found() string {
	if s.pos >= len(s.data) {
		return "the end"
	}
	r, n := utf8.DecodeRune(s.data[s.pos:])
	if r == utf8.RuneError && n == 1 {
		return fmt.Sprintf("byte 0x%02x", s.data[s.pos])
	}
	return fmt.Sprintf("%q", r)
}

// peek is the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

// space skips white space (RFC 8259 section 2).
func (s *scanner) space() {
	for s.pos < len(s.data) {
		switch s.data[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return
		}
	}
}

// literal reads true, false or null.
func (s *scanner) literal(word string) error {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(word)) {
		return s.fail("expected a value, found %+q", s.data[s.pos:min(s.pos+len(word)+1, len(s.data))])
	}
	s.pos += len(word)
	return nil
}

// number reads a number (RFC 8259 section 6) and gives it as written.
func (s *scanner) number() (string, error) {
	start := s.pos
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if err := s.digits(); err != nil {
		return "", err
	}
	if s.peek() == '.' {
		s.pos++
		if err := s.digits(); err != nil {
			return "", err
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if err := s.digits(); err != nil {
			return "", err
		}
	}
	if c := s.peek(); c >= '0' && c <= '9' {
		return "", s.fail("a number does not begin with 0")
	}
	return string(s.data[start:s.pos]), nil
}

// digits reads one digit or more.
func (s *scanner) digits() error {
	start := s.pos
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.pos++
	}
	if s.pos == start {
		return s.fail("expected a digit, found %s", s.found())
	}
	return nil
}

// text reads a string (RFC 8259 section 7).
func (s *scanner) text() (string, error) {
	s.pos++
	var out []byte
	start := s.pos // of what is not in out yet
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; {
		case c == '"':
			out = append(out, s.data[start:s.pos]...)
			s.pos++
			return string(out), nil
		case c == '\\':
			out = append(out, s.data[start:s.pos]...)
			r, err := s.escape()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
			start = s.pos
		case c < 0x20:
			return "", s.fail("control character 0x%02x in a string: write it as \\u%04x", c, c)
		case c < utf8.RuneSelf:
			s.pos++
		default:
			r, n := utf8.DecodeRune(s.data[s.pos:])
			if r == utf8.RuneError && n == 1 {
				return "", s.fail("byte 0x%02x is not UTF-8", c)
			}
			s.pos += n
		}
	}
	return "", s.fail("the string has no end")
}

// escape reads what a backslash begins. Half a surrogate pair is refused: it
// could not be given back as it came.
func (s *scanner) escape() (rune, error) {
	s.pos++
	c := s.peek()
	if c == 'u' {
		return s.unicode()
	}
	const codes, runes = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	for i := range len(codes) {
		if codes[i] == c {
			s.pos++
			return rune(runes[i]), nil
		}
	}
	return 0, s.fail(`expected one of " \ / b f n r t u after \, found %s`, s.found())
}

// unicode reads the rest of \uXXXX, both halves of a surrogate pair.
func (s *scanner) unicode() (rune, error) {
	begin := s.pos - 1
	r, err := s.hex()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if s.peek() == '\\' && s.pos+1 < len(s.data) && s.data[s.pos+1] == 'u' {
		s.pos++
		low, err := s.hex()
		if err != nil {
			return 0, err
		}
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, nil
		}
	}
	s.pos = begin
	return 0, s.fail(`\u%04x is half a surrogate pair`, r)
}

// hex reads u and four hexadecimal digits.
func (s *scanner) hex() (rune, error) {
	s.pos++
	var r rune
	for range 4 {
		c := s.peek()
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, s.fail("expected four hexadecimal digits after \\u, found %s", s.found())
		}
		s.pos++
	}
	return r, nil
}
