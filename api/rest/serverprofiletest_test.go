package rest

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/policy"
	"postern/domain/probe"
)

const corePath = basePath + "/server-profiles/core"

// apiKeyID is the reference that is stored with the profile.
func apiKeyID(t *testing.T, f *fixture) string {
	t.Helper()
	p, ok := f.config.Snapshot().CoreProfile("core")
	if !ok {
		t.Fatal("no profile")
	}
	return p.APIKeyID
}

// An API key goes in and never comes out: not in the profile, not in a diff, not
// in the log (B32).
func TestAPIKeyIsWriteOnly(t *testing.T) {
	f := newFixture(t)
	const key, next = "first-key", "second-key"
	body := func(apiKey string) string {
		return `{"type":"core","uris":["https://core.example:8008"]` + apiKey + `}`
	}

	created := f.call("PUT", corePath, body(`,"api_key":"`+key+`"`)).want(http.StatusCreated)
	if id := apiKeyID(t, f); f.secrets.value(t, id) != key || !decoded[ServerProfile](created).APIKeySet {
		t.Errorf("stored %q, reply %s", f.secrets.value(t, id), created.body)
	}
	first := apiKeyID(t, f)
	// Without the key, or with the same one, it stays as it is.
	for _, same := range []string{"", `,"api_key":"` + key + `"`, `,"api_key_set":true`} {
		f.call("PUT", corePath, body(same)).want(http.StatusOK)
		if got := apiKeyID(t, f); got != first || len(f.secrets.values) != 1 {
			t.Errorf("%s: the key is %q of %d", same, got, len(f.secrets.values))
		}
	}
	f.call("PATCH", corePath, `{"rule":"Email"}`).want(http.StatusOK)
	f.call("PATCH", corePath, `{"api_key":"`+next+`"}`).want(http.StatusOK)
	if got := f.secrets.value(t, apiKeyID(t, f)); got != next {
		t.Errorf("the key is %q", got)
	}
	gone := f.call("PATCH", corePath, `{"api_key":""}`).want(http.StatusOK)
	if apiKeyID(t, f) != "" || decoded[ServerProfile](gone).APIKeySet {
		t.Errorf("the key is still there: %s", gone.body)
	}
	faults := f.call("PATCH", corePath, `{"api_key":"a\r\nb"}`).want(http.StatusUnprocessableEntity)
	if !strings.Contains(string(faults.body), `"/api_key"`) {
		t.Errorf("faults: %s", faults.body)
	}
	for _, path := range []string{corePath, basePath + "/server-profiles", basePath + "/revisions", basePath + "/revisions/2/diff"} {
		if got := string(f.call("GET", path, "").want(http.StatusOK).body); strings.Contains(got, "-key\"") || strings.Contains(got, key) || strings.Contains(got, next) {
			t.Errorf("%s shows a key: %s", path, got)
		}
	}
	if log := f.log.String(); strings.Contains(log, key) || strings.Contains(log, next) {
		t.Error("a key is in the log")
	}
}

// A key that could leave without verified TLS is refused, until the profile
// allows it (B32).
func TestAPIKeyInClearIsRefused(t *testing.T) {
	f := newFixture(t)
	const document = `{"type":"core","uris":["http://127.0.0.1:8008"],"api_key":"key"%s}`
	refused := f.call("PUT", corePath, fmt.Sprintf(document, "")).want(http.StatusUnprocessableEntity)
	if got := refused.faults(); len(got) != 1 || !strings.HasPrefix(got[0], "/allow_credentials_over_unverified_tls: ") {
		t.Errorf("faults: %v", got)
	}
	f.call("PUT", corePath, fmt.Sprintf(document, `,"allow_credentials_over_unverified_tls":true`)).want(http.StatusCreated)
}

// The inspection settings hold their profile (B34).
func TestInspectionNeedsItsProfile(t *testing.T) {
	f := newFixture(t)
	const settings = basePath + "/settings/inspection"
	f.call("PATCH", settings, `{"enabled":true}`).want(http.StatusUnprocessableEntity)
	f.call("PATCH", settings, `{"enabled":true,"profile":"core"}`).want(http.StatusUnprocessableEntity)
	f.call("PUT", corePath, `{"type":"core","uris":["https://core.example"],"verify":false}`).want(http.StatusCreated)
	warned := f.call("PATCH", settings, `{"enabled":true,"profile":"core","on_unavailable":"deliver"}`).want(http.StatusOK)
	if !strings.Contains(string(warned.body), `"pointer":"/on_unavailable"`) {
		t.Errorf("no warning in %s", warned.body)
	}
	f.call("DELETE", corePath, "").want(http.StatusConflict)
	f.call("PATCH", settings, `{"enabled":false,"profile":""}`).want(http.StatusOK)
	f.call("DELETE", corePath, "").want(http.StatusNoContent)
}

