package sip

import (
	"parley/internal/control"
)

// reasonOf is why a call that was refused with a final status did not come
// about (control.CallEnd).
func reasonOf(status int) string {
	switch status {
	case 486, 600:
		return control.ReasonBusy
	case 408, 480, 487:
		return control.ReasonNoAnswer
	case 404, 410, 484, 604:
		return control.ReasonNotFound
	case 430:
		return control.ReasonUnreachable
	}
	if status >= 500 && status <= 599 {
		return control.ReasonUnreachable
	}
	return control.ReasonRejected
}

// statusOf is what a ringing call is refused with when it is hung up for a
// reason.
func statusOf(reason string) int {
	switch reason {
	case control.ReasonBusy:
		return 486
	case control.ReasonRejected:
		return 603
	case control.ReasonNotFound:
		return 404
	case control.ReasonError:
		return 500
	case control.ReasonUnreachable:
		return 503
	}
	return 480
}
