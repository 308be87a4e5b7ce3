package policy

import (
	"crypto/x509"
	"encoding/pem"
	"strings"

	"postern/domain"
)

// TrustUsage says what a trust anchor is trusted for (B23).
type TrustUsage string

// The usages of a trust anchor.
const (
	// TrustAuthority: certificates that chain to it are trusted.
	TrustAuthority TrustUsage = "authority"
	// TrustPinned: the server certificate itself is trusted, whoever issued it;
	// its names and dates still count.
	TrustPinned TrustUsage = "pinned_server"
	// TrustClients: client certificates that chain to it are valid (B17).
	TrustClients TrustUsage = "client_authority"
)

// TrustAnchor is a certificate that is trusted beside the system's roots.
type TrustAnchor struct {
	Name        string     `json:"name"`
	Usage       TrustUsage `json:"usage"`
	Certificate string     `json:"certificate"` // PEM, one or several
	Description string     `json:"description,omitempty"`
}

// maxAnchorOctets bounds the PEM text of one anchor.
const maxAnchorOctets = 256 << 10

// Validate reports every broken rule of the anchor by itself.
func (a TrustAnchor) Validate() (f domain.Faults) {
	checkName(&f, "/name", a.Name)
	checkText(&f, "/description", a.Description)
	checkOneOf(&f, "/usage", a.Usage, TrustAuthority, TrustPinned, TrustClients)
	certificates, err := a.parse()
	if err != nil {
		f.Add("/certificate", "%s", err.Detail)
		return f
	}
	for _, c := range certificates {
		if a.Usage != TrustPinned && !c.IsCA {
			f.Add("/certificate", "%q is no certificate authority; to trust this one server, use %s", c.Subject.CommonName, TrustPinned)
		}
	}
	return f
}

// Certificates returns the parsed certificates; none where Validate objects.
func (a TrustAnchor) Certificates() []*x509.Certificate {
	certificates, _ := a.parse()
	return certificates
}

func (a TrustAnchor) parse() ([]*x509.Certificate, *domain.Error) {
	if len(a.Certificate) > maxAnchorOctets {
		return nil, domain.E(domain.Invalid, "is longer than %d octets", maxAnchorOctets)
	}
	var list []*x509.Certificate
	rest := []byte(strings.TrimSpace(a.Certificate))
	for len(rest) > 0 {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, domain.E(domain.Invalid, "is not PEM text: a block begins with -----BEGIN CERTIFICATE-----")
		}
		if block.Type != "CERTIFICATE" {
			return nil, domain.E(domain.Invalid, "holds a block %q: only certificates belong here", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, domain.E(domain.Invalid, "holds a certificate that cannot be read: %v", err)
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, domain.E(domain.Invalid, "is required: certificates as PEM text")
	}
	return list, nil
}
