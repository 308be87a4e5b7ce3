package dane

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"

	"postern/smtp/dns"
)

// The fields of a TLSA record that a mail client goes by (RFC 7218 has the
// names).
const (
	usageTA = 2 // trust anchor
	usageEE = 3 // the server's own

	selectorCertificate = 0
	selectorKey         = 1 // SubjectPublicKeyInfo

	matchFull   = 0
	matchSHA256 = 1
	matchSHA512 = 2
)

// Bounds: whatever DNS says, no more is looked at.
const (
	maxRecords = 50
	// maxDataOctets is the longest data that is held against certificates. A
	// longer one is not of a certificate that a handshake carries.
	maxDataOctets = 16 << 10
)

// Record is a usable TLSA record.
type Record struct {
	dns.TLSA
	// anchor is what the data of usage 2 in full stands for: the certificate, or
	// the key in a certificate that has nothing else. Nil where it is a digest.
	anchor *x509.Certificate
}

// String returns the record in presentation form (RFC 6698 §2.2), with long data
// cut.
func (r Record) String() string { return Text(r.TLSA) }

// Text returns a record of any values in presentation form, with long data cut.
func Text(t dns.TLSA) string {
	const shown = sha512.Size
	data := hex.EncodeToString(t.Data[:min(len(t.Data), shown)])
	if len(t.Data) > shown {
		data += "…"
	}
	return fmt.Sprintf("%d %d %d %s", t.Usage, t.Selector, t.MatchingType, data)
}

// UsableOf returns the records that a mail client can go by, without those that a
// stronger digest stands beside.
func UsableOf(records []dns.TLSA) []Record {
	var usable []Record
	for _, t := range records[:min(len(records), maxRecords)] {
		if r, ok := parse(t); ok {
			usable = append(usable, r)
		}
	}
	return strongest(usable)
}

// parse checks the fields of a record and that its data can be what they say.
func parse(t dns.TLSA) (Record, bool) {
	r := Record{TLSA: t}
	// RFC 7672 §3.1.3: usages 0 and 1 are not usable for mail.
	if t.Usage != usageTA && t.Usage != usageEE || t.Selector > selectorKey {
		return r, false
	}
	switch t.MatchingType {
	case matchSHA256:
		return r, len(t.Data) == sha256.Size
	case matchSHA512:
		return r, len(t.Data) == sha512.Size
	case matchFull:
		return r.parseFull()
	}
	return r, false
}

// parseFull reads data that is no digest.
func (r Record) parseFull() (Record, bool) {
	if len(r.Data) > maxDataOctets {
		return r, false
	}
	var err error
	if r.Selector == selectorCertificate {
		r.anchor, err = x509.ParseCertificate(r.Data)
		return r, err == nil
	}
	r.anchor, err = bareKey(r.Data)
	return r, err == nil
}

// strongest is digest agility: of the digests for one usage and selector, only
// the strongest counts, so that a weak one which is broken some day cannot be
// used beside it (RFC 7671 §9). Data in full always counts.
func strongest(records []Record) []Record {
	return slices.DeleteFunc(slices.Clone(records), func(r Record) bool {
		return r.MatchingType == matchSHA256 && slices.ContainsFunc(records, func(other Record) bool {
			return other.MatchingType == matchSHA512 && other.Usage == r.Usage && other.Selector == r.Selector
		})
	})
}

// NeedsNames reports whether a record counts only for a certificate that bears
// one of the reference names.
func NeedsNames(records []Record) bool {
	return slices.ContainsFunc(records, func(r Record) bool { return r.Usage == usageTA })
}
