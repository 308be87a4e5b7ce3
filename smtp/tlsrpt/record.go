package tlsrpt

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"postern/domain/mailaddr"
)

// maxTargets bounds the addresses of one record that are used.
const maxTargets = 10

// Target is where a domain wants its reports: by mail, or by HTTPS.
type Target struct {
	Mailbox mailaddr.Mailbox
	URL     *url.URL // nil: by mail
}

// String returns the target as the URI of the record.
func (t Target) String() string {
	if t.URL != nil {
		return t.URL.String()
	}
	return "mailto:" + t.Mailbox.String()
}

// ErrNoRecord says that a domain asks for no reports.
var ErrNoRecord = errors.New("the domain asks for no TLS reports")

// RecordName returns the name of the record by which a domain asks for reports.
func RecordName(domain mailaddr.DomainName) mailaddr.DomainName { return "_smtp._tls." + domain }

// ParseRecords reads the TXT records found at [RecordName].
func ParseRecords(texts []string) ([]Target, error) {
	var records []string
	for _, text := range texts {
		if version, _, _ := strings.Cut(text, ";"); strings.TrimRight(version, " \t") == "v=TLSRPTv1" {
			records = append(records, text)
		}
	}
	// RFC 8460 §3: other than one record means that reporting is not wanted.
	switch len(records) {
	case 0:
		return nil, ErrNoRecord
	case 1:
		return parseRecord(records[0])
	}
	return nil, fmt.Errorf("%w: there are %d records", ErrNoRecord, len(records))
}

// parseRecord reads one record. Fields that nobody knows are passed over (RFC 8460
// §3), and so are targets by other ways.
func parseRecord(text string) (targets []Target, err error) {
	_, fields, _ := strings.Cut(text, ";")
	for field := range strings.SplitSeq(fields, ";") {
		name, value, _ := strings.Cut(strings.Trim(field, " \t"), "=")
		if strings.TrimRight(name, " \t") != "rua" {
			continue
		}
		for uri := range strings.SplitSeq(value, ",") {
			if t, ok := parseTarget(strings.Trim(uri, " \t")); ok && len(targets) < maxTargets {
				targets = append(targets, t)
			}
		}
	}
	if len(targets) == 0 {
		return nil, fmt.Errorf("%w: the record names no target that can be used", ErrNoRecord)
	}
	return targets, nil
}

func parseTarget(uri string) (Target, bool) {
	u, err := url.Parse(uri)
	if err != nil {
		return Target{}, false
	}
	switch u.Scheme {
	case "https":
		return Target{URL: u}, u.Host != "" && u.User == nil
	case "mailto":
		address, err := url.PathUnescape(u.Opaque)
		if err != nil {
			return Target{}, false
		}
		mailbox, err := mailaddr.ParseMailbox(address)
		return Target{Mailbox: mailbox}, err == nil && !mailbox.IsNull()
	}
	return Target{}, false
}
