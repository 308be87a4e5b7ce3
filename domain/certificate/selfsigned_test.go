package certificate

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
)

func TestSelfSigned(t *testing.T) {
	pair, err := SelfSignedRequest{
		Label:            "first",
		HostName:         "Mail.Bücher.example.",
		AlternativeNames: []string{"*.example.com", "192.0.2.1", "2001:db8::1", "mail.xn--bcher-kva.example"},
		Organization:     "Bücher & Söhne",
		Country:          "de",
	}.issue(today)
	if err != nil {
		t.Fatal(err)
	}
	c := pair.Certificate
	leaf, err := c.Leaf()
	if err != nil {
		t.Fatal(err)
	}
	want := Certificate{
		Label:        "first",
		Source:       SelfSigned,
		State:        Inactive,
		Subject:      "mail.xn--bcher-kva.example",
		Names:        []string{"mail.xn--bcher-kva.example", "*.example.com", "192.0.2.1", "2001:db8::1"},
		Issuer:       leaf.Issuer.String(),
		SerialNumber: leaf.SerialNumber.Text(16),
		NotBefore:    today.Add(-time.Hour),
		NotAfter:     today.AddDate(0, 0, 397),
		KeyType:      ECDSAP256,
		Fingerprint:  c.Fingerprint,
		Chain:        [][]byte{leaf.Raw},
		Warnings:     []string{selfSignedWarning},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("certificate (-want +got):\n%s", diff)
	}
	if got := leaf.Subject.String(); got != "CN=mail.xn--bcher-kva.example,O=Bücher & Söhne,C=DE" {
		t.Errorf("subject = %s", got)
	}
	if leaf.IsCA {
		t.Error("the certificate may issue others")
	}
	for _, name := range []string{"mail.xn--bcher-kva.example", "smtp.example.com", "192.0.2.1", "2001:db8::1"} {
		if err := leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: today}); err != nil {
		t.Errorf("one who pins it cannot verify it: %v", err)
	}
}

func TestSelfSignedOfEveryKeyType(t *testing.T) {
	for _, keyType := range []KeyType{ECDSAP256, ECDSAP384, RSA2048, RSA3072, RSA4096} {
		t.Run(string(keyType), func(t *testing.T) {
			if keyType == RSA4096 && testing.Short() {
				t.Skip("takes seconds")
			}
			t.Parallel()
			pair, err := SelfSignedRequest{HostName: "mail.example.com", KeyType: keyType}.issue(today)
			if err != nil {
				t.Fatal(err)
			}
			if got, fault := keyTypeOf(pair.Key.Public()); got != keyType || fault != "" {
				t.Errorf("the key is of type %q (%s)", got, fault)
			}
			if err := pair.Check(); err != nil {
				t.Error(err)
			}
			roundTrip := ImportRequest{Certificate: pair.Certificate.PEM(), PrivateKey: keyPEM(t, pair.Key.Signer())}
			if _, err := roundTrip.read(today); err != nil {
				t.Errorf("what is made here cannot be imported: %v", err)
			}
		})
	}
}

func TestSelfSignedLongHostNameStandsInTheAlternativeNamesOnly(t *testing.T) {
	host := strings.Repeat("a.", 30) + "mail.example.com" // 76 octets
	pair, err := SelfSignedRequest{HostName: host}.issue(today)
	if err != nil {
		t.Fatal(err)
	}
	if pair.Certificate.Subject != "" || !slices.Equal(pair.Certificate.Names, []string{host}) {
		t.Errorf("Subject = %q, Names = %q", pair.Certificate.Subject, pair.Certificate.Names)
	}
}

func TestSelfSignedFaults(t *testing.T) {
	tests := []struct {
		name string
		in   SelfSignedRequest
		want []domain.Fault
	}{
		{"all at once", SelfSignedRequest{
			Label:            "a\x00b",
			HostName:         "mail example",
			AlternativeNames: []string{"ok.example", "*.com", "*.*.example.com", "a_/b", "fe80::1%eth0"},
			Organization:     strings.Repeat("x", 65),
			Country:          "Germany",
			KeyType:          "rsa_1024",
			ValidDays:        maxValidDays + 1,
		}, []domain.Fault{
			fault("/key_type", "must be one of ecdsa_p256, "),
			fault("/label", "control characters"),
			fault("/organization", "longer than 64"),
			fault("/country", "two letters"),
			fault("/host_name", "no domain name"),
			fault("/alternative_names/1", "whole top-level domain"),
			fault("/alternative_names/2", "no domain name"),
			fault("/alternative_names/3", "no domain name"),
			fault("/alternative_names/4", "no domain name"),
			fault("/valid_days", "between 1 and 3650"),
		}},
		{"wildcard as host name", SelfSignedRequest{HostName: "*.example.com"}, []domain.Fault{fault("/host_name", "no domain name")}},
		{"no host name", SelfSignedRequest{}, []domain.Fault{fault("/host_name", "is empty")}},
		{"too many names", SelfSignedRequest{
			HostName: "a.example", AlternativeNames: make([]string, maxAlternativeNames+1),
		}, []domain.Fault{fault("/alternative_names", "more than 100")}},
		{"not UTF-8", SelfSignedRequest{HostName: "a.example", Organization: "\xff"}, []domain.Fault{fault("/organization", "must be text")}},
		{"days below zero", SelfSignedRequest{HostName: "a.example", ValidDays: -1}, []domain.Fault{fault("/valid_days", "between")}},
		{"digit as country", SelfSignedRequest{HostName: "a.example", Country: "D1"}, []domain.Fault{fault("/country", "two letters")}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := test.in.issue(today)
			wantFaults(t, err, test.want...)
		})
	}
}

func TestDemonstrationIsMarkedAndItsOwn(t *testing.T) {
	first, err := NewDemonstration("gateway.example.com", today)
	if err != nil {
		t.Fatal(err)
	}
	second, err := NewDemonstration("not a host name", today)
	if err != nil {
		t.Fatal(err)
	}
	c := first.Certificate
	if c.Source != Demonstration || !c.Insecure || !slices.Contains(c.Warnings, demonstrationWarning) {
		t.Errorf("not marked: source %q, insecure %v, warnings %q", c.Source, c.Insecure, c.Warnings)
	}
	if want := []string{"gateway.example.com", "localhost", "127.0.0.1", "::1"}; !slices.Equal(c.Names, want) {
		t.Errorf("Names = %q, want %q", c.Names, want)
	}
	if got := second.Certificate.Names[0]; got != "localhost" {
		t.Errorf("first name for an impossible host = %q, want localhost", got)
	}
	// B52: never a shared key.
	if samePublicKey(first.Key.Public(), second.Key.Public()) || bytes.Equal(c.Chain[0], second.Certificate.Chain[0]) {
		t.Error("two installations share a key")
	}
}

func TestRSAOfAnySizeFromTheLowerToTheUpperBound(t *testing.T) {
	for bits, want := range map[int]string{
		1024: "too weak", 2047: "too weak", 2048: "", 3000: "", 8192: "", 8193: "which TLS peers refuse",
	} {
		key := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), uint(bits-1)), E: 65537}
		keyType, fault := keyTypeOf(key)
		if keyType != KeyType(fmt.Sprintf("rsa_%d", bits)) || (fault == "") != (want == "") || !strings.Contains(fault, want) {
			t.Errorf("RSA of %d bits: %q, fault %q, want %q", bits, keyType, fault, want)
		}
	}
	if _, fault := keyTypeOf("no key"); fault == "" {
		t.Error("a key of an unknown kind was accepted")
	}
}
