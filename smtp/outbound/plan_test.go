package outbound

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/dns"
	"postern/smtp/smtptest"
)

// TestRouting is B31 and B33: where mail goes, or why it goes nowhere. All hosts
// refuse connections; what was dialled shows the order.
func TestRouting(t *testing.T) {
	mx := func(list ...string) dns.MXResult {
		var result dns.MXResult
		for _, entry := range list {
			var preference uint16
			var host mailaddr.DomainName
			if _, err := fmt.Sscan(entry, &preference, &host); err != nil {
				t.Fatal(err)
			}
			result.Hosts = append(result.Hosts, dns.MX{Preference: preference, Host: host})
		}
		return result
	}
	tests := []struct {
		name    string
		domain  mailaddr.DomainName
		mx      dns.MXResult
		want    string
		dialled string
	}{
		{"by preference", "d.test", mx("10 one.test", "20 two.test"), "deferred connect 451 4.4.1", "192.0.2.1 192.0.2.2"},
		{"null MX", "d.test", dns.MXResult{Null: true}, "bounced route 556 5.1.10", ""},
		{"no such domain", "d.test", dns.MXResult{Answer: dns.Answer{Class: dns.NoName}}, "bounced route 550 5.1.2", ""},
		{"no MX record", "one.test", dns.MXResult{Answer: dns.Answer{Class: dns.NoData}}, "deferred connect 451 4.4.1", "192.0.2.1"},
		{"no MX record and no address", "d.test", dns.MXResult{Answer: dns.Answer{Class: dns.NoData}}, "bounced names 550 5.4.4", ""},
		{"MX records that name no host", "d.test", dns.MXResult{Dropped: []string{"192.0.2.1"}}, "bounced route 550 5.4.4", ""},
		{"look-up fails", "fails.test", dns.MXResult{}, "deferred route 451 4.4.3", ""},
		{"host without address", "d.test", mx("10 nothing.test"), "bounced names 550 5.4.4", ""},
		{"host without address beside one that waits", "d.test", mx("10 nothing.test", "20 two.test"), "deferred connect 451 4.4.1", "192.0.2.2"},
		{"address look-up fails", "d.test", mx("10 fails.test"), "deferred names 451 4.4.3", ""},
		{"address look-up fails beside no address", "d.test", mx("10 fails.test", "20 nothing.test"), "deferred names 451 4.4.3", ""},
		{"our name among the hosts", "d.test", mx("10 one.test", "20 client.test", "20 two.test", "30 three.test"), "deferred connect 451 4.4.1", "192.0.2.1"},
		{"our name is the best host", "d.test", mx("10 client.test", "20 two.test"), "bounced route 554 5.4.6", ""},
		{"our address among the hosts", "d.test", mx("10 one.test", "20 self.test", "20 two.test", "30 three.test"), "deferred connect 451 4.4.1", "192.0.2.1"},
		{"our address is the best host", "d.test", mx("10 self.test", "20 two.test"), "bounced route 554 5.4.6", ""},
		{"an address of this machine", "d.test", mx("10 local.test"), "bounced route 554 5.4.6", ""},
		{"loopback", "d.test", mx("10 loopback.test"), "bounced route 554 5.4.6", ""},
		{"no address at all", "d.test", mx("10 zero.test"), "bounced route 554 5.4.6", ""},
		{"a route goes before MX", "routed.test", mx("10 one.test"), "deferred connect 451 4.4.1", "192.0.2.77:2525 192.0.2.3 192.0.2.250"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			routed := route(t, "routed.test", "192.0.2.77", "three.test", "self.test")
			routed.NextHops[0].Port = 2525
			r := newRig(t, routed)
			r.LocalAddrs = func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("192.0.2.99")} }
			r.resolver.fail = []mailaddr.DomainName{"fails.test"}
			r.resolver.mx[tt.domain] = tt.mx
			for host, addr := range map[mailaddr.DomainName]string{
				"one.test": "192.0.2.1", "two.test": "192.0.2.2", "three.test": "192.0.2.3", "self.test": "192.0.2.250",
				"local.test": "192.0.2.99", "loopback.test": "127.0.0.2", "zero.test": "0.0.0.0",
			} {
				r.host(host, addr, nil)
			}
			want(t, r.send("b@"+string(tt.domain)), tt.want)
			dialled := strings.ReplaceAll(strings.Join(r.network.calls(), " "), ":25 ", " ")
			if dialled = strings.TrimSuffix(dialled, ":25"); dialled != tt.dialled {
				t.Errorf("dialled %q, want %q", dialled, tt.dialled)
			}
		})
	}
}

