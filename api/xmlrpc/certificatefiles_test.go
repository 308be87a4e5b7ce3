package xmlrpc

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/certificate"
)

var _ CertificateFiles = (*certificate.Service)(nil)

func (c *testCertificates) CreateRequest(_ context.Context, author string, r certificate.SigningRequest) (certificate.Certificate, error) {
	c.asked = append(c.asked, fmt.Sprintf("request by %s: %+v", author, r))
	return certificate.Certificate{ID: "pending", State: certificate.Pending, Request: []byte{0x30, 0}}, c.err
}

func (c *testCertificates) InstallSigned(_ context.Context, author, id, ifMatch string, s certificate.SignedCertificate) (certificate.Certificate, error) {
	c.asked = append(c.asked, fmt.Sprintf("install %s by %s %q: %v", id, author, ifMatch, s))
	return c.add(id), c.err
}

func (c *testCertificates) ImportPKCS12(_ context.Context, author string, r certificate.PKCS12Import) (certificate.Certificate, error) {
	c.asked = append(c.asked, fmt.Sprintf("import by %s: %s %s %s", author, r.Label, r.Data, r.Password))
	return c.add("imported"), c.err
}

func TestCertificateFiles(t *testing.T) {
	f := newFixture(t)
	pending := f.mustCall(t, asManager, "certificate.create_csr", map[string]any{
		"host_name": "mail.example.com", "alternative_names": []string{"b.example"}, "organization": "O", "locality": "L",
		"province": "P", "country": "DE", "key_type": "rsa_2048", "label": "l",
	}).(map[string]any)
	if pending["state"] != "pending" || pending["csr"] == "" || pending["not_after"] != nil {
		t.Errorf("%v", pending)
	}
	f.mustCall(t, asManager, "certificate.install_signed", "pending", "CERT", []string{"ONE"}, "tag")
	f.mustCall(t, asManager, "certificate.import_pkcs12", []byte("file"), "password", "label")
	want := []string{
		"request by certificate_manager: {Label:l HostName:mail.example.com AlternativeNames:[b.example] Organization:O Locality:L Province:P Country:DE KeyType:rsa_2048}",
		`install pending by certificate_manager "tag": {CERT [ONE]}`,
		"import by certificate_manager: label file password",
	}
	if diff := cmp.Diff(want, f.certificates.asked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	f.wantFault(t, codeBadParams, asManager, "certificate.import_pkcs12", "text, not base64")
	f.wantFault(t, 403, basic("viewer", "right"), "certificate.import_pkcs12", []byte("file"))
	f.certificates.err = domain.Faults{{Pointer: "/password", Message: "the password is wrong"}}.Err()
	if _, fault := f.call(t, asManager, "certificate.import_pkcs12", []byte("file")); fault == nil || fault.code != 422 || fault.text != "/password: the password is wrong" {
		t.Errorf("%v", fault)
	}
}
