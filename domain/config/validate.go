package config

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"postern/domain"
	"postern/domain/mtasts"
	"postern/domain/policy"
)

// validateEdits judges each value by itself and returns the faults by edit,
// relative to it.
func validateEdits(edits []Edit) []domain.Faults {
	faults := make([]domain.Faults, len(edits))
	for i, e := range edits {
		faults[i] = e.Check()
	}
	return faults
}

// Check judges the value by itself and returns its faults, those that are known
// already among them.
func (e Edit) Check() domain.Faults { return slices.Concat(e.Faults, e.unread(e.validate())) }

// locate adds faults of the edit, relative to its value, with their place in the
// caller's input.
func (e Edit) locate(all *domain.Faults, own domain.Faults) {
	from := len(*all)
	all.Merge(e.At, own)
	for i := from; i < len(*all) && e.Line > 0; i++ {
		(*all)[i].Line = e.Line
	}
}

func (e Edit) validate() (f domain.Faults) {
	handling, known := kindOf(e.Kind, e.Key)
	switch {
	case !known:
		f.Add("", "there is no %s %q", words(e.Kind), e.Key)
	case e.Value == nil && e.Kind == KindSettings:
		f.Add("", "settings cannot be deleted; write their default values instead")
	case e.Value != nil:
		f = e.Value.Validate()
		if handling.key != nil && handling.key(e.Value) != e.Key {
			f.Add("", "is about %q, but was written to %q", handling.key(e.Value), e.Key)
		}
	}
	return f
}

// unread drops the faults of what could not be read: those at a known fault, below
// it, and at what it is a part of.
func (e Edit) unread(faults domain.Faults) domain.Faults {
	return slices.DeleteFunc(faults, func(f domain.Fault) bool {
		return slices.ContainsFunc(e.Faults, func(known domain.Fault) bool {
			return within(known.Pointer, f.Pointer) || within(f.Pointer, known.Pointer)
		})
	})
}

// within reports whether the second JSON pointer is the first or leads below it.
func within(pointer, below string) bool {
	rest, ok := strings.CutPrefix(below, pointer)
	return ok && (rest == "" || rest[0] == '/')
}

// faultyEdits counts the edits that have faults of their own. The configuration
// under judgement lacks them: an edit can be judged in it where no other is missing.
func faultyEdits(values []domain.Faults) (n int) {
	for _, faults := range values {
		if len(faults) > 0 {
			n++
		}
	}
	return n
}

// validateWhole judges the configuration that the edits lead to: that every
// reference has its target and nothing contradicts. Only what the edits can
// have broken is looked at, so that one edit among a million stays cheap. values
// are the faults that each edit has by itself.
func (s *Service) validateWhole(ctx context.Context, base, next *Snapshot, c Change, values []domain.Faults) (warnings domain.Faults, err error) {
	var faults domain.Faults
	var used inUse
	for i, e := range c.Edits {
		e.locate(&faults, values[i])
	}
	faulty := faultyEdits(values)
	for i, e := range c.Edits {
		others := faulty - min(1, len(values[i]))
		if _, known := kindOf(e.Kind, e.Key); !known || others > 0 {
			continue
		}
		part, warn, err := s.validateInPlace(ctx, next, e, s.certificatesFor(c))
		if err == nil && !c.unbound && len(part)+len(values[i]) == 0 {
			err = s.checkSockets(ctx, &part, base, e.Value)
			s.checkMailHosts(ctx, &part, base, e.Value)
		}
		if err != nil && !used.add(e, err) {
			return nil, cmp.Or(faults.Err(), err)
		}
		e.locate(&faults, e.unread(part))
		e.locate(&warnings, warn)
	}
	return warnings, used.join(faults)
}

// inUse collects the deletions of what is referred to, so that a change of many
// items is told of all of them.
type inUse struct {
	first  error
	faults domain.Faults
}

// add takes a Conflict in; false: the error is of another kind.
func (u *inUse) add(e Edit, err error) bool {
	conflict, ok := errors.AsType[*domain.Error](err)
	if !ok || conflict.Kind != domain.Conflict {
		return false
	}
	u.first = cmp.Or(u.first, err)
	u.faults.Add(e.At, "%s", conflict.Detail)
	return true
}

// join returns everything that keeps the change from being made: Invalid where
// there are faults besides, else a Conflict. One alone is told as it is.
func (u *inUse) join(faults domain.Faults) error {
	if len(faults) > 0 {
		return append(faults, u.faults...).Err()
	}
	if len(u.faults) < 2 {
		return u.first
	}
	all := domain.E(domain.Conflict, "%d of the items to be deleted are in use: change what uses them first", len(u.faults))
	all.Faults = u.faults
	return all
}

