package strictjson

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"parley"
)

// maxFaults is how many faults are told at once. Reading stops there, so that
// an answer stays small whatever was sent.
const maxFaults = 20

// Faults is all that is wrong with an object that is JSON, in the order in
// which it stands there; what is missing comes last. It is never empty.
type Faults []*parley.Error

// Error gives all faults in one line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, e := range f {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "; ")
}

// Unwrap gives each fault, the first first.
func (f Faults) Unwrap() []error {
	errs := make([]error, len(f))
	for i, e := range f {
		errs[i] = e
	}
	return errs
}

// SyntaxError says where data stops being JSON.
type SyntaxError struct {
	Offset int // of the byte, from 0
	Line   int // from 1
	Column int // in characters, from 1
	Reason string
}

// Error gives place and reason.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not JSON at line %d, column %d (byte %d): %s", e.Line, e.Column, e.Offset, e.Reason)
}

// newSyntaxError finds line and column of data[offset].
func newSyntaxError(data []byte, offset int, reason string) *SyntaxError {
	e := &SyntaxError{Offset: offset, Line: 1, Reason: reason}
	start := 0
	for i, c := range data[:offset] {
		if c == '\n' {
			e.Line++
			start = i + 1
		}
	}
	e.Column = utf8.RuneCount(data[start:offset]) + 1
	return e
}

// clip shortens s to n characters, so that messages stay short.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n]) + "…"
}
