package smtptest

import (
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	mdns "github.com/miekg/dns"
)

// DNS is a recursive resolver in appearance, with one zone that tests may change
// at any time. Names that it does not know do not exist.
type DNS struct {
	tb      testing.TB
	servers []*mdns.Server

	mu       sync.Mutex
	records  []mdns.RR
	failures map[dnsQuestion]DNSFailure
	secure   map[string]bool      // by name
	signed   map[dnsQuestion]bool // by name and type
	ttl      uint32
	queries  []string
}

// DNSFailure is what happens to a question instead of the ordinary answer.
type DNSFailure uint8

// The failures.
const (
	NoFailure    DNSFailure = iota
	NXDomain                // the name does not exist
	NXDomainBare            // the same without an SOA record
	NoData                  // no such record
	ServFail                // SERVFAIL: bogus
	Refused                 // REFUSED
	Unanswered              // no answer at all
	TruncateUDP             // TC and no records over UDP; whole over TCP
	TruncateAll             // TC over UDP; the TCP connection is closed
	Spoofed                 // answers to other questions come before the right one
	Garbled                 // no DNS message
	Referral                // no records and no recursion, as from an authoritative server
	AliasForever            // a CNAME that leads to itself
)

// dnsQuestion is a name, fully qualified and lower case, with a type.
type dnsQuestion struct {
	name  string
	qtype uint16
}

// maxAliases bounds the chain of CNAMEs that one answer holds.
const maxAliases = 20

// dnsTTL is the TTL of records unless SetTTL changed it.
const dnsTTL = 60

// NewDNS starts a server, over UDP and TCP on the same port, that ends with the
// test.
func NewDNS(tb testing.TB) *DNS {
	tb.Helper()
	d := &DNS{tb: tb, failures: make(map[dnsQuestion]DNSFailure), secure: make(map[string]bool), signed: make(map[dnsQuestion]bool), ttl: dnsTTL}
	packets, listener := listenBoth(tb)
	for _, server := range []*mdns.Server{
		{PacketConn: packets, Handler: mdns.HandlerFunc(d.serve)},
		{Listener: listener, Handler: mdns.HandlerFunc(d.serve)},
	} {
		d.start(server)
	}
	return d
}

// listenBoth listens on one port for UDP and TCP.
func listenBoth(tb testing.TB) (net.PacketConn, net.Listener) {
	tb.Helper()
	const tries = 20 // the port may be taken for the other protocol
	for range tries {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatalf("listen: %v", err)
		}
		packets, err := net.ListenPacket("udp", listener.Addr().String())
		if err == nil {
			return packets, listener
		}
		listener.Close()
	}
	tb.Fatal("found no port that is free for UDP and TCP")
	return nil, nil
}

// start serves until the end of the test.
func (d *DNS) start(server *mdns.Server) {
	started := make(chan struct{})
	ended := make(chan error, 1)
	server.NotifyStartedFunc = func() { close(started) }
	go func() { ended <- server.ActivateAndServe() }()
	<-started
	d.servers = append(d.servers, server)
	d.tb.Cleanup(func() {
		_ = server.Shutdown()
		if err := <-ended; err != nil {
			d.tb.Errorf("DNS server: %v", err)
		}
	})
}

// Addr returns address and port.
func (d *DNS) Addr() string { return d.servers[0].PacketConn.LocalAddr().String() }

// AddMX adds an MX record. The host "." is the null MX.
func (d *DNS) AddMX(name string, preference uint16, host string) {
	d.add(name, "MX", "%d %s", preference, mdns.Fqdn(host))
}

// AddA adds IPv4 addresses.
func (d *DNS) AddA(name string, addrs ...string) {
	for _, addr := range addrs {
		d.add(name, "A", "%s", addr)
	}
}

// AddAAAA adds IPv6 addresses.
func (d *DNS) AddAAAA(name string, addrs ...string) {
	for _, addr := range addrs {
		d.add(name, "AAAA", "%s", addr)
	}
}

