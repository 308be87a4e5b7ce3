package certificate

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"postern/domain"
)

// Limits of an import. A chain in the field has three or four certificates.
const (
	maxImportBytes  = 1 << 20
	maxBlocks       = 32
	maxCertificates = 20
	maxKeyBytes     = 8 << 10 // DER; an RSA key of 8192 bits has less than 5 KiB
)

// given is one certificate of an import and the JSON pointer of the field that
// it came from.
type given struct {
	*x509.Certificate
	pointer string
}

// givenKey is the same for a private key.
type givenKey struct {
	PrivateKey
	pointer string
}

// bundle is everything that the fields of an import hold, without duplicates.
type bundle struct {
	certificates []given
	keys         []givenKey
	count        int // PEM blocks seen
	password     string
}

// readAll reads every field. The bundle then has at least one certificate and
// exactly one key unless there are faults.
func (b *bundle) readAll(f *domain.Faults, r ImportRequest) {
	parts := r.parts()
	size, longest := 0, parts[0]
	for _, p := range parts {
		size += len(p.text)
		if len(p.text) > len(longest.text) {
			longest = p
		}
	}
	if size > maxImportBytes {
		f.Add(longest.pointer, "is too large: all texts together may have %d bytes", maxImportBytes)
		return
	}
	for _, p := range parts {
		b.read(f, p.pointer, p.text)
	}
	if len(*f) == 0 {
		b.checkComplete(f)
	}
}

// part is a text of an import, with where it stands.
type part struct{ pointer, text string }

func (r ImportRequest) parts() []part {
	parts := []part{{"/certificate", r.Certificate}, {"/private_key", r.PrivateKey}}
	for i, text := range r.Chain {
		parts = append(parts, part{fmt.Sprintf("/chain/%d", i), text})
	}
	return parts
}

// checkComplete reports parts that are missing or too many.
func (b *bundle) checkComplete(f *domain.Faults) {
	switch {
	case len(b.certificates) == 0:
		f.Add("/certificate", "no certificate was given")
	case len(b.certificates) > maxCertificates:
		f.Add("/chain", "more than %d certificates were given", maxCertificates)
	}
	switch len(b.keys) {
	case 0:
		f.Add("/private_key", "no private key was given")
	case 1:
	default:
		f.Add(b.keys[1].pointer, "more than one private key was given")
	}
}

// read adds the PEM blocks of one field. Text between the blocks is allowed
// (RFC 7468 §2); many tools write it.
func (b *bundle) read(f *domain.Faults, pointer, text string) {
	rest := []byte(strings.TrimPrefix(text, "\ufeff")) // a byte order mark, as editors leave it
	begun := bytes.Count(rest, []byte("-----BEGIN "))
	switch {
	case len(bytes.TrimSpace(rest)) == 0:
		return
	case begun == 0:
		f.Add(pointer, "holds no PEM block (-----BEGIN …-----); DER and PKCS#12 files must be converted first")
		return
	case b.count+begun > maxBlocks:
		f.Add(pointer, "more than %d PEM blocks were given", maxBlocks)
		return
	}
	b.count += begun
	for block, after := pem.Decode(rest); block != nil; block, after = pem.Decode(after) {
		b.add(f, pointer, block)
		begun--
	}
	// pem.Decode steps over what it cannot read without a word.
	if begun != 0 {
		f.Add(pointer, "a PEM block is damaged or cut short")
	}
}

// add sorts one block into the bundle.
func (b *bundle) add(f *domain.Faults, pointer string, block *pem.Block) {
	switch block.Type {
	case "CERTIFICATE", "X509 CERTIFICATE":
		b.addCertificate(f, pointer, block.Bytes)
	case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY":
		b.addKey(f, pointer, block)
	case "EC PARAMETERS", "DH PARAMETERS": // older tools put them beside the key
	case "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST":
		f.Add(pointer, "holds a certificate request; give the certificate that the authority made from it")
	default:
		f.Add(pointer, "holds a PEM block of type %s, which is neither a certificate nor a private key", quote(block.Type))
	}
}

func (b *bundle) addCertificate(f *domain.Faults, pointer string, der []byte) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		f.Add(pointer, "certificate %d cannot be read: %s", len(b.certificates)+1, quote(err.Error()))
		return
	}
	for _, have := range b.certificates {
		if have.Equal(c) {
			return
		}
	}
	b.certificates = append(b.certificates, given{c, pointer})
}

func (b *bundle) addKey(f *domain.Faults, pointer string, block *pem.Block) {
	der := b.openKey(f, pointer, block)
	if der == nil {
		return
	}
	defer clear(der)
	key, ok := parseKey(der)
	if !ok {
		f.Add(pointer, "the private key cannot be read: it is no RSA or ECDSA key in PKCS#1, SEC 1 or PKCS#8 form")
		return
	}
	for _, have := range b.keys {
		if samePublicKey(have.Public(), key.Public()) {
			return
		}
	}
	b.keys = append(b.keys, givenKey{key, pointer})
}

// openKey returns the block's key in clear, nil with a fault.
func (b *bundle) openKey(f *domain.Faults, pointer string, block *pem.Block) []byte {
	switch {
	case len(block.Headers) > 0:
		// RFC 1421 §4.6.1.1: DEK-Info and Proc-Type mark the older form. Its key is
		// derived by one round of MD5, and nothing tells a wrong password.
		f.Add(pointer, "the private key is encrypted in the old form of OpenSSL; convert it first: openssl pkcs8 -topk8 -in old.pem -out new.pem")
	case block.Type != "ENCRYPTED PRIVATE KEY":
		return block.Bytes
	case b.password == "":
		f.Add(pointer, "the private key is encrypted: its password must be given, or the key decrypted first (openssl pkey)")
	default:
		der, err := openPKCS8(block.Bytes, b.password)
		if errors.Is(err, errWrongPassword) {
			f.Add("/password", "%s", err)
		} else if err != nil {
			f.Add(pointer, "%s", err)
		}
		return der
	}
	return nil
}

// parseKey reads a key by its content, because labels are often wrong. Errors
// of the parsers are dropped: they may describe the secret.
func parseKey(der []byte) (PrivateKey, bool) {
	if len(der) > maxKeyBytes {
		return PrivateKey{}, false
	}
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		signer, ok := key.(crypto.Signer)
		return NewPrivateKey(signer), ok
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return NewPrivateKey(key), true
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return NewPrivateKey(key), true
	}
	return PrivateKey{}, false
}
