// Package proof connects to endpoints of this very gateway as a stranger would and
// reports which certificate each shows (B51). What the key ring believes to serve
// is one thing; what a peer is shown, after listeners, bindings and server names
// had their say, is what counts.
package proof

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"time"

	"postern/domain/probe"
)

// Limits: of one connection, of connections at a time, and of names.
const (
	timeout     = 5 * time.Second
	maxParallel = 8
	maxNames    = 20
)

// Endpoint is where we listen.
type Endpoint struct {
	Name     string // unique
	Address  string // IP address and port; an unspecified address is reached by loopback
	STARTTLS bool   // RFC 3207; otherwise TLS from the first octet
	Binding  string // id of the certificate that it is bound to; empty: the active one
	// Proxied tells whether a connection from the address must begin with a PROXY
	// header (B11); nil: none must.
	Proxied func(netip.Addr) bool
}

// Dialer opens connections.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Prove asks every endpoint for every server name (empty: none), of which the
// first 20 count, and returns what was shown, ordered by endpoint and name. What
// fails is a problem in its place.
func Prove(ctx context.Context, dialer Dialer, endpoints []Endpoint, names []string) []probe.ServedCertificate {
	names = names[:min(len(names), maxNames)]
	served := make([]probe.ServedCertificate, 0, len(endpoints)*len(names))
	for _, e := range endpoints {
		for _, name := range names {
			served = append(served, probe.ServedCertificate{Endpoint: e.Name, Address: reachable(e.Address), ServerName: name})
		}
	}
	var running sync.WaitGroup
	slots := make(chan struct{}, maxParallel)
	for i := range served {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			ask(ctx, dialer, endpoints[i/len(names)], &served[i])
		})
	}
	running.Wait()
	slices.SortStableFunc(served, func(a, b probe.ServedCertificate) int { return cmp.Compare(a.Endpoint, b.Endpoint) })
	return served
}

// reachable replaces an unspecified address, which listens on all.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	switch {
	case err != nil, host != "" && !ip.IsUnspecified():
		return address
	case ip != nil && ip.To4() == nil:
		return net.JoinHostPort("::1", port)
	}
	return net.JoinHostPort("127.0.0.1", port)
}

// ask fills in what one endpoint shows for one name.
func ask(ctx context.Context, dialer Dialer, e Endpoint, s *probe.ServedCertificate) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	state, err := handshake(ctx, dialer, e, s)
	if err != nil {
		s.Problem = fmt.Sprintf("%.200q", err.Error())
		return
	}
	sum := sha256.Sum256(state.PeerCertificates[0].Raw)
	s.Fingerprint, s.TLSVersion = hex.EncodeToString(sum[:]), tls.VersionName(state.Version)
}

func handshake(ctx context.Context, dialer Dialer, e Endpoint, s *probe.ServedCertificate) (tls.ConnectionState, error) {
	conn, err := dialer.DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return tls.ConnectionState{}, err
		}
	}
	if err := e.introduce(conn); err != nil {
		return tls.ConnectionState{}, err
	}
	if e.STARTTLS {
		if err := startTLS(conn); err != nil {
			return tls.ConnectionState{}, err
		}
	}
	// The question is what is shown, not whether it is trusted: most certificates
	// here are not for the name "127.0.0.1", and nothing is sent.
	session := tls.Client(conn, &tls.Config{ServerName: s.ServerName, InsecureSkipVerify: true, MinVersion: tls.VersionTLS10})
	if err := session.HandshakeContext(ctx); err != nil {
		return tls.ConnectionState{}, err
	}
	return session.ConnectionState(), nil
}

// introduce sends the header by which a proxy speaks for itself, where we come from
// an address of a proxy (PROXY protocol §2.1: UNKNOWN is for health checks).
func (e Endpoint) introduce(conn net.Conn) error {
	local, err := netip.ParseAddrPort(conn.LocalAddr().String())
	if e.Proxied == nil || err != nil || !e.Proxied(local.Addr().Unmap()) {
		return nil
	}
	_, err = io.WriteString(conn, "PROXY UNKNOWN\r\n")
	return err
}

// startTLS leads a session to the point where TLS begins (RFC 3207 §4).
func startTLS(conn net.Conn) error {
	text := textproto.NewConn(conn)
	if _, _, err := text.ReadResponse(220); err != nil {
		return err
	}
	if err := text.PrintfLine("EHLO localhost"); err != nil {
		return err
	}
	_, extensions, err := text.ReadResponse(250)
	if err != nil {
		return err
	}
	if !slices.Contains(strings.Split(extensions, "\n"), "STARTTLS") {
		return fmt.Errorf("STARTTLS is not offered to %s", conn.LocalAddr())
	}
	if err := text.PrintfLine("STARTTLS"); err != nil {
		return err
	}
	_, _, err = text.ReadResponse(220)
	return err
}
