package alert

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// subject is the alert in one line.
func (e Event) subject() string {
	switch e.Kind {
	case TLSFailed:
		return "TLS failed to " + e.About + ", which requires it"
	case RevisionNotApplied:
		return "A configuration cannot be applied: " + e.About
	case SpoolUnhealthy:
		return "Messages cannot be stored"
	case CertificateExpiry:
		return e.expirySubject()
	case ActivationFailed:
		return "Certificate " + e.About + " was not activated at its time"
	case DigitalIDRefused:
		return "The digital ID files and the active certificate disagree"
	case PlaintextShare:
		return "Too much " + e.About + " mail is in clear"
	case STARTTLSDropped:
		return "Mail for " + e.About + " goes in clear, and went under TLS before"
	case ResolverNotValidating:
		return "DANE is off: the DNS resolver does not validate"
	case Reported:
		return e.About
	case WebhookFailing:
		return "Webhook " + e.About + " does not take its events"
	case ACMEFailed:
		return "No certificate was issued for " + e.About
	}
	return strings.ReplaceAll(string(e.Kind), "_", " ")
}

func (e Event) expirySubject() string {
	id, left, _ := strings.Cut(e.About, ":")
	switch left {
	case expired:
		return "Certificate " + id + " has expired"
	case "1":
		return "Certificate " + id + " expires within a day"
	}
	return "Certificate " + id + " expires within " + left + " days"
}

// Advice says what to do about alerts of the kind.
func (k Kind) Advice() string {
	switch k {
	case TLSFailed:
		return "The mail stays in the queue and is tried again until it expires. Explain the destination to see which rule " +
			"requires TLS, and ask the peer's administrator to mend it, or change the rule."
	case RevisionNotApplied:
		return "The gateway serves on with the revision before. Mend what is named above, or roll the revision back."
	case SpoolUnhealthy:
		return "New mail is refused for now, so that senders keep it. Look at the disk of the data directory."
	case ResolverNotValidating:
		return "Mail goes without the protection of TLSA records, and waits where the destination control makes DANE mandatory. Let " +
			"a validating resolver run on this machine, or name one and trust its address in the settings of DNS; it is looked " +
			"at all the time, and the alert resolves itself."
	case Reported:
		return "A program outside the gateway reported this. Resolve the alert when the matter is settled: the program " +
			"reports failures, and nothing ends the alert by itself."
	case WebhookFailing:
		return "Look at its deliveries, and mend the receiver or the webhook. Events wait for it as long as they are kept; " +
			"what was refused can be replayed."
	case CertificateExpiry:
		return "Import or make another certificate and activate it, or bind it to the listeners in question."
	case ActivationFailed:
		return "The certificate before stays in use. Mend what is named above, or activate another certificate: either resolves the alert."
	case DigitalIDRefused:
		return "The certificate before stays in use. Mend the files in the folder digital-id of the data directory; they are " +
			"looked at all the time, and the alert resolves itself."
	case PlaintextShare:
		return "The TLS connections report says by domain which peers are in clear. Offer STARTTLS on the listeners, and " +
			"prefer or require it for destinations and sender groups."
	case STARTTLSDropped:
		return "The peer may have changed its mail server, or somebody on the way strips STARTTLS from its answers to read " +
			"the mail. Ask the peer's administrator by another way than mail. To hold mail back rather than send it in " +
			"clear, require TLS for the destination."
	case ACMEFailed:
		return "The certificate before stays in use. The job that is named above has the transcript of the challenges. Mend what " +
			"the authority complains of; the order is tried again by itself while ACME is enabled."
	}
	return ""
}

// Text is the alert in full for people: plain text in lines that end with "\n".
// gateway is our host name.
func (a Alert) Text(gateway string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "This is the mail gateway at %s.\n\n%s.\n", gateway, a.Subject)
	if a.Detail != "" {
		fmt.Fprintf(&b, "\n%s\n", a.Detail)
	}
	fmt.Fprintf(&b, "\nSeverity:    %s\nFirst seen:  %s\nLast seen:   %s\nSeen so far: %d\nAlert:       %s\n",
		a.Severity, stamp(a.FirstSeen), stamp(a.LastSeen), a.Count, a.ID)
	if advice := a.Kind.Advice(); advice != "" {
		fmt.Fprintf(&b, "\n%s\n", advice)
	}
	b.WriteString("\nRepeats are told at growing distances. Acknowledge, silence or resolve the alert by the API.\n")
	return b.String()
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") }

// maxDetail bounds what is stored of a text, in octets.
const maxDetail = 2000

// shorten cuts a text between characters.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	cut := limit - len("…")
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
