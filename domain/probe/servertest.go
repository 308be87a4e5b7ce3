package probe

import (
	"time"

	"postern/domain/delivery"
	"postern/domain/policy"
)

// ServerTest is what a live test of a server profile found (B32): the very
// stages of a delivery up to, not including, MAIL.
type ServerTest struct {
	Profile  string
	Revision int64
	Tries    []ServerTry // in order; of one address there may be several
	Passed   bool        // every URI had a try that passed
}

// ServerTry is one connection of a test.
type ServerTry struct {
	Host    string
	Address string // with port; empty where the look-up failed
	Rung    Rung
	// Decision is what a delivery would ask of the address.
	Decision policy.Decision
	Steps    []Step
	TLS      delivery.SessionTLS
	Passed   bool
}

// Step is one stage of a try. A stage may take several steps.
type Step struct {
	Stage    delivery.Stage
	Duration time.Duration
	Problem  string // empty: it passed
}
