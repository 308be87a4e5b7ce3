package alert_test

import (
	"testing"
	"time"

	"postern/domain/alert"
	"postern/domain/policy"
	"postern/domain/tlsreport"
)

func TestPlaintextShare(t *testing.T) { // B62
	bound := policy.ShareBound{Enabled: true, AbovePercent: 20, MinMessages: 10, WindowHours: 24}
	none := policy.ShareBound{Enabled: true, MinMessages: 1, WindowHours: 1}
	for name, tc := range map[string]struct {
		bound            policy.ShareBound
		clear, encrypted int64
		exceeded         bool
		connections      int64
	}{
		"above":               {bound: bound, clear: 3, encrypted: 7, exceeded: true},
		"just at the bound":   {bound: bound, clear: 2, encrypted: 8},
		"too few to say":      {bound: bound, clear: 9},
		"enough to say":       {bound: bound, clear: 10, exceeded: true},
		"off":                 {bound: policy.ShareBound{MinMessages: 1}, clear: 10},
		"none is allowed":     {bound: none, clear: 1, encrypted: 1e9, exceeded: true},
		"none is in clear":    {bound: none, encrypted: 5},
		"nothing went":        {bound: none},
		"connections do not":  {bound: bound, encrypted: 10, connections: 1000},
		"a great many, above": {bound: bound, clear: 1 << 50, encrypted: 1 << 50, exceeded: true},
	} {
		sums := tlsreport.Summary{
			Direction: tlsreport.Incoming, MessagesUnencrypted: tc.clear, MessagesEncrypted: tc.encrypted, Unencrypted: tc.connections,
		}
		if e, exceeded := alert.Plaintext(tc.bound, sums, noonUTC); exceeded != tc.exceeded || exceeded && e.Key() != "plaintext_share:incoming" {
			t.Errorf("%s: %v, %+v", name, exceeded, e)
		}
	}
}

func TestPlaintextShareText(t *testing.T) { // B62
	bound := policy.ShareBound{Enabled: true, AbovePercent: 20, MinMessages: 3, WindowHours: 2}
	since := alert.ShareWindow(bound, noonUTC.Add(59*time.Minute))
	e, ok := alert.Plaintext(bound, tlsreport.Summary{Direction: tlsreport.Outgoing, MessagesUnencrypted: 1, MessagesEncrypted: 2}, since)
	if !ok || e.Detail != "Of 3 messages since 2026-11-25 10:00:00 UTC, 1 were in clear: 33.3 percent, where 20 are allowed." {
		t.Errorf("%+v", e)
	}
	if s := subject(t, e); s != "Too much outgoing mail is in clear" || e.Severity != policy.SeverityWarning {
		t.Errorf("%s: %q", e.Severity, s)
	}
	if e.Kind.Advice() == "" {
		t.Error("there is no advice")
	}
}
