// Package transport is the sockets of the SIP user agent: one UDP port and the
// same TCP port, and connections that it opens itself.
//
// They stand between the network and everything else, so the bounds are here:
// how many messages a source may send a second and how many refusals it is
// worth, how large a message may be, how many connections there may be, how
// long one may be silent, and how long it may take over one message. What
// cannot be read is answered where that makes sense, and counted. A panic
// while a message is handled is logged, and ends nothing but the handling.
//
// The messages of a socket come in order, from one goroutine: that of the UDP
// port, or of the connection. All goroutines are waited for by Close.
//
// sipgo's transports are not used: they keep an entry for every UDP address
// that ever sent something, parse on goroutines that a panic would take the
// process down with, leave half a message on a stream open for ever, and have
// their limits in variables of the package.
package transport
