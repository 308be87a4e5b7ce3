package policy

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/mailaddr"
)

var update = flag.Bool("update", false, "rewrite the matrix files")

// Each matrix file holds every combination of the inputs in its columns with
// the decision that follows, so that a mail administrator can review it.

// TestLocalMatrix covers what the administrator says: master switch, level,
// lists, one-hour list (B1–B3, B21–B26).
func TestLocalMatrix(t *testing.T) {
	m := newMatrix("enabled", "send_starttls", "retry_clear", "control", "level", "exempt", "required")
	for _, enabled := range []bool{true, false} {
		for _, send := range []bool{false, true} {
			for _, retry := range []bool{false, true} {
				for _, control := range []string{"default", "example.com"} {
					for level := TLSNone; level <= TLSRequiredVerifyHosted; level++ {
						for _, exempt := range []string{"-", "example.com"} {
							for _, required := range []string{"-", "mx.example.com"} {
								in := inputs(t, control, level)
								in.TLS.Enabled, in.TLS.SendSTARTTLS, in.TLS.RetryWithoutTLS = enabled, send, retry
								in.Exemption, in.Requirement = entry(t, exempt), entry(t, required)
								m.add(Effective(in), enabled, send, retry, control, level, exempt, required)
							}
						}
					}
				}
			}
		}
	}
	m.compare(t, "local")
}

// TestRemoteMatrix covers what the recipient domain publishes against what the
// administrator says (B26, B27, B31, B60, B63).
func TestRemoteMatrix(t *testing.T) {
	m := newMatrix("level", "dane", "mta_sts", "lifted_by")
	lifts := map[string]func(*OutboundInputs){
		"-":         func(*OutboundInputs) {},
		"control":   func(in *OutboundInputs) { in.RemoteOverride = "their certificate expired" },
		"exemption": func(in *OutboundInputs) { in.Exemption = &STARTTLSEntry{OverrideRemotePolicy: true} },
		"header":    func(in *OutboundInputs) { in.TLSRequiredNo = true },
		"route":     func(in *OutboundInputs) { in.Routed = true },
	}
	for level := TLSNone; level <= TLSRequiredVerifyHosted; level++ {
		for dane := DANEUnknown; dane <= DANEFailed; dane++ {
			for sts := MTASTSNone; sts <= MTASTSUnknown; sts++ {
				for _, lift := range []string{"-", "control", "exemption", "header", "route"} {
					in := inputs(t, "example.com", level)
					in.DANE, in.MTASTS = dane, sts
					lifts[lift](&in)
					m.add(Effective(in), level, dane, sts, lift)
				}
			}
		}
	}
	m.compare(t, "remote")
}

// TestDANEModeMatrix covers what a destination control makes of DANE (B21, B26,
// B31, B63): off ignores it, mandatory delivers by it or not at all.
func TestDANEModeMatrix(t *testing.T) {
	m := newMatrix("mode", "level", "dane", "lifted_by", "requiretls")
	lifts := map[string]func(*OutboundInputs){
		"-":         func(*OutboundInputs) {},
		"control":   func(in *OutboundInputs) { in.RemoteOverride = "their records are broken" },
		"exemption": func(in *OutboundInputs) { in.Exemption = &STARTTLSEntry{OverrideRemotePolicy: true} },
		"header":    func(in *OutboundInputs) { in.TLSRequiredNo = true },
		"route":     func(in *OutboundInputs) { in.Routed = true },
	}
	for _, mode := range []DANEMode{DANEOff, DANEOpportunistic, DANEMandatory} {
		for _, level := range []TLSLevel{TLSPreferred, TLSRequired} {
			for dane := DANEUnknown; dane <= DANEFailed; dane++ {
				for _, lift := range []string{"-", "control", "exemption", "header", "route"} {
					for _, flagged := range []bool{false, true} {
						in := inputs(t, "example.com", level)
						in.Control.DANE, in.DANE = mode, dane
						in.RequireTLS, in.SecureMX = flagged, true
						lifts[lift](&in)
						m.add(Effective(in), mode, level, dane, lift, flagged)
					}
				}
			}
		}
	}
	m.compare(t, "dane_mode")
}

