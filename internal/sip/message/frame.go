package message

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// Errors of Frame. What follows on the stream cannot be told from the rest of
// the message: the connection is of no more use.
var (
	// ErrNoLength: no Content-Length, two, or one that is no number, without
	// which nothing says where a message ends (RFC 3261 section 18.3).
	ErrNoLength = errors.New("no usable Content-Length")
	// ErrTooLong: the message, or its header alone, is over the bounds.
	ErrTooLong = errors.New("message too long")
)

// Frame finds the first message in the bytes that came on a stream so far: its
// length, or 0 while it is not complete. Line ends in front of a message are
// not part of it; Gap counts them.
func Frame(data []byte) (int, error) {
	end := bytes.Index(data, []byte("\r\n\r\n"))
	if end < 0 {
		if len(data) > maxHeader {
			return 0, ErrTooLong
		}
		return 0, nil
	}
	if end > maxHeader {
		return 0, ErrTooLong
	}
	body, err := contentLength(data[:end])
	if err != nil {
		return 0, err
	}
	n := end + 4 + body
	if n > MaxSize {
		return 0, ErrTooLong
	}
	if n > len(data) {
		return 0, nil
	}
	return n, nil
}

// contentLength finds Content-Length in a header.
func contentLength(header []byte) (int, error) {
	found := -1
	for line := range bytes.SplitSeq(header, crlf) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		name = bytes.TrimRight(name, " \t")
		if !strings.EqualFold(string(name), "content-length") && !strings.EqualFold(string(name), "l") {
			continue
		}
		n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 31)
		if err != nil || found >= 0 {
			return 0, ErrNoLength
		}
		found = int(n)
	}
	if found < 0 {
		return 0, ErrNoLength
	}
	return found, nil
}

// Gap is the number of bytes in front of the first message on a stream: line
// ends, with which far ends keep connections alive (RFC 5626 section 3.5.1).
func Gap(data []byte) int {
	n := 0
	for n < len(data) && (data[n] == '\r' || data[n] == '\n') {
		n++
	}
	return n
}
