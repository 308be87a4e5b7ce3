package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// authority is the certificate authority of the demo. Its key never leaves the
// process and ends with it.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority() (*authority, error) {
	template := certificateTemplate("Postern demo authority")
	template.IsCA = true
	template.KeyUsage = x509.KeyUsageCertSign
	id, err := sign(template, nil)
	if err != nil {
		return nil, err
	}
	return &authority{certificate: id.Leaf, key: id.PrivateKey.(*ecdsa.PrivateKey)}, nil
}

// issue makes a certificate for host names and addresses.
func (a *authority) issue(names []string, addrs ...net.IP) (identity, error) {
	return sign(serverTemplate(names, addrs), a)
}

// selfSigned makes a certificate that nobody vouches for.
func selfSigned(names ...string) (identity, error) { return sign(serverTemplate(names, nil), nil) }

// pem returns the authority's certificate as PEM text.
func (a *authority) pem() []byte { return certificatePEM(a.certificate.Raw) }

// client returns the TLS configuration of a client that trusts the authority
// alone.
func (a *authority) client(serverName string) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return &tls.Config{RootCAs: pool, ServerName: serverName, MinVersion: tls.VersionTLS12}
}

// anyCertificate returns the TLS configuration of a client that encrypts and
// asks for no more: the demonstration certificate, which a new gateway has,
// proves nothing (B52).
func anyCertificate() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
}

// identity is a certificate with its key.
type identity struct{ tls.Certificate }

func (id identity) certificatePEM() string { return string(certificatePEM(id.Leaf.Raw)) }

func (id identity) keyPEM() (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(id.PrivateKey)
	if err != nil {
		return "", fmt.Errorf("encode a key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), nil
}

// fingerprint is the SHA-256 of a certificate in hexadecimal.
func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// certificateTemplate is valid for a day around now.
func certificateTemplate(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(23 * time.Hour),
		BasicConstraintsValid: true,
	}
}

func serverTemplate(names []string, addrs []net.IP) *x509.Certificate {
	template := certificateTemplate(names[0])
	template.DNSNames, template.IPAddresses = names, addrs
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	return template
}

// sign makes a key and a certificate for it, signed by the issuer, or by itself
// where there is none.
func sign(template *x509.Certificate, issuer *authority) (identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return identity{}, fmt.Errorf("make a key: %w", err)
	}
	if issuer == nil {
		issuer = &authority{certificate: template, key: key}
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return identity{}, fmt.Errorf("make a serial number: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.certificate, key.Public(), issuer.key)
	if err != nil {
		return identity{}, fmt.Errorf("sign a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return identity{}, fmt.Errorf("read our own certificate: %w", err)
	}
	return identity{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}, nil
}
