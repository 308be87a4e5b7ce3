package rest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"postern/domain"
	"postern/domain/config"
)

// configurationFormat is the version of the form of the whole document.
const configurationFormat = 1

// ConfigurationDocument is the whole configuration, or parts of it: each item in the form that its own resource has, by its name. A part that is left out is not spoken of. Items stand in the order of their names, so that equal configurations are equal texts.
type ConfigurationDocument struct {
	// Format is the version of this form, 1.
	Format int `json:"format" validate:"required" minimum:"1" maximum:"1"`
	// Revision that the document shows; it is not read in requests.
	Revision int64 `json:"revision,omitempty"`
	// Settings are the sections of the settings.
	Settings ConfigurationSettings `json:"settings,omitzero"`
	// Listeners by name.
	Listeners map[string]Listener `json:"listeners,omitzero"`
	// HostAccessTables are the sender groups of the listeners, by the names of the listeners.
	HostAccessTables map[string]SenderGroups `json:"host_access_tables,omitzero"`
	// MailFlowPolicies by name.
	MailFlowPolicies map[string]MailFlowPolicy `json:"mail_flow_policies,omitzero"`
	// ContentFilters in order.
	ContentFilters *ContentFilters `json:"content_filters,omitempty"`
	// Domains are the hosted domains, by name.
	Domains map[string]HostedDomain `json:"domains,omitzero"`
	// MTASTSPolicies are those that hosted domains publish, by domain.
	MTASTSPolicies map[string]HostedMTASTS `json:"mta_sts_policies,omitzero"`
	// DestinationControls by pattern.
	DestinationControls map[string]DestinationControl `json:"destination_controls,omitzero"`
	// Routes by pattern.
	Routes map[string]Route `json:"routes,omitzero"`
	// ServerProfiles by name. password_set and api_key_set stand for a stored secret: it stays, and where none is stored it must be written once.
	ServerProfiles map[string]ServerProfile `json:"server_profiles,omitzero"`
	// TrustAnchors by name.
	TrustAnchors map[string]TrustAnchor `json:"trust_anchors,omitzero"`
	// STARTTLSExemptions by pattern.
	STARTTLSExemptions map[string]STARTTLSExemption `json:"starttls_exemptions,omitzero"`
	// STARTTLSRequirements by pattern.
	STARTTLSRequirements map[string]STARTTLSRequirement `json:"starttls_requirements,omitzero"`
	// AlertRecipients by name. secret_set stands for a stored secret.
	AlertRecipients map[string]AlertRecipient `json:"alert_recipients,omitzero"`
	// Webhooks by name. secret_set stands for a stored secret.
	Webhooks map[string]Webhook `json:"webhooks,omitzero"`
}

// ConfigurationSettings are sections of the settings; one that is left out is not spoken of.
type ConfigurationSettings struct {
	// TLS are the master switches.
	TLS *TLSSettings `json:"tls,omitempty"`
	// Queue says how often and how long delivery is tried.
	Queue *QueueSettings `json:"queue,omitempty"`
	// DNS names the resolvers.
	DNS *DNSSettings `json:"dns,omitempty"`
	// Outbound says how the gateway presents itself.
	Outbound *OutboundSettings `json:"outbound,omitempty"`
	// Alerts says how alerts leave the gateway, and when some are raised.
	Alerts *AlertSettings `json:"alerts,omitempty"`
	// RequireTLS are the switches of REQUIRETLS.
	RequireTLS *RequireTLSSettings `json:"requiretls,omitempty"`
	// Inspection says whether messages are shown to a MetaDefender Core.
	Inspection *InspectionSettings `json:"inspection,omitempty"`
	// PublicWeb is the public web listener.
	PublicWeb *PublicWebSettings `json:"public_web,omitempty"`
	// Management is the HTTPS side of the management listener.
	Management *ManagementSettings `json:"management,omitempty"`
	// ACME says from which authority the gateway gets its certificate by itself.
	ACME *ACMESettings `json:"acme,omitempty"`
	// MTASTS says whether the MTA-STS policies of other domains are obeyed.
	MTASTS *MTASTSSettings `json:"mta_sts,omitempty"`
}