func TestLiteral(t *testing.T) {
	r := newRig(t)
	mx := smtptest.NewMX(t, smtptest.MXOptions{})
	r.network.peers["192.0.2.5:25"] = mx.Addr()
	a := r.send("b@[192.0.2.5]")
	want(t, a, delivered)
	if got := mx.Messages()[0].Recipients[0].Address; got != "b@[192.0.2.5]" || a.Host != "192.0.2.5" {
		t.Errorf("went to %s at %s", got, a.Host)
	}
	want(t, r.send("b@[127.0.0.1]"), "bounced route 554 5.4.6")
}

func TestNoDomain(t *testing.T) {
	r := newRig(t)
	m := mail(t, body, "b@example.com")
	m.Recipients[0].Address = mailaddr.Mailbox{Local: "postmaster"}
	want(t, r.deliver(m), "bounced route 550 5.1.3")
}

// TestFamilies shows that a dead family does not hold mail up (B33).
func TestFamilies(t *testing.T) {
	for _, alive := range []string{"192.0.2.1", "2001:db8::1"} {
		r := newRig(t)
		mx := smtptest.NewMX(t, smtptest.MXOptions{})
		r.domain("example.com", "mx.example.com")
		for _, addr := range []string{"192.0.2.1", "2001:db8::1"} {
			if addr == alive {
				r.host("mx.example.com", addr, mx)
			} else {
				r.host("mx.example.com", addr, nil)
			}
		}
		a := r.send("b@example.com")
		want(t, a, delivered)
		if got := netip.MustParseAddrPort(a.Address).Addr().String(); got != alive {
			t.Errorf("delivered to %s", got)
		}
	}
}

func TestAlternate(t *testing.T) {
	six := []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8::3")}
	four := []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	var families string
	for _, addr := range alternate(six, four) {
		if addr.Is4() {
			families += "4"
		} else {
			families += "6"
		}
	}
	if families != "6466" {
		t.Errorf("got %s", families)
	}
}

// TestBounds shows that DNS cannot make us try without end (N23).
func TestBounds(t *testing.T) {
	r := newRig(t)
	var hosts []mailaddr.DomainName
	for i := range 200 {
		host := mailaddr.DomainName(fmt.Sprintf("mx%d.example.com", i))
		hosts = append(hosts, host)
		for j := range 20 {
			r.host(host, fmt.Sprintf("192.0.%d.%d", i, j+1), nil)
		}
	}
	r.domain("example.com", hosts...)
	want(t, r.send("b@example.com"), "deferred connect 451 4.4.1")
	if got := len(r.network.calls()); got != maxHops*maxAddrs {
		t.Errorf("%d connections tried", got)
	}
}

// A route may name more hosts than DNS is believed to have: the last one serves
// when all before it are down (B31).
func TestRouteIsTriedToItsEnd(t *testing.T) {
	hosts := []string{"last.example"}
	r := newRig(t)
	for i := range maxHops + 5 {
		down := fmt.Sprintf("down%d.example", i)
		r.host(mailaddr.DomainName(down), fmt.Sprintf("192.0.2.%d", 100+i), nil)
		hosts = slices.Insert(hosts, len(hosts)-1, down)
	}
	mx := smtptest.NewMX(t, smtptest.MXOptions{})
	r.host("last.example", "192.0.2.1", mx)
	r.configure(route(t, "example.com", hosts...))
	want(t, r.send("b@example.com"), delivered)
	if got := len(mx.Messages()); got != 1 {
		t.Errorf("%d messages at the last host", got)
	}
}

