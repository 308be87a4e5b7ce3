package alert

import "postern/domain/policy"

// Kind is what sort of thing happened. Its words are in text.go.
type Kind string

// The kinds of alert (B62).
const (
	TLSFailed          Kind = "tls_failed"           // about a destination domain (B28)
	RevisionNotApplied Kind = "revision_not_applied" // about a part of the gateway (B70)
	SpoolUnhealthy     Kind = "spool_unhealthy"      // B77
	CertificateExpiry  Kind = "certificate_expiry"   // about a certificate and days left (B53)
	ActivationFailed   Kind = "activation_failed"    // a staged one; about a certificate (B41)
	DigitalIDRefused   Kind = "digital_id_refused"   // the files are not taken, or cannot be written (B47)
	PlaintextShare     Kind = "plaintext_share"      // about a direction
	STARTTLSDropped    Kind = "starttls_dropped"     // about a destination domain
	WebhookFailing     Kind = "webhook_failing"      // about a webhook
	ACMEFailed         Kind = "acme_failed"          // about the main name of an order (B48)
	// ResolverNotValidating: DANE is off, since a resolver that is believed does not
	// validate (B63).
	ResolverNotValidating Kind = "resolver_not_validating"
	Reported              Kind = "reported" // about the subject of a report (B49)
)

// Type returns the type that recipients subscribe to.
func (Kind) Type() policy.AlertType { return policy.AlertSystem }

// Event is something that happened, or is still so.
type Event struct {
	Kind     Kind
	About    string
	Severity policy.AlertSeverity
	// Detail says what happened, in words for an administrator.
	Detail string
	// Count is how often it happened; 0 is once.
	Count int64
	// Once says that a repeat of an alert that is not resolved says nothing new.
	Once bool
}

// Key is the same for all events of one cause.
func (e Event) Key() string { return keyOf(e.Kind, e.About) }

func keyOf(k Kind, about string) string {
	if about == "" {
		return string(k)
	}
	return string(k) + ":" + about
}
