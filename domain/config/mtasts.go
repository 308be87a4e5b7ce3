package config

import (
	"context"
	"maps"
	"reflect"
	"slices"

	"postern/domain"
	"postern/domain/mailaddr"
	"postern/domain/mtasts"
)

// MailHosts looks at hosts as a sender would that obeys an MTA-STS policy.
type MailHosts interface {
	// CheckMailHosts returns what would keep such senders from delivering, with
	// pointers into the policy.
	CheckMailHosts(ctx context.Context, h mtasts.Hosting) domain.Faults
	// CheckPolicyHost returns what would keep them from fetching the policy of a
	// domain, with pointers into it: under that configuration nobody serves it, or
	// without a certificate for its name. They are warnings, since certificate and
	// policy may come in either order.
	CheckPolicyHost(next *Snapshot, name mailaddr.DomainName) domain.Faults
}

func compileMTASTSPolicy(b *builder, key string, v Value) {
	b.own()
	setSmall(b.next.stsPolicies, key, as[mtasts.Hosting](v))
}

// MTASTSPolicy returns the policy that we publish for a domain (B61).
func (s *Snapshot) MTASTSPolicy(name mailaddr.DomainName) (mtasts.Hosting, bool) {
	h, ok := s.stsPolicies[name.String()]
	return h, ok
}

// MTASTSDomains returns the domains for which we publish a policy, in order.
func (s *Snapshot) MTASTSDomains() (names []mailaddr.DomainName) {
	for _, name := range slices.Sorted(maps.Keys(s.stsPolicies)) {
		names = append(names, mailaddr.DomainName(name))
	}
	return names
}

// checkMTASTSPolicy holds a policy against the rest of the configuration.
func checkMTASTSPolicy(next *Snapshot, h mtasts.Hosting) (f domain.Faults) {
	if !next.Hosts(h.Domain) {
		f.Add("/domain", "%s is no hosted domain: make it one first", h.Domain)
	}
	if _, err := mtasts.Host(h.Domain); err != nil {
		f.Add("/domain", "%s is too long for the names that a policy needs", h.Domain)
	}
	return f
}

// checkMailHosts is B61: mode enforce is not published while a host would fail it,
// unless forced. A policy that stays what it is has been looked at before.
func (s *Service) checkMailHosts(ctx context.Context, f *domain.Faults, base *Snapshot, v Value) {
	h, ok := v.(mtasts.Hosting)
	if !ok || h.Mode != mtasts.ModeEnforce || h.Force || s.hosts == nil {
		return
	}
	if before, known := base.MTASTSPolicy(h.Domain); known && reflect.DeepEqual(before, h) {
		return
	}
	f.Merge("", s.hosts.CheckMailHosts(ctx, h))
}

// warnMTASTSPolicy is what an administrator should look at in a policy.
func (s *Service) warnMTASTSPolicy(next *Snapshot, h mtasts.Hosting) domain.Faults {
	warnings := h.Warnings()
	if s.hosts != nil {
		warnings.Merge("", s.hosts.CheckPolicyHost(next, h.Domain))
	}
	return warnings
}
