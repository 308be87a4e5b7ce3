package mtasts

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"postern/domain/mailaddr"
	"postern/domain/mtasts"
	"postern/smtp/dns"
	"postern/smtp/smtptest"
)

const goodText = "version: STSv1\r\nmode: enforce\r\nmx: mx.example.com\r\nmax_age: 86400\r\n"

// webRig is the world of a fetcher: addresses that lead to web servers of the test.
type webRig struct {
	ca    *smtptest.CA
	addrs dns.AddrResult
	peers map[string]string
	err   error // of every look-up
}

func (r *webRig) LookupAddrs(_ context.Context, host mailaddr.DomainName) (dns.AddrResult, error) {
	if host != "mta-sts.example.com" {
		return dns.AddrResult{}, nil
	}
	return r.addrs, r.err
}

func (r *webRig) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	peer, ok := r.peers[address]
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	return new(net.Dialer).DialContext(ctx, network, peer)
}

func newWebRig(t *testing.T) *webRig {
	r := &webRig{ca: smtptest.NewCA(t), peers: map[string]string{}}
	r.addrs.IPv4.Addrs = []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	return r
}

// serve puts a web server behind 192.0.2.1.
func (r *webRig) serve(t *testing.T, id smtptest.Identity, handler http.HandlerFunc) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{id.TLS}}
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	r.peers["192.0.2.1:443"] = server.Listener.Addr().String()
}

func (r *webRig) fetch(ctx context.Context) (string, mtasts.Policy, error) {
	f := NewFetcher(FetcherConfig{Resolver: r, Dialer: r, Roots: func() *x509.CertPool { return r.ca.Pool() }, Now: time.Now})
	return f.Fetch(ctx, "example.com")
}

// wantFetch fetches and compares the result.
func (r *webRig) wantFetch(t *testing.T, want mtasts.Result) {
	t.Helper()
	text, policy, err := r.fetch(t.Context())
	var fetch *FetchError
	switch {
	case want == mtasts.ResultNone:
		if err != nil || text != goodText || policy.Mode != mtasts.ModeEnforce {
			t.Errorf("got %q %+v %v", text, policy, err)
		}
	case !errors.As(err, &fetch) || fetch.Result != want:
		t.Errorf("got %v, want %s", err, want)
	case strings.ContainsAny(err.Error(), "\r\n") || len(err.Error()) > 2*maxDetail:
		t.Errorf("the error is unfit for a log: %q", err)
	}
}

// TestFetch is RFC 8461 §3.2 and §3.3: what web servers may answer.
func TestFetch(t *testing.T) {
	answer := func(status int, media, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.Host != "mta-sts.example.com" || r.URL.Path != mtasts.Path || r.Method != http.MethodGet {
				t.Errorf("asked %s %s %s", r.Method, r.Host, r.URL)
			}
			w.Header().Set("Content-Type", media)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	padded := goodText + "x: " + strings.Repeat("a", mtasts.MaxText)
	tests := map[string]struct {
		handler http.HandlerFunc
		want    mtasts.Result
	}{
		"good":                {answer(200, "text/plain", goodText), mtasts.ResultNone},
		"with a charset":      {answer(200, "Text/Plain; charset=utf-8", goodText), mtasts.ResultNone},
		"a page":              {answer(200, "text/html", goodText), mtasts.ResultFetch},
		"no type":             {answer(200, "", goodText), mtasts.ResultFetch},
		"not found":           {answer(404, "text/plain", goodText), mtasts.ResultFetch},
		"no content":          {answer(204, "text/plain", ""), mtasts.ResultFetch},
		"partial":             {answer(206, "text/plain", goodText), mtasts.ResultFetch},
		"a mode nobody knows": {answer(200, "text/plain", strings.Replace(goodText, "enforce", "reject", 1)), mtasts.ResultInvalid},
		"no mx line":          {answer(200, "text/plain", strings.Replace(goodText, "mx:", "mxs:", 1)), mtasts.ResultInvalid},
		"nothing":             {answer(200, "text/plain", ""), mtasts.ResultInvalid},
		"64 KiB":              {answer(200, "text/plain", padded[:mtasts.MaxText]), mtasts.ResultNone},
		"64 KiB plus one":     {answer(200, "text/plain", padded[:mtasts.MaxText+1]), mtasts.ResultFetch},
		"a redirect to the policy": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != mtasts.Path {
				t.Error("the redirect was followed")
			}
			w.Header().Set("Content-Type", "text/plain")
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}, mtasts.ResultFetch},
		"compressed unasked": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write([]byte(goodText))
			_ = z.Close()
		}, mtasts.ResultInvalid},
		"an endless body": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			for {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, mtasts.ResultFetch},
		"an endless header": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("a", 2*maxResponseHeader))
		}, mtasts.ResultFetch},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(goodText))
		}, mtasts.ResultFetch},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newWebRig(t)
			r.serve(t, r.ca.IssueFor(t, "mta-sts.example.com"), tt.handler)
			if name == "64 KiB" {
				if _, _, err := r.fetch(t.Context()); err != nil {
					t.Error(err)
				}
				return
			}
			r.wantFetch(t, tt.want)
		})
	}
}

