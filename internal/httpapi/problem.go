package httpapi

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"parley"
	"parley/internal/strictjson"
)

// problem is the body of every answer that is not a success: an RFC 9457
// problem whose code a program can rely on. Its type is about:blank, so its
// title is the status in words (section 4.2.1).
type problem struct {
	Type   string       `json:"type" enum:"about:blank" doc:"always about:blank: code says which problem it is"`
	Title  string       `json:"title" doc:"the HTTP status in words" example:"Unprocessable Entity"`
	Status int          `json:"status" minimum:"400" maximum:"599" doc:"the HTTP status" example:"422"`
	Detail string       `json:"detail" doc:"what is wrong here, and what would be right, for a human" example:"max_parts: 0 is out of range: 1 to 3000"`
	Code   parley.Code  `json:"code" doc:"which problem it is, for a program; the same in every release" example:"invalid_request"`
	Field  string       `json:"field,omitempty" doc:"the field, parameter or header that is wrong" example:"max_parts"`
	Errors []fieldError `json:"errors,omitempty" doc:"everything that is wrong with the body or the parameters, if it is that"`
}

// fieldError is one of several things that are wrong with a request.
type fieldError struct {
	Field   string `json:"field" doc:"the field or parameter" example:"max_parts"`
	Message string `json:"message" doc:"what is wrong, and what would be right" example:"0 is out of range: 1 to 3000"`
}

// statusError is an error whose HTTP status is not the one of its code.
type statusError struct {
	error
	status int
}

func (e statusError) Unwrap() error { return e.error }

// statusOf is the one table from codes to HTTP statuses.
func statusOf(code parley.Code) int {
	switch code {
	case parley.CodeMalformed:
		return http.StatusBadRequest
	case parley.CodeUnauthorized:
		return http.StatusUnauthorized
	case parley.CodeForbidden:
		return http.StatusForbidden
	case parley.CodeNotFound:
		return http.StatusNotFound
	case parley.CodeMethodNotAllowed:
		return http.StatusMethodNotAllowed
	case parley.CodeConferenceEnded, parley.CodeConferenceFull, parley.CodeNameTaken, parley.CodeParticipantGone,
		parley.CodeNotJoined, parley.CodeCallEnded, parley.CodeCallInConference, parley.CodePlaybackEnded,
		parley.CodeRecordingEnded, parley.CodeRecordingActive, parley.CodeRecordingLive, parley.CodeMediaInUse,
		parley.CodeIdempotencyPending:
		return http.StatusConflict
	case parley.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case parley.CodeUnsupportedMedia:
		return http.StatusUnsupportedMediaType
	case parley.CodeInvalid, parley.CodeUnknownField, parley.CodeMediaNotFound, parley.CodeMediaUnreadable,
		parley.CodeNoTrunk, parley.CodeIdempotencyReused, parley.CodeWebhookURL:
		return http.StatusUnprocessableEntity
	case parley.CodeNoCapacity, parley.CodeStoreUnavailable, parley.CodeShuttingDown:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// retryAfter is how long a client should wait after a 503.
func retryAfter(code parley.Code) time.Duration {
	switch code {
	case parley.CodeStoreUnavailable:
		return time.Second
	case parley.CodeNoCapacity:
		return 5 * time.Second
	case parley.CodeShuttingDown:
		return 10 * time.Second
	}
	return 0
}

// problemOf is what a customer sees of an error. What is no *parley.Error is a
// fault of ours, of which nothing is told.
func problemOf(err error) problem {
	p := problem{Type: "about:blank", Code: parley.CodeInternal, Detail: "the server failed to do this; its log says why"}
	if e, ok := errors.AsType[*parley.Error](err); ok {
		p.Code, p.Field, p.Detail = e.Code, e.Field, inField(e)
	}
	if faults, ok := errors.AsType[strictjson.Faults](err); ok {
		for _, f := range faults {
			p.Errors = append(p.Errors, fieldError{f.Field, f.Message})
		}
	}
	p.Status = statusOf(p.Code)
	if e, ok := errors.AsType[statusError](err); ok {
		p.Status = e.status
	}
	p.Title = http.StatusText(p.Status)
	return p
}

// inField is an error's message with the field that it is about.
func inField(e *parley.Error) string {
	if e.Field == "" {
		return e.Message
	}
	return e.Field + ": " + e.Message
}

// header is what goes with the problem beside its body.
func (p problem) header() map[string]string {
	h := map[string]string{"Content-Type": "application/problem+json"}
	if wait := retryAfter(p.Code); wait > 0 {
		h["Retry-After"] = strconv.Itoa(int(wait.Seconds()))
	}
	if p.Status == http.StatusUnauthorized {
		h["WWW-Authenticate"] = `Bearer realm="parley"`
	}
	return h
}
