package smtptest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// Validity is the state of a certificate in time.
type Validity uint8

// The states in time.
const (
	Valid       Validity = iota // from an hour ago, for 90 days
	Expired                     // since a day
	NotYetValid                 // from tomorrow
)

// KeyType is the kind of a leaf's key.
type KeyType uint8

// The key types.
const (
	ECDSAP256 KeyType = iota
	ECDSAP384
	RSA2048
	RSA1024 // too weak
)

// Leaf describes a server's certificate.
type Leaf struct {
	// Names and IPs are the subject alternative names.
	Names []string
	IPs   []net.IP
	// CommonName stands in the subject; with it alone the certificate has no
	// alternative name.
	CommonName string
	Validity   Validity
	Key        KeyType
	// ClientOnly leaves out the usage as a server, ServerOnly that as a client.
	ClientOnly, ServerOnly bool
}

// Identity is a certificate with its key and the certificates above it, without
// the root.
type Identity struct {
	TLS            tls.Certificate
	Leaf           *x509.Certificate
	CertificatePEM []byte // the leaf alone
	ChainPEM       []byte // what is between leaf and root; may be empty
	KeyPEM         []byte // PKCS #8
}

// CA is a certificate authority with a root of its own.
type CA struct {
	root    *x509.Certificate
	issuer  *x509.Certificate
	key     crypto.Signer
	between []*x509.Certificate // from the issuer upwards, without the root
}

// NewCA makes an authority whose root signs the leaves.
func NewCA(tb testing.TB) *CA {
	tb.Helper()
	key := newKey(tb, ECDSAP256)
	template := authorityTemplate(tb, "Test Root")
	root := sign(tb, template, template, key.Public(), key)
	return &CA{root: root, issuer: root, key: key}
}

// Intermediate returns an authority below ca, with the same root.
func (ca *CA) Intermediate(tb testing.TB) *CA {
	tb.Helper()
	key := newKey(tb, ECDSAP256)
	issuer := sign(tb, authorityTemplate(tb, "Test Intermediate"), ca.issuer, key.Public(), ca.key)
	between := append([]*x509.Certificate{issuer}, ca.between...)
	return &CA{root: ca.root, issuer: issuer, key: key, between: between}
}

// Root returns the root certificate.
func (ca *CA) Root() *x509.Certificate { return ca.root }

// RootPEM returns the root certificate in PEM.
func (ca *CA) RootPEM() []byte { return certificatePEM(ca.root.Raw) }

// Pool returns a pool with the root alone.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.root)
	return pool
}

// Issue makes a key and signs a certificate for it.
func (ca *CA) Issue(tb testing.TB, leaf Leaf) Identity {
	tb.Helper()
	key := newKey(tb, leaf.Key)
	certificate := sign(tb, leafTemplate(tb, leaf), ca.issuer, key.Public(), ca.key)
	return newIdentity(tb, certificate, ca.between, key)
}

// IssueFor is Issue for a leaf with names and nothing special.
func (ca *CA) IssueFor(tb testing.TB, names ...string) Identity {
	tb.Helper()
	return ca.Issue(tb, Leaf{Names: names})
}

// SelfSigned makes a certificate that is signed by its own key.
func SelfSigned(tb testing.TB, leaf Leaf) Identity {
	tb.Helper()
	key := newKey(tb, leaf.Key)
	template := leafTemplate(tb, leaf)
	return newIdentity(tb, sign(tb, template, template, key.Public(), key), nil, key)
}

func newIdentity(tb testing.TB, leaf *x509.Certificate, between []*x509.Certificate, key crypto.Signer) Identity {
	tb.Helper()
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatalf("encode key: %v", err)
	}
	identity := Identity{
		TLS:            tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf},
		Leaf:           leaf,
		CertificatePEM: certificatePEM(leaf.Raw),
		KeyPEM:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}
	for _, c := range between {
		identity.TLS.Certificate = append(identity.TLS.Certificate, c.Raw)
		identity.ChainPEM = append(identity.ChainPEM, certificatePEM(c.Raw)...)
	}
	return identity
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func authorityTemplate(tb testing.TB, name string) *x509.Certificate {
	tb.Helper()
	now := time.Now()
	return &x509.Certificate{
		SerialNumber:          serial(tb),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.AddDate(-1, 0, 0),
		NotAfter:              now.AddDate(10, 0, 0),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

func leafTemplate(tb testing.TB, leaf Leaf) *x509.Certificate {
	tb.Helper()
	var usage []x509.ExtKeyUsage
	if !leaf.ServerOnly {
		usage = append(usage, x509.ExtKeyUsageClientAuth)
	}
	if !leaf.ClientOnly {
		usage = append(usage, x509.ExtKeyUsageServerAuth)
	}
	notBefore, notAfter := leaf.Validity.period(time.Now())
	return &x509.Certificate{
		SerialNumber:          serial(tb),
		Subject:               pkix.Name{CommonName: leaf.CommonName, Organization: []string{"Test"}},
		DNSNames:              leaf.Names,
		IPAddresses:           leaf.IPs,
		NotBefore:             notBefore,
		NotAfter:              notAfter,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           usage,
	}
}

func (v Validity) period(now time.Time) (notBefore, notAfter time.Time) {
	switch v {
	case Expired:
		return now.AddDate(0, 0, -90), now.AddDate(0, 0, -1)
	case NotYetValid:
		return now.AddDate(0, 0, 1), now.AddDate(0, 0, 90)
	default:
		return now.Add(-time.Hour), now.AddDate(0, 0, 90)
	}
}

func newKey(tb testing.TB, kind KeyType) crypto.Signer {
	tb.Helper()
	var key crypto.Signer
	var err error
	switch kind {
	case ECDSAP384:
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case RSA2048:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case RSA1024:
		key, err = rsa.GenerateKey(rand.Reader, 1024)
	default:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		tb.Fatalf("make key: %v", err)
	}
	return key
}

func serial(tb testing.TB) *big.Int {
	tb.Helper()
	number, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		tb.Fatalf("make serial number: %v", err)
	}
	return number
}

func sign(tb testing.TB, template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	tb.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		tb.Fatalf("sign certificate: %v", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatalf("parse own certificate: %v", err)
	}
	return certificate
}
