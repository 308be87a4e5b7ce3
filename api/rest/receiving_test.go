package rest

import (
	"net/http"
	"strings"
	"testing"
)

// The fields of B11, B14 and B17 are held to their rules, and a patch with null
// goes back to what is inherited.
func TestFieldsOfReceiving(t *testing.T) {
	f := newFixture(t)
	const p, l = basePath + "/mail-flow-policies/PARTNER", basePath + "/listeners/inbound"
	for body, want := range map[string]string{
		`{"action":"accept","verify_client_certificate":"yes"}`:                 "/verify_client_certificate: must be",
		`{"action":"accept","tls_mandatory_senders":["a@b.example","example"]}`: "/tls_mandatory_senders/1: ",
		`{"action":"accept","tls_mandatory_senders":["@ALL"]}`:                  "/tls_mandatory_senders/0: ",
		`{"action":"accept","max_line_bytes":10}`:                               "/max_line_bytes: must be from 1000",
		`{"action":"accept","max_header_bytes":10}`:                             "/max_header_bytes: must be from 8192",
	} {
		a := f.call("PUT", p, body).want(http.StatusUnprocessableEntity)
		if got := strings.Join(a.faults(), "\n"); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	for body, want := range map[string]string{
		`{"cipher_profile":"old"}`:                              "/cipher_profile: ",
		`{"cipher_profile":"modern","min_tls_version":"1.0"}`:   "/min_tls_version: ",
		`{"proxy_protocol_from":["192.0.2.1","proxy.example"]}`: "/proxy_protocol_from/1: ",
		`{"proxy_protocol_from":["192.0.2.1/24"]}`:              "/proxy_protocol_from/0: ",
	} {
		a := f.call("PATCH", l, body).want(http.StatusUnprocessableEntity)
		if got := strings.Join(a.faults(), "\n"); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	warned := f.call("PATCH", l, `{"proxy_protocol_from":["0.0.0.0/0"],"cipher_profile":"compatible"}`).want(http.StatusOK)
	if !strings.Contains(string(warned.body), `"pointer":"/proxy_protocol_from/0"`) {
		t.Errorf("no warning of the world as proxy: %s", warned.body)
	}

	f.call("PUT", p, `{"action":"accept","verify_client_certificate":false,"tls_mandatory_senders":[]}`).want(http.StatusCreated)
	kept := string(f.call("GET", p, "").want(http.StatusOK).body)
	if !strings.Contains(kept, `"verify_client_certificate":false`) || !strings.Contains(kept, `"tls_mandatory_senders":[]`) {
		t.Errorf("false and nobody are not kept: %s", kept)
	}
	f.call("PATCH", p, `{"verify_client_certificate":null,"tls_mandatory_senders":null}`).want(http.StatusOK)
	if inherited := string(f.call("GET", p, "").want(http.StatusOK).body); strings.Contains(inherited, "verify") || strings.Contains(inherited, "mandatory") {
		t.Errorf("null does not inherit: %s", inherited)
	}
}
