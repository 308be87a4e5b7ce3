package alert

import (
	"fmt"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// Finding is what an attempt says of TLS to one destination: that it failed
// where it must not, or that mail went through.
type Finding struct {
	Key    string
	Event  *Event // nil: mail went through
	Reason string // why the alert of the key is over, where Event is nil
}

// FindTLS returns what a settled attempt says of TLS to each destination of its
// recipients. recipients are the message's.
func FindTLS(s *delivery.Settlement, recipients []delivery.Recipient) []Finding {
	var list []Finding
	place := map[mailaddr.DomainName]int{}
	for _, p := range s.Progress {
		if p.Recipient >= len(recipients) {
			continue
		}
		to := delivery.Destination(recipients[p.Recipient].Address)
		f, ok := findTLS(&s.Attempt, p, to)
		switch i, seen := place[to]; {
		case !ok:
		case !seen:
			place[to], list = len(list), append(list, f)
		case f.Event != nil:
			list[i] = f // a failure says more than a success beside it
		}
	}
	return list
}

func findTLS(a *delivery.Attempt, p delivery.Progress, to mailaddr.DomainName) (Finding, bool) {
	key := keyOf(TLSFailed, to.String())
	switch {
	case p.Last.Status == delivery.Delivered:
		return Finding{Key: key, Reason: deliveredReason(a)}, true
	case failedForTLS(p.Last) && requires(a.Decision):
		return Finding{Key: key, Event: &Event{
			Kind: TLSFailed, About: to.String(), Severity: policy.SeverityWarning, Detail: tlsDetail(a, p.Last, to),
		}}, true
	}
	return Finding{}, false
}

// failedForTLS reports whether a recipient was deferred or bounced by us for
// lack of TLS (B28).
func failedForTLS(o delivery.Outcome) bool {
	if o.Remote {
		return false // the peer's own policy
	}
	switch o.Enhanced {
	case "4.7.4", "4.7.5", "5.7.4", "5.7.5":
		return true
	}
	return false
}

// requires reports whether the destination may not be reached without TLS. With
// less, a handshake that took too long has the same code.
func requires(d policy.Decision) bool { return d.Mandatory() || d.Refused != nil }

// deliveredReason says why delivery ends the alert: where TLS is required, it
// went under TLS; where it is not any more, the alert has lost its subject.
func deliveredReason(a *delivery.Attempt) string {
	if a.TLS.Encrypted() {
		return fmt.Sprintf("mail was delivered under %s to %s", a.TLS.Version, a.Host)
	}
	return "mail was delivered, and TLS is not required any more"
}

func tlsDetail(a *delivery.Attempt, o delivery.Outcome, to mailaddr.DomainName) string {
	detail := fmt.Sprintf("Mail for %s was %s with %d %s: %s", to, o.Status, o.Code, o.Enhanced, o.Text)
	if a.Host != "" {
		detail += fmt.Sprintf("\nHost: %s (%s)", a.Host, a.Address)
	}
	detail += "\nRequired level: " + a.Decision.Level.String()
	for _, r := range a.Decision.Reasons {
		if r.OverruledBy == "" {
			detail += fmt.Sprintf("\nRule: %s %s asks for %s", r.Rule, r.Entry, r.Asks)
		}
	}
	return detail + fmt.Sprintf("\nMessage: %s\nRevision: %d", a.Message, a.Revision)
}
