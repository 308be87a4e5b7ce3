package inbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"postern/domain"
	"postern/domain/certificate"
	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/delivery"
	"postern/domain/event"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/keyring"
	"postern/smtp/smtptest"
)

// gateway is a listener on the real network, with a queue that remembers.
type gateway struct {
	*spool
	config  *config.Service
	deps    Dependencies
	socket  *Socket
	current atomic.Pointer[Handler]
	log     *bytes.Buffer
}

// setup is what a test asks of its gateway.
type setup struct {
	listener policy.Listener
	access   []policy.SenderGroup
	policies []policy.MailFlowPolicy
	edits    []config.Edit
	noTLS    bool // the master switch is off
	noKey    bool // no certificate is active
	names    map[string][]mailaddr.DomainName
	resolver Names // instead of names

	inspector Inspector
}

// flow is a mail flow policy "FLOW" with the TLS mode, for setups that need one.
func flow(mode policy.ListenerTLS) policy.MailFlowPolicy {
	p := policy.MailFlowPolicy{Name: "FLOW", Action: policy.ActionAccept}
	p.TLS = mode
	return p
}

// newGateway starts a public listener that hosts example.com; every client gets
// the policy FLOW unless the setup says otherwise.
func newGateway(t *testing.T, s setup) *gateway {
	t.Helper()
	g := newGatewayWithoutSocket(t, s)
	l, _ := g.config.Snapshot().Listener("test")
	g.listen(t, l)
	return g
}

// newGatewayWithoutSocket is for tests that hand over connections themselves.
func newGatewayWithoutSocket(t *testing.T, s setup) *gateway {
	t.Helper()
	service, _ := configtest.Seeded(t)
	l := policy.Listener{
		Name: "test", Kind: policy.ListenerPublic, Address: "127.0.0.1", Protocol: policy.ProtocolSMTP,
		HostName: "mail.example.com", DefaultDomain: "example.com",
	}
	if s.listener.Protocol != "" {
		l.Protocol = s.listener.Protocol
	}
	l.MaxConcurrency = s.listener.MaxConcurrency
	l.CipherProfile, l.SessionTickets = s.listener.CipherProfile, s.listener.SessionTickets
	l.ProxyProtocolFrom = s.listener.ProxyProtocolFrom
	if s.access == nil {
		s.access = []policy.SenderGroup{{Name: policy.AllGroup, Policy: "FLOW"}}
	}
	edits := []config.Edit{
		{Kind: config.KindDomain, Key: "example.com", Value: policy.HostedDomain{Name: "example.com"}},
		{Kind: config.KindSettings, Key: config.SectionTLS, Value: policy.TLSSettings{Enabled: !s.noTLS, MinVersion: tls.VersionTLS12}},
		{Kind: config.KindListener, Key: l.Name, Value: l},
		{Kind: config.KindHostAccessTable, Key: l.Name, Value: policy.HostAccessTable{Listener: l.Name, Groups: s.access}},
	}
	for _, p := range s.policies {
		edits = append(edits, config.Edit{Kind: config.KindMailFlowPolicy, Key: p.Name, Value: p})
	}
	configtest.Commit(t, service, append(edits, s.edits...)...)
	g := &gateway{spool: &spool{}, config: service, log: new(bytes.Buffer)}
	g.deps = dependencies(t, g, s)
	g.use(t)
	return g
}

func dependencies(t *testing.T, g *gateway, s setup) Dependencies {
	t.Helper()
	var ids delivery.IDSource
	if s.resolver == nil {
		s.resolver = staticNames(s.names)
	}
	return Dependencies{
		Snapshot: g.config.Snapshot,
		Queue:    g.spool,
		Names:    s.resolver,
		Keys:     newRing(t, s.noKey),
		Limits:   NewLimits(),
		Metrics:  NewMetrics(prometheus.NewRegistry()),
		Logger:   slog.New(slog.NewJSONHandler(&lockedWriter{w: g.log}, nil)),
		Now:      time.Now,
		NewID:    func() delivery.MessageID { return ids.Next(time.Now(), 0) },

		Inspector: s.inspector,
	}
}

// use makes the newest configuration the current one, as the engine does.
func (g *gateway) use(t *testing.T) {
	t.Helper()
	snapshot := g.config.Snapshot()
	l, _ := snapshot.Listener("test")
	h, err := NewHandler(t.Context(), g.deps, snapshot, l)
	if err != nil {
		t.Fatal(err)
	}
	h.Start()
	if before := g.current.Swap(h); before != nil {
		before.Retire()
	}
}

