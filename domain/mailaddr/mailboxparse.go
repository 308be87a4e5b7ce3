package mailaddr

import (
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"postern/domain"
)

// literalTagIPv6 opens an IPv6 address literal (RFC 5321 §4.1.3).
const literalTagIPv6 = "IPv6:"

// ParseMailbox parses an address without angle brackets by the grammar of RFC
// 5321 §4.1.2, with UTF-8 in the local part and U-labels in the domain (RFC
// 6531 §3.3). Comments, white space and the obsolete forms of RFC 5322 are not
// part of it.
func ParseMailbox(s string) (Mailbox, error) {
	m, err := parseMailbox(s)
	if err != nil {
		return Mailbox{}, err
	}
	// U-labels can be shorter than the A-labels that the next hop will see.
	if len(m.String()) > maxMailboxOctets {
		return Mailbox{}, tooLong(s)
	}
	return m, nil
}

func parseMailbox(s string) (Mailbox, error) {
	if len(s) > maxMailboxOctets {
		return Mailbox{}, tooLong(s)
	}
	if fault := checkText(s); fault != "" {
		return Mailbox{}, badAddress(s, fault)
	}
	local, rest, fault := cutLocal(s)
	if fault != "" {
		return Mailbox{}, badAddress(s, fault)
	}
	host, found := strings.CutPrefix(rest, "@")
	switch {
	case !found && rest == "":
		return Mailbox{}, badAddress(s, "add @ and a domain")
	case !found:
		return Mailbox{}, badAddress(s, "a character stands unquoted that must be quoted, or @ is missing after the quotes")
	case len(s)-len(rest) > maxLocalOctets:
		return Mailbox{}, badAddress(s, "the part before @ is longer than 64 octets")
	}
	return parseHost(s, local, host)
}

// parseHost completes the mailbox s with what stands behind its @.
func parseHost(s, local, host string) (Mailbox, error) {
	if strings.HasPrefix(host, "[") {
		addr, fault := parseLiteral(host)
		if fault != "" {
			return Mailbox{}, badAddress(s, fault)
		}
		return Mailbox{Local: local, Literal: addr}, nil
	}
	name, err := ParseDomainName(host)
	if err != nil {
		return Mailbox{}, err
	}
	return Mailbox{Local: local, Domain: name}, nil
}

// cutLocal splits off the local part and returns its content, what follows, and
// what is wrong with it, if anything.
func cutLocal(s string) (local, rest, fault string) {
	if strings.HasPrefix(s, `"`) {
		return cutQuoted(s)
	}
	end := 0
	for end < len(s) && (s[end] == '.' || isAtext(s[end])) {
		end++
	}
	local, rest = s[:end], s[end:]
	switch {
	case local == "" && (rest == "" || rest[0] == '@'):
		return "", rest, "the part before @ is empty"
	case !isDotString(local) && local != "":
		return "", rest, "dots may not begin, end or follow each other in the part before @"
	}
	return local, rest, ""
}

// cutQuoted splits off a Quoted-string (RFC 5321 §4.1.2) and returns its
// content.
func cutQuoted(s string) (content, rest, fault string) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], ""
		case '\\':
			i++
			// quoted-pairSMTP = "\" and a printable ASCII character.
			if i == len(s) || s[i] >= utf8.RuneSelf {
				return "", "", "a backslash must stand before an ASCII character"
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", "the closing quote is missing"
}

// parseLiteral parses an address literal, brackets included (RFC 5321 §4.1.3).
// General address literals have no registered tag and are refused.
func parseLiteral(s string) (netip.Addr, string) {
	content, closed := strings.CutSuffix(s[1:], "]")
	if !closed {
		return netip.Addr{}, "the address literal must end with ]"
	}
	text, is6 := cutPrefixFold(content, literalTagIPv6)
	addr, err := netip.ParseAddr(text)
	switch {
	case err != nil || addr.Zone() != "":
		return netip.Addr{}, "between [ and ] must stand an IPv4 address, or IPv6: and an IPv6 address"
	case addr.Is6() && !is6:
		return netip.Addr{}, "an IPv6 literal is written [IPv6:…]"
	case addr.Is4() && is6:
		return netip.Addr{}, "an IPv4 literal is written without IPv6:"
	}
	return addr, ""
}

// checkText refuses what no address may hold, quoted or not: control
// characters, NUL, CR and LF among them, and bytes that are not UTF-8.
func checkText(s string) string {
	if !utf8.ValidString(s) {
		return "it is not valid UTF-8"
	}
	if strings.ContainsFunc(s, isControl) {
		return "it holds a control character"
	}
	return ""
}

// isControl reports whether r could break or forge a line of text: the control
// characters, and the separators of lines and paragraphs.
func isControl(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029'
}

// isDotString reports whether s is a Dot-string: atoms joined by single dots.
func isDotString(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for i := range len(atom) {
			if !isAtext(atom[i]) {
				return false
			}
		}
	}
	return true
}

// isAtext reports whether c may stand in an atom (RFC 5322 §3.2.3); every octet
// of UTF-8 may (RFC 6531 §3.3).
func isAtext(c byte) bool {
	return isLetterOrDigit(c) || c >= utf8.RuneSelf || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

// cutPrefixFold is strings.CutPrefix that ignores case.
func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

func badAddress(s, fault string) error {
	return domain.E(domain.Invalid, "%s is no mail address: %s", quote(s), fault)
}

func tooLong(s string) error {
	return badAddress(s, "it is longer than 254 octets")
}
