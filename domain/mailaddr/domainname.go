package mailaddr

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"postern/domain"
)

// Limits of RFC 1035 §2.3.4 in the text form, without the trailing dot.
const (
	maxDomainOctets = 253
	maxLabelOctets  = 63
)

// maxDomainInput bounds the work on a name in U-labels, which may be longer in
// UTF-8 than in its A-labels.
const maxDomainInput = 1024

// DomainName is a host or domain name in canonical form: A-labels (RFC 5890
// §2.3.2.1), lower case, no trailing dot, at most 253 octets. The empty name
// stands for "none". Make one with [ParseDomainName] or from a constant that is
// canonical already.
type DomainName string

// lookup is the IDNA2008 lookup of RFC 5891 §5 with the mapping of UTS 46. It
// leaves plain ASCII labels alone: underscores (_smtp._tls) and hyphens in the
// third and fourth place occur in names that exist; checkLabel judges them.
var lookup = idna.New(
	idna.MapForLookup(),
	idna.Transitional(false),
	idna.BidiRule(),
	idna.CheckJoiners(true),
	idna.CheckHyphens(false),
	idna.StrictDomainName(false),
)

// ParseDomainName returns the canonical form of a name in A- or U-labels, any
// case, with or without one trailing dot. It refuses the empty name, IP
// addresses and address literals. A name that is canonical already costs no
// allocation.
func ParseDomainName(s string) (DomainName, error) {
	name, err := toALabels(s)
	if err != nil {
		return "", err
	}
	name = strings.TrimSuffix(name, ".")
	if fault := checkName(name); fault != "" {
		return "", domain.E(domain.Invalid, "%s is no domain name: %s", quote(s), fault)
	}
	return DomainName(name), nil
}

// toALabels lowers the case of s and turns U-labels into A-labels.
func toALabels(s string) (string, error) {
	if len(s) > maxDomainInput {
		return "", domain.E(domain.Invalid, "%s is no domain name: it is longer than %d octets", quote(s), maxDomainInput)
	}
	if isASCII(s) {
		s = strings.ToLower(s)
		if !strings.Contains(s, "xn--") {
			return s, nil
		}
	}
	// The lookup would take broken UTF-8 for U+FFFD.
	if !utf8.ValidString(s) {
		return "", domain.E(domain.Invalid, "%s is no domain name: it is not valid UTF-8", quote(s))
	}
	name, err := lookup.ToASCII(s)
	if err != nil {
		// The cause is left out: it repeats the whole label.
		return "", domain.E(domain.Invalid, "%s is no domain name: a label breaks the rules for internationalised names (IDNA2008)", quote(s))
	}
	return name, nil
}

// checkName returns what is wrong with a name in A-labels and lower case, or
// nothing.
func checkName(name string) string {
	switch {
	case name == "":
		return "it is empty"
	case name[0] == '[':
		return "it is an address literal"
	case len(name) > maxDomainOctets:
		return "it is longer than 253 octets"
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if fault := checkLabel(label); fault != "" {
			return fault
		}
		last = label
	}
	// RFC 3696 §2: no top-level domain is all digits; such text is an address.
	if strings.Trim(last, "0123456789") == "" {
		return "its last label is a number, as in an IP address"
	}
	return ""
}

// checkLabel returns what is wrong with one label, or nothing. It allows
// letters, digits and hyphens (RFC 1123 §2.1) and, for service names, the
// underscore (RFC 8552).
func checkLabel(label string) string {
	switch {
	case label == "":
		return "it has an empty label; remove the extra dot"
	case len(label) > maxLabelOctets:
		return "it has a label longer than 63 octets"
	case label[0] == '-' || label[len(label)-1] == '-':
		return "a label begins or ends with a hyphen"
	}
	for i := range len(label) {
		c := label[i]
		if !isLetterOrDigit(c) && c != '-' && c != '_' {
			return "only letters, digits, hyphens and dots may stand in it"
		}
	}
	return ""
}

// String returns the canonical form.
func (d DomainName) String() string { return string(d) }

// Unicode returns the name in U-labels, for people to read. Never compare it.
func (d DomainName) Unicode() string {
	if !strings.Contains(string(d), "xn--") {
		return string(d)
	}
	name, err := lookup.ToUnicode(string(d))
	if err != nil {
		return string(d)
	}
	return name
}

// Within reports whether d is strictly below suffix: mail.example.com is within
// example.com, example.com is not. Nothing is within the empty name.
func (d DomainName) Within(suffix DomainName) bool {
	cut := len(d) - len(suffix)
	return suffix != "" && cut > 1 && d[cut-1] == '.' && d[cut:] == suffix
}

// Parent returns the name without its first label; false for a single label.
func (d DomainName) Parent() (DomainName, bool) {
	_, parent, found := strings.Cut(string(d), ".")
	return DomainName(parent), found
}

// UnmarshalText parses a name. Empty text gives the empty name, as documents
// leave optional names out.
func (d *DomainName) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = ""
		return nil
	}
	name, err := ParseDomainName(string(text))
	if err != nil {
		return err
	}
	*d = name
	return nil
}
