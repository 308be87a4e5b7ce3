package config

import (
	"encoding/json"

	"postern/domain"
	"postern/domain/mtasts"
	"postern/domain/policy"
)

// kind says how items of one kind are read and compiled.
type kind struct {
	// decode reads a stored document.
	decode func(json.RawMessage) (Value, error)
	// key returns the key that the value must be stored under; nil where the
	// document does not hold it.
	key func(Value) string
	// compile puts the value (nil: deleted) into the snapshot under work.
	compile func(*builder, string, Value)
}

// kindOf returns the handling of a kind; false for a kind nobody knows. Adding
// a kind to the product is adding a case here.
func kindOf(k Kind, key string) (kind, bool) {
	switch k {
	case KindSettings:
		return settingsKind(key)
	case KindListener:
		return kind{decodeAs[policy.Listener], keyBy(func(l policy.Listener) string { return l.Name }), compileListener}, true
	case KindHostAccessTable:
		return kind{decodeAs[policy.HostAccessTable], keyBy(func(t policy.HostAccessTable) string { return t.Listener }), compileAccess}, true
	case KindMailFlowPolicy:
		return kind{decodeAs[policy.MailFlowPolicy], keyBy(func(p policy.MailFlowPolicy) string { return p.Name }), compileFlowPolicy}, true
	case KindDestinationControl:
		return kind{decodeAs[policy.DestinationControl], keyBy(func(d policy.DestinationControl) string { return d.Pattern.String() }), compileControl}, true
	case KindRoute:
		return kind{decodeAs[policy.Route], keyBy(func(r policy.Route) string { return r.Pattern.String() }), compileRoute}, true
	case KindSTARTTLSExemption:
		return kind{decodeAs[policy.STARTTLSEntry], keyBy(entryKey), compileExemption}, true
	case KindSTARTTLSRequirement:
		return kind{decodeAs[policy.STARTTLSEntry], keyBy(entryKey), compileRequirement}, true
	case KindDomain:
		return kind{decodeAs[policy.HostedDomain], keyBy(func(d policy.HostedDomain) string { return d.Name.String() }), compileDomain}, true
	case KindTrustAnchor:
		return kind{decodeAs[policy.TrustAnchor], keyBy(func(a policy.TrustAnchor) string { return a.Name }), compileTrustAnchor}, true
	case KindServerProfile:
		return kind{decodeAs[policy.ServerProfile], keyBy(func(p policy.ServerProfile) string { return p.Name }), compileServerProfile}, true
	case KindAlertRecipient:
		return kind{decodeAs[policy.AlertRecipient], keyBy(func(r policy.AlertRecipient) string { return r.Name }), compileAlertRecipient}, true
	case KindWebhook:
		return kind{decodeAs[policy.Webhook], keyBy(func(w policy.Webhook) string { return w.Name }), compileWebhook}, true
	case KindContentFilters:
		return kind{decodeAs[policy.ContentFilters], func(Value) string { return ContentFiltersKey }, compileContentFilters}, true
	case KindMTASTSPolicy:
		return kind{decodeAs[mtasts.Hosting], keyBy(func(h mtasts.Hosting) string { return h.Domain.String() }), compileMTASTSPolicy}, true
	}
	return kind{}, false
}

// KeyOf returns the key that a value of the kind is stored under; empty where its
// name is missing, or is not part of it.
func KeyOf(k Kind, v Value) string {
	handling, ok := kindOf(k, "")
	if !ok || handling.key == nil {
		return ""
	}
	return handling.key(v)
}

// The sections of the settings.
const (
	SectionTLS      = "tls"
	SectionQueue    = "queue"
	SectionDNS      = "dns"
	SectionOutbound = "outbound"
	SectionAlerts   = "alerts"

	SectionRequireTLS = "requiretls"
	SectionInspection = "inspection"

	SectionPublicWeb  = "public_web"
	SectionManagement = "management"

	SectionACME = "acme"

	SectionMTASTS = "mta_sts"
)

func settingsKind(section string) (kind, bool) {
	switch section {
	case SectionTLS:
		return sectionKind(func(s *policy.Settings) *policy.TLSSettings { return &s.TLS }), true
	case SectionQueue:
		return sectionKind(func(s *policy.Settings) *policy.QueueSettings { return &s.Queue }), true
	case SectionDNS:
		return sectionKind(func(s *policy.Settings) *policy.DNSSettings { return &s.DNS }), true
	case SectionOutbound:
		return sectionKind(func(s *policy.Settings) *policy.OutboundSettings { return &s.Outbound }), true
	case SectionAlerts:
		return sectionKind(func(s *policy.Settings) *policy.AlertSettings { return &s.Alerts }), true
	case SectionRequireTLS:
		return sectionKind(func(s *policy.Settings) *policy.RequireTLSSettings { return &s.RequireTLS }), true
	case SectionInspection:
		return sectionKind(func(s *policy.Settings) *policy.InspectionSettings { return &s.Inspection }), true
	case SectionPublicWeb:
		return sectionKind(func(s *policy.Settings) *policy.PublicWebSettings { return &s.PublicWeb }), true
	case SectionManagement:
		return sectionKind(func(s *policy.Settings) *policy.ManagementSettings { return &s.Management }), true
	case SectionACME:
		return sectionKind(func(s *policy.Settings) *policy.ACMESettings { return &s.ACME }), true
	case SectionMTASTS:
		return sectionKind(func(s *policy.Settings) *policy.MTASTSSettings { return &s.MTASTS }), true
	}
	return kind{}, false
}

// sectionKind compiles a section into its field of the settings. A section is
// never deleted: validation refuses it.
func sectionKind[T Value](field func(*policy.Settings) *T) kind {
	return kind{
		decode: decodeAs[T],
		compile: func(b *builder, _ string, v Value) {
			if v != nil {
				*field(&b.next.Settings) = v.(T)
			}
		},
	}
}

func entryKey(e policy.STARTTLSEntry) string { return e.Pattern.String() }

func keyBy[T Value](key func(T) string) func(Value) string {
	return func(v Value) string {
		typed, ok := v.(T)
		if !ok {
			return ""
		}
		return key(typed)
	}
}

func decodeAs[T Value](document json.RawMessage) (Value, error) {
	var v T
	if err := json.Unmarshal(document, &v); err != nil {
		return nil, &domain.Error{Kind: domain.Internal, Detail: "a stored document cannot be read", Err: err}
	}
	return v, nil
}
