package outbound

import (
	"strings"

	"postern/domain/delivery"
	"postern/smtp/reply"
)

// misfit says why the peer cannot carry the message as it is, for all its
// recipients. B20: what cannot be carried bounces; nothing is converted, because
// that would break signatures, and nothing is sent in the hope that it passes.
func (e extensions) misfit(m *delivery.Envelope) (reply.Reply, bool) {
	switch {
	// RFC 6531 §3.5: an internationalised message needs SMTPUTF8 all the way.
	case needsUTF8(m) && !e.smtpUTF8:
		return reply.New(550, reply.Status{Subject: 6, Detail: 7}, "the next hop does not offer SMTPUTF8, which the message needs"), true
	// RFC 6152 §3: eight-bit content must not go to a peer without 8BITMIME.
	case m.EightBit && !e.eightBitMIME:
		return reply.New(554, reply.Status{Subject: 6, Detail: 3}, "the next hop does not offer 8BITMIME, which the content needs"), true
	// RFC 1870 §6.1: too big for the limit that the peer told.
	case e.maxSize > 0 && m.Size > e.maxSize:
		return reply.New(552, reply.Status{Subject: 3, Detail: 4}, "the message is bigger than the next hop takes"), true
	case !fitForLine(e.mailCommand(m, false, false)):
		return reply.New(553, reply.Status{Subject: 1, Detail: 7}, "the sender's address cannot be written in a command"), true
	}
	return reply.Reply{}, false
}

// recipientMisfit says why the peer cannot take the recipient.
func (e extensions) recipientMisfit(r *delivery.Recipient) (reply.Reply, bool) {
	switch {
	// A domain with non-ASCII labels goes as A-labels; a local part has no such
	// form (RFC 6531 §3.5).
	case !r.Address.IsASCII() && !e.smtpUTF8:
		return reply.New(550, reply.Status{Subject: 6, Detail: 7}, "the next hop does not offer SMTPUTF8, which the address needs"), true
	case !fitForLine(e.recipientCommand(r)):
		return reply.New(553, reply.Status{Subject: 1, Detail: 3}, "the address cannot be written in a command"), true
	}
	return reply.Reply{}, false
}

// fitForLine reports whether a command is a single line. Addresses and
// parameters are parsed and quoted elsewhere; this is the last door before the
// wire.
func fitForLine(command string) bool {
	return !strings.ContainsFunc(command, func(r rune) bool { return r < ' ' || r == 0x7f })
}
