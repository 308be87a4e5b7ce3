package tlsverify_test

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"postern/smtp/smtptest"
	"postern/smtp/tlsverify"
)

func TestVerifyClient(t *testing.T) { // B17
	ca, stranger := smtptest.NewCA(t), smtptest.NewCA(t)
	client := smtptest.Leaf{CommonName: "mx.partner.example", ClientOnly: true}
	serverOnly := smtptest.Leaf{CommonName: "mx.partner.example", ServerOnly: true}
	below := ca.Intermediate(t).Issue(t, client)
	long := ca.Issue(t, client)
	for len(long.TLS.Certificate) < 11 {
		long.TLS.Certificate = append(long.TLS.Certificate, ca.Root().Raw)
	}
	for _, tc := range []struct {
		name string
		id   smtptest.Identity
		want tlsverify.Reason
	}{
		{"good", ca.Issue(t, client), tlsverify.None},
		{"through an intermediate", below, tlsverify.None},
		{"intermediate not shown", smtptest.Identity{TLS: tls.Certificate{Certificate: below.TLS.Certificate[:1]}}, tlsverify.Untrusted},
		{"none", smtptest.Identity{}, tlsverify.NoCertificate},
		{"expired", ca.Issue(t, smtptest.Leaf{CommonName: "a", Validity: smtptest.Expired}), tlsverify.Expired},
		{"not yet valid", ca.Issue(t, smtptest.Leaf{CommonName: "a", Validity: smtptest.NotYetValid}), tlsverify.NotYetValid},
		{"other authority", stranger.Issue(t, client), tlsverify.Untrusted},
		{"self-signed", smtptest.SelfSigned(t, client), tlsverify.SelfSigned},
		{"for servers only", ca.Issue(t, serverOnly), tlsverify.Untrusted},
		{"weak key", ca.Issue(t, smtptest.Leaf{CommonName: "a", Key: smtptest.RSA1024}), tlsverify.Weak},
		{"more certificates than are looked at", long, tlsverify.Untrusted},
	} {
		got := tlsverify.VerifyClient(chainOf(tc.id), trusting(ca), time.Now())
		if got.Reason != tc.want || got.Verified != (tc.want == tlsverify.None) {
			t.Errorf("%s: %+v, want %q", tc.name, got, tc.want)
		}
		if got.Verified && got.Matched != "CN=mx.partner.example,O=Test" {
			t.Errorf("%s: the subject is %q", tc.name, got.Matched)
		}
	}
}

// A subject is foreign text that goes into header fields and logs.
func TestSubjectIsHarmless(t *testing.T) {
	ca := smtptest.NewCA(t)
	name := "evil)\r\nX-Forged: (\\\"yes ü" + strings.Repeat("x", 300)
	got := tlsverify.VerifyClient(chainOf(ca.Issue(t, smtptest.Leaf{CommonName: name})), trusting(ca), time.Now())
	if !got.Verified || len(got.Matched) > 200 {
		t.Errorf("%d octets: %+v", len(got.Matched), got)
	}
	for _, c := range got.Matched {
		if c < ' ' || c > '~' || strings.ContainsRune("()\\\"", c) {
			t.Errorf("%q holds %q", got.Matched, c)
		}
	}
}
