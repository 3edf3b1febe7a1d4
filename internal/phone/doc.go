// Package phone is a SIP telephone that follows a script: it registers, dials,
// answers or refuses, plays tones and files, sends digits, holds, and keeps
// everything that it hears on the time line of the RTP packets. Tests and the
// demonstration call the server with it, people use it as `parley phone`.
//
// It shares no signalling and no media code with the server (it has its own
// dialogs, its own RTP, RTCP and RFC 4733), so that one mistake cannot hide
// another. What it shares are tables and grammar: packages codec and sdp.
//
// A Phone has one SIP address and any number of calls at a time. One goroutine
// sends the sound of all its calls on an absolute schedule; each call has one
// that receives RTP, one for RTCP and one that waits for its end. All methods
// of Phone and Call may be called from any goroutine. Close waits for
// everything that New and the calls started.
//
// The phone changes no state of the process. In particular it leaves
// sip.UDPMTUSize of sipgo alone, a plain variable that every transport reads:
// unless the program has raised it before its first transport started, messages
// of more than 1300 bytes that the phone should send over UDP fail.
package phone