// TestUnsignedMXMatrix covers hosts that MX records without a signature name: their
// TLSA records bind, but do not answer for the domain (B63, RFC 7672 §2.2.1).
func TestUnsignedMXMatrix(t *testing.T) {
	m := newMatrix("unsigned_mx", "mode", "dane", "mta_sts", "requiretls")
	for _, unsigned := range []bool{false, true} {
		for _, mode := range []DANEMode{DANEOpportunistic, DANEMandatory} {
			for dane := DANEUnknown; dane <= DANEFailed; dane++ {
				for sts := MTASTSNone; sts <= MTASTSUnlisted; sts++ {
					for _, flagged := range []bool{false, true} {
						in := inputs(t, "example.com", TLSPreferred)
						in.Control.DANE, in.DANE, in.MTASTS, in.UnsignedMX = mode, dane, sts, unsigned
						in.RequireTLS, in.SecureMX = flagged, !unsigned || sts == MTASTSTesting || sts == MTASTSEnforce
						m.add(Effective(in), unsigned, mode, dane, sts, flagged)
					}
				}
			}
		}
	}
	m.compare(t, "unsigned_mx")
}

// TestDANEDetailExplainsTheRefusal: the class of the failure is told (B63).
func TestDANEDetailExplainsTheRefusal(t *testing.T) {
	in := inputs(t, "example.com", TLSPreferred)
	in.DANE, in.DANEDetail = DANEFailed, "look up TLSA: bogus"
	if d := Effective(in); d.Refused == nil || d.Refused.Detail != "the DNSSEC look-up for the host failed: look up TLSA: bogus" {
		t.Errorf("refused %+v", d.Refused)
	}
	in.Control.DANE, in.DANE = DANEMandatory, DANEAbsent
	if d := Effective(in); d.Refused == nil || !strings.HasSuffix(d.Refused.Detail, "record: look up TLSA: bogus") {
		t.Errorf("refused %+v", d.Refused)
	}
}

// TestRequireTLSMatrix covers messages flagged REQUIRETLS (B26, B55–B58).
func TestRequireTLSMatrix(t *testing.T) {
	m := newMatrix("enabled", "level", "secure_mx", "dane", "mta_sts", "override", "header_no")
	for _, enabled := range []bool{true, false} {
		for _, level := range []TLSLevel{TLSNone, TLSPreferred, TLSRequiredVerify} {
			for _, secure := range []bool{true, false} {
				for _, dane := range []DANEState{DANEAbsent, DANEUsable, DANEFailed} {
					for _, sts := range []MTASTSState{MTASTSNone, MTASTSTesting, MTASTSEnforce, MTASTSUnlisted, MTASTSUnknown} {
						for _, override := range []bool{false, true} {
							for _, no := range []bool{false, true} {
								in := inputs(t, "example.com", level)
								in.TLS.Enabled, in.RequireTLS, in.SecureMX = enabled, true, secure
								in.DANE, in.MTASTS, in.TLSRequiredNo = dane, sts, no
								if override {
									in.RemoteOverride = "for a reason"
								}
								m.add(Effective(in), enabled, level, secure, dane, sts, override, no)
							}
						}
					}
				}
			}
		}
	}
	m.compare(t, "requiretls")
}

// profileColumns are the server profiles of the matrix as an administrator
// writes them.
func profileColumns() map[string]ServerProfile {
	smtp, smtps := []string{"smtp://relay.example"}, []string{"smtps://relay.example"}
	return map[string]ServerProfile{
		"none":     {URIs: smtp, TransportEncryption: TransportNone},
		"optional": {URIs: smtp, TransportEncryption: TransportSTARTTLSOptional},
		"required": {URIs: smtp, TransportEncryption: TransportSTARTTLSRequired},
		"smtps":    {URIs: smtps},
	}
}

// TestServerProfileMatrix covers server profiles (B27, B32) against every level,
// both lists and the master switch.
func TestServerProfileMatrix(t *testing.T) {
	m := newMatrix("enabled", "retry_clear", "level", "profile", "verify", "exempt", "required")
	for _, enabled := range []bool{true, false} {
		for _, retry := range []bool{false, true} {
			for level := TLSNone; level <= TLSRequiredVerifyHosted; level++ {
				for _, name := range []string{"none", "optional", "required", "smtps"} {
					for _, verify := range []bool{true, false} {
						for _, exempt := range []string{"-", "example.com"} {
							for _, required := range []string{"-", "relay.example"} {
								in := inputs(t, "example.com", level)
								in.TLS.Enabled, in.TLS.RetryWithoutTLS, in.Routed = enabled, retry, true
								in.Profile = profileRequirement(name, verify)
								in.Exemption, in.Requirement = entry(t, exempt), entry(t, required)
								m.add(Effective(in), enabled, retry, level, name, verify, exempt, required)
							}
						}
					}
				}
			}
		}
	}
	m.compare(t, "server_profile")
}

