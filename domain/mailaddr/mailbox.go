package mailaddr

import (
	"net/netip"
	"strings"
)

// Limits of RFC 5321 §4.5.3.1 in octets of the wire form. The 256 octets of a
// path include its angle brackets.
const (
	maxLocalOctets   = 64
	maxMailboxOctets = 256 - len("<>")
)

// postmaster is the one local part that stands without a domain (RFC 5321
// §4.1.1.3).
const postmaster = "postmaster"

// Mailbox is a mail address. Exactly one of Domain and Literal is set, except
// for the two forms that have neither: the zero value, which is the null
// reverse path <>, and the recipient <postmaster>.
type Mailbox struct {
	// Local is the content of the local part: quotes and backslashes removed,
	// case kept, UTF-8 allowed (RFC 6531 §3.3).
	Local string
	// Domain is the part behind the @, where it is a name.
	Domain DomainName
	// Literal is the part behind the @, where it is an address: [192.0.2.1].
	Literal netip.Addr
}

// IsNull reports whether m is the null reverse path.
func (m Mailbox) IsNull() bool { return m == Mailbox{} }

// IsASCII reports whether m can travel without SMTPUTF8. Only the local part
// counts, since the domain is in A-labels.
func (m Mailbox) IsASCII() bool { return isASCII(m.Local) }

// String returns the form of RFC 5321 §4.1.2 without angle brackets; empty for
// the null reverse path.
func (m Mailbox) String() string {
	switch {
	case m.Literal.IsValid():
		return quoteLocal(m.Local) + "@" + formatLiteral(m.Literal)
	case m.Domain != "":
		return quoteLocal(m.Local) + "@" + string(m.Domain)
	case m.Local != "":
		return quoteLocal(m.Local)
	default:
		return ""
	}
}

// MarshalText returns [Mailbox.String].
func (m Mailbox) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText takes what [Mailbox.MarshalText] gives: the null reverse path
// and postmaster included.
func (m *Mailbox) UnmarshalText(text []byte) error {
	parsed, err := parsePathContent(string(text))
	if err != nil {
		return err
	}
	*m = parsed
	return nil
}

// quoteLocal returns the local part as it goes on the wire: a dot-string where
// that can be, else a quoted string (RFC 5321 §4.1.2: the sender SHOULD use the
// form without quotes).
func quoteLocal(local string) string {
	if isDotString(local) {
		return local
	}
	var b strings.Builder
	b.Grow(len(local) + len(`""`))
	b.WriteByte('"')
	for i := range len(local) {
		if local[i] == '"' || local[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(local[i])
	}
	b.WriteByte('"')
	return b.String()
}

// formatLiteral returns the address literal of RFC 5321 §4.1.3.
func formatLiteral(addr netip.Addr) string {
	if addr.Is4() {
		return "[" + addr.String() + "]"
	}
	return "[" + literalTagIPv6 + addr.String() + "]"
}
