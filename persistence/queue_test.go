package persistence

import (
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// noon is when the messages of these tests are received.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// mail is a queue with a source of messages.
type mail struct {
	*QueueStore
	t   testing.TB
	ids delivery.IDSource
}

func newMail(t testing.TB) *mail {
	t.Helper()
	return &mail{QueueStore: openTest(t, t.TempDir()).Queue(), t: t}
}

func mailbox(t testing.TB, address string) mailaddr.Mailbox {
	t.Helper()
	var m mailaddr.Mailbox
	if err := m.UnmarshalText([]byte(address)); err != nil {
		t.Fatal(err)
	}
	return m
}

// message makes a message that was received at noon.
func (q *mail) message(body string, to ...string) *delivery.Message {
	q.t.Helper()
	m := &delivery.Message{
		Envelope: delivery.Envelope{
			ID: q.ids.Next(noon, 0), Sender: mailbox(q.t, "anna@example.com"), ReceivedAt: noon,
			Listener: "public", ClientAddr: "192.0.2.1", ClientHELO: "mx.example.com",
			ClientTLS: delivery.SessionTLS{Version: "TLS1.3", Cipher: "TLS_AES_128_GCM_SHA256"},
			Size:      int64(len(body)), EightBit: true, Return: "HDRS", EnvelopeID: "e1", Revision: 7,
		},
		Body: delivery.BytesBody(body),
	}
	for i, address := range to {
		m.Recipients = append(m.Recipients, delivery.Recipient{
			Index: i, Address: mailbox(q.t, address), Notify: "FAILURE", OriginalRecipient: "rfc822;x@example.org", NextAttempt: noon,
		})
	}
	return m
}

// write writes a batch that must succeed.
func (q *mail) write(b delivery.Batch) delivery.Written {
	q.t.Helper()
	written, err := q.Write(q.t.Context(), &b)
	if err != nil {
		q.t.Fatal(err)
	}
	return written
}

// accept stores new messages.
func (q *mail) accept(messages ...*delivery.Message) {
	q.t.Helper()
	q.write(delivery.Batch{Accepted: messages})
}

// settlement ends an attempt at the recipients with the state.
func (q *mail) settlement(m *delivery.Message, state delivery.RecipientState, fence int64, recipients ...int) *delivery.Settlement {
	s := &delivery.Settlement{
		ID: q.ids.Next(noon, 0), At: noon.Add(time.Minute),
		Attempt: delivery.Attempt{
			Message: m.ID, At: noon, Duration: 1500 * time.Microsecond, Revision: 8, Host: "mx.example.net", Address: "192.0.2.25:25",
			TLS: delivery.SessionTLS{Version: "TLS1.3", Cipher: "c", Verified: true, Verification: "ok"}, Reused: true,
			Hosts: []delivery.HostTry{{Host: "mx.example.net", Stage: delivery.StageTransfer, Level: policy.TLSRequired, Result: "done"}},
			Decision: policy.Decision{Level: policy.TLSRequired, MinVersion: 0x0303, Domain: "example.net",
				Reasons: []policy.Reason{{Rule: "destination_control", Entry: "example.net", Asks: "required"}}},
		},
	}
	for _, i := range recipients {
		o := delivery.Outcome{Status: delivery.Delivered, Stage: delivery.StageTransfer, Code: 250, Enhanced: "2.0.0", Text: "ok", Remote: true}
		p := delivery.Progress{Recipient: i, Fence: fence, State: state, Attempts: int(fence) + 1, Last: o}
		if state == delivery.RecipientQueued {
			p.Last = delivery.Outcome{Stage: delivery.StageConnect, Code: 451, Enhanced: "4.4.1", Text: "no"}
			p.NextAttempt = noon.Add(5 * time.Minute)
		}
		s.Progress = append(s.Progress, p)
		s.Attempt.Results = append(s.Attempt.Results, delivery.Result{Recipient: i, Outcome: p.Last})
	}
	s.Last = state.Final()
	return s
}

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

func (q *mail) message1(id delivery.MessageID) *delivery.Message {
	q.t.Helper()
	m, err := q.Message(q.t.Context(), id)
	if err != nil {
		q.t.Fatal(err)
	}
	return m
}

func readBody(t testing.TB, b delivery.Body) string {
	t.Helper()
	r, err := b.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// butBody compares messages without their bodies.
var butBody = cmp.Options{cmpopts.IgnoreFields(delivery.Message{}, "Body"), cmpopts.EquateComparable(netip.Addr{})}

func TestQueueKeepsAMessage(t *testing.T) {
	q := newMail(t)
	m := q.message("Subject: hello\r\n\r\nbody\r\n", "ben@example.net", `"odd one"@[192.0.2.9]`)
	m.UTF8, m.RequireTLS = true, true
	q.accept(m)

	page := q.waiting("example.net", noon)
	if len(page.Messages) != 1 || page.More {
		t.Fatalf("%d messages wait, more=%t", len(page.Messages), page.More)
	}
	got := page.Messages[0]
	if diff := cmp.Diff(m, got.Message, butBody); diff != "" {
		t.Errorf("message (-written +read):\n%s", diff)
	}
	if diff := cmp.Diff([]int64{0, 0}, got.Fences); diff != "" {
		t.Error(diff)
	}
	if body := readBody(t, got.Body); body != "Subject: hello\r\n\r\nbody\r\n" || got.Body.Size() != m.Size {
		t.Errorf("body is %q of size %d", body, got.Body.Size())
	}
	if n := len(q.waiting("[192.0.2.9]", noon).Messages); n != 1 {
		t.Errorf("%d messages wait for the address literal", n)
	}
}

func TestQueueWritesManyAtOnce(t *testing.T) {
	// Every prepared size, and what is left over.
	q := newMail(t)
	var batch delivery.Batch
	for range 64 + 2*16 + 3*4 + 3 {
		batch.Accepted = append(batch.Accepted, q.message("x", "ben@example.net"))
	}
	q.write(batch)
	var settled delivery.Batch
	for _, m := range batch.Accepted {
		settled.Settlements = append(settled.Settlements, q.settlement(m, delivery.RecipientDelivered, 0, 0))
	}
	if written := q.write(settled); len(written.Stale) > 0 {
		t.Errorf("stale: %v", written.Stale)
	}
	if n := len(q.waiting("example.net", noon.Add(time.Hour)).Messages); n != 0 {
		t.Errorf("%d messages still wait", n)
	}
	finished, err := q.Deliveries(t.Context(), delivery.DeliveryFilter{}, 0, 1000)
	if err != nil || len(finished) != len(batch.Accepted) {
		t.Errorf("%d messages are finished, %v", len(finished), err)
	}
}

func TestQueueSettles(t *testing.T) {
	q := newMail(t)
	m := q.message("body", "ben@example.net", "carl@example.net")
	q.accept(m)
	deferral := q.settlement(m, delivery.RecipientQueued, 0, 0)
	q.write(delivery.Batch{Settlements: []*delivery.Settlement{deferral}})

	page := q.waiting("example.net", noon)
	if len(page.Messages) != 1 || !page.Next.Equal(noon.Add(5*time.Minute)) {
		t.Fatalf("%d messages wait, next at %v", len(page.Messages), page.Next)
	}
	got := page.Messages[0]
	if r := got.Recipients[0]; r.Attempts != 1 || got.Fences[0] != 1 || r.Last != deferral.Progress[0].Last || r.State.Final() {
		t.Errorf("deferred recipient: %+v, fence %d", r, got.Fences[0])
	}

	// The second recipient ends, the message does not, whatever is claimed.
	q.write(delivery.Batch{Settlements: []*delivery.Settlement{q.settlement(m, delivery.RecipientDelivered, 0, 1)}})
	if readBody(t, q.message1(m.ID).Body) != "body" {
		t.Error("the body of a message that is not finished is gone")
	}
	last := q.settlement(m, delivery.RecipientBounced, 1, 0)
	q.write(delivery.Batch{Settlements: []*delivery.Settlement{last}})
	done := q.message1(m.ID)
	if done.Body != nil || done.Recipients[0].State != delivery.RecipientBounced || done.Recipients[1].State != delivery.RecipientDelivered {
		t.Errorf("finished message: %+v", done)
	}
	if _, err := q.body(m.ID, 0, false).Open(); err == nil {
		t.Error("the body of the finished message is still there")
	}
	attempts, err := q.Attempts(t.Context(), m.ID, 0, 10)
	if err != nil || len(attempts) != 3 {
		t.Fatalf("%d attempts, %v", len(attempts), err)
	}
	want := []delivery.RecordedAttempt{{ID: deferral.ID, Attempt: deferral.Attempt}}
	if diff := cmp.Diff(want, attempts[:1]); diff != "" {
		t.Errorf("first attempt (-written +read):\n%s", diff)
	}
	if latest, err := q.LatestAttempts(t.Context(), m.ID, 1); err != nil || len(latest) != 1 || latest[0].ID != last.ID {
		t.Errorf("the latest of %d attempts is %+v, %v", len(attempts), latest, err)
	}
	if rest, err := q.Attempts(t.Context(), m.ID, attempts[1].ID, 10); err != nil || len(rest) != 1 || rest[0].ID != last.ID {
		t.Errorf("attempts above the second: %+v, %v", rest, err)
	}
}

func TestQueueKeepsADecisionOnce(t *testing.T) {
	q := newMail(t)
	for range 3 {
		m, other := q.message("x", "ben@example.net"), q.message("x", "ben@example.net")
		q.accept(m, other)
		q.write(delivery.Batch{Settlements: []*delivery.Settlement{
			q.settlement(m, delivery.RecipientDelivered, 0, 0), q.settlement(other, delivery.RecipientDelivered, 0, 0),
		}})
	}
	if n := q.count("SELECT COUNT(*) FROM decisions"); n != 1 {
		t.Errorf("%d decisions are stored", n)
	}
}

// count runs a query for a number.
func (q *mail) count(sqlText string) (n int) {
	q.t.Helper()
	if err := q.file.reader.Raw(sqlText).Row().Scan(&n); err != nil {
		q.t.Fatal(err)
	}
	return n
}

func TestQueueLeavesAStaleSettlementOut(t *testing.T) {
	q := newMail(t)
	m, other := q.message("body", "ben@example.net", "carl@example.net"), q.message("x", "dora@example.net")
	q.accept(m, other)
	q.write(delivery.Batch{Settlements: []*delivery.Settlement{q.settlement(m, delivery.RecipientQueued, 0, 1)}})

	stale := q.settlement(m, delivery.RecipientDelivered, 0, 0, 1) // of carl's row the fence is 1
	stale.Notices = []*delivery.Message{q.message("notice", "anna@example.com")}
	good := q.settlement(other, delivery.RecipientDelivered, 0, 0)
	good.Notices = []*delivery.Message{q.message("notice", "anna@example.com")}
	written := q.write(delivery.Batch{Settlements: []*delivery.Settlement{stale, good}})
	if diff := cmp.Diff([]int{0}, written.Stale); diff != "" {
		t.Errorf("stale settlements: %s", diff)
	}
	if r := q.message1(m.ID).Recipients[0]; r.State != delivery.RecipientQueued || r.Attempts != 0 {
		t.Errorf("the stale settlement was done in part: %+v", r)
	}
	page := q.waiting("example.com", noon)
	if len(page.Messages) != 1 || page.Messages[0].ID != good.Notices[0].ID {
		t.Errorf("notices: %+v", page.Messages)
	}
}

func TestQueueWritesAllOrNothing(t *testing.T) {
	q := newMail(t)
	m := q.message("x", "ben@example.net")
	q.accept(m)
	other := q.message("x", "carl@example.net")
	_, err := q.Write(t.Context(), &delivery.Batch{
		Settlements: []*delivery.Settlement{q.settlement(m, delivery.RecipientDelivered, 0, 0)},
		Accepted:    []*delivery.Message{other, m}, // m is there already
	})
	if domain.KindOf(err) != domain.Conflict {
		t.Errorf("error is %v", err)
	}
	if n := len(q.waiting("example.net", noon).Messages); n != 1 {
		t.Errorf("%d messages wait", n)
	}
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

func TestLargeBodiesAreFiles(t *testing.T) {
	q := newMail(t)
	content := strings.Repeat("0123456789abcdef", 20_000)
	m := q.message("", "ben@example.net")
	w, err := q.Spool(m.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if m.Body, err = w.Finish(); err != nil {
		t.Fatal(err)
	}
	m.Size = m.Body.Size()
	q.accept(m)
	if got := readBody(t, q.waiting("example.net", noon).Messages[0].Body); got != content {
		t.Errorf("body has %d octets", len(got))
	}
	if n := q.count("SELECT COUNT(*) FROM bodies"); n != 0 {
		t.Errorf("%d bodies are in rows", n)
	}
	q.write(delivery.Batch{Settlements: []*delivery.Settlement{q.settlement(m, delivery.RecipientDelivered, 0, 0)}})
	q.wantFiles()
}

// wantFiles fails the test unless the spool holds exactly the files.
func (q *mail) wantFiles(names ...string) {
	q.t.Helper()
	entries, err := os.ReadDir(q.spool.dir)
	if err != nil {
		q.t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff(names, got); diff != "" {
		q.t.Errorf("files (-want +got):\n%s", diff)
	}
}

// spooled stores a body in a file.
func (q *mail) spooled(id delivery.MessageID) delivery.Body {
	q.t.Helper()
	w, err := q.Spool(id)
	if err != nil {
		q.t.Fatal(err)
	}
	if _, err := w.Write([]byte("body")); err != nil {
		q.t.Fatal(err)
	}
	body, err := w.Finish()
	if err != nil {
		q.t.Fatal(err)
	}
	return body
}

func TestFilesOfRefusedMessagesAreRemoved(t *testing.T) {
	q := newMail(t)
	there, m := q.message("x", "ben@example.net"), q.message("x", "ben@example.net")
	q.accept(there)
	m.Body = q.spooled(m.ID)
	q.wantFiles(m.ID.String())
	if _, err := q.Write(t.Context(), &delivery.Batch{Accepted: []*delivery.Message{m, there}}); err == nil {
		t.Fatal("a message was stored twice")
	}
	q.wantFiles()

	w, err := q.Spool(m.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.Abort()
	q.wantFiles()
}

func TestOrphansAreRemoved(t *testing.T) {
	dir := t.TempDir()
	before := &mail{QueueStore: openTestOnce(t, dir), t: t}
	kept, orphan := before.message("x", "ben@example.net"), before.message("x", "ben@example.net")
	kept.Body = before.spooled(kept.ID)
	before.accept(kept)
	before.spooled(orphan.ID)
	if _, err := before.Spool(before.ids.Next(noon, 0)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, spoolName, "lost+found"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before.prune(noon) // all are in use
	if entries, _ := os.ReadDir(before.spool.dir); len(entries) != 4 {
		t.Errorf("%d files are left", len(entries))
	}
	after := &mail{QueueStore: &QueueStore{file: before.file, spool: newSpool(before.spool.dir)}, t: t}
	after.prune(noon) // as after a restart
	after.wantFiles(kept.ID.String(), "lost+found")
}

func openTestOnce(t *testing.T, dir string) *QueueStore { return openTest(t, dir).Queue() }

// prune forgets what was over before the time, and returns in how many steps.
func (q *mail) prune(before time.Time) (steps int) {
	q.t.Helper()
	for more := true; more; steps++ {
		var err error
		if more, err = q.Prune(q.t.Context(), before); err != nil {
			q.t.Fatal(err)
		}
	}
	return steps
}

func TestPruneForgetsFinishedMessages(t *testing.T) {
	q := newMail(t)
	var batch, settled delivery.Batch
	for range pruneBatch + 10 {
		m := q.message("x", "ben@example.net")
		batch.Accepted = append(batch.Accepted, m)
		settled.Settlements = append(settled.Settlements, q.settlement(m, delivery.RecipientDelivered, 0, 0))
	}
	open := q.message("x", "ben@example.net")
	q.accept(append(batch.Accepted, open)...)
	q.write(settled)
	if steps := q.prune(noon); steps != 1 {
		t.Errorf("%d steps, though nothing is old enough", steps)
	}
	if steps := q.prune(noon.Add(time.Hour)); steps != 3 {
		t.Errorf("%d steps", steps)
	}
	for table, want := range map[string]int{"messages": 1, "recipients": 1, "bodies": 1, "attempts": 0, "decisions": 1} {
		if n := q.count("SELECT COUNT(*) FROM " + table); n != want {
			t.Errorf("%s has %d rows, want %d", table, n, want)
		}
	}
	q.prune(noon.Add(60 * 24 * time.Hour))
	if n := q.count("SELECT COUNT(*) FROM decisions"); n != 0 {
		t.Errorf("%d decisions are left", n)
	}
}

func TestHotStatementsUseTheirIndexes(t *testing.T) {
	q := newMail(t)
	for name, sqlText := range map[string]string{
		"update": updateRecipientSQL.text(4), "finish": finishMessageSQL.text(4), "delete": deleteBodySQL.text(4),
		"waiting": waitingFor + " AND next_attempt_at <= ? ORDER BY next_attempt_at, message_id",
		"open":    "SELECT m.id FROM messages m WHERE m.finished_at IS NULL AND m.id > 1 ORDER BY m.id LIMIT 10",
		"history": "SELECT m.id FROM messages m WHERE m.finished_at IS NOT NULL AND m.id < 9 ORDER BY m.id DESC LIMIT 10",
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
