// Package message is what is known of a SIP message before anything acts on it:
// it reads what comes from the network and writes the beginnings of answers.
//
// Reading has two steps. Scan looks at the bytes alone: is there a start line,
// are the header fields there that every message must have, each as often as
// it may be, is the body as long as said (RFC 3261 sections 7, 8.1.1, 18.3)?
// What it finds, the Head, is enough to refuse the message. Parser then has
// sipgo take apart what Scan let through; a panic in there, or a field that it
// cannot read, makes a Fault as well.
//
// An answer copies Via, From, To, Call-ID and CSeq from the Head, octet for
// octet, and nothing from the request's start line.
//
// Everything here is a pure function of bytes: no goroutine, no clock, no
// socket. No input makes it panic, and work and memory are linear in the input.
package message
