package certificate

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" // older tools encrypt keys with it: it is only read
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"hash"

	"postern/domain"
)

// Work per password. The lower number is what we write (RFC 8018 §4.2 asks for as
// many as can be borne); more than the upper one is no key but an attack: OpenSSL
// writes 2048, careful people a million.
const (
	pbkdf2Rounds    = 600_000
	maxPBKDF2Rounds = 2_000_000
)

// errWrongPassword says that a password does not open what it came with.
var errWrongPassword = errors.New("the password is wrong")

// The object identifiers of PKCS#5 (RFC 8018 appendix A, B).
var (
	oidPBES2      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidHMACSHA1   = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 7}
	oidHMACSHA256 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	oidHMACSHA384 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 10}
	oidHMACSHA512 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 11}
	oidAES128CBC  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 2}
	oidAES192CBC  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 22}
	oidAES256CBC  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
	oidDES3CBC    = asn1.ObjectIdentifier{1, 2, 840, 113549, 3, 7}
)

// encryptedKey is EncryptedPrivateKeyInfo (RFC 5958 §3).
type encryptedKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

// pbes2Parameters is PBES2-params (RFC 8018 appendix A.4).
type pbes2Parameters struct {
	Derivation pkix.AlgorithmIdentifier
	Encryption pkix.AlgorithmIdentifier
}

// pbkdf2Parameters is PBKDF2-params (RFC 8018 appendix A.2), its salt given in
// place.
type pbkdf2Parameters struct {
	Salt   []byte
	Rounds int
	Length int                      `asn1:"optional"`
	PRF    pkix.AlgorithmIdentifier `asn1:"optional"` // absent: HMAC-SHA-1
}

// openPKCS8 returns the PKCS#8 DER inside an encrypted key. The error is
// errWrongPassword or says in words what cannot be read.
func openPKCS8(der []byte, password string) ([]byte, error) {
	var sealed encryptedKey
	if rest, err := asn1.Unmarshal(der, &sealed); err != nil || len(rest) > 0 || len(der) > maxKeyBytes {
		return nil, errors.New("the encrypted private key cannot be read")
	}
	decrypt, err := newDecrypter(sealed.Algorithm, password)
	if err != nil {
		return nil, err
	}
	data := bytes.Clone(sealed.Data)
	if len(data) == 0 || len(data)%decrypt.BlockSize() != 0 {
		return nil, errors.New("the encrypted private key is damaged")
	}
	decrypt.CryptBlocks(data, data)
	clearText, ok := unpad(data, decrypt.BlockSize())
	// A wrong password may leave a padding that looks right: what is inside must
	// be one ASN.1 sequence.
	var inside asn1.RawValue
	if rest, err := asn1.Unmarshal(clearText, &inside); !ok || err != nil || len(rest) > 0 {
		return nil, errWrongPassword
	}
	return clearText, nil
}

// newDecrypter derives the key and returns the cipher of PBES2 (RFC 8018 §6.2.2).
func newDecrypter(algorithm pkix.AlgorithmIdentifier, password string) (cipher.BlockMode, error) {
	if !algorithm.Algorithm.Equal(oidPBES2) {
		return nil, errors.New("the private key is encrypted by an outdated method (not PBES2); convert it first: openssl pkcs8 -topk8 -in old.pem -out new.pem")
	}
	var parameters pbes2Parameters
	if err := unmarshalWhole(algorithm.Parameters, &parameters); err != nil {
		return nil, errors.New("how the private key is encrypted cannot be read")
	}
	var iv []byte
	if err := unmarshalWhole(parameters.Encryption.Parameters, &iv); err != nil {
		return nil, errors.New("how the private key is encrypted cannot be read")
	}
	newBlock, size := blockCipher(parameters.Encryption.Algorithm)
	if newBlock == nil {
		return nil, errors.New("the private key is encrypted with a cipher other than AES or 3DES in CBC mode")
	}
	key, err := deriveKey(parameters.Derivation, password, size)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := newBlock(key)
	if err != nil || len(iv) != block.BlockSize() {
		return nil, errors.New("how the private key is encrypted cannot be read")
	}
	return cipher.NewCBCDecrypter(block, iv), nil
}

