package outbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"postern/domain"
	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/delivery"
	"postern/domain/event"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/dns"
	"postern/smtp/smtptest"
	"postern/smtp/tlsverify"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a deliverer with everything around it, in a world of its own: names
// and addresses lead to mail exchangers of the test.
type rig struct {
	*Deliverer
	t        *testing.T
	clock    *smtptest.Clock
	resolver *fakeResolver
	network  *fakeNetwork
	ca       *smtptest.CA
	log      *bytes.Buffer

	mu       sync.Mutex
	snapshot *config.Snapshot
}

// newRig makes a rig whose configuration holds the values on top of TLS on and
// the name client.test.
func newRig(t *testing.T, values ...config.Value) *rig {
	t.Helper()
	r := &rig{
		t: t, clock: smtptest.NewClock(), ca: smtptest.NewCA(t), log: &bytes.Buffer{},
		resolver: &fakeResolver{mx: map[mailaddr.DomainName]dns.MXResult{}, addrs: map[mailaddr.DomainName]dns.AddrResult{}},
		network:  &fakeNetwork{peers: map[string]string{}},
	}
	r.configure(values...)
	r.Deliverer = New(Dependencies{
		Snapshot: func() *config.Snapshot { r.mu.Lock(); defer r.mu.Unlock(); return r.snapshot },
		Resolver: r.resolver,
		Dialer:   r.network,
		Trust: func() *tlsverify.Trust {
			return tlsverify.NewTrust(nil, []*x509.Certificate{r.ca.Root()}, nil)
		},
		OneHour: NewOneHourList(r.clock.Now),
		Secrets: secrets{"pw": password},
		Logger:  slog.New(slog.NewTextHandler(r.log, nil)),
		// Certificates of the test are made now.
		Now:      time.Now,
		Timeouts: quickTimeouts(),
		Pool:     DefaultPoolLimits(),
	})
	t.Cleanup(r.Deliverer.Close)
	return r
}

// secrets are passwords by their reference.
type secrets map[string]string

const password = "correct horse"

func (s secrets) Get(_ context.Context, id string) (string, error) {
	if value, ok := s[id]; ok {
		return value, nil
	}
	return "", domain.E(domain.NotFound, "there is no secret %q", id)
}

// quickTimeouts are for peers that answer at once or never.
func quickTimeouts() Timeouts {
	t := DefaultTimeouts()
	t.Quit, t.LastWords = 200*time.Millisecond, 200*time.Millisecond
	return t
}

// configure makes the values the whole configuration.
func (r *rig) configure(values ...config.Value) {
	r.t.Helper()
	values = append([]config.Value{
		policy.TLSSettings{Enabled: true, MinVersion: tls.VersionTLS12},
		policy.OutboundSettings{HostName: "client.test", OwnAddresses: []netip.Addr{netip.MustParseAddr("192.0.2.250")}},
	}, values...)
	service, err := config.NewService(r.t.Context(), config.Dependencies{Store: written(values), History: new(configtest.Memory), Bus: new(event.Bus), Now: time.Now})
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.snapshot = service.Snapshot()
}

// written is a store that holds values and takes none.
type written []config.Value

func (w written) Load(_ context.Context, yield func(config.Item) error) (int64, error) {
	for _, v := range w {
		document, err := json.Marshal(v)
		if err != nil {
			return 0, err
		}
		item := itemOf(v)
		item.Document = document
		if err := yield(item); err != nil {
			return 0, err
		}
	}
	return 7, nil
}

func itemOf(v config.Value) config.Item {
	switch v := v.(type) {
	case policy.MTASTSSettings:
		return config.Item{Kind: config.KindSettings, Key: config.SectionMTASTS}
	case policy.TLSSettings:
		return config.Item{Kind: config.KindSettings, Key: config.SectionTLS}
	case policy.OutboundSettings:
		return config.Item{Kind: config.KindSettings, Key: config.SectionOutbound}
	case policy.DestinationControl:
		return config.Item{Kind: config.KindDestinationControl, Key: v.Pattern.String()}
	case policy.Route:
		return config.Item{Kind: config.KindRoute, Key: v.Pattern.String()}
	case policy.ServerProfile:
		return config.Item{Kind: config.KindServerProfile, Key: v.Name}
	case exemption:
		return config.Item{Kind: config.KindSTARTTLSExemption, Key: v.Pattern.String()}
	case requirement:
		return config.Item{Kind: config.KindSTARTTLSRequirement, Key: v.Pattern.String()}
	}
	panic(fmt.Sprintf("no kind for %T", v))
}

