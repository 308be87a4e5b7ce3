package config

import (
	"crypto/x509"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"postern/domain/mailaddr"
	"postern/domain/mtasts"
	"postern/domain/policy"
)

// Snapshot is the whole configuration of one revision, compiled for look-ups.
// It never changes; a later one shares with it what did not change.
type Snapshot struct {
	Revision int64
	Settings policy.Settings

	listeners    map[string]policy.Listener
	flowPolicies map[string]policy.MailFlowPolicy
	access       map[string]access
	anchors      map[string]policy.TrustAnchor
	profiles     map[string]policy.ServerProfile
	recipients   map[string]policy.AlertRecipient
	webhooks     map[string]policy.Webhook
	stsPolicies  map[string]mtasts.Hosting // that we publish, by domain
	domains      table[mailaddr.DomainName, struct{}]
	controls     hostTable[policy.DestinationControl]
	routes       hostTable[policy.Route]
	exemptions   endpointTable[policy.STARTTLSEntry]
	requirements endpointTable[policy.STARTTLSEntry]
	filters      *policy.FilterChain // nil: no content filters
}

// access is the host access table of a listener, as written and as compiled.
type access struct {
	written  policy.HostAccessTable
	compiled *policy.AccessTable
}

// Listeners returns the listeners, sorted by name, with defaults filled in.
func (s *Snapshot) Listeners() []policy.Listener {
	list := make([]policy.Listener, 0, len(s.listeners))
	for _, name := range slices.Sorted(maps.Keys(s.listeners)) {
		list = append(list, s.listeners[name].WithDefaults())
	}
	return list
}

// Listener returns a listener by name, with defaults filled in.
func (s *Snapshot) Listener(name string) (policy.Listener, bool) {
	l, ok := s.listeners[name]
	return l.WithDefaults(), ok
}

// TrustAnchors returns the certificates of every anchor with the usage, in the
// order of the anchors' names (B23).
func (s *Snapshot) TrustAnchors(usage policy.TrustUsage) []*x509.Certificate {
	var list []*x509.Certificate
	for _, name := range slices.Sorted(maps.Keys(s.anchors)) {
		if a := s.anchors[name]; a.Usage == usage {
			list = append(list, a.Certificates()...)
		}
	}
	return list
}

// TrustAnchorNames names the anchors with one of the usages, in order.
func (s *Snapshot) TrustAnchorNames(usages ...policy.TrustUsage) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.anchors)) {
		if slices.Contains(usages, s.anchors[name].Usage) {
			names = append(names, name)
		}
	}
	return names
}

// ServerProfile returns a server profile by name (B32).
func (s *Snapshot) ServerProfile(name string) (policy.ServerProfile, bool) {
	p, ok := s.profiles[name]
	return p, ok
}

// AlertRecipients returns the recipients of alerts, sorted by name (B62).
func (s *Snapshot) AlertRecipients() []policy.AlertRecipient {
	list := make([]policy.AlertRecipient, 0, len(s.recipients))
	for _, name := range slices.Sorted(maps.Keys(s.recipients)) {
		list = append(list, s.recipients[name])
	}
	return list
}

// CoreProfile returns a server profile of type core by name (B34).
func (s *Snapshot) CoreProfile(name string) (policy.CoreProfile, bool) {
	p, ok := s.profiles[name]
	if !ok || p.Type != policy.ServerCore {
		return policy.CoreProfile{}, false
	}
	return policy.CoreProfile(p), true
}

// FlowPolicy returns a mail flow policy as the listener applies it: what it
// leaves unset comes from the listener's default policy parameters, and what
// those leave unset from the built-in ones (B14).
func (s *Snapshot) FlowPolicy(l policy.Listener, name string) (policy.MailFlowPolicy, bool) {
	p, ok := s.flowPolicies[name]
	p = p.Acting()
	p.FlowParameters = p.Inherit(l.Defaults).Inherit(policy.BuiltInParameters())
	if p.Reported.RequireTLS {
		p.TLS = max(p.TLS, policy.ListenerTLSPreferred) // what is not demanded is offered
	}
	return p, ok
}

// Access returns the compiled host access table of a listener.
func (s *Snapshot) Access(listener string) (*policy.AccessTable, bool) {
	a, ok := s.access[listener]
	return a.compiled, ok
}

// HostAccessTable returns the host access table of a listener as written.
func (s *Snapshot) HostAccessTable(listener string) (policy.HostAccessTable, bool) {
	a, ok := s.access[listener]
	return a.written, ok
}

// hasAccess reports whether there is a host access table of the listener.
func (s *Snapshot) hasAccess(listener string) bool {
	_, ok := s.access[listener]
	return ok
}

// Hosts reports whether mail for the recipient domain is taken from anyone (B18).
func (s *Snapshot) Hosts(name mailaddr.DomainName) bool {
	_, ok := s.domains.Get(name)
	return ok
}

