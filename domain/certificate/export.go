package certificate

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"

	"software.sslmate.com/src/go-pkcs12"

	"postern/domain"
)

// pkcs12Rounds is what we write: OpenSSL and Windows both read it, and neither
// for long.
const pkcs12Rounds = 100_000

// ExportFormat is the form of an export.
type ExportFormat string

// The formats of an export.
const (
	FormatPEM    ExportFormat = "pem"    // key, then the chain, leaf first
	FormatPKCS12 ExportFormat = "pkcs12" // RFC 7292
)

// ExportRequest says how a certificate is to leave together with its private key
// (B45). JSON pointers in faults use the names in brackets.
type ExportRequest struct {
	As ExportFormat // [format]
	// Password encrypts the key [password]: AES-256 and PBKDF2, which OpenSSL 1.1
	// and later read by themselves. PKCS#12 needs one.
	Password string
	// Unencrypted leaves the key in clear [unencrypted]; PEM only, and only without
	// a password, so that nobody forgets one.
	Unencrypted bool
	// Legacy writes PKCS#12 with 3DES and a MAC of SHA-1 [legacy], for programs
	// that read nothing newer (Windows before 10 1709, macOS before 13).
	Legacy bool
}

// Format prints a placeholder for every verb and flag: a request has a password.
func (ExportRequest) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns a placeholder; encoding/json and encoding/xml use it.
func (ExportRequest) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns a placeholder.
func (ExportRequest) LogValue() slog.Value { return slog.StringValue(redacted) }

// Export is a certificate with its chain and private key: PEM text or PKCS#12
// DER. It prints as a placeholder.
type Export struct {
	Certificate Certificate
	Data        []byte
}

// Format prints a placeholder for every verb and flag.
func (Export) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns a placeholder; encoding/json and encoding/xml use it.
func (Export) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns a placeholder.
func (Export) LogValue() slog.Value { return slog.StringValue(redacted) }

// Export returns a certificate together with its private key. The edges let only
// the role that may call it. That it is done is recorded before the key leaves
// (B45). A pending
// certificate is [domain.Conflict]: the key of a request does not leave (B43).
func (s *Service) Export(ctx context.Context, author, id string, r ExportRequest) (Export, error) {
	if err := r.check(); err != nil {
		return Export{}, err
	}
	pair, err := s.keys.KeyPair(ctx, id)
	if err != nil {
		return Export{}, domain.Wrap(err, "export certificate")
	}
	if pair.Certificate.State == Pending {
		return Export{}, domain.E(domain.Conflict, "certificate %s is pending: the key of a request does not leave", id)
	}
	write := r.writePEM
	if r.As == FormatPKCS12 {
		write = r.writePKCS12
	}
	data, err := write(pair)
	if err != nil {
		return Export{}, err
	}
	if err := s.editor.RecordExport(ctx, pair.Certificate, s.act(author)); err != nil {
		return Export{}, domain.Wrap(err, "record the export")
	}
	return Export{pair.Certificate, data}, nil
}

func (r ExportRequest) check() error {
	var f domain.Faults
	pkcs12Wanted := r.As == FormatPKCS12
	switch {
	case r.As != FormatPEM && !pkcs12Wanted:
		f.Add("/format", "must be %s or %s", FormatPEM, FormatPKCS12)
	case pkcs12Wanted && r.Unencrypted:
		f.Add("/unencrypted", "PKCS#12 is always encrypted")
	case r.Legacy && !pkcs12Wanted:
		f.Add("/legacy", "is for PKCS#12 only")
	case r.Password == "" && pkcs12Wanted:
		f.Add("/password", "is required: it encrypts the private key")
	case r.Password == "" && !r.Unencrypted:
		f.Add("/password", "is required to encrypt the private key, or unencrypted must be true")
	case r.Password != "" && r.Unencrypted:
		f.Add("/unencrypted", "with a password the private key is encrypted; leave one of them out")
	case len(r.Password) > maxPasswordOctets:
		f.Add("/password", "is longer than %d octets", maxPasswordOctets)
	}
	return f.Err()
}

func (r ExportRequest) writePEM(pair KeyPair) ([]byte, error) {
	der, err := pair.Key.Reveal()
	if err != nil {
		return nil, err
	}
	defer clear(der)
	block := &pem.Block{Type: "PRIVATE KEY", Bytes: der}
	if r.Password != "" {
		sealed, err := sealPKCS8(der, r.Password)
		if err != nil {
			return nil, domain.E(domain.Internal, "the private key cannot be encrypted")
		}
		block = &pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: sealed}
	}
	return append(pem.EncodeToMemory(block), pair.Certificate.PEM()...), nil
}

func (r ExportRequest) writePKCS12(pair KeyPair) ([]byte, error) {
	var chain []*x509.Certificate
	for _, der := range pair.Certificate.Chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, domain.Wrap(err, "read the chain of certificate %s", pair.Certificate.ID)
		}
		chain = append(chain, c)
	}
	encoder := pkcs12.Modern2023.WithIterations(pkcs12Rounds)
	if r.Legacy {
		encoder = pkcs12.LegacyDES
	}
	data, err := encoder.Encode(pair.Key.Signer(), chain[0], chain[1:], r.Password)
	if err != nil { // what else can fail is the form of the password: BMPString
		return nil, domain.Faults{{Pointer: "/password", Message: "has a character that PKCS#12 cannot hold"}}.Err()
	}
	return data, nil
}
