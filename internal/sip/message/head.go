package message

import (
	"bytes"
	"strconv"
	"strings"
)

// The bounds of a message. What is longer is not read.
const (
	// MaxSize is the longest message, body included; a datagram has no more.
	MaxSize = 65535
	// maxHeader is the longest start line and header together.
	maxHeader = 32 << 10
	// maxFields is the number of header fields that a message may have.
	maxFields = 256
)

// Head is what Scan reads of a message. Header field values are unfolded and
// without white space around them.
type Head struct {
	Method string // of a request, as it was written; empty for a response
	URI    string // of a request
	Status int    // of a response, 100 to 699

	Via          []string // the values of each field, every one maybe a list
	Top          Via      // the topmost one
	From, To     string
	FromTag      string
	ToTag        string
	CallID       string
	CSeq         string
	Seq          uint32 // the number in CSeq
	SeqMethod    string // the method in CSeq
	RecordRoute  []string
	MaxForwards  int // -1 where there is none
	ContentLen   int // -1 where there is none
	Header, Size int // where the body begins and ends in the bytes scanned
}

// IsRequest reports whether the message is a request.
func (h *Head) IsRequest() bool { return h.Method != "" }

// field is a header field that Scan knows.
type field uint8

const (
	fieldOther field = iota
	fieldVia
	fieldFrom
	fieldTo
	fieldCallID
	fieldCSeq
	fieldMaxForwards
	fieldContentLength
	fieldRecordRoute
	fieldContentType
	fieldExpires
	fieldCount
)

// fields are the names, long and compact (RFC 3261 section 7.3.3), in lower
// case.
var fields = map[string]field{
	"via": fieldVia, "v": fieldVia, "from": fieldFrom, "f": fieldFrom, "to": fieldTo, "t": fieldTo,
	"call-id": fieldCallID, "i": fieldCallID, "cseq": fieldCSeq, "max-forwards": fieldMaxForwards,
	"content-length": fieldContentLength, "l": fieldContentLength, "record-route": fieldRecordRoute,
	"content-type": fieldContentType, "c": fieldContentType, "expires": fieldExpires,
}

// names are the fields' names for the log.
var names = [fieldCount]string{
	fieldVia: "Via", fieldFrom: "From", fieldTo: "To", fieldCallID: "Call-ID", fieldCSeq: "CSeq",
	fieldMaxForwards: "Max-Forwards", fieldContentLength: "Content-Length", fieldContentType: "Content-Type",
	fieldExpires: "Expires", fieldRecordRoute: "Record-Route",
}

// single reports whether a message may have the field once only.
func (f field) single() bool {
	return f != fieldOther && f != fieldVia && f != fieldRecordRoute
}

// scan is a message being scanned. The first fault is kept and the scan goes
// on, so that there is a head to answer with.
type scan struct {
	Head
	fault *Fault
	seen  [fieldCount]bool
	count int
	last  field   // that a continuation line would belong to
	value *string // its value so far; nil where it is not kept
	text  string  // holds the value of a field that the Head keeps as a number
}

func (s *scan) fail(status int, format string, args ...any) {
	if s.fault == nil {
		s.fault = faultf(status, format, args...)
	}
}

// Scan reads the head of the datagram or framed message in data. With a Fault
// that has a status the Head has what there is to answer with: fields that
// were missing or broken are empty.
func Scan(data []byte) (Head, *Fault) {
	s := scan{Head: Head{MaxForwards: -1, ContentLen: -1}}
	line, rest, ok := bytes.Cut(data, crlf)
	if !ok {
		return s.Head, faultf(0, "no line end")
	}
	if f := s.startLine(string(line)); f != nil {
		return s.Head, f
	}
	s.Header = len(data) - len(rest)
	s.header(rest)
	s.body(len(data))
	s.mandatory()
	if s.fault != nil && !s.IsRequest() {
		s.fault.Status = 0
	}
	return s.Head, s.fault
}

var crlf = []byte("\r\n")

// startLine reads the first line (RFC 3261 section 7.1, 7.2). The fault that
// it returns is for what is not SIP and has no answer.
func (s *scan) startLine(line string) *Fault {
	if strings.HasPrefix(line, "SIP/") {
		return s.statusLine(line)
	}
	words := strings.Split(line, " ")
	version := strings.TrimRight(line, " \t")
	version = version[strings.LastIndexAny(version, " \t")+1:]
	if len(version) < 4 || !strings.EqualFold(version[:4], "SIP/") || !isToken(words[0]) {
		return faultf(0, "not a SIP start line")
	}
	s.Method = words[0]
	switch {
	case !strings.EqualFold(version, "SIP/2.0"):
		s.fail(505, "version %.16q", version)
	case len(words) != 3 || strings.ContainsAny(line, "\t\n"):
		s.fail(400, "start line of %d words", len(words))
	default:
		s.URI = words[1]
		s.requestURI()
	}
	return nil
}

// statusLine reads "SIP/2.0 200 OK".
func (s *scan) statusLine(line string) *Fault {
	version, rest, _ := strings.Cut(line, " ")
	code, _, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(code)
	if version != "SIP/2.0" || len(code) != 3 || err != nil || n < 100 || n > 699 {
		return faultf(0, "not a SIP status line")
	}
	s.Status = n
	return nil
}

// requestURI refuses what no request can be sent to (RFC 3261 sections 8.2.2.1
// and 19.1.1): other schemes, quoting, and header fields, which no request-URI
// may have.
func (s *scan) requestURI() {
	scheme, rest, ok := strings.Cut(s.URI, ":")
	_, host, hasUser := strings.Cut(rest, "@") // a user part may have a question mark
	if !hasUser {
		host = rest
	}
	switch {
	case !ok || !isScheme(scheme) || rest == "":
		s.fail(400, "request-URI without scheme")
	case !strings.EqualFold(scheme, "sip"):
		s.fail(416, "scheme %.16q", scheme)
	case strings.ContainsAny(s.URI, "<>\"\x00\n") || strings.Contains(host, "?"):
		s.fail(400, "characters that a request-URI cannot have")
	}
}

