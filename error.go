package parley

import (
	"errors"
	"fmt"
)

// Code is a stable, machine-readable name of an error, the same in every
// release. One table in httpapi maps codes to HTTP statuses, one in sip maps
// them to SIP statuses.
type Code string

// The codes. A caller may rely on their spelling.
const (
	CodeInvalid            Code = "invalid_request"         // a field is missing, of the wrong type or out of range
	CodeUnknownField       Code = "unknown_field"           // the body has a field that does not exist
	CodeMalformed          Code = "malformed_json"          // the body is not JSON
	CodeUnauthorized       Code = "unauthorized"            // no key, or one that is not valid
	CodeForbidden          Code = "forbidden"               // a valid key that may not do this
	CodeNotFound           Code = "not_found"               // no such record, or another application's
	CodeConferenceEnded    Code = "conference_ended"        // the conference is ending or has ended
	CodeConferenceFull     Code = "conference_full"         // max_parts reached, invites in flight counted
	CodeNameTaken          Code = "name_taken"              // a live conference of the application has the name
	CodeParticipantGone    Code = "participant_gone"        // the participant has left the conference
	CodeNotJoined          Code = "not_joined"              // the participant has not joined yet, or the call is not up
	CodeCallEnded          Code = "call_ended"              // the call is over
	CodeCallInConference   Code = "call_in_conference"      // the call is in a conference already
	CodePlaybackEnded      Code = "playback_ended"          // the playback is over
	CodeRecordingEnded     Code = "recording_ended"         // the recording is over
	CodeRecordingActive    Code = "recording_active"        // the conference is being recorded already
	CodeRecordingLive      Code = "recording_in_progress"   // the recording can be deleted only when it has ended
	CodeMediaNotFound      Code = "media_not_found"         // a media file that does not exist
	CodeMediaUnreadable    Code = "media_unreadable"        // a media file that is no audio, or broken
	CodeMediaInUse         Code = "media_in_use"            // the media file is being played
	CodeNoTrunk            Code = "no_trunk"                // no trunk takes the number
	CodeIdempotencyReused  Code = "idempotency_key_reused"  // the Idempotency-Key was used for another request
	CodeIdempotencyPending Code = "idempotency_in_progress" // the first request with the Idempotency-Key is not done
	CodeTooLarge           Code = "too_large"               // the body is over its limit
	CodeUnsupportedMedia   Code = "unsupported_media_type"  // the body is not of the type that is read here
	CodeMethodNotAllowed   Code = "method_not_allowed"      // the path exists, the method does not
	CodeNoCapacity         Code = "no_capacity"             // ports, files or another bound of the server is used up
	CodeStoreUnavailable   Code = "store_unavailable"       // what was asked could not be written durably; nothing was done
	CodeShuttingDown       Code = "shutting_down"           // the server takes no new work
	CodeWebhookURL         Code = "webhook_url_refused"     // the URL leads to an address that is not allowed
	CodeInternal           Code = "internal"                // a fault of the server
)

// Error is an error that a customer sees: a stable code, the field that was
// wrong (a JSON path such as "to" or "files[1]", empty where none was), and a
// sentence that says what would be right. Err, for the operator's log alone,
// may hold the cause.
type Error struct {
	Code    Code
	Field   string
	Message string
	Err     error
}

// Errorf makes an Error without a field; the message is formatted.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// FieldErrorf makes an Error about a field; the message is formatted.
func FieldErrorf(code Code, field, format string, args ...any) *Error {
	return &Error{Code: code, Field: field, Message: fmt.Sprintf(format, args...)}
}

// Error gives code, field, message and cause in one line.
func (e *Error) Error() string {
	s := string(e.Code)
	if e.Field != "" {
		s += " (" + e.Field + ")"
	}
	s += ": " + e.Message
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf is the code of the first Error in err's chain, CodeInternal for any
// other error, and empty for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}
