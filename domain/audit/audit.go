// Package audit keeps the audit log: every administrative call that changes or
// reveals something, who made it, from where, and what came of it (B73).
//
// The log is a chain. Each entry has a number, one more than that of the entry
// before, and a hash over the hash before and all that the entry says:
//
//	hash(n) = SHA-256(hash(n-1) ‖ entry n)
//
// Who changes, removes or puts in an entry by hand breaks the chain at that
// place, and [Service.Verify] names it. The chain has two ends that a hash
// cannot hold by itself: the newest entries could be cut off, and the oldest are
// cut off lawfully when they have aged out. Both ends are therefore kept beside
// the entries, sealed by the store: see [Ends]. Against one who has the
// database and the key of the seal, only a hash that was kept elsewhere helps:
// it is shown by the API and written to the log each day as the anchor.
//
// A call has two entries. It is announced before it does anything: what cannot
// be recorded does not happen. Its outcome follows in an entry of its own, which
// names the first; an entry never changes. A call without an outcome is one that
// a crash cut short, and what it did is open.
package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"hash"
	"time"
)

// Phase is the part of a call that an entry is about.
type Phase string

// The phases.
const (
	Begun    Phase = "begun"    // the call is about to be carried out
	Finished Phase = "finished" // it was, with this outcome
	Refused  Phase = "refused"  // it was turned away, and nothing happened
)

// Interface is the way in which a call came.
type Interface string

// The ways in.
const (
	REST        Interface = "rest"
	XMLRPC      Interface = "xmlrpc"
	CommandLine Interface = "command_line"
	Gateway     Interface = "gateway" // the program by itself
)

// Entry is one entry of the log.
type Entry struct {
	Number    int64
	At        time.Time // to the microsecond
	Phase     Phase
	Begun     int64  // number of the entry that a Finished one completes
	Actor     string // as [account.Principal] names it; of a failed log-in the claimed name
	From      string // IP address; empty for the command line
	Interface Interface
	RequestID string // as in the log of requests; empty where there is none
	Operation string // operationId, method, or command
	Target    string // path with query, or what stands for it
	Status    int    // HTTP status, or fault code; 0 while begun
	Count     int64  // how many calls the entry stands for; more than 1 for refused ones
	Revision  int64  // that the call made; 0 for none

	// What was asked, and what the object was and became, as the interface
	// shows it, without secrets. Nil where there is nothing to show.
	Request, Before, After json.RawMessage

	Hash [sha256.Size]byte
}

// seal returns the hash of the entry behind the one with the hash before. Every
// field has its length in front, so that no two entries are one text.
func (e Entry) seal(before [sha256.Size]byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	h.Write(before[:])
	for _, number := range []int64{e.Number, e.At.UnixMicro(), e.Begun, int64(e.Status), e.Count, e.Revision} {
		_ = binary.Write(h, binary.BigEndian, number) // a hash takes everything
	}
	for _, text := range []string{
		string(e.Phase), e.Actor, e.From, string(e.Interface), e.RequestID, e.Operation, e.Target,
		string(e.Request), string(e.Before), string(e.After),
	} {
		writeText(h, text)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func writeText(h hash.Hash, text string) {
	_ = binary.Write(h, binary.BigEndian, int64(len(text)))
	h.Write([]byte(text))
}

// Ends are the two ends of the chain: the last entry that was cut off because of
// its age, and the newest one. Number 0 and a zero hash stand for none.
type Ends struct {
	Pruned, Newest End
}

// End is a place in the chain.
type End struct {
	Number int64
	Hash   [sha256.Size]byte
}

// next returns the entry as the one behind the newest, and the ends with it.
func (e Ends) next(entry Entry) (Entry, Ends) {
	entry.Number = e.Newest.Number + 1
	entry.Hash = entry.seal(e.Newest.Hash)
	e.Newest = End{entry.Number, entry.Hash}
	return entry, e
}
