package certificate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"software.sslmate.com/src/go-pkcs12"

	"postern/domain"
)

// opensslPassword is that of all files in testdata/openssl, which OpenSSL 3.0
// wrote.
const opensslPassword = "correct-horse"

func opensslFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "openssl", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// B44: old and new ciphers and MACs.
func TestImportPKCS12OfOpenSSL(t *testing.T) {
	for name, chain := range map[string]int{
		"modern.p12": 2, // PBES2 AES-256, MAC SHA-256
		"legacy.p12": 2, // RC2-40, 3DES, MAC SHA-1
		"des3.p12":   2,
		"sha512.p12": 2,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			c, err := f.ImportPKCS12(t.Context(), "alice", PKCS12Import{Label: "l", Data: opensslFile(t, name), Password: opensslPassword})
			if err != nil {
				t.Fatal(err)
			}
			if c.Source != Imported || c.State != Inactive || c.Label != "l" || c.CreatedBy != "alice" || len(c.Chain) != chain || c.KeyType != RSA2048 {
				t.Errorf("%+v", c)
			}
			pair, err := f.store.KeyPair(t.Context(), c.ID)
			if err != nil || pair.Check() != nil {
				t.Errorf("%v %v", err, pair.Check())
			}
			_, err = f.ImportPKCS12(t.Context(), "alice", PKCS12Import{Data: opensslFile(t, name), Password: "wrong"})
			wantFaults(t, err, fault("/password", "is wrong"))
		})
	}
}

func TestImportPKCS12WithAnEmptyPassword(t *testing.T) {
	f := newFixture(t)
	if _, err := f.ImportPKCS12(t.Context(), "a", PKCS12Import{Data: opensslFile(t, "empty-password.p12")}); err != nil {
		t.Error(err)
	}
}

func TestImportPKCS12Faults(t *testing.T) {
	modern := opensslFile(t, "modern.p12")
	tests := []struct {
		name string
		in   PKCS12Import
		want domain.Fault
	}{
		{"nothing", PKCS12Import{}, fault("/pkcs12", "no file")},
		{"cut short", PKCS12Import{Data: modern[:len(modern)/2]}, fault("/pkcs12", "damaged")},
		{"PEM", PKCS12Import{Data: opensslFile(t, "cert.pem")}, fault("/pkcs12", "no PKCS#12")},
		{"too large", PKCS12Import{Data: make([]byte, 10<<20)}, fault("/pkcs12", "is larger than")},
		{"no key", PKCS12Import{Data: opensslFile(t, "no-key.p12"), Password: opensslPassword}, fault("/pkcs12", "")},
		{"no MAC", PKCS12Import{Data: opensslFile(t, "no-mac.p12"), Password: opensslPassword}, fault("/pkcs12", "no MAC")},
		{"a bomb", PKCS12Import{Data: opensslFile(t, "many-rounds.p12"), Password: opensslPassword}, fault("/pkcs12", "3000000 times")},
		{"long password", PKCS12Import{Data: modern, Password: strings.Repeat("x", 1025)}, fault("/password", "longer")},
		{"bad label", PKCS12Import{Label: "a\nb", Data: modern, Password: opensslPassword}, fault("/label", "control")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			_, err := f.ImportPKCS12(t.Context(), "alice", test.in)
			wantFaults(t, err, test.want)
			if len(f.store.pairs) != 0 {
				t.Error("something was stored")
			}
		})
	}
}

// The certificate in the file is judged as any other, and the order in it does
// not matter.
func TestImportPKCS12IsJudged(t *testing.T) {
	f := newFixture(t)
	root := authority(t, "Root", nil)
	leaf := server(t, "mail.example.com", root)
	encode := func(key any, c *x509.Certificate, others ...*x509.Certificate) []byte {
		data, err := pkcs12.Modern2023.Encode(key, c, others, "p")
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	c, err := f.ImportPKCS12(t.Context(), "a", PKCS12Import{Data: encode(leaf.key, root.Certificate, leaf.Certificate), Password: "p"})
	if err != nil || !bytes.Equal(c.Chain[0], leaf.Raw) {
		t.Errorf("%v", err)
	}
	late := server(t, "mail.example.com", root, func(c *x509.Certificate) { c.NotAfter = today.AddDate(0, 0, -1) })
	_, err = f.ImportPKCS12(t.Context(), "a", PKCS12Import{Data: encode(late.key, late.Certificate, root.Certificate), Password: "p"})
	wantFaults(t, err, fault("/pkcs12", "expired"))
	other := newECKey(t, elliptic.P256()).(*ecdsa.PrivateKey)
	_, err = f.ImportPKCS12(t.Context(), "a", PKCS12Import{Data: encode(other, leaf.Certificate, root.Certificate), Password: "p"})
	wantFaults(t, err, fault("/pkcs12", "does not belong"))
}

// While one file is being decrypted others wait; a caller who gives up is told.
func TestImportPKCS12OneAtATime(t *testing.T) {
	f := newFixture(t)
	f.decrypting <- struct{}{}
	ctx, cancel := cancelled(t)
	defer cancel()
	_, err := f.ImportPKCS12(ctx, "a", PKCS12Import{Data: opensslFile(t, "modern.p12"), Password: opensslPassword})
	wantKind(t, err, domain.Unavailable)
	<-f.decrypting
}

func TestPKCS12SecretsAreNeverPrinted(t *testing.T) {
	for _, v := range []any{
		PKCS12Import{Data: []byte("secret-data"), Password: "secret-word"},
		ExportRequest{Password: "secret-word"},
		Export{Data: []byte("secret-data")},
		DigitalID{Key: "secret-data"},
	} {
		for form, text := range printed(t, v) {
			if strings.Contains(text, "secret") {
				t.Errorf("%T as %s: %s", v, form, text)
			}
		}
	}
}

func FuzzImportPKCS12(f *testing.F) {
	for _, name := range []string{"modern.p12", "legacy.p12", "no-mac.p12"} {
		f.Add(opensslFile(f, name), opensslPassword)
	}
	f.Fuzz(func(t *testing.T, data []byte, password string) {
		var faults domain.Faults
		r := PKCS12Import{Data: data, Password: password}
		if r.check(&faults); len(faults) > 0 {
			return
		}
		b, err := r.open()
		if err != nil && domain.KindOf(err) != domain.Invalid {
			t.Errorf("%v", err)
		}
		if err == nil && (len(b.keys) != 1 || len(b.certificates) == 0) {
			t.Errorf("%s", fmt.Sprint(b.certificates))
		}
	})
}
