// Package certificate is the gateway's digital identity: X.509 certificates
// with their keys and chains, where they come from, what makes one fit to be
// served, and which one is active.
//
// Many certificates are kept, one is active (B41). The active one serves every
// endpoint that is not bound to another. Activation is committed at once,
// outside any draft of the configuration, and numbered: the key ring reports
// the number that handshakes now use, and callers may wait for it. A roll back
// of settings therefore never revives an expired certificate.
//
// The private key is never a part of the [Certificate] that is listed, logged
// and shown. It travels as a [PrivateKey], which prints as a placeholder
// whatever it is printed with, and is sealed by the store (B45).
package certificate

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Source says where a certificate comes from.
type Source string

// The sources.
const (
	SelfSigned    Source = "self_signed"   // made here on request (B42)
	Demonstration Source = "demonstration" // made here at first start (B52)
	Imported      Source = "imported"      // handed in with its key (B44)
	Requested     Source = "csr"           // signed by an authority for a key made here (B43)
	FromDigitalID Source = "digital_id"    // from the files in the data directory (B47)
)

// State says whether handshakes use a certificate.
type State string

// The states.
const (
	Pending  State = "pending" // a key and a request: the signed certificate is not here yet (B43)
	Inactive State = "inactive"
	Active   State = "active"
)

// Certificate is one stored certificate without its private key. A value is
// not changed after it was made; its slices are shared.
type Certificate struct {
	ID     string // time-ordered, unique
	Label  string // an administrator's own words; may be empty
	Source Source
	State  State

	Subject      string   // common name of the leaf; may be empty
	Names        []string // DNS names (A-labels, "*." for a wildcard) and IP addresses
	Issuer       string   // distinguished name of the issuer (RFC 2253)
	SerialNumber string   // hexadecimal
	NotBefore    time.Time
	NotAfter     time.Time
	KeyType      KeyType
	Fingerprint  string   // SHA-256 of the leaf's DER, lower-case hexadecimal
	Chain        [][]byte // DER, leaf first; empty while pending

	// Request is the certificate request (DER, RFC 2986) that the certificate was
	// made from; nil unless the source is [Requested]. While the certificate is
	// pending, subject, names and key type are those that were asked for.
	Request []byte

	// Insecure marks a certificate that proves nothing about who serves it:
	// the demonstration certificate (B52).
	Insecure bool
	// Warnings say what does not forbid the certificate and yet may surprise.
	Warnings []string

	CreatedAt time.Time
	CreatedBy string

	// Activation is the number of the last activation, higher than that of any
	// activation before it of any certificate; 0 means never activated.
	Activation  int64
	ActivatedAt time.Time
	ActivatedBy string

	// Staged is the activation that is to come; nil: none.
	Staged *Staged
}

// Staged is an activation at a time to come. It survives a restart: one whose
// time has passed meanwhile takes place at the start.
type Staged struct {
	At    time.Time
	By    string // who asked for it, and becomes the author of the activation
	Force bool   // as for [Service.ForceActivate]
}

// ETag identifies the state of the entity for conditional requests (RFC 9110
// §8.8.3), without quotes. The certificate itself never changes under an id;
// label, state and chain may.
func (c Certificate) ETag() string {
	h := sha256.New()
	h.Write(fmt.Appendf(nil, "%q %q %q %d", c.ID, c.Label, c.State, c.Activation))
	for _, der := range c.Chain {
		h.Write(der)
	}
	if c.Staged != nil {
		h.Write(fmt.Appendf(nil, "%d %t", c.Staged.At.UnixMicro(), c.Staged.Force))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// PEM returns the chain, leaf first, as PEM text (RFC 7468).
func (c Certificate) PEM() string {
	var text strings.Builder
	for _, der := range c.Chain {
		text.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	return text.String()
}

// Usable returns nil when the certificate is within its validity at now, else
// words that say why not.
func (c Certificate) Usable(now time.Time) error {
	switch {
	case len(c.Chain) == 0:
		return errors.New("it has no certificate yet")
	case now.Before(c.NotBefore):
		return fmt.Errorf("it is not valid before %s", c.NotBefore.UTC().Format(time.RFC3339))
	case now.After(c.NotAfter):
		return fmt.Errorf("it expired on %s", c.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// DaysLeft returns how many whole days of validity remain at now; negative
// once it has expired (B53).
func (c Certificate) DaysLeft(now time.Time) int {
	const day = 24 * time.Hour
	left := c.NotAfter.Sub(now)
	if left < 0 {
		left -= day - 1 // a started day past the end counts as a whole one
	}
	return int(left / day)
}

// describe fills in what the leaf and the chain say about themselves.
func describe(source Source, chain []*x509.Certificate, keyType KeyType) Certificate {
	leaf := chain[0]
	names, _ := readNames(leaf)
	c := Certificate{
		Source:       source,
		State:        Inactive,
		Subject:      leaf.Subject.CommonName,
		Names:        names,
		Issuer:       leaf.Issuer.String(),
		SerialNumber: leaf.SerialNumber.Text(16),
		NotBefore:    leaf.NotBefore.UTC(),
		NotAfter:     leaf.NotAfter.UTC(),
		KeyType:      keyType,
	}
	fingerprint := sha256.Sum256(leaf.Raw)
	c.Fingerprint = hex.EncodeToString(fingerprint[:])
	for _, x := range chain {
		c.Chain = append(c.Chain, x.Raw)
	}
	return c
}

// Leaf parses the first certificate of the chain.
func (c Certificate) Leaf() (*x509.Certificate, error) {
	if len(c.Chain) == 0 {
		return nil, errors.New("there is no certificate")
	}
	return x509.ParseCertificate(c.Chain[0])
}
