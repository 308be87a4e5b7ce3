package config_test

import (
	"testing"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/policy"
)

func fit(t *testing.T, from config.Reader) config.Preset {
	t.Helper()
	p, err := config.FitPreset(t.Context(), from, config.PresetRecommended)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRecommendedPreset(t *testing.T) { // B10
	s, _ := configtest.Seeded(t)
	p := fit(t, s)
	if len(p.Recorded) != 3 || len(p.Warnings) != 1 {
		t.Fatalf("%d edits, warnings %v", len(p.Recorded), p.Warnings)
	}
	if _, err := s.Commit(t.Context(), p.Change); err != nil {
		t.Fatal(err)
	}
	snapshot := s.Snapshot()
	public, _ := snapshot.Listener("inbound")
	private, _ := snapshot.Listener("outbound")
	if !snapshot.Settings.TLS.Enabled || !snapshot.Settings.TLS.SendSTARTTLS ||
		public.Defaults.TLS != policy.ListenerTLSPreferred || private.Defaults.TLS == policy.ListenerTLSPreferred ||
		level(s, "example.com") != policy.TLSPreferred {
		t.Errorf("settings %+v, public %s, private %s, default %s", snapshot.Settings.TLS, public.Defaults.TLS, private.Defaults.TLS, level(s, "example.com"))
	}
	if again := fit(t, s); len(again.Recorded)+len(again.Change.Edits) != 0 {
		t.Errorf("applied, and yet %d edits are left", len(again.Recorded))
	}
	_, err := config.FitPreset(t.Context(), s, "none")
	wantKind(t, "unknown preset", err, domain.NotFound)
}

// A preset is there to switch TLS on: it lowers nothing that is stricter, and it
// makes the default destination control where there is none.
func TestPresetWeakensNothing(t *testing.T) {
	s, _ := configtest.Seeded(t)
	l, _ := s.Snapshot().Listener("inbound")
	l.Defaults.TLS = policy.ListenerTLSRequired
	configtest.Commit(t, s, config.Edit{Kind: config.KindListener, Key: "inbound", Value: l}, control(t, "default", policy.TLSRequired))
	if p := fit(t, s); len(p.Recorded) != 1 || p.Recorded[0].Kind != config.KindSettings {
		t.Errorf("%+v", p.Recorded)
	}
	configtest.Commit(t, s, config.Edit{Kind: config.KindDestinationControl, Key: "default"})
	if p := fit(t, s); len(p.Recorded) != 2 || p.Recorded[1].Before != nil {
		t.Errorf("%+v", p.Recorded)
	}
}

func TestPresetGoesIntoADraft(t *testing.T) {
	r := newDraftRig(t)
	if _, err := r.view.Commit(t.Context(), fit(t, r.view).Change); err != nil {
		t.Fatal(err)
	}
	if r.count() != 3 || r.service.Snapshot().Settings.TLS.Enabled || len(fit(t, r.view).Recorded) != 0 {
		t.Errorf("%d edits in the draft", r.count())
	}
}
