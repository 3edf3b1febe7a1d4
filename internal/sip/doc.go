// Package sip is the SIP user agent: it makes calls out of dialogs.
//
// An Agent has one UDP and TCP port. Each call has a goroutine, which alone
// knows the state of its dialog, its offers and answers, and its media
// session; messages, timers, facts of the media and the methods of
// control.Call reach it as closures, in order. The goroutine ends when the call
// has ended and nothing more is owed to the far end: no request unanswered, no
// 2xx unacknowledged. Close waits for all of them.
//
// The way of a message: package transport reads it and keeps strangers within
// bounds, package transaction absorbs repetitions, intake.go decides whether a
// request is for a call, and what is answered if it is for none, without
// keeping any state. Calls out are in uac.go, calls in in uas.go, what happens
// within a dialog in within.go and reinvite.go.
//
// A panic while a call is handled ends that call with ReasonError, is logged,
// and harms no other.
package sip
