package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
)

// memory is a store that can be told to fail.
type memory struct {
	mu     sync.Mutex
	stored []Record
	writes int
	fail   error
}

var _ Writer = (*memory)(nil)

func (m *memory) AddSessions(_ context.Context, records []Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	m.writes++
	m.stored = append(m.stored, records...)
	return nil
}

func TestOutcome(t *testing.T) {
	for want, list := range map[Outcome][]Record{
		Accepted: {{Accepted: 1}, {Accepted: 1, Refused: 3, Refusal: &Refusal{By: "relay"}}},
		Refused:  {{Refused: 1}, {Refusal: &Refusal{By: "mail_flow_policy"}}, {Result: delivery.TLSFailed}},
		Idle:     {{}, {Result: delivery.TLSSuccess}, {Result: delivery.TLSClear}},
	} {
		for _, r := range list {
			if got := r.Outcome(); got != want {
				t.Errorf("%+v is %s, want %s", r, got, want)
			}
		}
		if got, err := ParseOutcome(string(want)); got != want || err != nil {
			t.Errorf("%s is read as %q, %v", want, got, err)
		}
	}
	if _, err := ParseOutcome("lost"); domain.KindOf(err) != domain.Invalid {
		t.Errorf("error is %v", err)
	}
}

func TestSendersAreBoundedAndEachOnce(t *testing.T) {
	var r Record
	for i := range maxSenders {
		s := Sender{Address: mailaddr.Mailbox{Local: fmt.Sprint(i), Domain: "a.example"}}
		r.AddSender(s)
		r.AddSender(s)
	}
	if len(r.Senders) != maxSenders || r.MoreSenders {
		t.Fatalf("%d senders, more: %t", len(r.Senders), r.MoreSenders)
	}
	r.AddSender(Sender{Address: r.Senders[0].Address, Encrypted: true})
	if len(r.Senders) != maxSenders || !r.MoreSenders {
		t.Errorf("%d senders, more: %t", len(r.Senders), r.MoreSenders)
	}
}

func TestFirstRefusalCounts(t *testing.T) {
	var r Record
	r.Refuse("starttls_required", "530")
	r.Refuse("relay", "550")
	if *r.Refusal != (Refusal{By: "starttls_required", Reply: "530"}) {
		t.Errorf("%+v", r.Refusal)
	}
}

// Memory is bounded, what is lost is counted, and a store that fails loses and
// doubles nothing.
func TestRecorderIsBounded(t *testing.T) {
	m := &memory{fail: errors.New("disk full")}
	r := NewRecorder(m)
	for i := range maxPending + 7 {
		r.Record(Record{ID: ID(i)})
	}
	select {
	case <-r.Full():
	default:
		t.Error("nobody was told that a write is worth its while")
	}
	if err := r.Flush(t.Context()); !errors.Is(err, m.fail) {
		t.Fatalf("error %v", err)
	}
	if got := r.Dropped(); got != 7 {
		t.Errorf("%d dropped, want 7", got)
	}
	m.fail = nil
	for range 2 {
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(m.stored) != maxPending || m.writes != 1 || m.stored[0].ID != 0 {
		t.Errorf("%d stored by %d writes", len(m.stored), m.writes)
	}
}

// What comes while a failed write is under way takes the room of the oldest.
func TestPutBackKeepsTheNewest(t *testing.T) {
	r := NewRecorder(&memory{})
	batch := make([]Record, maxPending)
	r.Record(Record{ID: 42})
	r.putBack(batch)
	if len(r.pending) != maxPending || r.pending[maxPending-1].ID != 42 || r.Dropped() != 1 {
		t.Errorf("%d pending, %d dropped", len(r.pending), r.Dropped())
	}
}

func TestRecordingSideBySide(t *testing.T) {
	m := new(memory)
	r := NewRecorder(m)
	var recording sync.WaitGroup
	for range 8 {
		recording.Go(func() {
			for range 500 {
				r.Record(Record{})
			}
		})
	}
	for range 20 {
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	recording.Wait()
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(m.stored) != 4000 {
		t.Errorf("%d stored", len(m.stored))
	}
}
