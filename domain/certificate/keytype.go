package certificate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"

	"postern/domain"
)

// KeyType is an algorithm with its size, such as "ecdsa_p256" or "rsa_2048".
type KeyType string

// The key types that can be made here (B42). Import accepts others too:
// "ecdsa_p521" and RSA of any size from 2048 to 8192 bits.
const (
	ECDSAP256 KeyType = "ecdsa_p256"
	ECDSAP384 KeyType = "ecdsa_p384"
	RSA2048   KeyType = "rsa_2048"
	RSA3072   KeyType = "rsa_3072"
	RSA4096   KeyType = "rsa_4096"
)

// Bounds of an RSA modulus in bits. Below the lower one keys can be broken
// (RFC 9325 §4.5); above the upper one crypto/tls refuses to verify, and the
// work per handshake serves an attacker.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// generate makes a key of the type. RSA of 4096 bits takes seconds.
func (t KeyType) generate() (PrivateKey, error) {
	signer, err := t.generateSigner()
	if err != nil {
		return PrivateKey{}, domain.Wrap(err, "make a private key of type %s", t)
	}
	return NewPrivateKey(signer), nil
}

func (t KeyType) generateSigner() (crypto.Signer, error) {
	switch t {
	case ECDSAP256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ECDSAP384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case RSA2048:
		return rsa.GenerateKey(rand.Reader, 2048)
	case RSA3072:
		return rsa.GenerateKey(rand.Reader, 3072)
	case RSA4096:
		return rsa.GenerateKey(rand.Reader, 4096)
	}
	return nil, domain.E(domain.Invalid, "keys of type %q cannot be made here", string(t))
}

// keyTypeOf returns the type of a public key and what is wrong with it, in
// words that follow "the key"; empty means nothing.
func keyTypeOf(public crypto.PublicKey) (t KeyType, fault string) {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return rsaKeyType(key.N.BitLen())
	case *ecdsa.PublicKey:
		return ecdsaKeyType(key.Curve)
	case ed25519.PublicKey:
		// Public authorities do not sign such keys and many mail servers cannot
		// verify them: the peer would fall back to clear text or give up.
		return "ed25519", "is Ed25519, which many mail servers do not support; use ECDSA P-256 or RSA 2048"
	}
	return "", "is of a kind that TLS servers do not use; use ECDSA P-256 or RSA 2048"
}

func rsaKeyType(bits int) (t KeyType, fault string) {
	t = KeyType(fmt.Sprintf("rsa_%d", bits))
	switch {
	case bits < minRSABits:
		fault = fmt.Sprintf("is RSA of %d bits, which is too weak; use at least %d", bits, minRSABits)
	case bits > maxRSABits:
		fault = fmt.Sprintf("is RSA of %d bits, which TLS peers refuse; use at most %d", bits, maxRSABits)
	}
	return t, fault
}

func ecdsaKeyType(curve elliptic.Curve) (t KeyType, fault string) {
	switch curve {
	case elliptic.P256():
		return ECDSAP256, ""
	case elliptic.P384():
		return ECDSAP384, ""
	case elliptic.P521():
		return "ecdsa_p521", ""
	}
	return "", "is ECDSA on a curve that TLS peers refuse; use P-256 or P-384"
}

// NewKey makes a private key of the type; one that cannot be made here is
// [domain.Invalid].
func (t KeyType) NewKey() (PrivateKey, error) { return t.generate() }
