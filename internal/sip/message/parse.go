package message

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"time"

	sipgo "github.com/emiago/sipgo/sip"
)

// Message is a message that was read, and where it came from.
type Message struct {
	Head
	// Request or Response is the message as sipgo read it: one of them is set.
	// Both are only read from here on.
	Request  *sipgo.Request
	Response *sipgo.Response
	// Source is where it came from, Reply where answers to it go.
	Source netip.AddrPort
	Reply  Flow
	At     time.Time
}

// Flow is a way to one far end. Its methods are safe for concurrent use.
type Flow interface {
	// Send writes one message. On a stream it may wait for some seconds. An
	// error means that the message was not sent.
	Send(data []byte) error
	// Network is "UDP" or "TCP", as in Via.
	Network() string
	// Reliable reports whether the network repeats what is lost.
	Reliable() bool
	// Alive is false once nothing can be sent any more.
	Alive() bool
	Local() netip.AddrPort
	Remote() netip.AddrPort
}

// Answer begins the answer to a request (see Head.Answer).
func (m *Message) Answer(status int, tag string) *sipgo.Response {
	return m.Head.Answer(status, tag, m.Source)
}

// Values are the values of all header fields of a name, as they were written.
func (m *Message) Values(name string) []string {
	var all []sipgo.Header
	if m.Request != nil {
		all = m.Request.Headers()
	} else {
		all = m.Response.Headers()
	}
	var out []string
	for _, h := range all {
		if strings.EqualFold(h.Name(), name) {
			out = append(out, h.Value())
		}
	}
	return out
}

// Body is the message's body.
func (m *Message) Body() []byte {
	if m.Request != nil {
		return m.Request.Body()
	}
	return m.Response.Body()
}

// Parser reads messages. It is safe for concurrent use.
type Parser struct{ requests, responses *sipgo.Parser }

// NewParser makes a Parser.
func NewParser() *Parser { return &Parser{newParser(true), newParser(false)} }

func newParser(strict bool) *sipgo.Parser {
	headers := maps.Clone(sipgo.DefaultHeadersParser())
	// Via is read by this package: sipgo takes quoted parameters for names.
	delete(headers, "via")
	delete(headers, "v")
	for name, parse := range headers {
		headers[name] = careful(name, parse, strict)
	}
	return sipgo.NewParser(sipgo.WithHeadersParsers(headers))
}

// commaFound is what sipgo's parsers of header fields report, beside a value,
// where another value follows. Its type is not exported.
const commaFound = "comma detected"

// careful is sipgo's parser of a header field for what comes from strangers.
// It takes white space where the grammar allows it, which sipgo's does not, and
// where it fails or panics the field is kept as it was written, for someone who
// needs it to notice. (sipgo gives up the whole message instead.) It is strict
// with requests, which can be refused, and forgives answers a semicolon too
// many.
func careful(name string, parse sipgo.HeaderParser, strict bool) sipgo.HeaderParser {
	return func(raw []byte, text string) (h sipgo.Header, err error) {
		if strict && hasEmptyParam(text) {
			return sipgo.NewHeader(name, text), nil
		}
		defer func() {
			if p := recover(); p != nil {
				h, err = sipgo.NewHeader(name, text), nil
			}
		}()
		h, err = parse(raw, tidy(text))
		if err != nil && err.Error() != commaFound {
			return sipgo.NewHeader(name, text), nil
		}
		return h, err
	}
}

// tidy takes out the white space around ";" and "=" that is not in quotes or
// angle brackets, and parameters without a name.
func tidy(value string) string {
	if !strings.ContainsAny(value, ";=") {
		return value
	}
	parts := splitQuoted(value, ';')
	out := append(parts[:0:0], strings.TrimSpace(parts[0]))
	for _, p := range parts[1:] {
		name, val, has := cutParam(p)
		switch {
		case name == "":
		case has:
			out = append(out, name+"="+val)
		default:
			out = append(out, name)
		}
	}
	return strings.Join(out, ";")
}

