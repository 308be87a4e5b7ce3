package persistence

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/job"
)

func TestJobsAreKeptWhole(t *testing.T) {
	dir := t.TempDir()
	at := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	want := job.Job{
		ID: "1", Kind: "impact", Subject: "d1", State: job.Failed, Author: "anna", Count: job.Count{Done: 1, Total: 2, Unit: "rows"},
		Steps: []job.Step{{At: at, Text: "begun"}}, Result: json.RawMessage(`{"a":1}`),
		Problem:   &job.Problem{Kind: domain.Invalid, Detail: "bad", Faults: domain.Faults{{Pointer: "/a", Message: "b"}}},
		CreatedAt: at, StartedAt: &at, FinishedAt: new(at.Add(time.Second)),
	}
	d, err := tryOpen(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Jobs().Save(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	closeTest(t, d)
	got, err := openTest(t, dir).Jobs().Get(t.Context(), "1")
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestJobsAreFoundAndForgotten(t *testing.T) {
	jobs := openTest(t, t.TempDir()).Jobs()
	at := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	for i := range 6 {
		j := job.Job{ID: fmt.Sprint(i), Kind: "k", State: job.Succeeded, CreatedAt: at, FinishedAt: new(at.Add(time.Duration(i) * time.Hour))}
		if i == 1 {
			j.State, j.FinishedAt, j.Kind = job.Running, nil, "other"
		}
		if i == 2 || i == 4 {
			j.Subject = "d1"
		}
		if err := jobs.Save(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
	list := func(q job.Query) string {
		found, err := jobs.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		return jobIDs(found)
	}
	for want, q := range map[string]job.Query{
		"5 4 ": {Limit: 2}, "3 2 ": {Before: "4", Limit: 2}, "1 ": {State: job.Running, Limit: 9}, "5 4 3 2 0 ": {Kind: "k", Limit: 9},
		"0 1 ": {OldestFirst: true, Limit: 2}, "2 3 ": {OldestFirst: true, After: "1", Limit: 2},
		"4 2 ": {Kind: "k", Subject: "d1", Limit: 9}, "": {Subject: "d2", Limit: 9},
	} {
		if got := list(q); got != want {
			t.Errorf("%+v: %s, want %s", q, got, want)
		}
	}
	if left, err := jobs.Unfinished(t.Context()); err != nil || jobIDs(left) != "1 " {
		t.Errorf("%v %v", left, err)
	}
	if err := jobs.Prune(t.Context(), at.Add(time.Hour), 3); err != nil {
		t.Fatal(err)
	}
	if got := list(job.Query{Limit: 9}); got != "5 4 3 1 " {
		t.Errorf("left: %s", got)
	}
	if _, err := jobs.Get(t.Context(), "0"); domain.KindOf(err) != domain.NotFound {
		t.Errorf("%v", err)
	}
}

func jobIDs(jobs []job.Job) (ids string) {
	for _, j := range jobs {
		ids += j.ID + " "
	}
	return ids
}
