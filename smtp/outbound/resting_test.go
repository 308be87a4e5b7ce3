package outbound

import (
	"net/netip"
	"testing"
	"time"

	"postern/domain/delivery"
	"postern/smtp/smtptest"
)

// awake reports whether the list leaves an address in its turn.
func (l *restingList) awake(addr netip.AddrPort) bool {
	awake, _ := l.split([]target{{addr: addr}})
	return len(awake) == 1
}

func TestResting(t *testing.T) {
	clock := smtptest.NewClock()
	l := newRestingList(clock.Now)
	addr := netip.MustParseAddrPort("192.0.2.1:25")
	unreached := &failure{stage: delivery.StageConnect, class: unreachable}

	for _, pause := range []time.Duration{1, 2, 4, 8, 16, 32, 32} {
		l.note(addr, unreached)
		clock.Advance(pause*time.Minute - time.Second)
		if l.awake(addr) {
			t.Errorf("awake before %d minutes", pause)
		}
		clock.Advance(time.Second)
		if !l.awake(addr) {
			t.Errorf("still resting after %d minutes", pause)
		}
	}
	l.note(addr, nil)
	l.note(addr, unreached)
	clock.Advance(time.Minute)
	if !l.awake(addr) {
		t.Error("a success did not end the row of failures")
	}

	l.note(addr, unreached)
	l.note(addr, &failure{stage: delivery.StageSTARTTLS, class: handshakeFailed})
	if !l.awake(addr) {
		t.Error("a failure of TLS is no reason to rest: the address was reached")
	}
	l.note(addr, &failure{stage: delivery.StageConnect, class: stopped})
	if !l.awake(addr) {
		t.Error("our own stop is no reason to rest")
	}

	l.note(addr, unreached)
	clock.Advance(-time.Hour)
	if !l.awake(addr) {
		t.Error("the rest outlived the clock")
	}
}

func TestRestingIsBounded(t *testing.T) {
	clock := smtptest.NewClock()
	l := newRestingList(clock.Now)
	unreached := &failure{stage: delivery.StageConnect, class: unreachable}
	addr := netip.MustParseAddr("10.0.0.0")
	for range maxResting + 1 {
		addr = addr.Next()
		l.note(netip.AddrPortFrom(addr, 25), unreached)
	}
	if len(l.peers) != maxResting {
		t.Errorf("%d addresses", len(l.peers))
	}
	clock.Advance(2 * time.Hour)
	l.note(netip.AddrPortFrom(addr, 25), unreached)
	if len(l.peers) != 1 {
		t.Errorf("%d addresses after all were over", len(l.peers))
	}
}

// TestRestingComesLast shows that a dead host is dialled once, and again only
// where nothing else is left (B33).
func TestRestingComesLast(t *testing.T) {
	r := newRig(t)
	r.domain("example.com", "a.example.com", "b.example.com")
	r.host("a.example.com", "192.0.2.1", nil)
	good := smtptest.NewMX(t, smtptest.MXOptions{})
	r.host("b.example.com", "192.0.2.2", good)
	for range 3 {
		want(t, r.send("b@example.com"), delivered)
		r.CloseIdle()
	}
	dead := 0
	for _, call := range r.network.calls() {
		if call == "192.0.2.1:25" {
			dead++
		}
	}
	if dead != 1 {
		t.Errorf("the dead host was dialled %d times", dead)
	}
	good.Update(func(o *smtptest.MXOptions) { o.Greeting = "421 4.3.2 busy" })
	want(t, r.send("b@example.com"), "deferred connect 451 4.4.1")
	if calls := r.network.calls(); calls[len(calls)-1] != "192.0.2.1:25" {
		t.Errorf("dialled %v", calls)
	}
}
