package certificate

import (
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"os"
	"strings"
	"testing"

	"postern/domain"
)

// wantFaults fails unless err is Invalid and its faults are, in order, at the
// pointers and with the words given.
func wantFaults(t *testing.T, err error, want ...domain.Fault) {
	t.Helper()
	var e *domain.Error
	if !errors.As(err, &e) || e.Kind != domain.Invalid {
		t.Fatalf("error = %v, want an Invalid one", err)
	}
	if len(e.Faults) != len(want) {
		t.Fatalf("%d faults, want %d:\n%v", len(e.Faults), len(want), e)
	}
	for i, f := range e.Faults {
		if f.Pointer != want[i].Pointer || !strings.Contains(f.Message, want[i].Message) {
			t.Errorf("fault %d is %q, want %q", i, f, want[i])
		}
	}
}

func fault(pointer, words string) domain.Fault { return domain.Fault{Pointer: pointer, Message: words} }

func TestImportFaultsOfText(t *testing.T) {
	leaf := server(t, "mail.example.com", nil)
	other := server(t, "other.example.com", nil)
	key := leaf.keyPEM(t)
	encrypted := "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAMC\n-----END ENCRYPTED PRIVATE KEY-----\n"
	legacy := "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMAMC\n-----END RSA PRIVATE KEY-----\n"
	request := "-----BEGIN CERTIFICATE REQUEST-----\nMAMC\n-----END CERTIFICATE REQUEST-----\n"
	openssh := "-----BEGIN OPENSSH PRIVATE KEY-----\nMAMC\n-----END OPENSSH PRIVATE KEY-----\n"
	garbageKey := "-----BEGIN PRIVATE KEY-----\nMAMC\n-----END PRIVATE KEY-----\n"
	garbage := "-----BEGIN CERTIFICATE-----\nMAMC\n-----END CERTIFICATE-----\n"
	cut := leaf.pem()[:200]
	bigKey := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: make([]byte, maxKeyBytes+1)}))
	tests := []struct {
		name string
		in   ImportRequest
		want []domain.Fault
	}{
		{"nothing", ImportRequest{}, []domain.Fault{
			fault("/certificate", "no certificate was given"), fault("/private_key", "no private key was given"),
		}},
		{"no key", ImportRequest{Certificate: leaf.pem()}, []domain.Fault{fault("/private_key", "no private key")}},
		{"no certificate", ImportRequest{PrivateKey: key}, []domain.Fault{fault("/certificate", "no certificate")}},
		{"no PEM", ImportRequest{Certificate: "0\x82\x01", PrivateKey: key}, []domain.Fault{fault("/certificate", "holds no PEM block")}},
		{"encrypted key", ImportRequest{Certificate: leaf.pem(), PrivateKey: encrypted}, []domain.Fault{fault("/private_key", "is encrypted")}},
		{"encrypted key, older form", ImportRequest{Certificate: leaf.pem() + legacy}, []domain.Fault{fault("/certificate", "is encrypted")}},
		{"request", ImportRequest{Certificate: request, PrivateKey: key}, []domain.Fault{fault("/certificate", "certificate request")}},
		{"other block", ImportRequest{Certificate: leaf.pem(), PrivateKey: openssh}, []domain.Fault{fault("/private_key", `"OPENSSH PRIVATE KEY"`)}},
		{"bad key", ImportRequest{Certificate: leaf.pem(), PrivateKey: garbageKey}, []domain.Fault{fault("/private_key", "cannot be read")}},
		{"huge key", ImportRequest{Certificate: leaf.pem(), PrivateKey: bigKey}, []domain.Fault{fault("/private_key", "cannot be read")}},
		{"two keys", ImportRequest{Certificate: leaf.pem(), PrivateKey: key, Chain: []string{other.keyPEM(t)}}, []domain.Fault{fault("/chain/0", "more than one private key")}},
		{"bad certificate", ImportRequest{Certificate: garbage, PrivateKey: key}, []domain.Fault{fault("/certificate", "certificate 1 cannot be read")}},
		{"cut short", ImportRequest{Certificate: cut, PrivateKey: key}, []domain.Fault{fault("/certificate", "damaged or cut short")}},
		{"damaged between good ones", ImportRequest{Certificate: leaf.pem(), PrivateKey: key, Chain: []string{"", leaf.pem() + cut + other.pem()}}, []domain.Fault{fault("/chain/1", "damaged or cut short")}},
		{"several bad fields", ImportRequest{Certificate: garbage, PrivateKey: encrypted, Chain: []string{request}, Label: "a\nb"}, []domain.Fault{
			fault("/label", "control characters"), fault("/certificate", "cannot be read"),
			fault("/private_key", "is encrypted"), fault("/chain/0", "certificate request"),
		}},
		{"too large", ImportRequest{Certificate: strings.Repeat("x", maxImportBytes), PrivateKey: key}, []domain.Fault{fault("/certificate", "is too large")}},
		{"too many blocks", ImportRequest{Certificate: strings.Repeat("-----BEGIN X-----\n", maxBlocks), PrivateKey: key}, []domain.Fault{
			fault("/certificate", "damaged"), fault("/private_key", "more than 32 PEM blocks"),
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := test.in.read(today)
			wantFaults(t, err, test.want...)
		})
	}
}

