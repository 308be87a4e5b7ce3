package keyring

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
)

// newRingServer returns a server configuration with a certificate.
func newRingServer(t testing.TB) *tls.Config {
	t.Helper()
	s := newStore(pair(t, "server", 60, "mail.example.com"))
	s.activate("server")
	ring, _, _ := newRing(t, s)
	load(t, ring)
	return ring.ServerConfig(ServerOptions{})
}

func x509Pool(certificates ...*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range certificates {
		pool.AddCert(c)
	}
	return pool
}

// B9: TLS 1.2 and 1.3 by default, lower only by explicit setting.
func TestTLSVersions(t *testing.T) {
	s := newStore(pair(t, "server", 60, "mail.example.com"))
	s.activate("server")
	ring, _, _ := newRing(t, s)
	load(t, ring)
	tests := []struct {
		name    string
		minimum uint16
		client  uint16
		ok      bool
	}{
		{"1.0 by default", 0, tls.VersionTLS10, false},
		{"1.1 by default", 0, tls.VersionTLS11, false},
		{"1.2 by default", 0, tls.VersionTLS12, true},
		{"1.3 by default", 0, tls.VersionTLS13, true},
		{"1.2 where 1.3 is the minimum", tls.VersionTLS13, tls.VersionTLS12, false},
		{"1.0 by explicit setting", tls.VersionTLS10, tls.VersionTLS10, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client := anyone("mail.example.com")
			client.MinVersion, client.MaxVersion = test.client, test.client
			state, err := shake(ring.ServerConfig(ServerOptions{MinVersion: test.minimum}), client)
			if ok := err == nil; ok != test.ok {
				t.Fatalf("handshake: %v, want success %v", err, test.ok)
			}
			if test.ok && state.Version != test.client {
				t.Errorf("version %#x, want %#x", state.Version, test.client)
			}
		})
	}
}

// B9: no session tickets unless the listener says so.
func TestSessionTickets(t *testing.T) {
	s := newStore(pair(t, "server", 60, "mail.example.com"))
	s.activate("server")
	ring, _, _ := newRing(t, s)
	load(t, ring)
	for _, tickets := range []bool{false, true} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			server := ring.ServerConfig(ServerOptions{SessionTickets: tickets})
			client := anyone("mail.example.com")
			client.MaxVersion = version
			client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
			for i := range 2 {
				state, err := shake(server, client)
				if err != nil {
					t.Fatal(err)
				}
				if want := tickets && i == 1; state.DidResume != want {
					t.Errorf("tickets %v, version %#x, handshake %d: resumed %v", tickets, version, i, state.DidResume)
				}
			}
		}
	}
}

func TestPostQuantumGroupIsOffered(t *testing.T) {
	state, err := shake(newRingServer(t), anyone("mail.example.com"))
	if err != nil {
		t.Fatal(err)
	}
	if state.CurveID != tls.X25519MLKEM768 {
		t.Errorf("group %v between two peers that have the hybrid", state.CurveID)
	}
}
