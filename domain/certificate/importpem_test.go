package certificate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"postern/domain"
)

func newRSAKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestImportReadsWhatTheCertificateSays(t *testing.T) {
	root := authority(t, "Test Root", nil)
	leaf := server(t, "mail.example.com", root, func(c *x509.Certificate) {
		c.DNSNames = []string{"Mail.Example.com", "*.example.net"}
		c.IPAddresses = []net.IP{net.ParseIP("192.0.2.1")}
	})
	pair, err := ImportRequest{
		Label:       "autumn",
		Certificate: leaf.pem(),
		PrivateKey:  leaf.keyPEM(t),
		Chain:       []string{root.pem()},
	}.read(today)
	if err != nil {
		t.Fatal(err)
	}
	c := pair.Certificate
	want := Certificate{
		Label:        "autumn",
		Source:       Imported,
		State:        Inactive,
		Subject:      "mail.example.com",
		Names:        []string{"mail.example.com", "*.example.net", "192.0.2.1"},
		Issuer:       "CN=Test Root",
		SerialNumber: leaf.SerialNumber.Text(16),
		NotBefore:    today.AddDate(0, -1, 0),
		NotAfter:     today.AddDate(0, 2, 0),
		KeyType:      ECDSAP256,
		Fingerprint:  c.Fingerprint,
		Chain:        [][]byte{leaf.Raw, root.Raw},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("certificate (-want +got):\n%s", diff)
	}
	if err := pair.Check(); err != nil {
		t.Errorf("Check: %v", err)
	}
	if c.PEM() != leaf.pem()+root.pem() {
		t.Error("PEM() does not give the chain back")
	}
}

func TestImportOfEveryKeyForm(t *testing.T) {
	ec := newECKey(t, elliptic.P256()).(*ecdsa.PrivateKey)
	p384 := newECKey(t, elliptic.P384()).(*ecdsa.PrivateKey)
	p521 := newECKey(t, elliptic.P521()).(*ecdsa.PrivateKey)
	rsaKey := newRSAKey(t, 2048)
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	tests := []struct {
		name string
		key  crypto.Signer
		pem  string
		want KeyType
	}{
		{"PKCS#8 P-256", ec, keyPEM(t, ec), ECDSAP256},
		{"PKCS#8 P-384", p384, keyPEM(t, p384), ECDSAP384},
		{"PKCS#8 P-521", p521, keyPEM(t, p521), "ecdsa_p521"},
		{"PKCS#8 RSA", rsaKey, keyPEM(t, rsaKey), RSA2048},
		{"PKCS#1", rsaKey, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), RSA2048},
		{"SEC 1", ec, block("EC PRIVATE KEY", sec1), ECDSAP256},
		{"SEC 1 with parameters before", ec, block("EC PARAMETERS", []byte{6, 8}) + block("EC PRIVATE KEY", sec1), ECDSAP256},
		{"SEC 1 under the wrong label", ec, block("PRIVATE KEY", sec1), ECDSAP256},
		{"the same key twice", ec, keyPEM(t, ec) + block("EC PRIVATE KEY", sec1), ECDSAP256},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			leaf := sign(t, test.key, nil, forServer("mail.example.com"))
			pair, err := ImportRequest{Certificate: leaf.pem(), PrivateKey: test.pem}.read(today)
			if err != nil {
				t.Fatal(err)
			}
			if pair.Certificate.KeyType != test.want {
				t.Errorf("KeyType = %q, want %q", pair.Certificate.KeyType, test.want)
			}
			if !samePublicKey(pair.Key.Public(), test.key.Public()) {
				t.Error("another key came out")
			}
		})
	}
}

// Whatever the order of the blocks and their spread over the fields, the chain
// comes out the same.
func TestImportOrderDoesNotMatter(t *testing.T) {
	root := authority(t, "Root", nil)
	upper := authority(t, "Upper", root)
	lower := authority(t, "Lower", upper)
	leaf := server(t, "mail.example.com", lower)
	want := [][]byte{leaf.Raw, lower.Raw, upper.Raw, root.Raw}
	parts := []string{
		leaf.pem(), lower.pem(), upper.pem(), root.pem(), leaf.keyPEM(t),
		lower.pem(), // twice
		"Bag Attributes\r\n    friendlyName: mail\r\n",
	}
	rapid.Check(t, func(t *rapid.T) {
		r := ImportRequest{Chain: make([]string, rapid.IntRange(0, 3).Draw(t, "chain fields"))}
		for _, part := range rapid.Permutation(parts).Draw(t, "order") {
			if rapid.Bool().Draw(t, "CRLF") {
				part = strings.ReplaceAll(part, "\n", "\r\n")
			}
			switch field := rapid.IntRange(-2, len(r.Chain)-1).Draw(t, "field"); field {
			case -2:
				r.Certificate += part
			case -1:
				r.PrivateKey += part
			default:
				r.Chain[field] += part
			}
		}
		if onlyText(r) {
			t.Skip("a field with nothing but attributes is a fault")
		}
		pair, err := r.read(today)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, pair.Certificate.Chain); diff != "" {
			t.Fatalf("chain (-want +got):\n%s", diff)
		}
	})
}

