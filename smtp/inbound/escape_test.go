package inbound

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/dns"
	"postern/smtp/smtptest"
)

// failing is a resolver that knows some names, and fails to find the others.
type failing struct {
	names []mailaddr.DomainName
	err   error
}

func (f failing) ConfirmedNames(context.Context, netip.Addr) ([]mailaddr.DomainName, error) {
	return f.names, f.err
}

// A client whose names cannot be looked up for now does not get round the group
// of names that asks more of it than the one it falls into: it comes later (B13,
// B14).
func TestUnknownNamesEscapeNothing(t *testing.T) {
	yes := new(true)
	mandatory := addresses(t, "@partner.example")
	policies := map[string]policy.MailFlowPolicy{
		"off":       {Action: policy.ActionAccept},
		"preferred": {Action: policy.ActionAccept, FlowParameters: policy.FlowParameters{TLS: policy.ListenerTLSPreferred}},
		"required":  {Action: policy.ActionAccept, FlowParameters: policy.FlowParameters{TLS: policy.ListenerTLSRequired}},
		"verify":    {Action: policy.ActionAccept, FlowParameters: policy.FlowParameters{TLS: policy.ListenerTLSPreferred, VerifyClientCertificate: yes}},
		"mutual":    {Action: policy.ActionAccept, FlowParameters: policy.FlowParameters{TLS: policy.ListenerTLSRequired, VerifyClientCertificate: yes}},
		"senders":   {Action: policy.ActionAccept, FlowParameters: policy.FlowParameters{TLS: policy.ListenerTLSPreferred, TLSMandatorySenders: mandatory}},
		"reported":  {Action: policy.ActionAccept, ReportOnly: true, FlowParameters: policy.FlowParameters{TLS: policy.ListenerTLSRequired}},
		"relay":     {Action: policy.ActionRelay},
		"reject":    {Action: policy.ActionReject},
		"refuse":    {Action: policy.ActionTCPRefuse},
		"continue":  {Action: policy.ActionContinue, FlowParameters: policy.FlowParameters{TLS: policy.ListenerTLSRequired}},
	}
	for _, tc := range []struct{ above, below, asks string }{
		{"required", "preferred", "requires TLS"},
		{"required", "off", "requires TLS"},
		{"reject", "required", "refuses its clients"},
		{"refuse", "off", "refuses its clients"},
		{"verify", "required", "verifies client certificates"},
		{"mutual", "verify", "verifies client certificates"},
		{"senders", "preferred", "requires TLS of some senders"},
		{"off", "relay", "does not relay"},
		{"required", "mutual", ""},
		{"senders", "required", ""},
		{"preferred", "off", ""},
		{"relay", "off", ""},
		{"reported", "off", ""},
		{"continue", "off", ""},
		{"required", "reject", ""},
		{"reject", "refuse", ""},
	} {
		t.Run(tc.above+" above "+tc.below, func(t *testing.T) {
			above, below := policies[tc.above], policies[tc.below]
			above.Name, below.Name = "ABOVE", "BELOW"
			g := newGatewayWithoutSocket(t, setup{
				resolver: failing{err: &dns.Error{Class: dns.Timeout}},
				policies: []policy.MailFlowPolicy{above, below, {Name: "REST", Action: policy.ActionReject}},
				access: []policy.SenderGroup{
					{Name: "PARTNERS", Policy: "ABOVE", Senders: senders(t, ".partner.example")},
					{Name: "NEAR", Policy: "BELOW", Senders: senders(t, "127.0.0.1")},
					{Name: "FAR", Policy: "REST", Senders: senders(t, ".far.example")}, // below: bears on nothing
					{Name: policy.AllGroup, Policy: "REST"},
				},
			})
			asks := ""
			if s := g.current.Load().Explain(netip.MustParseAddr("127.0.0.1")).Stricter; s != nil {
				asks = s.Asks
			}
			if asks != tc.asks {
				t.Errorf("escaped %q, want %q", asks, tc.asks)
			}
		})
	}
}

// Only what may change by waiting is waited for, and the client is told so.
func TestUnknownNamesAreTurnedAway(t *testing.T) {
	addr := netip.MustParseAddr("127.0.0.1")
	for name, tc := range map[string]struct {
		resolver Names
		code     int
	}{
		"time-out":            {failing{err: context.DeadlineExceeded}, 421},
		"SERVFAIL":            {failing{err: &dns.Error{Class: dns.Bogus}}, 421},
		"unsorted error":      {failing{err: errors.New("it broke")}, 421},
		"other names known":   {failing{names: []mailaddr.DomainName{"mx.other.example"}, err: &dns.Error{Class: dns.Timeout}}, 421},
		"its name is known":   {failing{names: []mailaddr.DomainName{"mx.partner.example"}, err: &dns.Error{Class: dns.Timeout}}, 220},
		"none leads back":     {failing{err: &dns.UnconfirmedError{Addr: addr}}, 220},
		"it has another name": {failing{names: []mailaddr.DomainName{"mx.other.example"}}, 220},
	} {
		t.Run(name, func(t *testing.T) {
			required := flow(policy.ListenerTLSRequired)
			required.Name = "TLS"
			g := newGateway(t, setup{
				resolver: tc.resolver,
				policies: []policy.MailFlowPolicy{required, flow(policy.ListenerTLSPreferred)},
				access: []policy.SenderGroup{
					{Name: "PARTNERS", Policy: "TLS", Senders: senders(t, ".partner.example")},
					{Name: policy.AllGroup, Policy: "FLOW"},
				},
			})
			r := smtptest.Dial(t, g.addr()).Expect(tc.code)
			if tc.code == 421 && !strings.Contains(r.String(), "4.4.3") {
				t.Errorf("%s", r)
			}
		})
	}
}
