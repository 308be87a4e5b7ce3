package inbound

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pires/go-proxyproto"

	"postern/domain/policy"
	"postern/smtp/smtptest"
)

// proxied is a gateway that believes PROXY headers from this machine.
func proxied(t *testing.T) setup {
	t.Helper()
	s := preferred()
	s.listener.ProxyProtocolFrom = endpoints(t, "127.0.0.1")
	return s
}

// behindProxy opens a session as the client at the address.
func behindProxy(t *testing.T, g *gateway, client string) *smtptest.Client {
	t.Helper()
	c := smtptest.Dial(t, g.addr())
	c.Write(fmt.Sprintf("PROXY TCP4 %s 192.0.2.25 40000 25\r\n", client))
	return c
}

func TestProxyNamesTheClient(t *testing.T) { // B11
	g := newGateway(t, proxied(t))
	c := behindProxy(t, g, "198.51.100.7")
	c.Greet()
	c.Send("a@client.test", []string{"b@example.com"}, "\r\nx\r\n")
	c.Quit()
	m := g.all()[0]
	r, err := m.Body.Open()
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(r)
	if m.ClientAddr != "198.51.100.7" || !strings.Contains(string(text), "([198.51.100.7])") || strings.Contains(string(text), "127.0.0.1") {
		t.Errorf("client %s\n%s", m.ClientAddr, text)
	}
	smtptest.Eventually(t, g.current.Load().Idle)
	if log := g.log.String(); !strings.Contains(log, `"client":"198.51.100.7","proxy":"127.0.0.1"`) {
		t.Errorf("mail log:\n%s", log)
	}
}

func TestLimitsArePerClientBehindAProxy(t *testing.T) { // B11, B14
	s := proxied(t)
	s.policies[0].ConnectionsPerAddress, s.policies[0].RecipientsPerHour = 1, 1
	g := newGateway(t, s)
	first, second := behindProxy(t, g, "198.51.100.7"), behindProxy(t, g, "198.51.100.8")
	first.Greet()
	second.Greet()
	behindProxy(t, g, "198.51.100.7").Expect(421)
	for _, c := range []*smtptest.Client{first, second} {
		c.Cmd(250, "MAIL FROM:<a@client.test>")
		c.Cmd(250, "RCPT TO:<1@example.com>")
		c.Cmd(452, "RCPT TO:<2@example.com>")
	}
	first.Quit()
	smtptest.Eventually(t, func() bool { return g.deps.Limits.Connections("test") == 1 })
	behindProxy(t, g, "198.51.100.7").Greet()
}

// Who is slow with the header takes a place as every connection does.
func TestConcurrencyCountsBeforeTheHeader(t *testing.T) { // B11
	s := proxied(t)
	s.listener.MaxConcurrency = 1
	g := newGateway(t, s)
	silent := smtptest.Dial(t, g.addr())
	smtptest.Eventually(t, func() bool { return g.deps.Limits.Connections("test") == 1 })
	smtptest.Dial(t, g.addr()).Expect(421)
	silent.Close()
	smtptest.Eventually(t, func() bool { return g.deps.Limits.Connections("test") == 0 })
	behindProxy(t, g, "198.51.100.7").Greet()
}

func TestDrainEndsTheWaitForAHeader(t *testing.T) {
	g := newGateway(t, proxied(t))
	silent := smtptest.Dial(t, g.addr())
	smtptest.Eventually(t, func() bool { return !g.current.Load().Idle() })
	began := time.Now()
	if err := g.current.Load().Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if lasted := time.Since(began); lasted >= proxyHeaderTimeout {
		t.Errorf("the drain waited %s", lasted)
	}
	silent.ExpectClosed()
	g.current.Store(nil)
	g.use(t)
}

// joined sends the PROXY header in one segment with what is written first.
type joined struct {
	net.Conn
	header []byte
}

