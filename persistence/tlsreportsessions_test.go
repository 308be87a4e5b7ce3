package persistence

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/mailaddr"
	"postern/domain/tlsreport"
)

// A day of 1,000 sessions with five domains, written in two halves by two counters as
// a restart leaves them: the sums are exact (B64).
func TestReportSessionsAreExactAcrossARestart(t *testing.T) {
	q := newMail(t)
	today := noon.Truncate(24 * time.Hour)
	failures := []tlsreport.FailureType{"", "", tlsreport.CertificateExpired, tlsreport.STARTTLSNotSupported}
	domains := []mailaddr.DomainName{"a.example", "b.example", "c.example", "d.example", "e.example"}
	want := map[mailaddr.DomainName]map[tlsreport.DayKey]int64{}
	counter := tlsreport.NewDays(q, func() time.Time { return noon })
	for i := range 1000 {
		if i == 500 {
			if err := counter.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			counter = tlsreport.NewDays(q, func() time.Time { return noon })
		}
		s := tlsreport.Session{Domain: domains[i/4%5], Policy: tlsreport.PolicySTS, Failure: failures[i%4]}
		if s.Failure != "" {
			s.MXHost, s.Address = "mx."+s.Domain.String(), "192.0.2.1"
		}
		if want[s.Domain] == nil {
			want[s.Domain] = map[tlsreport.DayKey]int64{}
		}
		want[s.Domain][tlsreport.DayKey{Day: today, Session: s}]++
		counter.CountSession(s)
	}
	for _, name := range domains {
		got, err := counter.Sessions(t.Context(), today, name)
		if want[name] == nil {
			want[name] = map[tlsreport.DayKey]int64{}
		}
		if diff := cmp.Diff(want[name], got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	if _, err := q.Prune(t.Context(), noon.AddDate(0, 0, 2)); err != nil {
		t.Fatal(err)
	}
	if got, err := q.ReportSessions(t.Context(), today, "a.example"); err != nil || len(got) > 0 {
		t.Errorf("after its time: %v, %v", got, err)
	}
}