// TestEqualPreferences shows that hosts of equal preference share the load.
func TestEqualPreferences(t *testing.T) {
	r := newRig(t)
	result := dns.MXResult{}
	for i := range 4 {
		host := mailaddr.DomainName(fmt.Sprintf("mx%d.example.com", i))
		result.Hosts = append(result.Hosts, dns.MX{Preference: 10, Host: host})
		r.host(host, fmt.Sprintf("192.0.2.%d", i+1), nil)
	}
	r.resolver.mx["example.com"] = result
	first := map[string]bool{}
	for range 200 {
		before := len(r.network.calls())
		r.send("b@example.com")
		first[r.network.calls()[before]] = true
	}
	if len(first) != 4 {
		t.Errorf("first choices were %v", names(first))
	}
}

// TestWalk is N23: refusing, time-out, 421, 4xx to MAIL, then a good one.
func TestWalk(t *testing.T) {
	r := newRig(t)
	peers := []*smtptest.MX{
		nil,
		smtptest.NewMX(t, answers("CONNECT", "421 4.3.2 busy")),
		smtptest.NewMX(t, answers("CONNECT", "554 5.7.1 no")),
		smtptest.NewMX(t, answers("EHLO", "451 4.3.0 later")),
		smtptest.NewMX(t, answers("MAIL", "451 4.7.1 later")),
		smtptest.NewMX(t, smtptest.MXOptions{Actions: map[string]smtptest.Action{"RCPT": smtptest.Drop()}}),
		smtptest.NewMX(t, smtptest.MXOptions{}),
		smtptest.NewMX(t, smtptest.MXOptions{}),
	}
	var hosts []mailaddr.DomainName
	for i, mx := range peers {
		host := mailaddr.DomainName(fmt.Sprintf("mx%d.example.com", i))
		hosts = append(hosts, host)
		r.host(host, fmt.Sprintf("192.0.2.%d", i+1), mx)
	}
	r.domain("example.com", hosts...)
	a := r.send("b@example.com")
	want(t, a, delivered)
	if a.Host != "mx6.example.com" || len(a.Hosts) != 7 {
		t.Errorf("recorded %s and %d tries", a.Host, len(a.Hosts))
	}
	stages := []delivery.Stage{}
	for _, h := range a.Hosts {
		stages = append(stages, h.Stage)
	}
	if !slices.Equal(stages, []delivery.Stage{"connect", "connect", "connect", "connect", "transfer", "transfer", "transfer"}) {
		t.Errorf("stages %v", stages)
	}
}

// TestPermanentRefusalIsFinal shows that a refused recipient is not offered to
// the next host (N23).
func TestPermanentRefusalIsFinal(t *testing.T) {
	r := newRig(t)
	r.domain("example.com", "a.example.com", "b.example.com")
	r.host("a.example.com", "192.0.2.1", smtptest.NewMX(t, answers("RCPT", "550 5.1.1 no")))
	second := smtptest.NewMX(t, smtptest.MXOptions{})
	r.host("b.example.com", "192.0.2.2", second)
	want(t, r.send("b@example.com"), "bounced transfer 550 5.1.1")
	if second.Connections() != 0 {
		t.Error("the second host was asked too")
	}
}

// TestRecord pins what an attempt leaves behind.
func TestRecord(t *testing.T) {
	r := newRig(t, control(t, "example.com", policy.TLSPreferred))
	r.simple(smtptest.MXOptions{})
	a := r.send("b@example.com", "c@example.com")
	if a.Message != 42 || a.Revision != 7 || a.At.IsZero() || a.Duration <= 0 || a.Reused {
		t.Errorf("recorded %+v", a)
	}
	if a.Decision.Level != policy.TLSPreferred || len(a.Decision.Reasons) == 0 || a.Decision.Domain != "example.com" {
		t.Errorf("decision %+v", a.Decision)
	}
	if a.Host != "mx.example.com" || a.Address != "192.0.2.1:25" || a.TLS.Version != "TLS1.3" || a.TLS.Cipher == "" || !a.TLS.Verified {
		t.Errorf("recorded %+v", a)
	}
	if len(a.Results) != 2 || a.Results[1].Recipient != 1 {
		t.Errorf("results %+v", a.Results)
	}
	for _, field := range []string{"event=connection", "host=mx.example.com", "tls=success", "tls_version=TLS1.3", "verified=true", "level=preferred", "revision=7"} {
		if !strings.Contains(r.log.String(), field) {
			t.Errorf("the log line lacks %s: %s", field, r.log)
		}
	}
}
