package outbound

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/smtp/smtptest"
)

func TestOneHourList(t *testing.T) {
	clock := smtptest.NewClock()
	began := clock.Now()
	l := NewOneHourList(clock.Now)
	first, second := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	mapped := netip.MustParseAddr("::ffff:192.0.2.1")

	clock.Advance(50 * time.Minute)
	if !l.Add(second, "", "garbage") || !l.Add(mapped, "mx.example.com", "reset") {
		t.Fatal("there was no room")
	}
	want := []ClearPeer{
		{Addr: first, Host: "mx.example.com", Since: clock.Now(), Reason: "reset"},
		{Addr: second, Since: clock.Now(), Reason: "garbage"},
	}
	compare := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if diff := cmp.Diff(want, l.List(), compare); diff != "" {
		t.Error(diff)
	}
	if !l.Contains(first) || !l.Contains(mapped) {
		t.Error("the mapped address is another one")
	}
	if got := l.EmptiedAt(); !got.Equal(began.Add(time.Hour)) {
		t.Errorf("emptied at %v", got)
	}

	// B24: the whole list goes at the hour, however young its entries are.
	clock.Advance(10*time.Minute - time.Nanosecond)
	if !l.Contains(first) {
		t.Error("emptied too early")
	}
	clock.Advance(time.Nanosecond)
	if l.Contains(first) || len(l.List()) != 0 {
		t.Error("not emptied at the hour")
	}

	// The hours go on in step, whether anyone looked or not.
	clock.Advance(150 * time.Minute)
	if got := l.EmptiedAt(); !got.Equal(began.Add(4 * time.Hour)) {
		t.Errorf("emptied at %v, want %v", got, began.Add(4*time.Hour))
	}
}

func TestOneHourListIsClearable(t *testing.T) {
	clock := smtptest.NewClock()
	l := NewOneHourList(clock.Now)
	for _, addr := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"} {
		l.Add(netip.MustParseAddr(addr), "", "reset")
	}
	if !l.Remove(netip.MustParseAddr("192.0.2.2")) || l.Remove(netip.MustParseAddr("192.0.2.2")) {
		t.Error("Remove does not say whether the peer was listed")
	}
	if n := l.Clear(); n != 2 || l.Clear() != 0 {
		t.Errorf("cleared %d", n)
	}
}

// TestOneHourListAndTheClock shows that a clock put back cannot prolong entries.
func TestOneHourListAndTheClock(t *testing.T) {
	clock := smtptest.NewClock()
	l := NewOneHourList(clock.Now)
	addr := netip.MustParseAddr("192.0.2.1")
	l.Add(addr, "", "reset")
	clock.Advance(-24 * time.Hour)
	if l.Contains(addr) {
		t.Error("the entry outlived the clock")
	}
}

func TestOneHourListIsBounded(t *testing.T) {
	clock := smtptest.NewClock()
	l := NewOneHourList(clock.Now)
	addr := netip.MustParseAddr("10.0.0.0")
	for range maxClearPeers {
		if !l.Add(addr, "", "reset") {
			t.Fatalf("no room for %v", addr)
		}
		addr = addr.Next()
	}
	if l.Add(addr, "", "reset") || l.Contains(addr) {
		t.Error("the list is not bounded")
	}
	if !l.Add(netip.MustParseAddr("10.0.0.0"), "", "again") {
		t.Error("a listed peer was refused")
	}
}
