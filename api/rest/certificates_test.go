package rest

import (
	"net/http"
	"strings"
	"testing"

	"postern/domain/certificate"
)

func TestCertificates(t *testing.T) {
	f := newFixture(t)
	const list = "/api/v1/certificates"
	f.call("GET", list+"/active", "").want(http.StatusNotFound)

	created := f.callAs("certificate_manager", "POST", list+"/self-signed", example(t, "SelfSignedRequest")).want(http.StatusCreated)
	made := decoded[Certificate](created)
	if made.State != certificate.Inactive || made.Source != certificate.SelfSigned || made.CreatedBy != "test-certificate_manager" {
		t.Errorf("%+v", made)
	}
	if strings.Contains(string(created.body), "PRIVATE KEY") || !strings.Contains(made.PEM, "BEGIN CERTIFICATE") {
		t.Errorf("%s", created.body)
	}
	one := created.header.Get("Location")
	got := f.call("GET", one, "").want(http.StatusOK)
	f.call("GET", one, "", "If-None-Match", created.etag()).want(http.StatusNotModified)

	f.call("POST", one+"/activate", "", "If-Match", `"other"`).want(http.StatusPreconditionFailed)
	active := f.call("POST", one+"/activate?wait=1ms", "", "If-Match", got.etag()).want(http.StatusOK)
	if active.header.Get("Activation-Committed") != "1" || active.header.Get("Activation-Applied") != "0" {
		t.Errorf("%v", active.header)
	}
	if decoded[Certificate](f.call("GET", list+"/active", "").want(http.StatusOK)).ID != made.ID {
		t.Error("another one is active")
	}
	f.call("DELETE", one, "").want(http.StatusConflict)

	second := f.call("POST", list+"/self-signed", `{"host_name":"other.example.com"}`).want(http.StatusCreated)
	f.call("DELETE", second.header.Get("Location"), "", "If-Match", second.etag()).want(http.StatusNoContent)
	f.call("DELETE", second.header.Get("Location"), "").want(http.StatusNotFound)
	f.call("POST", second.header.Get("Location")+"/activate", "").want(http.StatusNotFound)
	page := decoded[Page[Certificate]](f.call("GET", list+"?limit=1", "").want(http.StatusOK))
	if len(page.Items) != 1 || page.NextCursor != "" {
		t.Errorf("%+v", page)
	}
}

// What is wrong with an import is told by part, and never repeats the key.
func TestBadImports(t *testing.T) {
	f := newFixture(t)
	const path = "/api/v1/certificates/import"
	a := f.call("POST", path, `{"certificate":"nonsense","private_key":"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"}`)
	faults := strings.Join(a.want(http.StatusUnprocessableEntity).faults(), "\n")
	if !strings.Contains(faults, "/certificate: ") || strings.Contains(faults, "c2VjcmV0") {
		t.Errorf("faults: %s", faults)
	}
	f.call("POST", path, `{}`).want(http.StatusUnprocessableEntity)
	f.call("POST", path, `{"certificate":"x","passphrase":"y"}`).want(http.StatusBadRequest)
	if strings.Contains(f.log.String(), "c2VjcmV0") {
		t.Error("the key is in the log")
	}
}
