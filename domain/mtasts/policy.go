package mtasts

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"postern/domain"
	"postern/domain/mailaddr"
)

// Mode is what a policy asks of senders.
type Mode string

// The modes (RFC 8461 §5).
const (
	ModeEnforce Mode = "enforce" // no delivery to hosts that fail the policy
	ModeTesting Mode = "testing" // failures are reported, and mail is delivered
	ModeNone    Mode = "none"    // the domain has given up its policy
)

func (m Mode) known() bool { return m == ModeEnforce || m == ModeTesting || m == ModeNone }

// Bounds of policies.
const (
	// MaxAge is the longest time for which a policy holds (RFC 8461 §3.2).
	MaxAge = 31557600 * time.Second
	// MaxText bounds the text of a policy (RFC 8461 §3.3).
	MaxText = 64 << 10
)

// Policy is what a domain publishes.
type Policy struct {
	Mode   Mode
	MX     []MXPattern   // the hosts that take its mail; may be none with ModeNone
	MaxAge time.Duration // whole seconds, at most [MaxAge]
}

// policyText is a policy while it is read.
type policyText struct {
	mx     []MXPattern
	fields map[string]string // all others, by name
}

// ParsePolicy reads the text of a policy (RFC 8461 §3.2). Lines may end in LF or
// CRLF, and their order does not matter; fields that nobody knows are skipped. A
// longer life than a year is taken for a year. The error is of kind Invalid.
func ParsePolicy(text string) (Policy, error) {
	if len(text) > MaxText {
		return Policy{}, invalid("the policy is longer than %d octets", MaxText)
	}
	if !utf8.ValidString(text) {
		return Policy{}, invalid("the policy is not UTF-8")
	}
	p := policyText{fields: map[string]string{}}
	for line := range strings.SplitSeq(text, "\n") {
		if err := p.read(strings.TrimSuffix(line, "\r")); err != nil {
			return Policy{}, err
		}
	}
	return p.done()
}

func invalid(format string, values ...any) error { return domain.E(domain.Invalid, format, values...) }

// read takes one line in.
func (p *policyText) read(line string) error {
	line = strings.TrimRight(line, " \t")
	if line == "" {
		return nil
	}
	name, value, ok := strings.Cut(line, ":")
	if !ok || !isExtensionName(name) {
		return invalid("the policy has a line that is no field: %s", quote(line))
	}
	value = strings.TrimLeft(value, " \t")
	if name == "mx" {
		return p.readMX(value)
	}
	// RFC 8461 §3.2: of fields that must not be repeated the first counts.
	if _, repeated := p.fields[name]; !repeated {
		p.fields[name] = value
	}
	return nil
}

func (p *policyText) readMX(value string) error {
	pattern, err := ParseMXPattern(value)
	if err == nil && !slices.Contains(p.mx, pattern) {
		p.mx = append(p.mx, pattern)
	}
	return err
}

// done judges the whole.
func (p *policyText) done() (Policy, error) {
	mode := Mode(p.fields["mode"])
	switch {
	case p.fields["version"] != policyVersion:
		return Policy{}, invalid("the policy is not of version %s", policyVersion)
	case !mode.known():
		return Policy{}, invalid("the policy has no mode that is known: %s", quote(string(mode)))
	case len(p.mx) == 0 && mode != ModeNone:
		return Policy{}, invalid("the policy of mode %s has no mx line", mode)
	}
	age, err := parseSeconds(p.fields["max_age"])
	if err != nil {
		return Policy{}, err
	}
	return Policy{Mode: mode, MX: p.mx, MaxAge: age}, nil
}

const policyVersion = "STSv1"

// parseSeconds reads max_age: digits only, at most ten of them (RFC 8461 §3.2).
func parseSeconds(s string) (time.Duration, error) {
	isDigit := func(c byte) bool { return '0' <= c && c <= '9' }
	if s == "" || len(s) > 10 || !only(s, isDigit) {
		return 0, invalid("the policy has no max_age of 1 to 10 digits")
	}
	seconds, err := strconv.ParseInt(s, 10, 64)
	return time.Duration(min(seconds, int64(MaxAge/time.Second))) * time.Second, err
}

// String returns the text of the policy (RFC 8461 §3.2).
func (p Policy) String() string {
	var text strings.Builder
	text.WriteString("version: " + policyVersion + "\r\nmode: " + string(p.Mode) + "\r\n")
	for _, pattern := range p.MX {
		text.WriteString("mx: " + string(pattern) + "\r\n")
	}
	text.WriteString("max_age: " + strconv.FormatInt(int64(p.MaxAge/time.Second), 10) + "\r\n")
	return text.String()
}

// Lists reports whether the policy names the host.
func (p Policy) Lists(host mailaddr.DomainName) bool {
	return slices.ContainsFunc(p.MX, func(pattern MXPattern) bool { return pattern.Matches(host) })
}

// MXPattern is an mx line in canonical form: a host name in A-labels, or "*." and a
// domain for all hosts one label below it. Make one with [ParseMXPattern].
type MXPattern string

// ParseMXPattern reads the value of an mx line. Names in U-labels are understood,
// addresses refused. The error is of kind Invalid.
func ParseMXPattern(s string) (MXPattern, error) {
	rest, wildcard := strings.CutPrefix(s, "*.")
	name, err := mailaddr.ParseDomainName(rest)
	if err != nil {
		return "", invalid("%s is no host name, nor one behind *.", quote(s))
	}
	if wildcard {
		return MXPattern("*." + name), nil
	}
	return MXPattern(name), nil
}

// Matches holds an MX host against the pattern. RFC 8461 §4.1: a wildcard is the whole
// left-most label and stands for exactly one label.
func (p MXPattern) Matches(host mailaddr.DomainName) bool {
	domain, wildcard := strings.CutPrefix(string(p), "*.")
	if !wildcard {
		return host != "" && string(host) == domain
	}
	parent, ok := host.Parent()
	return ok && string(parent) == domain
}

// maxQuoted bounds foreign text in errors.
const maxQuoted = 80

// quote makes foreign text fit for a log line.
func quote(s string) string { return strconv.QuoteToASCII(s[:min(len(s), maxQuoted)]) }
