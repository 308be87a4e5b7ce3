package certificate

import (
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"postern/domain"
	"postern/domain/mailaddr"
)

// Bounds of a self-signed certificate.
const (
	defaultValidDays     = 397 // what public authorities were allowed for years: no peer finds it odd
	maxValidDays         = 3650
	maxAlternativeNames  = 100
	maxAttribute         = 64 // RFC 5280 appendix A: ub-common-name, ub-organization-name
	backdate             = time.Hour
	selfSignedWarning    = "it is self-signed: peers that verify certificates do not trust it unless they pin it"
	demonstrationWarning = "it is the demonstration certificate: replace it before peers rely on it"
)

// SelfSignedRequest describes a self-signed certificate to make (B42). JSON
// pointers in faults use the names in brackets.
type SelfSignedRequest struct {
	Label            string   // [label] an administrator's own words; may be empty
	HostName         string   // [host_name] required; also the first name of the certificate
	AlternativeNames []string // [alternative_names] DNS names, "*." for a wildcard, or IP addresses
	Organization     string   // [organization] may be empty
	Country          string   // [country] two letters (ISO 3166-1), may be empty
	KeyType          KeyType  // [key_type] empty means [ECDSAP256]
	ValidDays        int      // [valid_days] 0 means 397
}

// NewDemonstration makes the certificate of a first start: of this installation
// alone, never a shared key, and marked insecure (B52). A host name that no
// certificate can carry becomes "localhost".
func NewDemonstration(hostName string, now time.Time) (KeyPair, error) {
	if _, err := mailaddr.ParseDomainName(hostName); err != nil {
		hostName = "localhost"
	}
	pair, err := SelfSignedRequest{
		Label:            "Demonstration certificate",
		HostName:         hostName,
		AlternativeNames: []string{"localhost", "127.0.0.1", "::1"},
		Organization:     "Postern demonstration, do not trust",
	}.issue(now)
	if err != nil {
		return KeyPair{}, domain.Wrap(err, "make the demonstration certificate")
	}
	c := &pair.Certificate
	c.Source, c.Insecure = Demonstration, true
	c.Warnings = append(c.Warnings, demonstrationWarning)
	return pair, nil
}

// issue makes the key and the certificate, or returns an [domain.Invalid] error
// with every fault of the request.
func (r SelfSignedRequest) issue(now time.Time) (KeyPair, error) {
	template, err := r.template(now)
	if err != nil {
		return KeyPair{}, err
	}
	keyType := r.keyType()
	key, err := keyType.generate()
	if err != nil {
		return KeyPair{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key.Signer())
	if err != nil {
		return KeyPair{}, domain.Wrap(err, "sign the certificate")
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return KeyPair{}, domain.Wrap(err, "read the signed certificate")
	}
	c := describe(SelfSigned, []*x509.Certificate{leaf}, keyType)
	c.Label, c.Warnings = r.Label, []string{selfSignedWarning}
	return KeyPair{Certificate: c, Key: key}, nil
}

// template checks the request and lays it out as X.509.
func (r SelfSignedRequest) template(now time.Time) (*x509.Certificate, error) {
	t, f := r.lay()
	t.NotBefore = now.Add(-backdate) // for peers whose clock is late
	t.NotAfter = now.AddDate(0, 0, r.validDays())
	if r.ValidDays < 0 || r.ValidDays > maxValidDays {
		f.Add("/valid_days", "must be between 1 and %d", maxValidDays)
	}
	return t, f.Err()
}

// lay lays out all but the validity, and returns what is wrong with it.
func (r SelfSignedRequest) lay() (t *x509.Certificate, f domain.Faults) {
	t = &x509.Certificate{
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		// A certificate, not an authority: whoever pins it trusts it alone.
		BasicConstraintsValid: true,
	}
	if !slices.Contains([]KeyType{ECDSAP256, ECDSAP384, RSA2048, RSA3072, RSA4096}, r.keyType()) {
		f.Add("/key_type", "must be one of %s, %s, %s, %s, %s", ECDSAP256, ECDSAP384, RSA2048, RSA3072, RSA4096)
	}
	checkText(&f, "/label", r.Label, maxLabel)
	r.nameSubject(&f, t)
	r.nameHosts(&f, t)
	return t, f
}

// nameSubject fills in the distinguished name.
func (r SelfSignedRequest) nameSubject(f *domain.Faults, t *x509.Certificate) {
	checkText(f, "/organization", r.Organization, maxAttribute)
	if r.Organization != "" {
		t.Subject.Organization = []string{r.Organization}
	}
	if r.Country == "" {
		return
	}
	country := strings.ToUpper(r.Country)
	if len(country) != 2 || strings.Trim(country, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		f.Add("/country", "must be a country code of two letters, such as DE")
	}
	t.Subject.Country = []string{country}
}

// nameHosts fills in the names that peers compare. The host name is a subject
// alternative name too (B42).
func (r SelfSignedRequest) nameHosts(f *domain.Faults, t *x509.Certificate) {
	host, err := mailaddr.ParseDomainName(r.HostName)
	if err != nil {
		f.Add("/host_name", "%s", err)
	} else {
		t.DNSNames = []string{host.String()}
	}
	if len(host) <= maxAttribute {
		t.Subject.CommonName = host.String()
	}
	if len(r.AlternativeNames) > maxAlternativeNames {
		f.Add("/alternative_names", "has more than %d names", maxAlternativeNames)
		return
	}
	for i, name := range r.AlternativeNames {
		if err := addName(t, name); err != nil {
			f.Add(fmt.Sprintf("/alternative_names/%d", i), "%s", err)
		}
	}
}

// addName adds a DNS name, with or without wildcard, or an IP address.
func addName(t *x509.Certificate, s string) error {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		t.IPAddresses = append(t.IPAddresses, addr.Unmap().AsSlice())
		return nil
	}
	name, err := parseName(s)
	if err != nil {
		return err
	}
	if !slices.Contains(t.DNSNames, name) {
		t.DNSNames = append(t.DNSNames, name)
	}
	return nil
}

func (r SelfSignedRequest) keyType() KeyType {
	if r.KeyType == "" {
		return ECDSAP256
	}
	return r.KeyType
}

func (r SelfSignedRequest) validDays() int {
	if r.ValidDays == 0 {
		return defaultValidDays
	}
	return r.ValidDays
}
