package inbound

import (
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
	setups := map[string]setup{
		"b15_off":      {policies: []policy.MailFlowPolicy{flow(policy.ListenerTLSOff)}},
		"b15_required": required,
		"b16_no_certificate": {
			policies: preferred.policies, noKey: true,
		},
		"b1_switched_off":         {policies: required.policies, noTLS: true},
		"b25_exempt":              {policies: preferred.policies, edits: []config.Edit{exempt}},
		"b26_exempt_and_required": {policies: required.policies, edits: []config.Edit{exempt}},
		"b19_limits":              {policies: []policy.MailFlowPolicy{limited}},
		"b14_reject":              {policies: []policy.MailFlowPolicy{{Name: "FLOW", Action: policy.ActionReject}}},
		"b14_tcp_refuse":          {policies: []policy.MailFlowPolicy{{Name: "FLOW", Action: policy.ActionTCPRefuse}}},
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
			smtptest.RunDialogue(t, newGateway(t, s).addr(), file)
		})
	}
}

func exemption(t *testing.T, pattern string) config.Edit {
	t.Helper()
	p, err := mailaddr.ParseEndpointPattern(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return config.Edit{Kind: config.KindSTARTTLSExemption, Key: pattern, Value: policy.STARTTLSEntry{Pattern: p, Reason: "test"}}
}
