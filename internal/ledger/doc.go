// Package ledger is the one way into the store: it groups the writes of many
// callers into one durable transaction, and hands the events of each group, in
// the order of their positions and in the very bytes that were committed, to
// whoever has subscribed.
//
// It promises: Commit returns nil only when the write is on disk; a subscriber
// sees every event after the position that it names once, in ascending order
// of Position, from memory when it keeps up and from the store when it does
// not; nothing is handed over before it is durable.
package ledger
