package inbound

import (
	"log/slog"
	"strings"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/reportonly"
	"postern/smtp/reply"
)

// filter has the content filters of the transaction's snapshot judge a message
// that was received whole, and does what they say (B59). It returns the answer
// to a message that goes no further, else nil.
func (s *session) filter(body delivery.BodyWriter, check *content) error {
	t := s.mail
	chain := t.snapshot.ContentFilters()
	if chain.Empty() {
		return nil
	}
	v := chain.Apply(s.facts(check))
	s.logFilters(v)
	for _, name := range v.Reported {
		c := s.leg.client
		c.report(reportonly.Rule{Kind: reportonly.ContentFilter, Name: name}, t.envelope.ID, "the filter matches")
	}
	if v.Rejection != nil {
		return s.refused(s.leg.client.refuse("content_filter", reply.ContentRefused(v.Rejection.Text)))
	}
	if v.Hold {
		t.envelope.Held, t.envelope.HeldReason = true, delivery.HeldByFilters(v.Holders())
	}
	t.flag(v.RequireTLS)
	if len(v.Added) == 0 {
		return nil
	}
	// Our Received field stays on top (RFC 5321 §4.4).
	if err := body.Insert(check.trace, format(v.Added)); err != nil {
		return s.notStored(err)
	}
	return nil
}

// facts are what the filters may look at.
func (s *session) facts(check *content) policy.MessageFacts {
	facts := policy.MessageFacts{
		Listener: s.mail.envelope.Listener, Sender: s.mail.envelope.Sender, Size: check.size,
		Recipients: make([]mailaddr.Mailbox, len(s.mail.to)),
		Header:     policy.ParseMessageHeader(check.kept),
	}
	for i, r := range s.mail.to {
		facts.Recipients[i] = r.Address
	}
	return facts
}

// flag puts recipients under REQUIRETLS, unless the feature is off (B55).
func (t *transaction) flag(recipients []bool) {
	for i, flagged := range recipients {
		if flagged && t.snapshot.Settings.RequireTLS.Enabled {
			t.to[i].RequireTLS = true
		}
	}
}

// format writes header fields as they stand in a message.
func format(fields []policy.HeaderField) []byte {
	var b strings.Builder
	for _, f := range fields {
		b.WriteString(f.String())
	}
	return []byte(b.String())
}

// logFilters tells which filters matched, and nothing of what they matched on.
func (s *session) logFilters(v policy.FilterVerdict) {
	if len(v.Matches) == 0 {
		return
	}
	names := make([]string, len(v.Matches))
	for i, m := range v.Matches {
		names[i] = m.Filter
	}
	s.leg.client.log("content filters", slog.String("queue_id", s.mail.envelope.ID.String()),
		slog.Any("filters", names), slog.Bool("held", v.Hold), slog.Bool("rejected", v.Rejection != nil))
}
