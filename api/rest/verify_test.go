package rest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/domain/probe"
)

const verifyPath = "/api/v1/tls/verify"

func TestVerifyTLS(t *testing.T) {
	f := newFixture(t)
	outcome := &delivery.Outcome{Status: delivery.Deferred, Stage: delivery.StageVerify, Code: 454, Enhanced: "4.7.5", Text: "no"}
	f.probes.found = probe.Verification{
		Domain: "example.com", Revision: 3, Outcome: outcome, LeftOff: 1,
		Candidates: []probe.Tested{{
			Candidate: probe.Candidate{
				Host: "mx.example.com", Address: "192.0.2.1:25", Preference: 1,
				Decision: policy.Decision{Level: policy.TLSRequiredVerify, Checks: []policy.Check{policy.CheckDomain}, Domain: "example.com"},
				Ladder:   []probe.Rung{{Level: policy.TLSRequiredVerify}},
			},
			Outcome: outcome,
			Connections: []probe.Connection{{
				Rung: probe.Rung{Level: policy.TLSRequiredVerify}, FailedAt: delivery.StageVerify, Failure: "wrong name",
				TLS:   delivery.SessionTLS{Version: "TLS1.3"},
				Steps: []probe.Step{{Name: "connect", OK: true, Result: "192.0.2.1:25", Duration: 1500 * time.Microsecond}},
			}},
			Checks: []probe.CheckResult{{Check: policy.CheckDomain, Required: true, Reason: "name_mismatch", Tried: []string{"example.com"}}},
			Chain:  []probe.Certificate{{Subject: "CN=mx", NotBefore: noon, NotAfter: noon.Add(time.Hour), Fingerprint: "00", Key: "Ed25519"}},
		}},
	}
	got := decoded[map[string]any](f.call("POST", verifyPath, `{"domain":"EXAMPLE.com","timeout_seconds":5}`).want(http.StatusOK))
	if got["verdict"] != "deferred" || got["candidates_left_off"] != 1.0 || got["outcome"].(map[string]any)["enhanced"] != "4.7.5" {
		t.Errorf("%v", got)
	}
	candidate := got["candidates"].([]any)[0].(map[string]any)
	if candidate["host"] != "mx.example.com" || candidate["verdict"] != "deferred" || candidate["decision"].(map[string]any)["tls_level"] != "required_verify" {
		t.Errorf("%v", candidate)
	}
	connection := map[string]any{
		"tls_level": "required_verify", "small_client_hello": false, "failed_at": "verify", "failure": "wrong name",
		"tls":   map[string]any{"version": "TLS1.3"},
		"steps": []any{map[string]any{"name": "connect", "ok": true, "result": "192.0.2.1:25", "duration_microseconds": 1500.0}},
	}
	if diff := cmp.Diff([]any{connection}, candidate["connections"]); diff != "" {
		t.Error(diff)
	}
	f.call("POST", "/api/v1/tls/verify", `{"domain":"example.com","require_tls":true}`).want(http.StatusOK)
	if q := f.probes.asked[len(f.probes.asked)-1]; q != (probe.Question{Domain: "example.com", RequireTLS: true}) {
		t.Errorf("asked %+v", q)
	}
	if q := f.probes.asked[0]; q != (probe.Question{Domain: "example.com", Limit: 5 * time.Second}) {
		t.Errorf("asked %+v", q)
	}
}

func TestVerifyRefusesBadQuestions(t *testing.T) {
	f := newFixture(t)
	for body, want := range map[string]string{
		`{}`: "name a domain, a host or a server profile", `{"domain":"a..b"}`: "/domain", `{"domain":"a.example","port":25}`: "/port",
		`{"host":"a.example","port":70000}`: "/port", `{"host":"a.example","port":-1}`: "/port",
		`{"domain":"a.example","timeout_seconds":61}`: "/timeout_seconds", `{"domain":"a.example","timeout_seconds":-1}`: "/timeout_seconds",
	} {
		a := f.call("POST", verifyPath, body).want(http.StatusUnprocessableEntity)
		if !strings.Contains(string(a.body), want) {
			t.Errorf("%s: %s", body, a.body)
		}
	}
	f.call("POST", verifyPath, `{"profile":"x"}`).want(http.StatusBadRequest)
	if len(f.probes.asked) > 0 {
		t.Errorf("asked %+v", f.probes.asked)
	}
	f.probes.refusal = domain.E(domain.Exhausted, "2 live tests are under way")
	if a := f.call("POST", verifyPath, `{"host":"a.example"}`).want(http.StatusTooManyRequests); a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	f.callAs("viewer", "POST", verifyPath, `{"host":"a.example"}`).want(http.StatusForbidden)
}

func TestVerifyExampleIsStrictlyValid(t *testing.T) {
	if err := decodeOnly[VerifyRequest]([]byte(example(t, "VerifyRequest"))); err != nil {
		t.Error(err)
	}
}
