package certificate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"testing"
	"time"
)

// today is the time at which all tests judge.
var today = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// issued is a certificate of a test authority with its key.
type issued struct {
	*x509.Certificate
	key crypto.Signer
}

// change alters a template before it is signed.
type change func(*x509.Certificate)

// authority makes a certificate that may issue others; by nil, a root.
func authority(t testing.TB, name string, by *issued, changes ...change) *issued {
	t.Helper()
	return sign(t, newECKey(t, elliptic.P256()), by, append([]change{func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: name}
		c.IsCA, c.BasicConstraintsValid = true, true
		c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	}}, changes...)...)
}

// server makes a certificate for a TLS server; by nil, a self-signed one.
func server(t testing.TB, name string, by *issued, changes ...change) *issued {
	t.Helper()
	return sign(t, newECKey(t, elliptic.P256()), by, append([]change{forServer(name)}, changes...)...)
}

func forServer(name string) change {
	return func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: name}
		c.DNSNames = []string{name}
		c.BasicConstraintsValid = true
		c.KeyUsage = x509.KeyUsageDigitalSignature
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
}

func sign(t testing.TB, key crypto.Signer, by *issued, changes ...change) *issued {
	t.Helper()
	template := &x509.Certificate{
		NotBefore: today.AddDate(0, -1, 0),
		NotAfter:  today.AddDate(0, 2, 0),
	}
	for _, c := range changes {
		c(template)
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.Certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatalf("sign %q: %v", template.Subject.CommonName, err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatalf("read %q: %v", template.Subject.CommonName, err)
	}
	return &issued{parsed, key}
}

// again signs the subject and key of an authority by another one.
func (i *issued) again(t testing.TB, by *issued, changes ...change) *issued {
	t.Helper()
	return sign(t, i.key, by, append([]change{func(c *x509.Certificate) {
		c.Subject = i.Subject
		c.IsCA, c.BasicConstraintsValid = i.IsCA, true
		c.KeyUsage = i.KeyUsage
	}}, changes...)...)
}

func newECKey(t testing.TB, curve elliptic.Curve) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (i *issued) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Raw}))
}

func (i *issued) keyPEM(t testing.TB) string { return keyPEM(t, i.key) }

func keyPEM(t testing.TB, key crypto.Signer) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}
