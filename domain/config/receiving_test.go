package config_test

import (
	"strings"
	"testing"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/smtptest"
)

func flowPolicy(p policy.MailFlowPolicy) config.Edit {
	return config.Edit{Kind: config.KindMailFlowPolicy, Key: p.Name, Value: p}
}

// B14: below the last group nothing stands, so that continue would leave nobody
// to decide; whichever of the two edits comes last is refused.
func TestLastGroupMustDecide(t *testing.T) {
	s, _ := configtest.Seeded(t)
	skip := policy.MailFlowPolicy{Name: "SKIP", Action: policy.ActionContinue}
	configtest.Commit(t, s, flowPolicy(skip))
	table, _ := s.Snapshot().HostAccessTable("inbound")

	middle := table
	middle.Groups = append([]policy.SenderGroup(nil), table.Groups...)
	middle.Groups[0].Policy = "SKIP"
	edit := config.Edit{Kind: config.KindHostAccessTable, Key: "inbound", Value: middle}
	if _, err := s.Commit(t.Context(), config.Change{Edits: []config.Edit{edit}}); err != nil {
		t.Errorf("continue further up: %v", err)
	}
	last := middle
	last.Groups = append([]policy.SenderGroup(nil), middle.Groups...)
	last.Groups[len(last.Groups)-1].Policy = "SKIP"
	edit.Value = last
	_, err := s.Commit(t.Context(), config.Change{Edits: []config.Edit{edit}})
	if domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), "nothing stands below") {
		t.Errorf("continue at the end: %v", err)
	}
	accepted := policy.MailFlowPolicy{Name: "ACCEPTED", Action: policy.ActionContinue}
	_, err = s.Commit(t.Context(), config.Change{Edits: []config.Edit{flowPolicy(accepted)}})
	if domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), `/action: the last sender group of listener "inbound"`) {
		t.Errorf("the policy of the last group turned to continue: %v", err)
	}
}

// B17: without an anchor for clients no certificate can be valid.
func TestClientCertificatesNeedAnAnchor(t *testing.T) {
	s, _ := configtest.Seeded(t)
	p := policy.MailFlowPolicy{Name: "PARTNER", Action: policy.ActionAccept}
	p.TLS, p.VerifyClientCertificate = policy.ListenerTLSRequired, new(true)
	warned := func(result config.Result) bool {
		return len(result.Warnings) == 1 && strings.HasSuffix(result.Warnings[0].Pointer, "/verify_client_certificate")
	}
	if r := configtest.Commit(t, s, flowPolicy(p)); !warned(r) {
		t.Errorf("warnings without an anchor: %v", r.Warnings)
	}
	listener, _ := s.Snapshot().Listener("inbound")
	listener.Defaults.VerifyClientCertificate = new(true)
	if r := configtest.Commit(t, s, config.Edit{Kind: config.KindListener, Key: "inbound", Value: listener}); !warned(r) {
		t.Errorf("warnings of the listener's defaults: %v", r.Warnings)
	}
	anchor := policy.TrustAnchor{
		Name: "partners", Usage: policy.TrustClients,
		Certificate: string(smtptest.NewCA(t).RootPEM()),
	}
	p.Description = "changed"
	r := configtest.Commit(t, s, config.Edit{Kind: config.KindTrustAnchor, Key: anchor.Name, Value: anchor}, flowPolicy(p))
	if len(r.Warnings) != 0 {
		t.Errorf("warnings with an anchor: %v", r.Warnings)
	}
}

// Who exempts clients where STARTTLS is required of them, or requires it of
// clients that are exempt, is told: whichever comes last (B26).
func TestExemptionAgainstRequiredIsWarnedOf(t *testing.T) {
	s, _ := configtest.Seeded(t)
	exempting := func(reason string) config.Edit {
		pattern, err := mailaddr.ParseEndpointPattern("192.0.2.7")
		if err != nil {
			t.Fatal(err)
		}
		return config.Edit{Kind: config.KindSTARTTLSExemption, Key: pattern.String(), Value: policy.STARTTLSEntry{Pattern: pattern, Reason: reason}}
	}
	warned := func(what string, edit config.Edit, want string) {
		t.Helper()
		var got []string
		for _, w := range configtest.Commit(t, s, edit).Warnings {
			got = append(got, w.Pointer)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: warnings at %q, want %q", what, got, want)
		}
	}
	listener, _ := s.Snapshot().Listener("inbound")
	listener.Defaults.TLS = policy.ListenerTLSRequired
	required := config.Edit{Kind: config.KindListener, Key: "inbound", Value: listener}

	warned("exemption alone", exempting("old device"), "")
	warned("defaults against an exemption", required, "/default_policy_parameters/tls")
	warned("exemption against the defaults", exempting("very old device"), "/pattern")
	listener.Protocol = policy.ProtocolSMTPS
	warned("implicit TLS", config.Edit{Kind: config.KindListener, Key: "inbound", Value: listener}, "")
	warned("exemption where TLS is implicit", exempting("needs no STARTTLS"), "")
}