func onlyText(r ImportRequest) bool {
	for _, field := range append([]string{r.Certificate, r.PrivateKey}, r.Chain...) {
		if field != "" && !strings.Contains(field, "-----BEGIN") {
			return true
		}
	}
	return false
}

func TestImportOfCrossSignedAuthority(t *testing.T) {
	oldRoot := authority(t, "Old Root", nil)
	newRoot := authority(t, "New Root", nil)
	crossed := newRoot.again(t, oldRoot)
	lower := authority(t, "Lower", newRoot)
	leaf := server(t, "mail.example.com", lower)

	t.Run("the longer way is taken", func(t *testing.T) {
		got := importChain(t, leaf, newRoot, oldRoot, crossed, lower)
		if diff := cmp.Diff([][]byte{leaf.Raw, lower.Raw, crossed.Raw, oldRoot.Raw}, got.Chain); diff != "" {
			t.Errorf("chain (-want +got):\n%s", diff)
		}
		if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], `"New Root"`) {
			t.Errorf("Warnings = %q, want one that names the twin left out", got.Warnings)
		}
	})
	t.Run("unless it has expired", func(t *testing.T) {
		expired := newRoot.again(t, oldRoot, func(c *x509.Certificate) { c.NotAfter = today.AddDate(0, 0, -1) })
		got := importChain(t, leaf, expired, newRoot, lower)
		if diff := cmp.Diff([][]byte{leaf.Raw, lower.Raw, newRoot.Raw}, got.Chain); diff != "" {
			t.Errorf("chain (-want +got):\n%s", diff)
		}
	})
	t.Run("two authorities that sign each other", func(t *testing.T) {
		back := oldRoot.again(t, newRoot)
		got := importChain(t, leaf, back, crossed, lower)
		if diff := cmp.Diff([][]byte{leaf.Raw, lower.Raw, crossed.Raw, back.Raw}, got.Chain); diff != "" {
			t.Errorf("chain (-want +got):\n%s", diff)
		}
	})
}

func importChain(t *testing.T, leaf *issued, others ...*issued) Certificate {
	t.Helper()
	r := ImportRequest{Certificate: leaf.pem(), PrivateKey: leaf.keyPEM(t)}
	for _, o := range others {
		r.Chain = append(r.Chain, o.pem())
	}
	pair, err := r.read(today)
	if err != nil {
		t.Fatal(err)
	}
	return pair.Certificate
}

func TestImportWarnings(t *testing.T) {
	root := authority(t, "Root", nil)
	tests := []struct {
		name string
		leaf *issued
		want string
	}{
		{"self-signed", server(t, "mail.example.com", nil), selfSignedWarning},
		{"no intermediate", server(t, "mail.example.com", root), "no intermediate certificate was given"},
		{"name in the common name only", server(t, "mail.example.com", root, func(c *x509.Certificate) { c.DNSNames = nil }), "common name only"},
		{"name that is none", server(t, "mail.example.com", root, func(c *x509.Certificate) {
			c.DNSNames = append(c.DNSNames, "f*.example.com")
		}), `"f*.example.com" is no host name`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := importChain(t, test.leaf)
			if !strings.Contains(strings.Join(c.Warnings, "\n"), test.want) {
				t.Errorf("Warnings = %q, want %q among them", c.Warnings, test.want)
			}
			if diff := cmp.Diff([]string{"mail.example.com"}, c.Names); diff != "" {
				t.Errorf("Names (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzImport(f *testing.F) {
	root := authority(f, "Root", nil)
	leaf := server(f, "mail.example.com", root)
	f.Add(leaf.pem(), leaf.keyPEM(f), root.pem())
	f.Add(leaf.keyPEM(f)+root.pem()+leaf.pem(), "", "")
	f.Add("-----BEGIN CERTIFICATE-----\nMAMC\n-----END CERTIFICATE-----\n", "-----BEGIN", "\ufeff")
	f.Add("", "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n-----END RSA PRIVATE KEY-----", "x")
	f.Fuzz(func(t *testing.T, certificate, key, chain string) {
		pair, err := ImportRequest{Certificate: certificate, PrivateKey: key, Chain: []string{chain}}.read(today)
		if err != nil {
			if domain.KindOf(err) != domain.Invalid {
				t.Fatalf("kind %v: %v", domain.KindOf(err), err)
			}
			return
		}
		if err := pair.Check(); err != nil {
			t.Fatalf("accepted a pair that is none: %v", err)
		}
		if err := pair.Certificate.Usable(today); err != nil {
			t.Fatalf("accepted what cannot be used: %v", err)
		}
	})
}
