// Package queue is responsible for a message from the moment the gateway says
// 250 until every recipient is delivered, bounced or deleted.
//
// # Durability
//
// The client hears 250 only after body and envelope are on disk (B74). One
// goroutine, the committer, writes for everyone: what arrives while a commit is
// under way goes into the next one together, so that many messages share one
// transaction and one sync. Settlements of deliveries and the actions of
// administrators ride in the same batches, and a bounce is queued by the very
// transaction that settles the delivery which caused it.
//
// # Scheduling
//
// Each destination, that is a recipient domain, has a lane. A lane knows a
// bounded window of messages that are ready, and when it has to look on disk
// for more: memory grows with the number of destinations that have mail, never
// with the length of the queue (B78). Lanes take turns, each with as many
// deliveries at a time as its destination control allows, and no more recipients
// in its minutes; then it pauses (B21).
//
// A message in memory is an entry. An attempt claims some of its recipients;
// others cannot touch those until the outcome is durable. A claim ends with the
// process: after a crash everything that was not settled is due again, so that
// a delivery whose settlement was lost repeats, and only that one.
//
// Where no host of a destination can be reached, its lane is suspended as a
// whole. One delivery after a while finds out whether it has come back, so that
// half a million messages for a dead destination cost no more than one.
//
// # Time
//
// What waits is scheduled by a clock that never jumps, see clock.
package queue
