package keyring

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"postern/domain"
	"postern/domain/certificate"
	"postern/domain/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store is a [KeyReader] whose content tests change.
type store struct {
	mu          sync.Mutex
	pairs       map[string]certificate.KeyPair
	active      string
	activations int64
	failures    map[string]error // by id; "" fails the active one
}

var _ KeyReader = (*store)(nil)

func newStore(pairs ...certificate.KeyPair) *store {
	s := &store{pairs: map[string]certificate.KeyPair{}, failures: map[string]error{}}
	for _, p := range pairs {
		s.pairs[p.Certificate.ID] = p
	}
	return s
}

func (s *store) ActiveKeyPair(_ context.Context) (certificate.KeyPair, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.failures[""]; err != nil {
		return certificate.KeyPair{}, err
	}
	return s.get(s.active)
}

func (s *store) KeyPair(_ context.Context, id string) (certificate.KeyPair, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.failures[id]; err != nil {
		return certificate.KeyPair{}, err
	}
	return s.get(id)
}

func (s *store) get(id string) (certificate.KeyPair, error) {
	pair, ok := s.pairs[id]
	if !ok {
		return certificate.KeyPair{}, domain.E(domain.NotFound, "there is no certificate %q", id)
	}
	return pair, nil
}

func (s *store) activate(id string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.activations++
	pair := s.pairs[id]
	pair.Certificate.State, pair.Certificate.Activation = certificate.Active, s.activations
	s.pairs[id], s.active = pair, id
	return s.activations
}

func (s *store) fail(id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures[id] = err
}

func (s *store) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pairs, id)
}

// pair makes a certificate under the id for the names; it is valid for the
// days given from now on.
func pair(t testing.TB, id string, days int, names ...string) certificate.KeyPair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return pairOf(t, key, id, days, names...)
}

func pairOf(t testing.TB, key crypto.Signer, id string, days int, names ...string) certificate.KeyPair {
	t.Helper()
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: id},
		NotBefore: time.Now().AddDate(0, -1, 0),
		NotAfter:  time.Now().AddDate(0, 0, days),
		DNSNames:  names,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return certificate.KeyPair{
		Certificate: certificate.Certificate{
			ID: id, Names: names, Chain: [][]byte{der},
			NotBefore: template.NotBefore, NotAfter: template.NotAfter,
		},
		Key: certificate.NewPrivateKey(key),
	}
}

// newRing returns a ring on the store and the mark that it raises.
func newRing(t testing.TB, s *store) (*Ring, *event.Bus, *event.Mark) {
	t.Helper()
	bus, applied := &event.Bus{}, &event.Mark{}
	return New(Config{Keys: s, Bus: bus, Applied: applied.Raise, Log: slog.New(slog.DiscardHandler), Now: time.Now}), bus, applied
}

func load(t testing.TB, r *Ring) {
	t.Helper()
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// shake makes one handshake over loopback, sends one octet, so that session
// tickets are exchanged too, and returns the client's view.
func shake(server, client *tls.Config) (tls.ConnectionState, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer func() { _ = listener.Close() }()
	deadline := time.Now().Add(10 * time.Second)
	served := make(chan error, 1)
	go func() { served <- serveOne(listener, server, deadline) }()
	raw, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer func() { _ = raw.Close() }()
	if err := raw.SetDeadline(deadline); err != nil {
		return tls.ConnectionState{}, err
	}
	conn := tls.Client(raw, client)
	_, err = io.ReadFull(conn, make([]byte, 1))
	return conn.ConnectionState(), errors.Join(err, <-served)
}

func serveOne(listener net.Listener, server *tls.Config, deadline time.Time) error {
	raw, err := listener.Accept()
	if err != nil {
		return err
	}
	defer func() { _ = raw.Close() }()
	if err := raw.SetDeadline(deadline); err != nil {
		return err
	}
	_, err = tls.Server(raw, server).Write([]byte{1})
	return err
}

// anyone returns a client that looks at the certificate and does not judge it.
func anyone(serverName string) *tls.Config {
	return &tls.Config{ServerName: serverName, InsecureSkipVerify: true}
}

// shown returns the id of the certificate that a client of the name is shown.
func shown(t testing.TB, server *tls.Config, serverName string) string {
	t.Helper()
	state, err := shake(server, anyone(serverName))
	if err != nil {
		t.Fatal(err)
	}
	return state.PeerCertificates[0].Subject.CommonName
}
