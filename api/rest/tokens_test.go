package rest

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/account"
)

var loopback = netip.MustParseAddr("127.0.0.1")

func TestLifeOfAToken(t *testing.T) {
	f := newFixture(t)
	const list = "/api/v1/tokens"
	created := f.call("POST", list, example(t, "TokenRequest")).want(http.StatusCreated)
	made := decoded[NewToken](created)
	if made.CreatedBy != "test-admin" || made.Role != account.RoleCertificateManager || made.ExpiresAt == nil {
		t.Errorf("%+v", made)
	}
	if got := created.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("a cache may keep the secret: Cache-Control %q", got)
	}
	p, err := f.login(t, "", made.Secret)
	if err != nil || p.Role != account.RoleCertificateManager || p.Token != made.ID {
		t.Errorf("the secret is good for %+v, error %v", p, err)
	}

	one := created.header.Get("Location")
	got := f.call("GET", one, "").want(http.StatusOK)
	if diff := cmp.Diff(made.Token, decoded[Token](got)); diff != "" || one != list+"/"+made.ID {
		t.Errorf("%s (-made +shown):\n%s", one, diff)
	}
	if got.etag() != created.etag() {
		t.Errorf("entity tag %s, when made %s", got.etag(), created.etag())
	}
	f.call("GET", one, "", "If-None-Match", got.etag()).want(http.StatusNotModified)

	f.call("DELETE", one, "", "If-Match", `"other"`).want(http.StatusPreconditionFailed)
	f.call("DELETE", one, "", "If-Match", got.etag()).want(http.StatusNoContent)
	f.call("DELETE", one, "").want(http.StatusNotFound)
	f.call("GET", one, "").want(http.StatusNotFound)
	if _, err := f.login(t, "", made.Secret); domain.KindOf(err) != domain.Unauthenticated {
		t.Errorf("the deleted token is good: %v", err)
	}
	if _, err := f.people.Current(t.Context(), p); domain.KindOf(err) != domain.Unauthenticated {
		t.Errorf("the deleted token goes on in sessions: %v", err)
	}
}

// A secret is on the wire once, and nowhere else.
func TestSecretOfATokenIsShownOnce(t *testing.T) {
	f := newFixture(t)
	made := decoded[NewToken](f.call("POST", "/api/v1/tokens", `{"name":"a","role":"viewer"}`).want(http.StatusCreated))
	if made.ExpiresAt != nil || !strings.HasPrefix(made.Secret, "pstn_") {
		t.Errorf("%+v", made)
	}
	for _, path := range []string{"/api/v1/tokens", "/api/v1/tokens/" + made.ID} {
		body := string(f.call("GET", path, "").want(http.StatusOK).body)
		if strings.Contains(body, made.Secret) || strings.Contains(body, "hash") {
			t.Errorf("%s shows %s", path, body)
		}
	}
	if strings.Contains(f.log.String(), made.Secret) {
		t.Error("the secret is in the log")
	}
}

func TestPagesOfTokens(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"c", "a", "b"} {
		f.call("POST", "/api/v1/tokens", `{"name":"`+name+`","role":"viewer"}`).want(http.StatusCreated)
	}
	var names []string
	path := "/api/v1/tokens?limit=2"
	for path != "" {
		got := f.callAs("viewer", "GET", path, "").want(http.StatusOK)
		for _, each := range decoded[Page[Token]](got).Items {
			names = append(names, each.Name)
		}
		path, _, _ = strings.Cut(strings.TrimPrefix(got.header.Get("Link"), "<"), ">")
	}
	if diff := cmp.Diff([]string{"c", "a", "b"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestRefusedTokens(t *testing.T) {
	f := newFixture(t)
	const path = "/api/v1/tokens"
	f.call("POST", path, `{"name":"a","role":"viewer"}`).want(http.StatusCreated)
	f.call("POST", path, `{"name":"a","role":"admin"}`).want(http.StatusConflict)
	// Nobody sets what the gateway sets.
	for _, member := range []string{"id", "secret", "created_by", "created_at", "hash", "ROLE"} {
		f.call("POST", path, `{"name":"b","role":"viewer","`+member+`":"x"}`).want(http.StatusBadRequest)
	}
	a := f.call("POST", path, `{"name":"","role":"root","expires_at":"2020-01-01T00:00:00Z"}`)
	want := []string{
		"/name: must not be empty",
		`/role: "root" is no role: use viewer, operator, certificate_manager or admin`,
		"/expires_at: must lie in the future",
	}
	if diff := cmp.Diff(want, a.want(http.StatusUnprocessableEntity).faults()); diff != "" {
		t.Error(diff)
	}
	f.call("POST", path, `{"name":"b","role":"viewer","expires_at":"9999-12-31T23:59:59-12:00"}`).want(http.StatusUnprocessableEntity)
	f.call("POST", path, `{"name":"b","role":"viewer","expires_at":"tomorrow"}`).want(http.StatusUnprocessableEntity)
	f.call("POST", path, `{}`).want(http.StatusUnprocessableEntity)
	if n := len(decoded[Page[Token]](f.call("GET", path, "")).Items); n != 1 {
		t.Errorf("%d tokens were made, want 1", n)
	}
}

func TestTokenBeyondItsScope(t *testing.T) {
	f := newFixture(t)
	p := f.parts()
	p.Authenticator = f.people
	server := httptest.NewServer(New(p).Handler())
	defer server.Close()
	made := decoded[NewToken](f.call("POST", basePath+"/tokens",
		`{"name":"queue","role":"admin","scopes":["queue"],"allowed_addresses":["127.0.0.0/8","::1"]}`).want(http.StatusCreated))
	if len(made.AllowedAddresses) != 2 || made.AllowedAddresses[1] != "::1/128" {
		t.Errorf("token %+v", made)
	}
	f.server = server
	f.callAs(made.Secret, "POST", basePath+"/messages/0000000000000/retry", "").want(http.StatusNotFound)
	refused := f.callAs(made.Secret, "GET", basePath+"/settings/tls", "").want(http.StatusForbidden)
	if p := decoded[Problem](refused); !strings.Contains(p.Detail, "scope read") {
		t.Errorf("the refusal does not name the scope: %s", p.Detail)
	}
}

func TestFaultsOfATokenRequest(t *testing.T) {
	f := newFixture(t)
	for body, pointer := range map[string]string{
		`{"name":"a","role":"viewer","scopes":["all"]}`:                   "/scopes/0",
		`{"name":"a","role":"viewer","allowed_addresses":["near"]}`:       "/allowed_addresses/0",
		`{"name":"a","role":"viewer","allowed_addresses":["10.0.0.1/8"]}`: "/allowed_addresses/0",
	} {
		faults := f.call("POST", basePath+"/tokens", body).want(http.StatusUnprocessableEntity).faults()
		if len(faults) != 1 || !strings.HasPrefix(faults[0], pointer+":") {
			t.Errorf("%s: faults %q", body, faults)
		}
	}
}
