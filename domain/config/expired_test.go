package config_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// expiring are the entries that end by themselves, with what they may say.
func expiring(t *testing.T, reason string, expires *time.Time) map[string]config.Edit {
	t.Helper()
	endpoint, err := mailaddr.ParseEndpointPattern("mx.example.com")
	if err != nil {
		t.Fatal(err)
	}
	host, err := mailaddr.ParseHostPattern("example.com")
	if err != nil {
		t.Fatal(err)
	}
	entry := policy.STARTTLSEntry{Pattern: endpoint, Reason: reason, Expires: expires}
	control := policy.DestinationControl{Pattern: host, OverrideRemotePolicy: &policy.Override{Reason: reason, Expires: expires}}
	return map[string]config.Edit{
		"":                        {Kind: config.KindSTARTTLSExemption, Key: "mx.example.com", Value: entry},
		" ":                       {Kind: config.KindSTARTTLSRequirement, Key: "mx.example.com", Value: entry},
		"/override_remote_policy": {Kind: config.KindDestinationControl, Key: "example.com", Value: control},
	}
}

// An entry that is over when it is written is taken with a warning (B25, B26): who
// writes it believes it to be in force.
func TestExpiredEntryIsWarnedOf(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) // of the service
	past, future := now, now.Add(time.Second)
	for name, expires := range map[string]*time.Time{"past": &past, "future": &future, "never": nil} {
		for at, edit := range expiring(t, "test", expires) {
			s, _ := configtest.Seeded(t)
			result, err := s.Commit(t.Context(), config.Change{Edits: []config.Edit{edit}})
			if err != nil {
				t.Fatal(err)
			}
			warned := slices.ContainsFunc(result.Warnings, func(w domain.Fault) bool {
				return w.Pointer == strings.TrimSpace(at)+"/expires"
			})
			if warned != (name == "past") {
				t.Errorf("%s, %s: warnings %v", edit.Kind, name, result.Warnings)
			}
		}
	}
}

// A reason of blanks is none.
func TestBlankReasonIsRefused(t *testing.T) {
	for _, reason := range []string{"", " ", "\t\n "} {
		for at, edit := range expiring(t, reason, nil) {
			s, _ := configtest.Seeded(t)
			_, err := s.Commit(t.Context(), config.Change{Edits: []config.Edit{edit}})
			if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(at)+"/reason: is required") {
				t.Errorf("%s with the reason %q: %v", edit.Kind, reason, err)
			}
		}
	}
}
