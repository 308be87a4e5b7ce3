package tlsreport

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"postern/domain/mailaddr"
)

// dayMemory is a store of days that can be told to fail.
type dayMemory struct {
	sessions map[DayKey]int64
	fail     error
}

func (m *dayMemory) AddReportSessions(_ context.Context, sessions map[DayKey]int64) error {
	if m.fail != nil {
		return m.fail
	}
	for k, n := range sessions {
		m.sessions[k] += n
	}
	return nil
}

func (m *dayMemory) ReportSessions(_ context.Context, day time.Time, name mailaddr.DomainName) (map[DayKey]int64, error) {
	found := map[DayKey]int64{}
	for k, n := range m.sessions {
		if k.Day.Equal(day) && k.Domain == name {
			found[k] = n
		}
	}
	return found, nil
}

var _ DayStore = (*dayMemory)(nil)

// A failing store loses nothing and doubles nothing, and days end at midnight UTC
// whatever the zone of the clock is (RFC 8460 §4.1).
func TestDaysKeepEverySession(t *testing.T) { // B64
	m := &dayMemory{sessions: map[DayKey]int64{}, fail: errors.New("disk full")}
	at := time.Date(2026, 11, 26, 0, 59, 0, 0, time.FixedZone("CET", 3600)) // 23:59 UTC the day before
	d := NewDays(m, func() time.Time { return at })
	passed := Session{Domain: "a.example", Policy: PolicyNone}
	failed := Session{Domain: "a.example", Policy: PolicySTS, Failure: CertificateExpired, MXHost: "mx.a.example", Address: "192.0.2.1"}
	d.CountSession(Session{Domain: "a.example", Policy: PolicyNone, MXHost: "mx1.a.example"})
	d.CountSession(Session{Domain: "a.example", Policy: PolicyNone, MXHost: "mx2.a.example"})
	d.CountSession(failed)
	if err := d.Flush(t.Context()); !errors.Is(err, m.fail) {
		t.Fatalf("error %v", err)
	}
	m.fail = nil
	at = at.Add(time.Minute)
	d.CountSession(failed)
	got, err := d.Sessions(t.Context(), DayOf(at.Add(-time.Minute)), "a.example")
	first := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	if diff := gocmp.Diff(map[DayKey]int64{{first, passed}: 2, {first, failed}: 1}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got, err = d.Sessions(t.Context(), DayOf(at), "a.example"); err != nil || got[DayKey{first.AddDate(0, 0, 1), failed}] != 1 || len(got) != 1 {
		t.Errorf("the next day: %v, %v", got, err)
	}
}

// A thousand kinds of failure beyond the bound cost details, and no session.
func TestDaysGiveUpDetailsBeforeSessions(t *testing.T) {
	m := &dayMemory{sessions: map[DayKey]int64{}}
	d := NewDays(m, func() time.Time { return nine })
	for i := range maxPending + 1000 {
		d.CountSession(Session{Domain: "a.example", Policy: PolicyNone, Failure: ValidationFailure, Reason: fmt.Sprint(i)})
	}
	sessions, err := d.Sessions(t.Context(), DayOf(nine), "a.example")
	var sum int64
	for _, n := range sessions {
		sum += n
	}
	if err != nil || sum != maxPending+1000 || len(sessions) != maxPending+1 {
		t.Errorf("%d sessions under %d keys, %v", sum, len(sessions), err)
	}
}
