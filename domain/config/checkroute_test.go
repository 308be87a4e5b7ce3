package config_test

import (
	"context"
	"strings"
	"testing"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

func routeTo(t *testing.T, pattern string, hops ...policy.NextHop) config.Edit {
	t.Helper()
	p, err := mailaddr.ParseHostPattern(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return config.Edit{Kind: config.KindRoute, Key: pattern, Value: policy.Route{Pattern: p, NextHops: hops}}
}

func smarthost(uris ...string) config.Edit {
	return config.Edit{Kind: config.KindServerProfile, Key: "smarthost", Value: policy.ServerProfile{
		Name: "smarthost", Type: policy.ServerSMTP, URIs: uris, TransportEncryption: policy.TransportSTARTTLSRequired,
	}}
}

// refusal commits edits that must fail and returns kind and faults.
func refusal(t *testing.T, s *config.Service, edits ...config.Edit) string {
	t.Helper()
	_, err := s.Commit(context.Background(), config.Change{Edits: edits})
	if err == nil {
		t.Fatal("the change was committed")
	}
	return domain.KindOf(err).String() + ": " + err.Error()
}

// A route leads to profiles that exist, and a profile that routes lead to stays
// (B31, B32).
func TestRoutesAndServerProfilesHoldTogether(t *testing.T) {
	s, _ := configtest.Seeded(t)
	toProfile := routeTo(t, "example.com", policy.NextHop{ServerProfile: "smarthost"})
	if got := refusal(t, s, toProfile); !strings.Contains(got, `/next_hops/0/server_profile`) || !strings.Contains(got, "make it first") {
		t.Errorf("got %s", got)
	}
	configtest.Commit(t, s, smarthost("smtp://relay.example"), toProfile)
	if _, ok := s.Snapshot().ServerProfile("smarthost"); !ok {
		t.Error("the snapshot has no profile")
	}
	gone := config.Edit{Kind: config.KindServerProfile, Key: "smarthost"}
	if got := refusal(t, s, gone); !strings.HasPrefix(got, "conflict") || !strings.Contains(got, `route "example.com"`) {
		t.Errorf("got %s", got)
	}
	// Both together leave nothing dangling.
	configtest.Commit(t, s, config.Edit{Kind: config.KindRoute, Key: "example.com"}, gone)
}

// A next hop that is one of our own listeners is a loop (B31).
func TestRouteMayNotLeadBackToUs(t *testing.T) {
	s, _ := configtest.Seeded(t)
	l, _ := s.Snapshot().Listener("inbound")
	l.Port = 2525
	configtest.Commit(t, s, config.Edit{Kind: config.KindListener, Key: l.Name, Value: l})
	tests := []struct {
		hop   policy.NextHop
		cycle bool
	}{
		{policy.NextHop{Host: "127.0.0.1", Port: 2525}, true},
		{policy.NextHop{Host: "mail.example.com", Port: 2525}, true},
		{policy.NextHop{Host: "mail.example.com"}, false},
		{policy.NextHop{Host: "127.0.0.1", Port: 2526}, false},
		{policy.NextHop{Host: "192.0.2.1", Port: 2525}, false},
	}
	for _, tt := range tests {
		_, err := s.Commit(t.Context(), config.Change{Edits: []config.Edit{routeTo(t, "ALL", tt.hop)}})
		if (err != nil) != tt.cycle {
			t.Errorf("%s: %v", tt.hop, err)
		}
	}
	if got := refusal(t, s, smarthost("smtp://other.example", "smtp://127.0.0.1:2525")); !strings.Contains(got, "/uris/1") {
		t.Errorf("got %s", got)
	}
}
