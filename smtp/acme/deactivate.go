package acme

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"

	"golang.org/x/crypto/acme"
)

// deactivate gives up an authorization (RFC 8555 §7.5.2). The library has a call for
// it that sends a field of the protocol before RFC 8555 along, which strict
// authorities refuse; so this one request is signed here.
func deactivate(ctx context.Context, authority *acme.Client, url string) error {
	err := errors.New("the authority refuses every nonce")
	for range maxNonces {
		var nonce string
		if nonce, err = freshNonce(ctx, authority); err != nil {
			return err
		}
		var again bool
		if again, err = post(ctx, authority, url, nonce, `{"status":"deactivated"}`); !again {
			return err
		}
	}
	return err
}

// freshNonce asks for one (RFC 8555 §7.2).
func freshNonce(ctx context.Context, authority *acme.Client) (string, error) {
	directory, err := authority.Discover(ctx)
	if err != nil {
		return "", err
	}
	response, err := send(ctx, authority, http.MethodHead, directory.NonceURL, nil)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	nonce := response.Header.Get("Replay-Nonce")
	if nonce == "" {
		return "", errors.New("the authority gives no nonce")
	}
	return nonce, nil
}

// post sends a signed request once. One whose nonce was refused may be sent again.
func post(ctx context.Context, authority *acme.Client, url, nonce, payload string) (again bool, err error) {
	body, err := sign(authority, url, nonce, payload)
	if err != nil {
		return false, err
	}
	response, err := send(ctx, authority, http.MethodPost, url, body)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return false, nil
	}
	var problem struct{ Type, Detail string }
	_ = json.NewDecoder(io.LimitReader(response.Body, maxDocument)).Decode(&problem)
	return problem.Type == "urn:ietf:params:acme:error:badNonce", fmt.Errorf("%s %s: %s", response.Status, problem.Type, problem.Detail)
}

func send(ctx context.Context, authority *acme.Client, method, url string, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/jose+json")
	request.Header.Set("User-Agent", authority.UserAgent)
	return authority.HTTPClient.Do(request)
}

// sign makes the flattened JWS of a request (RFC 8555 §6.2). Keys of accounts are
// ECDSA P-256 (see [Accounts]), whose signature is two integers of 32 octets (RFC 7518
// §3.4).
func sign(authority *acme.Client, url, nonce, payload string) ([]byte, error) {
	key, ok := authority.Key.Public().(*ecdsa.PublicKey)
	if !ok || key.Curve.Params().BitSize != 256 {
		return nil, errors.New("the key of the account is not ECDSA P-256")
	}
	header, err := json.Marshal(map[string]string{"alg": "ES256", "kid": string(authority.KID), "nonce": nonce, "url": url})
	if err != nil {
		return nil, err
	}
	encode := base64.RawURLEncoding.EncodeToString
	protected, content := encode(header), encode([]byte(payload))
	digest := sha256.Sum256([]byte(protected + "." + content))
	der, err := authority.Key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &pair); err != nil {
		return nil, err
	}
	octets := make([]byte, 64)
	pair.R.FillBytes(octets[:32])
	pair.S.FillBytes(octets[32:])
	return json.Marshal(map[string]string{"protected": protected, "payload": content, "signature": encode(octets)})
}
