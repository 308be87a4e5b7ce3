package xmlrpc

import (
	"bytes"
	"context"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/audit"
	"postern/domain/audit/audittest"
)

// testAccounts knows a password per user and a token, and counts the attempts.
type testAccounts struct {
	mu       sync.Mutex
	attempts []account.Credential
	remotes  []netip.Addr
	current  func(account.Principal) (account.Principal, error) // nil: nothing has changed
}

func (a *testAccounts) Authenticate(_ context.Context, c account.Credential, remote netip.Addr) (account.Principal, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.attempts = append(a.attempts, c)
	a.remotes = append(a.remotes, remote)
	role := account.Role(c.User)
	switch {
	case c.Password == "token":
		return account.Principal{Name: "token:t", Role: account.RoleAdmin, Token: "t"}, nil
	case c.Password == "right":
		return account.Principal{Name: c.User, Role: role}, nil
	}
	return account.Principal{}, domain.E(domain.Unauthenticated, "wrong user or password")
}

func (a *testAccounts) Current(_ context.Context, p account.Principal) (account.Principal, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.current == nil {
		return p, nil
	}
	return a.current(p)
}

// change sets what becomes of principals from now on.
func (a *testAccounts) change(current func(account.Principal) (account.Principal, error)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.current = current
}

func (a *testAccounts) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.attempts)
}

// fixture is a server on test doubles.
type fixture struct {
	*Server
	accounts      *testAccounts
	certificates  *testCertificates
	configuration *testConfiguration
	reporter      *testReporter
	rates         testRates
	clock         *testClock
	audited       *audittest.Store
	logged        *bytes.Buffer // only for tests with one request at a time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{
		accounts:      &testAccounts{},
		certificates:  &testCertificates{},
		configuration: newTestConfiguration(t),
		reporter:      &testReporter{},
		clock:         newTestClock(),
		audited:       new(audittest.Store),
		logged:        &bytes.Buffer{},
	}
	f.Server = NewServer(Services{
		Version:           "1.2.3",
		Authenticator:     f.accounts,
		Configuration:     f.configuration,
		CertificateReader: f.certificates,
		CertificateWriter: f.certificates,
		CertificateForcer: f.certificates,
		CertificateFiles:  f.certificates,
		AuditLog:          audit.NewService(f.audited, f.clock.now),

		CertificateSchedule: f.certificates,
		Rates:               &f.rates,
		Reporter:            f.reporter,
	}, slog.New(slog.NewJSONHandler(f.logged, nil)), f.clock.now)
	return f
}

// document writes a methodCall.
func document(t *testing.T, name string, params ...any) string {
	t.Helper()
	var text strings.Builder
	text.WriteString("<methodCall><methodName>" + name + "</methodName><params>")
	for _, p := range params {
		var b bytes.Buffer
		if err := encodeValue(&b, p); err != nil {
			t.Fatal(err)
		}
		text.WriteString("<param>" + b.String() + "</param>")
	}
	return text.String() + "</params></methodCall>"
}

// basic returns an Authorization header for the user named like a role.
func basic(user account.Role, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(string(user)+":"+password))
}

// post sends a body and returns what came back.
func (f *fixture) post(authorization, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/RPC2", strings.NewReader(body))
	r.Header.Set("Content-Type", "text/xml")
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

// call makes a call and returns its result, or its fault.
func (f *fixture) call(t *testing.T, authorization, name string, params ...any) (any, *fault) {
	t.Helper()
	w := f.post(authorization, document(t, name, params...))
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/xml; charset=utf-8" {
		t.Fatalf("%s: HTTP %d %v", name, w.Code, w.Header())
	}
	return readResponse(t, w.Body.Bytes())
}

// readResponse reads a methodResponse with the decoder of calls.
func readResponse(t *testing.T, response []byte) (any, *fault) {
	t.Helper()
	body := strings.NewReplacer("<fault>", "<params><param>", "</fault>", "</param></params>").Replace(asCall(response))
	call, err := decodeCall(strings.NewReader(body), "", func(string) bool { return true })
	if err != nil || len(call.params) != 1 {
		t.Fatalf("%s: %v", response, err)
	}
	if !bytes.Contains(response, []byte("<fault>")) {
		return call.params[0], nil
	}
	members := call.params[0].(map[string]any)
	return nil, &fault{code: int(members["faultCode"].(int64)), text: members["faultString"].(string)}
}

func (f *fixture) mustCall(t *testing.T, authorization, name string, params ...any) any {
	t.Helper()
	result, fault := f.call(t, authorization, name, params...)
	if fault != nil {
		t.Fatalf("%s: %v", name, fault)
	}
	return result
}

func (f *fixture) wantFault(t *testing.T, code int, authorization, name string, params ...any) {
	t.Helper()
	result, fault := f.call(t, authorization, name, params...)
	if fault == nil || fault.code != code {
		t.Errorf("%s: got %v %v, want fault %d", name, result, fault, code)
	}
}
