package delivery

import (
	"time"

	"postern/domain"
	"postern/domain/mailaddr"
)

// DestinationState is what the scheduler does about a destination (B67).
type DestinationState string

// The states of a destination; the empty one stands for all.
const (
	DestinationActive    DestinationState = "active"    // a delivery is under way
	DestinationSuspended DestinationState = "suspended" // no host could be reached: left alone for a while
	DestinationIdle      DestinationState = "idle"      // neither; mail may wait for its next attempt
)

// ParseDestinationState reads a state's name; empty is allowed.
func ParseDestinationState(s string) (DestinationState, error) {
	switch state := DestinationState(s); state {
	case "", DestinationActive, DestinationSuspended, DestinationIdle:
		return state, nil
	}
	return "", domain.E(domain.Invalid, "%q is no state of a destination: use active, suspended or idle", s)
}

// DestinationStatus is how a recipient domain, or an address literal, fares (B67).
type DestinationStatus struct {
	Domain mailaddr.DomainName
	State  DestinationState
	// SuspendedUntil is when a suspended destination is tried again.
	SuspendedUntil time.Time
	// Connections are the deliveries under way.
	Connections int
	DestinationRecord
}

// DestinationRecord is what the store counts and remembers of a destination.
// The figures count recipients.
type DestinationRecord struct {
	Queued   int // to be tried for the first time
	Deferred int // to be tried again
	Held     int // of held messages
	// Next is the earliest next attempt; zero where none is waiting.
	Next time.Time
	DestinationHistory
}

// DestinationHistory is what was last seen of a destination; zero times where
// nothing was.
type DestinationHistory struct {
	// TLS is the newest connection that came as far as TLS.
	TLS LastTLS
	// Error is the newest attempt that delivered not everything.
	Error LastError
}

// LastTLS is what became of TLS on one connection.
type LastTLS struct {
	At     time.Time
	Host   string
	Result TLSResult
	TLS    SessionTLS
	// Detail says why it failed; peer text in it is quoted and bounded.
	Detail string
}

// LastError is an outcome that was no delivery.
type LastError struct {
	At      time.Time
	Outcome Outcome
}

// Merge takes over what is newer in another one.
func (h *DestinationHistory) Merge(other DestinationHistory) {
	if other.TLS.At.After(h.TLS.At) {
		h.TLS = other.TLS
	}
	if other.Error.At.After(h.Error.At) {
		h.Error = other.Error
	}
}
