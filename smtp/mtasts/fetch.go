package mtasts

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"postern/domain"
	"postern/domain/mailaddr"
	"postern/domain/mtasts"
	"postern/smtp/dns"
	"postern/smtp/reply"
)

// Bounds of a fetch.
const (
	fetchTime = time.Minute // RFC 8461 §3.3, B60
	// connectTime bounds the try at one address, so that a dead one leaves time for
	// the next.
	connectTime       = 10 * time.Second
	maxAddrs          = 4
	maxResponseHeader = 16 << 10
	maxDetail         = 300 // octets of foreign text in errors
)

// AddrResolver looks up the addresses of a host.
type AddrResolver interface {
	LookupAddrs(context.Context, mailaddr.DomainName) (dns.AddrResult, error)
}

var _ AddrResolver = (*dns.Resolver)(nil)

// Dialer makes TCP connections.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// FetchError is why a policy could not be fetched.
type FetchError struct {
	Result mtasts.Result
	Err    error
}

// Error returns the cause, fit for a log line.
func (e *FetchError) Error() string { return reply.Quote(e.Err.Error(), maxDetail) }

// Unwrap returns the cause.
func (e *FetchError) Unwrap() error { return e.Err }

// FetcherConfig is what policies are fetched with.
type FetcherConfig struct {
	Resolver AddrResolver
	Dialer   Dialer
	// Roots are the authorities that count for web servers.
	Roots func() *x509.CertPool
	Now   func() time.Time
}

// Fetcher fetches policies. It is safe for concurrent use.
type Fetcher struct {
	config FetcherConfig
}

// NewFetcher returns a fetcher.
func NewFetcher(c FetcherConfig) *Fetcher { return &Fetcher{c} }

// Fetch gets the policy of a domain, and its text as it was received, within a minute.
// The error is a [*FetchError].
func (f *Fetcher) Fetch(ctx context.Context, name mailaddr.DomainName) (string, mtasts.Policy, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	host, err := mtasts.Host(name)
	if err != nil {
		return "", mtasts.Policy{}, &FetchError{mtasts.ResultFetch, err}
	}
	text, err := f.get(ctx, host)
	if err != nil {
		return "", mtasts.Policy{}, &FetchError{resultOf(err), err}
	}
	policy, err := mtasts.ParsePolicy(text)
	if err != nil {
		return "", mtasts.Policy{}, &FetchError{mtasts.ResultInvalid, err}
	}
	return text, policy, nil
}

// get fetches the text.
func (f *Fetcher) get(ctx context.Context, host mailaddr.DomainName) (string, error) {
	transport := f.transport(host)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: keepRedirect}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host.String()+mtasts.Path, http.NoBody)
	if err != nil {
		return "", err
	}
	request.Header.Set("Accept", mediaType)
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	return read(response)
}

// keepRedirect is RFC 8461 §3.3: redirects are not followed.
func keepRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

const mediaType = "text/plain"

// read judges an answer and returns its content.
func read(response *http.Response) (string, error) {
	// RFC 8461 §3.3: nothing but 200 is a policy.
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the web server answered %d", response.StatusCode)
	}
	// RFC 8461 §3.2: a host for user content must not become one for policies.
	given := response.Header.Get("Content-Type")
	if media, _, err := mime.ParseMediaType(given); err != nil || media != mediaType {
		return "", fmt.Errorf("the web server sent %s and not %s", reply.Quote(given, maxDetail), mediaType)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, mtasts.MaxText+1))
	switch {
	case err != nil:
		return "", err
	case len(text) > mtasts.MaxText:
		return "", fmt.Errorf("the web server sent more than %d octets", mtasts.MaxText)
	}
	return string(text), nil
}

// transport makes one connection: to the addresses that our resolver knows, without a
// proxy, and with the certificate verified for the very host (RFC 8461 §3.3).
func (f *Fetcher) transport(host mailaddr.DomainName) *http.Transport {
	return &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return f.dial(ctx, host) },
		TLSClientConfig: &tls.Config{
			ServerName: host.String(), RootCAs: f.config.Roots(), MinVersion: tls.VersionTLS12, Time: f.config.Now,
		},
		DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxResponseHeader,
	}
}

const httpsPort = 443

// dial connects to the first address of the host that answers.
func (f *Fetcher) dial(ctx context.Context, host mailaddr.DomainName) (net.Conn, error) {
	found, err := f.config.Resolver.LookupAddrs(ctx, host)
	if err != nil {
		return nil, err
	}
	addrs := alternate(found.IPv6.Addrs, found.IPv4.Addrs)
	if len(addrs) == 0 {
		return nil, fmt.Errorf("host %s has no address", host)
	}
	var failures []error
	for _, addr := range addrs[:min(len(addrs), maxAddrs)] {
		conn, err := f.connect(ctx, addr)
		if err == nil {
			return conn, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

func (f *Fetcher) connect(ctx context.Context, addr netip.Addr) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	return f.config.Dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(addr, httpsPort).String())
}

// alternate mixes the families, so that a dead one costs one try at a time.
func alternate(first, second []netip.Addr) (mixed []netip.Addr) {
	for i := range max(len(first), len(second)) {
		if i < len(first) {
			mixed = append(mixed, first[i])
		}
		if i < len(second) {
			mixed = append(mixed, second[i])
		}
	}
	return mixed
}

// resultOf sorts the errors of a fetch.
func resultOf(err error) mtasts.Result {
	var verification *tls.CertificateVerificationError
	switch {
	case errors.As(err, &verification):
		return mtasts.ResultWebPKI
	case isLocal(err):
		return mtasts.ResultLocal
	}
	return mtasts.ResultFetch
}

// isLocal reports whether this system is out of something, or stops: that says nothing
// about the domain. What else goes wrong on the way does not matter, since RFC 8461
// §5.1 makes no difference between reasons.
func isLocal(err error) bool {
	if errors.Is(err, context.Canceled) {
		return true
	}
	for _, exhausted := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, exhausted) {
			return true
		}
	}
	return false
}

// problemOf is how an entry of the cache tells of an error.
func problemOf(err error) mtasts.Problem {
	var fetch *FetchError
	if errors.As(err, &fetch) {
		return mtasts.Problem{Result: fetch.Result, Detail: strings.TrimSpace(fetch.Error())}
	}
	return mtasts.Problem{Result: mtasts.ResultLocal, Detail: domain.Wrap(err, "fetch the policy").Error()}
}
