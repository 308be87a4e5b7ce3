package persistence

import (
	"context"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
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
	written, err := q.Write(context.Background(), &b)
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
	m.UTF8, m.RequireTLS, m.TLSRequiredNo = true, true, true
	m.Recipients[0].RequireTLS = true
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