func (j *joined) Write(p []byte) (int, error) {
	n, err := j.Conn.Write(append(j.header, p...))
	n = max(n-len(j.header), 0)
	j.header = nil
	return n, err
}

// A client on implicit TLS begins the handshake at once: its first octets come
// with the header, and must not be lost.
func TestProxyBeforeImplicitTLS(t *testing.T) { // B11, RFC 8314
	s := proxied(t)
	s.listener.Protocol = policy.ProtocolSMTPS
	g := newGateway(t, s)
	var header bytes.Buffer
	h := proxyproto.HeaderProxyFromAddrs(2, &net.TCPAddr{IP: net.IPv4(198, 51, 100, 7), Port: 4000}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 25), Port: 465})
	if _, err := h.WriteTo(&header); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", g.addr())
	if err != nil {
		t.Fatal(err)
	}
	c := smtptest.NewClient(t, &joined{Conn: conn, header: header.Bytes()})
	c.Handshake(nil)
	c.Greet()
	c.Send("a@client.test", []string{"b@example.com"}, "\r\nx\r\n")
	if m := g.all()[0]; m.ClientAddr != "198.51.100.7" || !m.ClientTLS.Encrypted() {
		t.Errorf("client %s, TLS %+v", m.ClientAddr, m.ClientTLS)
	}
}

// However slowly octets come, a header has its time.
func TestHeaderHasADeadline(t *testing.T) { // B11
	for name, begin := range map[string]string{
		"silence": "", "version 2, octet by octet": "\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				w := newWire(theirs, time.Hour, time.Hour)
				began := time.Now()
				var sending sync.WaitGroup
				sending.Go(func() {
					for i := range len(begin) {
						if _, err := ours.Write([]byte{begin[i]}); err != nil {
							return
						}
						time.Sleep(time.Second) // of the bubble
					}
				})
				if addr, err := w.readProxyHeader(); err == nil || time.Since(began) > proxyHeaderTimeout {
					t.Errorf("%v after %s", addr, time.Since(began))
				}
				_ = theirs.Close()
				_ = ours.Close()
				sending.Wait()
			})
		})
	}
}

func TestProxySource(t *testing.T) { // B11
	v2 := func(command, family byte, address ...byte) string {
		return "\r\n\r\n\x00\r\nQUIT\n" + string(append([]byte{command, family, 0, byte(len(address))}, address...))
	}
	ports := []byte{0x9c, 0x40, 0, 25}
	four := append([]byte{198, 51, 100, 7, 192, 0, 2, 25}, ports...)
	for name, tc := range map[string]struct {
		header, want string // "" means refused, "local" the proxy itself
	}{
		"v1":                       {"PROXY TCP4 198.51.100.7 192.0.2.25 40000 25\r\n", "198.51.100.7"},
		"v1, IPv6":                 {"PROXY TCP6 2001:db8::7 2001:db8::25 40000 25\r\n", "2001:db8::7"},
		"v1, mapped":               {"PROXY TCP6 ::ffff:198.51.100.7 2001:db8::25 40000 25\r\n", "198.51.100.7"},
		"v1, unknown":              {"PROXY UNKNOWN\r\n", "local"},
		"v1, unspecified":          {"PROXY TCP4 0.0.0.0 192.0.2.25 40000 25\r\n", ""},
		"v1, multicast":            {"PROXY TCP4 224.0.0.1 192.0.2.25 40000 25\r\n", ""},
		"v1, zone":                 {"PROXY TCP6 fe80::1%eth0 2001:db8::25 40000 25\r\n", ""},
		"v1, bare LF":              {"PROXY TCP4 198.51.100.7 192.0.2.25 40000 25\n", ""},
		"v1, too long":             {"PROXY TCP4 " + strings.Repeat("1", 200) + "\r\n", ""},
		"v1, cut short":            {"PROXY TCP4 198.51.100.7", ""},
		"v2":                       {v2(0x21, 0x11, four...), "198.51.100.7"},
		"v2, with more behind":     {v2(0x21, 0x11, append(four, 4, 0, 1, 0)...), "198.51.100.7"},
		"v2, local":                {v2(0x20, 0x00), "local"},
		"v2, local with address":   {v2(0x20, 0x11, four...), "local"},
		"v2, no address":           {v2(0x21, 0x00), ""},
		"v2, datagram":             {v2(0x21, 0x12, four...), ""},
		"v2, Unix socket":          {v2(0x21, 0x31, make([]byte, 216)...), ""},
		"v2, address cut short":    {v2(0x21, 0x11, four[:8]...), ""},
		"v2, unknown command":      {v2(0x2f, 0x11, four...), ""},
		"v2, longer than it may":   {"\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff" + strings.Repeat("x", 65535), ""},
		"no header":                {"EHLO client.test\r\n", ""},
		"nothing":                  {"", ""},
		"a client's hello for TLS": {"\x16\x03\x01\x02\x00", ""},
	} {
		addr, err := proxySource(bufio.NewReaderSize(strings.NewReader(tc.header), readBufferOctets))
		got := addr.String()
		switch {
		case err != nil:
			got = ""
		case !addr.IsValid():
			got = "local"
		}
		if got != tc.want {
			t.Errorf("%s: %q (%v), want %q", name, got, err, tc.want)
		}
	}
}

