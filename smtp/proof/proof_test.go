package proof

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"postern/smtp/smtptest"
)

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

func TestProveImplicitTLS(t *testing.T) {
	names := make(chan string, 2)
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		names <- h.ServerName
		return nil, nil
	}}
	server.StartTLS()
	defer server.Close()
	address := server.Listener.Addr().String()
	served := Prove(t.Context(), new(net.Dialer), []Endpoint{{Name: "web", Address: address}}, []string{"", "mail.example.com"})
	if len(served) != 2 {
		t.Fatalf("%+v", served)
	}
	for i, name := range []string{"", "mail.example.com"} {
		s := served[i]
		if s.ServerName != name || s.Address != address || s.Problem != "" || s.TLSVersion != "TLS 1.3" ||
			s.Fingerprint != fingerprint(server.Certificate().Raw) {
			t.Errorf("%+v", s)
		}
	}
	asked := map[string]bool{<-names: true, <-names: true}
	if !asked[""] || !asked["mail.example.com"] {
		t.Errorf("server names %v", asked)
	}
}

func TestProveSTARTTLS(t *testing.T) {
	mx := smtptest.NewMX(t, smtptest.MXOptions{})
	served := Prove(t.Context(), new(net.Dialer), []Endpoint{{Name: "mx", Address: mx.AddrPort().String(), STARTTLS: true}}, []string{""})
	if len(served) != 1 || served[0].Problem != "" || served[0].Fingerprint == "" {
		t.Errorf("%+v", served)
	}
}

// What cannot be reached, or does not offer TLS, is a problem in its place.
func TestProveProblems(t *testing.T) {
	mx := smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden})
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	served := Prove(t.Context(), new(net.Dialer), []Endpoint{
		{Name: "clear", Address: mx.AddrPort().String(), STARTTLS: true},
		{Name: "closed", Address: closed.Addr().String()},
	}, []string{""})
	for i, words := range []string{"STARTTLS is not offered", "refused"} {
		if served[i].Fingerprint != "" || !strings.Contains(served[i].Problem, words) {
			t.Errorf("%+v", served[i])
		}
	}
	if got := Prove(t.Context(), new(net.Dialer), nil, []string{""}); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestReachable(t *testing.T) {
	for in, want := range map[string]string{
		"[::]:25": "[::1]:25", "0.0.0.0:25": "127.0.0.1:25", ":25": "127.0.0.1:25",
		"192.0.2.1:25": "192.0.2.1:25", "nonsense": "nonsense",
	} {
		if got := reachable(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
