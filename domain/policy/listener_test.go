package policy

import (
	"crypto/tls"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/mailaddr"
)

func endpoints(t *testing.T, texts ...string) []mailaddr.EndpointPattern {
	t.Helper()
	var list []mailaddr.EndpointPattern
	for _, text := range texts {
		p, err := mailaddr.ParseEndpointPattern(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

func senders(t *testing.T, texts ...string) []mailaddr.AddressPattern {
	t.Helper()
	list := []mailaddr.AddressPattern{}
	for _, text := range texts {
		p, err := mailaddr.ParseAddressPattern(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

func pointers(faults domain.Faults) (list []string) {
	for _, f := range faults {
		list = append(list, f.Pointer)
	}
	return list
}

func TestListenerFaultsAndWarnings(t *testing.T) { // B9, B11
	good := Listener{Name: "l", Kind: ListenerPublic, Protocol: ProtocolSMTP, HostName: "mail.example.com"}
	for _, tc := range []struct {
		name             string
		change           func(*Listener)
		faults, warnings []string
	}{
		{name: "plain", change: func(*Listener) {}},
		{name: "profile and version", change: func(l *Listener) {
			l.CipherProfile, l.MinVersion = CipherModern, tls.VersionTLS12
		}},
		{name: "unknown profile", change: func(l *Listener) { l.CipherProfile = "old" }, faults: []string{"/cipher_profile"}},
		{name: "modern below TLS 1.2", change: func(l *Listener) {
			l.CipherProfile, l.MinVersion = CipherModern, tls.VersionTLS11
		}, faults: []string{"/min_tls_version"}, warnings: []string{"/min_tls_version"}},
		{name: "TLS 1.0 by explicit setting", change: func(l *Listener) { l.MinVersion = tls.VersionTLS10 }, warnings: []string{"/min_tls_version"}},
		{name: "proxies", change: func(l *Listener) {
			l.ProxyProtocolFrom = endpoints(t, "192.0.2.1", "10.0.0.0/8", "fd00::/8")
		}},
		{name: "a proxy by name", change: func(l *Listener) {
			l.ProxyProtocolFrom = endpoints(t, "192.0.2.1", "proxy.example.com", ".example.com")
		}, faults: []string{"/proxy_protocol_from/1", "/proxy_protocol_from/2"}},
		{name: "half the world as proxy", change: func(l *Listener) {
			l.ProxyProtocolFrom = endpoints(t, "10.0.0.0/8", "0.0.0.0/1", "::/0")
		}, warnings: []string{"/proxy_protocol_from/1", "/proxy_protocol_from/2"}},
		{name: "too many proxies", change: func(l *Listener) {
			l.ProxyProtocolFrom = make([]mailaddr.EndpointPattern, 0, maxProxies+1)
			for range maxProxies + 1 {
				l.ProxyProtocolFrom = append(l.ProxyProtocolFrom, endpoints(t, "192.0.2.1")...)
			}
		}, faults: []string{"/proxy_protocol_from"}},
		{name: "defaults that ask in vain", change: func(l *Listener) {
			l.Defaults = FlowParameters{TLS: ListenerTLSOff, VerifyClientCertificate: new(true), TLSMandatorySenders: senders(t, "@a.example")}
		}, warnings: []string{"/default_policy_parameters/verify_client_certificate", "/default_policy_parameters/tls_mandatory_senders"}},
	} {
		l := good
		tc.change(&l)
		if diff := cmp.Diff(tc.faults, pointers(l.Validate())); diff != "" {
			t.Errorf("%s, faults:\n%s", tc.name, diff)
		}
		if diff := cmp.Diff(tc.warnings, pointers(l.Warnings())); diff != "" {
			t.Errorf("%s, warnings:\n%s", tc.name, diff)
		}
	}
}
