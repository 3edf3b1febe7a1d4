// Package transaction matches SIP messages with transactions (RFC 3261 section
// 17, as RFC 6026 corrects it): what is repeated is absorbed or answered again
// here, and the user agent sees each request and each answer once.
//
// A Layer is handed every message in the order in which it came and never
// starts a goroutine for it, so a CANCEL cannot overtake its INVITE. It holds
// at most as many transactions as it was told, those that are finished in order
// of age and without their requests.
//
// sipgo's transactions are not used. It has a goroutine for each message: of
// INVITEs whose CANCEL came in the same TCP segment a third were overtaken by
// it. Its tables have no bound, and a finished transaction in them takes 4.4 kB
// where this one takes one. An answer that comes while the request is still
// being written leaves Timer B running under a call that rings. A repeated
// refusal is acknowledged 4 s late, with the machine locked.
package transaction
