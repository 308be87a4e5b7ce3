package policy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"
)

func anchorPEM(t *testing.T, authority bool) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "anchor"}, IsCA: authority, BasicConstraintsValid: true,
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestTrustAnchor(t *testing.T) { // B23
	authority, leaf := anchorPEM(t, true), anchorPEM(t, false)
	for name, tc := range map[string]struct {
		anchor TrustAnchor
		fault  string // pointer and a word of the message; empty: none
	}{
		"authority":         {TrustAnchor{Name: "a", Usage: TrustAuthority, Certificate: authority}, ""},
		"several":           {TrustAnchor{Name: "a", Usage: TrustAuthority, Certificate: authority + "\n" + authority}, ""},
		"pinned leaf":       {TrustAnchor{Name: "a", Usage: TrustPinned, Certificate: leaf}, ""},
		"leaf as an anchor": {TrustAnchor{Name: "a", Usage: TrustAuthority, Certificate: leaf}, "/certificate: \"anchor\" is no certificate authority"},
		"empty":             {TrustAnchor{Name: "a", Usage: TrustAuthority}, "/certificate: is required"},
		"no PEM":            {TrustAnchor{Name: "a", Usage: TrustAuthority, Certificate: "hello"}, "/certificate: is not PEM"},
		"junk behind":       {TrustAnchor{Name: "a", Usage: TrustAuthority, Certificate: authority + "junk"}, "/certificate: is not PEM"},
		"a key":             {TrustAnchor{Name: "a", Usage: TrustAuthority, Certificate: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}, "only certificates"},
		"usage":             {TrustAnchor{Name: "a", Usage: "everything", Certificate: authority}, "/usage"},
		"too long":          {TrustAnchor{Name: "a", Usage: TrustAuthority, Certificate: strings.Repeat("x", maxAnchorOctets+1)}, "longer"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.anchor.Validate().Err()
			if (err == nil) != (tc.fault == "") || err != nil && !strings.Contains(err.Error(), tc.fault) {
				t.Errorf("%v, want %q", err, tc.fault)
			}
		})
	}
}
