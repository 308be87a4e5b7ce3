package account

import (
	"strings"
	"testing"
)

// The hash of "password" is a test vector of the reference implementation.
func TestPasswordHashOfAnotherImplementation(t *testing.T) {
	const phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	h, err := parsePasswordHash(phc)
	if err != nil {
		t.Fatal(err)
	}
	if !h.matches("password") || h.matches("Password") {
		t.Error("the hash does not tell the right password from a wrong one")
	}
}

func TestHashPasswordCostAndSalt(t *testing.T) {
	a, b := hashPassword("secret"), hashPassword("secret")
	if !strings.HasPrefix(a, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %s", a)
	}
	if a == b {
		t.Error("two hashes of one password are equal")
	}
	h, err := parsePasswordHash(a)
	if err != nil || !h.matches("secret") || h.String() != a {
		t.Errorf("its own hash is not read back: %v", err)
	}
	if decoyHash().matches("") {
		t.Error("the decoy has a password")
	}
}

var badHashes = map[string]string{
	"empty":              "",
	"other function":     "$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
	"other version":      "$argon2id$v=16$m=19456,t=2,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
	"no version":         "$argon2id$m=19456,t=2,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
	"too much memory":    "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
	"memory overflow":    "$argon2id$v=19$m=99999999999,t=2,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
	"too little memory":  "$argon2id$v=19$m=4,t=2,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
	"no pass":            "$argon2id$v=19$m=19456,t=0,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
	"too many passes":    "$argon2id$v=19$m=19456,t=1000,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
	"no thread":          "$argon2id$v=19$m=19456,t=2,p=0$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
	"short key":          "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$c29t",
	"short salt":         "$argon2id$v=19$m=19456,t=2,p=1$c29t$c29tZXNhbHRzb21lc2FsdA",
	"padding":            "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ=$c29tZXNhbHRzb21lc2FsdA",
	"trailing parameter": "$argon2id$v=19$m=19456,t=2,p=1,x=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
	"spaces in costs":    "$argon2id$v=19$m= 19456,t=2,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
}

func TestParsePasswordHashRefuses(t *testing.T) {
	for name, phc := range badHashes {
		if h, err := parsePasswordHash(phc); err == nil {
			t.Errorf("%s: read as %+v", name, h)
		}
	}
}

func FuzzParsePasswordHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	for _, phc := range badHashes {
		f.Add(phc)
	}
	f.Fuzz(func(t *testing.T, phc string) {
		h, err := parsePasswordHash(phc)
		if err == nil && (h.String() != phc || !h.bounded()) {
			t.Errorf("%q is read as %+v", phc, h)
		}
	})
}
