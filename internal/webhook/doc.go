// Package webhook delivers the ledger: every event that a webhook wants is
// posted to its URL, signed (https://www.standardwebhooks.com), at least once,
// in order within its stream, and tried again on a schedule.
//
// A Dispatcher reads one subscription of the ledger. Each pair of webhook and
// stream (a conference or call) is a lane: strictly in order, one request at a
// time; lanes never wait for each other. How many requests run at once is
// limited per destination, an application's host, never by a pool that all
// share: a destination that hangs costs the others nothing. A webhook whose
// destination keeps failing has its breaker open: one probe at a time, on the
// schedule, and when one gets through everything drains in order.
//
// How far each lane has got is written through the ledger in batches, after
// the fact: a crash repeats the last few milliseconds of deliveries, under the
// same event IDs, and loses none.
//
// One goroutine owns the lanes, destinations and breakers; requests and reads
// of the store run beside it and hand their results back as closures.
package webhook