func profileRequirement(name string, verify bool) *ProfileRequirement {
	p, ok := profileColumns()[name]
	if !ok {
		return nil
	}
	p.Name, p.Verify = "smarthost", &verify
	return p.Requirement(p.Endpoints()[0])
}

// TestFlagMatrix covers what a message carries (REQUIRETLS, TLS-Required: No)
// and what lifts the policies of others, against every level, list and profile
// (B25–B27, B32, B55–B58).
func TestFlagMatrix(t *testing.T) {
	m := newMatrix("level", "list", "profile", "override", "flag")
	lists := map[string]func(*OutboundInputs){
		"-":      func(*OutboundInputs) {},
		"exempt": func(in *OutboundInputs) { in.Exemption = entry(t, "example.com") },
		"exempt_override": func(in *OutboundInputs) {
			in.Exemption = entry(t, "example.com")
			in.Exemption.OverrideRemotePolicy = true
		},
		"required": func(in *OutboundInputs) { in.Requirement = entry(t, "mx.example.com") },
		"both": func(in *OutboundInputs) {
			in.Exemption, in.Requirement = entry(t, "example.com"), entry(t, "mx.example.com")
		},
	}
	for level := TLSNone; level <= TLSRequiredVerifyHosted; level++ {
		for _, list := range []string{"-", "exempt", "exempt_override", "required", "both"} {
			for _, profile := range []string{"-", "optional", "smtps"} {
				for _, override := range []bool{false, true} {
					for _, flag := range []string{"-", "requiretls", "tls_required_no"} {
						in := inputs(t, "example.com", level)
						in.MTASTS, in.SecureMX = MTASTSEnforce, true
						lists[list](&in)
						in.Profile = profileRequirement(profile, true)
						if override {
							in.RemoteOverride = "for a reason"
						}
						in.RequireTLS, in.TLSRequiredNo = flag == "requiretls", flag == "tls_required_no"
						m.add(Effective(in), level, list, profile, override, flag)
					}
				}
			}
		}
	}
	m.compare(t, "flags")
}

// TestNothingMandatoryGoesInClear states what the whole matrix must hold: where
// any rule in force makes TLS mandatory, the decision does too or refuses.
func TestNothingMandatoryGoesInClear(t *testing.T) {
	for level := TLSRequired; level <= TLSRequiredVerifyHosted; level++ {
		for _, enabled := range []bool{true, false} {
			in := inputs(t, "example.com", level)
			in.TLS = TLSSettings{Enabled: enabled, RetryWithoutTLS: true, SendSTARTTLS: true}
			in.Profile = profileRequirement("optional", false)
			in.Exemption = &STARTTLSEntry{OverrideRemotePolicy: true}
			in.RemoteOverride, in.TLSRequiredNo, in.Routed = "all of them", true, true
			d := Effective(in)
			if !d.Mandatory() || d.RetryWithoutTLS || d.ClearAfterFailedTLS {
				t.Errorf("level %s, enabled %t: %+v may go in clear", level, enabled, d)
			}
			if !enabled && d.Refused == nil {
				t.Errorf("level %s: TLS is off and the host is not refused (B1)", level)
			}
		}
	}
}

func TestDecisionKeyTellsRequirementsApart(t *testing.T) {
	base := Decision{Level: TLSRequired, MinVersion: tls12, Domain: "example.com"}
	other := base
	other.Domain = "example.net"
	if base.Key() != other.Key() {
		t.Error("an unchecked requirement is the same for every domain (B29)")
	}
	base.Checks, other.Checks = []Check{CheckDomain}, []Check{CheckDomain}
	if base.Key() == other.Key() {
		t.Error("a requirement that names the recipient domain was shared between domains")
	}
	lower := base
	lower.MinVersion = 0x0301
	if base.Key() == lower.Key() {
		t.Error("connections of other minimum versions were shared")
	}
	refused := base
	refused.Refused = &Refusal{Rule: "dane", Code: "4.7.5"}
	if base.Key() == refused.Key() {
		t.Error("what is refused was shared with what is not")
	}
}

func inputs(t *testing.T, control string, level TLSLevel) OutboundInputs {
	t.Helper()
	pattern, err := mailaddr.ParseHostPattern(control)
	if err != nil {
		t.Fatal(err)
	}
	return OutboundInputs{
		Domain:         "example.com",
		TLS:            TLSSettings{Enabled: true, MinVersion: tls12},
		Control:        DestinationControl{Pattern: pattern, TLSLevel: &level},
		LevelIsDefault: pattern.IsAll(),
	}
}

