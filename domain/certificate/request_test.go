package certificate

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"slices"
	"testing"

	"postern/domain"
)

// publicOnly stands for a key whose private half is elsewhere.
type publicOnly struct{ key crypto.PublicKey }

func (p publicOnly) Public() crypto.PublicKey { return p.key }

func (publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the private key is elsewhere")
}

// signRequest is what an authority does with a request.
func signRequest(t *testing.T, ca *issued, c Certificate, changes ...change) string {
	t.Helper()
	request, err := x509.ParseCertificateRequest(c.Request)
	if err != nil {
		t.Fatal(err)
	}
	template := forServer(request.Subject.CommonName)
	return sign(t, publicOnly{request.PublicKey}, ca, append([]change{template, func(x *x509.Certificate) {
		x.DNSNames, x.IPAddresses = request.DNSNames, request.IPAddresses
	}}, changes...)...).pem()
}

// B43: the key is made here, the certificate comes later.
func TestRequestAndSignedCertificate(t *testing.T) {
	for _, keyType := range []KeyType{"", ECDSAP384, RSA2048} {
		t.Run(string(keyType), func(t *testing.T) {
			f := newFixture(t)
			pending, err := f.CreateRequest(t.Context(), "alice", SigningRequest{
				Label: "spring", HostName: "mail.example.com", AlternativeNames: []string{"*.example.net", "192.0.2.1"},
				Organization: "Example", Locality: "Bonn", Province: "NRW", Country: "de", KeyType: keyType,
			})
			if err != nil {
				t.Fatal(err)
			}
			names := []string{"mail.example.com", "*.example.net", "192.0.2.1"}
			if pending.State != Pending || pending.Source != Requested || !slices.Equal(pending.Names, names) || len(pending.Chain) != 0 {
				t.Fatalf("%+v", pending)
			}
			request, err := x509.ParseCertificateRequest(pending.Request)
			if err != nil || request.CheckSignature() != nil {
				t.Fatalf("%v", err)
			}
			if got, want := request.Subject.String(), "CN=mail.example.com,O=Example,L=Bonn,ST=NRW,C=DE"; got != want {
				t.Errorf("subject %s, want %s", got, want)
			}
			_, err = f.Activate(t.Context(), "alice", pending.ID, "")
			wantKind(t, err, domain.Invalid, "no certificate yet")
			_, err = f.Export(t.Context(), "alice", pending.ID, ExportRequest{As: FormatPEM, Unencrypted: true})
			wantKind(t, err, domain.Conflict, "pending")

			root := authority(t, "Root", nil)
			middle := authority(t, "Middle", root)
			signed := SignedCertificate{Certificate: root.pem() + middle.pem(), Chain: []string{signRequest(t, middle, pending)}}
			c, err := f.InstallSigned(t.Context(), "alice", pending.ID, pending.ETag(), signed)
			if err != nil {
				t.Fatal(err)
			}
			if c.ID != pending.ID || c.State != Inactive || c.Label != "spring" || c.CreatedBy != "alice" || len(c.Chain) != 3 ||
				!bytes.Equal(c.Request, pending.Request) || c.ETag() == pending.ETag() || len(c.Warnings) != 0 {
				t.Errorf("%+v", c)
			}
			if _, err := f.Activate(t.Context(), "alice", c.ID, c.ETag()); err != nil {
				t.Error(err)
			}
			_, err = f.InstallSigned(t.Context(), "alice", c.ID, "", signed)
			wantKind(t, err, domain.Conflict)
		})
	}
}

func TestSignedCertificateRefused(t *testing.T) {
	f := newFixture(t)
	pending, err := f.CreateRequest(t.Context(), "alice", SigningRequest{HostName: "mail.example.com", AlternativeNames: []string{"b.example"}})
	if err != nil {
		t.Fatal(err)
	}
	root := authority(t, "Root", nil)
	stranger := server(t, "mail.example.com", root)
	install := func(s SignedCertificate) error {
		_, err := f.InstallSigned(t.Context(), "alice", pending.ID, "", s)
		return err
	}
	wantFaults(t, install(SignedCertificate{}), fault("/certificate", "no certificate"))
	wantFaults(t, install(SignedCertificate{Certificate: stranger.pem()}), fault("/certificate", "does not belong"))
	wantFaults(t, install(SignedCertificate{Certificate: pending.RequestPEM()}), fault("/certificate", "certificate request"))
	wantFaults(t, install(SignedCertificate{Certificate: signRequest(t, root, pending), Chain: []string{stranger.keyPEM(t)}}),
		fault("/chain/0", "more than one private key"))
	expired := signRequest(t, root, pending, func(c *x509.Certificate) { c.NotAfter = today.AddDate(0, 0, -1) })
	wantFaults(t, install(SignedCertificate{Certificate: expired}), fault("/certificate", "expired"))
	_, err = f.InstallSigned(t.Context(), "alice", pending.ID, "other", SignedCertificate{Certificate: expired})
	wantKind(t, err, domain.Stale)
	_, err = f.InstallSigned(t.Context(), "alice", "none", "", SignedCertificate{})
	wantKind(t, err, domain.NotFound)
	if stored, _ := f.Get(t.Context(), pending.ID); stored.State != Pending {
		t.Errorf("state %s", stored.State)
	}
	// A name that the authority left out is a warning.
	c, err := f.InstallSigned(t.Context(), "alice", pending.ID, "", SignedCertificate{Certificate: signRequest(t, root, pending, func(c *x509.Certificate) {
		c.DNSNames = []string{"mail.example.com"}
	})})
	if err != nil || !slices.Contains(c.Warnings, `the authority left out the name "b.example"`) {
		t.Errorf("%v %q", err, c.Warnings)
	}
}

func TestRequestFaultsAndCancel(t *testing.T) {
	f := newFixture(t)
	_, err := f.CreateRequest(t.Context(), "a", SigningRequest{KeyType: "rsa_1024", Locality: "a\nb", Country: "X"})
	wantFaults(t, err, fault("/key_type", "one of"), fault("/country", "two letters"), fault("/host_name", "empty"), fault("/locality", "control"))
	pending, err := f.CreateRequest(t.Context(), "a", SigningRequest{HostName: "a.example"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Delete(t.Context(), "a", pending.ID, pending.ETag()); err != nil || len(f.store.pairs) != 0 {
		t.Errorf("%v, %d left", err, len(f.store.pairs))
	}
}
