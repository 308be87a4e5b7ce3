package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/policy"
)

// A preview says what the commit then does, and does nothing by itself (B69).
func TestPreviewSaysWhatACommitDoes(t *testing.T) {
	s, store := configtest.Seeded(t)
	configtest.Commit(t, s, control(t, "old.example", policy.TLSRequired))
	before := store.Documents()
	edits := []config.Edit{
		control(t, "example.com", policy.TLSRequired),
		{Kind: config.KindDestinationControl, Key: "old.example"},
		{Kind: config.KindListener, Key: "third", Value: policy.Listener{Name: "third", Kind: policy.ListenerPublic, Protocol: policy.ProtocolSMTP, HostName: "a.example", Address: "127.0.0.1", Port: 2525}},
	}

	p, err := s.Preview(t.Context(), config.Change{Edits: edits})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, store.Documents()); diff != "" || s.Snapshot().Revision != 2 || revisions(t, s) != 2 {
		t.Fatalf("the preview wrote something: revision %d\n%s", s.Snapshot().Revision, diff)
	}
	result := configtest.Commit(t, s, edits...)
	recorded, err := s.Revision(t.Context(), result.Revision)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(result, p.Result); diff != "" {
		t.Errorf("the preview's result is another:\n%s", diff)
	}
	if diff := cmp.Diff(recorded.Edits, p.Edits); diff != "" || len(p.Edits) != 4 {
		t.Errorf("the preview's %d edits are others:\n%s", len(p.Edits), diff)
	}
	if c, _ := p.Snapshot.Control("example.com"); *c.TLSLevel != policy.TLSRequired {
		t.Errorf("the previewed snapshot says %s", c.TLSLevel)
	}
}

func TestPreviewRefusesWhatACommitRefuses(t *testing.T) {
	s, _ := configtest.Seeded(t)
	stale := control(t, "default", policy.TLSRequired)
	stale.IfMatch = "other"
	for name, edit := range map[string]config.Edit{
		"precondition": stale,
		"deletion":     {Kind: config.KindRoute, Key: "none.example"},
		"in use":       {Kind: config.KindMailFlowPolicy, Key: "BLOCKED"},
		"fault":        {Kind: config.KindRoute, Key: "ALL", Value: policy.Route{}},
	} {
		_, previewed := s.Preview(t.Context(), config.Change{Edits: []config.Edit{edit}})
		_, committed := s.Commit(t.Context(), config.Change{Edits: []config.Edit{edit}})
		if previewed == nil || committed == nil || previewed.Error() != committed.Error() || domain.KindOf(previewed) != domain.KindOf(committed) {
			t.Errorf("%s: preview %v, commit %v", name, previewed, committed)
		}
	}
}

func TestPreviewOfNothingNew(t *testing.T) {
	s, _ := configtest.Seeded(t)
	configtest.Commit(t, s, control(t, "example.com", policy.TLSRequired))
	p, err := s.Preview(t.Context(), config.Change{Edits: []config.Edit{control(t, "example.com", policy.TLSRequired)}})
	if err != nil || len(p.Edits) != 0 || p.Result.Revision != 2 {
		t.Errorf("%d edits, revision %d, %v", len(p.Edits), p.Result.Revision, err)
	}
}
