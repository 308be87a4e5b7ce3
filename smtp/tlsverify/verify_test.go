package tlsverify_test

import (
	"crypto/x509"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/mailaddr"
	"postern/smtp/smtptest"
	"postern/smtp/tlsverify"
)

func chainOf(id smtptest.Identity) []*x509.Certificate {
	var chain []*x509.Certificate
	for _, der := range id.TLS.Certificate {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			panic(err)
		}
		chain = append(chain, certificate)
	}
	return chain
}

func trusting(ca *smtptest.CA) *tlsverify.Trust {
	return tlsverify.NewTrust(nil, []*x509.Certificate{ca.Root()}, nil)
}

// TestReasons shows one certificate for every reason, always asked for
// mx.example.com.
func TestReasons(t *testing.T) {
	ca := smtptest.NewCA(t)
	intermediate := ca.Intermediate(t)
	stranger := smtptest.NewCA(t)
	good := []string{"mx.example.com"}
	throughIntermediate := chainOf(intermediate.IssueFor(t, good...))

	tests := []struct {
		name   string
		chain  []*x509.Certificate
		want   tlsverify.Reason
		length int
	}{
		{"good", chainOf(ca.IssueFor(t, good...)), tlsverify.None, 2},
		{"good, through an intermediate", throughIntermediate, tlsverify.None, 3},
		{"intermediate not shown", throughIntermediate[:1], tlsverify.Untrusted, 0},
		{"no certificate", nil, tlsverify.NoCertificate, 0},
		{"expired", chainOf(ca.Issue(t, smtptest.Leaf{Names: good, Validity: smtptest.Expired})), tlsverify.Expired, 0},
		{"not yet valid", chainOf(ca.Issue(t, smtptest.Leaf{Names: good, Validity: smtptest.NotYetValid})), tlsverify.NotYetValid, 0},
		{"other name", chainOf(ca.IssueFor(t, "mx.example.net")), tlsverify.NameMismatch, 2},
		{"other authority", chainOf(stranger.IssueFor(t, good...)), tlsverify.Untrusted, 0},
		{"self-signed", chainOf(smtptest.SelfSigned(t, smtptest.Leaf{Names: good})), tlsverify.SelfSigned, 0},
		{"self-signed and expired", chainOf(smtptest.SelfSigned(t, smtptest.Leaf{Names: good, Validity: smtptest.Expired})), tlsverify.SelfSigned, 0},
		{"for clients only", chainOf(ca.Issue(t, smtptest.Leaf{Names: good, ClientOnly: true})), tlsverify.Untrusted, 0},
		{"RSA of 2048 bits", chainOf(ca.Issue(t, smtptest.Leaf{Names: good, Key: smtptest.RSA2048})), tlsverify.None, 2},
		{"RSA of 1024 bits", chainOf(ca.Issue(t, smtptest.Leaf{Names: good, Key: smtptest.RSA1024})), tlsverify.Weak, 0},
	}
	names := tlsverify.ForHost("mx.example.com", netip.Addr{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tlsverify.Verify(tt.chain, trusting(ca), names, time.Now())
			if got.Reason != tt.want || got.Verified != (tt.want == tlsverify.None) || got.ChainLength != tt.length {
				t.Errorf("got %+v, want reason %q and %d certificates", got, tt.want, tt.length)
			}
			if !got.Verified && got.Detail == "" {
				t.Error("the result does not explain itself")
			}
		})
	}
}

// TestClock shows that the caller's clock decides about dates.
func TestClock(t *testing.T) {
	ca := smtptest.NewCA(t)
	chain := chainOf(ca.IssueFor(t, "mx.example.com"))
	names := tlsverify.ForHost("mx.example.com", netip.Addr{})
	for reason, now := range map[tlsverify.Reason]time.Time{
		tlsverify.None:        chain[0].NotAfter,
		tlsverify.Expired:     chain[0].NotAfter.Add(time.Second),
		tlsverify.NotYetValid: chain[0].NotBefore.Add(-time.Second),
	} {
		if got := tlsverify.Verify(chain, trusting(ca), names, now); got.Reason != reason {
			t.Errorf("at %s: got %s, want %q", now, got, reason)
		}
	}
}

