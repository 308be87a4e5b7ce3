package certificate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"

	"postern/domain"
)

// printed returns v as every printer of the house would show it.
func printed(t *testing.T, v any) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
		out[verb] = fmt.Sprintf(verb, v)
	}
	asJSON, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out["json"] = string(asJSON)
	if asXML, err := xml.Marshal(v); err == nil {
		out["xml"] = string(asXML)
	}
	var text, structured bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&structured, nil)).Info("x", "v", v)
	out["slog text"], out["slog JSON"] = text.String(), structured.String()
	return out
}

// No printer may show the key, whatever it is wrapped in (B45).
func TestPrivateKeyIsNeverPrinted(t *testing.T) {
	pair, err := NewDemonstration("mail.example.com", today)
	if err != nil {
		t.Fatal(err)
	}
	signer := pair.Key.Signer().(*ecdsa.PrivateKey)
	scalar, err := signer.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	text := keyPEM(t, signer)
	request := ImportRequest{Certificate: text, PrivateKey: text, Chain: []string{text}}
	_, ed, err := ed25519.GenerateKey(rand.Reader) // a key that is a slice, not a pointer
	if err != nil {
		t.Fatal(err)
	}
	type hidden struct {
		key, ed PrivateKey
		pair    *KeyPair
	}
	values := map[string]any{
		"key":             pair.Key,
		"pointer to key":  &pair.Key,
		"pair":            pair,
		"pointer to pair": &pair,
		"slice":           []PrivateKey{pair.Key},
		"map":             map[string]PrivateKey{"key": pair.Key},
		"unexported":      hidden{pair.Key, NewPrivateKey(ed), &pair},
		"request":         request,
		"pointer":         &request,
		"bundle":          struct{ Keys []givenKey }{[]givenKey{{pair.Key, "/private_key"}}},
	}
	decimal := new(big.Int).SetBytes(scalar).String()
	secrets := []string{
		string(scalar), hex.EncodeToString(scalar), strings.ToUpper(hex.EncodeToString(scalar)),
		base64.StdEncoding.EncodeToString(scalar), decimal, strings.Trim(fmt.Sprint(scalar), "[]"),
		hex.EncodeToString(ed[:8]), strings.Trim(fmt.Sprint(ed[:8]), "[]"), string(ed[:8]),
		strings.Split(text, "\n")[1], hex.EncodeToString([]byte(text))[60:120], fmt.Sprintf("%q", text)[40:80],
	}
	for name, v := range values {
		for printer, shown := range printed(t, v) {
			for i, secret := range secrets {
				if strings.Contains(shown, secret) {
					t.Errorf("%q of %s shows secret %d:\n%.400s", printer, name, i, shown)
				}
			}
		}
	}
	for _, got := range []string{fmt.Sprint(pair.Key), pair.Key.String(), pair.Key.GoString(), fmt.Sprint(request)} {
		if got != redacted {
			t.Errorf("shown as %q, want %q", got, redacted)
		}
	}
}

func TestPrivateKeyRoundTrip(t *testing.T) {
	pair, err := NewDemonstration("mail.example.com", today)
	if err != nil {
		t.Fatal(err)
	}
	der, err := pair.Key.Reveal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParsePrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := (KeyPair{pair.Certificate, again}).Check(); err != nil {
		t.Errorf("the key came back as another: %v", err)
	}
}

func TestNoPrivateKey(t *testing.T) {
	var none PrivateKey
	if !none.IsZero() || none.Signer() != nil || none.Public() != nil {
		t.Error("the zero value has a key")
	}
	if _, err := none.Reveal(); err == nil {
		t.Error("the zero value was revealed")
	}
	if _, err := ParsePrivateKey([]byte("junk")); domain.KindOf(err) != domain.Internal || strings.Contains(err.Error(), "junk") {
		t.Errorf("ParsePrivateKey of junk: %v", err)
	}
}

func TestKeyPairCheck(t *testing.T) {
	pair, err := NewDemonstration("mail.example.com", today)
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewDemonstration("mail.example.com", today)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		pair KeyPair
		want string
	}{
		{"no key", KeyPair{Certificate: pair.Certificate}, "missing"},
		{"no certificate", KeyPair{Key: pair.Key}, "cannot be read"},
		{"another key", KeyPair{pair.Certificate, other.Key}, "another certificate"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := test.pair.Check(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Check() = %v, want %q", err, test.want)
			}
		})
	}
}