// deriveKey is PBKDF2 (RFC 8018 §5.2).
func deriveKey(algorithm pkix.AlgorithmIdentifier, password string, size int) ([]byte, error) {
	var p pbkdf2Parameters
	if !algorithm.Algorithm.Equal(oidPBKDF2) {
		return nil, errors.New("the key of the encryption is not derived by PBKDF2 (scrypt is not read); convert it first: openssl pkcs8 -topk8 -in old.pem -out new.pem")
	}
	if err := unmarshalWhole(algorithm.Parameters, &p); err != nil || p.Length != 0 && p.Length != size {
		return nil, errors.New("how the private key is encrypted cannot be read")
	}
	if p.Rounds < 1 || p.Rounds > maxPBKDF2Rounds {
		return nil, domain.E(domain.Invalid, "the password is to be hashed %d times; at most %d are done", p.Rounds, maxPBKDF2Rounds)
	}
	newHash := prf(p.PRF.Algorithm)
	if newHash == nil {
		return nil, errors.New("the key of the encryption is derived with an unknown hash")
	}
	return pbkdf2.Key(newHash, password, p.Salt, p.Rounds, size)
}

func prf(algorithm asn1.ObjectIdentifier) func() hash.Hash {
	switch {
	case len(algorithm) == 0, algorithm.Equal(oidHMACSHA1):
		return sha1.New
	case algorithm.Equal(oidHMACSHA256):
		return sha256.New
	case algorithm.Equal(oidHMACSHA384):
		return sha512.New384
	case algorithm.Equal(oidHMACSHA512):
		return sha512.New
	}
	return nil
}

// blockCipher returns a cipher and the octets of its key; nil: unknown.
func blockCipher(algorithm asn1.ObjectIdentifier) (newBlock func([]byte) (cipher.Block, error), size int) {
	switch {
	case algorithm.Equal(oidAES128CBC):
		return aes.NewCipher, 16
	case algorithm.Equal(oidAES192CBC):
		return aes.NewCipher, 24
	case algorithm.Equal(oidAES256CBC):
		return aes.NewCipher, 32
	case algorithm.Equal(oidDES3CBC):
		return des.NewTripleDESCipher, 24
	}
	return nil, 0
}

// sealPKCS8 encrypts PKCS#8 DER with AES-256 in the form that OpenSSL 1.1 and
// later read by themselves.
func sealPKCS8(der []byte, password string) ([]byte, error) {
	salt, iv := make([]byte, 16), make([]byte, aes.BlockSize)
	rand.Read(salt) // never fails: the process ends instead
	rand.Read(iv)
	key, err := pbkdf2.Key(sha256.New, password, salt, pbkdf2Rounds, 32)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	data := pad(der, aes.BlockSize)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(data, data)
	parameters := pbes2Parameters{
		Derivation: algorithmWith(oidPBKDF2, pbkdf2Parameters{
			Salt: salt, Rounds: pbkdf2Rounds,
			PRF: pkix.AlgorithmIdentifier{Algorithm: oidHMACSHA256, Parameters: asn1.NullRawValue},
		}),
		Encryption: algorithmWith(oidAES256CBC, iv),
	}
	return asn1.Marshal(encryptedKey{algorithmWith(oidPBES2, parameters), data})
}

// algorithmWith returns an algorithm with its parameters. They are of the types
// above, which can always be written.
func algorithmWith(algorithm asn1.ObjectIdentifier, parameters any) pkix.AlgorithmIdentifier {
	der, _ := asn1.Marshal(parameters)
	return pkix.AlgorithmIdentifier{Algorithm: algorithm, Parameters: asn1.RawValue{FullBytes: der}}
}

func unmarshalWhole(raw asn1.RawValue, into any) error {
	rest, err := asn1.Unmarshal(raw.FullBytes, into)
	if err == nil && len(rest) > 0 {
		err = errors.New("trailing data")
	}
	return err
}

// pad appends as many octets as the last block lacks, each saying how many
// (RFC 8018 §6.1.1).
func pad(data []byte, size int) []byte {
	n := size - len(data)%size
	return append(bytes.Clone(data), bytes.Repeat([]byte{byte(n)}, n)...)
}

func unpad(data []byte, size int) ([]byte, bool) {
	n := int(data[len(data)-1])
	if n < 1 || n > size || !bytes.HasSuffix(data, bytes.Repeat([]byte{byte(n)}, n)) {
		return nil, false
	}
	return data[:len(data)-n], true
}
