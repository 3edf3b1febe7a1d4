// Package transaction matches SIP messages with transactions (RFC 3261 section
// 17, as RFC 6026 corrects it): what is repeated is absorbed or answered again
// here, and the user agent sees each request and each answer once.
//
// A Layer is handed every message in the order in which it came and never
// starts a goroutine for it, so a CANCEL cannot overtake its INVITE. (In
// sipgo's own layer, which has a goroutine for each message, one in three did
// when both came in one TCP segment.) It holds at most as many transactions as
// it was told, those that are finished in order of age.
//
// The state machines of server transactions are sipgo's. Those of client
// transactions are this package's: in sipgo's, an answer that comes while the
// request is still being written leaves Timer B running under a call that
// rings, a repeated refusal is acknowledged 4 s late with the machine locked,
// and each transaction needs a goroutine that takes its answers.
package transaction
