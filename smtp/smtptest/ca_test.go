package smtptest_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"testing"

	"postern/smtp/smtptest"
)

func TestIssuedCertificates(t *testing.T) {
	ca := smtptest.NewCA(t)
	below := ca.Intermediate(t).Intermediate(t)
	names := []string{"mx.example.com", "*.example.net"}
	tests := []struct {
		name     string
		identity smtptest.Identity
		host     string
		valid    bool
	}{
		{"root signs", ca.IssueFor(t, names...), "mx.example.com", true},
		{"wildcard", ca.IssueFor(t, names...), "a.example.net", true},
		{"other name", ca.IssueFor(t, names...), "mx.example.org", false},
		{"two intermediates", below.IssueFor(t, names...), "mx.example.com", true},
		{"address", ca.Issue(t, smtptest.Leaf{IPs: []net.IP{net.IPv4(192, 0, 2, 1)}}), "192.0.2.1", true},
		{"common name only", ca.Issue(t, smtptest.Leaf{CommonName: "mx.example.com"}), "mx.example.com", false},
		{"expired", ca.Issue(t, smtptest.Leaf{Names: names, Validity: smtptest.Expired}), "mx.example.com", false},
		{"not yet valid", ca.Issue(t, smtptest.Leaf{Names: names, Validity: smtptest.NotYetValid}), "mx.example.com", false},
		{"client only", ca.Issue(t, smtptest.Leaf{Names: names, ClientOnly: true}), "mx.example.com", false},
		{"P-384", ca.Issue(t, smtptest.Leaf{Names: names, Key: smtptest.ECDSAP384}), "mx.example.com", true},
		{"RSA", ca.Issue(t, smtptest.Leaf{Names: names, Key: smtptest.RSA2048}), "mx.example.com", true},
		{"self-signed", smtptest.SelfSigned(t, smtptest.Leaf{Names: names}), "mx.example.com", false},
		{"other authority", smtptest.NewCA(t).IssueFor(t, names...), "mx.example.com", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			between := x509.NewCertPool()
			between.AppendCertsFromPEM(test.identity.ChainPEM)
			_, err := test.identity.Leaf.Verify(x509.VerifyOptions{DNSName: test.host, Roots: ca.Pool(), Intermediates: between})
			if (err == nil) != test.valid {
				t.Errorf("error %v, want valid %t", err, test.valid)
			}
		})
	}
}

func TestIdentityForms(t *testing.T) {
	ca := smtptest.NewCA(t).Intermediate(t)
	for _, key := range []smtptest.KeyType{smtptest.ECDSAP256, smtptest.ECDSAP384, smtptest.RSA1024, smtptest.RSA2048} {
		identity := ca.Issue(t, smtptest.Leaf{Names: []string{"mx.test"}, Key: key})
		pair, err := tls.X509KeyPair(append(identity.CertificatePEM, identity.ChainPEM...), identity.KeyPEM)
		if err != nil {
			t.Fatal(err)
		}
		if len(pair.Certificate) != 2 || len(identity.TLS.Certificate) != 2 {
			t.Errorf("chains of %d and %d certificates, want leaf and intermediate", len(pair.Certificate), len(identity.TLS.Certificate))
		}
	}
	if block := x509.NewCertPool(); !block.AppendCertsFromPEM(ca.RootPEM()) {
		t.Error("the root's PEM does not parse")
	}
}

func TestSelfSignedIsItsOwnIssuer(t *testing.T) {
	leaf := smtptest.SelfSigned(t, smtptest.Leaf{CommonName: "mx.test"}).Leaf
	if err := leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature); err != nil {
		t.Error(err)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: smtptest.NewCA(t).Pool()})
	if unknown := (x509.UnknownAuthorityError{}); !errors.As(err, &unknown) {
		t.Errorf("error %v, want unknown authority", err)
	}
}