// section is a part of the document: the items of a kind, or one of them.
type section interface {
	// ref is the kind of the items, and the key where there is but one.
	ref() config.Ref
	// export puts what is stored into the document.
	export(ctx context.Context, from config.Reader, d *ConfigurationDocument) error
	// plan compares what the document holds with what is stored.
	plan(ctx context.Context, p *configPlan) error
}

// sections is the table of the whole document. A kind of item becomes a part of
// it by a line here and a field in [ConfigurationDocument].
func (a *API) sections() []section {
	type document = ConfigurationDocument
	return []section{
		one[TLSSettings]{a.tlsSettings, "/settings/tls", func(d *document) **TLSSettings { return &d.Settings.TLS }},
		one[QueueSettings]{a.queueSettings, "/settings/queue", func(d *document) **QueueSettings { return &d.Settings.Queue }},
		one[DNSSettings]{a.dnsSettings, "/settings/dns", func(d *document) **DNSSettings { return &d.Settings.DNS }},
		one[OutboundSettings]{a.outboundSettings, "/settings/outbound", func(d *document) **OutboundSettings { return &d.Settings.Outbound }},
		one[AlertSettings]{a.alertSettings, "/settings/alerts", func(d *document) **AlertSettings { return &d.Settings.Alerts }},
		one[RequireTLSSettings]{a.requireTLSSettings, "/settings/requiretls", func(d *document) **RequireTLSSettings { return &d.Settings.RequireTLS }},
		one[InspectionSettings]{a.inspectionSettings, "/settings/inspection", func(d *document) **InspectionSettings { return &d.Settings.Inspection }},
		one[PublicWebSettings]{a.publicWebSettings, "/settings/public_web", func(d *document) **PublicWebSettings { return &d.Settings.PublicWeb }},
		one[ManagementSettings]{a.managementSettings, "/settings/management", func(d *document) **ManagementSettings { return &d.Settings.Management }},
		one[ACMESettings]{a.acmeSettings, "/settings/acme", func(d *document) **ACMESettings { return &d.Settings.ACME }},
		one[MTASTSSettings]{a.mtastsSettings, "/settings/mta_sts", func(d *document) **MTASTSSettings { return &d.Settings.MTASTS }},
		many[Listener]{a.listeners, "/listeners", func(d *document) *map[string]Listener { return &d.Listeners }},
		many[SenderGroups]{a.senderGroups, "/host_access_tables", func(d *document) *map[string]SenderGroups { return &d.HostAccessTables }},
		many[MailFlowPolicy]{a.mailFlowPolicies, "/mail_flow_policies", func(d *document) *map[string]MailFlowPolicy { return &d.MailFlowPolicies }},
		one[ContentFilters]{a.contentFilters, "/content_filters", func(d *document) **ContentFilters { return &d.ContentFilters }},
		many[HostedDomain]{a.domains, "/domains", func(d *document) *map[string]HostedDomain { return &d.Domains }},
		many[HostedMTASTS]{a.hostedMTASTS, "/mta_sts_policies", func(d *document) *map[string]HostedMTASTS { return &d.MTASTSPolicies }},
		many[DestinationControl]{a.destinationControls, "/destination_controls", func(d *document) *map[string]DestinationControl { return &d.DestinationControls }},
		many[Route]{a.mailRoutes, "/routes", func(d *document) *map[string]Route { return &d.Routes }},
		many[ServerProfile]{a.serverProfiles, "/server_profiles", func(d *document) *map[string]ServerProfile { return &d.ServerProfiles }},
		many[TrustAnchor]{a.trustAnchors, "/trust_anchors", func(d *document) *map[string]TrustAnchor { return &d.TrustAnchors }},
		many[STARTTLSExemption]{a.starttlsExemptions, "/starttls_exemptions", func(d *document) *map[string]STARTTLSExemption { return &d.STARTTLSExemptions }},
		many[STARTTLSRequirement]{a.starttlsRequirements, "/starttls_requirements", func(d *document) *map[string]STARTTLSRequirement { return &d.STARTTLSRequirements }},
		many[AlertRecipient]{a.alertRecipients, "/alert_recipients", func(d *document) *map[string]AlertRecipient { return &d.AlertRecipients }},
		many[Webhook]{a.webhooks, "/webhooks", func(d *document) *map[string]Webhook { return &d.Webhooks }},
	}
}

