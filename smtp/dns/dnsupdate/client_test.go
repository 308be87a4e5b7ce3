package dnsupdate_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"postern/domain/mailaddr"
	"postern/smtp/dns/dnsupdate"
)

const secret = "c2VjcmV0IG9mIG1vcmUgdGhhbiAxNiBvY3RldHM="

// names leads names to others, and hosts to addresses.
type names struct {
	aliases map[mailaddr.DomainName]mailaddr.DomainName
	addrs   map[mailaddr.DomainName]string
}

func (n names) Canonical(_ context.Context, name mailaddr.DomainName) (mailaddr.DomainName, error) {
	if alias, ok := n.aliases[name]; ok {
		return alias, nil
	}
	return name, nil
}

func (n names) Addrs(_ context.Context, host mailaddr.DomainName) ([]netip.Addr, error) {
	addr, ok := n.addrs[host]
	if !ok {
		return nil, errors.New("no such host")
	}
	return []netip.Addr{netip.MustParseAddr(addr)}, nil
}

func newClient(s *server, change func(*dnsupdate.Config)) *dnsupdate.Client {
	c := dnsupdate.Config{
		Server: s.addr(), ServerOnly: true, Patience: 10 * time.Second, Resolver: names{},
		Key:  dnsupdate.Key{Name: "postern", Algorithm: "hmac-sha256", Secret: secret},
		Dial: new(net.Dialer).DialContext, Now: time.Now,
	}
	if change != nil {
		change(&c)
	}
	return dnsupdate.New(c)
}

// B48: two records of one name stand side by side, each is taken away by itself, and
// records of others stay.
func TestRecordsOfOneName(t *testing.T) {
	for _, algorithm := range []string{"hmac-sha256", "hmac-sha384", "hmac-sha512"} {
		s := newServer(t, "example.com")
		s.add("_acme-challenge.mail.example.com", "of somebody else")
		c := newClient(s, func(c *dnsupdate.Config) { c.Key.Algorithm = algorithm })
		var records []dnsupdate.Record
		for _, text := range []string{"one", "two"} {
			r, err := c.Add(t.Context(), "_acme-challenge.mail.example.com", text)
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, r)
		}
		if err := c.Wait(t.Context(), records); err != nil {
			t.Fatal(err)
		}
		want(t, s, "_acme-challenge.mail.example.com", "of somebody else", "one", "two")
		if err := c.Remove(t.Context(), records[0]); err != nil {
			t.Fatal(err)
		}
		want(t, s, "_acme-challenge.mail.example.com", "of somebody else", "two")
	}
}

func want(t *testing.T, s *server, name string, texts ...string) {
	t.Helper()
	if got := s.texts(name); fmt.Sprint(got) != fmt.Sprint(texts) {
		t.Errorf("%s has %q, want %q", name, got, texts)
	}
}

// The proof is put where a CNAME leads.
func TestUpdateFollowsTheAlias(t *testing.T) {
	s := newServer(t, "proofs.example.net")
	c := newClient(s, func(c *dnsupdate.Config) {
		c.Resolver = names{aliases: map[mailaddr.DomainName]mailaddr.DomainName{
			"_acme-challenge.example.com": "com.proofs.example.net",
		}}
	})
	r, err := c.Add(t.Context(), "_acme-challenge.example.com", "text")
	if err != nil || r.Zone != "proofs.example.net" || r.Name != "com.proofs.example.net" {
		t.Fatalf("%+v, %v", r, err)
	}
	want(t, s, "com.proofs.example.net", "text")
}

func TestUpdatesThatFailSayWhy(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*dnsupdate.Config)
		server func(*server)
		want   string
	}{
		"unknown key":    {func(c *dnsupdate.Config) { c.Key.Name = "other" }, nil, "BADKEY, it does not know the key other for hmac-sha256"},
		"another secret": {func(c *dnsupdate.Config) { c.Key.Secret = "YW5vdGhlciBzZWNyZXQgb2YgMTYgb2N0ZXRz" }, nil, "BADSIG, the secret of the key postern is another one there"},
		"clock":          {func(c *dnsupdate.Config) { c.Now = func() time.Time { return time.Now().Add(-time.Hour) } }, nil, "BADTIME, its clock"},
		"unsigned":       {nil, func(s *server) { s.unsigned = true }, "its answer is not signed by the key postern"},
		"rules":          {nil, func(s *server) { s.refuse = true }, "REFUSED, its rules do not let the key"},
		"no zone":        {nil, func(s *server) { s.zone = "example.org." }, "holds no zone in which _acme-challenge.example.com is"},
		"another zone":   {func(c *dnsupdate.Config) { c.Zone = "example.org" }, nil, "_acme-challenge.example.com is not in the zone example.org"},
		"nobody there":   {func(c *dnsupdate.Config) { c.Server = nobody(t) }, nil, "does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, "example.com")
			if test.server != nil {
				test.server(s)
			}
			_, err := newClient(s, test.change).Add(t.Context(), "_acme-challenge.example.com", "text")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error %v, want %q", err, test.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the secret is shown: %v", err)
			}
		})
	}
}

func nobody(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Every server of the zone is waited for, and the one that is late is named.
func TestWaitForEveryServer(t *testing.T) {
	primary, secondary := newServer(t, "example.com"), newServer(t, "example.com")
	primary.servers = []string{"ns1.example.com", "ns2.example.com"}
	at := map[string]string{"192.0.2.1:53": primary.addr(), "192.0.2.2:53": secondary.addr(), primary.addr(): primary.addr()}
	change := func(patience time.Duration) func(*dnsupdate.Config) {
		return func(c *dnsupdate.Config) {
			c.ServerOnly, c.Patience = false, patience
			c.Resolver = names{addrs: map[mailaddr.DomainName]string{"ns1.example.com": "192.0.2.1", "ns2.example.com": "192.0.2.2"}}
			c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, at[address])
			}
		}
	}
	r, err := newClient(primary, change(time.Second)).Add(t.Context(), "_acme-challenge.example.com", "text")
	if err != nil {
		t.Fatal(err)
	}
	err = newClient(primary, change(300*time.Millisecond)).Wait(t.Context(), []dnsupdate.Record{r})
	if err == nil || !strings.Contains(err.Error(), "192.0.2.2:53 does not give it out") {
		t.Fatalf("error %v", err)
	}
	// It comes after somebody has looked for it in vain.
	secondary.onMiss = func() { secondary.add("_acme-challenge.example.com", "text") }
	if err := newClient(primary, change(10*time.Second)).Wait(t.Context(), []dnsupdate.Record{r}); err != nil {
		t.Error(err)
	}
	primary.servers = []string{"ns3.example.com"}
	err = newClient(primary, change(time.Second)).Wait(t.Context(), []dnsupdate.Record{r})
	if err == nil || !strings.Contains(err.Error(), "the address of ns3.example.com") {
		t.Errorf("error %v", err)
	}
}

func TestKeyIsNeverPrinted(t *testing.T) {
	k := dnsupdate.Key{Name: "postern", Algorithm: "hmac-sha256", Secret: secret}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, k); strings.Contains(text, secret) {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}
