package rest

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const profilePath = basePath + "/server-profiles/smarthost"

const profileBody = `{"type":"smtp","uris":["smtp://relay.example:587"],"transport_encryption":"starttls_required","username":"postern","password":"hunter2-hunter2"}`

// TestPasswordIsWriteOnly is B32: a password goes in and never comes out, of
// replies, revisions, differences or logs.
func TestPasswordIsWriteOnly(t *testing.T) {
	f := newFixture(t)
	created := f.call("PUT", profilePath, profileBody).want(http.StatusCreated)
	profile := decoded[ServerProfile](created)
	if !profile.PasswordSet || profile.Username != "postern" || profile.Password != "" {
		t.Errorf("shown as %+v", profile)
	}
	revision := created.header.Get(headerCommitted)
	seen := []string{string(created.body)}
	for _, path := range []string{"/server-profiles", "/server-profiles/smarthost", "/revisions/" + revision, "/revisions/" + revision + "/diff"} {
		seen = append(seen, string(f.call("GET", basePath+path, "").want(http.StatusOK).body))
	}
	// Nor out of a refusal.
	seen = append(seen, string(f.call("PUT", profilePath, strings.Replace(profileBody, "smtp://", "imap://", 1)).want(http.StatusUnprocessableEntity).body))
	seen = append(seen, f.log.String())
	for _, text := range seen {
		if strings.Contains(text, "hunter2") {
			t.Errorf("the password came out: %s", text)
		}
	}
}

// A password stays until another one is written, and goes with the username.
func TestPasswordIsKept(t *testing.T) {
	f := newFixture(t)
	f.call("PUT", profilePath, profileBody).want(http.StatusCreated)
	without := strings.Replace(profileBody, `,"password":"hunter2-hunter2"`, "", 1)
	stored := func() string {
		t.Helper()
		p, ok := f.config.Snapshot().ServerProfile("smarthost")
		if !ok {
			t.Fatal("no profile")
		}
		value, _ := f.secrets.Get(t.Context(), p.PasswordID)
		return value
	}
	steps := []struct {
		name, method, body, want string
		changes                  bool
	}{
		{"PUT without it", "PUT", without, "hunter2-hunter2", false},
		{"PUT with the same", "PUT", profileBody, "hunter2-hunter2", false},
		{"PATCH of something else", "PATCH", `{"description":"x"}`, "hunter2-hunter2", true},
		{"PATCH with another", "PATCH", `{"password":"second"}`, "second", true},
		{"PATCH with null keeps it", "PATCH", `{"password":null}`, "second", false},
		{"PATCH without a username", "PATCH", `{"username":null}`, "", true},
	}
	for _, step := range steps {
		before := f.config.Snapshot().Revision
		f.call(step.method, profilePath, step.body).want(http.StatusOK)
		if got := stored(); got != step.want {
			t.Errorf("%s: stored %q, want %q", step.name, got, step.want)
		}
		if changed := f.config.Snapshot().Revision != before; changed != step.changes {
			t.Errorf("%s: made a revision: %t", step.name, changed)
		}
	}
	if len(f.secrets.values) != 2 {
		t.Errorf("%d secrets were stored, want 2", len(f.secrets.values))
	}
	f.call("PUT", profilePath, without).want(http.StatusUnprocessableEntity) // There is none to keep any more.
}

// A secret goes to the servers that it was given for: whoever leads the profile
// elsewhere must know it (B32).
func TestSecretsDoNotMoveToAnotherServer(t *testing.T) {
	f := newFixture(t)
	f.call("PUT", profilePath, profileBody).want(http.StatusCreated)
	f.call("PUT", corePath, `{"type":"core","uris":["https://core.example:8008"],"api_key":"first-key"}`).want(http.StatusCreated)
	_, change := f.openDraft("move the servers")
	for _, tc := range []struct {
		path, body, fault string
	}{
		{profilePath, `{"uris":["smtp://evil.example:587"]}`, "/password: is needed again"},
		{profilePath, `{"uris":["smtp://relay.example:2525"]}`, "/password: is needed again"},
		{profilePath, `{"uris":["smtp://relay.example:587","smtp://evil.example:587"],"password":null}`, "/password: is needed again"},
		{profilePath + change, `{"uris":["smtp://evil.example:587"]}`, "/password: is needed again"},
		{corePath, `{"uris":["https://evil.example:8008"]}`, "/api_key: is needed again"},
		{corePath, `{"uris":["https://core.example:8008","https://evil.example:8008"],"api_key":null}`, "/api_key: is needed again"},
		{corePath + change, `{"uris":["https://evil.example:8008"]}`, "/api_key: is needed again"},
	} {
		faults := f.call("PATCH", tc.path, tc.body).want(http.StatusUnprocessableEntity).faults()
		if len(faults) != 1 || !strings.HasPrefix(faults[0], tc.fault) {
			t.Errorf("%s %s: %v", tc.path, tc.body, faults)
		}
	}
	for _, tc := range []struct{ path, body string }{
		{profilePath, `{"uris":["smtp://RELAY.example:587/"]}`},
		{profilePath, `{"uris":["smtp://other.example"],"password":"hunter2-hunter2"}`},
		{profilePath, `{"uris":["smtp://third.example"],"username":null}`},
		{corePath, `{"uris":["https://core.example:8008/api"]}`},
		{corePath, `{"uris":["https://other.example"],"api_key":"first-key"}`},
		{corePath, `{"uris":["https://third.example"],"api_key":""}`},
	} {
		f.call("PATCH", tc.path, tc.body).want(http.StatusOK)
	}
}

