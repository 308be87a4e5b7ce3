package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/delivery"
	"postern/domain/event"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// oneControl is a store of the destination control for limited.example.
type oneControl struct{ control policy.DestinationControl }

const limitedDomain = "limited.example"

func (c oneControl) Load(_ context.Context, yield func(config.Item) error) (int64, error) {
	document, err := json.Marshal(c.control)
	if err != nil {
		return 0, err
	}
	return 1, yield(config.Item{Kind: config.KindDestinationControl, Key: limitedDomain, Document: document})
}

func (oneControl) Current(context.Context, []config.Ref) (map[config.Ref]config.Item, error) {
	return nil, nil
}

func (oneControl) Commit(context.Context, int64, config.Revision, []config.Item) error { return nil }

func (oneControl) Items(context.Context, config.Kind, string, int) ([]config.Item, error) {
	return nil, nil
}

// limit gives limited.example a destination control.
func (r *rig) limit(control policy.DestinationControl) {
	r.t.Helper()
	var err error
	if control.Pattern, err = mailaddr.ParseHostPattern(limitedDomain); err != nil {
		r.t.Fatal(err)
	}
	service, err := config.NewService(r.t.Context(), config.Dependencies{Store: oneControl{control}, History: new(configtest.Memory), Bus: new(event.Bus), Now: time.Now})
	if err != nil {
		r.t.Fatal(err)
	}
	r.snapshot.Store(service.Snapshot())
}

func rated(recipients, minutes int) policy.DestinationControl {
	return policy.DestinationControl{MaxConnections: 1, RecipientRate: &policy.RecipientRate{Recipients: recipients, Minutes: minutes}}
}

// inLimitedBubble runs a test with a running queue and the control.
func inLimitedBubble(t *testing.T, control policy.DestinationControl, test func(r *rig, start time.Time)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.limit(control)
		r.run()
		test(r, time.Now())
		_ = r.stop()
	})
}

// wantPace waits, and fails the test unless the tries so far were in these
// minutes with so many recipients, as "minute:recipients".
func (r *rig) wantPace(start time.Time, d time.Duration, want ...string) {
	r.t.Helper()
	r.wait(d)
	r.peer.mu.Lock()
	defer r.peer.mu.Unlock()
	var got []string
	for _, t := range r.peer.tries {
		got = append(got, fmt.Sprintf("%d:%d", int(t.at.Sub(start).Minutes()), len(t.recipients)))
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("after %s: tries %v, want %v", time.Since(start), got, want)
	}
}

// sendTo enqueues a message to n recipients of limited.example.
func (r *rig) sendTo(n int) delivery.MessageID {
	r.t.Helper()
	var to []string
	for i := range n {
		to = append(to, address(i, limitedDomain))
	}
	return r.send(to...)
}

// TestRecipientRate is B21: so many recipients in so many minutes, whether they
// come in one message or in many; the rest waits and is not put off by a retry
// schedule.
func TestRecipientRate(t *testing.T) {
	inLimitedBubble(t, rated(3, 5), func(r *rig, start time.Time) {
		r.sendTo(2)
		r.sendTo(5)
		r.wantPace(start, time.Minute, "0:2", "0:1")
		r.wantPace(start, 3*time.Minute, "0:2", "0:1")
		r.wantPace(start, 2*time.Minute, "0:2", "0:1", "5:3")
		r.wantPace(start, 5*time.Minute, "0:2", "0:1", "5:3", "10:1")
		r.wantQuiet()
	})
}

// The rate holds although the lane ends between two messages.
func TestRecipientRateOutlivesTheLane(t *testing.T) {
	inLimitedBubble(t, rated(1, 5), func(r *rig, start time.Time) {
		r.sendTo(1)
		if n := r.Stats().Destinations; n != 0 {
			t.Fatalf("%d destinations have mail", n)
		}
		r.sendTo(1)
		r.wantPace(start, 2*time.Minute, "0:1")
		r.wantPace(start, 4*time.Minute, "0:1", "5:1")
	})
}

// Recipients of a limited destination do not ride along with others.
func TestRecipientRateHoldsForCompanions(t *testing.T) {
	inLimitedBubble(t, rated(1, 5), func(r *rig, start time.Time) {
		r.peer.group = func(_ *delivery.Message, recipients []int) [][]int { return [][]int{recipients} }
		for i := range 3 {
			r.send(address(i, "other.example"), address(i, limitedDomain))
		}
		r.wait(time.Minute)
		if n := r.peer.count(); n != 4 {
			t.Errorf("%d tries, want three for the other destination and one for the limited one", n)
		}
	})
}

// Recipients that go with a later try, as those under REQUIRETLS do, count once.
func TestRecipientRateCountsOnce(t *testing.T) {
	inLimitedBubble(t, rated(4, 5), func(r *rig, start time.Time) {
		r.peer.group = func(m *delivery.Message, _ []int) [][]int { return [][]int{{0, 1}, {2, 3}} }
		m := r.message(address(0, limitedDomain), address(1, limitedDomain), address(2, limitedDomain), address(3, limitedDomain))
		m.Recipients[2].RequireTLS, m.Recipients[3].RequireTLS = true, true
		r.enqueue(m)
		r.wantPace(start, time.Minute, "0:2", "0:2")
	})
}

// A higher rate takes effect before the minutes are over.
func TestRecipientRateFollowsTheConfiguration(t *testing.T) {
	inLimitedBubble(t, rated(1, 60), func(r *rig, start time.Time) {
		r.sendTo(3)
		r.wantPace(start, 65*time.Second, "0:1")
		r.limit(rated(100, 60))
		r.wantPace(start, time.Minute, "0:1", "1:2")
	})
}

// What the transport had no room for is tried again when there is, and does not
// count as a try.
func TestPostponedRecipientsComeBack(t *testing.T) {
	control := policy.DestinationControl{MaxConnections: 1, LimitPer: policy.LimitPerMXAddress}
	inLimitedBubble(t, control, func(r *rig, start time.Time) {
		r.peer.room = func(recipients []int) (int, time.Time) {
			if time.Since(start) < 2*time.Minute {
				return min(1, len(recipients)), start.Add(2 * time.Minute)
			}
			return len(recipients), time.Time{}
		}
		first, second := r.sendTo(3), r.sendTo(1)
		r.wantStates(first, "delivered", "queued", "queued")
		r.wait(time.Minute)
		if n := r.peer.count(); n != 1 {
			t.Errorf("%d tries within the pause, want 1", n)
		}
		r.wait(2 * time.Minute)
		r.wantStates(first, "delivered", "delivered", "delivered")
		r.wantStates(second, "delivered")
		for i, recipient := range r.store.get(first).Recipients {
			if recipient.Attempts != 1 {
				t.Errorf("recipient %d counts %d tries", i, recipient.Attempts)
			}
		}
	})
}

// Per MX address, as many deliveries run as there are addresses with room.
func TestConnectionsPerAddressWidenTheLane(t *testing.T) {
	control := policy.DestinationControl{MaxConnections: 2, LimitPer: policy.LimitPerMXAddress}
	inLimitedBubble(t, control, func(r *rig, start time.Time) {
		r.peer.latency = time.Second
		turn := 0 // under the peer's lock
		r.peer.host = func() string { turn++; return fmt.Sprintf("192.0.2.%d:25", turn%3) }
		for range 60 {
			r.sendTo(1)
		}
		r.wait(time.Minute)
		if most := r.peer.peak[limitedDomain]; most != 6 || r.peer.count() != 60 {
			t.Errorf("%d at a time in %d deliveries, want 6 (two to each of three addresses)", most, r.peer.count())
		}
	})
}
