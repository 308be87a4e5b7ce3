package account

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"postern/domain"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestWaitDoublesUpToItsMaximum(t *testing.T) {
	for count, want := range map[int]time.Duration{
		0: 0, 1: 0, freeFailures - 1: 0,
		freeFailures:     time.Second,
		freeFailures + 1: 2 * time.Second,
		freeFailures + 8: 256 * time.Second,
		freeFailures + 9: longestWait,
		1_000_000_000:    longestWait,
	} {
		if got := (failures{count: count}).wait(); got != want {
			t.Errorf("%d failures: wait %s, want %s", count, got, want)
		}
	}
}

func TestFailuresAreForgotten(t *testing.T) {
	g, try := newGuesses(), attempt{from: netip.MustParseAddr("192.0.2.1"), account: "admin"}
	for range freeFailures {
		g.failed(try, start)
	}
	wantKind(t, g.check(try, start), domain.Exhausted)
	later := start.Add(forgetAfter)
	g.failed(try, later)
	if err := g.check(try, later); err != nil {
		t.Errorf("after %s: %v", forgetAfter, err)
	}
}

func TestSourceOfAttempt(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"2001:db8::1", "2001:db8::ffff", true}, // one /64 is one caller
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
	} {
		a, b := attempt{from: netip.MustParseAddr(tc.a)}, attempt{from: netip.MustParseAddr(tc.b)}
		if got := a.source() == b.source(); got != tc.same {
			t.Errorf("%s and %s: same %v, want %v", tc.a, tc.b, got, tc.same)
		}
	}
	if none := (attempt{}).source(); none == "" {
		t.Error("a caller without an address counts as nobody")
	}
}

func TestTrackingIsBounded(t *testing.T) {
	g := newGuesses()
	victim := attempt{from: netip.MustParseAddr("192.0.2.1"), account: "admin"}
	for range freeFailures {
		g.failed(victim, start)
	}
	for i := range maxTracked + 1000 {
		from := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		g.failed(attempt{from: from, account: fmt.Sprint("user ", i)}, start)
	}
	if len(g.addresses) > maxTracked || len(g.accounts) > maxTracked {
		t.Errorf("%d addresses and %d accounts are tracked", len(g.addresses), len(g.accounts))
	}
	wantKind(t, g.check(victim, start), domain.Exhausted) // a flood did not drive it out
}

func TestClaimedNamesAreKeptShort(t *testing.T) {
	g := newGuesses()
	g.failed(attempt{account: strings.Repeat("x", 1<<20)}, start)
	for key := range g.accounts {
		if len(key) > 256 {
			t.Errorf("%d bytes of a claimed name are kept", len(key))
		}
	}
}
