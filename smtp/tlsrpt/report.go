// Package tlsrpt reads and writes what SMTP TLS reporting exchanges (RFC 8460): the
// DNS record by which a domain asks for reports, the report itself, and the mail
// message that carries it.
//
// The writer is strict. The reader is tolerant of what reporters in the field leave
// out or type wrongly, and refuses what cannot be counted: a report comes from
// strangers, is bounded before and after it is expanded, and proves nothing.
package tlsrpt

import (
	"encoding/json"
	"time"
)

// PolicyType is the sort of policy that sessions were held against (RFC 8460 §4.4).
type PolicyType string

// The policy types.
const (
	STS           PolicyType = "sts"
	TLSA          PolicyType = "tlsa"
	NoPolicyFound PolicyType = "no-policy-found"
)

// Report is one report (RFC 8460 §4.4).
type Report struct {
	Organization string         `json:"organization-name"`
	Range        DateRange      `json:"date-range"`
	Contact      string         `json:"contact-info"`
	ID           string         `json:"report-id"`
	Policies     []PolicyResult `json:"policies"`
}

// DateRange is the time that a report is about, both ends included.
type DateRange struct {
	Start time.Time `json:"start-datetime"`
	End   time.Time `json:"end-datetime"`
}

// PolicyResult is what became of the sessions under one policy.
type PolicyResult struct {
	Policy   Policy    `json:"policy"`
	Summary  Summary   `json:"summary"`
	Failures []Failure `json:"failure-details,omitempty"`
}

// Policy is what the domain published.
type Policy struct {
	Type    PolicyType `json:"policy-type"`
	Strings []string   `json:"policy-string,omitempty"`
	Domain  string     `json:"policy-domain"`
	MXHosts []string   `json:"mx-host,omitempty"`
}

// Summary counts sessions.
type Summary struct {
	Successful int64 `json:"total-successful-session-count"`
	Failed     int64 `json:"total-failure-session-count"`
}

// Failure counts the sessions that failed in one way.
type Failure struct {
	Result      string `json:"result-type"` // RFC 8460 §4.3
	SendingIP   string `json:"sending-mta-ip,omitempty"`
	MXHost      string `json:"receiving-mx-hostname,omitempty"`
	MXHello     string `json:"receiving-mx-helo,omitempty"`
	ReceivingIP string `json:"receiving-ip,omitempty"`
	Sessions    int64  `json:"failed-session-count"`
	Information string `json:"additional-information,omitempty"`
	Reason      string `json:"failure-reason-code,omitempty"`
}

// Sum adds up the sessions under all policies.
func (r *Report) Sum() (s Summary) {
	for _, p := range r.Policies {
		s.Successful += p.Summary.Successful
		s.Failed += p.Summary.Failed
	}
	return s
}

// Encode returns the report as JSON.
func (r *Report) Encode() ([]byte, error) { return json.MarshalIndent(r, "", " ") }