// HostedDomains returns the number of hosted domains.
func (s *Snapshot) HostedDomains() int { return s.domains.Len() }

// ContentFilters returns the content filters, compiled (B59).
func (s *Snapshot) ContentFilters() *policy.FilterChain { return s.filters }

// Route returns the route for a recipient domain, nil where MX decides (B31).
func (s *Snapshot) Route(name mailaddr.DomainName) *policy.Route { return s.routes.Lookup(name) }

// Control returns the destination control for a recipient domain with
// inheritance resolved, and whether its TLS level is that of the entry "default"
// (B21).
func (s *Snapshot) Control(name mailaddr.DomainName) (control policy.DestinationControl, levelIsDefault bool) {
	base := policy.BuiltInDestination()
	base.Pattern = defaultPattern
	if s.controls.all != nil {
		base = s.controls.all.Acting().Inherit(base)
	}
	entry := s.controls.Lookup(name)
	if entry == nil || entry == s.controls.all {
		return base, true
	}
	acting := entry.Acting()
	return acting.Inherit(base), acting.TLSLevel == nil
}

// reportOnly returns the level that a destination control would set for the
// recipient domain, did it not only report; nil where none would. A narrower
// entry that sets a level leaves a wider one nothing to report (B72).
func (s *Snapshot) reportOnly(name mailaddr.DomainName) *policy.ReportOnlyLevel {
	for _, entry := range []*policy.DestinationControl{s.controls.Lookup(name), s.controls.all} {
		switch {
		case entry == nil || entry.TLSLevel == nil:
		case entry.ReportOnly:
			return &policy.ReportOnlyLevel{Pattern: entry.Pattern, Level: *entry.TLSLevel}
		default:
			return nil
		}
	}
	return nil
}

// defaultPattern is the key of the catch-all destination control.
var defaultPattern = mustPattern("default")

func mustPattern(s string) mailaddr.HostPattern {
	p, err := mailaddr.ParseHostPattern(s)
	if err != nil {
		panic(err) // a constant of ours
	}
	return p
}

// ExemptInbound returns the STARTTLS exemption in force for a client, nil where
// STARTTLS may be offered to it (B25).
func (s *Snapshot) ExemptInbound(addr netip.Addr, confirmed []mailaddr.DomainName, now time.Time) *policy.STARTTLSEntry {
	return entryInForce(&s.exemptions, now, confirmed, addr)
}

// OutboundInputs gathers what the configuration says about sending a recipient
// domain's mail to a host at an address; either may be empty as long as it is
// not known. The evidence that others publish (DANE, MTA-STS) and the message's
// flags are the caller's to add.
func (s *Snapshot) OutboundInputs(recipient, host mailaddr.DomainName, addr netip.Addr, now time.Time) policy.OutboundInputs {
	control, levelIsDefault := s.Control(recipient)
	in := policy.OutboundInputs{
		Domain:         recipient,
		TLS:            s.Settings.TLS,
		Control:        control,
		LevelIsDefault: levelIsDefault,
		ReportOnly:     s.reportOnly(recipient),
		Exemption:      entryInForce(&s.exemptions, now, []mailaddr.DomainName{recipient, host}, addr),
		Requirement:    entryInForce(&s.requirements, now, []mailaddr.DomainName{host}, addr),
	}
	if control.OverrideRemotePolicy.Active(now) {
		in.RemoteOverride = control.OverrideRemotePolicy.Reason
	}
	if route := s.Route(recipient); route != nil {
		in.Routed = !route.PolicyDomain
	}
	return in
}

// entryInForce returns the first entry of a STARTTLS list that has not expired
// and holds one of the names or the address; of entries that hold the same one,
// the narrowest (B25).
func entryInForce(list *endpointTable[policy.STARTTLSEntry], now time.Time, names []mailaddr.DomainName, addr netip.Addr) *policy.STARTTLSEntry {
	inForce := func(e *policy.STARTTLSEntry) bool { return e.Active(now) }
	for _, name := range names {
		if e := list.FindName(name, inForce); e != nil {
			return e
		}
	}
	return list.FindAddr(addr, inForce)
}

// ExemptsNames reports whether the STARTTLS exemption list has names, so that a
// client's names must be known (B25).
func (s *Snapshot) ExemptsNames() bool { return s.exemptions.names.Len() > 0 }

// BoundTo names what is bound to a certificate (B46).
func (s *Snapshot) BoundTo(certificateID string) []string {
	var names []string
	for _, l := range s.Listeners() {
		if l.CertificateID == certificateID {
			names = append(names, fmt.Sprintf("listener %q", l.Name))
		}
	}
	if s.Settings.Management.CertificateID == certificateID {
		names = append(names, "HTTPS of the management listener")
	}
	if s.Settings.PublicWeb.CertificateID == certificateID {
		names = append(names, "the public web listener")
	}
	if s.Settings.Outbound.CertificateID == certificateID {
		names = append(names, "outbound TLS client")
	}
	return names
}