// Bad input is refused with the place and the mend, nothing half applied.
func TestServerProfileRefusals(t *testing.T) {
	f := newFixture(t)
	tests := []struct {
		name, body string
		want       []string // beginnings of the faults
	}{
		{
			"everything at once", `{"type":"smtp","uris":["relay","smtps://b.example"],"transport_encryption":"starttls_optional","verify":false,"username":"u"}`,
			[]string{"/uris/0: ", "/uris/1: smtps is TLS from its first octet", "/password: is required", "/allow_credentials_over_unverified_tls: must be true"},
		},
		{
			"in clear", `{"type":"smtp","uris":["smtp://a.example"],"transport_encryption":"none","username":"u","password":"p"}`,
			[]string{"/transport_encryption: none would send the credentials in clear"},
		},
		{
			"a long password", `{"type":"smtp","uris":["smtp://a.example"],"transport_encryption":"starttls_required","username":"u","password":"` + strings.Repeat("p", 1025) + `"}`,
			[]string{"/password: is longer"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := f.call("PUT", profilePath, tt.body).want(http.StatusUnprocessableEntity).faults()
			if !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
				t.Errorf("faults %q, want %q", got, tt.want)
			}
		})
	}
	f.call("GET", profilePath, "").want(http.StatusNotFound)
	f.call("PUT", profilePath, `{"type":"smtp","uris":[],"relay":1}`).want(http.StatusBadRequest)
}

// A profile that a route leads to stays, and a route leads to no profile that is
// not there.
func TestServerProfileInUse(t *testing.T) {
	f := newFixture(t)
	routePath, toProfile := basePath+"/routes/example.com", `{"next_hops":[{"server_profile":"smarthost","priority":0}]}`
	got := f.call("PUT", routePath, toProfile).want(http.StatusUnprocessableEntity).faults()
	if diff := cmp.Diff([]string{`/next_hops/0/server_profile: there is no server profile "smarthost": make it first`}, got); diff != "" {
		t.Error(diff)
	}
	f.call("PUT", profilePath, profileBody).want(http.StatusCreated)
	f.call("PUT", routePath, toProfile).want(http.StatusCreated)
	conflict := decoded[Problem](f.call("DELETE", profilePath, "").want(http.StatusConflict))
	if !strings.Contains(conflict.Detail, `route "example.com"`) {
		t.Errorf("detail %q", conflict.Detail)
	}
	f.call("DELETE", routePath, "").want(http.StatusNoContent)
	f.call("DELETE", profilePath, "").want(http.StatusNoContent)
}

func TestRouteRefusals(t *testing.T) {
	f := newFixture(t)
	path := basePath + "/routes/example.com"
	got := f.call("PUT", path, `{"next_hops":[{"host":"a b","priority":0},{"discard":true,"priority":0},{"host":"a.example","use_dns":true,"priority":1}]}`).
		want(http.StatusUnprocessableEntity).faults()
	want := []string{
		`/next_hops/0/host: "a b" is neither a host name nor an IP address`,
		"/next_hops/2: must have exactly one of host, server_profile, use_dns and discard",
		"/next_hops/1/priority: /dev/null must be alone at its priority",
	}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("faults %q, want %q", got, want)
	}
	warned := f.call("PUT", path, `{"next_hops":[{"host":"a.example","priority":0},{"discard":true,"priority":9}]}`).want(http.StatusCreated)
	if !strings.Contains(string(warned.body), "mail is thrown away when a.example:25 is out of reach") {
		t.Errorf("no warning in %s", warned.body)
	}
}

func TestTrustAnchorRefusals(t *testing.T) {
	f := newFixture(t)
	path := basePath + "/trust-anchors/x"
	got := f.call("PUT", path, `{"usage":"server","certificate":"no PEM"}`).want(http.StatusUnprocessableEntity).faults()
	want := []string{`/usage: "server" is unknown`, "/certificate: is not PEM text"}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("faults %q, want %q", got, want)
	}
	shown := decoded[TrustAnchor](f.call("PUT", basePath+"/trust-anchors/partner-authority", example(t, "TrustAnchor")).want(http.StatusCreated))
	if len(shown.Details) != 1 || shown.Details[0].Subject != "CN=Example Mail Authority,O=Example" {
		t.Errorf("details %+v", shown.Details)
	}
}
