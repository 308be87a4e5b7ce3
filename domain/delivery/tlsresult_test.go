package delivery

import (
	"strings"
	"testing"
	"time"
)

func TestVerdict(t *testing.T) {
	for want, state := range map[string]SessionTLS{
		"":          {Verification: "no TLS, so no matter"},
		"unchecked": {Version: "TLS1.3"},
		"verified":  {Version: "TLS1.3", Verified: true, Verification: "verified as mx.example.com"},
		"expired":   {Version: "TLS1.2", Verification: "expired: on 2026-01-01: really"},
		"weak":      {Version: "TLS1.2", Verification: "weak"},
	} {
		if got := state.Verdict(); got != want {
			t.Errorf("%+v: %q, want %q", state, got, want)
		}
	}
	if got := (SessionTLS{Version: "TLS1.2", Verification: strings.Repeat("x", 500)}).Verdict(); len(got) > 40 {
		t.Errorf("%d octets of a verdict", len(got))
	}
}

func TestHistoryKeepsTheNewer(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	h := DestinationHistory{TLS: LastTLS{At: at, Host: "new"}, Error: LastError{At: at, Outcome: Outcome{Code: 1}}}
	h.Merge(DestinationHistory{TLS: LastTLS{At: at.Add(-1), Host: "old"}, Error: LastError{At: at.Add(1), Outcome: Outcome{Code: 2}}})
	if h.TLS.Host != "new" || h.Error.Outcome.Code != 2 {
		t.Errorf("%+v", h)
	}
}

func TestDestinationStates(t *testing.T) {
	for _, s := range []string{"", "active", "suspended", "idle"} {
		if state, err := ParseDestinationState(s); err != nil || string(state) != s {
			t.Errorf("%q: %q, %v", s, state, err)
		}
	}
	if _, err := ParseDestinationState("dead"); err == nil {
		t.Error("dead is a state")
	}
}
