package outbound

import (
	"testing"
	"time"

	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/smtp/smtptest"
)

// perAddress is a destination control whose limits are per MX address.
func perAddress(t *testing.T, pattern string, connections, recipients int) policy.DestinationControl {
	t.Helper()
	d := control(t, pattern, policy.TLSNone)
	d.LimitPer, d.MaxConnections = policy.LimitPerMXAddress, connections
	d.RecipientRate = &policy.RecipientRate{Recipients: recipients, Minutes: 5}
	return d
}

// TestRecipientRatePerAddress is B21: what one address has no room for goes to
// another, and what none has room for is put off rather than tried.
func TestRecipientRatePerAddress(t *testing.T) {
	r := newRig(t, perAddress(t, "example.com", 5, 2))
	mx := r.simple(smtptest.MXOptions{})
	second := smtptest.NewMX(t, smtptest.MXOptions{})
	r.domain("example.com", "mx.example.com", "mx2.example.com")
	r.host("mx2.example.com", "192.0.2.2", second)

	a := r.send("1@example.com", "2@example.com", "3@example.com", "4@example.com", "5@example.com")
	if len(a.Results) != 4 || a.PostponedUntil.IsZero() {
		t.Fatalf("%d results, postponed until %s: want 4 and a time", len(a.Results), a.PostponedUntil)
	}
	if wait := time.Until(a.PostponedUntil); wait < 4*time.Minute || wait > 5*time.Minute {
		t.Errorf("postponed for %s", wait)
	}
	for _, exchanger := range []*smtptest.MX{mx, second} {
		if got := exchanger.Messages(); len(got) != 1 || len(got[0].Recipients) != 2 {
			t.Errorf("an address got %d messages", len(got))
		}
	}
	before := len(r.network.calls())
	if a = r.send("6@example.com"); len(a.Results) > 0 || len(r.network.calls()) != before {
		t.Errorf("%d results, dialled %q", len(a.Results), r.network.calls()[before:])
	}
}

// Recipients that were not tried, because the address is out of reach, do not
// use up its room.
func TestRecipientRateCountsWhatWasTried(t *testing.T) {
	r := newRig(t, perAddress(t, "example.com", 5, 2))
	r.domain("example.com", "mx.example.com")
	r.host("mx.example.com", "192.0.2.1", nil)
	for range 5 {
		want(t, r.send("b@example.com"), "deferred connect 451 4.4.1")
	}
}

// TestConnectionsPerAddress is B21: a second delivery to an address in use goes
// elsewhere, or waits.
func TestConnectionsPerAddress(t *testing.T) {
	r := newRig(t, perAddress(t, ".example", 1, 0))
	entry := func(addr string) (int, time.Time) {
		return r.limits.enter(perAddress(t, ".example", 1, 0), mustAddr(addr), 3)
	}
	if granted, _ := entry("192.0.2.1"); granted != 3 {
		t.Fatalf("granted %d of 3", granted)
	}
	if granted, until := entry("192.0.2.1"); granted != 0 || time.Until(until) > busyPause {
		t.Errorf("a second connection: granted %d, until %s", granted, until)
	}
	if granted, _ := entry("192.0.2.2"); granted != 3 {
		t.Errorf("another address: granted %d", granted)
	}
	r.limits.leave(perAddress(t, ".example", 1, 0), mustAddr("192.0.2.1"), 0)
	if granted, _ := entry("192.0.2.1"); granted != 3 {
		t.Errorf("after it was given back: granted %d", granted)
	}
}

// A host at its limit is no reason to throw mail away.
func TestDiscardWaitsForRoom(t *testing.T) {
	to := route(t, "example.com", "mx.example.com")
	to.NextHops = append(to.NextHops, policy.NextHop{Discard: true, Priority: 9})
	r := newRig(t, to, perAddress(t, "example.com", 5, 1))
	r.simple(smtptest.MXOptions{})
	a := r.send("1@example.com", "2@example.com")
	if len(a.Results) != 1 || a.Results[0].Outcome.Stage != delivery.StageTransfer || a.PostponedUntil.IsZero() {
		t.Errorf("results %v, postponed until %s", a.Results, a.PostponedUntil)
	}
}

func TestLimitsForgetWhatIsOver(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	l := newAddressLimits(func() time.Time { return now })
	c := perAddress(t, "example.com", 1, 1)
	l.enter(c, mustAddr("192.0.2.1"), 1)
	l.leave(c, mustAddr("192.0.2.1"), 0)
	l.enter(c, mustAddr("192.0.2.2"), 1)
	l.forget(now)
	if len(l.peers) != 2 {
		t.Errorf("%d addresses within their window, want 2", len(l.peers))
	}
	l.forget(now.Add(time.Hour))
	if len(l.peers) != 1 {
		t.Errorf("%d addresses, want the one that is in use", len(l.peers))
	}
}
