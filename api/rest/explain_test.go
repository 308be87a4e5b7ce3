package rest

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/probe"
)

// probes answers explanations from values.
type probes struct {
	destinations map[mailaddr.DomainName]probe.Destination
	clients      map[netip.Addr]probe.Client
	groups       []probe.MessageGroup
	found        probe.Verification
	asked        []probe.Question
	refusal      error
	inspection   probe.Inspection
	under        *config.Snapshot // of the last question
	flagged      bool             // of the last question about a domain
}

func (p *probes) destination(_ context.Context, under *config.Snapshot, name mailaddr.DomainName, flagged bool) probe.Destination {
	p.under, p.flagged = under, flagged
	return p.destinations[name]
}

func (p *probes) client(_ context.Context, under *config.Snapshot, listener string, addr netip.Addr) (probe.Client, error) {
	p.under = under
	if listener != "inbound" {
		return probe.Client{}, domain.E(domain.NotFound, "there is no listener %q", listener)
	}
	return p.clients[addr], nil
}

func (p *probes) message(_ context.Context, under *config.Snapshot, _ *delivery.Message) []probe.MessageGroup {
	p.under = under
	return p.groups
}

func (p *probes) verify(_ context.Context, q probe.Question) (probe.Verification, error) {
	p.asked = append(p.asked, q)
	return p.found, p.refusal
}

// explanation is an explanation as a client reads it.
type explanation struct {
	Destination map[string]any `json:"destination"`
	Client      map[string]any `json:"client"`
	Message     map[string]any `json:"message"`
}

func TestExplainDestination(t *testing.T) {
	f := newFixture(t)
	pattern, err := mailaddr.ParseHostPattern("partner.example")
	if err != nil {
		t.Fatal(err)
	}
	level := policy.TLSRequired
	f.probes.destinations = map[mailaddr.DomainName]probe.Destination{
		"partner.example": {
			Domain: "partner.example", Revision: 3, TLS: policy.DefaultTLSSettings(),
			Route:   &policy.Route{Pattern: pattern, NextHops: []policy.NextHop{{Host: "mx.partner.example"}}},
			Control: policy.DestinationControl{Pattern: pattern, TLSLevel: &level},
			Origins: []policy.FieldOrigin{{Field: "tls_level", Entry: "partner.example"}},
			Candidates: []probe.Candidate{
				{
					Host: "mx.partner.example", Address: "192.0.2.1:25", Preference: 1, Decision: policy.Decision{Level: level, Domain: "partner.example"},
					Ladder: []probe.Rung{{Level: level}, {Level: level, SmallClientHello: true}},
				},
				{Host: "mx2.partner.example", Preference: 2, Resting: true, Problem: "SERVFAIL"},
			},
		},
		"null.example": {Domain: "null.example", Revision: 3, TLS: policy.DefaultTLSSettings(), MX: &probe.MX{Null: true}, Outcome: &delivery.Outcome{Status: delivery.Bounced, Stage: delivery.StageRoute, Code: 556}},
	}
	f.call("GET", "/api/v1/tls/explain?domain=partner.example&require_tls=maybe", "").want(http.StatusBadRequest)
	f.call("GET", "/api/v1/tls/explain?domain=partner.example&require_tls=true", "").want(http.StatusOK)
	if !f.probes.flagged {
		t.Error("the question was not about flagged mail")
	}
	f.call("GET", "/api/v1/tls/explain?require_tls=true&listener=inbound&client=192.0.2.1", "").want(http.StatusBadRequest)
	got := decoded[explanation](f.call("GET", "/api/v1/tls/explain?domain=Partner.EXAMPLE", "").want(http.StatusOK))
	if f.probes.flagged {
		t.Error("the question was about flagged mail")
	}
	want := []any{
		map[string]any{
			"host": "mx.partner.example", "address": "192.0.2.1:25", "preference": 1.0, "resting": false, "no_tls_host": false,
			"decision": map[string]any{"tls_level": "required", "min_tls_version": "", "reasons": []any{}, "domain": "partner.example"},
			"summary":  "Mail leaves encrypted, or not at all; the certificate is not checked.",
			"ladder": []any{
				map[string]any{"tls_level": "required", "small_client_hello": false},
				map[string]any{"tls_level": "required", "small_client_hello": true},
			},
		},
		map[string]any{"host": "mx2.partner.example", "preference": 2.0, "resting": true, "problem": "SERVFAIL", "no_tls_host": false, "ladder": []any{}},
	}
	if diff := cmp.Diff(want, got.Destination["candidates"]); diff != "" {
		t.Error(diff)
	}
	origins := []any{map[string]any{"field": "tls_level", "entry": "partner.example"}}
	if diff := cmp.Diff(origins, got.Destination["destination_control_origins"]); diff != "" {
		t.Error(diff)
	}
	if got.Destination["route"] == nil || got.Client != nil {
		t.Errorf("%+v", got)
	}
	got = decoded[explanation](f.call("GET", "/api/v1/tls/explain?domain=null.example", "").want(http.StatusOK))
	if outcome, _ := got.Destination["outcome"].(map[string]any); outcome["status"] != "bounced" || got.Destination["mx"].(map[string]any)["null"] != true {
		t.Errorf("%+v", got.Destination)
	}
}

