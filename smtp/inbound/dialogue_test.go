package inbound

import (
	"crypto/tls"
	"path/filepath"
	"strings"
	"testing"

	"postern/domain/config"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/smtptest"
)

// Every file of testdata is a dialogue, named after its rule. setups says what
// gateway it is for; preferred where it says nothing.
func TestDialogues(t *testing.T) {
	preferred := setup{policies: []policy.MailFlowPolicy{flow(policy.ListenerTLSPreferred)}}
	required := setup{policies: []policy.MailFlowPolicy{flow(policy.ListenerTLSRequired)}}
	exempt := exemption(t, "127.0.0.0/8")
	limited := flow(policy.ListenerTLSPreferred)
	limited.MaxMessageBytes, limited.RecipientsPerMessage, limited.MessagesPerConnection = 65536, 2, 2
	limited.MaxHeaderBytes, limited.MaxLineBytes = 8192, 1000
	impatient := flow(policy.ListenerTLSPreferred)
	impatient.CommandTimeoutSeconds = 1
	rationed := flow(policy.ListenerTLSPreferred)
	rationed.RecipientsPerHour = 2
	relay := flow(policy.ListenerTLSPreferred)
	relay.Action = policy.ActionRelay
	mandatory := flow(policy.ListenerTLSPreferred)
	mandatory.TLSMandatorySenders = addresses(t, "boss@bank.example", "@.bank.example")
	ca := smtptest.NewCA(t)
	certificates := clientCertificates(t, ca)
	verifying := func(mode policy.ListenerTLS, protocol policy.ListenerProtocol) setup {
		p := flow(mode)
		p.VerifyClientCertificate = new(true)
		return setup{
			policies: []policy.MailFlowPolicy{p}, listener: policy.Listener{Protocol: protocol},
			edits: []config.Edit{clientAuthority(ca)},
		}
	}
	proxied := setup{
		policies: append([]policy.MailFlowPolicy{{Name: "REFUSE", Action: policy.ActionReject}}, preferred.policies...),
		access: []policy.SenderGroup{
			{Name: "KNOWN", Policy: "FLOW", Senders: senders(t, "198.51.100.7", "2001:db8::7", "127.0.0.1")},
			{Name: policy.AllGroup, Policy: "REFUSE"},
		},
		listener: policy.Listener{ProxyProtocolFrom: endpoints(t, "127.0.0.0/8")},
	}
	strangers := proxied
	strangers.listener.ProxyProtocolFrom = endpoints(t, "192.0.2.1")
	setups := map[string]setup{
		"b15_off":      {policies: []policy.MailFlowPolicy{flow(policy.ListenerTLSOff)}},
		"b15_required": required,
		"b16_no_certificate": {
			policies: preferred.policies, noKey: true,
		},
		"b1_switched_off":         {policies: required.policies, noTLS: true},
		"b25_exempt":              {policies: preferred.policies, edits: []config.Edit{exempt}},
		"b26_exempt_and_required": {policies: required.policies, edits: []config.Edit{exempt}},
		"b58_off":                 {policies: preferred.policies, edits: []config.Edit{requireTLS(policy.RequireTLSSettings{})}},
		"b58_smtps":               {policies: preferred.policies, listener: policy.Listener{Protocol: policy.ProtocolSMTPS}},
		"b59_content_filters":     {policies: preferred.policies, edits: []config.Edit{testFilters()}},
		"b19_limits":              {policies: []policy.MailFlowPolicy{limited}},
		"b19_content_limits":      {policies: []policy.MailFlowPolicy{limited}},
		"b19_timeout":             {policies: []policy.MailFlowPolicy{impatient}},
		"b14_recipients_per_hour": {policies: []policy.MailFlowPolicy{rationed}},
		"b18_relay":               {policies: []policy.MailFlowPolicy{relay}},
		"b17_mandatory_sender":    {policies: []policy.MailFlowPolicy{mandatory}},
		"b14_reject":              {policies: []policy.MailFlowPolicy{{Name: "FLOW", Action: policy.ActionReject}}},
		"b14_tcp_refuse":          {policies: []policy.MailFlowPolicy{{Name: "FLOW", Action: policy.ActionTCPRefuse}}},
		"b17_preferred_invalid":   verifying(policy.ListenerTLSPreferred, ""),
		"b17_preferred_none":      verifying(policy.ListenerTLSPreferred, ""),
		"b17_preferred_valid":     verifying(policy.ListenerTLSPreferred, ""),
		"b17_required_expired":    verifying(policy.ListenerTLSRequired, ""),
		"b17_required_none":       verifying(policy.ListenerTLSRequired, ""),
		"b17_required_valid":      verifying(policy.ListenerTLSRequired, ""),
		"b17_smtps_none":          verifying(policy.ListenerTLSRequired, policy.ProtocolSMTPS),
		"b17_smtps_valid":         verifying(policy.ListenerTLSRequired, policy.ProtocolSMTPS),
		"b11_proxy_v1":            proxied,
		"b11_proxy_v1_ipv6":       proxied,
		"b11_proxy_v2":            proxied,
		"b11_proxy_local":         proxied,
		"b11_proxy_starttls":      proxied,
		"b11_proxy_access":        proxied,
		"b11_proxy_missing":       proxied,
		"b11_proxy_malformed":     proxied,
		"b11_proxy_stranger":      strangers,
		"rfc8314_smtps":           {policies: preferred.policies, listener: policy.Listener{Protocol: policy.ProtocolSMTPS}},
	}
	files, err := filepath.Glob("testdata/*.smtp")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dialogues: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".smtp")
		t.Run(name, func(t *testing.T) {
			s, ok := setups[name]
			if !ok {
				s = preferred
			}
			smtptest.RunDialogueAs(t, newGateway(t, s).addr(), file, certificates)
		})
	}
}

// clientCertificates are what the client of a dialogue can show.
func clientCertificates(t *testing.T, ca *smtptest.CA) map[string]tls.Certificate {
	t.Helper()
	leaf := smtptest.Leaf{CommonName: "mx.partner.example", ClientOnly: true}
	expired := leaf
	expired.Validity = smtptest.Expired
	return map[string]tls.Certificate{
		"valid":    ca.Issue(t, leaf).TLS,
		"expired":  ca.Issue(t, expired).TLS,
		"stranger": smtptest.NewCA(t).Issue(t, leaf).TLS,
	}
}

func addresses(t *testing.T, patterns ...string) []mailaddr.AddressPattern {
	t.Helper()
	var list []mailaddr.AddressPattern
	for _, s := range patterns {
		p, err := mailaddr.ParseAddressPattern(s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

func endpoints(t *testing.T, patterns ...string) []mailaddr.EndpointPattern {
	t.Helper()
	var list []mailaddr.EndpointPattern
	for _, s := range patterns {
		p, err := mailaddr.ParseEndpointPattern(s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

func exemption(t *testing.T, pattern string) config.Edit {
	t.Helper()
	p, err := mailaddr.ParseEndpointPattern(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return config.Edit{Kind: config.KindSTARTTLSExemption, Key: pattern, Value: policy.STARTTLSEntry{Pattern: p, Reason: "test"}}
}
