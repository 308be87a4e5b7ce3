package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/domain/acme"
)

// acmeAuthority is a small ACME authority that asks for the challenges and refuses
// every second nonce. It takes requests for what they say: signatures are not
// its subject.
type acmeAuthority struct {
	*httptest.Server
	t *testing.T
	// ask looks at the answer of a challenge for a name.
	ask func(name, token string) error
	// refuse are names whose challenge fails whatever is answered.
	refuse string
	// refusals are problems that a kind of request is answered with, by the first
	// part of its path.
	refusals map[string]string
	// notBefore of what is issued; zero: an hour ago.
	notBefore time.Time

	mu      sync.Mutex
	posts   int
	names   []string
	proven  map[string]string // status by name
	chain   []byte
	issued  int
	key     *ecdsa.PrivateKey
	root    *x509.Certificate
	window  [2]time.Time // advice; zero: none
	contact string
	givenUp []string // authorizations that were deactivated
	// replaces are what orders said to replace; empty: nothing.
	replaces []string
	// replaced says that the certificate before has been replaced already.
	replaced bool
}

func newACMEAuthority(t *testing.T) *acmeAuthority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &acmeAuthority{t: t, key: key, proven: map[string]string{}}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour * 24 * 365), KeyUsage: x509.KeyUsageCertSign,
		SubjectKeyId: []byte{1, 2, 3, 4},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if a.root, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.Server = httptest.NewTLSServer(a)
	t.Cleanup(a.Close)
	return a
}

// ServeHTTP answers one request.
func (a *acmeAuthority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("Replay-Nonce", rand.Text())
	if r.Method != http.MethodPost {
		a.read(w, r)
		return
	}
	if a.posts++; a.posts%2 == 1 {
		a.problem(w, http.StatusBadRequest, "badNonce", "once more")
		return
	}
	var jws struct {
		Payload string `json:"payload"`
	}
	if err := json.NewDecoder(r.Body).Decode(&jws); err != nil {
		a.problem(w, http.StatusBadRequest, "malformed", err.Error())
		return
	}
	payload, _ := base64.RawURLEncoding.DecodeString(jws.Payload)
	a.post(w, r.URL.Path, payload)
}

func (a *acmeAuthority) read(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/directory":
		a.reply(w, 200, map[string]any{
			"newNonce": a.URL + "/nonce", "newAccount": a.URL + "/account", "newOrder": a.URL + "/order",
			"revokeCert": a.URL + "/revoke", "keyChange": a.URL + "/key", "renewalInfo": a.URL + "/renewal",
		})
	case strings.HasPrefix(r.URL.Path, "/renewal/") && !a.window[0].IsZero():
		a.reply(w, 200, map[string]any{"suggestedWindow": map[string]any{"start": a.window[0], "end": a.window[1]}})
	default:
		w.WriteHeader(200)
	}
}

func (a *acmeAuthority) post(w http.ResponseWriter, path string, payload []byte) {
	kind, name, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if problem, ok := a.refusals[kind]; ok {
		w.Header().Set("Retry-After", "172800")
		a.problem(w, http.StatusForbidden, problem, problem+" says the authority")
		return
	}
	switch kind {
	case "account":
		status := http.StatusCreated
		if strings.Contains(string(payload), "onlyReturnExisting") && a.contact == "" {
			a.problem(w, http.StatusBadRequest, "accountDoesNotExist", "who are you?")
			return
		}
		if name != "" && strings.Contains(string(payload), "contact") {
			a.contact = string(payload)
		}
		if a.contact != "" {
			status = http.StatusOK // RFC 8555 §7.3.1: it is known
		} else {
			a.contact = string(payload)
		}
		w.Header().Set("Location", a.URL+"/account/1")
		a.reply(w, status, map[string]any{"status": "valid"})
	case "order":
		if name == "" {
			a.begin(payload)
		}
		if a.replaced && name == "" && a.replaces[len(a.replaces)-1] != "" {
			a.problem(w, http.StatusConflict, "alreadyReplaced", "there is another one")
			return
		}
		w.Header().Set("Location", a.URL+"/order/1")
		a.reply(w, map[bool]int{true: 201, false: 200}[name == ""], a.order())
	case "authorization":
		if strings.Contains(string(payload), "deactivated") { // RFC 8555 §7.5.2
			a.proven[name], a.givenUp = "deactivated", append(a.givenUp, name)
		}
		a.reply(w, 200, a.authorization(name))
	case "challenge":
		a.prove(name)
		a.reply(w, 200, a.authorization(name)["challenges"].([]any)[0])
	case "finalize":
		a.issue(payload)
		w.Header().Set("Location", a.URL+"/order/1")
		a.reply(w, 200, a.order())
	case "certificate":
		w.Header().Set("Content-Type", "application/pem-certificate-chain")
		_, _ = w.Write(a.chain)
	}
}

