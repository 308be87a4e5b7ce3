package persistence

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
)

func TestMessagesByFilter(t *testing.T) {
	q := newMail(t)
	null := new(mailaddr.Mailbox)
	anna := mailbox(t, "anna@example.com")
	plain := q.message("x", "ben@example.net")
	held := q.message("x", "ben@example.org")
	held.Held = true
	bounce := q.message("x", "ben@example.org", "carl@example.net")
	bounce.Sender = *null
	old := q.message("x", "ben@example.edu")
	old.ReceivedAt = noon.Add(-time.Hour)
	done := q.message("x", "ben@example.net")
	q.accept(plain, held, bounce, old, done)
	q.write(delivery.Batch{Settlements: []*delivery.Settlement{
		q.settlement(done, delivery.RecipientDelivered, 0, 0), q.settlement(bounce, delivery.RecipientDelivered, 0, 1),
	}})
	for name, c := range map[string]struct {
		filter delivery.MessageFilter
		want   []*delivery.Message
	}{
		"all":             {delivery.MessageFilter{}, []*delivery.Message{plain, held, bounce, old}},
		"queued":          {delivery.MessageFilter{State: delivery.StateQueued}, []*delivery.Message{plain, bounce, old}},
		"held":            {delivery.MessageFilter{State: delivery.StateHeld}, []*delivery.Message{held}},
		"domain":          {delivery.MessageFilter{RecipientDomain: "example.org"}, []*delivery.Message{held, bounce}},
		"domain, settled": {delivery.MessageFilter{RecipientDomain: "example.net"}, []*delivery.Message{plain}},
		"null sender":     {delivery.MessageFilter{Sender: null}, []*delivery.Message{bounce}},
		"sender":          {delivery.MessageFilter{Sender: &anna}, []*delivery.Message{plain, held, old}},
		"received before": {delivery.MessageFilter{ReceivedBefore: noon}, []*delivery.Message{old}},
		"received after":  {delivery.MessageFilter{ReceivedAfter: noon.Add(-time.Minute)}, []*delivery.Message{plain, held, bounce}},
		"several":         {delivery.MessageFilter{State: delivery.StateHeld, RecipientDomain: "example.net"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := q.Messages(t.Context(), c.filter, 0, 10)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(idsOf(c.want...), idsOf(list...)); diff != "" {
				t.Error(diff)
			}
			ids, err := q.Select(t.Context(), c.filter, 0, 10)
			if err != nil || !slices.Equal(ids, idsOf(c.want...)) {
				t.Errorf("selected %v, %v", ids, err)
			}
		})
	}
	turned, err := q.Messages(t.Context(), delivery.MessageFilter{NewestFirst: true}, 0, 10)
	if err != nil || len(turned) < 2 || turned[0].ID < turned[1].ID {
		t.Errorf("newest first: %v, error %v", turned, err)
	} else if below, err := q.Messages(t.Context(), delivery.MessageFilter{NewestFirst: true}, turned[0].ID, 1); err != nil || len(below) != 1 || below[0].ID != turned[1].ID {
		t.Errorf("below %s: %v, error %v", turned[0].ID, below, err)
	}
	page, err := q.Messages(t.Context(), delivery.MessageFilter{}, plain.ID, 2)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(idsOf(held, bounce), idsOf(page...)); diff != "" {
		t.Errorf("second page: %s", diff)
	}
	if len(page[1].Recipients) != 2 {
		t.Errorf("recipients: %+v", page[1].Recipients)
	}
}

func TestDeliveries(t *testing.T) {
	q := newMail(t)
	var all []*delivery.Message
	for i := range 5 {
		m := q.message("x", []string{"ben@example.net", "carl@example.org"}[i%2])
		q.accept(m)
		s := q.settlement(m, delivery.RecipientDelivered, 0, 0)
		s.At = noon.Add(time.Duration(i) * time.Hour)
		q.write(delivery.Batch{Settlements: []*delivery.Settlement{s}})
		all = append([]*delivery.Message{m}, all...) // newest first
	}
	turned := slices.Clone(all)
	slices.Reverse(turned)
	q.accept(q.message("x", "open@example.net"))
	for name, c := range map[string]struct {
		filter delivery.DeliveryFilter
		from   delivery.MessageID
		want   []*delivery.Message
	}{
		"all":             {delivery.DeliveryFilter{}, 0, all},
		"second page":     {delivery.DeliveryFilter{}, all[1].ID, all[2:]},
		"oldest first":    {delivery.DeliveryFilter{OldestFirst: true}, 0, turned},
		"its second page": {delivery.DeliveryFilter{OldestFirst: true}, turned[1].ID, turned[2:]},
		"domain":          {delivery.DeliveryFilter{RecipientDomain: "example.org"}, 0, []*delivery.Message{all[1], all[3]}},
		"finished after":  {delivery.DeliveryFilter{FinishedAfter: noon.Add(2 * time.Hour)}, 0, all[:2]},
		"finished before": {delivery.DeliveryFilter{FinishedBefore: noon.Add(2 * time.Hour)}, 0, all[3:]},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := q.Deliveries(t.Context(), c.filter, c.from, 10)
			if err != nil {
				t.Fatal(err)
			}
			var got []*delivery.Message
			for _, m := range list {
				got = append(got, m.Message)
				if m.FinishedAt.Before(noon) || len(m.Recipients) != 1 || m.Recipients[0].State != delivery.RecipientDelivered {
					t.Errorf("finished message: %+v", m)
				}
			}
			if diff := cmp.Diff(idsOf(c.want...), idsOf(got...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMessageThatIsNotThere(t *testing.T) {
	q := newMail(t)
	if _, err := q.Message(t.Context(), 42); domain.KindOf(err) != domain.NotFound {
		t.Errorf("error is %v", err)
	}
	if list, err := q.Attempts(t.Context(), 42, 0, 10); err != nil || len(list) != 0 {
		t.Errorf("attempts: %v, %v", list, err)
	}
}
