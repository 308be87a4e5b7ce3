package policy

import (
	"net/netip"
	"strconv"
	"strings"

	"postern/domain"
	"postern/domain/mailaddr"
)

// AlertSettings say how alerts leave the gateway, and when some are raised (B62).
type AlertSettings struct {
	// From is the sender of alert mail; unset, it is postern at our own host
	// name.
	From mailaddr.Mailbox `json:"from,omitzero"`
	// SmartHost takes all alert mail, as mail.example.com:587; empty, it goes to
	// the mail exchangers of the recipients' domains.
	SmartHost string `json:"smart_host,omitempty"`
	// AllowPrivateWebhooks lets webhooks lead to addresses of this machine and
	// of private networks.
	AllowPrivateWebhooks bool `json:"allow_private_webhooks"`
	// PlaintextShare says how much mail may go in clear before it is an alert.
	PlaintextShare PlaintextShare `json:"plaintext_share"`
}

// Validate reports every broken rule of the settings.
func (s AlertSettings) Validate() (f domain.Faults) {
	if !s.From.IsNull() && (s.From.Domain == "" || !s.From.IsASCII()) {
		f.Add("/from", "must be an ASCII address with a domain, as postern@example.com")
	}
	if _, ok := s.NextHop(); !ok && s.SmartHost != "" {
		f.Add("/smart_host", "%.100q is no host with a port: write mail.example.com:587 or [::1]:25", s.SmartHost)
	}
	s.PlaintextShare.validate(&f)
	return f
}

// NextHop returns the smart host; false where there is none.
func (s AlertSettings) NextHop() (NextHop, bool) {
	if a, err := netip.ParseAddrPort(s.SmartHost); err == nil {
		return NextHop{Host: a.Addr().String(), Port: int(a.Port())}, a.Port() != 0
	}
	if a, err := netip.ParseAddr(strings.Trim(s.SmartHost, "[]")); err == nil {
		return NextHop{Host: a.String()}, true
	}
	hop := NextHop{Host: s.SmartHost}
	if name, digits, found := strings.Cut(s.SmartHost, ":"); found {
		port, err := strconv.ParseUint(digits, 10, 16)
		if err != nil || port == 0 {
			return NextHop{}, false
		}
		hop = NextHop{Host: name, Port: int(port)}
	}
	_, err := mailaddr.ParseDomainName(hop.Host)
	return hop, err == nil
}
