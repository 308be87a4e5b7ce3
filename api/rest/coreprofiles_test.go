package rest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/policy"
	"postern/domain/probe"
)

const corePath = basePath + "/inspection-profiles/core"

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
	body := func(apiKey string) string { return `{"uris":["https://core.example:8008"]` + apiKey + `}` }

	created := f.call("PUT", corePath, body(`,"api_key":"`+key+`"`)).want(http.StatusCreated)
	if id := apiKeyID(t, f); f.secrets.value(t, id) != key || !decoded[CoreProfile](created).APIKeySet {
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
	if apiKeyID(t, f) != "" || decoded[CoreProfile](gone).APIKeySet {
		t.Errorf("the key is still there: %s", gone.body)
	}
	faults := f.call("PATCH", corePath, `{"api_key":"a\r\nb"}`).want(http.StatusUnprocessableEntity)
	if !strings.Contains(string(faults.body), `"/api_key"`) {
		t.Errorf("faults: %s", faults.body)
	}
	for _, path := range []string{corePath, basePath + "/inspection-profiles", basePath + "/revisions", basePath + "/revisions/2/diff"} {
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
	const document = `{"uris":["http://127.0.0.1:8008"],"api_key":"key"%s}`
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
	f.call("PUT", corePath, `{"uris":["https://core.example"],"verify":false}`).want(http.StatusCreated)
	warned := f.call("PATCH", settings, `{"enabled":true,"profile":"core","on_unavailable":"deliver"}`).want(http.StatusOK)
	if !strings.Contains(string(warned.body), `"pointer":"/on_unavailable"`) {
		t.Errorf("no warning in %s", warned.body)
	}
	f.call("DELETE", corePath, "").want(http.StatusConflict)
	f.call("PATCH", settings, `{"enabled":false,"profile":""}`).want(http.StatusOK)
	f.call("DELETE", corePath, "").want(http.StatusNoContent)
}

func TestCoreProfileTest(t *testing.T) {
	f := newFixture(t)
	f.call("POST", corePath+"/test", "").want(http.StatusNotFound)
	f.call("PUT", corePath, `{"uris":["https://core.example"]}`).want(http.StatusCreated)
	f.probes.inspection.Servers = []probe.InspectedServer{{URI: "https://core.example", Steps: []probe.InspectionStep{
		{Stage: probe.InspectionConnect, OK: true, Detail: "192.0.2.1:443", Took: 2 * time.Millisecond},
		{Stage: probe.InspectionTLS, Detail: "not trusted", Took: 3 * time.Millisecond},
	}}}
	got := decoded[CoreProfileTest](f.callAs("operator", "POST", corePath+"/test", "").want(http.StatusOK))
	want := CoreProfileTest{Profile: "core", Revision: f.config.Snapshot().Revision, Servers: []CoreServerTest{{
		URI: "https://core.example", Steps: []CoreTestStep{
			{Stage: "connect", Passed: true, DurationMilliseconds: 2, Detail: "192.0.2.1:443"},
			{Stage: "tls", DurationMilliseconds: 3, Detail: "not trusted"},
		},
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("test (-want +got):\n%s", diff)
	}
}

func (p *probes) core(_ context.Context, profile policy.CoreProfile) (probe.Inspection, error) {
	p.inspection.Profile = profile.Name
	return p.inspection, nil
}