func TestImportRefusesTooManyCertificates(t *testing.T) {
	leaf := server(t, "mail.example.com", nil)
	var chain strings.Builder
	for range maxCertificates {
		chain.WriteString(authority(t, "Root", nil).pem())
	}
	_, err := ImportRequest{Certificate: leaf.pem(), PrivateKey: leaf.keyPEM(t), Chain: []string{chain.String()}}.read(today)
	wantFaults(t, err, fault("/chain", "more than 20 certificates"))
}

func TestImportFaultsOfContent(t *testing.T) {
	root := authority(t, "Root", nil)
	lower := authority(t, "Lower", root)
	impostor := authority(t, "Lower", root)
	stranger := authority(t, "Stranger", nil)
	name := "mail.example.com"
	leaf := server(t, name, lower)
	renewed := sign(t, leaf.key, lower, forServer(name))
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ed := sign(t, edKey, root, forServer(name))
	weak := sign(t, newRSAKey(t, 1024), root, forServer(name))
	p224 := sign(t, newECKey(t, elliptic.P224()), root, forServer(name))
	weakCA := sign(t, newRSAKey(t, 1024), nil, func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "Weak"}
		c.IsCA, c.BasicConstraintsValid = true, true
	})
	underWeak := server(t, name, weakCA)
	expired := server(t, name, lower, func(c *x509.Certificate) { c.NotAfter = today.AddDate(0, 0, -1) })
	future := server(t, name, lower, func(c *x509.Certificate) { c.NotBefore = today.AddDate(0, 0, 1) })
	client := server(t, name, lower, func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})
	encipherOnly := server(t, name, lower, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment })
	nameless := server(t, "", lower, func(c *x509.Certificate) { c.DNSNames = nil })
	oldLower := authority(t, "Lower", root, func(c *x509.Certificate) { c.NotAfter = today.AddDate(0, 0, -1) })
	underOld := server(t, name, oldLower)
	noAuthority := server(t, "Not An Authority", root)
	underNone := server(t, name, noAuthority)
	noSign := authority(t, "Cannot Sign", root, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })
	underNoSign := server(t, name, noSign)
	hopeless := sign(t, newRSAKey(t, 1024), lower, forServer(name), func(c *x509.Certificate) {
		c.NotAfter = today.AddDate(0, 0, -1)
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})

	tests := []struct {
		name  string
		leaf  *issued
		key   *issued // nil: the leaf's
		chain []*issued
		want  []domain.Fault
	}{
		{"key of another certificate", leaf, stranger, []*issued{lower, root}, []domain.Fault{fault("/private_key", `does not belong to certificate "mail.example.com"`)}},
		{"two certificates of one key", leaf, nil, []*issued{renewed, lower}, []domain.Fault{fault("/chain/0", "belongs to two certificates")}},
		{"unrelated", leaf, nil, []*issued{lower, stranger, root}, []domain.Fault{fault("/chain/1", `certificate "Stranger" (serial `)}},
		{"issuer of the same name", leaf, nil, []*issued{impostor, root}, []domain.Fault{
			fault("/chain/0", `"Lower"`), fault("/chain/1", "is not part of the chain"),
		}},
		{"Ed25519", ed, nil, []*issued{root}, []domain.Fault{fault("/certificate", "is Ed25519")}},
		{"RSA 1024", weak, nil, []*issued{root}, []domain.Fault{fault("/certificate", "RSA of 1024 bits, which is too weak")}},
		{"P-224", p224, nil, []*issued{root}, []domain.Fault{fault("/certificate", "on a curve that TLS peers refuse")}},
		{"weak authority", underWeak, nil, []*issued{weakCA}, []domain.Fault{fault("/chain/0", "RSA of 1024 bits")}},
		{"expired", expired, nil, []*issued{lower}, []domain.Fault{fault("/certificate", "expired on 2026-11-24")}},
		{"not yet valid", future, nil, []*issued{lower}, []domain.Fault{fault("/certificate", "is not valid before 2026-11-26")}},
		{"expired authority", underOld, nil, []*issued{oldLower, root}, []domain.Fault{fault("/chain/0", "expired on 2026-11-24")}},
		{"client certificate", client, nil, []*issued{lower}, []domain.Fault{fault("/certificate", "not meant for TLS servers")}},
		{"key usage without signature", encipherOnly, nil, []*issued{lower}, []domain.Fault{fault("/certificate", "digital signatures")}},
		{"no name", nameless, nil, []*issued{lower}, []domain.Fault{fault("/certificate", "no host name or address")}},
		{"issuer is no authority", underNone, nil, []*issued{noAuthority}, []domain.Fault{fault("/chain/0", "is not an authority's")}},
		{"issuer may not sign", underNoSign, nil, []*issued{noSign}, []domain.Fault{fault("/chain/0", "may not sign certificates")}},
		{"everything at once", hopeless, stranger, []*issued{lower, root}, []domain.Fault{
			fault("/private_key", "does not belong"), fault("/certificate", "expired"),
			fault("/certificate", "too weak"), fault("/certificate", "not meant for TLS servers"),
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			key := test.leaf
			if test.key != nil {
				key = test.key
			}
			r := ImportRequest{Certificate: test.leaf.pem(), PrivateKey: key.keyPEM(t)}
			for _, c := range test.chain {
				r.Chain = append(r.Chain, c.pem())
			}
			_, err := r.read(today)
			wantFaults(t, err, test.want...)
		})
	}
}

