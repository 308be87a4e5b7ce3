package persistence

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gorm.io/gorm"

	"postern/domain"
	"postern/domain/config"
)

var testTime = time.Date(2026, 1, 2, 3, 4, 5, 678000, time.UTC)

func testRevision(number int64, edits ...config.RecordedEdit) config.Revision {
	return config.Revision{Number: number, Author: "ada", Comment: fmt.Sprint("comment ", number), At: testTime, Edits: edits}
}

func testDocument(value string) json.RawMessage { return fmt.Appendf(nil, `{"value":%q}`, value) }

func testItem(k config.Kind, key, value string, revision int64) config.Item {
	return config.Item{Kind: k, Key: key, Document: testDocument(value), ETag: config.ETagOf(testDocument(value)), Revision: revision}
}

// commitRoutes makes a revision on a newest one of number-1 that sets values; an
// empty value deletes. It records what was there before.
func commitRoutes(t *testing.T, s *ConfigurationStore, number int64, values map[string]string) {
	t.Helper()
	r := testRevision(number)
	var items []config.Item
	for key, value := range values {
		ref := config.Ref{Kind: config.KindRoute, Key: key}
		before, err := s.Current(t.Context(), []config.Ref{ref})
		if err != nil {
			t.Fatal(err)
		}
		next := config.Item{Kind: ref.Kind, Key: key, Revision: number}
		if value != "" {
			next = testItem(ref.Kind, key, value, number)
		}
		items = append(items, next)
		r.Edits = append(r.Edits, config.RecordedEdit{Kind: ref.Kind, Key: key, Before: before[ref].Document, After: next.Document})
	}
	if err := s.Commit(t.Context(), number-1, r, items); err != nil {
		t.Fatal(err)
	}
}

