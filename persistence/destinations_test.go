package persistence

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
)

func (q *mail) records(names ...mailaddr.DomainName) map[mailaddr.DomainName]delivery.DestinationRecord {
	q.t.Helper()
	records, err := q.DestinationRecords(q.t.Context(), names)
	if err != nil {
		q.t.Fatal(err)
	}
	return records
}

func TestDestinationsAreCounted(t *testing.T) { // B67
	q := newMail(t)
	first := q.message("x", "a@busy.example", "b@busy.example", "c@quiet.example")
	second := q.message("x", "d@busy.example")
	held := q.message("x", "e@held.example", "f@busy.example")
	done := q.message("x", "g@done.example")
	q.accept(first, second, held, done)
	q.write(delivery.Batch{
		Settlements: []*delivery.Settlement{
			q.settlement(first, delivery.RecipientQueued, 0, 0, 1),
			q.settlement(done, delivery.RecipientDelivered, 0, 0),
		},
		Changes: []delivery.Change{{Action: delivery.ActionHold, Messages: []delivery.MessageID{held.ID}, At: noon}},
	})
	if err := q.AddTLSStatistics(t.Context(), nil, map[mailaddr.DomainName]delivery.DestinationHistory{
		"seen.example": {TLS: delivery.LastTLS{At: noon, Result: delivery.TLSClear}},
	}); err != nil {
		t.Fatal(err)
	}
	names, err := q.DestinationNames(t.Context(), "", 10)
	if want := []mailaddr.DomainName{"busy.example", "held.example", "quiet.example", "seen.example"}; err != nil || !cmp.Equal(want, names) {
		t.Fatalf("names %v, %v, want %v", names, err, want)
	}
	names, err = q.DestinationNames(t.Context(), "busy.example", 1)
	if err != nil || len(names) != 1 || names[0] != "held.example" {
		t.Errorf("the next name: %v, %v", names, err)
	}
	want := map[mailaddr.DomainName]delivery.DestinationRecord{
		"busy.example":  {Queued: 1, Deferred: 2, Held: 1, Next: noon},
		"held.example":  {Held: 1},
		"quiet.example": {Queued: 1, Next: noon},
		"seen.example": {DestinationHistory: delivery.DestinationHistory{
			TLS: delivery.LastTLS{At: noon, Result: delivery.TLSClear},
		}},
	}
	if diff := cmp.Diff(want, q.records("busy.example", "done.example", "held.example", "quiet.example", "seen.example")); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if got := q.records(); len(got) != 0 {
		t.Errorf("nothing asked, %v answered", got)
	}
}

// What was last seen is kept by its time, not by when it was written.
func TestNewerHistoryStays(t *testing.T) {
	q := newMail(t)
	see := func(h delivery.DestinationHistory) {
		t.Helper()
		if err := q.AddTLSStatistics(t.Context(), nil, map[mailaddr.DomainName]delivery.DestinationHistory{"a.example": h}); err != nil {
			t.Fatal(err)
		}
	}
	tlsResult := delivery.LastTLS{
		At: noon, Host: "mx.a.example", Result: delivery.TLSFailed, Detail: "expired",
		TLS: delivery.SessionTLS{Version: "TLS1.2", Cipher: "c", Verified: true, Verification: "verified as mx.a.example"},
	}
	failure := delivery.LastError{At: noon, Outcome: delivery.Outcome{Stage: delivery.StageVerify, Code: 454, Enhanced: "4.7.5", Text: "no"}}
	see(delivery.DestinationHistory{TLS: tlsResult})
	see(delivery.DestinationHistory{Error: failure})
	see(delivery.DestinationHistory{TLS: delivery.LastTLS{At: noon.Add(-time.Hour), Host: "old"}, Error: delivery.LastError{At: noon.Add(-1)}})
	want := delivery.DestinationHistory{TLS: tlsResult, Error: failure}
	if diff := cmp.Diff(want, q.records("a.example")["a.example"].DestinationHistory); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

// Counting goes by indexes: it must not look at what was delivered long ago.
func TestCountingGoesByIndexes(t *testing.T) {
	q := newMail(t)
	for _, query := range []struct{ sql, index string }{
		{"SELECT COUNT(*) FROM recipients WHERE waiting = 1 AND destination IN ('a')", "recipients_schedule"},
		{"SELECT COUNT(*) FROM recipients WHERE waiting = 1 AND attempts > 0 AND destination IN ('a')", "recipients_deferred"},
		{"SELECT COUNT(*)" + heldRecipients, "messages_held"},
	} {
		rows, err := q.file.reader.Raw("EXPLAIN QUERY PLAN " + query.sql).Rows()
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, detail)
		}
		rows.Close()
		if text := strings.Join(plan, "\n"); !strings.Contains(text, query.index) {
			t.Errorf("%s goes by\n%s", query.sql, text)
		}
	}
}

func TestLatestTLS(t *testing.T) { // B62
	q := newMail(t)
	encrypted := delivery.LastTLS{At: noon, Host: "mx.a.example", Result: delivery.TLSSuccess, TLS: delivery.SessionTLS{Version: "TLS1.3"}}
	inClear := delivery.LastTLS{At: noon.Add(time.Second), Host: "mx.b.example", Result: delivery.TLSClear}
	if err := q.AddTLSStatistics(t.Context(), nil, map[mailaddr.DomainName]delivery.DestinationHistory{
		"a.example": {TLS: encrypted}, "b.example": {TLS: inClear}, "never.example": {Error: delivery.LastError{At: noon}},
	}); err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[int]map[mailaddr.DomainName]delivery.LastTLS{
		1: {"b.example": inClear}, 5: {"a.example": encrypted, "b.example": inClear},
	} {
		got, err := q.LatestTLS(t.Context(), limit)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%d: %v (-want +got):\n%s", limit, err, diff)
		}
	}
}
