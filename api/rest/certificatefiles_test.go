package rest

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"postern/domain/certificate"
)

// signedBySelf makes a certificate for the key of a request, by another key.
func signedBySelf(t *testing.T, requestPEM string) string {
	t.Helper()
	block, _ := pem.Decode([]byte(requestPEM))
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := certificate.NewDemonstration("ca.example", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	parent, err := ca.Certificate.Leaf()
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: request.Subject, DNSNames: request.DNSNames,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}, parent, request.PublicKey, ca.Key.Signer())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// B43: the whole way of a request.
func TestCertificateRequest(t *testing.T) {
	f := newFixture(t)
	const list = "/api/v1/certificates"
	created := f.callAs("certificate_manager", "POST", list+"/csr", `{"host_name":"mail.example.com"}`).want(http.StatusCreated)
	pending := decoded[Certificate](created)
	if pending.State != certificate.Pending || pending.NotAfter != nil || strings.Contains(string(created.body), "PRIVATE KEY") {
		t.Errorf("%s", created.body)
	}
	one := created.header.Get("Location")
	text := decoded[CertificateRequestText](f.call("GET", one+"/csr", "").want(http.StatusOK))
	f.call("POST", one+"/activate", "").want(http.StatusUnprocessableEntity)
	f.call("POST", one+"/export", `{"format":"pem","unencrypted":true}`).want(http.StatusConflict)
	body := asJSON(t, SignedCertificate{Certificate: signedBySelf(t, text.PEM)})
	f.callAs("operator", "PUT", one+"/signed-certificate", body).want(http.StatusForbidden)
	f.call("PUT", one+"/signed-certificate", `{"certificate":"x"}`).want(http.StatusUnprocessableEntity)
	f.call("PUT", one+"/signed-certificate", body, "If-Match", `"other"`).want(http.StatusPreconditionFailed)
	installed := decoded[Certificate](f.call("PUT", one+"/signed-certificate", body, "If-Match", created.etag()).want(http.StatusOK))
	if installed.ID != pending.ID || installed.State != certificate.Inactive || installed.NotAfter == nil {
		t.Errorf("%+v", installed)
	}
	f.call("PUT", one+"/signed-certificate", body).want(http.StatusConflict)
	f.call("GET", one+"/csr", "").want(http.StatusOK)

	other := f.call("POST", list+"/self-signed", `{"host_name":"other.example.com"}`).want(http.StatusCreated).header.Get("Location")
	f.call("GET", other+"/csr", "").want(http.StatusNotFound)
}

// B44, B45: what is exported can be imported; only the role may.
func TestCertificateExportAndImport(t *testing.T) {
	f := newFixture(t)
	const list = "/api/v1/certificates"
	one := f.call("POST", list+"/self-signed", `{"host_name":"mail.example.com"}`).want(http.StatusCreated).header.Get("Location")
	for _, role := range []string{"viewer", "operator"} {
		f.callAs(role, "POST", one+"/export", `{"format":"pem","unencrypted":true}`).want(http.StatusForbidden)
	}
	f.call("POST", one+"/export", `{"format":"pem"}`).want(http.StatusUnprocessableEntity)
	f.call("POST", "/api/v1/certificates/none/export", `{"format":"pem","unencrypted":true}`).want(http.StatusNotFound)

	reply := f.callAs("certificate_manager", "POST", one+"/export", `{"format":"pkcs12","password":"correct horse"}`).want(http.StatusOK)
	if reply.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", reply.header)
	}
	exported := decoded[ExportedCertificate](reply)
	again := PKCS12Import{PKCS12: exported.PKCS12, Password: "correct horse"}
	f.call("POST", list+"/import-pkcs12", asJSON(t, again)).want(http.StatusCreated)
	again.Password = "wrong horse"
	faults := f.call("POST", list+"/import-pkcs12", asJSON(t, again)).want(http.StatusUnprocessableEntity).faults()
	if len(faults) != 1 || !strings.HasPrefix(faults[0], "/password: ") {
		t.Errorf("%q", faults)
	}

	encrypted := decoded[ExportedCertificate](f.call("POST", one+"/export", `{"format":"pem","password":"correct horse"}`).want(http.StatusOK))
	if !strings.Contains(encrypted.PEM, "BEGIN ENCRYPTED PRIVATE KEY") {
		t.Errorf("%s", encrypted.PEM)
	}
	f.call("POST", list+"/import", asJSON(t, CertificateImport{Certificate: encrypted.PEM, Password: "correct horse"})).want(http.StatusCreated)
	if logged := f.log.String(); strings.Contains(logged, "horse") || strings.Contains(logged, "PRIVATE KEY") {
		t.Error("a secret is in the log")
	}
}

// B41, B46, B51, B54.
func TestCertificateSchedule(t *testing.T) {
	f := newFixture(t)
	const list = "/api/v1/certificates"
	f.call("POST", list+"/revert", "").want(http.StatusNotFound)
	create := func() string {
		return f.call("POST", list+"/self-signed", `{"host_name":"mail.example.com"}`).want(http.StatusCreated).header.Get("Location")
	}
	a, b := create(), create()
	f.call("POST", a+"/activate?force=maybe", "").want(http.StatusBadRequest)
	f.call("POST", a+"/activate?force=true", "").want(http.StatusOK)
	f.call("POST", b+"/activate", "").want(http.StatusOK)
	back := f.call("POST", list+"/revert?wait=1ms", "").want(http.StatusOK)
	if !strings.HasSuffix(a, decoded[Certificate](back).ID) || back.header.Get("Activation-Committed") != "3" {
		t.Errorf("%s %v", back.body, back.header)
	}

	at := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	body := asJSON(t, CertificateStage{ActivateAt: at})
	staged := decoded[Certificate](f.call("PUT", b+"/staged-activation", body).want(http.StatusOK))
	if s := staged.StagedActivation; s == nil || !s.ActivateAt.Equal(at) {
		t.Errorf("%+v", staged)
	}
	f.call("PUT", a+"/staged-activation", body).want(http.StatusConflict)
	f.call("PUT", b+"/staged-activation", `{"activate_at":"2020-01-01T00:00:00Z"}`).want(http.StatusUnprocessableEntity)
	f.call("DELETE", b+"/staged-activation", "", "If-Match", `"x"`).want(http.StatusPreconditionFailed)
	f.call("DELETE", b+"/staged-activation", "").want(http.StatusNoContent)
	if decoded[Certificate](f.call("GET", b, "").want(http.StatusOK)).StagedActivation != nil {
		t.Error("still staged")
	}

	if !decoded[CertificateBindings](f.call("GET", a+"/bindings", "").want(http.StatusOK)).Active {
		t.Error("not active")
	}
	f.call("GET", a+"/tlsa", "").want(http.StatusOK)
	for path, proven := range map[string]bool{a: true, b: false} {
		if p := decoded[CertificateProof](f.call("POST", path+"/proof", "").want(http.StatusOK)); p.Proven != proven || len(p.Endpoints) != 1 {
			t.Errorf("%+v", p)
		}
	}
	for _, path := range []string{"/bindings", "/tlsa"} {
		f.call("GET", list+"/none"+path, "").want(http.StatusNotFound)
	}
	f.call("POST", list+"/none/proof", "").want(http.StatusNotFound)
}
