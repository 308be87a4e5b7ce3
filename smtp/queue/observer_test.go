package queue

import (
	"log/slog"
	"testing"

	"postern/domain/delivery"
)

// ear is an observer that remembers.
type ear struct{ heard []*delivery.Settlement }

func (e *ear) Settled(_ *delivery.Message, s *delivery.Settlement) { e.heard = append(e.heard, s) }

func TestObserversHearOfSettlements(t *testing.T) {
	first, second := new(ear), new(ear)
	s := &scheduler{logger: slog.New(slog.DiscardHandler), observers: []Observer{first, second}}
	p := &plan{message: &delivery.Message{Recipients: make([]delivery.Recipient, 1)}}
	p.settlement.Progress = []delivery.Progress{{State: delivery.RecipientDelivered}}
	s.record(p)
	for _, o := range []*ear{first, second} {
		if len(o.heard) != 1 || o.heard[0] != &p.settlement {
			t.Errorf("heard %v", o.heard)
		}
	}
}