func TestSummaryOfDecision(t *testing.T) {
	for word, decision := range map[string]policy.Decision{
		"in clear: STARTTLS is not used":       {},
		"in clear where it does not":           {Level: policy.TLSPreferredVerify},
		"the certificate is not checked":       {Level: policy.TLSRequired},
		"with a verified certificate":          {Level: policy.TLSRequiredVerify, Checks: []policy.Check{policy.CheckDomain}},
		"Mail waits: TLS is switched off here": {Level: policy.TLSRequired, Refused: &policy.Refusal{Detail: "TLS is switched off here"}},
	} {
		if got := summaryOfDecision(decision); !strings.Contains(got, word) {
			t.Errorf("%q lacks %q", got, word)
		}
	}
}

func TestExplainClient(t *testing.T) {
	f := newFixture(t)
	addr := netip.MustParseAddr("192.0.2.1")
	pattern, err := mailaddr.ParseEndpointPattern("192.0.2.0/24")
	if err != nil {
		t.Fatal(err)
	}
	f.probes.clients = map[netip.Addr]probe.Client{addr: {
		Listener: "inbound", Address: "192.0.2.1", Revision: 3, NamesLookedUp: true, NamesProblem: "SERVFAIL",
		Stricter:    &probe.Stricter{Group: "PARTNERS", Asks: "requires TLS"},
		Groups:      []probe.Group{{Name: "ALL", Policy: "ACCEPTED", Action: policy.ActionAccept}},
		Policy:      policy.MailFlowPolicy{Name: "ACCEPTED", Action: policy.ActionAccept},
		Certificate: probe.CertificateRequired, Proxy: "192.0.2.0/24",
		RequiresTLS: true, Exemption: &policy.STARTTLSEntry{Pattern: pattern, Reason: "broken"},
		Reasons: []policy.Reason{{Rule: "starttls_exemption", Asks: "off"}},
	}}
	got := decoded[explanation](f.call("GET", "/api/v1/tls/explain?listener=inbound&client=::ffff:192.0.2.1", "").want(http.StatusOK)).Client
	exemption, _ := got["starttls_exemption"].(map[string]any)
	if exemption["reason"] != "broken" || got["requires_tls"] != true || got["names_looked_up"] != true || got["names_problem"] != "SERVFAIL" ||
		got["client_certificate"] != "required" || got["proxy_protocol_from"] != "192.0.2.0/24" {
		t.Errorf("%+v", got)
	}
	if s, _ := got["stricter"].(map[string]any); s["name"] != "PARTNERS" || s["asks"] != "requires TLS" {
		t.Errorf("%+v", got["stricter"])
	}
	if group := got["sender_groups"].([]any)[0].(map[string]any); group["name"] != "ALL" || group["action"] != "accept" {
		t.Errorf("%+v", group)
	}
}

func TestExplainNeedsOneQuestion(t *testing.T) {
	f := newFixture(t)
	for query, status := range map[string]int{
		"": 400, "listener=inbound": 400, "client=192.0.2.1": 400, "domain=..": 400,
		"message=nonsense": 404, "message=0CJ2V5Q8XK3ZG": 404, "message=0CJ2V5Q8XK3ZG&domain=a.example": 400,
		"domain=a.example&listener=inbound": 400, "listener=inbound&client=x": 400,
		"domain=a.example&listener=inbound&client=192.0.2.1": 400,
		"listener=none&client=192.0.2.1":                     404,
	} {
		f.call("GET", "/api/v1/tls/explain?"+query, "").want(status)
	}
}
