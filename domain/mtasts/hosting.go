package mtasts

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"postern/domain"
	"postern/domain/mailaddr"
)

// Hosting is the policy that we publish for a domain of ours (B61).
type Hosting struct {
	Domain mailaddr.DomainName `json:"domain"`
	Mode   Mode                `json:"mode"`
	MX     []MXPattern         `json:"mx"`
	// MaxAgeSeconds is how long senders hold us to the policy.
	MaxAgeSeconds int `json:"max_age_seconds"`
	// Force publishes mode enforce although a host fails a live verification (B61).
	Force bool `json:"force,omitempty"`
}

// Bounds of what we publish.
const (
	maxHostedMX = 100
	// minHostedAge is a day: with less, a policy would be gone before most senders
	// write again.
	minHostedAge = 86400
	// adviceAge is what RFC 8461 §3.2 recommends for a policy in force: weeks.
	adviceAge = 7 * 86400
)

// Validate reports every broken rule of the policy by itself.
func (h Hosting) Validate() (f domain.Faults) {
	if h.Domain == "" {
		f.Add("/domain", "is required: a domain name")
	}
	if !h.Mode.known() {
		f.Add("/mode", "must be %s, %s or %s", ModeEnforce, ModeTesting, ModeNone)
	}
	if len(h.MX) == 0 && h.Mode != ModeNone {
		f.Add("/mx", "must name at least one host: without it the policy is void")
	}
	if len(h.MX) > maxHostedMX {
		f.Add("/mx", "may have at most %d patterns", maxHostedMX)
	}
	for i, pattern := range h.MX {
		h.validatePattern(&f, i, pattern)
	}
	if h.MaxAgeSeconds < minHostedAge || h.MaxAgeSeconds > int(MaxAge/time.Second) {
		f.Add("/max_age_seconds", "must be between %d and %d", minHostedAge, int(MaxAge/time.Second))
	}
	return f
}

func (h Hosting) validatePattern(f *domain.Faults, i int, pattern MXPattern) {
	at := fmt.Sprintf("/mx/%d", i)
	parsed, err := ParseMXPattern(string(pattern))
	switch {
	case err != nil:
		f.Add(at, "%s", err.Error())
	case parsed != pattern:
		f.Add(at, "must be written %q", parsed)
	case slices.Contains(h.MX[:i], pattern):
		f.Add(at, "%q stands there twice", pattern)
	}
}

// Warnings are what an administrator should look at, though it is allowed.
func (h Hosting) Warnings() (f domain.Faults) {
	if h.Mode == ModeEnforce && h.MaxAgeSeconds < adviceAge {
		f.Add("/max_age_seconds", "is short: RFC 8461 §3.2 recommends weeks, since between two policies mail can be diverted")
	}
	return f
}

// Policy returns what is published.
func (h Hosting) Policy() Policy {
	return Policy{Mode: h.Mode, MX: h.MX, MaxAge: time.Duration(h.MaxAgeSeconds) * time.Second}
}

// ID returns the id of the policy's TXT record. It is a digest of the text: equal
// policies have the same id, and others another one (B61).
func (h Hosting) ID() string {
	sum := sha256.Sum256([]byte(h.Policy().String()))
	return hex.EncodeToString(sum[:10])
}

// Record returns the TXT record to publish at [RecordName] (RFC 8461 §3.1).
func (h Hosting) Record() string { return recordVersion + "; id=" + h.ID() + ";" }

// Host returns the name of the web server that has the policy of a domain (RFC 8461
// §3.3). A domain that is too long for one has none.
func Host(domain mailaddr.DomainName) (mailaddr.DomainName, error) {
	return mailaddr.ParseDomainName(HostPrefix + domain.String())
}

// HostPrefix is what that name begins with.
const HostPrefix = "mta-sts."

// Path is where on that server it is (RFC 8461 §3.3).
const Path = "/.well-known/mta-sts.txt"
