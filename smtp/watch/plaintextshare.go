package watch

import (
	"context"
	"time"

	"postern/domain/alert"
	"postern/domain/policy"
	"postern/domain/tlsreport"
)

// shareInterval is how often statistics are summed at most, while the bounds are
// the same: the sum over a week is no small question to the store.
const shareInterval = time.Minute

// Totals sums what was counted of connections and messages, by direction.
type Totals func(ctx context.Context, q tlsreport.Query) ([]tlsreport.Summary, error)

// share remembers what was found last.
type share struct {
	totals Totals
	bounds func() policy.PlaintextShare
	now    func() time.Time

	judged time.Time
	by     policy.PlaintextShare
	events []alert.Event
}

// PlaintextShare holds for each direction in which the share of messages in clear
// exceeds its bound.
func PlaintextShare(totals Totals, bounds func() policy.PlaintextShare, now func() time.Time) Condition {
	s := &share{totals: totals, bounds: bounds, now: now}
	return Condition{Kind: alert.PlaintextShare, Look: s.look}
}

func (s *share) look(ctx context.Context) ([]alert.Event, error) {
	bounds, now := s.bounds(), s.now()
	if bounds == s.by && now.Sub(s.judged) < shareInterval {
		return s.events, nil
	}
	var events []alert.Event
	for direction, bound := range map[tlsreport.Direction]policy.ShareBound{
		tlsreport.Incoming: bounds.Incoming, tlsreport.Outgoing: bounds.Outgoing,
	} {
		e, exceeded, err := s.judge(ctx, direction, bound, now)
		if err != nil {
			return nil, err
		}
		if exceeded {
			events = append(events, e)
		}
	}
	s.judged, s.by, s.events = now, bounds, events
	return events, nil
}

func (s *share) judge(ctx context.Context, d tlsreport.Direction, bound policy.ShareBound, now time.Time) (alert.Event, bool, error) {
	if !bound.Enabled {
		return alert.Event{}, false, nil
	}
	since := alert.ShareWindow(bound, now)
	sums, err := s.totals(ctx, tlsreport.Query{From: since, To: now.Add(time.Hour), Direction: d})
	if err != nil || len(sums) == 0 {
		return alert.Event{}, false, err
	}
	e, exceeded := alert.Plaintext(bound, sums[0], since)
	return e, exceeded, nil
}
