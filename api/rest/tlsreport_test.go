package rest

import (
	"context"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/tlsreport"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// reports answers every query from summaries in memory, and remembers it.
type reports struct {
	mu    sync.Mutex
	items []tlsreport.Summary
	asked tlsreport.Query
}

func newReports() *reports {
	return &reports{items: []tlsreport.Summary{
		{Direction: tlsreport.Incoming, Group: "a.example", PreferredSuccess: 7, Unencrypted: 3, MessagesEncrypted: 9, MessagesUnencrypted: 2},
		{Direction: tlsreport.Outgoing, Group: "a.example", RequiredSuccess: 4, RequiredFailed: 2, MessagesEncrypted: 11},
		{Direction: tlsreport.Outgoing, Group: "b.example", PreferredFailed: 1},
	}}
}

func (r *reports) Report(_ context.Context, q tlsreport.Query, limit int) (tlsreport.Report, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = q
	report := tlsreport.Report{Totals: []tlsreport.Summary{{Direction: tlsreport.Incoming}, {Direction: tlsreport.Outgoing}}}
	for _, s := range r.items {
		after := q.After == tlsreport.Place{} || s.Group > q.After.Group || s.Group == q.After.Group && s.Direction > q.After.Direction
		if after && len(report.Items) == limit {
			report.More = true
		} else if after {
			report.Items = append(report.Items, s)
		}
	}
	return report, nil
}

const reportPath = "/api/v1/reports/tls-connections"

func TestTLSConnectionsReport(t *testing.T) { // B66
	f := newFixture(t)
	got := decoded[TLSConnectionsReport](f.callAs("viewer", "GET", reportPath+"?to=2026-11-25T10:20:00Z", "").want(http.StatusOK))
	if len(got.Items) != 3 || len(got.Totals) != 2 || got.NextCursor != "" || got.GroupBy != tlsreport.ByDomain {
		t.Fatalf("%+v", got)
	}
	// Whole hours are counted.
	if from, to := got.From.Format(time.RFC3339), got.To.Format(time.RFC3339); from != "2026-11-18T11:00:00Z" || to != "2026-11-25T11:00:00Z" {
		t.Errorf("from %s to %s", from, to)
	}
	share, group := 70.0, "a.example"
	want := TLSConnections{
		Direction: tlsreport.Incoming, Group: &group, Connections: 10, Attempts: 7, PreferredSuccess: 7, Unencrypted: 3,
		EncryptedPercentage: &share, MessagesEncrypted: 9, MessagesUnencrypted: 2,
	}
	if diff := cmp.Diff(want, got.Items[0]); diff != "" {
		t.Errorf("the first item (-want +got):\n%s", diff)
	}
	if got.Totals[0].EncryptedPercentage != nil || got.Totals[0].Group != nil {
		t.Errorf("a total without connections: %+v", got.Totals[0])
	}
}

func TestTLSConnectionsReportInPages(t *testing.T) {
	f := newFixture(t)
	var groups []string
	path := reportPath + "?limit=1&to=2026-11-25T10:00:00Z"
	for path != "" {
		a := f.call("GET", path, "").want(http.StatusOK)
		for _, item := range decoded[TLSConnectionsReport](a).Items {
			groups = append(groups, *item.Group+" "+string(item.Direction))
		}
		path, _, _ = strings.Cut(strings.TrimPrefix(a.header.Get("Link"), "<"), ">")
	}
	if want := []string{"a.example incoming", "a.example outgoing", "b.example outgoing"}; !slices.Equal(want, groups) {
		t.Errorf("pages hold %q, want %q", groups, want)
	}
}

func TestTLSConnectionsReportFilters(t *testing.T) {
	f := newFixture(t)
	for query, want := range map[string]tlsreport.Query{
		"direction=incoming&domain=EXAMPLE.com": {Direction: tlsreport.Incoming, Domain: "example.com", GroupBy: tlsreport.ByDomain},
		"domain=2001:db8::7&group_by=version":   {Domain: "2001:db8::/64", GroupBy: tlsreport.ByVersion},
		"domain=2001:db8::7/64&group_by=cipher": {Domain: "2001:db8::/64", GroupBy: tlsreport.ByCipher},
		"domain=[192.0.2.7]&group_by=hour":      {Domain: "[192.0.2.7]", GroupBy: tlsreport.ByHour},
		"domain=(others)&group_by=verification": {Domain: tlsreport.Others, GroupBy: tlsreport.ByVerification},
	} {
		f.call("GET", reportPath+"?from=2026-11-25T08:30:00%2B01:00&to=2026-11-25T10:00:00Z&"+query, "").want(http.StatusOK)
		want.From, want.To = noon.Add(-5*time.Hour), noon.Add(-2*time.Hour)
		if diff := cmp.Diff(want, f.reports.asked); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	for _, query := range []string{
		"direction=up", "domain=..", "domain=[x]", "group_by=result", "from=yesterday", "to=1", "cursor=x", "colour=red",
		"from=2026-11-25T10:00:00Z&to=2026-11-25T10:00:00Z", "from=2026-11-26T10:00:00Z&to=2026-11-25T10:00:00Z",
	} {
		f.call("GET", reportPath+"?"+query, "").want(http.StatusBadRequest)
	}
}

// golden holds a reply against a file.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	file = "testdata/" + file
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestTLSConnectionsReportAsCSV(t *testing.T) {
	f := newFixture(t)
	a := f.call("GET", reportPath, "", "Accept", "text/csv, application/json;q=0.5").want(http.StatusOK)
	if got := a.header.Get("Content-Type"); got != "text/csv" {
		t.Errorf("Content-Type %s", got)
	}
	golden(t, "tls_connections.csv", a.body)
	if page := f.call("GET", reportPath+"?limit=2", "", "Accept", "text/csv").want(http.StatusOK); page.header.Get("Link") == "" {
		t.Error("a part of the report does not say that it goes on")
	}
}

func TestTLSConnectionsChart(t *testing.T) {
	f := newFixture(t)
	f.reports.items = []tlsreport.Summary{
		{Direction: tlsreport.Outgoing, Group: "2026-11-25T07:00:00Z", RequiredSuccess: 3, PreferredSuccess: 5, PreferredFailed: 1, Unencrypted: 1},
		{Direction: tlsreport.Incoming, Group: "2026-11-25T09:00:00Z", Unencrypted: 4, PreferredSuccess: 4},
		{Direction: tlsreport.Outgoing, Group: "2026-11-25T09:00:00Z", RequiredFailed: 2},
	}
	const hours = "from=2026-11-25T00:00:00Z&to=2026-11-25T12:00:00Z"
	a := f.call("GET", reportPath+".svg?"+hours, "").want(http.StatusOK)
	golden(t, "tls_connections.svg", a.body)
	if a.header.Get("Content-Type") != "image/svg+xml" || !strings.Contains(a.header.Get("Content-Security-Policy"), "style-src 'unsafe-inline'") {
		t.Errorf("headers %v", a.header)
	}
	for decoder := xml.NewDecoder(strings.NewReader(string(a.body))); ; {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("no XML: %v", err)
		}
	}
	if f.reports.asked.GroupBy != tlsreport.ByHour {
		t.Errorf("asked %+v", f.reports.asked)
	}
	same := f.call("GET", reportPath+"?"+hours, "", "Accept", "image/svg+xml").want(http.StatusOK)
	if string(same.body) != string(a.body) {
		t.Error("the report as a picture is another picture")
	}
	f.call("GET", reportPath+".svg?from=2026-10-01T05:00:00Z&to=2026-11-25T12:00:00Z&domain=example.com", "").want(http.StatusOK)
	if q := f.reports.asked; q.GroupBy != tlsreport.ByDay || q.From.Hour() != 0 || q.Domain != "example.com" {
		t.Errorf("asked %+v", q)
	}
	f.call("GET", reportPath+".svg?from=2020-01-01T00:00:00Z&to=2026-11-25T12:00:00Z", "").want(http.StatusBadRequest)
	f.call("GET", reportPath+".svg", "", "Accept", "application/json").want(http.StatusNotAcceptable)
	f.call("GET", reportPath, "", "Accept", "text/html").want(http.StatusNotAcceptable)
}

func TestNegotiate(t *testing.T) {
	for accept, want := range map[string]string{
		"":                                 mediaJSON,
		"*/*":                              mediaJSON,
		"text/*":                           mediaCSV,
		"text/csv;q=0.9, */*;q=0.8":        mediaCSV,
		"text/csv;q=0.1, application/json": mediaJSON,
		"image/avif,image/webp,image/svg+xml,image/*,*/*;q=0.8": mediaSVG,
	} {
		r := &http.Request{Header: http.Header{}}
		if accept != "" {
			r.Header.Set("Accept", accept)
		}
		if got, err := negotiate(r, mediaJSON, mediaCSV, mediaSVG); err != nil || got != want {
			t.Errorf("%q: %s, %v, want %s", accept, got, err, want)
		}
	}
}
