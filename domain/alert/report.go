package alert

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"postern/domain"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// Bounds of a report.
const (
	maxReportSubject    = 200  // octets
	maxReportText       = 1800 // octets; with its author it fits into maxDetail
	maxReportRecipients = 10
)

// Report is what a program outside the gateway has to tell people, as a script
// that could not renew a certificate (B49).
type Report struct {
	// Subject is one line, of 200 octets at most. Reports of one subject are one
	// alert.
	Subject string
	Text    string // of 1800 octets at most; may be empty
	// To are addresses that get mail beside the recipients of the configuration,
	// 10 at most.
	To []string
}

// Report opens the alert of a report, or counts as a repeat of it, and returns
// it. Recipients of the configuration are told as of any other alert; those that
// the report names are told each time.
func (s *Service) Report(ctx context.Context, author string, r Report) (Alert, error) {
	to, err := r.check()
	if err != nil {
		return Alert{}, err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.raise(ctx, Event{
		Kind: Reported, About: r.Subject, Severity: policy.SeverityWarning,
		Detail: fmt.Sprintf("Reported by %s.\n\n%s", author, strings.TrimSpace(r.Text)),
	}, to)
}

// check returns the recipients that the report names, or all its faults.
func (r Report) check() ([]policy.AlertRecipient, error) {
	var f domain.Faults
	checkReportText(&f, "/subject", r.Subject, maxReportSubject, "")
	if strings.TrimSpace(r.Subject) == "" {
		f.Add("/subject", "is required")
	}
	checkReportText(&f, "/text", r.Text, maxReportText, "\r\n\t")
	if len(r.To) > maxReportRecipients {
		f.Add("/to", "may name %d recipients at most", maxReportRecipients)
		return nil, f.Err()
	}
	var list []policy.AlertRecipient
	for i, text := range r.To {
		address, err := mailaddr.ParseMailbox(text)
		if err != nil || address.Domain == "" {
			f.Add(fmt.Sprintf("/to/%d", i), "must be an address with a domain, as operator@example.com")
			continue
		}
		list = append(list, policy.AlertRecipient{
			Name: address.String(), Channel: policy.ChannelMail, Address: address, Enabled: true,
		})
	}
	return list, f.Err()
}

// checkReportText takes text without control characters but those allowed.
func checkReportText(f *domain.Faults, pointer, text string, limit int, allowed string) {
	foreign := func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune(allowed, r) }
	switch {
	case len(text) > limit:
		f.Add(pointer, "is longer than %d octets", limit)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, foreign):
		f.Add(pointer, "must not hold control characters")
	}
}

// notifyNamed tells those whom a report names, but for addresses that are told
// of the same event already.
func (s *Service) notifyNamed(a Alert, named []policy.AlertRecipient, now time.Time) Alert {
	told := map[mailaddr.Mailbox]bool{}
	if a.NotifiedAt != nil && a.NotifiedAt.Equal(now) {
		for _, r := range s.Recipients() {
			told[r.Address] = r.Channel == policy.ChannelMail && r.Wants(a.Type, a.Severity)
		}
	} else {
		a.Notices = nil // they are of the notification before
	}
	for _, r := range named {
		if told[r.Address] {
			continue
		}
		told[r.Address] = true
		notice := Notice{Recipient: r.Name, At: now, State: NoticePending}
		if !s.Notifier.Notify(Notification{Alert: a, Recipient: r, Named: true}) {
			notice.State, notice.Detail = NoticeFailed, "too many notifications wait"
		}
		a.Notices = append(a.Notices[:len(a.Notices):len(a.Notices)], notice)
	}
	return a
}
