package scan

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/tlsverify"
)

// link is what the connections of a profile are made under; those of equal links
// may be shared.
type link struct {
	verify            bool
	clientCertificate bool
}

func linkOf(p policy.CoreProfile) link {
	return link{verify: p.Verifies(), clientCertificate: p.ClientCertificate}
}

// links returns every link that there is.
func links() []link {
	return []link{{}, {verify: true}, {clientCertificate: true}, {verify: true, clientCertificate: true}}
}

// idleTime is how long a connection is kept for the next message.
const idleTime = 30 * time.Second

// client makes the HTTP client of a link. It keeps to the addresses of the
// profile: no proxy of the environment, no redirect.
func (i *Inspector) client(l link) *http.Client {
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, i.Timing.Connect)
		defer cancel()
		return i.Dialer.DialContext(ctx, network, addr)
	}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dial,
			DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := dial(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				return i.encrypt(ctx, conn, addr, l)
			},
			DisableCompression:     true, // a small answer could grow to a large one
			MaxIdleConnsPerHost:    maxIdle,
			IdleConnTimeout:        idleTime,
			MaxResponseHeaderBytes: 64 << 10,
		},
	}
}

// maxIdle bounds the connections that are kept to one server.
const maxIdle = 16

// encrypt puts TLS on a connection and judges the certificate before anything is
// said: neither content nor key goes to a peer that is not trusted (B32).
func (i *Inspector) encrypt(ctx context.Context, conn net.Conn, addr string, l link) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, i.Timing.Connect)
	defer cancel()
	secured := tls.Client(conn, i.tlsConfig(addr, l))
	err := secured.HandshakeContext(ctx)
	if err == nil && l.verify {
		err = i.verify(secured.ConnectionState(), addr)
	}
	if err != nil {
		_ = conn.Close() // it is of no use
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return secured, nil
}

// tlsConfig is that of one handshake. Every certificate passes it: package
// tlsverify judges afterwards.
func (i *Inspector) tlsConfig(addr string, l link) *tls.Config {
	host, _, _ := net.SplitHostPort(addr) // the HTTP client has just joined them
	config := &tls.Config{ServerName: host, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	if l.clientCertificate {
		config.GetClientCertificate = i.ClientCertificate
	}
	return config
}

// verify holds the server's certificate against the trust store, and against the
// host of the URI and no other name (B23, B32).
func (i *Inspector) verify(state tls.ConnectionState, addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	var names tlsverify.Names
	if ip, err := netip.ParseAddr(host); err == nil {
		names = tlsverify.ForHost("", ip.Unmap())
	} else if name, err := mailaddr.ParseDomainName(host); err == nil {
		names = tlsverify.ForHost(name, netip.Addr{})
	}
	if result := tlsverify.Verify(state.PeerCertificates, i.Trust(), names, i.Now()); !result.Verified {
		return fmt.Errorf("the certificate is not trusted: %s", result)
	}
	return nil
}
