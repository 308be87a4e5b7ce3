package acme

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/crypto/acme"
)

// An authorization is given up by a request of RFC 8555 alone, signed by the key of
// the account, and sent again with another nonce where the first was refused.
func TestDeactivate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var posts int
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Replay-Nonce", "nonce")
		switch {
		case r.URL.Path == "/directory":
			_ = json.NewEncoder(w).Encode(map[string]string{"newNonce": server.URL + "/nonce", "newAccount": server.URL + "/a", "newOrder": server.URL + "/o"})
		case r.Method != http.MethodPost:
		case posts == 0:
			posts++
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"type":"urn:ietf:params:acme:error:badNonce"}`))
		case r.URL.Path == "/refused":
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"type":"urn:ietf:params:acme:error:unauthorized","detail":"not yours"}`))
		default:
			posts++
			verify(t, r, &key.PublicKey, server.URL+"/authorization")
		}
	}))
	defer server.Close()
	authority := &acme.Client{Key: key, KID: "https://ca.example/account/1", DirectoryURL: server.URL + "/directory", HTTPClient: server.Client()}
	if err := deactivate(t.Context(), authority, server.URL+"/authorization"); err != nil || posts != 2 {
		t.Errorf("%d requests, %v", posts, err)
	}
	if err := deactivate(t.Context(), authority, server.URL+"/refused"); err == nil || !strings.Contains(err.Error(), "not yours") {
		t.Errorf("error %v", err)
	}
}

func verify(t *testing.T, r *http.Request, key *ecdsa.PublicKey, url string) {
	t.Helper()
	var jws struct{ Protected, Payload, Signature string }
	if err := json.NewDecoder(r.Body).Decode(&jws); err != nil {
		t.Error(err)
	}
	decode := func(text string) []byte {
		octets, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			t.Error(err)
		}
		return octets
	}
	digest, signature := sha256.Sum256([]byte(jws.Protected+"."+jws.Payload)), decode(jws.Signature)
	if len(signature) != 64 || !ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		t.Error("the signature is not that of the account")
	}
	var header struct{ Alg, Kid, Nonce, URL string }
	if err := json.Unmarshal(decode(jws.Protected), &header); err != nil || header.Alg != "ES256" || header.Kid != "https://ca.example/account/1" || header.Nonce != "nonce" || header.URL != url {
		t.Errorf("header %+v, %v", header, err)
	}
	if payload := string(decode(jws.Payload)); payload != `{"status":"deactivated"}` {
		t.Errorf("payload %s", payload)
	}
}