func (g *gateway) listen(t *testing.T, l policy.Listener) {
	t.Helper()
	socket, err := Listen(t.Context(), l.WithDefaults())
	if err != nil {
		t.Fatal(err)
	}
	g.socket = socket
	served := make(chan struct{})
	go func() {
		defer close(served)
		socket.Serve(g.current.Load, g.deps.Logger)
	}()
	t.Cleanup(func() {
		_ = socket.Close()
		<-served
		ended, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := g.current.Load().Drain(ended); err != nil {
			t.Errorf("sessions did not end: %v", err)
		}
	})
}

// clientAuthority is the trust anchor of a gateway for clients.
func clientAuthority(ca *smtptest.CA) config.Edit {
	anchor := policy.TrustAnchor{Name: "clients", Usage: policy.TrustClients, Certificate: string(ca.RootPEM())}
	return config.Edit{Kind: config.KindTrustAnchor, Key: anchor.Name, Value: anchor}
}

func (g *gateway) addr() string { return g.socket.Addr().String() }

// spool is a queue that remembers, and that can be told to fail.
type spool struct {
	mu       sync.Mutex
	messages []*delivery.Message
	fail     error
	full     error
	aborted  int
}

var _ Queue = (*spool)(nil)

func (s *spool) NewBody(delivery.MessageID) delivery.BodyWriter { return &spoolBody{spool: s} }

func (s *spool) Enqueue(_ context.Context, m *delivery.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	s.messages = append(s.messages, m)
	return nil
}

func (s *spool) Accepting() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.full
}

// breakDown makes the queue fail to store, or say beforehand that it will.
func (s *spool) breakDown(fail, full error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail, s.full = fail, full
}

func (s *spool) all() []*delivery.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*delivery.Message(nil), s.messages...)
}

type spoolBody struct {
	bytes.Buffer
	spool *spool
}

func (b *spoolBody) Insert(offset int64, p []byte) error {
	whole := slices.Insert(bytes.Clone(b.Bytes()), int(offset), p...)
	b.Reset()
	_, err := b.Write(whole)
	return err
}

func (b *spoolBody) Written() (delivery.Body, error) { return delivery.BytesBody(b.Bytes()), nil }

func (b *spoolBody) Finish() (delivery.Body, error) { return delivery.BytesBody(b.Bytes()), nil }

func (b *spoolBody) Abort() {
	b.spool.mu.Lock()
	defer b.spool.mu.Unlock()
	b.spool.aborted++
}

// content returns the message as the client sent it, without our Received.
func body(t *testing.T, m *delivery.Message) string {
	t.Helper()
	r, err := m.Body.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	text := string(all)
	if !strings.HasPrefix(text, "Received: from ") {
		t.Errorf("the message begins with %q, not with our Received field", text[:min(len(text), 40)])
	}
	for i := strings.Index(text, "\r\n"); i >= 0; i = strings.Index(text, "\r\n") {
		text = text[i+2:]
		if !strings.HasPrefix(text, "\t") {
			break
		}
	}
	return text
}

type staticNames map[string][]mailaddr.DomainName

func (n staticNames) ConfirmedNames(_ context.Context, addr netip.Addr) ([]mailaddr.DomainName, error) {
	return n[addr.String()], nil
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

var _ certificate.KeyReader = keyReader{}

func newRing(t *testing.T, empty bool) *keyring.Ring {
	t.Helper()
	reader := keyReader{}
	if !empty {
		reader.pair = selfSigned(t)
	}
	ring := keyring.New(keyring.Config{
		Keys: reader, Bus: new(event.Bus), Applied: func(int64) {}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	if err := ring.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return ring
}

// keyReader holds at most one certificate, which is the active one.
type keyReader struct{ pair certificate.KeyPair }

func (k keyReader) ActiveKeyPair(context.Context) (certificate.KeyPair, error) {
	if k.pair.Key.IsZero() {
		return certificate.KeyPair{}, domain.E(domain.NotFound, "no certificate is active")
	}
	return k.pair, nil
}

func (k keyReader) KeyPair(ctx context.Context, _ string) (certificate.KeyPair, error) {
	return k.ActiveKeyPair(ctx)
}

func selfSigned(t *testing.T) certificate.KeyPair {
	t.Helper()
	pair, err := certificate.NewDemonstration("mail.example.com", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

var errFull = errors.New("no space left on device")

// unhost takes example.com off the hosted domains.
func unhost(t *testing.T, g *gateway) {
	t.Helper()
	configtest.Commit(t, g.config, config.Edit{Kind: config.KindDomain, Key: "example.com"})
}
