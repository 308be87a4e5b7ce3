package certificate

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"
	"unicode/utf16"

	"postern/domain"
)

// The object identifiers of PKCS#12 (RFC 7292 §4) and of what it is made of
// (RFC 2315, RFC 8018).
var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEncryptedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
	oidKeyBag        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 1}
	oidShroudedKey   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
	oidPBMAC1        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 14}
	oidSHA1          = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
)

// errPKCS12Form says that a file is not what RFC 7292 describes.
var errPKCS12Form = errors.New("no PKCS#12")

// pkcs12File is PFX (RFC 7292 §4).
type pkcs12File struct {
	Version  int
	AuthSafe pkcs12Content
	MAC      pkcs12MAC `asn1:"optional"`
}

// pkcs12Content is ContentInfo (RFC 2315 §7).
type pkcs12Content struct {
	Type    asn1.ObjectIdentifier
	Content asn1.RawValue `asn1:"tag:0,explicit,optional"`
}

// pkcs12MAC is MacData (RFC 7292 §4).
type pkcs12MAC struct {
	Digest struct {
		Algorithm pkix.AlgorithmIdentifier
		Digest    []byte
	}
	Salt   []byte
	Rounds int `asn1:"optional,default:1"`
}

// pkcs12Encrypted is EncryptedData (RFC 2315 §13).
type pkcs12Encrypted struct {
	Version int
	Content struct {
		Type      asn1.ObjectIdentifier
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte `asn1:"tag:0,optional"`
	}
}

// pkcs12Bag is SafeBag (RFC 7292 §4.2), of which the attributes are not looked at.
type pkcs12Bag struct {
	ID    asn1.ObjectIdentifier
	Value asn1.RawValue `asn1:"tag:0,explicit"`
}

// safe is what can be seen of a PKCS#12 file without its password. Structures are
// read as its decoder reads them, so that both see the same numbers.
type safe struct {
	plain, encrypted []asn1.RawValue // the ContentInfos, by whether they are encrypted
	rounds           int             // the most that one derivation of a key asks for
	keys             int             // private keys outside encrypted parts
}

// readSafe looks into a file. The error is errPKCS12Form.
func readSafe(der []byte) (s safe, err error) {
	var file pkcs12File
	var contents []byte
	var items []asn1.RawValue
	if !readWhole(der, &file) || !readWhole(file.AuthSafe.Content.Bytes, &contents) || !readWhole(contents, &items) {
		return s, errPKCS12Form
	}
	if len(file.MAC.Digest.Algorithm.Algorithm) > 0 {
		s.rounds = file.MAC.Rounds
		if file.MAC.Digest.Algorithm.Algorithm.Equal(oidPBMAC1) && !s.addRounds(file.MAC.Digest.Algorithm) {
			return s, errPKCS12Form
		}
	}
	for _, item := range items {
		if !s.add(item) {
			return s, errPKCS12Form
		}
	}
	return s, nil
}

// add looks into one part; false where it cannot be read.
func (s *safe) add(item asn1.RawValue) bool {
	var part pkcs12Content
	if !readWhole(item.FullBytes, &part) {
		return false
	}
	if part.Type.Equal(oidEncryptedData) {
		var sealed pkcs12Encrypted
		s.encrypted = append(s.encrypted, item)
		return readWhole(part.Content.Bytes, &sealed) && s.addRounds(sealed.Content.Algorithm)
	}
	var contents []byte
	var bags []pkcs12Bag
	if !part.Type.Equal(oidData) || !readWhole(part.Content.Bytes, &contents) || !readWhole(contents, &bags) {
		return false
	}
	s.plain = append(s.plain, item)
	for _, bag := range bags {
		var sealed encryptedKey
		switch {
		case bag.ID.Equal(oidKeyBag):
			s.keys++
		case bag.ID.Equal(oidShroudedKey):
			s.keys++
			if !readWhole(bag.Value.Bytes, &sealed) || !s.addRounds(sealed.Algorithm) {
				return false
			}
		}
	}
	return true
}

// addRounds notes how often an algorithm hashes the password.
func (s *safe) addRounds(algorithm pkix.AlgorithmIdentifier) bool {
	parameters := algorithm.Parameters.FullBytes
	// PBES2-params and PBMAC1-params (RFC 8018 appendix A) begin with the derivation.
	if algorithm.Algorithm.Equal(oidPBES2) || algorithm.Algorithm.Equal(oidPBMAC1) {
		var scheme pbes2Parameters
		if !readWhole(parameters, &scheme) {
			return false
		}
		parameters = scheme.Derivation.Parameters.FullBytes
	}
	// PBKDF2-params and pkcs-12PbeParams begin alike; what follows is left alone.
	var derivation struct {
		Salt   asn1.RawValue
		Rounds int
	}
	if !readWhole(parameters, &derivation) {
		return false
	}
	s.rounds = max(s.rounds, derivation.Rounds)
	return true
}

// arranged returns a file with the same parts, those in clear first, under the
// password as the decoder writes it (RFC 7292 appendix B.1). The decoder takes the
// first key, and refuses a second one before it derives anything: rounds that hide
// in an encrypted part are so never done.
func (s safe) arranged(password []byte) ([]byte, error) {
	contents, err := asn1.Marshal(slices.Concat(s.plain, s.encrypted))
	if err != nil {
		return nil, err
	}
	octets, err := asn1.Marshal(contents)
	if err != nil {
		return nil, err
	}
	file := pkcs12File{Version: 3, AuthSafe: pkcs12Content{Type: oidData, Content: asn1.RawValue{
		Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: octets,
	}}}
	file.MAC.Digest.Algorithm.Algorithm = oidSHA1
	file.MAC.Salt, file.MAC.Rounds = make([]byte, sha1.Size), 1
	mac := hmac.New(sha1.New, macKey(file.MAC.Salt, password))
	mac.Write(contents)
	file.MAC.Digest.Digest = mac.Sum(nil)
	return asn1.Marshal(file)
}

// macKey derives the key of a MAC of SHA-1 by one round (RFC 7292 appendix B.2 with
// r = 1 and n = u): H(D || S || P), where D is 64 times the purpose, 3, and the
// others are repeated to fill blocks of 64 octets.
func macKey(salt, password []byte) []byte {
	text := make([]byte, 0, 3*sha1.BlockSize+len(password))
	for range sha1.BlockSize {
		text = append(text, 3)
	}
	for _, part := range [][]byte{salt, password} {
		filled := (len(part) + sha1.BlockSize - 1) / sha1.BlockSize * sha1.BlockSize
		for i := range filled {
			text = append(text, part[i%len(part)])
		}
	}
	key := sha1.Sum(text)
	return key[:]
}

// bmpString is a password as PKCS#12 hashes it: UTF-16 with two zero octets behind
// (RFC 7292 appendix B.1).
func bmpString(password string) []byte {
	var octets []byte
	for _, unit := range append(utf16.Encode([]rune(password)), 0) {
		octets = append(octets, byte(unit>>8), byte(unit))
	}
	return octets
}

// check faults a file that is not worth an attempt.
func (s safe) check(f *domain.Faults) {
	switch {
	case s.rounds > maxPKCS12Rounds:
		f.Add("/pkcs12", "the password is to be hashed %d times; at most %d are done", s.rounds, maxPKCS12Rounds)
	case s.keys == 0:
		f.Add("/pkcs12", "holds no private key, or has it inside a part that is encrypted once more, which is not read")
	}
}

func readWhole(der []byte, into any) bool {
	rest, err := asn1.Unmarshal(der, into)
	return err == nil && len(rest) == 0
}
