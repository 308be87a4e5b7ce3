package alert_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/alert"
	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/domain/tlsreport"
)

var noonUTC = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// connectionWith is a connection with a host of example.com.
func connectionWith(host string, result delivery.TLSResult) tlsreport.Connection {
	c := tlsreport.Connection{
		Direction: tlsreport.Outgoing, Domain: "example.com", Host: host, Requirement: tlsreport.Preferred, Result: result,
	}
	if result == delivery.TLSSuccess {
		c.TLS.Version = "TLS1.3"
	}
	return c
}

// Hosts are mx1 and mx2; + is a connection under TLS, - one in clear, ! one that
// failed, ~ one in clear because we ask for none. One hour lies between them.
func TestPartnerDropsSTARTTLS(t *testing.T) { // B62
	for name, tc := range map[string]struct {
		met  string
		want string // what is found at each: r(aise), e(nd) or nothing
	}{
		"never under TLS":                    {"1- 1- 2-", ". . ."},
		"under TLS":                          {"1+ 1+", "e e"},
		"dropped, told once":                 {"1+ 1- 1- 1-", "e r . ."},
		"back":                               {"1+ 1- 1+", "e r e"},
		"dropped again":                      {"1+ 1- 1+ 1-", "e r e r"},
		"failed is not in clear":             {"1+ 1! 1+", "e . e"},
		"we do not ask":                      {"1+ 1~ 1+ 1~", "e e e e"},
		"we ask no more":                     {"1+ 1- 1~ 1-", "e r e ."},
		"we do not ask another host":         {"1+ 2+ 1- 2~ 1+", "e e r . e"},
		"failed, then in clear":              {"1+ 1! 1-", "e . r"},
		"one host always in clear":           {"1- 2+ 1- 2+ 1-", ". e . e ."},
		"another host is no way back":        {"1+ 2+ 1- 2+ 2+ 1+", "e e r . . e"},
		"an unknown host after TLS":          {"1+ 2-", "e r"},
		"an unknown host after clear":        {"1+ 1- 2-", "e r ."},
		"both drop, both come back":          {"1+ 2+ 1- 2- 1+ 2+", "e e r r . e"},
		"a host that is gone is forgotten":   {"1+ 2- " + strings.Repeat("1+ ", 24), "e r " + strings.Repeat(". ", 23) + "e"},
		"one that is met is not forgotten":   {"1+ 2- " + strings.Repeat("1+ 2- ", 24), "e r " + strings.Repeat(". . ", 24)},
		"what never offered it drops no TLS": {"1! 1- 1!", ". . ."},
	} {
		var p alert.Partner
		var got []string
		for i, met := range strings.Fields(tc.met) {
			result := map[byte]delivery.TLSResult{
				'+': delivery.TLSSuccess, '-': delivery.TLSClear, '!': delivery.TLSFailed, '~': delivery.TLSClear,
			}[met[1]]
			c := connectionWith("mx"+met[:1], result)
			if met[1] == '~' {
				c.Requirement = tlsreport.NoTLS
			}
			got = append(got, foundBy(&p, c, noonUTC.Add(time.Duration(i)*time.Hour)))
		}
		if diff := cmp.Diff(strings.Fields(tc.want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func foundBy(p *alert.Partner, c tlsreport.Connection, now time.Time) string {
	switch f, ok := p.Meet(c, now); {
	case !ok:
		return "."
	case f.Event == nil:
		return "e"
	}
	return "r"
}

func TestDroppedSTARTTLSNamesDomainHostAndTime(t *testing.T) { // B62
	p := alert.Recall(delivery.LastTLS{
		At: noonUTC, Host: "mx1.example.com", Result: delivery.TLSSuccess, TLS: delivery.SessionTLS{Version: "TLS1.2"},
	})
	f, ok := p.Meet(connectionWith("mx2.example.com", delivery.TLSClear), noonUTC.Add(time.Hour))
	if !ok || f.Event == nil || f.Key != "starttls_dropped:example.com" || f.Event.Key() != f.Key {
		t.Fatalf("%+v", f)
	}
	want := "Mail for example.com goes in clear to host mx2.example.com, without STARTTLS.\n" +
		"Last connection under TLS: 2026-11-25 12:00:00 UTC with host mx1.example.com (TLS1.2)"
	if diff := cmp.Diff(want, f.Event.Detail); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if s := subject(t, *f.Event); s != "Mail for example.com goes in clear, and went under TLS before" || f.Event.Severity != policy.SeverityWarning {
		t.Errorf("%s: %q", f.Event.Severity, s)
	}
	if f.Event.Kind.Advice() == "" {
		t.Error("there is no advice")
	}
	f, ok = p.Meet(connectionWith("mx2.example.com", delivery.TLSSuccess), noonUTC.Add(2*time.Hour))
	if !ok || f.Event != nil || f.Reason != "TLS is back: TLS1.3 with mx2.example.com" {
		t.Errorf("%+v", f)
	}
}

// A destination in clear before a restart has dropped nothing after it.
func TestRecalledPartnerInClear(t *testing.T) {
	p := alert.Recall(delivery.LastTLS{At: noonUTC, Host: "mx1", Result: delivery.TLSClear})
	if got := foundBy(&p, connectionWith("mx1", delivery.TLSClear), noonUTC); got != "." {
		t.Errorf("the same host: %s", got)
	}
	if got := foundBy(&p, connectionWith("mx2", delivery.TLSClear), noonUTC); got != "." {
		t.Errorf("another one: %s", got)
	}
}

// A domain with hosts without end costs no memory without end, and is judged all
// the same.
func TestPartnerForgetsHosts(t *testing.T) {
	var p alert.Partner
	for i := range 1000 {
		p.Meet(connectionWith(fmt.Sprintf("mx%d", i), delivery.TLSSuccess), noonUTC)
	}
	if got := foundBy(&p, connectionWith("mx0", delivery.TLSClear), noonUTC); got != "r" {
		t.Errorf("found %s", got)
	}
}
