package xmlrpc

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/kolo/xmlrpc"

	"postern/domain"
	"postern/domain/account"
)

func TestServeHTTPRefuses(t *testing.T) {
	f := newFixture(t)
	call := document(t, "system.listMethods")
	tests := map[string]struct {
		method, contentType, encoding string
		status                        int
	}{
		"GET":                 {http.MethodGet, "text/xml", "", http.StatusMethodNotAllowed},
		"PUT":                 {http.MethodPut, "text/xml", "", http.StatusMethodNotAllowed},
		"OPTIONS":             {http.MethodOptions, "", "", http.StatusMethodNotAllowed},
		"no type":             {http.MethodPost, "", "", http.StatusUnsupportedMediaType},
		"form":                {http.MethodPost, "text/plain", "", http.StatusUnsupportedMediaType},
		"JSON":                {http.MethodPost, "application/json", "", http.StatusUnsupportedMediaType},
		"broken type":         {http.MethodPost, "text/xml; charset", "", http.StatusUnsupportedMediaType},
		"compressed":          {http.MethodPost, "text/xml", "gzip", http.StatusUnsupportedMediaType},
		"text/xml":            {http.MethodPost, "text/xml", "", http.StatusOK},
		"with charset":        {http.MethodPost, `Text/XML; charset="UTF-8"`, "identity", http.StatusOK},
		"application/xml":     {http.MethodPost, "application/xml", "", http.StatusOK},
		"unsupported charset": {http.MethodPost, "text/xml; charset=koi8-r", "", http.StatusOK}, // with a fault
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, "/RPC2", strings.NewReader(call))
			r.Header.Set("Content-Type", tt.contentType)
			r.Header.Set("Content-Encoding", tt.encoding)
			w := httptest.NewRecorder()
			f.ServeHTTP(w, r)
			if w.Code != tt.status {
				t.Fatalf("HTTP %d, want %d", w.Code, tt.status)
			}
			switch tt.status {
			case http.StatusMethodNotAllowed:
				if w.Header().Get("Allow") != "POST" {
					t.Errorf("Allow: %q", w.Header().Get("Allow"))
				}
			case http.StatusUnsupportedMediaType:
				if _, fault := readResponse(t, w.Body.Bytes()); fault == nil || fault.code != codeNotConforming {
					t.Errorf("fault %v", fault)
				}
			}
		})
	}
}

func TestServeHTTPBodies(t *testing.T) {
	f := newFixture(t)
	huge := strings.Repeat("x", 2<<20)
	for name, tt := range map[string]struct {
		body string
		code int
	}{
		"not XML":                  {"hello", codeNotConforming},
		"cut off":                  {document(t, "system.listMethods")[:40], codeNotWellFormed},
		"unknown method":           {document(t, "no.such"), codeUnknownMethod},
		"2 MiB":                    {document(t, "session.login", "a", huge), codeNotConforming},
		"2 MiB with certificates":  {document(t, "certificate.import_pem", huge), codeNotConforming},
		"65 KiB":                   {document(t, "session.login", "a", huge[:65<<10]), codeNotConforming},
		"65 KiB with certificates": {document(t, "certificate.import_pem", huge[:65<<10]), 401},
	} {
		t.Run(name, func(t *testing.T) {
			_, fault := readResponse(t, f.post("", tt.body).Body.Bytes())
			if fault == nil || fault.code != tt.code {
				t.Errorf("got %v, want fault %d", fault, tt.code)
			}
		})
	}
}

// publicMethods are all that may be called without credentials.
var publicMethods = []string{
	"session.login", "session.logout", "system.getCapabilities", "system.listMethods",
	"system.methodHelp", "system.methodSignature", "system.multicall",
}

func TestEveryMethodNeedsCredentials(t *testing.T) {
	f := newFixture(t)
	for name, m := range f.methods {
		if public := slices.Contains(publicMethods, name); m.public() != public {
			t.Errorf("%s: public %v, want %v", name, m.public(), public)
		}
		if m.public() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			f.wantFault(t, 401, "", name)
			f.wantFault(t, 401, basic(account.RoleAdmin, "wrong"), name)
			f.wantFault(t, 401, "Bearer wrong", name)
			f.wantFault(t, 401, "Digest x", name)
			f.wantFault(t, 401, "garbage", name)
			f.wantFault(t, 401, "", name, map[string]any{"session": "unknown"})
			// A session that is named and wrong is not made good by the header.
			f.wantFault(t, 401, basic(account.RoleAdmin, "right"), name, map[string]any{"session": ""})
		})
	}
}