type (
	exemption   struct{ policy.STARTTLSEntry }
	requirement struct{ policy.STARTTLSEntry }
)

var errReadOnly = domain.E(domain.Internal, "the store takes nothing")

func (written) Current(context.Context, []config.Ref) (map[config.Ref]config.Item, error) {
	return nil, errReadOnly
}

func (written) Commit(context.Context, int64, config.Revision, []config.Item) error {
	return errReadOnly
}

func (written) Items(context.Context, config.Kind, string, int) ([]config.Item, error) {
	return nil, errReadOnly
}

// control is a destination control for a pattern.
func control(t *testing.T, pattern string, level policy.TLSLevel) policy.DestinationControl {
	t.Helper()
	p, err := mailaddr.ParseHostPattern(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return policy.DestinationControl{Pattern: p, TLSLevel: &level}
}

// route leads a pattern to next hops of falling preference.
func route(t *testing.T, pattern string, hosts ...string) policy.Route {
	t.Helper()
	p, err := mailaddr.ParseHostPattern(pattern)
	if err != nil {
		t.Fatal(err)
	}
	r := policy.Route{Pattern: p}
	for i, host := range hosts {
		r.NextHops = append(r.NextHops, policy.NextHop{Host: host, Priority: i})
	}
	return r
}

// domain makes DNS say that the mail of a domain goes to the hosts, in order.
func (r *rig) domain(name mailaddr.DomainName, hosts ...mailaddr.DomainName) {
	var result dns.MXResult
	for i, host := range hosts {
		result.Hosts = append(result.Hosts, dns.MX{Preference: uint16(10 * (i + 1)), Host: host})
	}
	r.resolver.mx[name] = result
}

// host puts a mail exchanger at an address and gives it a name. A nil one does
// not listen.
func (r *rig) host(name mailaddr.DomainName, addr string, mx *smtptest.MX) {
	parsed := netip.MustParseAddr(addr)
	result := r.resolver.addrs[name]
	if parsed.Is4() {
		result.IPv4.Addrs = append(result.IPv4.Addrs, parsed)
	} else {
		result.IPv6.Addrs = append(result.IPv6.Addrs, parsed)
	}
	r.resolver.addrs[name] = result
	if mx != nil {
		r.network.peers[netip.AddrPortFrom(parsed, 25).String()] = mx.Addr()
	}
}

// simple is example.com with the one host mx.example.com at 192.0.2.1.
func (r *rig) simple(options smtptest.MXOptions) *smtptest.MX {
	r.t.Helper()
	if options.Certificate.Certificate == nil {
		options.Certificate = r.ca.IssueFor(r.t, "mx.example.com").TLS
	}
	mx := smtptest.NewMX(r.t, options)
	r.domain("example.com", "mx.example.com")
	r.host("mx.example.com", "192.0.2.1", mx)
	return mx
}

// mail is a message from a@client.test.
func mail(t *testing.T, body string, recipients ...string) *delivery.Message {
	t.Helper()
	m := &delivery.Message{
		Envelope: delivery.Envelope{ID: 42, Sender: mailbox(t, "a@client.test"), Size: int64(len(body))},
		Body:     delivery.BytesBody(body),
	}
	for i, address := range recipients {
		m.Recipients = append(m.Recipients, delivery.Recipient{Index: i, Address: mailbox(t, address)})
	}
	return m
}

func mailbox(t *testing.T, address string) mailaddr.Mailbox {
	t.Helper()
	m, err := mailaddr.ParseMailbox(address)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const body = "Subject: x\r\n\r\nhello\r\n.dot\r\n"

// deliver hands the message to all its recipients.
func (r *rig) deliver(m *delivery.Message) delivery.Attempt {
	r.t.Helper()
	return r.deliverTo(r.t.Context(), m)
}

func (r *rig) deliverTo(ctx context.Context, m *delivery.Message) delivery.Attempt {
	all := make([]int, len(m.Recipients))
	for i := range all {
		all[i] = i
	}
	return r.Deliver(ctx, m, all)
}

// send hands a small message to recipients and returns the record.
func (r *rig) send(recipients ...string) delivery.Attempt {
	r.t.Helper()
	return r.deliver(mail(r.t, body, recipients...))
}

// outcomes renders the outcomes of an attempt, one for each recipient.
func outcomes(a delivery.Attempt) []string {
	var list []string
	for _, result := range a.Results {
		o := result.Outcome
		list = append(list, fmt.Sprintf("%s %s %d %s", o.Status, o.Stage, o.Code, o.Enhanced))
	}
	return list
}

// want checks the outcome of the only recipient, as "status stage code enhanced".
func want(t *testing.T, a delivery.Attempt, outcome string) {
	t.Helper()
	if got := outcomes(a); len(got) != 1 || got[0] != outcome {
		t.Errorf("got %q (%s), want %q", got, a.Results[0].Outcome.Text, outcome)
	}
}

const delivered = "delivered transfer 250 2.0.0"

// conforms checks that nothing was said against the protocol.
func conforms(t *testing.T, exchangers ...*smtptest.MX) {
	t.Helper()
	for _, mx := range exchangers {
		if v := mx.Violations(); len(v) > 0 {
			t.Errorf("violations of the protocol: %q", v)
		}
	}
}

// said lists the stages that a connection of the exchanger went through.
func said(mx *smtptest.MX, connection int) []string {
	var stages []string
	for _, c := range mx.Commands() {
		if c.Connection == connection {
			stages = append(stages, c.Stage)
		}
	}
	return stages
}

// fakeResolver answers from maps; what it does not know does not exist.
type fakeResolver struct {
	mx    map[mailaddr.DomainName]dns.MXResult
	addrs map[mailaddr.DomainName]dns.AddrResult
	ptr   []mailaddr.DomainName
	fail  []mailaddr.DomainName // their look-ups fail
}

func (f *fakeResolver) LookupMX(_ context.Context, name mailaddr.DomainName) (dns.MXResult, error) {
	if slices.Contains(f.fail, name) {
		return dns.MXResult{}, &dns.Error{Class: dns.Bogus, Name: name.String(), Type: "MX", Err: syscall.EIO}
	}
	if result, ok := f.mx[name]; ok {
		return result, nil
	}
	return dns.MXResult{Answer: dns.Answer{Class: dns.NoName}}, nil
}

func (f *fakeResolver) LookupAddrs(_ context.Context, name mailaddr.DomainName) (dns.AddrResult, error) {
	if slices.Contains(f.fail, name) {
		return dns.AddrResult{}, &dns.Error{Class: dns.Timeout, Name: name.String(), Type: "A", Err: syscall.EIO}
	}
	return f.addrs[name], nil
}

func (f *fakeResolver) ConfirmedNames(context.Context, netip.Addr) ([]mailaddr.DomainName, error) {
	return f.ptr, nil
}

// fakeNetwork leads addresses to peers on loopback and notes what was dialled.
type fakeNetwork struct {
	peers map[string]string

	mu     sync.Mutex
	dialed []string
}

func (n *fakeNetwork) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	n.dialed = append(n.dialed, address)
	n.mu.Unlock()
	peer, ok := n.peers[address]
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	}
	return new(net.Dialer).DialContext(ctx, network, peer)
}

// calls returns what was dialled, in order.
func (n *fakeNetwork) calls() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.dialed)
}

// names lists the keys of a map in order.
func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func mustAddr(s string) netip.Addr { return netip.MustParseAddr(s) }

// resolvedAddr is the IPv4 address of a host with the SMTP port.
func (r *rig) resolvedAddr(name mailaddr.DomainName) netip.AddrPort {
	return netip.AddrPortFrom(r.resolver.addrs[name].IPv4.Addrs[0], policy.DefaultSMTPPort)
}
