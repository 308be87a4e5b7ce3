package persistence

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postern/domain"
)

func freshSealer(t testing.TB) *sealer {
	t.Helper()
	s, err := loadSealer(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSealRoundTrip(t *testing.T) {
	s := freshSealer(t)
	for _, secret := range []string{"", "x", strings.Repeat("secret", 1000)} {
		sealed, err := s.seal(purposeCertificateKey, "id", []byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		opened, err := s.open(purposeCertificateKey, "id", sealed)
		if err != nil || string(opened) != secret {
			t.Errorf("%d bytes come back as %d, error %v", len(secret), len(opened), err)
		}
		again, err := s.seal(purposeCertificateKey, "id", []byte(secret))
		if err != nil || bytes.Equal(again, sealed) {
			t.Errorf("sealing twice gives the same bytes (error %v)", err)
		}
	}
}

func TestSealedValueOpensInItsPlaceOnly(t *testing.T) {
	s := freshSealer(t)
	sealed, err := s.seal(purposeCertificateKey, "id", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	altered := func(i int) []byte {
		c := bytes.Clone(sealed)
		c[i] ^= 1
		return c
	}
	for name, tc := range map[string]struct {
		sealer *sealer
		p      purpose
		id     string
		sealed []byte
	}{
		"other row":                   {s, purposeCertificateKey, "other", sealed},
		"other purpose":               {s, "other", "id", sealed},
		"other master key":            {freshSealer(t), purposeCertificateKey, "id", sealed},
		"version altered":             {s, purposeCertificateKey, "id", altered(0)},
		"nonce altered":               {s, purposeCertificateKey, "id", altered(1)},
		"text altered":                {s, purposeCertificateKey, "id", altered(14)},
		"tag altered":                 {s, purposeCertificateKey, "id", altered(len(sealed) - 1)},
		"cut":                         {s, purposeCertificateKey, "id", sealed[:len(sealed)-1]},
		"cut in the nonce":            {s, purposeCertificateKey, "id", sealed[:5]},
		"nothing":                     {s, purposeCertificateKey, "id", nil},
		"purpose and id run together": {s, purposeCertificateKey[:11], string(purposeCertificateKey[11:]) + "\x00id", sealed},
	} {
		opened, err := tc.sealer.open(tc.p, tc.id, tc.sealed)
		if err == nil {
			t.Errorf("%s: opens as %q", name, opened)
		}
	}
}

func FuzzOpenSealed(f *testing.F) {
	s := newSealer(make([]byte, masterKeySize))
	sealed, err := s.seal(purposeCertificateKey, "id", []byte("secret"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte{})
	f.Add([]byte{sealVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		if opened, err := s.open(purposeCertificateKey, "id", b); err == nil && string(opened) != "secret" {
			t.Errorf("%x opens as %q", b, opened)
		}
	})
}

func TestMasterKeyStaysTheSame(t *testing.T) {
	dir := t.TempDir()
	first, err := loadSealer(dir)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := first.seal(purposeCertificateKey, "id", []byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := loadSealer(dir)
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := second.open(purposeCertificateKey, "id", sealed); err != nil || string(opened) != "secret" {
		t.Errorf("opens as %q, error %v", opened, err)
	}
}

func TestSealerShowsNothing(t *testing.T) {
	master := []byte("0123456789abcdef0123456789abcdef")
	s := newSealer(master)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		shown := strings.Trim(fmt.Sprintf(verb, master), "[]")
		for _, value := range []any{s, *s, Database{sealer: s}, struct{ s sealer }{*s}} {
			if printed := fmt.Sprintf(verb, value); strings.Contains(printed, shown) {
				t.Errorf("%s of %T shows the key", verb, value)
			}
		}
	}
}

func TestMasterKeyFileIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		size   int
		mode   os.FileMode
		reason string
	}{
		"group may read":  {masterKeySize, 0o640, "make it 0600"},
		"others may read": {masterKeySize, 0o604, "make it 0600"},
		"short":           {masterKeySize - 1, 0o600, "damaged"},
		"long":            {masterKeySize + 1, 0o600, "damaged"},
		"empty":           {0, 0o600, "damaged"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, masterKeyName)
		if err := os.WriteFile(path, make([]byte, tc.size), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tc.mode); err != nil {
			t.Fatal(err)
		}
		t.Log(name)
		wantRefused(t, dir, domain.Unavailable, tc.reason)
	}
}

func TestMissingMasterKeyIsNotMadeAnew(t *testing.T) {
	dir := t.TempDir()
	closeTest(t, openTest(t, dir))
	if err := os.Remove(filepath.Join(dir, masterKeyName)); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, dir, domain.Unavailable, "restore it")
}

func TestHalfWrittenMasterKeyIsReplaced(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, masterKeyName+".new"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadSealer(dir); err != nil {
		t.Fatal(err)
	}
	if key, err := os.ReadFile(filepath.Join(dir, masterKeyName)); err != nil || len(key) != masterKeySize {
		t.Errorf("a key of %d bytes, error %v", len(key), err)
	}
}