// header reads the header fields up to the empty line.
func (s *scan) header(rest []byte) {
	for {
		line, after, ok := bytes.Cut(rest, crlf)
		if !ok {
			s.Header += len(rest)
			s.fail(400, "header not ended")
			return
		}
		s.Header += len(rest) - len(after)
		rest = after
		switch {
		case len(line) == 0:
			s.end()
			return
		case s.Header > maxHeader || s.count > maxFields:
			s.fail(513, "header of over %d bytes or %d fields", maxHeader, maxFields)
			return
		case bytes.ContainsAny(line, "\r\n"):
			s.fail(400, "control character in the header")
		case line[0] == ' ' || line[0] == '\t': // folded, RFC 3261 section 7.3.1
			if s.value != nil {
				*s.value = strings.TrimSpace(*s.value + " " + string(bytes.TrimSpace(line)))
			}
		default:
			s.end()
			s.begin(line)
		}
	}
}

// begin takes the first line of a header field.
func (s *scan) begin(line []byte) {
	s.count++
	colon := bytes.IndexByte(line, ':')
	name := string(bytes.TrimRight(line[:max(colon, 0)], " \t"))
	if !isToken(name) {
		s.fail(400, "header field without name")
		return
	}
	f, ok := fields[name]
	if !ok {
		f = fields[strings.ToLower(name)]
	}
	if f.single() && s.seen[f] {
		s.fail(400, "%s twice", names[f])
		return
	}
	s.seen[f] = true
	s.last, s.value = f, s.place(f)
	if s.value != nil {
		*s.value = string(bytes.TrimSpace(line[colon+1:]))
	}
}

// place is where the value of a field is kept.
func (s *scan) place(f field) *string {
	switch f {
	case fieldVia:
		s.Via = append(s.Via, "")
		return &s.Via[len(s.Via)-1]
	case fieldRecordRoute:
		s.RecordRoute = append(s.RecordRoute, "")
		return &s.RecordRoute[len(s.RecordRoute)-1]
	case fieldFrom:
		return &s.From
	case fieldTo:
		return &s.To
	case fieldCallID:
		return &s.CallID
	case fieldCSeq:
		return &s.CSeq
	case fieldMaxForwards, fieldContentLength, fieldExpires:
		return &s.text
	}
	return nil
}

// end reads the number in a field that is now complete.
func (s *scan) end() {
	switch s.last {
	case fieldMaxForwards:
		s.MaxForwards = s.number(255)
	case fieldContentLength:
		s.ContentLen = s.number(1<<31 - 1)
	case fieldExpires:
		s.number(1<<32 - 1)
	case fieldCSeq:
		s.cseq()
	}
	s.last, s.value = fieldOther, nil
}

// number is the value in text; -1, and a fault, if it is none or over most.
func (s *scan) number(most uint64) int {
	n, err := strconv.ParseUint(s.text, 10, 64)
	if err != nil || n > most {
		s.fail(400, "%s is not a number up to %d", names[s.last], most)
		return -1
	}
	return int(n)
}

// cseq reads "314159 INVITE" (RFC 3261 sections 8.1.1.5 and 20.16).
func (s *scan) cseq() {
	words := strings.Fields(s.CSeq)
	if len(words) != 2 || !isToken(words[1]) {
		s.fail(400, "CSeq is not a number and a method")
		return
	}
	n, err := strconv.ParseUint(words[0], 10, 31)
	if err != nil {
		s.fail(400, "CSeq is not a number under 2^31")
		return
	}
	s.Seq, s.SeqMethod = uint32(n), words[1]
	if s.IsRequest() && s.SeqMethod != s.Method {
		s.fail(400, "the method in CSeq is not the request's")
	}
}

// body finds where the body ends (RFC 3261 section 18.3): what is left of a
// datagram after it is ignored.
func (s *scan) body(size int) {
	s.Size = size
	if s.ContentLen < 0 {
		return
	}
	if s.ContentLen > size-s.Header {
		s.fail(400, "body of %d bytes instead of %d", size-s.Header, s.ContentLen)
		return
	}
	s.Size = s.Header + s.ContentLen
}

// mandatory refuses a message that lacks what every message has (RFC 3261
// section 8.1.1), Max-Forwards excepted, which RFC 2543 did not know. Without
// a Via that can be read nothing is answered: nobody could tell to what.
func (s *scan) mandatory() {
	for _, f := range []field{fieldVia, fieldFrom, fieldTo, fieldCallID, fieldCSeq} {
		if !s.seen[f] {
			s.fail(400, "no %s", names[f])
		}
	}
	if s.CallID == "" || strings.ContainsAny(s.CallID, " \t") {
		s.fail(400, "Call-ID is not a word")
	}
	for _, value := range append([]string{s.From, s.To}, s.Via...) {
		if !closed(value) {
			s.fail(400, "a quotation mark or bracket without the other")
		}
	}
	s.FromTag, _ = param(s.From, "tag")
	s.ToTag, _ = param(s.To, "tag")
	if len(s.Via) == 0 {
		s.fault.Status = 0
		return
	}
	parse := ParseVia
	if !s.IsRequest() {
		// What we forgive we do not repeat in the ACK.
		parse, s.To = parseVia, tidy(s.To)
	}
	top, ok := parse(splitQuoted(s.Via[0], ',')[0])
	if !ok {
		s.fail(400, "Via that cannot be read")
	}
	s.Top = top
}
