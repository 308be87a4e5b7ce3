package inbound

import (
	"errors"
	"slices"

	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/probe"
)

// mayEscape returns the sender group of host names that asks more of a client
// than the one that it fell into, where it may belong there: the look-up of its
// names failed for now. Such a client comes later, lest a silent resolver lift
// what an administrator demands (B13, B14). Nil: it goes on.
//
// The STARTTLS exemption list needs no such care: what is exempt by name is
// offered less, and may send no more.
func (h *Handler) mayEscape(v verdict, namesErr error) *probe.Stricter {
	if namesErr == nil || !temporary(namesErr) {
		return nil
	}
	for above := range h.access.NamedAbove(v.groups[len(v.groups)-1].Group) {
		if asks := h.stricter(h.variants[above.Policy].policy, v.policy); asks != "" {
			return &probe.Stricter{Group: above.Group, Asks: asks}
		}
	}
	return nil
}

// temporary reports whether a failed look-up may succeed later. Where an error
// does not say, it may.
func temporary(err error) bool {
	var says interface{ Temporary() bool }
	return !errors.As(err, &says) || says.Temporary()
}

// stricter says what the policy above asks of clients that the one below does
// not; empty where it is nothing that matters here. Limits do not: they guard the
// gateway, and those below hold too.
func (h *Handler) stricter(above, below policy.MailFlowPolicy) string {
	switch {
	case refuses(below), above.Action == policy.ActionContinue:
		return ""
	case refuses(above):
		return "refuses its clients"
	case above.Action == policy.ActionAccept && below.Action == policy.ActionRelay:
		return "does not relay"
	case demand(above) > demand(below):
		return "verifies client certificates"
	case h.listener.Protocol == policy.ProtocolSMTPS: // TLS is required of all
		return ""
	case below.TLS == policy.ListenerTLSRequired:
		return ""
	case above.TLS == policy.ListenerTLSRequired:
		return "requires TLS"
	case !holdsAll(below.TLSMandatorySenders, above.TLSMandatorySenders):
		return "requires TLS of some senders"
	}
	return ""
}

func refuses(p policy.MailFlowPolicy) bool {
	return p.Action == policy.ActionReject || p.Action == policy.ActionTCPRefuse
}

// demand ranks what a policy makes of the client's certificate (B17).
func demand(p policy.MailFlowPolicy) int {
	ranks := []probe.CertificateDemand{probe.CertificateIgnored, probe.CertificateVerified, probe.CertificateRequired}
	return slices.Index(ranks, demandOf(p, p.TLS == policy.ListenerTLSRequired))
}

func holdsAll(list, others []mailaddr.AddressPattern) bool {
	return !slices.ContainsFunc(others, func(p mailaddr.AddressPattern) bool { return !slices.Contains(list, p) })
}
