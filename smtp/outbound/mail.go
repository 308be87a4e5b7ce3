package outbound

import (
	"fmt"
	"strconv"
	"strings"

	"postern/domain/delivery"
)

// mailCommand returns MAIL with the parameters that the message needs and the
// peer offers. utf8 says that an address or a header is not ASCII (RFC 6531
// §3.4). Whether the peer can carry the message at all was asked before.
func (e extensions) mailCommand(m *delivery.Envelope, utf8, requireTLS bool) string {
	var b strings.Builder
	b.WriteString("MAIL FROM:<" + m.Sender.String() + ">")
	if e.size {
		b.WriteString(" SIZE=" + strconv.FormatInt(m.Size, 10))
	}
	if e.eightBitMIME && (m.EightBit || utf8) {
		b.WriteString(" BODY=8BITMIME")
	}
	if utf8 {
		b.WriteString(" SMTPUTF8")
	}
	if e.dsn && m.Return != "" {
		b.WriteString(" RET=" + m.Return)
	}
	if e.dsn && m.EnvelopeID != "" {
		b.WriteString(" ENVID=" + xtext(m.EnvelopeID))
	}
	if requireTLS {
		b.WriteString(" REQUIRETLS") // RFC 8689 §4.1
	}
	return b.String()
}

// recipientCommand returns RCPT with the DSN parameters, where they are offered.
func (e extensions) recipientCommand(r *delivery.Recipient) string {
	command := "RCPT TO:<" + r.Address.String() + ">"
	if e.dsn && r.Notify != "" {
		command += " NOTIFY=" + r.Notify
	}
	if e.dsn && r.OriginalRecipient != "" {
		command += " ORCPT=" + originalRecipient(r.OriginalRecipient)
	}
	return command
}

// needsUTF8 reports whether the message cannot go to a peer without SMTPUTF8,
// whoever its recipients are.
func needsUTF8(m *delivery.Envelope) bool { return m.UTF8 || !m.Sender.IsASCII() }

// originalRecipient encodes "type;address" for ORCPT (RFC 3461 §4.2). Addresses
// of type utf-8 have an encoding of their own (RFC 6533 §3).
func originalRecipient(s string) string {
	kind, address, _ := strings.Cut(s, ";")
	if strings.EqualFold(kind, "utf-8") {
		return kind + ";" + unitext(address)
	}
	return kind + ";" + xtext(address)
}

// xtext encodes what may not stand in a parameter as +HH (RFC 3461 §4).
func xtext(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < '!' || c > '~' || c == '+' || c == '=' {
			fmt.Fprintf(&b, "+%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// unitext encodes what may not stand in a parameter as \x{HEX} (RFC 6533 §3,
// utf-8-addr-xtext), so that the result is ASCII.
func unitext(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < '!' || r > '~' || r == '+' || r == '=' || r == '\\' {
			fmt.Fprintf(&b, `\x{%X}`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