// The live test of a profile of type core shows how far each server came.
func TestServerProfileTestOfTypeCore(t *testing.T) {
	f := newFixture(t)
	f.call("POST", corePath+"/test", "").want(http.StatusNotFound)
	f.call("PUT", corePath, `{"type":"core","uris":["https://core.example"]}`).want(http.StatusCreated)
	f.probes.inspection.Servers = []probe.InspectedServer{{URI: "https://core.example", Steps: []probe.InspectionStep{
		{Stage: probe.InspectionConnect, OK: true, Detail: "192.0.2.1:443", Took: 2 * time.Millisecond},
		{Stage: probe.InspectionTLS, Detail: "not trusted", Took: 3 * time.Millisecond},
	}}}
	got := decoded[ServerProfileTest](f.callAs("operator", "POST", corePath+"/test", "").want(http.StatusOK))
	want := ServerProfileTest{Profile: "core", Type: policy.ServerCore, Revision: f.config.Snapshot().Revision, Servers: []InspectedServer{{
		URI: "https://core.example", Steps: []InspectionStep{
			{Stage: "connect", Passed: true, DurationMilliseconds: 2, Detail: "192.0.2.1:443"},
			{Stage: "tls", DurationMilliseconds: 3, Detail: "not trusted"},
		},
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("test (-want +got):\n%s", diff)
	}
}

// The live test of a profile of type smtp is that of "verifyTLS", asked about the
// profile.
func TestServerProfileTestOfTypeSMTP(t *testing.T) {
	f := newFixture(t)
	f.call("POST", profilePath+"/test", "").want(http.StatusNotFound)
	f.call("PUT", profilePath, profileBody).want(http.StatusCreated)
	f.probes.found = probe.Verification{ServerProfile: "smarthost", Revision: 2, ReadyAt: "192.0.2.1:25"}
	shown := decoded[ServerProfileTest](f.callAs("operator", "POST", profilePath+"/test", "").want(http.StatusOK))
	if shown.Type != policy.ServerSMTP || !shown.Passed || shown.Revision != 2 || shown.Servers != nil {
		t.Errorf("shown as %+v", shown)
	}
	if d := shown.Delivery; d == nil || d.ServerProfile != "smarthost" || d.Verdict != probe.Deliverable {
		t.Errorf("the delivery is shown as %+v", d)
	}
	f.call("POST", basePath+"/tls/verify", `{"server_profile":"smarthost","domain":"example.com"}`).want(http.StatusOK)
	want := []probe.Question{{ServerProfile: "smarthost"}, {ServerProfile: "smarthost", Domain: "example.com"}}
	if diff := cmp.Diff(want, f.probes.asked); diff != "" {
		t.Error(diff)
	}
	f.probes.refusal = domain.E(domain.Conflict, "the profile has become one of another type")
	f.call("POST", profilePath+"/test", "").want(http.StatusConflict)
}

// A profile has a type, keeps to what belongs to it, and may change it while
// nothing depends on it (B32).
func TestServerProfileTypes(t *testing.T) {
	f := newFixture(t)
	refused := f.call("PUT", corePath, `{"type":"core","uris":["smtp://a.example"],"transport_encryption":"none","username":"u","password":"p"}`).
		want(http.StatusUnprocessableEntity).faults()
	want := []string{
		"/uris/0: has another scheme than http and https",
		"/transport_encryption: belongs to profiles of type smtp", "/username: belongs", "/password: belongs",
	}
	if !slices.EqualFunc(refused, want, strings.HasPrefix) {
		t.Errorf("type core: faults %q, want %q", refused, want)
	}
	refused = f.call("PUT", profilePath, `{"type":"smtp","uris":["smtps://a.example"],"api_key":"k","rule":"r","timeout_seconds":1}`).
		want(http.StatusUnprocessableEntity).faults()
	want = []string{"/api_key: belongs to profiles of type core", "/rule: belongs", "/timeout_seconds: belongs"}
	if !slices.EqualFunc(refused, want, strings.HasPrefix) {
		t.Errorf("type smtp: faults %q, want %q", refused, want)
	}
	if n := len(f.secrets.values); n != 0 {
		t.Errorf("%d secrets were stored for refused profiles", n)
	}
	f.call("PUT", corePath, `{"uris":["https://core.example"]}`).want(http.StatusUnprocessableEntity)

	// The secret of one type does not outlive a change to the other.
	f.call("PUT", corePath, `{"type":"core","uris":["https://core.example"],"api_key":"k"}`).want(http.StatusCreated)
	changed := decoded[ServerProfile](f.call("PATCH", corePath, `{"type":"smtp","uris":["smtps://core.example"],"username":"u","password":"p"}`).want(http.StatusOK))
	if changed.APIKeySet || !changed.PasswordSet {
		t.Errorf("changed to %+v", changed)
	}
	changed = decoded[ServerProfile](f.call("PUT", corePath, `{"type":"core","uris":["https://core.example"]}`).want(http.StatusOK))
	if changed.APIKeySet || changed.PasswordSet {
		t.Errorf("changed back to %+v", changed)
	}
}

// What uses a profile needs it to be of its type.
func TestServerProfileTypeIsHeldByItsUsers(t *testing.T) {
	f := newFixture(t)
	const settings, route = basePath + "/settings/inspection", basePath + "/routes/example.com"
	toProfile := func(name string) string {
		return `{"next_hops":[{"server_profile":"` + name + `","priority":0}]}`
	}
	f.call("PUT", profilePath, profileBody).want(http.StatusCreated)
	f.call("PUT", corePath, `{"type":"core","uris":["https://core.example"]}`).want(http.StatusCreated)
	wantFault := func(a answer, want string) {
		t.Helper()
		if got := a.want(http.StatusUnprocessableEntity).faults(); len(got) != 1 || got[0] != want {
			t.Errorf("faults %q, want %q", got, want)
		}
	}
	wantFault(f.call("PATCH", settings, `{"enabled":true,"profile":"smarthost"}`), `/profile: server profile "smarthost" is of type smtp: name one of type core`)
	wantFault(f.call("PUT", route, toProfile("core")), `/next_hops/0/server_profile: server profile "core" is of type core: name one of type smtp`)
	f.call("PATCH", settings, `{"enabled":true,"profile":"core"}`).want(http.StatusOK)
	f.call("PUT", route, toProfile("smarthost")).want(http.StatusCreated)
	wantFault(f.call("PUT", corePath, `{"type":"smtp","uris":["smtps://core.example"]}`), "/type: must stay core: the profile is used by the inspection settings")
	wantFault(f.call("PUT", profilePath, `{"type":"core","uris":["https://core.example"]}`), `/type: must stay smtp: the profile is used by route "example.com"`)
}

// Faults of type, of value and of the secret come in one reply, and nothing is
// sealed for what is refused.
func TestServerProfileFaultsComeTogether(t *testing.T) {
	f := newFixture(t)
	long := strings.Repeat("p", maxPasswordOctets+1)
	for body, want := range map[string][]string{
		`{"type":"smtp","uris":["relay"],"verify":"no","transport_encryption":"tls","username":"u","password":"p"}`: {"/verify", "/transport_encryption", "/uris/0"},
		`{"type":"smtp","uris":["relay"],"transport_encryption":"none","password":"` + long + `"}`:                  {"/password", "/uris/0", "/username"},
		`{"type":"core","uris":["relay"],"timeout_seconds":"x","api_key":"a b"}`:                                    {"/timeout_seconds", "/api_key", "/uris/0"},
		`{"type":"core","uris":["http://core.example"],"rule":5,"api_key":"key"}`:                                   {"/rule", "/allow_credentials_over_unverified_tls"},
	} {
		var pointers []string
		for _, fault := range decoded[Problem](f.call("PUT", profilePath, body).want(http.StatusUnprocessableEntity)).Errors {
			pointers = append(pointers, fault.Pointer)
		}
		if diff := cmp.Diff(want, pointers); diff != "" {
			t.Errorf("%.80s (-want +got):\n%s", body, diff)
		}
	}
	if n := len(f.secrets.values); n != 0 {
		t.Errorf("%d secrets were stored for refused profiles", n)
	}
}

func (p *probes) core(_ context.Context, profile policy.CoreProfile) (probe.Inspection, error) {
	p.inspection.Profile = profile.Name
	return p.inspection, nil
}