// FuzzProxySource: what is believed is a plain address, and what follows the
// header is all still there.
func FuzzProxySource(f *testing.F) {
	f.Add([]byte("PROXY TCP4 198.51.100.7 192.0.2.25 40000 25\r\n"))
	f.Add([]byte("PROXY TCP6 ::ffff:198.51.100.7 ::1 1 2\r\n"))
	f.Add([]byte("PROXY UNKNOWN whatever\r\n"))
	f.Add([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64\x07\xc0\x00\x02\x19\x9c\x40\x00\x19"))
	f.Add([]byte("\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x04abcd"))
	f.Fuzz(func(t *testing.T, header []byte) {
		const tail = "EHLO client.test\r\n"
		in := bufio.NewReaderSize(bytes.NewReader(append(bytes.Clone(header), tail...)), readBufferOctets)
		addr, err := proxySource(in)
		if err != nil {
			return
		}
		if addr.IsValid() && (addr != addr.Unmap() || addr.Zone() != "" || addr.IsUnspecified()) {
			t.Errorf("%q names %s", header, addr)
		}
		rest, _ := io.ReadAll(in)
		if !bytes.HasSuffix([]byte(tail), rest) && !bytes.HasSuffix(rest, []byte(tail)) {
			t.Errorf("%q leaves %q", header, rest)
		}
	})
}

func TestExplainNamesTheProxy(t *testing.T) { // B71
	g := newGateway(t, proxied(t))
	h := g.current.Load()
	if e := h.Explain(netip.MustParseAddr("127.0.0.1")); e.Proxy != "127.0.0.1/32" {
		t.Errorf("a proxy: %q", e.Proxy)
	}
	if e := h.Explain(netip.MustParseAddr("127.0.0.2")); e.Proxy != "" {
		t.Errorf("a stranger: %q", e.Proxy)
	}
}

// The greeting of a connection that is turned away must not be read as TLS.
func TestTurnedAwayBeforeImplicitTLS(t *testing.T) {
	s := preferred()
	s.listener.Protocol = policy.ProtocolSMTPS
	s.policies = []policy.MailFlowPolicy{{Name: "FLOW", Action: policy.ActionReject}}
	c := smtptest.Dial(t, newGateway(t, s).addr())
	if _, err := c.TryHandshake(&tls.Config{InsecureSkipVerify: true}); err == nil {
		t.Error("the handshake went well")
	} else if strings.Contains(err.Error(), "does not look like a TLS handshake") {
		t.Errorf("clear text came: %v", err)
	}
}
