package keyring

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"

	"postern/domain/policy"
)

// allows is the rule of each profile, told by the names of the suites and not
// by the lists.
func allows(profile policy.CipherProfile, suite string) bool {
	switch {
	case !strings.HasPrefix(suite, "TLS_ECDHE_") || strings.Contains(suite, "RC4") || strings.Contains(suite, "3DES"):
		return false // no forward secrecy, or broken
	case strings.Contains(suite, "_GCM_") || strings.Contains(suite, "_CHACHA20_"):
		return true
	case strings.HasSuffix(suite, "_CBC_SHA256"):
		return profile == policy.CipherCompatible
	default:
		return profile != policy.CipherModern
	}
}

// serversOfBothKeys returns a server with an RSA key and one with an ECDSA key.
func serversOfBothKeys(t *testing.T, o ServerOptions) map[string]*tls.Config {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	servers := map[string]*tls.Config{}
	for name, s := range map[string]*store{
		"RSA":   newStore(pairOf(t, key, "server", 60, "mail.example.com")),
		"ECDSA": newStore(pair(t, "server", 60, "mail.example.com")),
	} {
		s.activate("server")
		ring, _, _ := newRing(t, s)
		load(t, ring)
		servers[name] = ring.ServerConfig(o)
	}
	return servers
}

// Every suite that crypto/tls knows is tried against every profile in a live
// handshake: what a profile leaves out fails, what it has works.
func TestCipherProfiles(t *testing.T) {
	suites := slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites())
	for _, profile := range []policy.CipherProfile{"", policy.CipherDefault, policy.CipherModern, policy.CipherCompatible} {
		servers := serversOfBothKeys(t, ServerOptions{Ciphers: profile})
		for _, suite := range suites {
			if slices.Contains(suite.SupportedVersions, tls.VersionTLS13) {
				continue // nobody chooses among those
			}
			t.Run(fmt.Sprintf("%s/%s", profile, suite.Name), func(t *testing.T) {
				key := "RSA"
				if strings.Contains(suite.Name, "_ECDSA_") {
					key = "ECDSA"
				}
				client := anyone("mail.example.com")
				client.MaxVersion, client.CipherSuites = tls.VersionTLS12, []uint16{suite.ID}
				state, err := shake(servers[key], client)
				if want := allows(profile, suite.Name); (err == nil) != want {
					t.Fatalf("handshake: %v, want success %t", err, want)
				}
				if err == nil && state.CipherSuite != suite.ID {
					t.Errorf("%s was negotiated", tls.CipherSuiteName(state.CipherSuite))
				}
			})
		}
	}
}

// A profile says nothing of TLS 1.3 and, but for modern, nothing of versions.
func TestCipherProfilesAndVersions(t *testing.T) {
	for _, tc := range []struct {
		profile policy.CipherProfile
		minimum uint16
		client  uint16
		ok      bool
	}{
		{policy.CipherDefault, 0, tls.VersionTLS13, true},
		{policy.CipherModern, 0, tls.VersionTLS13, true},
		{policy.CipherCompatible, 0, tls.VersionTLS13, true},
		{policy.CipherModern, tls.VersionTLS13, tls.VersionTLS12, false},
		{policy.CipherModern, tls.VersionTLS10, tls.VersionTLS11, false},
		{policy.CipherModern, tls.VersionTLS10, tls.VersionTLS12, true},
		{policy.CipherDefault, tls.VersionTLS10, tls.VersionTLS10, true},
		{policy.CipherCompatible, tls.VersionTLS10, tls.VersionTLS10, true},
		{policy.CipherCompatible, 0, tls.VersionTLS11, false}, // B9: by explicit setting only
	} {
		server := serversOfBothKeys(t, ServerOptions{Ciphers: tc.profile, MinVersion: tc.minimum})["ECDSA"]
		client := anyone("mail.example.com")
		client.MinVersion, client.MaxVersion = tc.client, tc.client
		if _, err := shake(server, client); (err == nil) != tc.ok {
			t.Errorf("%s from %#x, client %#x: %v, want success %t", tc.profile, tc.minimum, tc.client, err, tc.ok)
		}
	}
}
