package certificate

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"postern/domain"
	"postern/domain/mailaddr"
)

const (
	maxLabel  = 200 // runes
	maxQuoted = 80  // runes of a text from outside that a fault repeats
)

// parseName returns the canonical form of a DNS name that may begin with the
// wildcard label "*." (RFC 6125 §6.4.3: alone, left-most, for one label).
func parseName(s string) (string, error) {
	rest, wildcard := strings.CutPrefix(s, "*.")
	name, err := mailaddr.ParseDomainName(rest)
	if err != nil {
		return "", err
	}
	if !wildcard {
		return name.String(), nil
	}
	if _, ok := name.Parent(); !ok {
		return "", domain.E(domain.Invalid, "%s would stand for a whole top-level domain", quote(s))
	}
	return "*." + name.String(), nil
}

// readNames returns the names that a peer can compare, DNS names first, and
// those that none can match. Without subject alternative names the common name
// stands in, as RFC 6125 §6.4.4 had it.
func readNames(leaf *x509.Certificate) (names, unmatchable []string) {
	dns := leaf.DNSNames
	if len(dns) == 0 && len(leaf.IPAddresses) == 0 && leaf.Subject.CommonName != "" {
		dns = []string{leaf.Subject.CommonName}
	}
	for _, n := range dns {
		name, err := parseName(n)
		switch {
		case err != nil:
			unmatchable = append(unmatchable, n)
		case !slices.Contains(names, name):
			names = append(names, name)
		}
	}
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	return names, unmatchable
}

// nameWarnings says which names will not do what they seem to promise.
func nameWarnings(leaf *x509.Certificate) (warnings []string) {
	_, unmatchable := readNames(leaf)
	for _, n := range unmatchable {
		warnings = append(warnings, fmt.Sprintf("the name %s is no host name; no peer can match it", quote(n)))
	}
	if len(leaf.DNSNames) == 0 && len(leaf.IPAddresses) == 0 {
		warnings = append(warnings, "the name stands in the common name only; most peers look at subject alternative names alone")
	}
	return warnings
}

// checkText faults an administrator's own words when they are too long, in
// runes, or would garble a list.
func checkText(f *domain.Faults, pointer, text string, limit int) {
	if utf8.RuneCountInString(text) > limit {
		f.Add(pointer, "is longer than %d characters", limit)
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		f.Add(pointer, "must be text without control characters or line breaks")
	}
}

// quote returns a text from outside, bounded and safe in a log line.
func quote(s string) string { return strconv.Quote(shorten(s)) }

func shorten(s string) string {
	if r := []rune(s); len(r) > maxQuoted {
		return string(r[:maxQuoted]) + "…"
	}
	return s
}