func loadItems(t *testing.T, s *ConfigurationStore) (items []config.Item, revision int64) {
	t.Helper()
	revision, err := s.Load(t.Context(), func(i config.Item) error {
		items = append(items, i)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return items, revision
}

func TestEmptyConfiguration(t *testing.T) {
	s := openTest(t, t.TempDir()).Configuration()
	if items, revision := loadItems(t, s); len(items) != 0 || revision != 0 {
		t.Errorf("%d items at revision %d", len(items), revision)
	}
	if _, err := s.Revision(t.Context(), 1); domain.KindOf(err) != domain.NotFound {
		t.Errorf("error %v", err)
	}
	if found, err := s.Current(t.Context(), nil); err != nil || len(found) != 0 {
		t.Errorf("found %v, error %v", found, err)
	}
}

func TestCommitWritesReplacesAndDeletes(t *testing.T) {
	s := openTest(t, t.TempDir()).Configuration()
	commitRoutes(t, s, 1, map[string]string{"a.example": "1", "b.example": "1", "c.example": "1"})
	commitRoutes(t, s, 2, map[string]string{"b.example": "2", "c.example": "", "d.example": "2"})
	items, newest := loadItems(t, s)
	want := []config.Item{
		testItem(config.KindRoute, "a.example", "1", 1),
		testItem(config.KindRoute, "b.example", "2", 2),
		testItem(config.KindRoute, "d.example", "2", 2),
	}
	if diff := cmp.Diff(want, items); diff != "" || newest != 2 {
		t.Errorf("revision %d (-want +got):\n%s", newest, diff)
	}
}

func TestCommitOnStaleBaseWritesNothing(t *testing.T) {
	s := openTest(t, t.TempDir()).Configuration()
	commitRoutes(t, s, 1, map[string]string{"a.example": "1"})
	for _, base := range []int64{0, 2} {
		err := s.Commit(t.Context(), base, testRevision(base+1), []config.Item{testItem(config.KindRoute, "a.example", "x", 2)})
		if domain.KindOf(err) != domain.Stale {
			t.Errorf("base %d: error %v, want Stale", base, err)
		}
	}
	items, newest := loadItems(t, s)
	if diff := cmp.Diff([]config.Item{testItem(config.KindRoute, "a.example", "1", 1)}, items); diff != "" || newest != 1 {
		t.Errorf("revision %d (-want +got):\n%s", newest, diff)
	}
}

func TestFailedCommitLeavesNothing(t *testing.T) {
	s := openTest(t, t.TempDir()).Configuration()
	ctx, cancel := context.WithCancel(t.Context())
	err := s.file.write(ctx, func(tx *gorm.DB) error {
		if err := insertRevision(tx, testRevision(1)); err != nil {
			return err
		}
		if err := writeItems(tx, []config.Item{testItem(config.KindRoute, "a.example", "1", 1)}); err != nil {
			return err
		}
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if items, newest := loadItems(t, s); len(items) != 0 || newest != 0 {
		t.Errorf("%d items at revision %d", len(items), newest)
	}
}

func TestItemsArePagedByKey(t *testing.T) {
	s := openTest(t, t.TempDir()).Configuration()
	var items []config.Item
	for i := range 25 {
		items = append(items, testItem(config.KindRoute, fmt.Sprintf("r%02d.example", i), "1", 1))
	}
	items = append(items, testItem(config.KindDomain, "r05.example", "1", 1))
	if err := s.Commit(t.Context(), 0, testRevision(1), items); err != nil {
		t.Fatal(err)
	}
	var got []string
	after := ""
	for {
		page, err := s.Items(t.Context(), config.KindRoute, after, 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, i := range page {
			got = append(got, i.Key)
		}
		after = page[len(page)-1].Key
	}
	var want []string
	for _, i := range items[:25] {
		want = append(want, i.Key)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}

func TestRevisionsAreRecorded(t *testing.T) {
	s := openTest(t, t.TempDir()).Configuration()
	first := config.RecordedEdit{Kind: config.KindRoute, Key: "z.example", After: testDocument("1")}
	second := config.RecordedEdit{Kind: config.KindDomain, Key: "a.example", Before: testDocument("0"), After: testDocument("1")}
	third := config.RecordedEdit{Kind: config.KindRoute, Key: "b.example", Before: testDocument("0")}
	want := testRevision(1, first, second, third)
	if err := s.Commit(t.Context(), 0, want, nil); err != nil {
		t.Fatal(err)
	}
	got, err := s.Revision(t.Context(), 1)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

func TestRevisionsAreListedInOrder(t *testing.T) {
	s := openTest(t, t.TempDir()).Configuration()
	for n := range int64(5) {
		commitRoutes(t, s, n+1, map[string]string{"a.example": fmt.Sprint(n)})
	}
	for _, tc := range []struct {
		q    config.RevisionQuery
		want []int64
	}{
		{config.RevisionQuery{Limit: 10}, []int64{5, 4, 3, 2, 1}},
		{config.RevisionQuery{Limit: 2}, []int64{5, 4}},
		{config.RevisionQuery{Before: 4, Limit: 2}, []int64{3, 2}},
		{config.RevisionQuery{Before: 1, Limit: 2}, nil},
		{config.RevisionQuery{OldestFirst: true, Limit: 2}, []int64{1, 2}},
		{config.RevisionQuery{OldestFirst: true, After: 2, Limit: 2}, []int64{3, 4}},
		{config.RevisionQuery{OldestFirst: true, After: 5, Limit: 2}, nil},
	} {
		list, err := s.Revisions(t.Context(), tc.q)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, r := range list {
			got = append(got, r.Number)
			if r.Edits != nil || r.Author != "ada" || !r.At.Equal(testTime) {
				t.Errorf("listed revision %+v", r)
			}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tc.q, diff)
		}
	}
}

func TestStateAtIsTheFirstEditAfter(t *testing.T) {
	s := openTest(t, t.TempDir()).Configuration()
	commitRoutes(t, s, 1, map[string]string{"kept": "1", "changed": "1", "deleted": "1", "back and forth": "1"})
	commitRoutes(t, s, 2, map[string]string{"changed": "2", "back and forth": "2", "new": "2"})
	commitRoutes(t, s, 3, map[string]string{"changed": "3", "deleted": "", "back and forth": "1"})
	for number, want := range map[int64]map[string]string{
		0: {"kept": "", "changed": "", "deleted": "", "back and forth": "", "new": ""},
		1: {"changed": "1", "back and forth": "1", "new": "", "deleted": "1"},
		2: {"changed": "2", "deleted": "1", "back and forth": "2"},
		3: {},
	} {
		edits, err := s.StateAt(t.Context(), number)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for _, e := range edits {
			var d struct{ Value string }
			if e.Before != nil {
				if err := json.Unmarshal(e.Before, &d); err != nil {
					t.Fatal(err)
				}
			}
			got[e.Key] = d.Value
		}
		if diff := cmp.Diff(want, got); diff != "" || len(edits) != len(want) {
			t.Errorf("at revision %d, %d edits (-want +got):\n%s", number, len(edits), diff)
		}
	}
}

// A bulk of the size that an import has must neither meet a limit of the
// database nor take a query a row.
func TestBulk(t *testing.T) {
	s := openTest(t, t.TempDir()).Configuration()
	const n = 100_000
	r := testRevision(1)
	items := make([]config.Item, n)
	refs := make([]config.Ref, n)
	for i := range n {
		items[i] = testItem(config.KindDestinationControl, fmt.Sprintf("d%06d.example", i), "required", 1)
		refs[i] = config.Ref{Kind: items[i].Kind, Key: items[i].Key}
		r.Edits = append(r.Edits, config.RecordedEdit{Kind: items[i].Kind, Key: items[i].Key, After: items[i].Document})
	}
	if err := s.Commit(t.Context(), 0, r, items); err != nil {
		t.Fatal(err)
	}
	found, err := s.Current(t.Context(), append(refs, config.Ref{Kind: config.KindRoute, Key: "none"}))
	if err != nil || len(found) != n {
		t.Errorf("found %d items, error %v", len(found), err)
	}
	for i := range items {
		items[i].Document = nil
	}
	if err := s.Commit(t.Context(), 1, testRevision(2), items[1:]); err != nil {
		t.Fatal(err)
	}
	if left, newest := loadItems(t, s); len(left) != 1 || newest != 2 {
		t.Errorf("%d items at revision %d", len(left), newest)
	}
}

func TestItemsAreLookedUpByTheirKey(t *testing.T) {
	s := openTest(t, t.TempDir()).Configuration()
	refs := []config.Ref{{Kind: config.KindRoute, Key: "a"}, {Kind: config.KindRoute, Key: "b"}}
	var plan []struct{ Detail string }
	if err := s.file.reader.Raw("EXPLAIN QUERY PLAN SELECT * FROM items WHERE ?", inRefs(refs)).Scan(&plan).Error; err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(plan); !strings.Contains(text, "SEARCH items") || strings.Contains(text, "SCAN items") {
		t.Errorf("plan %s", text)
	}
}

func TestLoadIsOfOneMoment(t *testing.T) {
	s := openTest(t, t.TempDir()).Configuration()
	commitRoutes(t, s, 1, map[string]string{"a.example": "1", "b.example": "1"})
	var seen []string
	newest, err := s.Load(t.Context(), func(i config.Item) error {
		if len(seen) == 0 {
			commitRoutes(t, s, 2, map[string]string{"b.example": "2", "c.example": "2"})
		}
		seen = append(seen, i.Key+string(i.Document))
		return nil
	})
	want := []string{`a.example{"value":"1"}`, `b.example{"value":"1"}`}
	if diff := cmp.Diff(want, seen); diff != "" || newest != 1 || err != nil {
		t.Errorf("revision %d, error %v (-want +got):\n%s", newest, err, diff)
	}
}

func TestLoadStopsWhenItsReaderFails(t *testing.T) {
	s := openTest(t, t.TempDir()).Configuration()
	commitRoutes(t, s, 1, map[string]string{"a.example": "1", "b.example": "1"})
	failure, calls := domain.E(domain.Internal, "not understood"), 0
	_, err := s.Load(t.Context(), func(config.Item) error { calls++; return failure })
	if !errors.Is(err, failure) || calls != 1 {
		t.Errorf("error %v after %d calls", err, calls)
	}
}
