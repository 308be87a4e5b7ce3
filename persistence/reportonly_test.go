package persistence

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/reportonly"
)

func TestReportOnlyFiguresAddUp(t *testing.T) { // B72
	q := newMail(t)
	today := noon.Truncate(24 * time.Hour)
	key := func(days int, kind reportonly.Kind, name string) reportonly.Key {
		return reportonly.Key{Rule: reportonly.Rule{Kind: kind, Name: name}, Day: today.AddDate(0, 0, days)}
	}
	at := func(minutes int, example string) reportonly.Figures {
		moment := noon.Add(time.Duration(minutes) * time.Minute)
		return reportonly.Figures{Refused: 1, FirstAt: moment, LastAt: moment, Example: example, Detail: "because of " + example}
	}
	add := func(k reportonly.Key, f reportonly.Figures) {
		t.Helper()
		if err := q.AddReportOnly(t.Context(), map[reportonly.Key]reportonly.Figures{k: f}); err != nil {
			t.Fatal(err)
		}
	}
	a, b, old := key(0, reportonly.ContentFilter, "a"), key(0, reportonly.DestinationControl, "b"), key(-3, reportonly.ContentFilter, "a")
	add(a, reportonly.Figures{Untold: 2})
	add(a, at(5, "second"))
	add(a, at(1, "first")) // comes late
	add(b, at(2, "b"))
	add(old, at(-3*24*60, "old"))
	list := func(query reportonly.Query) []reportonly.Line {
		t.Helper()
		query.Limit = max(query.Limit, 1)
		lines, err := q.ReportOnly(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		return lines
	}
	sum := at(5, "second")
	sum.Refused, sum.Untold, sum.FirstAt = 2, 2, noon.Add(time.Minute)
	all := []reportonly.Line{{Key: a, Figures: sum}, {Key: b, Figures: at(2, "b")}, {Key: old, Figures: at(-3*24*60, "old")}}
	for i, tt := range []struct {
		query reportonly.Query
		want  []reportonly.Line
	}{
		{reportonly.Query{Limit: 9}, all},
		{reportonly.Query{Limit: 1}, all[:1]},
		{reportonly.Query{Limit: 9, After: a}, all[1:]},
		{reportonly.Query{Limit: 9, After: b}, all[2:]},
		{reportonly.Query{Limit: 9, Kind: reportonly.DestinationControl}, all[1:2]},
		{reportonly.Query{Limit: 9, Name: "a"}, []reportonly.Line{all[0], all[2]}},
	} {
		if diff := cmp.Diff(tt.want, list(tt.query)); diff != "" {
			t.Errorf("query %d (-want +got):\n%s", i, diff)
		}
	}
	if _, err := q.Prune(t.Context(), noon.Add(-24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all[:2], list(reportonly.Query{Limit: 9})); diff != "" {
		t.Errorf("after the old days are forgotten (-want +got):\n%s", diff)
	}
}
