package acme

import (
	"context"
	"slices"
	"time"

	"postern/domain/job"
	"postern/domain/policy"
)

// Account is the gateway's account at an authority.
type Account struct {
	Directory   string // URL
	URL         string // of the account, its key id (RFC 8555 §6.2); empty: not registered yet
	KeySecretID string // the secret that holds its private key
	CreatedAt   time.Time
}

// Renewal is what the gateway knows of the certificate that it got by itself, and
// when it is to get the next one.
type Renewal struct {
	CertificateID string // empty: none yet
	Directory     string // that issued it
	Names         []string
	RenewAt       time.Time
	Failures      int       // orders in a row that came to nothing
	NextTry       time.Time // no order before, after a failure
}

// StateStore keeps accounts and the renewal. Implementations return [domain.Error]s.
type StateStore interface {
	// Account returns the account at a directory, or domain.NotFound.
	Account(ctx context.Context, directory string) (Account, error)
	PutAccount(ctx context.Context, a Account) error
	// Renewal returns the zero value where nothing was ever ordered.
	Renewal(ctx context.Context) (Renewal, error)
	PutRenewal(ctx context.Context, r Renewal) error
}

// Due reports whether a certificate for the names is to be ordered now.
func (r Renewal) Due(s policy.ACMESettings, names []string, now time.Time) bool {
	if !s.Enabled || now.Before(r.NextTry) {
		return false
	}
	return r.CertificateID == "" || !slices.Equal(r.Names, names) || !now.Before(r.RenewAt)
}

// Bounds of the pause after a failure.
const (
	firstPause = 15 * time.Minute
	maxPause   = 24 * time.Hour
)

// Failed returns the renewal after an order that came to nothing: the pause doubles,
// is as long as the authority asked for at least, and is stretched by chance (0 to 1)
// by up to a quarter, so that gateways that failed together do not return together.
func (r Renewal) Failed(now time.Time, asked time.Duration, chance float64) Renewal {
	pause := maxPause
	if r.Failures < 7 { // 15 minutes, doubled seven times, are more than a day
		pause = min(firstPause<<r.Failures, maxPause)
	}
	pause = max(pause, asked)
	r.Failures++
	r.NextTry = now.Add(pause + time.Duration(chance*float64(pause)/4)).UTC()
	return r
}

// Cancelled returns the renewal after an order that somebody ended: the schedule
// leaves them a day before it begins another.
func (r Renewal) Cancelled(now time.Time) Renewal {
	r.NextTry = now.Add(maxPause).UTC()
	return r
}

// Window is when an authority wants a certificate to be renewed (RFC 9773 §4.2).
type Window struct{ Start, End time.Time }

// Pick returns a moment of the window, by chance (0 to 1): RFC 9773 §4.2 asks for a
// uniform one. One that is past means now.
func (w Window) Pick(chance float64) time.Time {
	return w.Start.Add(time.Duration(chance * float64(w.End.Sub(w.Start)))).UTC()
}

// Holds reports whether the moment is within the window.
func (w Window) Holds(t time.Time) bool { return !t.Before(w.Start) && !t.After(w.End) }

// LifetimeWindow is when to renew where the authority does not say: when two thirds
// of the lifetime are over, or up to a twentieth of it before.
func LifetimeWindow(notBefore, notAfter time.Time) Window {
	lifetime := notAfter.Sub(notBefore)
	end := notBefore.Add(lifetime / 3 * 2)
	return Window{Start: end.Add(-lifetime / 20), End: end}
}

// JobKind is the kind of jobs that are orders.
const JobKind = "acme_order"

// Issued is what an order came to: the result of its job.
type Issued struct {
	CertificateID string   `json:"certificate_id"`
	Directory     string   `json:"directory"`
	Names         []string `json:"names"`
}

// Orders begins orders.
type Orders interface {
	// Order begins one as a job. While another is under way it is domain.Conflict.
	Order(ctx context.Context, author string) (job.Job, error)
}