func (s *Service) validateInPlace(ctx context.Context, next *Snapshot, e Edit, certs Certificates) (faults, warnings domain.Faults, err error) {
	switch v := e.Value.(type) {
	case nil:
		return nil, nil, checkDeletion(next, e)
	case policy.Listener:
		faults = checkAddresses(next, v)
		warnings, err = checkCertificate(ctx, certs, &faults, "/certificate_id", v.CertificateID)
		if v.CertificateID == "" {
			warnings = nil // the active one; that is the master switch's business
		}
		warnings = append(warnings, v.Warnings()...)
		warnings.Merge("/default_policy_parameters", warnClientCertificates(next, v.Defaults))
		if v.Protocol == policy.ProtocolSMTP { // implicit TLS needs no STARTTLS
			warnings.Merge("/default_policy_parameters", warnExemptions(next, v.Defaults))
		}
	case policy.HostAccessTable:
		faults, warnings = checkAccess(next, v)
	case policy.MailFlowPolicy:
		faults = checkLastGroups(next, v)
		warnings = append(warnExemptions(next, v.FlowParameters), v.Warnings()...)
		warnings = append(warnings, warnClientCertificates(next, v.FlowParameters)...)
	case policy.ContentFilters:
		warnings = warnFilters(next, v)
	case policy.Route:
		faults, warnings = checkRoute(next, v), v.Warnings()
	case policy.ServerProfile:
		faults, warnings = checkServerProfile(next, v), v.Warnings()
	case policy.InspectionSettings:
		faults, warnings = checkInspection(next, v), v.Warnings()
	case policy.STARTTLSEntry:
		faults = checkLists(next, e.Kind, v)
		if e.Kind == KindSTARTTLSExemption {
			warnings = warnRequired(next)
		}
		warnings = append(warnings, v.Warnings(s.now())...)
	case policy.DestinationControl:
		warnings = v.Warnings(s.now())
	case policy.Webhook:
		faults = checkWebhook(v)
	case policy.AlertRecipient:
		warnings = v.Warnings()
	case policy.PublicWebSettings:
		faults = checkAddresses(next, v)
		warnings, err = checkCertificate(ctx, certs, &faults, "/certificate_id", v.CertificateID)
	case policy.OutboundSettings:
		warnings, err = checkCertificate(ctx, certs, &faults, "/certificate_id", v.CertificateID)
	case policy.ManagementSettings:
		faults = checkAddresses(next, v)
		warnings, err = checkCertificate(ctx, certs, &faults, "/certificate_id", v.CertificateID)
	case mtasts.Hosting:
		faults, warnings = checkMTASTSPolicy(next, v), s.warnMTASTSPolicy(next, v)
	case policy.TLSSettings:
		if v.Enabled {
			// B1: switching on needs a usable active certificate.
			warnings, err = checkCertificate(ctx, certs, &faults, "/enabled", "")
		}
	}
	return faults, warnings, err
}

// certificatesFor returns what knows the certificates that the change refers to.
func (s *Service) certificatesFor(c Change) Certificates {
	if c.reverts != 0 {
		return restored{s.certs}
	}
	return s.certs
}

// restored are the certificates of what is taken back: that one has expired or was
// deleted since is no reason to keep what nobody confirmed (B70). Who serves by it
// treats it as any other that comes to its end in use.
type restored struct{ Certificates }

// CheckUsable is [Certificates.CheckUsable], which only warns.
func (r restored) CheckUsable(ctx context.Context, id string) (warning string, err error) {
	warning, err = r.Certificates.CheckUsable(ctx, id)
	if err != nil && domain.KindOf(err) != domain.Internal {
		return err.Error(), nil
	}
	return warning, err
}

// checkCertificate adds a fault where the certificate cannot serve, and returns
// a warning where it should not.
func checkCertificate(ctx context.Context, certs Certificates, f *domain.Faults, pointer, id string) (warnings domain.Faults, err error) {
	if id == "" && pointer == "/certificate_id" {
		return nil, nil
	}
	warning, err := certs.CheckUsable(ctx, id)
	switch {
	case domain.KindOf(err) == domain.Internal && err != nil:
		return nil, domain.Wrap(err, "look at the certificate")
	case err != nil:
		f.Add(pointer, "%s", err)
	case warning != "":
		warnings.Add(pointer, "%s", warning)
	}
	return warnings, nil
}

// checkDeletion refuses to delete what is referred to.
func checkDeletion(next *Snapshot, e Edit) error {
	if e.Kind == KindHostAccessTable {
		if _, exists := next.listeners[e.Key]; exists {
			return domain.E(domain.Conflict, "the host access table belongs to listener %q: delete the listener", e.Key)
		}
	}
	if e.Kind == KindServerProfile {
		return checkProfileUnused(next, e.Key)
	}
	if _, exists := next.stsPolicies[e.Key]; exists && e.Kind == KindDomain {
		return domain.E(domain.Conflict, "domain %q has an MTA-STS policy: publish mode none for as long as max_age says, and delete it", e.Key)
	}
	if e.Kind != KindMailFlowPolicy {
		return nil
	}
	for _, listener := range slices.Sorted(maps.Keys(next.access)) {
		for _, g := range next.access[listener].written.Groups {
			if g.Policy == e.Key {
				return domain.E(domain.Conflict, "mail flow policy %q is used by sender group %q of listener %q", e.Key, g.Name, listener)
			}
		}
	}
	return nil
}

