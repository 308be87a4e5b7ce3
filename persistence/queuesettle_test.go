package persistence

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/delivery"
	"postern/domain/policy"
)

// settlement ends an attempt at the recipients with the state.
func (q *mail) settlement(m *delivery.Message, state delivery.RecipientState, fence int64, recipients ...int) *delivery.Settlement {
	s := &delivery.Settlement{
		ID: q.ids.Next(noon, 0), At: noon.Add(time.Minute),
		Attempt: delivery.Attempt{
			Message: m.ID, At: noon, Duration: 1500 * time.Microsecond, Revision: 8, Host: "mx.example.net", Address: "192.0.2.25:25",
			TLS: delivery.SessionTLS{Version: "TLS1.3", Cipher: "c", Verified: true, Verification: "ok"}, Reused: true,
			Hosts: []delivery.HostTry{{
				Host: "mx.example.net", Address: "192.0.2.25:25", Stage: delivery.StageTransfer, Level: policy.TLSRequired, Result: "done",
				Evidence: &delivery.Evidence{
					ByMX: true, STARTTLS: delivery.PeerTLSWorks, Trusted: true, Covers: []policy.Check{policy.CheckMXHost},
					Published: &delivery.Published{DANE: "absent", TLSRequiredNo: true},
				},
			}},
			Decision: policy.Decision{
				Level: policy.TLSRequired, MinVersion: 0x0303, Domain: "example.net",
				Reasons: []policy.Reason{{Rule: "destination_control", Entry: "example.net", Asks: "required"}},
			},
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
