package inbound

import (
	"fmt"
	"net/netip"

	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/probe"
)

// verdict is what the host access table and the STARTTLS exemption list say
// about a client.
type verdict struct {
	groups     []policy.AccessMatch // that matched; the last one decides
	policy     policy.MailFlowPolicy
	exemption  *policy.STARTTLSEntry
	offerTLS   bool
	requireTLS bool
	// certificate is what a handshake asks of the client (B17).
	certificate probe.CertificateDemand
}

// demandOf says what a policy makes of the client's certificate (B17).
func demandOf(p policy.MailFlowPolicy, required bool) probe.CertificateDemand {
	switch {
	case !p.VerifiesClients():
		return probe.CertificateIgnored
	case required:
		return probe.CertificateRequired
	}
	return probe.CertificateVerified
}

// judge takes the first sender group whose policy does not say continue (B12,
// B14), and derives what STARTTLS may do. It returns false where no group
// decides.
func (h *Handler) judge(addr netip.Addr, names []mailaddr.DomainName) (verdict, bool) {
	v := verdict{exemption: h.snapshot.ExemptInbound(addr, names, h.deps.Now())}
	for match := range h.access.Matches(addr, names) {
		v.groups = append(v.groups, match)
		p := h.variants[match.Policy].policy
		if p.Action == policy.ActionContinue {
			continue
		}
		v.policy = p
		v.requireTLS = p.TLS == policy.ListenerTLSRequired
		// B25: STARTTLS is hidden from exempt clients, B1: from all while TLS is
		// switched off. What is required stays required (B26). Implicit TLS needs
		// no STARTTLS.
		v.offerTLS = p.TLS >= policy.ListenerTLSPreferred && h.tls != nil && v.exemption == nil &&
			h.listener.Protocol == policy.ProtocolSMTP
		v.certificate = demandOf(p, v.requireTLS)
		return v, true
	}
	return v, false
}

// Explain says what a client at the address would be allowed (B71).
func (h *Handler) Explain(addr netip.Addr) probe.Client {
	names, err := h.confirmedNames(addr)
	v, decided := h.judge(addr, names)
	e := probe.Client{
		Listener: h.listener.Name, Address: addr.String(), Revision: h.snapshot.Revision,
		Policy: v.policy, Exemption: v.exemption, OffersSTARTTLS: v.offerTLS,
		RequiresTLS: v.requireTLS || h.listener.Protocol == policy.ProtocolSMTPS,
		Certificate: v.certificate, NamesLookedUp: h.needsNames(),
	}
	if entry, ok := h.proxyEntry(addr); ok {
		e.Proxy = entry.String()
	}
	if err != nil {
		e.NamesProblem = err.Error()
	}
	for _, name := range names {
		e.Names = append(e.Names, name.String())
	}
	for _, match := range v.groups {
		e.Groups = append(e.Groups, probe.Group{
			Name: match.Group, Policy: match.Policy, Action: h.variants[match.Policy].policy.Action,
		})
	}
	if decided {
		e.Reasons, e.Stricter = h.reasons(v), h.mayEscape(v, err)
	}
	return e
}

// reasons lists what decided about TLS, and what overruled what.
func (h *Handler) reasons(v verdict) []policy.Reason {
	if h.listener.Protocol == policy.ProtocolSMTPS {
		return append(h.implicitReasons(), clientReasons(v)...)
	}
	mode := policy.Reason{Rule: "mail_flow_policy", Entry: v.policy.Name, Asks: "STARTTLS " + v.policy.TLS.String()}
	list := []policy.Reason{mode}
	if v.exemption != nil {
		list = append(list, policy.Reason{Rule: "starttls_exemption", Entry: v.exemption.Pattern.String(), Asks: "STARTTLS hidden"})
	}
	if h.tls == nil {
		list = append(list, policy.Reason{Rule: "tls.enabled", Entry: "false", Asks: "STARTTLS hidden"})
	}
	if len(list) > 1 && v.policy.TLS == policy.ListenerTLSPreferred {
		list[0].OverruledBy = list[1].Rule
	}
	return append(list, clientReasons(v)...)
}

// implicitReasons are those of a listener with implicit TLS, on which there is no
// STARTTLS to ask for or to hide (RFC 8314 §3).
func (h *Handler) implicitReasons() []policy.Reason {
	list := []policy.Reason{{Rule: "listener.protocol", Entry: h.listener.Name, Asks: "TLS before SMTP begins"}}
	if h.tls == nil {
		list[0].OverruledBy = "tls.enabled"
		list = append(list, policy.Reason{Rule: "tls.enabled", Entry: "false", Asks: "no connection"})
	}
	return list
}

// clientReasons lists what the policy asks of certificates and senders (B17).
func clientReasons(v verdict) (list []policy.Reason) {
	if v.certificate != probe.CertificateIgnored {
		list = append(list, policy.Reason{
			Rule: "verify_client_certificate", Entry: v.policy.Name, Asks: "client certificate " + string(v.certificate),
		})
	}
	if n := len(v.policy.TLSMandatorySenders); n > 0 {
		list = append(list, policy.Reason{
			Rule: "tls_mandatory_senders", Entry: v.policy.Name, Asks: fmt.Sprintf("TLS of senders that match one of %d patterns", n),
		})
	}
	return list
}
