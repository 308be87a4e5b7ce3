package certificate

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"strings"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"postern/domain"
)

// Bounds of the work on one PKCS#12 file. Tools write 2,048 to some 100,000
// rounds; the deadline is for what hides more of them inside a part that is
// itself encrypted.
const (
	maxPKCS12Rounds   = maxPBKDF2Rounds
	pkcs12Deadline    = 15 * time.Second
	maxPKCS12Depth    = 16
	maxPasswordOctets = 1024
)

// PKCS12Import is a PKCS#12 file (RFC 7292, also named PFX) to take in (B44): one
// private key, its certificate and its chain, in any order. RC2 and 3DES as
// Windows and older tools write them are read, as is AES with PBES2; MACs of
// SHA-1 and SHA-2. JSON pointers in faults use the names in brackets.
//
// It holds secrets and prints as a placeholder.
type PKCS12Import struct {
	Label    string // [label] an administrator's own words; may be empty
	Data     []byte // [pkcs12] DER
	Password string // [password] may be empty
}

// Format prints a placeholder for every verb and flag.
func (PKCS12Import) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns a placeholder; encoding/json and encoding/xml use it.
func (PKCS12Import) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns a placeholder.
func (PKCS12Import) LogValue() slog.Value { return slog.StringValue(redacted) }

// ImportPKCS12 takes in a PKCS#12 file. The certificate is stored and not
// activated. Bad input is [domain.Invalid] that names the part: a wrong password
// is a fault of /password.
func (s *Service) ImportPKCS12(ctx context.Context, author string, r PKCS12Import) (Certificate, error) {
	var f domain.Faults
	checkText(&f, "/label", r.Label, maxLabel)
	r.check(&f)
	if err := f.Err(); err != nil {
		return Certificate{}, err
	}
	b, err := s.openPKCS12(ctx, r)
	if err != nil {
		return Certificate{}, err
	}
	c, err := b.judge(&f, Imported, s.now())
	if err != nil {
		return Certificate{}, err
	}
	c.Label = r.Label
	return s.keep(ctx, author, KeyPair{Certificate: c, Key: b.keys[0].PrivateKey})
}

// check faults what is not worth an attempt.
func (r PKCS12Import) check(f *domain.Faults) {
	switch {
	case len(r.Data) == 0:
		f.Add("/pkcs12", "no file was given")
	case len(r.Data) > maxImportBytes:
		f.Add("/pkcs12", "is larger than %d bytes", maxImportBytes)
	default:
		if rounds := hashRounds(r.Data, 0); rounds.Cmp(big.NewInt(maxPKCS12Rounds)) > 0 {
			f.Add("/pkcs12", "the password is to be hashed %s times; at most %d are done", shorten(rounds.String()), maxPKCS12Rounds)
		}
	}
	if len(r.Password) > maxPasswordOctets {
		f.Add("/password", "is longer than %d octets", maxPasswordOctets)
	}
}

// openPKCS12 decrypts one file at a time and gives up after a while: an attempt
// that goes on holds up later ones of its sort, and nothing else.
func (s *Service) openPKCS12(ctx context.Context, r PKCS12Import) (*bundle, error) {
	ctx, cancel := context.WithTimeout(ctx, pkcs12Deadline)
	defer cancel()
	select {
	case s.decrypting <- struct{}{}:
	case <-ctx.Done():
		return nil, domain.E(domain.Unavailable, "another PKCS#12 file is being decrypted")
	}
	type outcome struct {
		bundle *bundle
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		defer func() { <-s.decrypting }()
		b, err := r.open()
		done <- outcome{b, err}
	}()
	select {
	case o := <-done:
		return o.bundle, o.err
	case <-ctx.Done():
		return nil, domain.Faults{{Pointer: "/pkcs12", Message: "takes too long to decrypt"}}.Err()
	}
}

// open decrypts the file. The error is [domain.Invalid].
func (r PKCS12Import) open() (*bundle, error) {
	key, leaf, others, err := pkcs12.DecodeChain(r.Data, r.Password)
	var f domain.Faults
	if err != nil {
		r.explain(&f, err)
		return nil, f.Err()
	}
	b := &bundle{}
	for _, c := range append([]*x509.Certificate{leaf}, others...) {
		b.addCertificate(&f, "/pkcs12", c.Raw)
	}
	if len(b.certificates) > maxCertificates {
		f.Add("/pkcs12", "holds more than %d certificates", maxCertificates)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		f.Add("/pkcs12", "the private key in it is no RSA or ECDSA key")
	}
	b.keys = []givenKey{{NewPrivateKey(signer), "/pkcs12"}}
	return b, f.Err()
}

// explain names the part that is at fault. Texts of the decoder that may repeat
// what it read are left out.
func (r PKCS12Import) explain(f *domain.Faults, err error) {
	var unknown pkcs12.NotImplementedError
	text := err.Error()
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword), errors.Is(err, pkcs12.ErrDecryption):
		f.Add("/password", "%s", errWrongPassword)
	case strings.Contains(text, "private key missing"):
		f.Add("/pkcs12", "holds no private key")
	case strings.Contains(text, "certificate missing"):
		f.Add("/pkcs12", "holds no certificate")
	case strings.Contains(text, "exactly one key bag"):
		f.Add("/pkcs12", "holds more than one private key")
	case strings.Contains(text, "no MAC"):
		f.Add("/pkcs12", "has no MAC, so that nothing tells whether the password is right; export it again with one")
	case errors.As(err, &unknown):
		f.Add("/pkcs12", "is of a form that is not read: %s", quote(string(unknown)))
	default:
		f.Add("/pkcs12", "is no PKCS#12 file in DER form, or damaged; if it is one, convert it: openssl pkcs12 -in old.p12 -out new.pem")
	}
}

// hashRounds returns the highest iteration count in the file: an INTEGER after
// the OCTET STRING of a salt, in MacData (RFC 7292 §4) as in the parameters of
// every derivation of keys.
func hashRounds(der []byte, depth int) *big.Int {
	highest := new(big.Int)
	elements, ok := elementsOf(der)
	if !ok || depth > maxPKCS12Depth {
		return highest
	}
	for i, e := range elements {
		found := highest
		universal := e.Class == asn1.ClassUniversal
		switch {
		case e.IsCompound, universal && e.Tag == asn1.TagOctetString:
			found = hashRounds(e.Bytes, depth+1)
		case universal && e.Tag == asn1.TagInteger && i > 0 && elements[i-1].Tag == asn1.TagOctetString:
			found = new(big.Int).SetBytes(e.Bytes)
		}
		if found.Cmp(highest) > 0 {
			highest = found
		}
	}
	return highest
}

// elementsOf returns what follows each other in the data; false where it is not
// DER from end to end.
func elementsOf(der []byte) (elements []asn1.RawValue, ok bool) {
	for len(der) > 0 {
		var e asn1.RawValue
		rest, err := asn1.Unmarshal(der, &e)
		if err != nil {
			return nil, false
		}
		elements, der = append(elements, e), rest
	}
	return elements, true
}
