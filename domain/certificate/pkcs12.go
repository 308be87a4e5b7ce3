package certificate

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"software.sslmate.com/src/go-pkcs12"

	"postern/domain"
)

// Bounds of the work on one PKCS#12 file. Tools write 2,048 to some 100,000
// rounds, of at most four derivations.
const (
	maxPKCS12Rounds   = maxPBKDF2Rounds
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
	}
	if len(r.Password) > maxPasswordOctets {
		f.Add("/password", "is longer than %d octets", maxPasswordOctets)
	}
}

// openPKCS12 decrypts one file at a time: at the upper bound of rounds it takes
// seconds.
func (s *Service) openPKCS12(ctx context.Context, r PKCS12Import) (*bundle, error) {
	select {
	case s.decrypting <- struct{}{}:
		defer func() { <-s.decrypting }()
		return r.open()
	case <-ctx.Done():
		return nil, domain.E(domain.Unavailable, "another PKCS#12 file is being decrypted")
	}
}

// open decrypts the file. The error is [domain.Invalid].
func (r PKCS12Import) open() (*bundle, error) {
	var f domain.Faults
	key, certificates, err := r.decode(&f)
	if err != nil {
		r.explain(&f, err)
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	b := &bundle{}
	for _, c := range certificates {
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

// decode returns what is in the file, after its MAC was verified as it came.
func (r PKCS12Import) decode(f *domain.Faults) (key any, certificates []*x509.Certificate, err error) {
	contents, err := readSafe(r.Data)
	if err != nil {
		return nil, nil, err
	}
	if contents.check(f); len(*f) > 0 {
		return nil, nil, nil
	}
	if err := r.verify(); err != nil {
		return nil, nil, err
	}
	forms := [][]byte{bmpString(r.Password)}
	if r.Password == "" {
		forms = append(forms, nil) // as some tools write it
	}
	for _, password := range forms {
		var data []byte
		if data, err = contents.arranged(password); err != nil {
			return nil, nil, err
		}
		var leaf *x509.Certificate
		if key, leaf, certificates, err = pkcs12.DecodeChain(data, r.Password); err == nil {
			return key, append([]*x509.Certificate{leaf}, certificates...), nil
		}
	}
	return nil, nil, err
}

// pastMAC are the words with which the decoder of trust stores refuses what is no
// trust store, after it has verified the MAC.
var pastMAC = [...]string{"items in the authenticated safe", "only certificate bags", "not marked as trusted"}

// verify checks the MAC by the decoder of trust stores, which verifies it first and
// decrypts no keys.
func (r PKCS12Import) verify() error {
	_, err := pkcs12.DecodeTrustStore(r.Data, r.Password)
	if err == nil || slices.ContainsFunc(pastMAC[:], func(words string) bool { return strings.Contains(err.Error(), words) }) {
		return nil
	}
	return err
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
