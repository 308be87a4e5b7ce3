package policy

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"postern/domain"
	"postern/domain/mailaddr"
)

// AlertType sorts alerts by who has to look at them (B62).
type AlertType string

// AlertSystem is about the gateway and how it gets on with its peers.
const AlertSystem AlertType = "system"

// AlertSeverity is how much an alert matters (B62).
type AlertSeverity string

// The severities, mildest first.
const (
	SeverityInfo     AlertSeverity = "info"
	SeverityWarning  AlertSeverity = "warning"
	SeverityCritical AlertSeverity = "critical"
)

var severityRanks = map[AlertSeverity]int{SeverityInfo: 1, SeverityWarning: 2, SeverityCritical: 3}

// AtLeast reports whether s matters as much as other, or more. The empty
// severity is below all.
func (s AlertSeverity) AtLeast(other AlertSeverity) bool {
	return severityRanks[s] >= severityRanks[other]
}

// AlertChannel is the way by which a recipient hears of alerts.
type AlertChannel string

// The channels.
const (
	ChannelMail    AlertChannel = "mail"
	ChannelWebhook AlertChannel = "webhook"
)

// AlertRecipient is who hears of alerts, of which, and how (B62).
type AlertRecipient struct {
	Name    string       `json:"name"`
	Channel AlertChannel `json:"kind"`
	// Address is set for mail, URL for webhooks.
	Address mailaddr.Mailbox `json:"address,omitzero"`
	URL     string           `json:"url,omitempty"`
	// Types that the recipient hears of; none stands for all.
	Types []AlertType `json:"types,omitempty"`
	// MinSeverity is the mildest that the recipient hears of; empty is info.
	MinSeverity AlertSeverity `json:"min_severity,omitempty"`
	Enabled     bool          `json:"enabled"`
	// SubjectPrefix stands before the subject of mail, as "[gateway 1]".
	SubjectPrefix string `json:"subject_prefix,omitempty"`
	Description   string `json:"description,omitempty"`
	// SecretID refers to the sealed secret that signs what is posted to a webhook;
	// empty: it is not signed.
	SecretID string `json:"secret_id,omitempty"`
}

const (
	maxSubjectPrefix = 64
	maxURLOctets     = 2000
)

// Wants reports whether the recipient is to hear of an alert.
func (r AlertRecipient) Wants(t AlertType, s AlertSeverity) bool {
	return r.Enabled && s.AtLeast(r.MinSeverity) && (len(r.Types) == 0 || slices.Contains(r.Types, t))
}

// Validate reports every broken rule of the recipient by itself.
func (r AlertRecipient) Validate() (f domain.Faults) {
	checkName(&f, "/name", r.Name)
	checkOneOf(&f, "/kind", r.Channel, ChannelMail, ChannelWebhook)
	switch r.Channel {
	case ChannelMail:
		r.checkMail(&f)
	case ChannelWebhook:
		r.checkWebhook(&f)
	}
	for i, t := range r.Types {
		checkOneOf(&f, fmt.Sprintf("/types/%d", i), t, AlertSystem)
	}
	checkOneOf(&f, "/min_severity", r.MinSeverity, "", SeverityInfo, SeverityWarning, SeverityCritical)
	if len(r.SubjectPrefix) > maxSubjectPrefix || strings.ContainsFunc(r.SubjectPrefix, isControl) {
		f.Add("/subject_prefix", "must be one line of at most %d octets", maxSubjectPrefix)
	}
	checkText(&f, "/description", r.Description)
	return f
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func (r AlertRecipient) checkMail(f *domain.Faults) {
	if r.Address.Domain == "" && !r.Address.Literal.IsValid() {
		f.Add("/address", "is required for mail: an address with a domain, as operator@example.com")
	}
	if r.SecretID != "" {
		f.Add("/secret", "is for webhooks: remove it, or choose the kind %s", ChannelWebhook)
	}
	if r.URL != "" {
		f.Add("/url", "is for webhooks: remove it, or choose the kind %s", ChannelWebhook)
	}
}

func (r AlertRecipient) checkWebhook(f *domain.Faults) {
	if !r.Address.IsNull() {
		f.Add("/address", "is for mail: remove it, or choose the kind %s", ChannelMail)
	}
	if r.SubjectPrefix != "" {
		f.Add("/subject_prefix", "is for mail: remove it, or choose the kind %s", ChannelMail)
	}
	checkWebhookURL(f, "/url", r.URL)
}

// checkWebhookURL takes what an HTTP client can post to. Credentials in it
// would show up in revisions and logs.
func checkWebhookURL(f *domain.Faults, pointer, text string) {
	u, err := url.Parse(text)
	switch {
	case text == "":
		f.Add(pointer, "is required for webhooks: as https://hooks.example.com/postern")
	case len(text) > maxURLOctets:
		f.Add(pointer, "is longer than %d octets", maxURLOctets)
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		f.Add(pointer, "must be an absolute URL that begins with https:// or http://")
	case u.User != nil:
		f.Add(pointer, "must not hold a user name or password: it is shown in revisions")
	case u.Fragment != "":
		f.Add(pointer, "must not have a fragment: it is never sent")
	}
}

// Warnings tells what is allowed and may surprise.
func (r AlertRecipient) Warnings() (f domain.Faults) {
	if r.Channel == ChannelWebhook && inClear(r.URL) {
		f.Add("/url", "alerts travel to it in clear: use https where the receiver can")
	}
	return f
}
