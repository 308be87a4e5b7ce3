package certificate

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"

	"postern/domain"
	"postern/domain/event"
)

// SigningRequest asks for a key and a certificate request for an authority to
// sign (B43, RFC 2986). JSON pointers in faults use the names in brackets.
type SigningRequest struct {
	Label            string   // [label] an administrator's own words; may be empty
	HostName         string   // [host_name] required; also the first name of the certificate
	AlternativeNames []string // [alternative_names] DNS names, "*." for a wildcard, or IP addresses
	Organization     string   // [organization] may be empty
	Locality         string   // [locality] city; may be empty
	Province         string   // [province] state or province in full; may be empty
	Country          string   // [country] two letters (ISO 3166-1), may be empty
	KeyType          KeyType  // [key_type] empty means [ECDSAP256]
}

// SignedCertificate is what the authority made of a request: PEM text, in any
// order, in one field or spread over both. JSON pointers in faults use the names
// in brackets.
type SignedCertificate struct {
	Certificate string   // [certificate]
	Chain       []string // [chain] intermediates
}

// CreateRequest makes a key, which never leaves, and a certificate request for
// it. The certificate is pending until [Service.InstallSigned]; to cancel it is
// to delete it (B43). A bad request is [domain.Invalid] with all faults.
func (s *Service) CreateRequest(ctx context.Context, author string, r SigningRequest) (Certificate, error) {
	pair, err := r.issue()
	if err != nil {
		return Certificate{}, err
	}
	return s.keep(ctx, author, pair)
}

// issue makes the key and the request.
func (r SigningRequest) issue() (KeyPair, error) {
	template, err := r.template()
	if err != nil {
		return KeyPair{}, err
	}
	keyType := r.like().keyType()
	key, err := keyType.generate()
	if err != nil {
		return KeyPair{}, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key.Signer())
	if err != nil {
		return KeyPair{}, domain.Wrap(err, "sign the certificate request")
	}
	c := Certificate{
		Label: r.Label, Source: Requested, State: Pending, KeyType: keyType, Request: der,
		Subject: template.Subject.CommonName, Names: template.DNSNames,
	}
	for _, ip := range template.IPAddresses {
		c.Names = append(c.Names, ip.String())
	}
	return KeyPair{Certificate: c, Key: key}, nil
}

// like is the self-signed certificate that would say the same.
func (r SigningRequest) like() SelfSignedRequest {
	return SelfSignedRequest{
		Label: r.Label, HostName: r.HostName, AlternativeNames: r.AlternativeNames,
		Organization: r.Organization, Country: r.Country, KeyType: r.KeyType,
	}
}

func (r SigningRequest) template() (*x509.CertificateRequest, error) {
	t, f := r.like().lay()
	for _, part := range []struct {
		pointer, text string
		field         *[]string
	}{
		{"/locality", r.Locality, &t.Subject.Locality},
		{"/province", r.Province, &t.Subject.Province},
	} {
		checkText(&f, part.pointer, part.text, maxAttribute)
		if part.text != "" {
			*part.field = []string{part.text}
		}
	}
	return &x509.CertificateRequest{
		Subject: t.Subject, DNSNames: t.DNSNames, IPAddresses: t.IPAddresses,
	}, f.Err()
}

// InstallSigned puts the certificate that an authority signed in the place of a
// pending one. It must be for the key that was made here; chain, validity,
// strength and names are checked as for an import (B43, B44). It is not
// activated. A certificate that is not pending is [domain.Conflict]; ifMatch is as
// for [Service.Activate].
func (s *Service) InstallSigned(ctx context.Context, author, id, ifMatch string, signed SignedCertificate) (Certificate, error) {
	pair, err := s.keys.KeyPair(ctx, id)
	if err != nil {
		return Certificate{}, domain.Wrap(err, "install the signed certificate")
	}
	pending := pair.Certificate
	if err := checkMatch(pending, ifMatch); err != nil {
		return Certificate{}, err
	}
	if pending.State != Pending {
		return Certificate{}, domain.E(domain.Conflict, "certificate %s does not wait for an authority", id)
	}
	var f domain.Faults
	b := &bundle{keys: []givenKey{{pair.Key, "/certificate"}}}
	b.readAll(&f, ImportRequest{Certificate: signed.Certificate, Chain: signed.Chain})
	if err := f.Err(); err != nil {
		return Certificate{}, err
	}
	c, err := b.judge(&f, Requested, s.now())
	if err != nil {
		return Certificate{}, err
	}
	c.ID, c.Label, c.Request = pending.ID, pending.Label, pending.Request
	c.CreatedAt, c.CreatedBy = pending.CreatedAt, pending.CreatedBy
	c.Warnings = append(c.Warnings, missingNames(pending.Names, c.Names)...)
	if err := s.editor.Complete(ctx, c, s.act(author)); err != nil {
		return Certificate{}, domain.Wrap(err, "install the signed certificate")
	}
	s.bus.Publish(event.CertificatesChanged)
	return c, nil
}

// missingNames says which names the authority left out.
func missingNames(asked, given []string) (warnings []string) {
	for _, name := range asked {
		if !slices.Contains(given, name) {
			warnings = append(warnings, fmt.Sprintf("the authority left out the name %s", quote(name)))
		}
	}
	return warnings
}

// RequestPEM returns the certificate request as PEM text; empty where the
// certificate was not made from one.
func (c Certificate) RequestPEM() string {
	if len(c.Request) == 0 {
		return ""
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: c.Request}))
}
