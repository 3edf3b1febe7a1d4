package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"parley"
)

// Error is an answer that is not a success. parley.CodeOf gives its code, and
// errors.As finds a *parley.Error in it.
type Error struct {
	Status int         // HTTP status
	Code   parley.Code // stable; empty if it was not parley that answered
	Field  string      // what was wrong: a field, parameter or header; may be empty
	Detail string      // what is wrong, and what would be right
	Errors []FieldError
	// RetryAfter is how long to wait before asking again, zero if the answer
	// does not say.
	RetryAfter time.Duration
}

// FieldError is one of several things that are wrong with a request.
type FieldError struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Error gives status, code and detail in one line.
func (e *Error) Error() string {
	return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Detail)
}

// Unwrap gives the error as the server had it.
func (e *Error) Unwrap() error {
	return &parley.Error{Code: e.Code, Field: e.Field, Message: e.Detail}
}

// maxProblem is the most that is read of an answer that is not a success.
const maxProblem = 1 << 16

// errorOf makes an Error of an answer: of its problem (RFC 9457), or of what
// else it says.
func errorOf(resp *http.Response) error {
	e := &Error{Status: resp.StatusCode}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxProblem))
	if err != nil {
		e.Detail = "the answer broke off: " + err.Error()
		return e
	}
	var p struct {
		Detail string       `json:"detail"`
		Code   parley.Code  `json:"code"`
		Field  string       `json:"field"`
		Errors []FieldError `json:"errors"`
	}
	if json.Unmarshal(body, &p) != nil || p.Code == "" {
		e.Detail = fmt.Sprintf("%s: %.200q", http.StatusText(resp.StatusCode), body)
		return e
	}
	e.Code, e.Field, e.Detail, e.Errors = p.Code, p.Field, p.Detail, p.Errors
	return e
}