// TestPinned is B23: a pinned certificate counts as trusted by itself, for its
// names and while its dates hold.
func TestPinned(t *testing.T) {
	leaf := smtptest.Leaf{Names: []string{"mx.example.com"}}
	pinned := chainOf(smtptest.SelfSigned(t, leaf))
	leaf.Validity = smtptest.Expired
	expired := chainOf(smtptest.SelfSigned(t, leaf))
	other := chainOf(smtptest.SelfSigned(t, smtptest.Leaf{Names: []string{"mx.example.com"}}))
	trust := tlsverify.NewTrust(nil, nil, []*x509.Certificate{pinned[0], expired[0]})

	tests := []struct {
		name  string
		chain []*x509.Certificate
		host  mailaddr.DomainName
		want  tlsverify.Reason
	}{
		{"pinned", pinned, "mx.example.com", tlsverify.None},
		{"for another name", pinned, "mx.example.net", tlsverify.NameMismatch},
		{"expired", expired, "mx.example.com", tlsverify.Expired},
		{"same names, other key", other, "mx.example.com", tlsverify.SelfSigned},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tlsverify.Verify(tt.chain, trust, tlsverify.ForHost(tt.host, netip.Addr{}), time.Now())
			if got.Reason != tt.want {
				t.Errorf("got %s, want %q", got, tt.want)
			}
			if got.Verified && (!got.Pinned || got.ChainLength != 1) {
				t.Errorf("got %+v, want a pinned chain of one", got)
			}
		})
	}
}

// TestNames is the table of B23: which names count under which rule.
func TestNames(t *testing.T) {
	addr := netip.MustParseAddr("192.0.2.25")
	san := func(names ...string) smtptest.Leaf { return smtptest.Leaf{Names: names} }
	cn := func(name string) smtptest.Leaf { return smtptest.Leaf{CommonName: name} }
	domain := tlsverify.ForDomain("example.com", "mx.provider.example")
	hosted := tlsverify.ForHosted("example.com", "mx.provider.example", netip.Addr{})
	host := tlsverify.ForHost("mx.provider.example", netip.Addr{})

	tests := []struct {
		name  string
		names tlsverify.Names
		leaf  smtptest.Leaf
		want  string // the name matched; empty: none
	}{
		{"domain: the recipient domain in the SAN", domain, san("other.example", "example.com"), "example.com"},
		{"domain: case does not matter", domain, san("EXAMPLE.com"), "example.com"},
		{"domain: the MX host in the SAN does not count", domain, san("mx.provider.example"), ""},
		{"domain: a host below it does not count", domain, san("mx.example.com"), ""},
		{"domain: CN without SAN", domain, cn("example.com"), "example.com"},
		{"domain: CN is the PTR name, without SAN", domain, cn("mx.provider.example"), "mx.provider.example"},
		{"domain: CN does not count beside a SAN", domain, smtptest.Leaf{CommonName: "example.com", Names: []string{"other.example"}}, ""},
		{"domain: nor beside a SAN of addresses", domain, smtptest.Leaf{CommonName: "example.com", IPs: []net.IP{addr.AsSlice()}}, ""},
		{"domain: neither SAN nor CN", domain, smtptest.Leaf{}, ""},
		{"hosted: the recipient domain", hosted, san("example.com"), "example.com"},
		{"hosted: the MX host", hosted, san("mx.provider.example"), "mx.provider.example"},
		{"hosted: CN never counts", hosted, cn("mx.provider.example"), ""},
		{"host: the MX host", host, san("mx.provider.example"), "mx.provider.example"},
		{"host: the recipient domain does not count", host, san("example.com"), ""},
		{"host: CN never counts", host, cn("mx.provider.example"), ""},
		{"address of a route", tlsverify.ForHosted("example.com", "", addr), smtptest.Leaf{IPs: []net.IP{addr.AsSlice()}}, "192.0.2.25"},
		{"other address", tlsverify.ForHosted("example.com", "", addr), smtptest.Leaf{IPs: []net.IP{{192, 0, 2, 26}}}, ""},
		{"address written as a DNS name", tlsverify.ForHost("", addr), san("192.0.2.25"), ""},
		{"address shown though none was asked for", host, smtptest.Leaf{IPs: []net.IP{addr.AsSlice()}}, ""},

		{"wildcard for one label", host, san("*.provider.example"), "mx.provider.example"},
		{"wildcard is not the name itself", tlsverify.ForHost("provider.example", netip.Addr{}), san("*.provider.example"), ""},
		{"wildcard for two labels", tlsverify.ForHost("a.mx.provider.example", netip.Addr{}), san("*.provider.example"), ""},
		{"wildcard in part of a label", host, san("m*.provider.example"), ""},
		{"wildcard further right", tlsverify.ForHost("mx.a.example", netip.Addr{}), san("mx.*.example"), ""},
		{"wildcard twice", tlsverify.ForHost("mx.a.example", netip.Addr{}), san("*.*.example"), ""},
		{"wildcard alone", tlsverify.ForHost("example", netip.Addr{}), san("*"), ""},
		{"wildcard in the CN", tlsverify.ForDomain("mx.provider.example"), cn("*.provider.example"), "mx.provider.example"},
		{"A-labels", tlsverify.ForHost("mx.xn--bcher-kva.example", netip.Addr{}), san("*.xn--bcher-kva.example"), "mx.xn--bcher-kva.example"},
	}
	ca := smtptest.NewCA(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tlsverify.Verify(chainOf(ca.Issue(t, tt.leaf)), trusting(ca), tt.names, time.Now())
			if got.Matched != tt.want || got.Verified != (tt.want != "") {
				t.Errorf("got %s, want %q", got, tt.want)
			}
		})
	}
}