// As openssl writes it, with the text form before it and a key in PKCS#1 form.
func TestImportRefusesASHA1Signature(t *testing.T) {
	text, err := os.ReadFile("testdata/sha1.pem")
	if err != nil {
		t.Fatal(err)
	}
	_, err = ImportRequest{Certificate: string(text)}.read(today)
	wantFaults(t, err, fault("/certificate", `certificate "old.example.com"`))
	if !strings.Contains(err.Error(), "is signed with SHA1-RSA") {
		t.Errorf("error = %v", err)
	}
}

// The other signatures that peers refuse are judged on a certificate that
// claims them: crypto/x509 makes none.
func TestWeakSignatureIsRefusedButNotOnARoot(t *testing.T) {
	c := server(t, "mail.example.com", nil)
	for _, algorithm := range []x509.SignatureAlgorithm{x509.SHA1WithRSA, x509.MD5WithRSA, x509.ECDSAWithSHA1, x509.UnknownSignatureAlgorithm} {
		weak := *c.Certificate
		weak.SignatureAlgorithm = algorithm
		var f domain.Faults
		judgeStrength(&f, given{&weak, "/certificate"}, true)
		if err := f.Err(); err != nil {
			t.Errorf("%v on a root: %v", algorithm, err)
		}
		judgeStrength(&f, given{&weak, "/certificate"}, false)
		wantFaults(t, f.Err(), fault("/certificate", "is signed with "+algorithm.String()))
	}
}

func TestImportRefusesAChainThatNoHandshakeCarries(t *testing.T) {
	leaf := server(t, "mail.example.com", nil, func(c *x509.Certificate) {
		for range 300 {
			c.DNSNames = append(c.DNSNames, strings.Repeat("a.", 120)+"example.com")
		}
	})
	_, err := ImportRequest{Certificate: leaf.pem(), PrivateKey: leaf.keyPEM(t)}.read(today)
	wantFaults(t, err, fault("/certificate", "bytes together"))
}

// No fault may repeat the key, wherever the text went wrong.
func TestFaultsNeverShowTheKey(t *testing.T) {
	leaf := server(t, "mail.example.com", nil)
	key := leaf.keyPEM(t)
	lines := strings.Split(key, "\n")
	damaged := []string{
		strings.Replace(key, "PRIVATE KEY", "SECRET", 2),
		strings.Replace(key, "PRIVATE KEY", "CERTIFICATE", 2),
		key[:len(key)/2],
		strings.ReplaceAll(key, "-----", "----"),
		strings.Replace(key, "M", "N", 1),
	}
	for _, text := range damaged {
		_, err := ImportRequest{Certificate: leaf.pem(), PrivateKey: text}.read(today)
		if err == nil {
			t.Errorf("accepted a damaged key:\n%s", text)
			continue
		}
		for _, secret := range lines[1 : len(lines)-2] {
			if strings.Contains(err.Error(), secret[:16]) {
				t.Errorf("the fault shows the key: %v", err)
			}
		}
	}
}
