package certificate

import (
	"crypto"
	"fmt"
	"io"
	"log/slog"
	"time"

	"postern/domain"
)

// ImportRequest is PEM text to take in (B44). Certificate, key and chain may
// stand in any order, together in one field or spread over several. JSON
// pointers in faults use the names in brackets and lead to the field that the
// offending block came from.
//
// A key that is encrypted is opened with the password: PKCS#8 with PBES2, as
// "openssl pkcs8 -topk8" and "openssl genpkey -aes256" write it (RFC 8018 §6.2).
//
// Any field may hold the private key, so the request prints as a placeholder.
type ImportRequest struct {
	Label       string   // [label] an administrator's own words; may be empty
	Certificate string   // [certificate]
	PrivateKey  string   // [private_key]
	Chain       []string // [chain]
	Password    string   // [password] of the private key; empty: it is not encrypted
}

// Format prints a placeholder for every verb and flag.
func (ImportRequest) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns a placeholder; encoding/json and encoding/xml use it.
func (ImportRequest) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns a placeholder.
func (ImportRequest) LogValue() slog.Value { return slog.StringValue(redacted) }

// read returns the certificate, with its chain in order, and its key; or an
// [domain.Invalid] error. What cannot be parsed at all is reported first, alone,
// because nothing can be said about the rest.
func (r ImportRequest) read(now time.Time) (KeyPair, error) {
	var f domain.Faults
	checkText(&f, "/label", r.Label, maxLabel)
	if len(r.Password) > maxPasswordOctets {
		f.Add("/password", "is longer than %d octets", maxPasswordOctets)
	}
	b := &bundle{password: r.Password}
	b.readAll(&f, r)
	if err := f.Err(); err != nil {
		return KeyPair{}, err
	}
	c, err := b.judge(&f, Imported, now)
	if err != nil {
		return KeyPair{}, err
	}
	c.Label = r.Label
	return KeyPair{Certificate: c, Key: b.keys[0].PrivateKey}, nil
}

// judge describes the certificate of a complete bundle, or returns an
// [domain.Invalid] error with everything that is wrong with it.
func (b *bundle) judge(f *domain.Faults, source Source, now time.Time) (Certificate, error) {
	leaf := b.leaf(f)
	chain, unused := orderChain(leaf, b.without(leaf), now)
	warnings := judgeUnused(f, chain, unused)
	keyType := judgeChain(f, chain, now)
	if err := f.Err(); err != nil {
		return Certificate{}, err
	}
	c := describe(source, certificatesOf(chain), keyType)
	c.Warnings = append(warnings, chainWarnings(chain)...)
	return c, nil
}

// leaf returns the certificate that the private key belongs to. Where the key
// fits none, the fault says so and the likeliest one is returned, so that its
// own faults come to light too.
func (b *bundle) leaf(f *domain.Faults) given {
	key := b.keys[0]
	var fits []given
	for _, c := range b.certificates {
		if samePublicKey(c.PublicKey, key.Public()) {
			fits = append(fits, c)
		}
	}
	switch len(fits) {
	case 0:
		likely := likelyLeaf(b.certificates)
		f.Add(key.pointer, "the private key does not belong to %s, nor to any other certificate given", likely)
		return likely
	case 1:
		return fits[0]
	}
	f.Add(fits[1].pointer, "the private key belongs to two certificates, %s and %s; leave one out", fits[0], fits[1])
	return fits[0]
}

// without returns the certificates of other keys than the leaf's, in the order
// given.
func (b *bundle) without(leaf given) []given {
	var others []given
	for _, c := range b.certificates {
		if !samePublicKey(c.PublicKey, leaf.PublicKey) {
			others = append(others, c)
		}
	}
	return others
}

// samePublicKey compares two public keys of any kind.
func samePublicKey(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}
