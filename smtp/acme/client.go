package acme

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"time"

	"golang.org/x/crypto/acme"

	"postern/domain"
	kernel "postern/domain/acme"
	"postern/domain/policy"
)

// Answers give authorities the answers to http-01 challenges;
// [kernel.Challenges] implements it.
type Answers interface {
	Put(ctx context.Context, author, token, keyAuthorization string) (kernel.Challenge, error)
	Delete(ctx context.Context, token string) error
}

var _ Answers = (*kernel.Challenges)(nil)

// TLSAnswers give them those to tls-alpn-01 challenges; [kernel.TLSAnswers]
// implements it.
type TLSAnswers interface {
	Put(name string, answer *tls.Certificate)
	Delete(name string)
}

var _ TLSAnswers = (*kernel.TLSAnswers)(nil)

// ClientConfig is what a [Client] is built on. All fields are required.
type ClientConfig struct {
	Accounts   *Accounts
	Answers    Answers
	TLSAnswers TLSAnswers
	DNS        DNS
	// Roots returns whom the directory's own HTTPS is trusted by: those of the system
	// and the trust anchors of the configuration (B23).
	Roots   func() *x509.CertPool
	Version string // of the program, for the authority's log
}

// Client talks to authorities. It is safe for concurrent use.
type Client struct{ ClientConfig }

// NewClient returns a client.
func NewClient(c ClientConfig) *Client { return &Client{c} }

// Request is what is asked of an authority.
type Request struct {
	Directory string // URL
	Settings  policy.ACMESettings
	Names     []string
	Key       crypto.Signer
	// Replaces is the certificate that is renewed (RFC 9773 §5); nil: none.
	Replaces *x509.Certificate
}

// tell takes a line of the transcript, in words for an administrator.
type tell func(format string, args ...any)

// Issue goes the whole way of an order and returns the certificate with its chain,
// in DER, leaf first. An error is in words for an administrator; see [RetryAfter].
func (c *Client) Issue(ctx context.Context, r Request, tell tell) ([][]byte, error) {
	http := c.http()
	defer http.CloseIdleConnections()
	authority, err := c.Accounts.open(ctx, r, c.authority(http, r.Directory), tell)
	if err != nil {
		return nil, err
	}
	order, err := c.order(ctx, http, authority, r, tell)
	if err != nil {
		return nil, problem(err, "the order was refused")
	}
	tell("The order is %s.", order.URI)
	prover := prover{ctx: ctx, client: c, authority: authority, settings: r.Settings, tell: tell}
	if err := prover.prove(order.AuthzURLs); err != nil {
		return nil, err
	}
	return finalize(ctx, authority, order, r, tell)
}

// finalize exchanges the proven order for the certificate.
func finalize(ctx context.Context, authority *acme.Client, order *acme.Order, r Request, tell tell) ([][]byte, error) {
	if len(order.AuthzURLs) > 0 && order.Status == acme.StatusPending {
		var err error
		if order, err = authority.WaitOrder(ctx, order.URI); err != nil {
			return nil, problem(err, "the order did not become ready")
		}
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: r.Names}, r.Key)
	if err != nil {
		return nil, domain.Wrap(err, "make the certificate signing request")
	}
	chain, _, err := authority.CreateCertFromOrder(ctx, order, request, true)
	if err != nil {
		return nil, problem(err, "the certificate was not issued")
	}
	tell("The certificate is issued.")
	return chain, nil
}

// httpTimeout bounds one request to an authority.
const httpTimeout = 30 * time.Second

// http returns a client for one order: trust may be another at the next.
func (c *Client) http() *http.Client {
	return &http.Client{Timeout: httpTimeout, Transport: &http.Transport{
		Proxy:           http.ProxyFromEnvironment,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.Roots()},
	}}
}

func (c *Client) authority(http *http.Client, directory string) *acme.Client {
	return &acme.Client{
		HTTPClient: http, DirectoryURL: directory, UserAgent: "postern/" + c.Version, RetryBackoff: backoff,
	}
}