// Parse reads a datagram, or a message that Frame found. Where there is a
// Fault with a status, the Message has a Head to answer with and nothing else.
func (p *Parser) Parse(data []byte) (m Message, fault *Fault) {
	m.Head, fault = Scan(data)
	if fault != nil {
		return m, fault
	}
	status, parser := 0, p.responses
	if m.IsRequest() {
		status, parser = 400, p.requests
	}
	defer func() {
		if r := recover(); r != nil {
			m, fault = Message{Head: m.Head}, faultf(status, "the parser panicked: %v", r)
		}
	}()
	parsed, err := parser.ParseSIP(data[:m.Size])
	if err != nil {
		return m, faultf(status, "%v", err)
	}
	switch parsed := parsed.(type) {
	case *sipgo.Request:
		// sipgo writes methods in upper case; they are case-sensitive
		// (RFC 3261 section 7.1).
		parsed.Method = sipgo.RequestMethod(m.Method)
		m.Request = parsed
		err = checkFields(parsed.Headers())
		if err == nil {
			err = checkURI(&parsed.Recipient)
		}
	case *sipgo.Response:
		m.Response = parsed
		err = checkFields(parsed.Headers())
	}
	if err != nil {
		return Message{Head: m.Head}, faultf(status, "%v", err)
	}
	return m, nil
}

// needed are the header fields, as careful names them, that must be readable.
var needed = map[string]bool{
	"from": true, "f": true, "to": true, "t": true, "call-id": true, "i": true, "cseq": true, "contact": true, "m": true,
	"route": true, "record-route": true, "content-type": true, "c": true, "content-length": true, "l": true, "max-forwards": true,
}

// checkFields refuses what careful kept although it is needed, and addresses
// that are none.
func checkFields(headers []sipgo.Header) error {
	for _, h := range headers {
		var err error
		switch h := h.(type) {
		case *sipgo.FromHeader:
			err = checkURI(&h.Address)
		case *sipgo.ToHeader:
			err = checkURI(&h.Address)
		case *sipgo.ContactHeader:
			if !h.Address.Wildcard {
				err = CheckTarget(&h.Address)
			}
		case *sipgo.RouteHeader:
			err = checkRoute(&h.Address)
		case *sipgo.RecordRouteHeader:
			err = checkRoute(&h.Address)
		case *sipgo.CallIDHeader, *sipgo.CSeqHeader, *sipgo.ContentTypeHeader, *sipgo.ContentLengthHeader, *sipgo.MaxForwardsHeader:
		default:
			if needed[h.Name()] {
				err = errors.New("cannot be read")
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", h.Name(), err)
		}
	}
	return nil
}

// checkRoute refuses a route that is no SIP URI.
func checkRoute(u *sipgo.Uri) error {
	if u.Scheme != "sip" && u.Scheme != "sips" {
		return errors.New("not a SIP URI")
	}
	return CheckTarget(u)
}

// CheckTarget refuses a URI that no request can be sent to: in a start line it
// would be more than one word.
func CheckTarget(u *sipgo.Uri) error {
	s := u.String()
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '<' || c == '>' || c == '"' {
			return fmt.Errorf("character %q", c)
		}
	}
	return checkURI(u)
}

// checkURI refuses a SIP URI without a host, or with characters that no URI
// has (RFC 3261 section 25.1).
func checkURI(u *sipgo.Uri) error {
	switch u.Scheme {
	case "":
		return errors.New("no URI")
	case "sip", "sips":
	default:
		return nil
	}
	host := strings.Trim(u.Host, "[]")
	if _, err := netip.ParseAddr(host); err != nil && !isHost(host) {
		return fmt.Errorf("host %.40q", u.Host)
	}
	for i := range len(u.User) {
		if c := u.User[i]; c <= ' ' || c == 0x7f || c == '<' || c == '>' || c == '"' {
			return fmt.Errorf("user %.40q", u.User)
		}
	}
	return nil
}
