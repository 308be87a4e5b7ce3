package outbound

import (
	"slices"

	"postern/domain/delivery"
	"postern/domain/policy"
)

// finding is what came of a candidate that failed.
type finding struct {
	outcome  delivery.Outcome
	stage    delivery.Stage
	decision policy.Decision
	host     string
	address  string
	tls      delivery.SessionTLS
}

// tellsMore reports whether the finding is the better answer to "why was the
// message not delivered". One that may pass goes before any that will not: as
// long as a single candidate may serve later, nothing bounces (B28, B57). Among
// equals the one that came furthest tells most, then the later one.
func (f finding) tellsMore(than finding) bool {
	if mayPass := f.outcome.Status == delivery.Deferred; mayPass != (than.outcome.Status == delivery.Deferred) {
		return mayPass
	}
	return f.rank() >= than.rank()
}

// rank is how far the candidate came.
func (f finding) rank() int {
	return slices.Index([]delivery.Stage{
		delivery.StageRoute, delivery.StageNames, delivery.StagePolicy, delivery.StageConnect,
		delivery.StageSTARTTLS, delivery.StageVerify, delivery.StageExtensions, delivery.StageAuth, delivery.StageTransfer,
	}, f.stage)
}
