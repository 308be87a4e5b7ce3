package inbound

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"postern/domain/policy"
	"postern/smtp/smtptest"
)

func TestRecipientsAreCountedByTheHour(t *testing.T) { // B14
	l, now := NewLimits(), time.Date(2026, 11, 25, 10, 59, 59, 0, time.UTC)
	one, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for i, tc := range []struct {
		addr netip.Addr
		at   time.Time
		want bool
	}{
		{one, now, true},
		{one, now, true},
		{one, now, false},
		{other, now, true},
		{one, now.Add(time.Second), true}, // the next hour
		{one, now.Add(time.Second), true},
		{one, now.Add(30 * time.Minute), false},
	} {
		if got := l.countRecipient(tc.addr, 2, tc.at); got != tc.want {
			t.Errorf("recipient %d of %s: %t", i, tc.addr, got)
		}
	}
	for range 100 {
		if !l.countRecipient(one, 0, now) {
			t.Fatal("no limit is no limit")
		}
	}
}

// The memory for clients is bounded, however many addresses connect.
func TestCountedAddressesAreBounded(t *testing.T) {
	l, addr := NewLimits(), netip.MustParseAddr("2001:db8::")
	for range maxCountedAddresses + 2 {
		addr = addr.Next()
		l.countRecipient(addr, 1, time.Unix(0, 0))
	}
	if n := len(l.recipients); n > maxCountedAddresses+1 {
		t.Errorf("%d addresses are kept", n)
	}
}

func TestLimitsForgetWhoLeft(t *testing.T) { // B11, B14
	l, addr := NewLimits(), netip.MustParseAddr("192.0.2.1")
	listener := policy.Listener{Name: "a", MaxConcurrency: 1}
	leave, refusal := l.enter(listener)
	if refusal != nil {
		t.Fatal(refusal)
	}
	if _, refusal := l.enter(listener); refusal == nil {
		t.Error("one connection too many was let in")
	}
	if _, refusal := l.enter(policy.Listener{Name: "b", MaxConcurrency: 1}); refusal != nil {
		t.Errorf("another listener: %v", refusal)
	}
	forget := l.identify(listener, addr)
	if l.checkPerAddress(listener, addr, 1) != nil || l.checkPerAddress(listener, addr, 0) == nil {
		t.Error("one connection was not counted as one")
	}
	forget()
	leave()
	if l.Connections("a") != 0 || len(l.addresses) != 0 {
		t.Errorf("left behind: %d connections, %d addresses", l.Connections("a"), len(l.addresses))
	}
}

// connectable counts how many of ten connections complete while nobody accepts.
func connectable(t *testing.T, addr string) (n int) {
	t.Helper()
	for range 10 {
		conn, err := net.DialTimeout("tcp", addr, 200*time.Millisecond)
		if err != nil {
			break
		}
		t.Cleanup(func() { conn.Close() })
		n++
	}
	return n
}

// The queue of the kernel is what the listener says, and follows a change while
// the socket stays open (B11). The kernel lets one more wait than it is told.
func TestTCPQueue(t *testing.T) {
	l := policy.Listener{Address: "127.0.0.1", TCPQueue: 2}
	socket, err := Listen(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	if n := connectable(t, socket.Addr().String()); n > 3 {
		t.Errorf("%d connections wait in a queue of 2", n)
	}
	if err := socket.SetQueue(50); err != nil {
		t.Fatal(err)
	}
	if n := connectable(t, socket.Addr().String()); n != 10 {
		t.Errorf("%d of 10 connections wait in a queue of 50", n)
	}
}

func TestMessagesPerConnection(t *testing.T) { // B14
	s := preferred()
	s.policies[0].MessagesPerConnection = 2
	g := newGateway(t, s)
	for range 2 { // each connection has its own
		c := open(t, g)
		for range 2 {
			c.Send("a@client.test", []string{"b@example.com"}, "\r\nx\r\n")
		}
		c.Cmd(421, "MAIL FROM:<a@client.test>")
		c.ExpectClosed()
	}
	smtptest.Eventually(t, g.current.Load().Idle)
	if n := len(g.all()); n != 4 {
		t.Errorf("%d messages", n)
	}
}