// TestRecord pins what goes into records.
func TestRecord(t *testing.T) {
	ca := smtptest.NewCA(t)
	chain := chainOf(ca.IssueFor(t, "a.example", "b.example"))
	good := tlsverify.Verify(chain, trusting(ca), tlsverify.ForDomain("a.example", "ptr.example"), time.Now())
	if want := "verified as a.example"; good.String() != want {
		t.Errorf("got %q, want %q", good, want)
	}
	if diff := cmp.Diff([]string{"a.example", "ptr.example"}, good.Tried); diff != "" {
		t.Errorf("names tried (-want +got):\n%s", diff)
	}
	bad := tlsverify.Verify(chain, trusting(ca), tlsverify.ForHosted("c.example", "mx.c.example", netip.Addr{}), time.Now())
	want := "name_mismatch: the certificate is for a.example, b.example, not for c.example or mx.c.example"
	if bad.String() != want {
		t.Errorf("got %q, want %q", bad, want)
	}
}

// TestForeignTextIsBounded shows that a peer cannot flood the record.
func TestForeignTextIsBounded(t *testing.T) {
	ca := smtptest.NewCA(t)
	var names []string
	for range 100 {
		names = append(names, strings.Repeat("x", 60)+".example")
	}
	got := tlsverify.Verify(chainOf(ca.IssueFor(t, names...)), trusting(ca), tlsverify.ForHost("mx.example", netip.Addr{}), time.Now())
	if len(got.String()) > 600 {
		t.Errorf("the record has %d octets", len(got.String()))
	}
	evil := tlsverify.Verify(chainOf(smtptest.SelfSigned(t, smtptest.Leaf{
		CommonName: "a\r\nb", Validity: smtptest.Expired,
	})), trusting(ca), tlsverify.ForDomain("example.com"), time.Now())
	if strings.ContainsAny(evil.String(), "\r\n") {
		t.Errorf("control characters in the record: %q", evil)
	}
}

// TestSharedTrust shows that verification leaves trust store and chain alone:
// run with -race.
func TestSharedTrust(t *testing.T) {
	ca := smtptest.NewCA(t)
	trust := trusting(ca)
	chain := chainOf(ca.Issue(t, smtptest.Leaf{Names: []string{"a.example"}, IPs: []net.IP{{192, 0, 2, 1}}}))
	done := make(chan tlsverify.Result)
	for range 8 {
		go func() {
			done <- tlsverify.Verify(chain, trust, tlsverify.ForHost("b.example", netip.Addr{}), time.Now())
		}()
	}
	for range 8 {
		if got := <-done; got.Reason != tlsverify.NameMismatch {
			t.Errorf("got %s", got)
		}
	}
}