// AddCNAME adds an alias.
func (d *DNS) AddCNAME(name, target string) { d.add(name, "CNAME", "%s", mdns.Fqdn(target)) }

// AddPTR adds names of an address.
func (d *DNS) AddPTR(addr string, names ...string) {
	for _, name := range names {
		d.add(ReverseName(d.tb, addr), "PTR", "%s", mdns.Fqdn(name))
	}
}

// AddTXT adds one record of one or more strings, each of up to 255 octets.
func (d *DNS) AddTXT(name string, texts ...string) {
	escaped := make([]string, len(texts))
	for i, text := range texts {
		escaped[i] = strings.ReplaceAll(text, `\`, `\\`)
	}
	d.addRecord(&mdns.TXT{Hdr: d.header(name, mdns.TypeTXT), Txt: escaped})
}

// AddTLSA adds a TLSA record, such as for _25._tcp.mx.example.
func (d *DNS) AddTLSA(name string, usage, selector, matchingType uint8, data []byte) {
	d.add(name, "TLSA", "%d %d %d %s", usage, selector, matchingType, hex.EncodeToString(data))
}

// ReverseName returns the name under which an address has its PTR records.
func ReverseName(tb testing.TB, addr string) string {
	tb.Helper()
	name, err := mdns.ReverseAddr(addr)
	if err != nil {
		tb.Fatalf("reverse name: %v", err)
	}
	return name
}

// Remove takes the records of a type, such as "MX", away from a name.
func (d *DNS) Remove(name, qtype string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := newDNSQuestion(name, qtype)
	d.records = slices.DeleteFunc(d.records, func(rr mdns.RR) bool {
		return rr.Header().Name == q.name && rr.Header().Rrtype == q.qtype
	})
}

// Fail lets questions for a name and type fail; NoFailure mends them.
func (d *DNS) Fail(name, qtype string, how DNSFailure) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failures[newDNSQuestion(name, qtype)] = how
}

// Secure lets the AD bit be set for answers and denials about the names.
func (d *DNS) Secure(names ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range names {
		d.secure[mdns.CanonicalName(name)] = true
	}
}

// SecureType lets the AD bit be set for questions of one type about the names, as
// for the CNAME of an alias that leads out of the signed zones.
func (d *DNS) SecureType(qtype string, names ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range names {
		d.signed[newDNSQuestion(name, qtype)] = true
	}
}

// SetTTL sets the TTL, in seconds, of records that are added later and of
// denials.
func (d *DNS) SetTTL(seconds uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ttl = seconds
}

// Queries returns the questions that came so far, such as "mx.example. A udp".
func (d *DNS) Queries() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.queries)
}

// CountQueries returns how often a name and type were asked for.
func (d *DNS) CountQueries(name, qtype string) int {
	count := 0
	for _, query := range d.Queries() {
		if strings.HasPrefix(query, mdns.CanonicalName(name)+" "+qtype+" ") {
			count++
		}
	}
	return count
}

func newDNSQuestion(name, qtype string) dnsQuestion {
	return dnsQuestion{name: mdns.CanonicalName(name), qtype: mdns.StringToType[qtype]}
}

func (d *DNS) header(name string, rrtype uint16) mdns.RR_Header {
	d.mu.Lock()
	defer d.mu.Unlock()
	return mdns.RR_Header{Name: mdns.CanonicalName(name), Rrtype: rrtype, Class: mdns.ClassINET, Ttl: d.ttl}
}

// add adds a record whose data is in zone file form.
func (d *DNS) add(name, rrtype, format string, args ...any) {
	d.tb.Helper()
	header := d.header(name, mdns.StringToType[rrtype])
	rr, err := mdns.NewRR(header.String() + fmt.Sprintf(format, args...))
	if err != nil {
		d.tb.Fatalf("add %s record: %v", rrtype, err)
	}
	d.addRecord(rr)
}

func (d *DNS) addRecord(rr mdns.RR) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.records = append(d.records, rr)
}
