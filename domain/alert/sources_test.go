package alert_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/alert"
	"postern/domain/certificate"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

func TestFindTLS(t *testing.T) { // B28, B62
	recipients := []delivery.Recipient{
		{Index: 0, Address: mailaddr.Mailbox{Local: "a", Domain: "example.com"}},
		{Index: 1, Address: mailaddr.Mailbox{Local: "b", Domain: "example.com"}},
		{Index: 2, Address: mailaddr.Mailbox{Local: "c", Domain: "example.net"}},
	}
	required := policy.Decision{Level: policy.TLSRequired}
	encrypted := delivery.SessionTLS{Version: "TLS1.3"}
	deferred := func(code string) delivery.Outcome {
		return delivery.Outcome{Status: delivery.Deferred, Code: 450, Enhanced: code}
	}
	bounced := delivery.Outcome{Status: delivery.Bounced, Code: 554, Enhanced: "5.7.5"}
	delivered := delivery.Outcome{Status: delivery.Delivered, Code: 250}
	remote := deferred("4.7.5")
	remote.Remote = true

	for name, tc := range map[string]struct {
		decision policy.Decision
		tls      delivery.SessionTLS
		outcomes []delivery.Outcome // of the recipients, in order
		want     []string
	}{
		"not offered":         {required, delivery.SessionTLS{}, []delivery.Outcome{deferred("4.7.4")}, []string{"raise tls_failed:example.com"}},
		"not verified":        {required, delivery.SessionTLS{}, []delivery.Outcome{deferred("4.7.5")}, []string{"raise tls_failed:example.com"}},
		"bounced":             {required, delivery.SessionTLS{}, []delivery.Outcome{bounced}, []string{"raise tls_failed:example.com"}},
		"two in a domain":     {required, delivery.SessionTLS{}, []delivery.Outcome{bounced, bounced}, []string{"raise tls_failed:example.com"}},
		"two domains":         {required, delivery.SessionTLS{}, []delivery.Outcome{bounced, bounced, bounced}, []string{"raise tls_failed:example.com", "raise tls_failed:example.net"}},
		"failed beside good":  {required, encrypted, []delivery.Outcome{delivered, bounced}, []string{"raise tls_failed:example.com"}},
		"the peer's own word": {required, encrypted, []delivery.Outcome{remote}, nil},
		"not for its TLS":     {required, delivery.SessionTLS{}, []delivery.Outcome{deferred("4.4.1")}, nil},
		"TLS not required":    {policy.Decision{Level: policy.TLSPreferred}, delivery.SessionTLS{}, []delivery.Outcome{deferred("4.7.5")}, nil},
		"host refused":        {policy.Decision{Refused: &policy.Refusal{Code: "4.7.5"}}, delivery.SessionTLS{}, []delivery.Outcome{deferred("4.7.5")}, []string{"raise tls_failed:example.com"}},
		"delivered under TLS": {required, encrypted, []delivery.Outcome{delivered}, []string{"end tls_failed:example.com: mail was delivered under TLS1.3 to mx"}},
		"required no more":    {policy.Decision{}, delivery.SessionTLS{}, []delivery.Outcome{delivered}, []string{"end tls_failed:example.com: mail was delivered, and TLS is not required any more"}},
	} {
		s := &delivery.Settlement{Attempt: delivery.Attempt{Decision: tc.decision, TLS: tc.tls, Host: "mx"}}
		for i, o := range tc.outcomes {
			s.Progress = append(s.Progress, delivery.Progress{Recipient: i, Last: o})
		}
		var got []string
		for _, f := range alert.FindTLS(s, recipients) {
			if f.Event == nil {
				got = append(got, "end "+f.Key+": "+f.Reason)
				continue
			}
			got = append(got, "raise "+f.Key)
			if f.Event.Key() != f.Key || f.Event.Severity != policy.SeverityWarning {
				t.Errorf("%s: %+v", name, f)
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestExpiry(t *testing.T) { // B53
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for left, want := range map[time.Duration]string{
		31 * day:       "",
		30 * day:       "info: Certificate 7 expires within 30 days",
		15 * day:       "info: Certificate 7 expires within 30 days",
		14 * day:       "info: Certificate 7 expires within 14 days",
		7 * day:        "warning: Certificate 7 expires within 7 days",
		3 * day:        "warning: Certificate 7 expires within 3 days",
		day:            "critical: Certificate 7 expires within a day",
		time.Second:    "critical: Certificate 7 expires within a day",
		-1 * time.Hour: "critical: Certificate 7 has expired",
	} {
		c := certificate.Certificate{ID: "7", Names: []string{"mail.example.com"}, NotAfter: now.Add(left)}
		e, ok := alert.Expiry(c, now)
		got := ""
		if ok {
			got = string(e.Severity) + ": " + subject(t, e)
		}
		if got != want {
			t.Errorf("%s left: %q, want %q", left, got, want)
		}
		if ok && e.Once == (left < 0) {
			t.Errorf("%s left: once is %v", left, e.Once)
		}
	}
}

// subject returns the subject of the alert that the event raises.
func subject(t *testing.T, e alert.Event) string {
	t.Helper()
	r := newRig(t)
	r.raise(e)
	return r.only().Subject
}

func TestText(t *testing.T) {
	at := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	a := alert.Alert{
		ID: "1", Kind: alert.TLSFailed, Subject: "TLS failed to example.com, which requires it", Detail: "Host: mx.example.com",
		Severity: policy.SeverityWarning, FirstSeen: at, LastSeen: at.Add(time.Hour), Count: 3,
	}
	text := a.Text("mail.example.com")
	for _, want := range []string{
		"This is the mail gateway at mail.example.com.\n", "TLS failed to example.com, which requires it.\n", "\nHost: mx.example.com\n",
		"First seen:  2026-11-25 12:00:00 UTC\n", "Last seen:   2026-11-25 13:00:00 UTC\n", "Seen so far: 3\n", "stays in the queue",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
}