func TestRoles(t *testing.T) {
	f := newFixture(t)
	for name, allowed := range map[string][]account.Role{
		"gateway.version":                {account.RoleViewer, account.RoleOperator, account.RoleCertificateManager, account.RoleAdmin},
		"certificate.list":               {account.RoleViewer, account.RoleOperator, account.RoleCertificateManager, account.RoleAdmin},
		"certificate.activate":           {account.RoleCertificateManager, account.RoleAdmin},
		"certificate.import_pem":         {account.RoleCertificateManager, account.RoleAdmin},
		"tls.get_settings":               {account.RoleViewer, account.RoleOperator, account.RoleCertificateManager, account.RoleAdmin},
		"tls.set_settings":               {account.RoleAdmin},
		"gateway.default_fqdn":           {account.RoleViewer, account.RoleOperator, account.RoleCertificateManager, account.RoleAdmin},
		"certificate.delete":             {account.RoleCertificateManager, account.RoleAdmin},
		"certificate.create_self_signed": {account.RoleCertificateManager, account.RoleAdmin},
	} {
		for _, role := range []account.Role{account.RoleViewer, account.RoleOperator, account.RoleCertificateManager, account.RoleAdmin} {
			_, fault := f.call(t, basic(role, "right"), name)
			forbidden := fault != nil && fault.code == 403
			if forbidden == slices.Contains(allowed, role) {
				t.Errorf("%s as %s: fault %v", name, role, fault)
			}
		}
	}
}

func TestCredentials(t *testing.T) {
	f := newFixture(t)
	for _, authorization := range []string{"Bearer token", "bearer  token", basic("", "token"), basic(account.RoleViewer, "right")} {
		if got := f.mustCall(t, authorization, "gateway.version"); got != "1.2.3" {
			t.Errorf("%q: got %v", authorization, got)
		}
	}
	if want := netip.MustParseAddr("192.0.2.1"); f.accounts.remotes[0] != want { // httptest's
		t.Errorf("remote %v, want %v", f.accounts.remotes[0], want)
	}
	want := []account.Credential{{Password: "token"}, {Password: "token"}, {Password: "token"}, {User: "viewer", Password: "right"}}
	if diff := cmp.Diff(want, f.accounts.attempts); diff != "" {
		t.Errorf("credentials (-want +got):\n%s", diff)
	}
}

func TestSessionOverCalls(t *testing.T) {
	f := newFixture(t)
	f.wantFault(t, 401, "", "session.login", "viewer", "wrong")
	id := f.mustCall(t, "", "session.login", map[string]any{"user": "viewer", "password": "right"}).(string)
	session := map[string]any{"session": id}
	for range 3 {
		f.mustCall(t, "", "gateway.version", session)
	}
	if n := f.accounts.count(); n != 2 {
		t.Errorf("%d attempts counted, want 2: a session needs no password", n)
	}
	f.wantFault(t, 403, "", "tls.set_settings", session)
	f.wantFault(t, codeBadParams, "", "certificate.list", map[string]any{"session": id, "unknown": 1})
	f.wantFault(t, codeBadParams, "", "gateway.version", map[string]any{"session": 1})
	f.mustCall(t, "", "system.listMethods", session)

	f.clock.advance(sessionIdle)
	f.wantFault(t, 401, "", "gateway.version", session)

	id = f.mustCall(t, "", "session.login", "viewer", "right").(string)
	if got := f.mustCall(t, "", "session.logout", map[string]any{"session": id}); got != true {
		t.Errorf("logout: %v", got)
	}
	f.wantFault(t, 401, "", "gateway.version", map[string]any{"session": id})
	f.wantFault(t, 401, "", "session.logout", id)
}

