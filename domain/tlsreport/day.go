package tlsreport

import (
	"context"
	"sync"
	"time"

	"postern/domain"
	"postern/domain/mailaddr"
)

// PolicyType is the sort of policy that a session was held against (RFC 8460 §4.4).
type PolicyType string

// The policy types.
const (
	PolicySTS  PolicyType = "sts"
	PolicyTLSA PolicyType = "tlsa"
	PolicyNone PolicyType = "no-policy-found"
)

// FailureType is the result type of a session that failed (RFC 8460 §4.3); empty for
// one that did not.
type FailureType string

// The result types.
const (
	NotFailed             FailureType = ""
	STARTTLSNotSupported  FailureType = "starttls-not-supported"
	CertificateOtherHost  FailureType = "certificate-host-mismatch"
	CertificateExpired    FailureType = "certificate-expired"
	CertificateNotTrusted FailureType = "certificate-not-trusted"
	ValidationFailure     FailureType = "validation-failure"
	TLSAInvalid           FailureType = "tlsa-invalid"
	DNSSECInvalid         FailureType = "dnssec-invalid"
	DANERequired          FailureType = "dane-required"
	STSFetchError         FailureType = "sts-policy-fetch-error"
	STSPolicyInvalid      FailureType = "sts-policy-invalid"
	STSWebPKIInvalid      FailureType = "sts-webpki-invalid"
)

// Session is an outgoing session as a report to the recipient domain tells of it.
type Session struct {
	Domain     mailaddr.DomainName
	Policy     PolicyType
	PolicyText string // what the domain published, line by line
	Failure    FailureType
	// MXHost and Address are those of the peer, Reason says more of the failure;
	// all are empty where nothing failed.
	MXHost, Address, Reason string
}

// DayKey is what sessions of one day have in common.
type DayKey struct {
	Day time.Time // its beginning, UTC (RFC 8460 §4.1)
	Session
}

// DayStore adds up the sessions of days.
type DayStore interface {
	// AddReportSessions adds the sessions to those that are there.
	AddReportSessions(ctx context.Context, sessions map[DayKey]int64) error
	// ReportSessions returns the sessions of a day with a domain.
	ReportSessions(ctx context.Context, day time.Time, name mailaddr.DomainName) (map[DayKey]int64, error)
}

// DayOf returns the beginning of the day of UTC.
func DayOf(at time.Time) time.Time { return at.UTC().Truncate(24 * time.Hour) }

// Days counts the sessions that reports to other domains are about (B64). It is safe
// for concurrent use, and counting never waits for the store.
type Days struct {
	store DayStore
	now   func() time.Time

	mu      sync.Mutex
	pending map[DayKey]int64
}

// NewDays returns a counter that has counted nothing.
func NewDays(store DayStore, now func() time.Time) *Days {
	return &Days{store: store, now: now, pending: map[DayKey]int64{}}
}

// CountSession counts a session in the day in which its fate was known.
func (d *Days) CountSession(s Session) {
	if s.Failure == NotFailed {
		s.MXHost, s.Address, s.Reason = "", "", "" // reports sum successes
	}
	key := DayKey{DayOf(d.now()), s}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.add(key, 1)
}

// add keeps memory bounded: beyond the bound details are given up, never a session
// of a domain that is known. The caller holds the lock.
func (d *Days) add(key DayKey, n int64) {
	if _, known := d.pending[key]; !known && len(d.pending) >= maxPending {
		key.MXHost, key.Address, key.Reason, key.PolicyText = "", "", "", ""
	}
	if _, known := d.pending[key]; known || len(d.pending) < 2*maxPending {
		d.pending[key] += n
	}
}

// Flush adds what was counted to the store. What could not be written is kept for
// the next time.
func (d *Days) Flush(ctx context.Context) error {
	d.mu.Lock()
	batch := d.pending
	d.pending = map[DayKey]int64{}
	d.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	err := d.store.AddReportSessions(ctx, batch)
	if err != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		for key, n := range batch {
			d.add(key, n)
		}
	}
	return domain.Wrap(err, "store the sessions for TLS reports")
}

// Sessions returns the sessions of a day with a domain, by all that was counted
// until now.
func (d *Days) Sessions(ctx context.Context, day time.Time, name mailaddr.DomainName) (map[DayKey]int64, error) {
	if err := d.Flush(ctx); err != nil {
		return nil, err
	}
	sessions, err := d.store.ReportSessions(ctx, day, name)
	return sessions, domain.Wrap(err, "read the sessions of a day")
}