// one is a part that is a single item.
type one[T any] struct {
	resource[T]
	at string // pointer to the part
	in func(*ConfigurationDocument) **T
}

// many is a part that holds items by their names.
type many[T any] struct {
	resource[T]
	at string
	in func(*ConfigurationDocument) *map[string]T
}

func (s one[T]) ref() config.Ref {
	key, _ := s.key("") // fixed
	return config.Ref{Kind: s.kind, Key: key}
}

func (s many[T]) ref() config.Ref { return config.Ref{Kind: s.kind} }

func (s one[T]) export(ctx context.Context, from config.Reader, d *ConfigurationDocument) error {
	_, value, err := from.Get(ctx, s.kind, s.ref().Key)
	switch {
	case err == nil:
		*s.in(d) = new(s.show(value))
	case domain.KindOf(err) != domain.NotFound:
		return err
	}
	return nil
}

func (s many[T]) export(ctx context.Context, from config.Reader, d *ConfigurationDocument) error {
	items := map[string]T{}
	err := eachItem(ctx, from, s.kind, func(item config.Item) (err error) {
		items[item.Key], err = s.document(item)
		return err
	})
	*s.in(d) = items
	return err
}

// eachItem calls yield for every item of a kind, in the order of the keys.
func eachItem(ctx context.Context, from config.Reader, k config.Kind, yield func(config.Item) error) error {
	for after := ""; ; {
		items, err := from.List(ctx, k, after, maxLimit)
		if err != nil {
			return err
		}
		for _, item := range items {
			if err := yield(item); err != nil {
				return err
			}
			after = item.Key
		}
		if len(items) < maxLimit {
			return nil
		}
	}
}

// exportConfiguration returns the whole configuration as of one revision, with its
// entity tag.
func (a *API) exportConfiguration(ctx context.Context, from Configuration) (d ConfigurationDocument, tag string, err error) {
	err = steadily(from, func(revision int64) error {
		d = ConfigurationDocument{Format: configurationFormat, Revision: revision}
		for _, s := range a.sections() {
			if err := s.export(ctx, from, &d); err != nil {
				return err
			}
		}
		tag, err = a.configurationTag(ctx, from)
		return err
	})
	return d, tag, err
}

// configurationTag is the entity tag of the whole configuration: it changes with
// each item, and with each secret.
func (a *API) configurationTag(ctx context.Context, from config.Reader) (string, error) {
	sum, seen := sha256.New(), map[config.Kind]bool{}
	for _, s := range a.sections() {
		kind := s.ref().Kind
		if seen[kind] {
			continue
		}
		seen[kind] = true
		err := eachItem(ctx, from, kind, func(item config.Item) error {
			_, err := fmt.Fprintf(sum, "%s\x00%s\x00%s\n", item.Kind, item.Key, item.ETag)
			return err
		})
		if err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:12]), nil
}

// steadily reads until no revision was committed meanwhile.
func steadily(from Configuration, read func(revision int64) error) error {
	for range patchTries {
		revision := from.Status().Committed
		if err := read(revision); err != nil {
			return err
		}
		if from.Status().Committed == revision {
			return nil
		}
	}
	return domain.E(domain.Unavailable, "the configuration changes too fast to be read as a whole: try again")
}
