package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/policy"
)

// filterEdit writes one content filter that flags what comes by the listener.
func filterEdit(listener string) config.Edit {
	return config.Edit{
		Kind: config.KindContentFilters, Key: config.ContentFiltersKey,
		Value: policy.ContentFilters{Filters: []policy.ContentFilter{{
			Name: "flag", Enabled: true, Match: policy.MatchAll,
			Conditions: []policy.FilterCondition{{Field: policy.FieldListener, Operator: policy.OperatorEquals, Value: listener}},
			Actions:    []policy.FilterAction{{Action: policy.ActionFlagRequireTLS}},
		}}},
	}
}

func TestContentFiltersAreCompiledIntoTheSnapshot(t *testing.T) { // B59
	s, _ := configtest.Seeded(t)
	before := s.Snapshot()
	if !before.ContentFilters().Empty() {
		t.Error("a fresh installation filters")
	}
	configtest.Commit(t, s, filterEdit("inbound"))
	after := s.Snapshot()
	if after.ContentFilters().Empty() || !before.ContentFilters().Empty() {
		t.Error("the filter is not in the new snapshot, or in the old one")
	}
	configtest.Commit(t, s, config.Edit{Kind: config.KindDomain, Key: "example.com", Value: policy.HostedDomain{Name: "example.com"}})
	if s.Snapshot().ContentFilters() != after.ContentFilters() {
		t.Error("another edit compiled the filters anew")
	}
	if _, err := s.Rollback(t.Context(), 1, config.Act{Author: "test"}); err != nil {
		t.Fatal(err)
	}
	if !s.Snapshot().ContentFilters().Empty() {
		t.Error("the filter outlives the roll back")
	}
}

func TestFiltersThatDoNothingAreWarnedOf(t *testing.T) {
	s, _ := configtest.Seeded(t)
	if w := configtest.Commit(t, s, filterEdit("inbound")).Warnings; len(w) > 0 {
		t.Errorf("warnings: %v", w)
	}
	configtest.Commit(t, s, config.Edit{
		Kind: config.KindSettings, Key: config.SectionRequireTLS, Value: policy.RequireTLSSettings{},
	})
	var pointers []string
	for _, w := range configtest.Commit(t, s, filterEdit("nowhere")).Warnings {
		pointers = append(pointers, w.Pointer)
	}
	want := []string{"/content_filters/0/conditions/0/value", "/content_filters/0/actions/0/action"}
	if diff := cmp.Diff(want, pointers); diff != "" {
		t.Errorf("warnings:\n%s", diff)
	}
}

func TestRequireTLSIsOnInAFreshInstallation(t *testing.T) { // B4
	s, _ := configtest.Seeded(t)
	if got := s.Snapshot().Settings.RequireTLS; got != (policy.RequireTLSSettings{Enabled: true}) {
		t.Errorf("settings: %+v", got)
	}
}
