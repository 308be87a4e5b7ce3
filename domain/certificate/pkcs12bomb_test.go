package certificate

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"math"
	"testing"

	"software.sslmate.com/src/go-pkcs12"

	"postern/domain"
)

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	der, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// inside is a value in an explicit tag 0, as contents and bags hold it.
func inside(der []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, IsCompound: true, Bytes: der}
}

// bombBag holds a private key of which the password is to be hashed for hours.
func bombBag(t *testing.T) []byte {
	t.Helper()
	parameters := pbes2Parameters{
		Derivation: algorithmWith(oidPBKDF2, pbkdf2Parameters{Salt: []byte("saltsalt"), Rounds: math.MaxInt64}),
		Encryption: algorithmWith(oidAES256CBC, make([]byte, 16)),
	}
	key := encryptedKey{algorithmWith(oidPBES2, parameters), make([]byte, 32)}
	return marshal(t, []pkcs12Bag{{oidShroudedKey, inside(marshal(t, key))}})
}

// sealed is a part of a PKCS#12 file that is encrypted.
func sealed(t *testing.T, contents []byte, password string) asn1.RawValue {
	t.Helper()
	der, err := sealPKCS8(contents, password)
	if err != nil {
		t.Fatal(err)
	}
	var k encryptedKey
	if !readWhole(der, &k) {
		t.Fatal("what was sealed cannot be read")
	}
	var e pkcs12Encrypted
	e.Content.Type, e.Content.Algorithm, e.Content.Data = oidData, k.Algorithm, k.Data
	return asn1.RawValue{FullBytes: marshal(t, pkcs12Content{oidEncryptedData, inside(marshal(t, e))})}
}

func inClear(t *testing.T, contents []byte) asn1.RawValue {
	t.Helper()
	return asn1.RawValue{FullBytes: marshal(t, pkcs12Content{oidData, inside(marshal(t, contents))})}
}

// Wherever a file asks for too many rounds, they are not done: were they, this test
// would not end.
func TestPKCS12BombsAreNotLit(t *testing.T) {
	leaf := server(t, "mail.example.com", nil)
	modern, err := pkcs12.Modern2023.Encode(leaf.key, leaf.Certificate, nil, "p")
	if err != nil {
		t.Fatal(err)
	}
	good, err := readSafe(modern)
	if err != nil {
		t.Fatal(err)
	}
	hidden := sealed(t, bombBag(t), "p")
	for name, test := range map[string]struct {
		safe safe
		want string
	}{
		"in clear":                    {safe{plain: []asn1.RawValue{inClear(t, bombBag(t))}}, "times; at most"},
		"inside an encrypted part":    {safe{plain: good.plain, encrypted: []asn1.RawValue{hidden}}, "more than one private key"},
		"alone in an encrypted part":  {safe{encrypted: []asn1.RawValue{hidden}}, "encrypted once more"},
		"encrypted part before a key": {safe{plain: []asn1.RawValue{hidden}, encrypted: good.plain}, "more than one private key"},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := test.safe.arranged(bmpString("p"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = newFixture(t).ImportPKCS12(t.Context(), "a", PKCS12Import{Data: data, Password: "p"})
			wantFaults(t, err, fault("/pkcs12", test.want))
		})
	}
}

// encoding/asn1 lets more follow in a SEQUENCE than is asked for: it must not hide
// the number.
func TestPKCS12RoundsAreFound(t *testing.T) {
	derivation := marshal(t, struct {
		Salt   []byte
		Rounds int
		More   asn1.RawValue
	}{[]byte("salt"), 1 << 40, asn1.RawValue{FullBytes: []byte{0xff, 0xff, 0xff}}})
	for name, algorithm := range map[string]pkix.AlgorithmIdentifier{
		"PBE":    {Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 1, 3}, Parameters: asn1.RawValue{FullBytes: derivation}},
		"PBES2":  algorithmWith(oidPBES2, pbes2Parameters{Derivation: pkix.AlgorithmIdentifier{Algorithm: oidPBKDF2, Parameters: asn1.RawValue{FullBytes: derivation}}, Encryption: algorithmWith(oidAES256CBC, make([]byte, 16))}),
		"PBMAC1": algorithmWith(oidPBMAC1, pbes2Parameters{Derivation: pkix.AlgorithmIdentifier{Algorithm: oidPBKDF2, Parameters: asn1.RawValue{FullBytes: derivation}}, Encryption: algorithmWith(oidHMACSHA256, []byte{})}),
	} {
		var s safe
		if !s.addRounds(algorithm) || s.rounds != 1<<40 {
			t.Errorf("%s: %d rounds", name, s.rounds)
		}
	}
}

// A MAC that does not fit is refused although what is decoded afterwards has
// another one.
func TestPKCS12MACIsVerified(t *testing.T) {
	leaf := server(t, "mail.example.com", nil)
	for name, encoder := range map[string]*pkcs12.Encoder{"MAC": pkcs12.Modern2023, "PBMAC1": pkcs12.Modern2026, "legacy": pkcs12.LegacyDES} {
		data, err := encoder.Encode(leaf.key, leaf.Certificate, nil, "p")
		if err != nil {
			t.Fatal(err)
		}
		f := newFixture(t)
		if _, err := f.ImportPKCS12(t.Context(), "a", PKCS12Import{Data: data, Password: "p"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var file pkcs12File
		if !readWhole(data, &file) {
			t.Fatal("the file cannot be read")
		}
		file.MAC.Digest.Digest[0] ^= 1
		_, err = f.ImportPKCS12(t.Context(), "a", PKCS12Import{Data: marshal(t, file), Password: "p"})
		wantFaults(t, err, fault("/password", "is wrong"))
	}
}

// Tools that write an empty password as no octets at all are understood.
func TestPKCS12WithoutPasswordOctets(t *testing.T) {
	leaf := server(t, "mail.example.com", nil)
	data, err := pkcs12.Passwordless.Encode(leaf.key, leaf.Certificate, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	contents, err := readSafe(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, password := range [][]byte{nil, bmpString("")} {
		data, err := contents.arranged(password)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newFixture(t).ImportPKCS12(t.Context(), "a", PKCS12Import{Data: data}); err != nil {
			t.Errorf("%q: %v", password, domain.KindOf(err))
		}
	}
}
