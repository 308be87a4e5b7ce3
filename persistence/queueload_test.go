package persistence

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
)

// waiting returns what is due for a destination at a time.
func (q *mail) waiting(destination mailaddr.DomainName, due time.Time) delivery.WaitingPage {
	q.t.Helper()
	page, err := q.Waiting(q.t.Context(), delivery.WaitingQuery{
		Destination: destination, Due: due, Horizon: due.Add(5 * time.Hour), Limit: 100,
	})
	if err != nil {
		q.t.Fatal(err)
	}
	return page
}

func TestWaitingGoesInOrderAndPages(t *testing.T) {
	q := newMail(t)
	var ids []delivery.MessageID
	for i := range 5 {
		m := q.message("x", "ben@example.net", "carl@example.net")
		m.Recipients[0].NextAttempt = noon.Add(-time.Duration(i) * time.Minute)
		m.Recipients[1].NextAttempt = noon.Add(time.Hour)
		q.accept(m)
		ids = append([]delivery.MessageID{m.ID}, ids...)
	}
	ask := func(limit int, skip ...delivery.MessageID) (got []delivery.MessageID, page delivery.WaitingPage) {
		page, err := q.Waiting(t.Context(), delivery.WaitingQuery{
			Destination: "example.net", Due: noon, Horizon: noon.Add(2 * time.Hour), Limit: limit,
			Skip: func(id delivery.MessageID) bool { return len(skip) > 0 && id == skip[0] },
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.Messages {
			got = append(got, m.ID)
		}
		return got, page
	}
	got, page := ask(3, ids[1])
	if diff := cmp.Diff([]delivery.MessageID{ids[0], ids[2], ids[3]}, got); diff != "" || !page.More {
		t.Errorf("first page, more=%t:\n%s", page.More, diff)
	}
	got, page = ask(5)
	if diff := cmp.Diff(ids, got); diff != "" || page.More || !page.Next.Equal(noon.Add(time.Hour)) {
		t.Errorf("all, more=%t, next=%v:\n%s", page.More, page.Next, diff)
	}
}

func TestWaitingFindsWhatAClockSetBackPutFarAway(t *testing.T) {
	q := newMail(t)
	m := q.message("x", "ben@example.net")
	m.Recipients[0].NextAttempt = noon.Add(24 * time.Hour)
	q.accept(m)
	page := q.waiting("example.net", noon)
	if len(page.Messages) != 1 || !page.Next.IsZero() {
		t.Errorf("%d messages wait, next at %v", len(page.Messages), page.Next)
	}
}

func TestBacklog(t *testing.T) {
	q := newMail(t)
	late := q.message("x", "ben@example.net", "carl@example.net", "dora@example.org")
	for i := range late.Recipients {
		late.Recipients[i].NextAttempt = noon.Add(time.Hour)
	}
	held := q.message("x", "ben@example.net")
	held.Held = true
	done := q.message("x", "ben@example.edu")
	q.accept(late, held, done, q.message("x", "ben@example.net"))
	q.write(delivery.Batch{Settlements: []*delivery.Settlement{q.settlement(done, delivery.RecipientDelivered, 0, 0)}})
	backlog, err := q.Backlog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []delivery.Backlog{
		{Destination: "example.net", Recipients: 3, Next: noon},
		{Destination: "example.org", Recipients: 1, Next: noon.Add(time.Hour)},
	}
	if diff := cmp.Diff(want, backlog); diff != "" {
		t.Error(diff)
	}
}

func TestOverdue(t *testing.T) {
	q := newMail(t)
	at := func(hours int, told bool) delivery.MessageID {
		received := noon.Add(-time.Duration(hours) * time.Hour)
		m := q.message("x", "ben@example.net")
		m.ID, m.ReceivedAt, m.DelayNoticeSent = new(delivery.IDSource).Next(received, 1), received, told
		q.accept(m)
		return m.ID
	}
	expired, untold := at(200, true), at(5, false)
	at(6, true)
	at(1, false)
	page, err := q.Overdue(t.Context(), delivery.OverdueQuery{
		Destination: "example.net", Expired: noon.Add(-120 * time.Hour), Untold: noon.Add(-4 * time.Hour), Limit: 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[delivery.MessageID]bool{}
	for _, m := range page.Messages {
		got[m.ID] = true
	}
	if diff := cmp.Diff(map[delivery.MessageID]bool{expired: true, untold: true}, got); diff != "" {
		t.Error(diff)
	}
}

func TestHotStatementsUseTheirIndexes(t *testing.T) {
	q := newMail(t)
	for name, sqlText := range map[string]string{
		"update": updateRecipientSQL, "finish": finishMessageSQL, "delete": deleteBodySQL,
		"waiting": waitingFor + " AND next_attempt_at <= ? ORDER BY next_attempt_at, message_id",
		"open":    "SELECT m.id FROM messages m WHERE m.finished_at IS NULL AND m.id > 1 ORDER BY m.id LIMIT 10",
		"history": "SELECT m.id FROM messages m WHERE m.finished_at IS NOT NULL AND m.id < 9 ORDER BY m.id DESC LIMIT 10",
		"turned":  "SELECT m.id FROM messages m WHERE m.finished_at IS NOT NULL AND m.id > 9 ORDER BY m.id LIMIT 10",
		"backlog": "SELECT destination, COUNT(*), MIN(next_attempt_at) FROM recipients WHERE waiting = 1 GROUP BY destination",
	} {
		plan := q.explain(sqlText)
		for _, table := range []string{"recipients", "messages", "bodies", "m"} {
			if strings.Contains(plan, "SCAN "+table+"\n") || strings.Contains(plan, "TEMP B-TREE") {
				t.Errorf("%s reads a whole table, or sorts:\n%s", name, plan)
			}
		}
	}
}

func (q *mail) explain(sqlText string) string {
	q.t.Helper()
	values := make([]any, strings.Count(sqlText, "?"))
	rows, err := q.file.writer.Raw("EXPLAIN QUERY PLAN "+sqlText, values...).Rows()
	if err != nil {
		q.t.Fatal(err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			q.t.Fatal(err)
		}
		plan.WriteString(detail + "\n")
	}
	return plan.String()
}
