package config

import (
	"maps"

	"postern/domain"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// builder makes the successor of a snapshot. What no edit touches stays shared.
type builder struct {
	next Snapshot

	domains      *tableEdit[mailaddr.DomainName, struct{}]
	controls     *hostTableEdit[policy.DestinationControl]
	routes       *hostTableEdit[policy.Route]
	exemptions   *endpointTableEdit[policy.STARTTLSEntry]
	requirements *endpointTableEdit[policy.STARTTLSEntry]
	// ownMaps says that the small maps are this builder's own copies.
	ownMaps bool
}

// succeed begins work on the successor of a snapshot.
func (s *Snapshot) succeed() *builder {
	return &builder{
		next:         *s,
		domains:      s.domains.edit(),
		controls:     s.controls.edit(),
		routes:       s.routes.edit(),
		exemptions:   s.exemptions.edit(),
		requirements: s.requirements.edit(),
	}
}

// Compile returns the snapshot of a configuration that is stored nowhere: that
// of a part of the gateway which must not depend on what an administrator set.
func Compile(edits ...Edit) (*Snapshot, error) {
	b := new(Snapshot).succeed()
	for _, e := range edits {
		if err := b.put(e.Kind, e.Key, e.Value); err != nil {
			return nil, err
		}
	}
	return b.done(0), nil
}

// put compiles one item into the successor; nil deletes it.
func (b *builder) put(k Kind, key string, v Value) error {
	handling, ok := kindOf(k, key)
	if !ok {
		return domain.E(domain.Internal, "no handling for %s %q", k, key)
	}
	handling.compile(b, key, v)
	return nil
}

// done returns the successor. The builder must not be used afterwards.
func (b *builder) done(revision int64) *Snapshot {
	b.next.Revision = revision
	b.next.domains = b.domains.done()
	b.next.controls = b.controls.done()
	b.next.routes = b.routes.done()
	b.next.exemptions = b.exemptions.done()
	b.next.requirements = b.requirements.done()
	return &b.next
}

// own copies the small maps before the first change to one of them.
func (b *builder) own() {
	if b.ownMaps {
		return
	}
	b.next.listeners = clone(b.next.listeners)
	b.next.flowPolicies = clone(b.next.flowPolicies)
	b.next.access = clone(b.next.access)
	b.next.anchors = clone(b.next.anchors)
	b.next.profiles = clone(b.next.profiles)
	b.next.recipients = clone(b.next.recipients)
	b.next.webhooks = clone(b.next.webhooks)
	b.next.stsPolicies = clone(b.next.stsPolicies)
	b.ownMaps = true
}

func clone[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return maps.Clone(m)
}

func setSmall[V any](m map[string]V, key string, v *V) {
	if v == nil {
		delete(m, key)
		return
	}
	m[key] = *v
}

// as returns the value's typed form, nil for a deletion.
func as[T Value](v Value) *T {
	if v == nil {
		return nil
	}
	typed := v.(T)
	return &typed
}

func compileListener(b *builder, key string, v Value) {
	b.own()
	setSmall(b.next.listeners, key, as[policy.Listener](v))
}

func compileFlowPolicy(b *builder, key string, v Value) {
	b.own()
	setSmall(b.next.flowPolicies, key, as[policy.MailFlowPolicy](v))
}

func compileTrustAnchor(b *builder, key string, v Value) {
	b.own()
	setSmall(b.next.anchors, key, as[policy.TrustAnchor](v))
}

func compileServerProfile(b *builder, key string, v Value) {
	b.own()
	setSmall(b.next.profiles, key, as[policy.ServerProfile](v))
}

func compileAlertRecipient(b *builder, key string, v Value) {
	b.own()
	setSmall(b.next.recipients, key, as[policy.AlertRecipient](v))
}

// compileContentFilters replaces the whole chain: a message meets all filters in
// order, so that there is nothing to share.
func compileContentFilters(b *builder, _ string, v Value) {
	b.next.filters = nil
	if v != nil {
		b.next.filters = policy.NewFilterChain(v.(policy.ContentFilters))
	}
}

func compileAccess(b *builder, key string, v Value) {
	b.own()
	if v == nil {
		delete(b.next.access, key)
		return
	}
	written := v.(policy.HostAccessTable)
	b.next.access[key] = access{written: written, compiled: policy.NewAccessTable(written)}
}

func compileDomain(b *builder, key string, v Value) {
	var present *struct{}
	if v != nil {
		present = &struct{}{}
	}
	b.domains.Set(mailaddr.DomainName(key), present)
}

func compileControl(b *builder, key string, v Value) {
	b.controls.Set(mustPattern(key), as[policy.DestinationControl](v))
}

func compileRoute(b *builder, key string, v Value) {
	b.routes.Set(mustPattern(key), as[policy.Route](v))
}

func compileExemption(b *builder, key string, v Value) {
	b.exemptions.Set(mustEndpoint(key), as[policy.STARTTLSEntry](v))
}

func compileRequirement(b *builder, key string, v Value) {
	b.requirements.Set(mustEndpoint(key), as[policy.STARTTLSEntry](v))
}

func mustEndpoint(s string) mailaddr.EndpointPattern {
	p, err := mailaddr.ParseEndpointPattern(s)
	if err != nil {
		panic(err) // keys are canonical patterns: validation saw to it
	}
	return p
}
