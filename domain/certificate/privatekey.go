package certificate

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"postern/domain"
)

// redacted is what every attempt to print a secret shows.
const redacted = "[redacted]"

// PrivateKey is a private key that cannot be shown by accident: fmt, JSON, XML
// and slog all print a placeholder. The zero value is no key.
//
// The key is kept inside a function, which reflection cannot look into: a struct
// that has a PrivateKey in an unexported field, where fmt calls no methods,
// prints an address.
type PrivateKey struct{ open func() crypto.Signer }

// NewPrivateKey seals a signer in.
func NewPrivateKey(signer crypto.Signer) PrivateKey {
	return PrivateKey{func() crypto.Signer { return signer }}
}

// ParsePrivateKey reads what [PrivateKey.Reveal] wrote.
func ParsePrivateKey(pkcs8 []byte) (PrivateKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		// The cause is left out: it may describe the secret.
		return PrivateKey{}, domain.E(domain.Internal, "the private key is not in PKCS#8 form")
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return PrivateKey{}, domain.E(domain.Internal, "the private key cannot sign")
	}
	return NewPrivateKey(signer), nil
}

// IsZero reports whether there is no key.
func (k PrivateKey) IsZero() bool { return k.open == nil }

// Signer returns the key for use in a handshake; nil when there is none.
func (k PrivateKey) Signer() crypto.Signer {
	if k.IsZero() {
		return nil
	}
	return k.open()
}

// Public returns the public half; nil when there is no key.
func (k PrivateKey) Public() crypto.PublicKey {
	if k.IsZero() {
		return nil
	}
	return k.open().Public()
}

// Reveal returns the secret as unencrypted PKCS#8 DER (RFC 5958). It is for
// sealing at rest and for the audited export alone (B45); the caller clears the
// bytes after use.
func (k PrivateKey) Reveal() ([]byte, error) {
	if k.IsZero() {
		return nil, domain.E(domain.Internal, "there is no private key to write")
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.open())
	if err != nil {
		return nil, domain.E(domain.Internal, "the private key cannot be written as PKCS#8")
	}
	return der, nil
}

// String returns a placeholder.
func (PrivateKey) String() string { return redacted }

// GoString returns a placeholder.
func (PrivateKey) GoString() string { return redacted }

// Format prints a placeholder for every verb and flag.
func (PrivateKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns a placeholder; encoding/json and encoding/xml use it.
func (PrivateKey) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns a placeholder.
func (PrivateKey) LogValue() slog.Value { return slog.StringValue(redacted) }

// KeyPair is a certificate together with its private key.
type KeyPair struct {
	Certificate Certificate
	Key         PrivateKey
}

// Check returns nil when the key is there and is the leaf's, else words that
// say what is wrong.
func (p KeyPair) Check() error {
	if p.Key.IsZero() {
		return errors.New("its private key is missing")
	}
	leaf, err := p.Certificate.Leaf()
	if err != nil {
		return errors.New("its stored form cannot be read")
	}
	if !samePublicKey(leaf.PublicKey, p.Key.Public()) {
		return errors.New("its private key belongs to another certificate")
	}
	return nil
}
