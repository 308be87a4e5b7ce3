package persistence

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/alert"
	"postern/domain/policy"
)

// fullAlert has a value in every field.
func fullAlert(id, about string) alert.Alert {
	return alert.Alert{
		ID: id, Type: policy.AlertSystem, Severity: policy.SeverityWarning, Kind: alert.TLSFailed, About: about,
		Subject: "TLS failed", Detail: "handshake\nsecond line", Count: 7, FirstSeen: testTime, LastSeen: testTime.Add(time.Minute),
		State: alert.Acknowledged, SilencedUntil: new(testTime.Add(time.Hour)), AcknowledgedBy: "ada",
		Resolution: "by ada", ResolvedAt: new(testTime.Add(2 * time.Hour)),
		Notified: 3, NotifiedAt: new(testTime.Add(time.Second)), NextNotification: new(testTime.Add(3 * time.Hour)),
		Notices: []alert.Notice{{Recipient: "operator", At: testTime, State: alert.NoticeFailed, Detail: "no route"}},
	}
}

func saveAlerts(t *testing.T, s *AlertStore, alerts ...alert.Alert) {
	t.Helper()
	for _, a := range alerts {
		if err := s.Save(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAlertComesBackAsItWas(t *testing.T) {
	s := openTest(t, t.TempDir()).Alerts()
	full := fullAlert("2", "example.com")
	bare := alert.Alert{ID: "1", State: alert.Open, FirstSeen: testTime, LastSeen: testTime}
	changed := full
	changed.Count, changed.SilencedUntil, changed.Notices = 8, nil, nil
	for _, a := range []alert.Alert{full, bare, changed} {
		saveAlerts(t, s, a)
		got, err := s.Get(t.Context(), a.ID)
		if diff := cmp.Diff(a, got); diff != "" || err != nil {
			t.Errorf("%s: error %v (-want +got):\n%s", a.ID, err, diff)
		}
	}
	if _, err := s.Get(t.Context(), "none"); domain.KindOf(err) != domain.NotFound {
		t.Errorf("a missing alert: %v", err)
	}
}

func TestOneUnresolvedAlertOfACause(t *testing.T) {
	s := openTest(t, t.TempDir()).Alerts()
	saveAlerts(t, s, fullAlert("1", "example.com"))
	if err := s.Save(t.Context(), fullAlert("2", "example.com")); domain.KindOf(err) != domain.Conflict {
		t.Errorf("a second one: %v", err)
	}
	over := fullAlert("1", "example.com")
	over.State = alert.Resolved
	saveAlerts(t, s, over, fullAlert("2", "example.com"))
}

func TestListAlerts(t *testing.T) {
	s := openTest(t, t.TempDir()).Alerts()
	critical := fullAlert("2", "b")
	critical.Severity, critical.State = policy.SeverityCritical, alert.Open
	resolved := fullAlert("3", "c")
	resolved.State = alert.Resolved
	saveAlerts(t, s, fullAlert("1", "a"), critical, resolved)
	for name, tc := range map[string]struct {
		query alert.Query
		want  string
	}{
		"all":          {alert.Query{}, "321"},
		"below":        {alert.Query{Before: "3"}, "21"},
		"oldest first": {alert.Query{OldestFirst: true}, "123"},
		"above":        {alert.Query{OldestFirst: true, After: "1", Limit: 1}, "2"},
		"limit":        {alert.Query{Limit: 1}, "3"},
		"state":        {alert.Query{State: alert.Open}, "2"},
		"severity":     {alert.Query{Severity: policy.SeverityWarning}, "31"},
		"type":         {alert.Query{Type: "other"}, ""},
		"unresolved":   {alert.Query{Unresolved: true}, "21"},
		"all together": {alert.Query{Unresolved: true, Severity: policy.SeverityWarning, Type: policy.AlertSystem, Before: "3"}, "1"},
	} {
		if tc.query.Limit == 0 {
			tc.query.Limit = 10
		}
		found, err := s.List(t.Context(), tc.query)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, a := range found {
			got += a.ID
		}
		if got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestPruneAlerts(t *testing.T) {
	s := openTest(t, t.TempDir()).Alerts()
	old, young, open := fullAlert("1", "a"), fullAlert("2", "b"), fullAlert("3", "c")
	young.ResolvedAt = new(testTime.Add(24 * time.Hour))
	open.ResolvedAt = nil
	saveAlerts(t, s, old, young, open)
	if err := s.Prune(t.Context(), testTime.Add(12*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if found, err := s.List(t.Context(), alert.Query{Limit: 10}); err != nil || len(found) != 2 {
		t.Errorf("%d alerts are left, error %v", len(found), err)
	}
}
