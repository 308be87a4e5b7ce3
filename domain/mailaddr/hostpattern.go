package mailaddr

import (
	"strings"

	"postern/domain"
)

// The two spellings of the pattern that matches every name: routes say ALL
// (B31), destination controls say default (B21).
const (
	catchAllRoutes       = "ALL"
	catchAllDestinations = "default"
)

// HostPattern picks names: one exact name, a .suffix that stands for everything
// below it but not for itself, or all. The zero value matches nothing.
type HostPattern struct {
	// text is the canonical text form, which holds all there is to know: no
	// canonical name has capitals or begins with a dot.
	text string
}

// ParseHostPattern parses "example.com", ".example.com", "ALL" or "default".
func ParseHostPattern(s string) (HostPattern, error) {
	if word, ok := catchAllWord(s); ok {
		return HostPattern{word}, nil
	}
	if strings.HasPrefix(s, "*.") {
		return HostPattern{}, domain.E(domain.Invalid, "%s: write %s for everything within the domain", quote(s), quote(s[1:]))
	}
	host, isSuffix := strings.CutPrefix(s, ".")
	name, err := ParseDomainName(host)
	if err != nil {
		return HostPattern{}, err
	}
	if isSuffix {
		return HostPattern{"." + string(name)}, nil
	}
	// "all." must not turn into the pattern for all by losing its dot.
	if word, ok := catchAllWord(string(name)); ok {
		return HostPattern{}, domain.E(domain.Invalid, "%s: %s is no host name here; write %s for all", quote(s), name, word)
	}
	return HostPattern{string(name)}, nil
}

// catchAllWord returns the canonical spelling of the pattern for all.
func catchAllWord(s string) (string, bool) {
	switch {
	case strings.EqualFold(s, catchAllRoutes):
		return catchAllRoutes, true
	case strings.EqualFold(s, catchAllDestinations):
		return catchAllDestinations, true
	}
	return "", false
}

// IsAll reports whether p matches every name.
func (p HostPattern) IsAll() bool {
	return p.text == catchAllRoutes || p.text == catchAllDestinations
}

// Suffix returns the domain of which p matches everything strictly below; false
// where p is of another form.
func (p HostPattern) Suffix() (DomainName, bool) {
	suffix, ok := strings.CutPrefix(p.text, ".")
	if !ok {
		return "", false
	}
	return DomainName(suffix), true
}

// Exact returns the one name that p matches; false where p is of another form.
func (p HostPattern) Exact() (DomainName, bool) {
	if p.text == "" || p.text[0] == '.' || p.IsAll() {
		return "", false
	}
	return DomainName(p.text), true
}

// Match reports whether p picks the name. The empty name is picked only by the
// pattern for all.
func (p HostPattern) Match(name DomainName) bool {
	if suffix, ok := p.Suffix(); ok {
		return name.Within(suffix)
	}
	exact, ok := p.Exact()
	return p.IsAll() || ok && name == exact
}

// Covers reports whether p picks every name that other picks. The zero value
// covers nothing and is covered by nothing.
func (p HostPattern) Covers(other HostPattern) bool {
	if other == (HostPattern{}) {
		return false
	}
	if name, ok := other.Exact(); ok {
		return p.Match(name)
	}
	if p.IsAll() {
		return true
	}
	wide, isSuffix := p.Suffix()
	narrow, ok := other.Suffix()
	return isSuffix && ok && (narrow == wide || narrow.Within(wide))
}

// String returns the text form, which parses to p again.
func (p HostPattern) String() string { return p.text }

// MarshalText returns the text form.
func (p HostPattern) MarshalText() ([]byte, error) { return []byte(p.text), nil }

// UnmarshalText takes the text form.
func (p *HostPattern) UnmarshalText(text []byte) error {
	return unmarshal(p, text, ParseHostPattern)
}

// unmarshal sets v to what parse makes of the text.
func unmarshal[T any](v *T, text []byte, parse func(string) (T, error)) error {
	parsed, err := parse(string(text))
	if err != nil {
		return err
	}
	*v = parsed
	return nil
}
