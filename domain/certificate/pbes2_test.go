package certificate

import (
	"context"
	"errors"
	"testing"

	"postern/domain"
)

func cancelled(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx, cancel
}

func TestImportOfEncryptedKeys(t *testing.T) {
	certificate := string(opensslFile(t, "cert.pem"))
	tests := []struct {
		file, password string
		want           []domain.Fault
	}{
		{"aes256.key", opensslPassword, nil},
		{"aes128-sha1.key", opensslPassword, nil},
		{"aes192-sha512.key", opensslPassword, nil},
		{"des3.key", opensslPassword, nil},
		{"key.pem", opensslPassword, nil}, // a password that nothing needs does no harm
		{"aes256.key", "wrong", []domain.Fault{fault("/password", "is wrong")}},
		{"des3.key", "wrong", []domain.Fault{fault("/password", "is wrong")}},
		{"aes256.key", "", []domain.Fault{fault("/private_key", "password must be given")}},
		{"scrypt.key", opensslPassword, []domain.Fault{fault("/private_key", "openssl pkcs8 -topk8")}},
		{"pbes1.key", opensslPassword, []domain.Fault{fault("/private_key", "openssl pkcs8 -topk8")}},
		{"dek-info.key", opensslPassword, []domain.Fault{fault("/private_key", "openssl pkcs8 -topk8")}},
		{"many-rounds.key", opensslPassword, []domain.Fault{fault("/private_key", "3000000 times")}},
	}
	for _, test := range tests {
		t.Run(test.file+" "+test.password, func(t *testing.T) {
			pair, err := ImportRequest{
				Certificate: certificate, PrivateKey: string(opensslFile(t, test.file)), Password: test.password,
			}.read(today)
			if test.want != nil {
				wantFaults(t, err, test.want...)
				return
			}
			if err != nil || pair.Check() != nil {
				t.Fatalf("%v %v", err, pair.Check())
			}
		})
	}
}

func TestSealedKeyOpensAgain(t *testing.T) {
	for _, text := range []string{"\x30\x00", "\x30\x0d0123456789abc", "\x30\x0e0123456789abcd"} {
		sealed, err := sealPKCS8([]byte(text), "p")
		if err != nil {
			t.Fatal(err)
		}
		opened, err := openPKCS8(sealed, "p")
		if err != nil || string(opened) != text {
			t.Errorf("%q %v", opened, err)
		}
		if _, err := openPKCS8(sealed, "q"); !errors.Is(err, errWrongPassword) {
			t.Errorf("%v", err)
		}
	}
}

func FuzzOpenPKCS8(f *testing.F) {
	sealed, err := sealPKCS8([]byte("\x30\x00"), "p")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed, "p")
	f.Add([]byte{0x30, 0}, "")
	f.Fuzz(func(t *testing.T, der []byte, password string) {
		if opened, err := openPKCS8(der, password); err == nil && len(opened) == 0 {
			t.Error("nothing was opened without an error")
		}
	})
}
