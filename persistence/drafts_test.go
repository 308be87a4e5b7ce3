package persistence

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/config"
)

func testDraft(id string) config.Draft {
	return config.Draft{ID: id, Comment: "move partners to TLS", Author: "ada", CreatedAt: testTime, UpdatedAt: testTime, State: config.DraftOpen}
}

func testDraftEdit(key, value string) config.DraftEdit {
	return config.DraftEdit{Kind: config.KindRoute, Key: key, Base: "base of " + key, After: testDocument(value)}
}

func putDraft(t *testing.T, s *ConfigurationStore, d config.Draft, edits ...config.DraftEdit) {
	t.Helper()
	if err := s.PutDraft(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if err := s.EditDraft(t.Context(), d.ID, testTime, edits, nil); err != nil {
		t.Fatal(err)
	}
}

func draftEdits(t *testing.T, s *ConfigurationStore, id string, q config.DraftEditQuery) []config.DraftEdit {
	t.Helper()
	edits, err := s.DraftEdits(t.Context(), id, q)
	if err != nil {
		t.Fatal(err)
	}
	return edits
}

func wantDraft(t *testing.T, s *ConfigurationStore, want config.Draft) {
	t.Helper()
	got, err := s.Draft(t.Context(), want.ID)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

func TestDraftsAreKept(t *testing.T) {
	dir := t.TempDir()
	d := openTest(t, dir)
	s := d.Configuration()
	gone := config.DraftEdit{Kind: config.KindRoute, Key: "gone.example", Base: "x"}
	putDraft(t, s, testDraft("1"), testDraftEdit("b.example", "1"), testDraftEdit("a.example", "1"), gone)
	putDraft(t, s, testDraft("2"), testDraftEdit("other.example", "1"))
	changed := testDraft("1")
	changed.Comment = "another"
	if err := s.PutDraft(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	later := testTime.Add(time.Minute)
	again := testDraftEdit("a.example", "2")
	if err := s.EditDraft(t.Context(), "1", later, []config.DraftEdit{again}, []config.Ref{{Kind: config.KindRoute, Key: "b.example"}}); err != nil {
		t.Fatal(err)
	}

	s = openTest(t, crashCopy(t, d)).Configuration()
	changed.Edits, changed.UpdatedAt = 2, later
	wantDraft(t, s, changed)
	if diff := cmp.Diff([]config.DraftEdit{again, gone}, draftEdits(t, s, "1", config.DraftEditQuery{})); diff != "" {
		t.Errorf("edits (-want +got):\n%s", diff)
	}
	_, err := s.Draft(t.Context(), "none")
	if domain.KindOf(err) != domain.NotFound {
		t.Errorf("no such draft: %v", err)
	}
	if err := s.EditDraft(t.Context(), "none", later, []config.DraftEdit{again}, nil); domain.KindOf(err) != domain.Conflict {
		t.Errorf("an edit of no draft: %v", err)
	}
}

func TestDraftsAreSelected(t *testing.T) {
	s := openTest(t, t.TempDir()).Configuration()
	for id, state := range map[string]config.DraftState{"1": config.DraftOpen, "2": config.DraftDiscarded, "3": config.DraftOpen, "4": config.DraftCommitted} {
		d := testDraft(id)
		d.State = state
		if err := s.PutDraft(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		q    config.DraftQuery
		want []string
	}{
		{config.DraftQuery{Limit: 9}, []string{"4", "3", "2", "1"}},
		{config.DraftQuery{Limit: 2, Before: "4"}, []string{"3", "2"}},
		{config.DraftQuery{Limit: 9, State: config.DraftOpen}, []string{"3", "1"}},
		{config.DraftQuery{Limit: 1, State: config.DraftOpen, Before: "3"}, []string{"1"}},
	} {
		list, err := s.Drafts(t.Context(), tc.q)
		var ids []string
		for _, d := range list {
			ids = append(ids, d.ID)
		}
		if diff := cmp.Diff(tc.want, ids); diff != "" || err != nil {
			t.Errorf("%+v: error %v\n%s", tc.q, err, diff)
		}
	}
}

func TestDraftEditsAreSelected(t *testing.T) {
	s := openTest(t, t.TempDir()).Configuration()
	var edits []config.DraftEdit
	var refs []config.Ref
	for i := range 1200 { // more than one statement takes
		e := testDraftEdit(fmt.Sprintf("%04d.example", i), "1")
		edits, refs = append(edits, e), append(refs, e.Ref())
	}
	host := config.DraftEdit{Kind: config.KindDomain, Key: "0000.example", After: testDocument("1")}
	putDraft(t, s, testDraft("1"), slices.Concat(edits, []config.DraftEdit{host})...)
	for name, tc := range map[string]struct {
		q    config.DraftEditQuery
		want []config.DraftEdit
	}{
		"all":        {config.DraftEditQuery{}, slices.Concat([]config.DraftEdit{host}, edits)},
		"page":       {config.DraftEditQuery{Kind: config.KindRoute, After: "0009.example", Limit: 3}, edits[10:13]},
		"named":      {config.DraftEditQuery{Refs: refs[:1100]}, edits[:1100]},
		"none named": {config.DraftEditQuery{Refs: []config.Ref{}}, []config.DraftEdit{}},
		"not there":  {config.DraftEditQuery{Refs: []config.Ref{{Kind: config.KindRoute, Key: "x"}}}, []config.DraftEdit{}},
	} {
		if diff := cmp.Diff(tc.want, draftEdits(t, s, "1", tc.q)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A revision and the end of its draft are one transaction: there is no crash after
// which a draft is committed and open.
func TestCommitEndsItsDraft(t *testing.T) {
	d := openTest(t, t.TempDir())
	s := d.Configuration()
	putDraft(t, s, testDraft("1"), testDraftEdit("a.example", "1"))
	r := testRevision(1)
	r.Draft = "1"
	if err := s.Commit(t.Context(), 9, r, nil); domain.KindOf(err) != domain.Stale {
		t.Fatalf("on another base: %v", err)
	}
	open := testDraft("1")
	open.Edits = 1
	wantDraft(t, s, open)

	if err := s.Commit(t.Context(), 0, r, nil); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, crashCopy(t, d)).Configuration()
	committed := testDraft("1")
	committed.State, committed.Revision, committed.UpdatedAt = config.DraftCommitted, 1, r.At
	wantDraft(t, s, committed)
	if edits := draftEdits(t, s, "1", config.DraftEditQuery{}); len(edits) != 0 {
		t.Errorf("%d edits are left", len(edits))
	}
	second := testRevision(2)
	second.Draft = "1"
	if err := s.Commit(t.Context(), 1, second, nil); domain.KindOf(err) != domain.Conflict {
		t.Errorf("the same draft again: %v", err)
	}
	if list, err := s.Revisions(t.Context(), config.RevisionQuery{Limit: 9}); err != nil || len(list) != 1 || list[0].Draft != "1" {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestConfirmationsAreKept(t *testing.T) {
	d := openTest(t, t.TempDir())
	s := d.Configuration()
	commit := func(number int64, alter func(*config.Revision)) error {
		r := testRevision(number)
		alter(&r)
		return s.Commit(t.Context(), number-1, r, nil)
	}
	waits := func(r *config.Revision) {
		r.Confirmation = &config.Confirmation{By: testTime.Add(time.Minute), State: config.ConfirmationPending}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pending := func() (numbers []int64) {
		list, err := s.Revisions(t.Context(), config.RevisionQuery{Confirmation: config.ConfirmationPending, Limit: 9})
		must(err)
		for _, r := range list {
			numbers = append(numbers, r.Number)
		}
		return numbers
	}
	must(commit(1, waits))
	if err := commit(2, waits); domain.KindOf(err) != domain.Conflict {
		t.Errorf("a second one that waits: %v", err)
	}
	s = openTest(t, crashCopy(t, d)).Configuration()
	if diff := cmp.Diff([]int64{1}, pending()); diff != "" {
		t.Error(diff)
	}
	must(s.Confirm(t.Context(), 1, "grace", time.Now()))
	if err := s.Confirm(t.Context(), 1, "grace", time.Now()); domain.KindOf(err) != domain.Conflict {
		t.Errorf("confirmed twice: %v", err)
	}
	must(commit(2, waits))
	must(commit(3, func(r *config.Revision) { r.Reverts = 2 }))
	if err := commit(4, func(r *config.Revision) { r.Reverts = 2 }); domain.KindOf(err) != domain.Conflict {
		t.Errorf("reverted twice: %v", err)
	}
	if len(pending()) != 0 {
		t.Errorf("revisions %v still wait", pending())
	}
	by := testTime.Add(time.Minute)
	for number, want := range map[int64]*config.Confirmation{
		1: {By: by, State: config.ConfirmationConfirmed, SettledBy: "grace"},
		2: {By: by, State: config.ConfirmationReverted, RevertedIn: 3},
		3: nil,
	} {
		r, err := s.Revision(t.Context(), number)
		must(err)
		if diff := cmp.Diff(want, r.Confirmation); diff != "" {
			t.Errorf("revision %d (-want +got):\n%s", number, diff)
		}
	}
}

func TestRevisionsAreFiltered(t *testing.T) {
	s := openTest(t, t.TempDir()).Configuration()
	route := config.RecordedEdit{Kind: config.KindRoute, Key: "a.example", After: testDocument("1")}
	hosted := config.RecordedEdit{Kind: config.KindDomain, Key: "a.example", After: testDocument("1")}
	for i, edit := range []config.RecordedEdit{route, hosted, route} {
		r := testRevision(int64(i+1), edit)
		r.At = testTime.Add(time.Duration(i) * time.Hour)
		r.Author, r.Comment = []string{"ada", "grace", "ada"}[i], []string{"100% TLS", "a_b", "back to 100 connections"}[i]
		if err := s.Commit(t.Context(), int64(i), r, nil); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		q    config.RevisionQuery
		want []int64
	}{
		"author":          {config.RevisionQuery{Author: "ada"}, []int64{3, 1}},
		"kind":            {config.RevisionQuery{Kind: config.KindDomain}, []int64{2}},
		"key":             {config.RevisionQuery{Key: "a.example"}, []int64{3, 2, 1}},
		"kind and key":    {config.RevisionQuery{Kind: config.KindRoute, Key: "a.example", Before: 3}, []int64{1}},
		"since":           {config.RevisionQuery{Since: testTime.Add(time.Hour)}, []int64{3, 2}},
		"until":           {config.RevisionQuery{Until: testTime.Add(time.Hour)}, []int64{1}},
		"comment":         {config.RevisionQuery{Comment: "tls"}, []int64{1}},
		"comment percent": {config.RevisionQuery{Comment: "100%"}, []int64{1}},
		"comment line":    {config.RevisionQuery{Comment: "a_b"}, []int64{2}},
		"nothing":         {config.RevisionQuery{Author: "ada", Kind: config.KindDomain}, nil},
	} {
		tc.q.Limit = 9
		list, err := s.Revisions(t.Context(), tc.q)
		var got []int64
		for _, r := range list {
			got = append(got, r.Number)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
			t.Errorf("%s: error %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestLastEdits(t *testing.T) {
	s := openTest(t, t.TempDir()).Configuration()
	commitRoutes(t, s, 1, map[string]string{"kept": "1", "changed": "1", "deleted": "1"})
	commitRoutes(t, s, 2, map[string]string{"changed": "2"})
	commitRoutes(t, s, 3, map[string]string{"deleted": ""})
	refs := []config.Ref{{Kind: config.KindDomain, Key: "kept"}}
	for i := range 600 { // more than one statement takes
		refs = append(refs, config.Ref{Kind: config.KindRoute, Key: fmt.Sprint(i)})
	}
	for _, key := range []string{"kept", "changed", "deleted"} {
		refs = append(refs, config.Ref{Kind: config.KindRoute, Key: key})
	}
	found, err := s.LastEdits(t.Context(), refs)
	got := map[string]int64{}
	for ref, r := range found {
		got[ref.Key] = r.Number
		if r.Author != "ada" || r.Edits != nil {
			t.Errorf("%+v", r)
		}
	}
	if diff := cmp.Diff(map[string]int64{"kept": 1, "changed": 2, "deleted": 3}, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

// Drafts that are over are forgotten in time, however many; open ones never.
func TestEndedDraftsAreForgotten(t *testing.T) {
	s := openTest(t, t.TempDir()).Configuration()
	putDraft(t, s, testDraft("open"), testDraftEdit("a.example", "1"))
	end := func(id string, state config.DraftState, at time.Time) {
		d := testDraft(id)
		d.State, d.UpdatedAt = state, at
		if err := s.PutDraft(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	for i := range draftPruneBatch + 1 {
		end(fmt.Sprintf("discarded-%04d", i), config.DraftDiscarded, testTime)
	}
	end("late", config.DraftCommitted, testTime.Add(time.Hour))
	if err := s.PruneDrafts(t.Context(), testTime.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	left, err := s.Drafts(t.Context(), config.DraftQuery{Limit: 10})
	if err != nil || len(left) != 2 || left[0].ID != "open" || left[0].Edits != 1 || left[1].ID != "late" {
		t.Errorf("left are %+v, %v", left, err)
	}
}
