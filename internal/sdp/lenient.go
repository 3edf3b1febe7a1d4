package sdp

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// The bounds of a description that we read. A real one has 10 to 60 lines.
const (
	MaxSize    = 16 << 10 // bytes
	MaxLines   = 400
	MaxMedia   = 16 // m= lines
	MaxFormats = 64 // in one m= line
)

// condensed is a description with only the lines that matter to us, ready for
// pion's parser. That parser refuses the whole description for a media type,
// transport or bandwidth type that it does not know, where RFC 8866 sections
// 5.8 and 5.14 want those ignored and RFC 3264 section 6 wants a port of 0 for
// that one stream: a fax offer (m=image … udptl) must not cost the audio beside
// it. So lines that decide nothing are left out, and a media description that
// is no audio over RTP/AVP is read here and stands in the text as an empty one.
type condensed struct {
	text    strings.Builder
	foreign map[int]Media // by index among the m= lines
	media   int
	skip    bool // inside a foreign media description
	letters [256]bool
}

func condense(body []byte) (*condensed, error) {
	if len(body) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(body), MaxSize)
	}
	c := &condensed{foreign: map[int]Media{}}
	n := 0
	for line := range bytes.SplitSeq(body, []byte("\n")) {
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			continue
		}
		if n++; n > MaxLines {
			return nil, fmt.Errorf("%w: more than %d lines", ErrTooLarge, MaxLines)
		}
		if err := c.line(string(line)); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	for _, letter := range []byte("vos") { // RFC 8866 section 5
		if !c.letters[letter] {
			return nil, fmt.Errorf("%w: no %c= line", ErrMalformed, letter)
		}
	}
	return c, nil
}

func (c *condensed) line(line string) error {
	if len(line) < 2 || line[1] != '=' {
		return fmt.Errorf("%w: %q is not <letter>=<value>", ErrMalformed, clip(line))
	}
	if strings.IndexFunc(line, func(r rune) bool { return r < ' ' && r != '\t' }) >= 0 {
		return fmt.Errorf("%w: control character in %q", ErrMalformed, clip(line))
	}
	c.letters[line[0]] = true
	switch line[0] {
	case 'm':
		return c.mediaLine(line)
	case 'v', 'o', 's', 't', 'c', 'a':
		if !c.skip {
			c.text.WriteString(line)
			c.text.WriteString("\r\n")
		}
	}
	return nil
}

func (c *condensed) mediaLine(line string) error {
	if c.media == MaxMedia {
		return fmt.Errorf("%w: more than %d media descriptions", ErrTooLarge, MaxMedia)
	}
	fields := strings.Fields(line[2:])
	if len(fields) < 4 {
		return fmt.Errorf("%w: %q is not m=<media> <port> <proto> <fmt>…", ErrMalformed, clip(line))
	}
	if len(fields) > MaxFormats+3 {
		return fmt.Errorf("%w: more than %d formats in one m= line", ErrTooLarge, MaxFormats)
	}
	number, _, _ := strings.Cut(fields[1], "/")
	port, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return fmt.Errorf("%w: port %q", ErrMalformed, clip(fields[1]))
	}
	m := Media{Kind: fields[0], Port: uint16(port), Proto: fields[2], Tokens: fields[3:]}
	if c.skip = !m.IsAudio(); c.skip {
		c.foreign[c.media] = m
		c.text.WriteString("m=application 0 UDP 0\r\n")
	} else {
		// The number of ports (RFC 8866 section 5.14) has no use with unicast.
		fmt.Fprintf(&c.text, "m=audio %d RTP/AVP %s\r\n", port, strings.Join(m.Tokens, " "))
	}
	c.media++
	return nil
}

// clip keeps an outsider's text short enough for an error message.
func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}
