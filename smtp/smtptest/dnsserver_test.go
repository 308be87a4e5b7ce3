package smtptest_test

import (
	"net"
	"strings"
	"testing"
	"time"

	mdns "github.com/miekg/dns"

	"postern/smtp/smtptest"
)

// ask sends one query with the library's own client.
func ask(t *testing.T, d *smtptest.DNS, network, name string, qtype uint16) (*mdns.Msg, error) {
	t.Helper()
	query := new(mdns.Msg).SetQuestion(name, qtype)
	query.AuthenticatedData = true
	query.SetEdns0(1232, false)
	client := mdns.Client{Net: network, Timeout: 200 * time.Millisecond}
	answer, _, err := client.Exchange(query, d.Addr())
	return answer, err
}

func TestDNSAnswers(t *testing.T) {
	d := smtptest.NewDNS(t)
	d.AddMX("example.com", 10, "mx.example.com")
	d.AddMX("null.test", 0, ".")
	d.AddA("mx.example.com", "192.0.2.1", "192.0.2.2")
	d.AddAAAA("mx.example.com", "2001:db8::1")
	d.AddPTR("192.0.2.1", "mx.example.com")
	d.AddTXT("_mta-sts.example.com", "v=STSv1;", ` back\slash "quoted"`)
	d.AddTLSA("_25._tcp.mx.example.com", 3, 1, 1, []byte{0xab, 0xcd})
	d.AddCNAME("alias.example.com", "MX.example.com")
	d.AddCNAME("dangling.test", "nothing.test")
	d.Secure("example.com", "secure.none")
	tests := []struct {
		name   string
		qtype  uint16
		want   string // data of the answers, or the code
		secure bool
	}{
		{"example.com.", mdns.TypeMX, "10 mx.example.com.", true},
		{"EXAMPLE.com.", mdns.TypeMX, "10 mx.example.com.", true},
		{"null.test.", mdns.TypeMX, "0 .", false},
		{"mx.example.com.", mdns.TypeA, "192.0.2.1,192.0.2.2", false},
		{"mx.example.com.", mdns.TypeAAAA, "2001:db8::1", false},
		{"1.2.0.192.in-addr.arpa.", mdns.TypePTR, "mx.example.com.", false},
		{"_mta-sts.example.com.", mdns.TypeTXT, `"v=STSv1;" " back\\slash \"quoted\""`, false},
		{"_25._tcp.mx.example.com.", mdns.TypeTLSA, "3 1 1 abcd", false},
		{"alias.example.com.", mdns.TypeAAAA, "MX.example.com.,2001:db8::1", false},
		{"alias.example.com.", mdns.TypeCNAME, "MX.example.com.", false},
		{"dangling.test.", mdns.TypeA, "nothing.test.,NXDOMAIN", false},
		{"mx.example.com.", mdns.TypeMX, "NODATA", false},
		{"_tcp.mx.example.com.", mdns.TypeA, "NODATA", false}, // an empty non-terminal
		{"secure.none.", mdns.TypeA, "NXDOMAIN", true},
	}
	for _, test := range tests {
		for _, network := range []string{"udp", "tcp"} {
			answer, err := ask(t, d, network, test.name, test.qtype)
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(answer); got != test.want || answer.AuthenticatedData != test.secure {
				t.Errorf("%s %s: %s (AD %t), want %s (%t)", test.name, network, got, answer.AuthenticatedData, test.want, test.secure)
			}
		}
	}
	if n := d.CountQueries("Example.Com", "MX"); n != 4 {
		t.Errorf("counted %d queries, want 4", n)
	}
}

func describe(m *mdns.Msg) string {
	var data []string
	for _, rr := range m.Answer {
		data = append(data, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	switch {
	case m.Rcode != mdns.RcodeSuccess:
		data = append(data, mdns.RcodeToString[m.Rcode])
	case len(data) == 0:
		data = append(data, "NODATA")
	}
	return strings.Join(data, ",")
}

func TestDNSFailures(t *testing.T) {
	tests := []struct {
		how      smtptest.DNSFailure
		udp, tcp string // "error" stands for no answer
	}{
		{smtptest.NoFailure, "192.0.2.1", "192.0.2.1"},
		{smtptest.NXDomain, "NXDOMAIN", "NXDOMAIN"},
		{smtptest.NXDomainBare, "NXDOMAIN", "NXDOMAIN"},
		{smtptest.NoData, "NODATA", "NODATA"},
		{smtptest.ServFail, "SERVFAIL", "SERVFAIL"},
		{smtptest.Refused, "REFUSED", "REFUSED"},
		{smtptest.Unanswered, "error", "error"},
		{smtptest.TruncateUDP, "TC", "192.0.2.1"},
		{smtptest.TruncateAll, "TC", "error"},
		{smtptest.Garbled, "error", "error"},
		{smtptest.Referral, "NODATA", "NODATA"},
		{smtptest.AliasForever, "a.test.", "a.test."},
	}
	d := smtptest.NewDNS(t)
	d.AddA("a.test", "192.0.2.1")
	for _, test := range tests {
		d.Fail("A.test", "A", test.how)
		for network, want := range map[string]string{"udp": test.udp, "tcp": test.tcp} {
			answer, err := ask(t, d, network, "a.test.", mdns.TypeA)
			got := "error"
			if err == nil && answer.Truncated {
				got = "TC"
			} else if err == nil {
				got = describe(answer)
			}
			if got != want {
				t.Errorf("failure %d over %s: %s, want %s", test.how, network, got, want)
			}
		}
	}
}

func TestDNSSpoofed(t *testing.T) {
	d := smtptest.NewDNS(t)
	d.AddA("a.test", "192.0.2.1")
	d.Fail("a.test", "A", smtptest.Spoofed)
	conn, err := net.Dial("udp", d.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	query, _ := new(mdns.Msg).SetQuestion("a.test.", mdns.TypeA).Pack()
	_, _ = conn.Write(query)
	_ = conn.SetReadDeadline(time.Now().Add(smtptest.Timeout))
	buffer := make([]byte, 1232)
	for datagrams := 1; ; datagrams++ {
		n, err := conn.Read(buffer)
		if err != nil {
			t.Fatalf("after %d datagrams: %v", datagrams, err)
		}
		m := new(mdns.Msg)
		if m.Unpack(buffer[:n]) == nil && describe(m) == "192.0.2.1" {
			if datagrams != 7 {
				t.Errorf("the right answer is datagram %d, want 7", datagrams)
			}
			return
		}
	}
}

func TestDNSChanges(t *testing.T) {
	d := smtptest.NewDNS(t)
	d.SetTTL(7)
	d.AddA("a.test", "192.0.2.1")
	answer, err := ask(t, d, "udp", "a.test.", mdns.TypeA)
	if err != nil || answer.Answer[0].Header().Ttl != 7 {
		t.Fatalf("got %v, %v, want TTL 7", answer, err)
	}
	d.Remove("a.test", "A")
	if answer, err = ask(t, d, "udp", "a.test.", mdns.TypeA); err != nil || describe(answer) != "NXDOMAIN" {
		t.Errorf("got %v, %v after the removal", answer, err)
	}
	for i := range 200 {
		d.AddA("many.test", net.IPv4(192, 0, 2, byte(i)).String())
	}
	if answer, err = ask(t, d, "udp", "many.test.", mdns.TypeA); err != nil || !answer.Truncated {
		t.Errorf("200 addresses over UDP: %v, want TC", err)
	}
	text := complaint(func(tb testing.TB) { smtptest.ReverseName(tb, "no address") })
	if text == "" {
		t.Error("no complaint about a bad address")
	}
}
