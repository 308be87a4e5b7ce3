package config_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

func control(t *testing.T, pattern string, level policy.TLSLevel) config.Edit {
	t.Helper()
	p, err := mailaddr.ParseHostPattern(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return config.Edit{Kind: config.KindDestinationControl, Key: pattern, Value: policy.DestinationControl{Pattern: p, TLSLevel: &level}}
}

func revisions(t *testing.T, s *config.Service) int {
	t.Helper()
	list, err := s.Revisions(t.Context(), config.RevisionQuery{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func level(s *config.Service, name mailaddr.DomainName) policy.TLSLevel {
	c, _ := s.Snapshot().Control(name)
	return *c.TLSLevel
}

func TestSeedMakesRevisionOneOnce(t *testing.T) {
	s, _ := configtest.Seeded(t)
	if err := s.Seed(t.Context(), config.Seed{HostName: "other.example.com"}); err != nil {
		t.Fatal(err)
	}
	if revisions(t, s) != 1 || s.Snapshot().Revision != 1 {
		t.Fatalf("revisions %d, snapshot at %d, want 1 and 1", revisions(t, s), s.Snapshot().Revision)
	}
	table, _ := s.Snapshot().HostAccessTable("inbound")
	var names []string
	for _, g := range table.Groups {
		names = append(names, g.Name)
	}
	if diff := cmp.Diff([]string{"ALLOWLIST", "BLOCKLIST", "SUSPECTLIST", "UNKNOWNLIST", "ALL"}, names); diff != "" {
		t.Errorf("sender groups of a seeded public listener (B12):\n%s", diff)
	}
}

// A data directory of an earlier version lacks sections that came later.
func TestSeedAddsSectionsOfANewerVersion(t *testing.T) {
	s, store := configtest.Seeded(t)
	store.Remove(config.Ref{Kind: config.KindSettings, Key: config.SectionQueue})
	configtest.Commit(t, s, control(t, "example.com", policy.TLSRequired))
	if err := s.Seed(t.Context(), config.Seed{HostName: "other.example.com"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Get(t.Context(), config.KindSettings, config.SectionQueue); err != nil {
		t.Error(err)
	}
	if n := revisions(t, s); n != 3 {
		t.Errorf("%d revisions, want 3", n)
	}
	if got := s.Snapshot().Settings.Outbound.HostName; got != "mail.example.com" {
		t.Errorf("an existing section was overwritten: %s", got)
	}
}

func TestCommitIsSeenAtOnceAndRecorded(t *testing.T) {
	s, _ := configtest.Seeded(t)
	before := s.Snapshot()
	result := configtest.Commit(t, s, control(t, "example.com", policy.TLSRequired))
	if got := level(s, "example.com"); got != policy.TLSRequired {
		t.Errorf("level %s after the commit", got)
	}
	if c, _ := before.Control("example.com"); *c.TLSLevel != policy.TLSNone {
		t.Error("the snapshot before changed")
	}
	r, err := s.Revision(t.Context(), result.Revision)
	if err != nil {
		t.Fatal(err)
	}
	if r.Author != "test" || len(r.Edits) != 1 || r.Edits[0].Before != nil || r.Edits[0].After == nil {
		t.Errorf("recorded revision %d by %s with %d edits", r.Number, r.Author, len(r.Edits))
	}
}

func TestCommitOfNothingNewMakesNoRevision(t *testing.T) {
	s, _ := configtest.Seeded(t)
	first := configtest.Commit(t, s, control(t, "example.com", policy.TLSRequired))
	second := configtest.Commit(t, s, control(t, "example.com", policy.TLSRequired))
	if revisions(t, s) != 2 || second.Revision != first.Revision || second.Items[0].ETag != first.Items[0].ETag {
		t.Errorf("a repeated write made revision %d", second.Revision)
	}
}

func TestCommitReportsAllFaultsAndChangesNothing(t *testing.T) {
	s, _ := configtest.Seeded(t)
	bad := policy.MailFlowPolicy{Name: "no spaces", Action: "bogus"}
	bad.RecipientsPerMessage = -1
	_, err := s.Commit(t.Context(), config.Change{Edits: []config.Edit{
		{Kind: config.KindMailFlowPolicy, Key: "no spaces", Value: bad, At: "/0"},
		{Kind: config.KindRoute, Key: "ALL", Value: policy.Route{}, At: "/1"},
	}})
	var e *domain.Error
	if !errors.As(err, &e) || e.Kind != domain.Invalid {
		t.Fatalf("error %v, want Invalid", err)
	}
	var pointers []string
	for _, f := range e.Faults {
		pointers = append(pointers, f.Pointer)
	}
	want := []string{"/0/name", "/0/action", "/0/recipients_per_message", "/1/next_hops", "/1"}
	if diff := cmp.Diff(want, pointers); diff != "" {
		t.Errorf("pointers:\n%s", diff)
	}
	if revisions(t, s) != 1 {
		t.Error("an invalid change was committed")
	}
}

func TestReferencesAreChecked(t *testing.T) {
	s, _ := configtest.Seeded(t)
	listener := policy.Listener{Name: "third", Kind: "public", Protocol: "smtp", HostName: "a.example", Address: "127.0.0.1", Port: 2525, CertificateID: "missing"}
	taken := listener
	taken.Name, taken.CertificateID = "second", ""
	configtest.Commit(t, s, config.Edit{Kind: config.KindListener, Key: "second", Value: taken})
	table := config.SeededAccess(listener)
	table.Groups[0].Policy = "NOWHERE"
	for name, tc := range map[string]struct {
		edits []config.Edit
		kind  domain.Kind
		part  string
	}{
		"taken port and missing certificate": {[]config.Edit{{Kind: config.KindListener, Key: "third", Value: listener}}, domain.Invalid, "/port"},
		"missing policy":                     {[]config.Edit{{Kind: config.KindHostAccessTable, Key: "inbound", Value: withListener(table, "inbound")}}, domain.Invalid, "NOWHERE"},
		"policy in use":                      {[]config.Edit{{Kind: config.KindMailFlowPolicy, Key: "BLOCKED"}}, domain.Conflict, "BLOCKLIST"},
		"table of a listener":                {[]config.Edit{{Kind: config.KindHostAccessTable, Key: "inbound"}}, domain.Conflict, "delete the listener"},
		"deletion of nothing":                {[]config.Edit{{Kind: config.KindRoute, Key: "example.com"}}, domain.NotFound, "example.com"},
		"settings deleted":                   {[]config.Edit{{Kind: config.KindSettings, Key: config.SectionTLS}}, domain.Invalid, "default values"},
		"unknown section":                    {[]config.Edit{{Kind: config.KindSettings, Key: "nonsense", Value: policy.DefaultTLSSettings()}}, domain.Invalid, "nonsense"},
		"other key":                          {[]config.Edit{{Kind: config.KindDestinationControl, Key: "a.example", Value: control(t, "b.example", 1).Value}}, domain.Invalid, "b.example"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Commit(t.Context(), config.Change{Edits: tc.edits})
			if domain.KindOf(err) != tc.kind || !strings.Contains(fmt.Sprint(err), tc.part) {
				t.Errorf("error %v (%s), want %s naming %q", err, domain.KindOf(err), tc.kind, tc.part)
			}
		})
	}
}

func withListener(t policy.HostAccessTable, name string) policy.HostAccessTable {
	t.Listener = name
	return t
}

func TestMasterSwitchNeedsUsableCertificate(t *testing.T) { // B1
	on := config.Edit{Kind: config.KindSettings, Key: config.SectionTLS, Value: policy.TLSSettings{Enabled: true, MinVersion: 0x0303}}
	for active, want := range map[string]string{"good": "", "demonstration": "warning", "none": "fault"} {
		store := new(configtest.Memory)
		s := configtest.Service(t, store, configtest.Certificates{Active: active})
		result, err := s.Commit(t.Context(), config.Change{Edits: []config.Edit{on}})
		got := ""
		switch {
		case domain.KindOf(err) == domain.Invalid && err != nil:
			got = "fault"
		case len(result.Warnings) > 0:
			got = "warning"
		}
		if got != want {
			t.Errorf("active certificate %q: %q (%v), want %q", active, got, err, want)
		}
	}
}

func TestPreconditions(t *testing.T) {
	s, _ := configtest.Seeded(t)
	tag := configtest.Commit(t, s, control(t, "example.com", policy.TLSRequired)).Items[0].ETag
	try := func(change func(*config.Edit)) domain.Kind {
		e := control(t, "example.com", policy.TLSPreferred)
		change(&e)
		_, err := s.Commit(t.Context(), config.Change{Edits: []config.Edit{e}})
		if err == nil {
			return 255
		}
		return domain.KindOf(err)
	}
	if got := try(func(e *config.Edit) { e.IfMatch = "other" }); got != domain.Stale {
		t.Errorf("wrong entity tag: %s", got)
	}
	if got := try(func(e *config.Edit) { e.IfNoneMatch = true }); got != domain.Stale {
		t.Errorf("create of what exists: %s", got)
	}
	if got := try(func(e *config.Edit) { e.Key = "new.example"; e.IfMatch = "*" }); got != domain.Stale {
		t.Errorf("update of what does not exist: %s", got)
	}
	if got := try(func(e *config.Edit) { e.IfMatch = tag }); got != 255 {
		t.Errorf("right entity tag: %s", got)
	}
}

func TestNoLostUpdate(t *testing.T) {
	s, _ := configtest.Seeded(t)
	read := func() (policy.DestinationControl, string) {
		item, v, err := s.Get(t.Context(), config.KindDestinationControl, "default")
		if err != nil {
			t.Error(err)
		}
		return v.(policy.DestinationControl), item.ETag
	}
	var writers sync.WaitGroup
	const each = 20
	for range 10 {
		writers.Go(func() {
			for done := 0; done < each; {
				value, tag := read()
				value.MaxConnections++
				_, err := s.Commit(context.Background(), config.Change{Edits: []config.Edit{{Kind: config.KindDestinationControl, Key: "default", Value: value, IfMatch: tag}}})
				if err == nil {
					done++
				} else if domain.KindOf(err) != domain.Stale {
					t.Error(err)
					return
				}
			}
		})
	}
	writers.Wait()
	if value, _ := read(); value.MaxConnections != 10*each {
		t.Errorf("%d increments counted, want %d", value.MaxConnections, 10*each)
	}
}

func TestRollbackRestoresEveryItem(t *testing.T) {
	s, store := configtest.Seeded(t)
	configtest.Commit(t, s, control(t, "kept.example", policy.TLSRequired))
	at := configtest.Commit(t, s, control(t, "changed.example", policy.TLSRequired)).Revision
	want := store.Documents()
	configtest.Commit(t, s, control(t, "changed.example", policy.TLSNone))
	configtest.Commit(t, s, control(t, "new.example", policy.TLSNone))
	configtest.Commit(t, s, config.Edit{Kind: config.KindDestinationControl, Key: "kept.example"})
	configtest.Commit(t, s, config.Edit{Kind: config.KindDestinationControl, Key: "new.example"})
	configtest.Commit(t, s, control(t, "another.example", policy.TLSNone))

	result, err := s.Rollback(t.Context(), at, config.Act{Author: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, store.Documents()); diff != "" {
		t.Errorf("documents after the roll back:\n%s", diff)
	}
	if got := level(s, "changed.example"); got != policy.TLSRequired {
		t.Errorf("snapshot says %s", got)
	}
	if _, err := s.Rollback(t.Context(), result.Revision+1, config.Act{Author: "test"}); domain.KindOf(err) != domain.NotFound {
		t.Errorf("roll back to the future: %v", err)
	}
}

func TestFailedCommitLeavesTheOldConfiguration(t *testing.T) {
	s, store := configtest.Seeded(t)
	store.FailNext(errors.New("disk full"))
	_, err := s.Commit(t.Context(), config.Change{Edits: []config.Edit{control(t, "example.com", policy.TLSRequired)}})
	if err == nil || level(s, "example.com") != policy.TLSNone || s.Snapshot().Revision != 1 {
		t.Errorf("after a failed commit: error %v, level %s, revision %d", err, level(s, "example.com"), s.Snapshot().Revision)
	}
}

// A commit whose success the store could not report has taken effect: state is
// the truth.
func TestCommitOfUnknownOutcomeIsReadBack(t *testing.T) {
	s, store := configtest.Seeded(t)
	store.LoseNext(errors.New("connection lost"))
	_, err := s.Commit(t.Context(), config.Change{Edits: []config.Edit{control(t, "example.com", policy.TLSRequired)}})
	if err == nil || level(s, "example.com") != policy.TLSRequired || s.Snapshot().Revision != 2 {
		t.Errorf("error %v, level %s, revision %d", err, level(s, "example.com"), s.Snapshot().Revision)
	}
}

func TestRestartFindsWhatWasCommitted(t *testing.T) {
	s, store := configtest.Seeded(t)
	configtest.Commit(t, s, control(t, "example.com", policy.TLSRequiredVerify))
	again := configtest.Service(t, store, configtest.Certificates{Active: "good"})
	if got := level(again, "example.com"); got != policy.TLSRequiredVerify || again.Snapshot().Revision != 2 {
		t.Errorf("after a restart: %s at revision %d", got, again.Snapshot().Revision)
	}
}

func TestListenersAndTheirTablesComeAndGoTogether(t *testing.T) {
	s, _ := configtest.Seeded(t)
	l := policy.Listener{Name: "third", Kind: policy.ListenerPublic, Protocol: policy.ProtocolSMTP, HostName: "a.example", Address: "127.0.0.1", Port: 2526}
	configtest.Commit(t, s, config.Edit{Kind: config.KindListener, Key: "third", Value: l})
	if _, ok := s.Snapshot().Access("third"); !ok {
		t.Error("a new listener has no host access table")
	}
	configtest.Commit(t, s, config.Edit{Kind: config.KindListener, Key: "third"})
	if _, ok := s.Snapshot().Access("third"); ok {
		t.Error("the table of a deleted listener is still there")
	}
}

func TestWaitApplied(t *testing.T) {
	s, _ := configtest.Seeded(t)
	s.ReportProblems([]config.Problem{{Part: "listener inbound", Detail: "address in use"}})
	if status := s.Status(); status.Applied != 0 || status.Committed != 1 || len(status.Problems) != 1 {
		t.Errorf("status %+v", status)
	}
	go s.ReportApplied(1)
	if err := s.WaitApplied(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if status := s.Status(); status.Applied != 1 || len(status.Problems) != 0 {
		t.Errorf("status %+v", status)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.WaitApplied(ended, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for what does not come: %v", err)
	}
}

// Every kind's value survives being stored: a document read back and written
// again is the same document.
func TestDocumentsRoundTrip(t *testing.T) {
	_, store := configtest.Seeded(t)
	for ref, document := range store.Documents() {
		v, err := config.Decode(config.Item{Kind: ref.Kind, Key: ref.Key, Document: []byte(document)})
		if err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(v)
		if err != nil || string(again) != document {
			t.Errorf("%v: %s read and written is %s (%v)", ref, document, again, err)
		}
	}
}