func entry(t *testing.T, pattern string) *STARTTLSEntry {
	t.Helper()
	if pattern == "-" {
		return nil
	}
	p, err := mailaddr.ParseEndpointPattern(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return &STARTTLSEntry{Pattern: p, Reason: "test"}
}

// matrix prints inputs and decisions in columns.
type matrix struct {
	rows [][]string
}

func newMatrix(columns ...string) *matrix {
	return &matrix{rows: [][]string{append(columns, "=", "tls_level", "checks", "clear_retry", "refused", "reasons")}}
}

func (m *matrix) add(d Decision, inputs ...any) {
	row := make([]string, 0, len(inputs)+6)
	for _, in := range inputs {
		row = append(row, words(in))
	}
	checks := "-"
	if len(d.Checks) > 0 {
		checks = strings.Trim(fmt.Sprint(d.Checks), "[]")
	}
	refused := "-"
	if d.Refused != nil {
		refused = d.Refused.Rule + ":" + d.Refused.Code
	}
	var reasons []string
	for _, r := range d.Reasons {
		reason := r.Rule
		if r.OverruledBy != "" {
			reason += "<" + r.OverruledBy
		}
		reasons = append(reasons, reason)
	}
	m.rows = append(m.rows, append(row, "=", d.Level.String(), checks, clearRetry(d), refused, strings.Join(reasons, " ")))
}

// clearRetry names what grants clear text after failed TLS, if anything does.
func clearRetry(d Decision) string {
	var granted []string
	if d.RetryWithoutTLS {
		granted = append(granted, "yes")
	}
	if d.ClearAfterFailedTLS {
		granted = append(granted, "profile")
	}
	if len(granted) == 0 {
		return "no"
	}
	return strings.Join(granted, "+")
}

func words(v any) string {
	switch v := v.(type) {
	case bool:
		return map[bool]string{true: "yes", false: "no"}[v]
	default:
		return fmt.Sprint(v)
	}
}

func (m *matrix) compare(t *testing.T, name string) {
	t.Helper()
	widths := make([]int, len(m.rows[0]))
	for _, row := range m.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	var got bytes.Buffer
	for _, row := range m.rows {
		var line strings.Builder
		for i, cell := range row {
			fmt.Fprintf(&line, "%-*s  ", widths[i], cell)
		}
		got.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	file := filepath.Join("testdata", "effective_"+name+".want")
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s differs (-want +got); review, then run the test with -update:\n%s", file, diff)
	}
}

// TestReportOnlyMatrix covers a level that only reports (B72) above every level
// that acts, with what else may ask for TLS: it is named in the reasons, and
// changes nothing.
func TestReportOnlyMatrix(t *testing.T) {
	m := newMatrix("reports", "acting", "required", "dane", "exempt")
	for reports := TLSPreferred; reports <= TLSRequiredVerifyHosted; reports++ {
		for acting := TLSNone; acting <= TLSRequiredVerifyHosted; acting++ {
			for _, required := range []string{"-", "mx.example.com"} {
				for _, dane := range []DANEState{DANEAbsent, DANEUsable} {
					for _, exempt := range []string{"-", "example.com"} {
						in := inputs(t, "default", acting)
						in.Requirement, in.DANE, in.Exemption = entry(t, required), dane, entry(t, exempt)
						plain := Effective(in)
						pattern, err := mailaddr.ParseHostPattern("example.com")
						if err != nil {
							t.Fatal(err)
						}
						in.ReportOnly = &ReportOnlyLevel{Pattern: pattern, Level: reports}
						d := Effective(in)
						m.add(d, reports, acting, required, dane, exempt)
						last := len(d.Reasons) - 1
						if d.Reasons = d.Reasons[:last]; !cmp.Equal(plain, d) {
							t.Errorf("the decision is another one:\n%s", cmp.Diff(plain, d))
						}
					}
				}
			}
		}
	}
	m.compare(t, "report_only")
}

// What a level that only reports would have decided is what it decides once it
// acts.
func TestEnforcedLevel(t *testing.T) {
	in := inputs(t, "default", TLSPreferred)
	if _, ok := in.Enforced(); ok {
		t.Error("nothing reports")
	}
	acting := inputs(t, "example.com", TLSRequiredVerify)
	in.ReportOnly = &ReportOnlyLevel{Pattern: acting.Control.Pattern, Level: TLSRequiredVerify}
	enforced, ok := in.Enforced()
	if diff := cmp.Diff(Effective(acting), Effective(enforced)); !ok || diff != "" {
		t.Errorf("enforced (-acting +got):\n%s", diff)
	}
}