func (a *acmeAuthority) begin(payload []byte) {
	var asked struct {
		Identifiers []struct{ Value string }
		Replaces    string
	}
	if err := json.Unmarshal(payload, &asked); err != nil {
		a.t.Error(err)
	}
	a.replaces = append(a.replaces, asked.Replaces)
	a.names, a.proven, a.chain = nil, map[string]string{}, nil
	for _, i := range asked.Identifiers {
		a.names = append(a.names, i.Value)
		a.proven[i.Value] = "pending"
	}
}

func (a *acmeAuthority) order() map[string]any {
	status, urls, identifiers := "ready", []string{}, []any{}
	for _, n := range a.names {
		urls = append(urls, a.URL+"/authorization/"+n)
		identifiers = append(identifiers, map[string]any{"type": "dns", "value": n})
		if a.proven[n] != "valid" {
			status = a.proven[n]
		}
	}
	if a.chain != nil {
		status = "valid"
	}
	return map[string]any{
		"status": status, "identifiers": identifiers, "authorizations": urls,
		"finalize": a.URL + "/finalize/1", "certificate": a.URL + "/certificate/1",
	}
}

func (a *acmeAuthority) authorization(name string) map[string]any {
	challenge := func(kind string) map[string]any {
		c := map[string]any{"type": kind, "url": a.URL + "/challenge/" + name, "status": a.proven[name], "token": tokenOf(name)}
		if a.proven[name] == "invalid" {
			c["error"] = map[string]any{"type": "urn:ietf:params:acme:error:unauthorized", "detail": "it is not yours"}
		}
		return c
	}
	base, wildcard := strings.CutPrefix(name, "*.")
	return map[string]any{
		"status": a.proven[name], "identifier": map[string]any{"type": "dns", "value": base}, "wildcard": wildcard,
		"challenges": []any{challenge("http-01"), challenge("tls-alpn-01"), challenge("dns-01")},
	}
}

func tokenOf(name string) string {
	return base64.RawURLEncoding.EncodeToString([]byte("token " + name))
}

func (a *acmeAuthority) prove(name string) {
	err := a.ask(name, tokenOf(name))
	if err != nil {
		a.t.Errorf("challenge for %s: %v", name, err)
	}
	a.proven[name] = "valid"
	if err != nil || name == a.refuse {
		a.proven[name] = "invalid"
	}
}

func (a *acmeAuthority) issue(payload []byte) {
	var finalize struct{ CSR string }
	_ = json.Unmarshal(payload, &finalize)
	der, _ := base64.RawURLEncoding.DecodeString(finalize.CSR)
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		a.t.Error(err)
		return
	}
	a.issued++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(100 + a.issued)), DNSNames: request.DNSNames, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, AuthorityKeyId: a.root.SubjectKeyId,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
	}
	if !a.notBefore.IsZero() {
		template.NotBefore = a.notBefore
	}
	leaf, err := x509.CreateCertificate(rand.Reader, template, a.root, request.PublicKey, a.key)
	if err != nil {
		a.t.Error(err)
	}
	for _, der := range [][]byte{leaf, a.root.Raw} {
		a.chain = append(a.chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
}

func (a *acmeAuthority) problem(w http.ResponseWriter, status int, kind, detail string) {
	a.reply(w, status, map[string]any{"type": "urn:ietf:params:acme:error:" + kind, "detail": detail})
}

func (a *acmeAuthority) reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// askHTTP looks for the answer by http-01 at the address.
func askHTTP(addr string) func(name, token string) error {
	return func(name, token string) error {
		response, err := http.Get("http://" + addr + "/.well-known/acme-challenge/" + token)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err == nil && !strings.HasPrefix(string(body), token+".") {
			err = fmt.Errorf("answer %d %q", response.StatusCode, body)
		}
		return err
	}
}

// askTLS looks for it by tls-alpn-01 (RFC 8737 §3).
func askTLS(addr string) func(name, token string) error {
	return func(name, _ string) error {
		conn, err := tls.DialWithDialer(&net.Dialer{}, "tcp", addr, &tls.Config{
			ServerName: name, NextProtos: []string{acme.ALPN}, InsecureSkipVerify: true, // it is self-signed by design
		})
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		state := conn.ConnectionState()
		leaf := state.PeerCertificates[0]
		if state.NegotiatedProtocol != acme.ALPN || len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != name {
			return fmt.Errorf("protocol %q, certificate for %q", state.NegotiatedProtocol, leaf.DNSNames)
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			return fmt.Errorf("the gateway talks over a challenge")
		}
		return nil
	}
}