// TestFetchCertificate is RFC 8461 §3.3: the certificate must be good for the host.
func TestFetchCertificate(t *testing.T) {
	host := []string{"mta-sts.example.com"}
	r := newWebRig(t)
	for name, tt := range map[string]struct {
		id   smtptest.Identity
		want mtasts.Result
	}{
		"good":            {r.ca.IssueFor(t, host...), mtasts.ResultNone},
		"wildcard":        {r.ca.IssueFor(t, "*.example.com"), mtasts.ResultNone},
		"the domain only": {r.ca.IssueFor(t, "example.com"), mtasts.ResultWebPKI},
		"expired":         {r.ca.Issue(t, smtptest.Leaf{Names: host, Validity: smtptest.Expired}), mtasts.ResultWebPKI},
		"self-signed":     {smtptest.SelfSigned(t, smtptest.Leaf{Names: host}), mtasts.ResultWebPKI},
		"another CA":      {smtptest.NewCA(t).IssueFor(t, host...), mtasts.ResultWebPKI},
	} {
		t.Run(name, func(t *testing.T) {
			r.serve(t, tt.id, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/plain")
				_, _ = w.Write([]byte(goodText))
			})
			r.wantFetch(t, tt.want)
		})
	}
}

// TestFetchConnects shows which addresses are tried, and what failures mean.
func TestFetchConnects(t *testing.T) {
	good := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write([]byte(goodText))
	}
	r := newWebRig(t)
	r.serve(t, r.ca.IssueFor(t, "mta-sts.example.com"), good)
	r.addrs.IPv6.Addrs = []netip.Addr{netip.MustParseAddr("2001:db8::1")} // refuses
	r.wantFetch(t, mtasts.ResultNone)
	r.peers = nil
	r.wantFetch(t, mtasts.ResultFetch)
	r.addrs = dns.AddrResult{}
	r.wantFetch(t, mtasts.ResultFetch)
	r.err = errDNS
	r.wantFetch(t, mtasts.ResultFetch)
	for _, err := range []error{syscall.EMFILE, context.Canceled} {
		if result := resultOf(&net.OpError{Err: err}); result != mtasts.ResultLocal {
			t.Errorf("%v: %s", err, result)
		}
	}
	long := mailaddr.DomainName(strings.Repeat(strings.Repeat("a", 61)+".", 4) + "com")
	if _, _, err := NewFetcher(FetcherConfig{}).Fetch(t.Context(), long); err == nil {
		t.Error("a name without room for mta-sts was fetched")
	}
}

// TestFetchTime shows that a server that keeps silent is given up.
func TestFetchTime(t *testing.T) {
	r := newWebRig(t)
	asked, end := make(chan struct{}), make(chan struct{})
	r.serve(t, r.ca.IssueFor(t, "mta-sts.example.com"), func(http.ResponseWriter, *http.Request) {
		close(asked)
		<-end
	})
	defer close(end)
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-asked
		cancel(context.DeadlineExceeded)
	}()
	if _, _, err := r.fetch(ctx); err == nil {
		t.Error("got an answer from a silent server")
	}
}
