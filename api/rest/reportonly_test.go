package rest

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/reportonly"
)

// reportOnly is two days in memory, and the query that was asked.
type reportOnly struct{ asked reportonly.Query }

func (r *reportOnly) List(_ context.Context, q reportonly.Query) ([]reportonly.Line, error) {
	r.asked = q
	day := func(name string, days int, f reportonly.Figures) reportonly.Line {
		at := noon.Truncate(24*time.Hour).AddDate(0, 0, days)
		return reportonly.Line{Key: reportonly.Key{Rule: reportonly.Rule{Kind: reportonly.ContentFilter, Name: name}, Day: at}, Figures: f}
	}
	list := []reportonly.Line{
		day("big mail", 0, reportonly.Figures{Refused: 3, FirstAt: noon, LastAt: noon, Example: "0CJ2V5Q8XK3ZG", Detail: "reject"}),
		day("big mail", -1, reportonly.Figures{Untold: 1}),
	}
	if q.After != (reportonly.Key{}) {
		list = list[1:]
	}
	return list[:min(len(list), q.Limit)], nil
}

func TestReportOnly(t *testing.T) { // B72
	f := newFixture(t)
	first := decoded[Page[map[string]any]](f.callAs("viewer", "GET", "/api/v1/reports/report-only?limit=1", "").want(http.StatusOK))
	want := []map[string]any{{
		"day": "2026-11-25", "kind": "content_filter", "name": "big mail", "refused": 3.0, "cannot_be_told": 0.0,
		"first_at": "2026-11-25T12:00:00Z", "last_at": "2026-11-25T12:00:00Z", "example": "0CJ2V5Q8XK3ZG", "detail": "reject",
	}}
	if diff := cmp.Diff(want, first.Items); diff != "" {
		t.Errorf("days (-want +got):\n%s", diff)
	}
	second := decoded[Page[map[string]any]](f.call("GET", "/api/v1/reports/report-only?limit=1&cursor="+first.NextCursor, "").want(http.StatusOK))
	if len(second.Items) != 1 || second.NextCursor != "" || second.Items[0]["cannot_be_told"] != 1.0 {
		t.Errorf("%+v", second)
	}
	asked := f.api.reportOnly.(*reportOnly).asked
	if asked.After.Name != "big mail" || asked.After.Kind != reportonly.ContentFilter || !asked.After.Day.Equal(noon.Truncate(24*time.Hour)) {
		t.Errorf("asked for what comes behind %+v", asked.After)
	}
	f.call("GET", "/api/v1/reports/report-only?kind=content_filter&name=x", "").want(http.StatusOK)
	f.call("GET", "/api/v1/reports/report-only?kind=route", "").want(http.StatusBadRequest)
}

// The switch is kept, and refused where there is nothing to report on.
func TestReportOnlyIsConfigured(t *testing.T) {
	f := newFixture(t)
	for path, bodies := range map[string][2]string{
		"/api/v1/destination-controls/partner.example": {`{"tls_level":"required","report_only":true}`, `{"report_only":true}`},
		"/api/v1/mail-flow-policies/TRIAL":             {`{"action":"accept","tls":"required","report_only":true}`, `{"action":"accept","tls":"preferred","report_only":true}`},
	} {
		f.call("PUT", path, bodies[1]).want(http.StatusUnprocessableEntity)
		f.call("PUT", path, bodies[0]).want(http.StatusCreated)
		if shown := decoded[map[string]any](f.call("GET", path, "").want(http.StatusOK)); shown["report_only"] != true {
			t.Errorf("%s: %v", path, shown)
		}
	}
}
