package policy

import (
	"fmt"

	"postern/domain"
)

// RecipientRate is how many recipients of a destination are tried in a number
// of minutes (B21). Zero recipients are no limit, which lifts an inherited one.
type RecipientRate struct {
	Recipients int `json:"recipients" minimum:"0" maximum:"1000000"`
	Minutes    int `json:"minutes" minimum:"1" maximum:"1440"`
}

// Limits reports whether the rate holds anything back.
func (r *RecipientRate) Limits() bool { return r != nil && r.Recipients > 0 }

// String returns "100 in 5 minutes".
func (r *RecipientRate) String() string {
	if !r.Limits() {
		return "no limit"
	}
	return fmt.Sprintf("%d in %d minutes", r.Recipients, r.Minutes)
}

func (r *RecipientRate) validate() (f domain.Faults) {
	if r != nil {
		checkRange(&f, "/recipients", r.Recipients, 0, 1_000_000)
		checkRange(&f, "/minutes", r.Minutes, 1, 24*60)
	}
	return f
}

// LimitScope says to what the limits of a destination control apply (B21).
type LimitScope string

// The scopes; the empty one inherits.
const (
	LimitInherit LimitScope = ""
	// LimitPerDomain counts all mail of a recipient domain together.
	LimitPerDomain LimitScope = "domain"
	// LimitPerMXAddress counts what goes to each address by itself, whatever
	// recipient domains under the same entry lead there.
	LimitPerMXAddress LimitScope = "mx_address"
)
