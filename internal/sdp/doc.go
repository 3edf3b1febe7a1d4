// Package sdp describes audio calls in the Session Description Protocol
// (RFC 8866) and agrees on them by the offer/answer model (RFC 3264).
//
// It guarantees: Parse never panics and is bounded in size, lines and media
// descriptions; an answer has as many media descriptions as its offer, in the
// same order, at most one of them accepted; a description that differs from
// the one sent before it in the dialog has a higher version in its o= line,
// one that does not differ has the same.
//
// Everything is a value; there is no state, no goroutine and no clock. Syntax
// is pion's parser's work, see lenient.go for what is kept from it.
package sdp