func checkAccess(next *Snapshot, t policy.HostAccessTable) (faults, warnings domain.Faults) {
	if _, ok := next.listeners[t.Listener]; !ok {
		faults.Add("/listener", "there is no listener %q", t.Listener)
	}
	continues := func(name string) bool { return next.flowPolicies[name].Action == policy.ActionContinue }
	for i, g := range t.Groups {
		at := fmt.Sprintf("/sender_groups/%d/policy", i)
		if _, ok := next.flowPolicies[g.Policy]; !ok {
			faults.Add(at, "there is no mail flow policy %q", g.Policy)
		}
		if i == len(t.Groups)-1 && continues(g.Policy) {
			// B14: nothing stands below, so that nobody would decide.
			faults.Add(at, "%q says continue, but nothing stands below the last group: choose a policy that decides", g.Policy)
		}
	}
	return faults, t.Warnings(continues)
}

// checkLastGroups refuses the action continue to a policy on which a host access
// table ends (B14).
func checkLastGroups(next *Snapshot, p policy.MailFlowPolicy) (f domain.Faults) {
	if p.Action != policy.ActionContinue {
		return f
	}
	for _, listener := range slices.Sorted(maps.Keys(next.access)) {
		groups := next.access[listener].written.Groups
		if last := groups[len(groups)-1]; last.Policy == p.Name {
			f.Add("/action", "the last sender group of listener %q has this policy: with continue nobody would decide", listener)
		}
	}
	return f
}

// warnClientCertificates tells that no client certificate can be valid (B17).
func warnClientCertificates(next *Snapshot, p policy.FlowParameters) (f domain.Faults) {
	if p.VerifiesClients() && len(next.TrustAnchors(policy.TrustClients)) == 0 {
		f.Add("/verify_client_certificate", "there is no trust anchor with the usage %s: no client certificate can be valid", policy.TrustClients)
	}
	return f
}

// checkInspection holds the inspection settings against the profiles there are.
func checkInspection(next *Snapshot, s policy.InspectionSettings) (f domain.Faults) {
	if s.Profile != "" {
		checkReference(&f, next, "/profile", s.Profile, policy.ServerCore)
	}
	return f
}

// checkLists refuses the same entry in both STARTTLS lists (B26).
func checkLists(next *Snapshot, k Kind, e policy.STARTTLSEntry) (f domain.Faults) {
	other, name := next.requirements, "required"
	if k == KindSTARTTLSRequirement {
		other, name = next.exemptions, "exemption"
	}
	if other.has(e.Pattern) {
		f.Add("/pattern", "%s is in the STARTTLS %s list too: remove it from one of them", e.Pattern, name)
	}
	return f
}

// warnFilters tells of content filters that cannot do what they say.
func warnFilters(next *Snapshot, l policy.ContentFilters) (f domain.Faults) {
	for i, filter := range l.Filters {
		for j, c := range filter.Conditions {
			_, exists := next.listeners[c.Value]
			if c.Field == policy.FieldListener && c.Operator == policy.OperatorEquals && !exists {
				f.Add(fmt.Sprintf("/content_filters/%d/conditions/%d/value", i, j), "there is no listener %q", c.Value)
			}
		}
		for j, a := range filter.Actions {
			if a.Action == policy.ActionFlagRequireTLS && !next.Settings.RequireTLS.Enabled {
				f.Add(fmt.Sprintf("/content_filters/%d/actions/%d/action", i, j), "does nothing while REQUIRETLS is switched off")
			}
		}
	}
	return f
}

// warnExemptions tells of clients that can never send, because STARTTLS is
// hidden from them and required of them (B26).
func warnExemptions(next *Snapshot, p policy.FlowParameters) (f domain.Faults) {
	if p.TLS == policy.ListenerTLSRequired && next.exemptions.len() > 0 {
		f.Add("/tls", "clients on the STARTTLS exemption list cannot send under this policy: STARTTLS stays hidden from them and 530 is answered")
	}
	return f
}

// warnRequired tells the same of an exemption: where STARTTLS is required of
// clients (B26).
func warnRequired(next *Snapshot) (f domain.Faults) {
	for _, l := range next.Listeners() {
		if groups := next.requiringSTARTTLS(l); len(groups) > 0 {
			f.Add("/pattern", "clients that it exempts cannot send to listener %q as sender group %s, where TLS is required: "+
				"STARTTLS stays hidden from them and 530 is answered", l.Name, strings.Join(groups, ", "))
		}
	}
	return f
}

// requiringSTARTTLS names the sender groups of a listener that may send, but only
// after STARTTLS.
func (s *Snapshot) requiringSTARTTLS(l policy.Listener) (groups []string) {
	if l.Protocol != policy.ProtocolSMTP {
		return nil
	}
	for _, g := range s.access[l.Name].written.Groups {
		p, _ := s.FlowPolicy(l, g.Policy)
		takesMail := p.Action == policy.ActionAccept || p.Action == policy.ActionRelay
		if takesMail && p.TLS == policy.ListenerTLSRequired {
			groups = append(groups, g.Name)
		}
	}
	return groups
}