func TestLog(t *testing.T) {
	f := newFixture(t)
	f.certificates.err = &domain.Error{Kind: domain.Internal, Err: context.DeadlineExceeded}
	_, fault := f.call(t, basic(account.RoleViewer, "right"), "certificate.active")
	if fault == nil || fault.code != codeInternal || fault.text != internalText {
		t.Errorf("fault %v", fault)
	}
	f.wantFault(t, 401, basic(account.RoleViewer, "s3cret"), "certificate.active")
	f.wantFault(t, 401, "", "session.login", "viewer", "s3cret")
	f.post("", "<methodCall>&s3cret;</methodCall>")
	logged := f.logged.String()
	if strings.Contains(logged, "s3cret") {
		t.Errorf("the log holds a password or a part of the body:\n%s", logged)
	}
	for _, part := range []string{
		`"level":"ERROR"`, `"method":"certificate.active","principal":"viewer","remote":"192.0.2.1"`,
		`"fault":-32603`, `"error":"internal: context deadline exceeded"`, `"fault":401`, `"fault":-32700`,
	} {
		if !strings.Contains(logged, part) {
			t.Errorf("the log lacks %s:\n%s", part, logged)
		}
	}
	if lines := strings.Count(logged, "\n"); lines != 4 {
		t.Errorf("%d lines for 4 calls:\n%s", lines, logged)
	}
}

// The client library of Go reads what we write and the other way round.
func TestKoloClient(t *testing.T) {
	f := newFixture(t)
	server := httptest.NewServer(f)
	defer server.Close()
	client, err := xmlrpc.NewClient(server.URL, &http.Transport{DisableKeepAlives: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()

	var id string
	if err := client.Call("session.login", []any{"admin", "right"}, &id); err != nil {
		t.Fatal(err)
	}
	var settings struct {
		Enabled    bool   `xmlrpc:"enabled"`
		MinVersion string `xmlrpc:"min_version"`
		Revision   int    `xmlrpc:"revision"`
		Applied    bool   `xmlrpc:"applied"`
	}
	change := map[string]any{"session": id, "enabled": true, "min_version": "1.3"}
	if err := client.Call("tls.set_settings", change, &settings); err != nil {
		t.Fatal(err)
	}
	if !settings.Enabled || settings.MinVersion != "1.3" || settings.Revision != 2 || !settings.Applied {
		t.Errorf("settings %+v", settings)
	}
	f.certificates.add("c1")
	var certificate struct {
		ID       string    `xmlrpc:"id"`
		NotAfter time.Time `xmlrpc:"not_after"`
		Names    []string  `xmlrpc:"names"`
	}
	if err := client.Call("certificate.get", map[string]string{"session": id, "id": "c1"}, &certificate); err != nil {
		t.Fatal(err)
	}
	if certificate.ID != "c1" || !certificate.NotAfter.Equal(testExpiry) || len(certificate.Names) != 2 {
		t.Errorf("certificate %+v", certificate)
	}
	err = client.Call("gateway.version", nil, nil)
	if err == nil || !strings.Contains(err.Error(), "credentials are missing") {
		t.Errorf("fault %v", err)
	}
}

// A result that XML-RPC has no form for is a fault of ours, and is logged.
func TestResultWithoutForm(t *testing.T) {
	f := newFixture(t)
	f.certificates.add("c1")
	year := f.certificates.certificates["c1"]
	year.NotAfter = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
	f.certificates.certificates["c1"] = year
	f.wantFault(t, codeInternal, asViewer, "certificate.get", "c1")
	if !strings.Contains(f.logged.String(), `member \"not_after\": XML-RPC has no form for the year 10000`) {
		t.Errorf("log:\n%s", f.logged)
	}
}

func TestConcurrentCalls(t *testing.T) {
	f := newFixture(t)
	f.logger = slog.New(slog.DiscardHandler)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			_, fault := f.call(t, asViewer, "gateway.version")
			id, loginFault := f.call(t, "", "session.login", "viewer", "right")
			if fault != nil || loginFault != nil {
				t.Errorf("faults %v, %v", fault, loginFault)
				return
			}
			if _, fault := f.call(t, "", "session.logout", id); fault != nil {
				t.Errorf("logout: %v", fault)
			}
		})
	}
	group.Wait()
}
