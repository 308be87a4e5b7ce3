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
	"io"
	"math/big"
	"net/http"

	"golang.org/x/crypto/acme"
)

// signed sends one request of the account by ourselves, where the library has no call
// that fits, and returns the header of the answer. Nonces that are refused are
// replaced; a refusal of the authority is an [acme.Error].
func signed(ctx context.Context, authority *acme.Client, url string, payload any, want int) (http.Header, error) {
	content, err := json.Marshal(payload)
	if err != nil {
		return nil, err
	}
	refused := errors.New("the authority refuses every nonce")
	for range maxNonces {
		nonce, err := freshNonce(ctx, authority)
		if err != nil {
			return nil, err
		}
		header, err := post(ctx, authority, url, nonce, content, want)
		if e, ok := errors.AsType[*acme.Error](err); !ok || e.ProblemType != badNonce {
			return header, err
		}
		refused = err
	}
	return nil, refused
}

const badNonce = "urn:ietf:params:acme:error:badNonce"

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

// post sends a signed request once.
func post(ctx context.Context, authority *acme.Client, url, nonce string, content []byte, want int) (http.Header, error) {
	body, err := sign(authority, url, nonce, content)
	if err != nil {
		return nil, err
	}
	response, err := send(ctx, authority, http.MethodPost, url, body)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode == want {
		return response.Header, nil
	}
	var problem struct{ Type, Detail string }
	_ = json.NewDecoder(io.LimitReader(response.Body, maxDocument)).Decode(&problem) // its status says enough
	return nil, &acme.Error{
		StatusCode: response.StatusCode, ProblemType: problem.Type, Detail: problem.Detail, Header: response.Header,
	}
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
func sign(authority *acme.Client, url, nonce string, payload []byte) ([]byte, error) {
	key, ok := authority.Key.Public().(*ecdsa.PublicKey)
	if !ok || key.Curve.Params().BitSize != 256 {
		return nil, errors.New("the key of the account is not ECDSA P-256")
	}
	header, err := json.Marshal(map[string]string{"alg": "ES256", "kid": string(authority.KID), "nonce": nonce, "url": url})
	if err != nil {
		return nil, err
	}
	encode := base64.RawURLEncoding.EncodeToString
	protected, content := encode(header), encode(payload)
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
