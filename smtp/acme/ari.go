package acme

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"

	"postern/domain"
	kernel "postern/domain/acme"
)

// maxDocument bounds a document that an authority sends.
const maxDocument = 64 << 10

// Window asks the authority when it wants the certificate to be renewed (RFC 9773).
// One that has no advice to give is domain.NotFound.
func (c *Client) Window(ctx context.Context, directory string, leaf *x509.Certificate) (kernel.Window, error) {
	http := c.http()
	defer http.CloseIdleConnections()
	at, err := adviceAt(ctx, http, directory)
	if err != nil {
		return kernel.Window{}, problem(err, "the directory cannot be read")
	}
	if at == "" || len(leaf.AuthorityKeyId) == 0 {
		return kernel.Window{}, domain.E(domain.NotFound, "the authority does not say when to renew")
	}
	var advice struct {
		Window kernel.Window `json:"suggestedWindow"`
	}
	if err := fetch(ctx, http, at+"/"+certificateID(leaf), &advice); err != nil {
		return kernel.Window{}, problem(err, "the renewal information cannot be read")
	}
	// RFC 9773 §4.2: a window that does not end after its start is to be treated as if
	// there were none.
	if !advice.Window.End.After(advice.Window.Start) {
		return kernel.Window{}, domain.E(domain.NotFound, "the authority gives a window that makes no sense")
	}
	return advice.Window, nil
}

// adviceAt is the URL below which an authority advises on renewals; empty where it
// does not.
func adviceAt(ctx context.Context, http *http.Client, directory string) (string, error) {
	var index struct {
		RenewalInfo string `json:"renewalInfo"`
	}
	if err := fetch(ctx, http, directory, &index); err != nil || !strings.HasPrefix(index.RenewalInfo, "https://") {
		return "", err
	}
	return strings.TrimSuffix(index.RenewalInfo, "/"), nil
}

// certificateID names a certificate by its authority's key and its serial number,
// the octets of its DER integer (RFC 9773 §4.1).
func certificateID(leaf *x509.Certificate) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode(leaf.AuthorityKeyId) + "." + encode(integer(leaf.SerialNumber))
}

// integer is the content of the DER form of a positive integer: a zero octet goes
// before one that would look negative.
func integer(n *big.Int) []byte {
	octets := n.Bytes()
	if len(octets) == 0 || octets[0]&0x80 != 0 {
		return append([]byte{0}, octets...)
	}
	return octets
}

func fetch(ctx context.Context, client *http.Client, url string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxDocument))
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}
