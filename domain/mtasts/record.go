package mtasts

import (
	"errors"
	"strings"

	"postern/domain/mailaddr"
)

// RecordName returns where the TXT record of a domain is (RFC 8461 §3.1). A domain
// so long that it has no room for one has no policy.
func RecordName(domain mailaddr.DomainName) (mailaddr.DomainName, error) {
	return mailaddr.ParseDomainName("_mta-sts." + domain.String())
}

// Why a domain has no record that says it has a policy.
var (
	// ErrNoRecord says that it does not try to have one.
	ErrNoRecord = errors.New("there is no MTA-STS record")
	// RFC 8461 §3.1: any other number than one is none.
	errSeveralRecords = errors.New("there is more than one MTA-STS record")
	errRecordSyntax   = errors.New("the MTA-STS record is malformed")
	errNoID           = errors.New("the MTA-STS record has no id of 1 to 32 letters and digits")
)

const recordVersion = "v=STSv1"

// ParseRecord finds the MTA-STS record among the TXT records at [RecordName] and
// returns its id. Every error means that there is no policy to be found by it.
func ParseRecord(texts []string) (id string, err error) {
	var fields []string
	found := false
	for _, text := range texts {
		split, ok := recordFields(text)
		switch {
		case !ok: // RFC 8461 §3.1: records of other kinds are discarded.
		case found:
			return "", errSeveralRecords
		default:
			fields, found = split, true
		}
	}
	if !found {
		return "", ErrNoRecord
	}
	return idOf(fields)
}

// recordFields returns the fields behind the version; false where the text is no
// MTA-STS record.
func recordFields(text string) ([]string, bool) {
	version, rest, ok := strings.Cut(text, ";")
	if !ok || strings.TrimRight(version, " \t") != recordVersion {
		return nil, false
	}
	// RFC 8461 §3.1: a delimiter may end the record.
	rest = strings.TrimRight(rest, " \t")
	return strings.Split(strings.TrimSuffix(rest, ";"), ";"), true
}

// idOf returns the value of the first field "id"; the others must look like fields.
func idOf(fields []string) (id string, err error) {
	for _, field := range fields {
		name, value, ok := strings.Cut(strings.Trim(field, " \t"), "=")
		if !ok || !isExtensionName(name) || !isExtensionValue(value) {
			return "", errRecordSyntax
		}
		if name == "id" && id == "" {
			if id = value; len(id) > 32 || !only(id, isAlphanumeric) {
				return "", errNoID
			}
		}
	}
	if id == "" {
		return "", errNoID
	}
	return id, nil
}

// isExtensionName reports whether s may name a field, in records and in policies
// (RFC 8461 §3.1, §3.2).
func isExtensionName(s string) bool {
	return s != "" && len(s) <= 32 && isAlphanumeric(s[0]) && only(s[1:], func(c byte) bool {
		return isAlphanumeric(c) || c == '_' || c == '-' || c == '.'
	})
}

// isExtensionValue reports whether s may be the value of a field in a record: it has
// no equal sign, semicolon, space or control character.
func isExtensionValue(s string) bool {
	return s != "" && only(s, func(c byte) bool { return '!' <= c && c <= '~' && c != '=' && c != ';' })
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// only reports whether every octet of s is of a kind.
func only(s string, kind func(byte) bool) bool {
	for i := range len(s) {
		if !kind(s[i]) {
			return false
		}
	}
	return true
}
