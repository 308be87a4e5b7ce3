package inbound

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/gaissmai/bart"
	"github.com/pires/go-proxyproto"

	"postern/domain/mailaddr"
)

// proxyHeaderTimeout bounds how long a proxy may take for its header, which it
// has at hand before it connects.
const proxyHeaderTimeout = 5 * time.Second

// proxyTable indexes the trust list of a listener (B11).
func proxyTable(list []mailaddr.EndpointPattern) *bart.Lite {
	table := new(bart.Lite)
	for _, p := range list {
		if prefix, ok := p.Prefix(); ok {
			table.Insert(prefix)
		}
	}
	return table
}

// proxyEntry returns the entry of the trust list that holds the address.
func (h *Handler) proxyEntry(addr netip.Addr) (netip.Prefix, bool) {
	if !addr.IsValid() {
		return netip.Prefix{}, false
	}
	return h.proxies.LookupPrefixLPM(netip.PrefixFrom(addr, addr.BitLen()))
}

// readProxyHeader learns from a proxy on the trust list who the client is
// (B11). From others no header is read: one that they send is a bad command.
func (c *client) readProxyHeader() error {
	if _, trusted := c.handler.proxyEntry(c.addr); !trusted {
		return nil
	}
	c.proxy = c.addr
	source, err := c.wire.readProxyHeader()
	if err != nil {
		// Without a word: what is at the other end does not speak SMTP to us.
		c.log("refused", "why", "proxy", "error", err.Error())
		c.handler.deps.Metrics.connection(c.handler.listener.Name, "proxy")
		return errNotAdmitted
	}
	if source.IsValid() {
		c.addr = source
	}
	return nil
}

// proxyText is the proxy as the mail log names it; empty where there is none.
func (c *client) proxyText() string {
	if !c.proxy.IsValid() {
		return ""
	}
	return c.proxy.String()
}

// readProxyHeader reads the header that must begin the connection. It may be
// woken by drain, as if it waited for a command.
func (w *wire) readProxyHeader() (netip.Addr, error) {
	w.setWaiting(true)
	defer w.setWaiting(false)
	w.endsAt = time.Now().Add(proxyHeaderTimeout)
	return proxySource(w.in)
}

// proxySource reads a PROXY header of version 1 or 2 and returns the client's
// address; none where the proxy speaks for itself, as in a health check (LOCAL
// in version 2, UNKNOWN in version 1). What follows the header stays in the
// reader. The library bounds the length of both versions.
func proxySource(in *bufio.Reader) (netip.Addr, error) {
	header, err := proxyproto.Read(in)
	switch {
	case err != nil:
		return netip.Addr{}, fmt.Errorf("read the PROXY header: %w", err)
	case header.Command.IsLocal():
		return netip.Addr{}, nil
	}
	// Datagrams and Unix sockets have no address that a policy could be for.
	source, _, ok := header.TCPAddrs()
	if !ok {
		return netip.Addr{}, errors.New("read the PROXY header: the client has no TCP address")
	}
	addr := source.AddrPort().Addr().Unmap()
	if !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() {
		return netip.Addr{}, errors.New("read the PROXY header: the address of the client is none that a client can have")
	}
	return addr, nil
}

// unread returns the socket with what was read of it ahead: behind a proxy the
// client's handshake may have come with the PROXY header.
func (w *wire) unread() net.Conn {
	if w.in.Buffered() == 0 {
		return w.socket
	}
	ahead, _ := w.in.Peek(w.in.Buffered()) // they are in the buffer
	return &aheadConn{Conn: w.socket, ahead: bytes.Clone(ahead)}
}

// aheadConn is a connection of which some octets were read already.
type aheadConn struct {
	net.Conn
	ahead []byte
}

// Read returns what was read ahead, then what the connection has.
func (c *aheadConn) Read(p []byte) (int, error) {
	if len(c.ahead) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.ahead)
	c.ahead = c.ahead[n:]
	return n, nil
}
