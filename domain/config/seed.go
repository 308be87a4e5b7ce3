package config

import (
	"context"
	"slices"

	"postern/domain"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// Names of the seeded mail flow policies (B12).
const (
	policyAccepted  = "ACCEPTED"
	policyTrusted   = "TRUSTED"
	policyThrottled = "THROTTLED"
	policyBlocked   = "BLOCKED"
	policyRelayed   = "RELAYED"
)

func defaultSettings() policy.Settings {
	return policy.Settings{
		TLS:      policy.DefaultTLSSettings(),
		Queue:    policy.DefaultQueueSettings(),
		DNS:      policy.DNSSettings{},
		Outbound: policy.OutboundSettings{HostName: "localhost.localdomain"},

		RequireTLS: policy.DefaultRequireTLSSettings(), // B4
		Inspection: policy.DefaultInspectionSettings(),
		PublicWeb:  policy.DefaultPublicWebSettings(),
		Management: policy.DefaultManagementSettings(),
		ACME:       policy.DefaultACMESettings(),
		MTASTS:     policy.DefaultMTASTSSettings(), // B5
	}
}

// SeededAccess is the host access table that a new listener starts with (B12).
func SeededAccess(l policy.Listener) policy.HostAccessTable {
	t := policy.HostAccessTable{Listener: l.Name}
	if l.Kind == policy.ListenerPrivate {
		t.Groups = []policy.SenderGroup{
			{Name: "RELAYLIST", Policy: policyRelayed, Description: "Our own mail servers: they may send anywhere."},
			{Name: policy.AllGroup, Policy: policyBlocked},
		}
		return t
	}
	t.Groups = []policy.SenderGroup{
		{Name: "ALLOWLIST", Policy: policyTrusted, Description: "Senders that are never limited."},
		{Name: "BLOCKLIST", Policy: policyBlocked, Description: "Senders that are refused."},
		{Name: "SUSPECTLIST", Policy: policyThrottled, Description: "Senders that are slowed down."},
		{Name: "UNKNOWNLIST", Policy: policyAccepted, Description: "Senders about whom nothing is known."},
		{Name: policy.AllGroup, Policy: policyAccepted},
	}
	return t
}

func seededPolicies() []policy.MailFlowPolicy {
	return []policy.MailFlowPolicy{
		{Name: policyAccepted, Action: policy.ActionAccept, Description: "Mail for hosted domains."},
		{
			Name: policyTrusted, Action: policy.ActionAccept, Description: "Mail for hosted domains, with high limits.",
			FlowParameters: policy.FlowParameters{MessagesPerConnection: 100_000, RecipientsPerMessage: 10_000, ConnectionsPerAddress: 10_000},
		},
		{
			Name: policyThrottled, Action: policy.ActionAccept, Description: "Mail for hosted domains, slowly.",
			FlowParameters: policy.FlowParameters{MessagesPerConnection: 10, RecipientsPerMessage: 100, RecipientsPerHour: 200, ConnectionsPerAddress: 2},
		},
		{Name: policyBlocked, Action: policy.ActionReject, Description: "No mail."},
		{
			Name: policyRelayed, Action: policy.ActionRelay, Description: "Mail to anywhere.",
			FlowParameters: policy.FlowParameters{MessagesPerConnection: 100_000, ConnectionsPerAddress: 10_000},
		},
	}
}

// Seed is what a fresh data directory starts with.
type Seed struct {
	HostName mailaddr.DomainName
	// PublicPort and PrivatePort are on loopback; 0 lets the system choose.
	PublicPort, PrivatePort int
	// HTTPSPort is that of the management listener, on loopback, from when TLS is
	// switched on; 0 lets the system choose.
	HTTPSPort int
}

// Seed writes revision 1 into an empty store. On any other it adds the sections
// of the settings that came with a later version of the program, with their
// default values, so that every section can be read and edited.
func (s *Service) Seed(ctx context.Context, seed Seed) error {
	edits, comment := seed.edits(), "initial configuration"
	if s.Snapshot().Revision != 0 {
		var err error
		if edits, err = s.absent(ctx, seed.settings()); err != nil {
			return err
		}
		comment = "settings of a newer version"
	}
	_, err := s.Commit(ctx, Change{Author: "postern", Comment: comment, Edits: edits, unbound: true})
	return domain.Wrap(err, "write the %s", comment)
}

// absent returns those of the edits whose items do not exist.
func (s *Service) absent(ctx context.Context, edits []Edit) ([]Edit, error) {
	current, err := s.store.Current(ctx, refsOf(edits))
	if err != nil {
		return nil, domain.Wrap(err, "look for settings")
	}
	return slices.DeleteFunc(edits, func(e Edit) bool {
		_, exists := current[e.Ref()]
		return exists
	}), nil
}

// settings are the sections with their default values, and the one list of content
// filters, which is there as they are.
func (seed Seed) settings() []Edit {
	settings := defaultSettings()
	settings.Outbound.HostName = seed.HostName
	settings.Management.HTTPS.Port = seed.HTTPSPort
	return []Edit{
		{Kind: KindSettings, Key: SectionTLS, Value: settings.TLS},
		{Kind: KindSettings, Key: SectionQueue, Value: settings.Queue},
		{Kind: KindSettings, Key: SectionDNS, Value: settings.DNS},
		{Kind: KindSettings, Key: SectionOutbound, Value: settings.Outbound},
		{Kind: KindSettings, Key: SectionAlerts, Value: settings.Alerts},
		{Kind: KindSettings, Key: SectionRequireTLS, Value: settings.RequireTLS},
		{Kind: KindContentFilters, Key: ContentFiltersKey, Value: policy.ContentFilters{Filters: []policy.ContentFilter{}}},
		{Kind: KindSettings, Key: SectionInspection, Value: settings.Inspection},
		{Kind: KindSettings, Key: SectionPublicWeb, Value: settings.PublicWeb},
		{Kind: KindSettings, Key: SectionManagement, Value: settings.Management},
		{Kind: KindSettings, Key: SectionACME, Value: settings.ACME},
		{Kind: KindSettings, Key: SectionMTASTS, Value: settings.MTASTS},
	}
}

func (seed Seed) edits() []Edit {
	edits := append(seed.settings(), Edit{Kind: KindDestinationControl, Key: "default", Value: seededControl()})
	for _, p := range seededPolicies() {
		edits = append(edits, Edit{Kind: KindMailFlowPolicy, Key: p.Name, Value: p})
	}
	public := seed.listener("inbound", policy.ListenerPublic, seed.PublicPort)
	private := seed.listener("outbound", policy.ListenerPrivate, seed.PrivatePort)
	relay := SeededAccess(private)
	relay.Groups[0].Senders = []policy.Sender{
		{Pattern: mustSender("127.0.0.0/8"), Comment: "this machine"}, {Pattern: mustSender("::1"), Comment: "this machine"},
	}
	return append(edits,
		Edit{Kind: KindListener, Key: public.Name, Value: public},
		Edit{Kind: KindListener, Key: private.Name, Value: private},
		Edit{Kind: KindHostAccessTable, Key: private.Name, Value: relay},
	)
}

func (seed Seed) listener(name string, k policy.ListenerKind, port int) policy.Listener {
	return policy.Listener{
		Name: name, Kind: k, Address: "127.0.0.1", Port: port,
		Protocol: policy.ProtocolSMTP, HostName: seed.HostName,
	}
}

func seededControl() policy.DestinationControl {
	none := policy.TLSNone // B8
	return policy.DestinationControl{
		Pattern: defaultPattern, TLSLevel: &none,
		Description: "Every destination without an entry of its own.",
	}
}

func mustSender(s string) mailaddr.SenderPattern {
	p, err := mailaddr.ParseSenderPattern(s)
	if err != nil {
		panic(err) // a constant of ours
	}
	return p
}
