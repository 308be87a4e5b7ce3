package config_test

import (
	"testing"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/policy"
)

func coreProfile(name string) config.Edit {
	return config.Edit{Kind: config.KindServerProfile, Key: name, Value: policy.ServerProfile{
		Name: name, Type: policy.ServerCore, URIs: []string{"https://core.example"},
	}}
}

func inspectionBy(profile string) config.Edit {
	s := policy.DefaultInspectionSettings()
	s.Enabled, s.Profile = profile != "", profile
	return config.Edit{Kind: config.KindSettings, Key: config.SectionInspection, Value: s}
}

// The inspection settings name a profile that exists, and one that they name
// stays (B34).
func TestInspectionAndCoreProfilesHoldTogether(t *testing.T) {
	s, _ := configtest.Seeded(t)
	if got := s.Snapshot().Settings.Inspection; got != policy.DefaultInspectionSettings() {
		t.Errorf("a fresh installation has %+v", got)
	}
	try := func(want domain.Kind, edits ...config.Edit) {
		t.Helper()
		if _, err := s.Commit(t.Context(), config.Change{Edits: edits}); err == nil || domain.KindOf(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	try(domain.Invalid, inspectionBy("core"))
	configtest.Commit(t, s, inspectionBy("core"), coreProfile("core"), coreProfile("other"))
	if p, ok := s.Snapshot().CoreProfile("core"); !ok || p.Name != "core" {
		t.Errorf("the snapshot has %+v, %v", p, ok)
	}
	gone := config.Edit{Kind: config.KindServerProfile, Key: "core"}
	try(domain.Conflict, gone)
	configtest.Commit(t, s, gone, inspectionBy("other"))
	if _, ok := s.Snapshot().CoreProfile("core"); ok {
		t.Error("the deleted profile is there")
	}
}
