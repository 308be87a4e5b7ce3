package queue

import (
	"testing"
	"time"

	"postern/domain/delivery"
	"postern/domain/policy"
)

func TestDeadDestinationCostsOneTry(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.peer.says(gone)
		r.send("first@dead.example")
		for i := range 300 {
			r.enqueue(r.message(address(i, "dead.example")))
		}
		r.wait(10 * time.Minute)
		if n := r.peer.count(); n > 10 {
			t.Errorf("%d tries at a dead destination", n)
		}
		if s := r.Stats(); s.InMemory > minLaneWindow || s.Suspended != 1 || s.Waiting != 301 {
			t.Errorf("stats: %+v", s)
		}
		r.peer.says(taken)
		r.wait(20 * time.Minute)
		if n := r.store.unfinished(); n != 0 {
			t.Errorf("%d messages are left after the destination came back", n)
		}
		r.wantQuiet()
	})
}

func TestDeadDestinationDoesNotHoldUpOthers(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.settings(func(s *policy.QueueSettings) { s.MaxDeliveries = 4 })
		r.peer.answer = func(m *delivery.Message, i int) delivery.Outcome {
			if m.Recipients[i].Address.Domain == "dead.example" {
				return gone
			}
			return taken
		}
		r.peer.latency = time.Second
		for i := range 100 {
			r.enqueue(r.message(address(i, "dead.example")))
		}
		r.wait(5 * time.Second)
		id := r.send("ben@alive.example")
		r.wait(2 * time.Second)
		r.wantStates(id, "delivered")
	})
}

func TestSuspendedMailExpiresAndIsAnnouncedInTime(t *testing.T) {
	// B75: also what was never tried itself.
	inBubble(t, func(r *rig) {
		r.settings(func(s *policy.QueueSettings) { s.LifetimeSeconds, s.DelayNoticeSeconds = 86400, 3600 })
		r.peer.says(gone)
		r.send("first@dead.example")
		var ids []delivery.MessageID
		for i := range 2*overduePage + 10 {
			ids = append(ids, r.enqueue(r.message(address(i, "dead.example"))))
		}
		r.wait(2 * time.Hour)
		if n := len(r.store.notices()); n != len(ids)+1 {
			t.Errorf("%d delay notices for %d messages", n, len(ids)+1)
		}
		r.wait(23 * time.Hour)
		if n := len(r.store.notices()); n != 2*(len(ids)+1) {
			t.Errorf("%d notices in all", n)
		}
		for _, id := range ids {
			r.wantStates(id, "bounced")
		}
		r.wantQuiet()
	})
}

func TestPeersOwnTermsDoNotSuspend(t *testing.T) {
	stopped := delivery.Outcome{Stage: delivery.StagePolicy, Enhanced: "4.7.5"}
	for name, c := range map[string]struct {
		m    delivery.Message
		a    delivery.Attempt
		want bool
	}{
		"no host":         {a: results(gone, gone), want: true},
		"no TLS":          {a: results(noTLS), want: true},
		"greylisted":      {a: results(later)},
		"bounced":         {a: results(never)},
		"in part":         {a: results(gone, later)},
		"REQUIRETLS":      {m: delivery.Message{Envelope: delivery.Envelope{RequireTLS: true}}, a: results(stopped)},
		"nothing":         {},
		"not classified":  {a: results(delivery.Outcome{})},
		"policy of all":   {a: results(stopped), want: true},
		"taken, then not": {a: results(taken, gone)},
	} {
		t.Run(name, func(t *testing.T) {
			if _, got := unreachable(&c.m, c.a); got != c.want {
				t.Errorf("unreachable is %t", got)
			}
		})
	}
}

func results(outcomes ...delivery.Outcome) (a delivery.Attempt) {
	for i, o := range outcomes {
		a.Results = append(a.Results, delivery.Result{Recipient: i, Outcome: o})
	}
	return a
}

func TestSuspensionGrowsAndCountsACohortOnce(t *testing.T) {
	var s suspension
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now := start.Add(time.Second)
	if !s.fail(start, now, gone) || s.fail(start, now.Add(time.Millisecond), gone) {
		t.Error("deliveries that were under way together do not count once")
	}
	last := time.Duration(0)
	for range 10 {
		now = s.until
		s.fail(now, now, gone)
		if pause := s.until.Sub(now); pause < last*4/5 || pause > maxSuspension*11/10 {
			t.Errorf("pause of %v after one of %v", pause, last)
		} else {
			last = pause
		}
	}
	if last < maxSuspension*9/10 {
		t.Errorf("the longest pause is %v", last)
	}
	if s.lift(); s.suspended(now) {
		t.Error("still suspended")
	}
}
