package persistence

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/session"
	"postern/domain/whatif"
)

// attemptsSince returns the attempts that a replay gets.
func (q *mail) attemptsSince(since time.Time, limit int) (list []delivery.RecordedAttempt) {
	q.t.Helper()
	err := q.EachAttempt(q.t.Context(), since, func(a *delivery.RecordedAttempt) bool {
		list = append(list, *a)
		return len(list) < limit
	})
	if err != nil {
		q.t.Fatal(err)
	}
	return list
}

// A replay gets of an attempt what was decided, what the hosts showed, and how it
// ended.
func TestHistoryGivesAttemptsBack(t *testing.T) {
	q := newMail(t)
	m, other := q.message("body", "ben@example.net"), q.message("body", "carl@example.net")
	q.accept(m, other)
	first, second := q.settlement(m, delivery.RecipientDelivered, 0, 0), q.settlement(other, delivery.RecipientQueued, 0, 0)
	second.Attempt.Decision.Level = policy.TLSPreferred
	second.Attempt.Hosts[0].Evidence = nil // as before it was kept
	q.write(delivery.Batch{Settlements: []*delivery.Settlement{first, second}})
	var want []delivery.RecordedAttempt
	for _, s := range []*delivery.Settlement{first, second} {
		a := delivery.RecordedAttempt{ID: s.ID, Attempt: s.Attempt}
		a.Duration, a.TLS, a.Reused = 0, delivery.SessionTLS{}, false // of no use to a replay
		want = append(want, a)
	}
	if diff := cmp.Diff(want, q.attemptsSince(noon.Add(-time.Hour), 10)); diff != "" {
		t.Errorf("attempts (-want +got):\n%s", diff)
	}
	if got := q.attemptsSince(noon.Add(-time.Hour), 1); len(got) != 1 {
		t.Errorf("%d attempts after the caller had enough", len(got))
	}
	if got := q.attemptsSince(noon.Add(time.Hour), 10); len(got) != 0 {
		t.Errorf("%d attempts from the future", len(got))
	}
}

// Pages of the history follow each other without gap and without double.
func TestHistoryPagesFollowEachOther(t *testing.T) {
	q := newMail(t)
	var records []session.Record
	for i := range 2*historyPage + 3 {
		records = append(records, sessionAt(0, uint32(i)))
	}
	q.addSessions(records...)
	seen := map[session.ID]int{}
	if err := q.EachSession(t.Context(), noon, func(r *session.Record) bool { seen[r.ID]++; return true }); err != nil {
		t.Fatal(err)
	}
	for id, n := range seen {
		if n != 1 {
			t.Fatalf("session %s came %d times", id, n)
		}
	}
	total, err := q.Recorded(t.Context(), noon)
	if err != nil || len(seen) != len(records) || total != len(records) {
		t.Errorf("%d of %d sessions, %d counted, %v", len(seen), len(records), total, err)
	}
}

// day writes attempts at so many domains, in the state of a busy day.
func (q *mail) day(attempts int) {
	q.t.Helper()
	const step = 500
	for done := 0; done < attempts; done += step {
		var b delivery.Batch
		var settled delivery.Batch
		for i := range step {
			name := mailaddr.DomainName(fmt.Sprintf("d%d.example", (done+i)%997))
			m := q.message("x", "ben@"+name.String())
			s := q.settlement(m, delivery.RecipientDelivered, 0, 0)
			a := &s.Attempt
			a.Decision.Domain, a.Decision.Level = name, policy.TLSPreferred
			a.Hosts[0].Level = policy.TLSPreferred
			a.Hosts[0].Evidence.Published = nil
			if (done+i)%10 == 0 {
				a.Hosts[0].Evidence = &delivery.Evidence{ByMX: true, STARTTLS: delivery.PeerTLSAbsent}
			} else {
				a.Hosts[0].TLS = delivery.SessionTLS{Version: "TLS1.3"}
			}
			b.Accepted, settled.Settlements = append(b.Accepted, m), append(settled.Settlements, s)
		}
		q.write(b)
		q.write(settled)
	}
}

// stricter are a configuration with every destination at preferred, and one at
// required.
func stricter(tb testing.TB) (before, after *config.Snapshot) {
	tb.Helper()
	service, _ := configtest.Seeded(tb)
	pattern, err := mailaddr.ParseHostPattern("default")
	if err != nil {
		tb.Fatal(err)
	}
	set := func(level policy.TLSLevel) *config.Snapshot {
		configtest.Commit(tb, service, config.Edit{
			Kind: config.KindDestinationControl, Key: "default", Value: policy.DestinationControl{Pattern: pattern, TLSLevel: &level},
		})
		return service.Snapshot()
	}
	configtest.Commit(tb, service, config.Edit{
		Kind: config.KindSettings, Key: config.SectionTLS, Value: policy.TLSSettings{Enabled: true, MinVersion: 0x0303},
	})
	return set(policy.TLSPreferred), set(policy.TLSRequired)
}

// What is replayed from the store counts as it was written (B72).
func TestReplayOfAStoredDay(t *testing.T) {
	q := newMail(t)
	q.day(2000)
	before, after := stricter(t)
	last := 0
	report, err := whatif.Run(t.Context(), q, before, after, noon.Add(-time.Hour), noon, func(done, total int) {
		if done < last || total != 2000 {
			t.Errorf("progress goes from %d to %d of %d", last, done, total)
		}
		last = done
	})
	if err != nil {
		t.Fatal(err)
	}
	side := report.Outgoing
	if side.Judged != 2000 || side.Unchanged != 1800 || side.CannotBeTold != 0 || len(side.Changes) != 1 || last != 2000 {
		t.Fatalf("%+v", side)
	}
	change := side.Changes[0]
	if change.From != whatif.Clear || change.To != whatif.Deferred || change.Count != 200 || len(change.Subjects)+change.Others != 200 {
		t.Errorf("%+v: %d, %d subjects and %d others", change.Transition, change.Count, len(change.Subjects), change.Others)
	}
}

// BenchmarkReplayOfADay replays 100,000 attempts from the disk.
func BenchmarkReplayOfADay(b *testing.B) {
	q := newMail(b)
	const attempts = 100_000
	q.day(attempts)
	before, after := stricter(b)
	for b.Loop() {
		report, err := whatif.Run(b.Context(), q, before, after, noon.Add(-time.Hour), noon, func(int, int) {})
		if err != nil {
			b.Fatal(err)
		}
		if report.Outgoing.Judged != attempts || report.Outgoing.Changes[0].Count != attempts/10 {
			b.Fatalf("%+v", report.Outgoing)
		}
	}
}
