package policy

import (
	"slices"
	"testing"

	"postern/domain/mailaddr"
)

func TestRequireTLSTag(t *testing.T) { // B55
	on, strip := RequireTLSSettings{Enabled: true}, RequireTLSSettings{Enabled: true, StripTag: true}
	off := RequireTLSSettings{StripTag: true}
	for _, tc := range []struct {
		settings RequireTLSSettings
		in, want string
		tagged   bool
	}{
		{on, "b+requiretls@example.com", "b+requiretls@example.com", true},
		{on, "b+RequireTLS@example.com", "b+RequireTLS@example.com", true},
		{on, "b+list+requiretls@example.com", "b+list+requiretls@example.com", true},
		{on, `"b c+requiretls"@example.com`, `"b c+requiretls"@example.com`, true},
		{on, "b+requiretls@[192.0.2.1]", "b+requiretls@[192.0.2.1]", true},
		{on, "b@example.com", "b@example.com", false},
		{on, "b+requiretls+list@example.com", "b+requiretls+list@example.com", true},
		{on, "b+one+RequireTLS+two@example.com", "b+one+RequireTLS+two@example.com", true},
		{on, "+one+requiretls@example.com", "+one+requiretls@example.com", true},
		{on, "b+requiretlsx@example.com", "b+requiretlsx@example.com", false},
		{on, "b+xrequiretls+list@example.com", "b+xrequiretls+list@example.com", false},
		{on, "b-requiretls@example.com", "b-requiretls@example.com", false},
		{on, "requiretls@example.com", "requiretls@example.com", false},
		{on, "+requiretls@example.com", "+requiretls@example.com", false},
		{on, "b@requiretls.example", "b@requiretls.example", false},
		{strip, "b+REQUIRETLS@example.com", "b@example.com", true},
		{strip, `"b c+requiretls"@example.com`, `"b c"@example.com`, true},
		{strip, "b+requiretls+list@example.com", "b+list@example.com", true},
		{strip, "b+one+REQUIRETLS+two+requiretls@example.com", "b+one+two@example.com", true},
		{strip, "b+list@example.com", "b+list@example.com", false},
		{off, "b+requiretls@example.com", "b+requiretls@example.com", false},
	} {
		var to mailaddr.Mailbox
		if err := to.UnmarshalText([]byte(tc.in)); err != nil {
			t.Fatal(err)
		}
		got, tagged := tc.settings.Tagged(to)
		if got.String() != tc.want || tagged != tc.tagged {
			t.Errorf("%+v: %s becomes %s, tagged %t", tc.settings, tc.in, got, tagged)
		}
	}
}

// B56: who may say that a host is the right one for flagged mail, on each way to
// it.
func TestWhoVouchesForAHost(t *testing.T) {
	for name, tc := range map[string]struct {
		change  func(*OutboundInputs)
		refused string
	}{
		"nobody":                      {func(*OutboundInputs) {}, "requiretls 5.7.10"},
		"DNSSEC or MTA-STS":           {func(in *OutboundInputs) { in.SecureMX = true }, ""},
		"a route":                     {func(in *OutboundInputs) { in.Configured, in.Routed = true, true }, ""},
		"a route to a policy domain":  {func(in *OutboundInputs) { in.Configured = true }, ""},
		"a route that asks DNS":       {func(in *OutboundInputs) { in.Routed = true }, "requiretls 5.7.10"},
		"nobody, and DNSSEC may yet":  {func(in *OutboundInputs) { in.DANE = DANEFailed }, "dane 4.7.5"},
		"a route, DANE failed beside": {func(in *OutboundInputs) { in.Configured, in.Routed, in.DANE = true, true, DANEFailed }, ""},
		"a policy that lists others":  {func(in *OutboundInputs) { in.MTASTS = MTASTSUnlisted }, "requiretls 5.7.10"},
		"DNSSEC against the policy":   {func(in *OutboundInputs) { in.SecureMX, in.MTASTS = true, MTASTSUnlisted }, "mta_sts 4.7.5"},
	} {
		in := inputs(t, "example.com", TLSNone)
		in.RequireTLS = true
		tc.change(&in)
		d, got := Effective(in), ""
		if d.Refused != nil {
			got = d.Refused.Rule + " " + d.Refused.Code
		}
		if got != tc.refused || d.Level != TLSRequired || !slices.Contains(d.Checks, CheckMXHost) {
			t.Errorf("%s: refused %q, want %q; %s %v", name, got, tc.refused, d.Level, d.Checks)
		}
	}
}

// B58: no author of a message lifts what an administrator demands.
func TestHeaderLiftsNoDemandOfTheAdministrator(t *testing.T) {
	for name, change := range map[string]func(*OutboundInputs){
		"mandatory DANE":         func(in *OutboundInputs) { in.Control.DANE = DANEMandatory },
		"mandatory DANE, broken": func(in *OutboundInputs) { in.Control.DANE, in.DANE = DANEMandatory, DANEFailed },
		"the required list":      func(in *OutboundInputs) { in.Requirement = entry(t, "example.com") },
		"destination control":    func(in *OutboundInputs) { *in.Control.TLSLevel = TLSRequiredVerify },
		"server profile":         func(in *OutboundInputs) { in.Profile = profileRequirement("smtps", true) },
	} {
		in := inputs(t, "example.com", TLSPreferred)
		change(&in)
		without := Effective(in)
		in.TLSRequiredNo = true
		with := Effective(in)
		if without.Key() != with.Key() || !with.Mandatory() && with.Refused == nil {
			t.Errorf("%s: %s becomes %s", name, without.Key(), with.Key())
		}
	}
}

// RFC 8689 §4.2.2: what the header lifts is tried all the same.
func TestHeaderStillTriesTLS(t *testing.T) {
	for name, change := range map[string]func(*OutboundInputs){
		"MTA-STS":  func(in *OutboundInputs) { in.MTASTS = MTASTSEnforce },
		"unlisted": func(in *OutboundInputs) { in.MTASTS = MTASTSUnlisted },
		"DANE":     func(in *OutboundInputs) { in.DANE = DANEUsable },
	} {
		in := inputs(t, "example.com", TLSNone)
		in.TLSRequiredNo = true
		change(&in)
		if d := Effective(in); d.Level != TLSPreferred || d.Checks != nil || d.Refused != nil {
			t.Errorf("%s: %s", name, d.Key())
		}
	}
	in := inputs(t, "example.com", TLSNone)
	in.TLSRequiredNo = true
	if d := Effective(in); d.Level != TLSNone {
		t.Errorf("without a policy: %s", d.Key())
	}
}
