package alert

import (
	"fmt"
	"strconv"
	"time"

	"postern/domain/certificate"
	"postern/domain/policy"
)

// expiryDays are the days left at which an expiring certificate is an event of
// its own (B53), fewest first.
var expiryDays = [...]int{1, 3, 7, 14, 30}

// expired stands where the days left do once there are none.
const expired = "expired"

// Expiry returns the event of a certificate that runs out; false while it is
// good for more than 30 days (B53). Each step is an event of its own, told once;
// that a certificate has expired is told again and again.
func Expiry(c certificate.Certificate, now time.Time) (Event, bool) {
	detail := fmt.Sprintf("Certificate %s for %s is valid until %s.", c.ID, nameOf(c), stamp(c.NotAfter))
	if now.After(c.NotAfter) {
		return Event{
			Kind: CertificateExpiry, About: c.ID + ":" + expired, Severity: policy.SeverityCritical, Detail: detail,
		}, true
	}
	left := c.NotAfter.Sub(now)
	for _, days := range expiryDays {
		if left <= time.Duration(days)*24*time.Hour {
			return Event{
				Kind: CertificateExpiry, About: c.ID + ":" + strconv.Itoa(days), Severity: expirySeverity(days),
				Detail: detail, Once: true,
			}, true
		}
	}
	return Event{}, false
}

func expirySeverity(days int) policy.AlertSeverity {
	switch {
	case days > 7:
		return policy.SeverityInfo
	case days > 1:
		return policy.SeverityWarning
	}
	return policy.SeverityCritical
}

func nameOf(c certificate.Certificate) string {
	if len(c.Names) > 0 {
		return c.Names[0]
	}
	return strconv.Quote(c.Subject)
}
