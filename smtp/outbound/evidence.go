package outbound

import (
	"crypto/x509"
	"slices"

	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/smtp/tlsverify"
)

// proof is what is kept of a peer's certificate for the record.
type proof struct {
	leaf []*x509.Certificate // one, or none
	// judged says that trusted is known.
	judged, trusted bool
}

// proofOf sorts the result of one check of the chain.
func proofOf(chain []*x509.Certificate, r tlsverify.Result) proof {
	return proof{
		leaf:    chain[:min(len(chain), 1)],
		judged:  r.Reason != tlsverify.Unsupported && !r.ByTLSA,
		trusted: !r.ByTLSA && (r.Verified || r.Reason == tlsverify.NameMismatch), // names come after trust
	}
}

// evidenceOf gathers what a connection showed of its peer, for a delivery that
// may have asked for less (B72). A reused connection is evidence too, about the
// recipient domain at hand.
func evidenceOf(to target, t terms, s *session, f *failure) *delivery.Evidence {
	e := &delivery.Evidence{
		ByMX: to.byMX, ServerProfile: to.profileName(), Published: t.published,
		STARTTLS: peerTLS(to, t, s, f), Trusted: s.proof.trusted,
	}
	if e.STARTTLS != delivery.PeerTLSWorks {
		return e
	}
	for check, names := range map[policy.Check]tlsverify.Names{
		policy.CheckDomain: tlsverify.ForDomain(t.decision.Domain),
		policy.CheckHosted: tlsverify.ForHosted(t.decision.Domain, to.host, to.hop.addr),
		policy.CheckMXHost: tlsverify.ForHost(to.host, to.hop.addr),
	} {
		switch covers := tlsverify.Covers(s.proof.leaf, names); {
		case !s.proof.judged:
			e.Untold = append(e.Untold, check)
		case covers:
			e.Covers = append(e.Covers, check)
		// B23: without a SAN the PTR names count, which are looked up only where
		// they decide.
		case check == policy.CheckDomain && tlsverify.LacksAlternativeNames(s.proof.leaf):
			e.Untold = append(e.Untold, check)
		}
	}
	if s.tls.Verified {
		pass(e, t.decision.Checks)
	}
	slices.Sort(e.Covers)
	slices.Sort(e.Untold)
	return e
}

// pass notes checks that the certificate has passed, by names or by TLSA records.
func pass(e *delivery.Evidence, checks []policy.Check) {
	for _, check := range checks {
		e.Untold = slices.DeleteFunc(e.Untold, func(c policy.Check) bool { return c == check })
		if !slices.Contains(e.Covers, check) {
			e.Covers = append(e.Covers, check)
		}
	}
}

// peerTLS is what the peer made of TLS on this connection.
func peerTLS(to target, t terms, s *session, f *failure) delivery.PeerTLS {
	switch {
	case f != nil && f.class == handshakeFailed:
		return delivery.PeerTLSBroken
	case f != nil && f.class == injected:
		return delivery.PeerTLSInjected
	case s.tls.Encrypted():
		return delivery.PeerTLSWorks
	// Without a reply to EHLO, or an answer in the handshake, nothing is known.
	case s.client == nil || to.endpoint.ImplicitTLS || f != nil && f.stage == delivery.StageConnect:
		return delivery.PeerTLSUnknown
	case !s.client.offers.startTLS:
		return delivery.PeerTLSAbsent
	case t.rung.level == policy.TLSNone:
		return delivery.PeerTLSOffered
	case f == nil || f.class == tlsNotOffered || f.stage != delivery.StageSTARTTLS:
		return delivery.PeerTLSRefused
	}
	return delivery.PeerTLSUnknown
}
