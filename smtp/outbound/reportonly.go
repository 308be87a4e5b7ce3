package outbound

import (
	"fmt"

	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/domain/reportonly"
	"postern/domain/whatif"
)

// Reports counts what rules that only report would have refused (B72). It must
// not block.
type Reports interface {
	Refuse(rule reportonly.Rule, example, detail string)
	CannotTell(rule reportonly.Rule)
}

var _ Reports = (*reportonly.Counter)(nil)

// reported is a rule that only reports, and what would be decided if it acted.
type reported struct {
	rule     reportonly.Rule
	decision policy.Decision
}

// reportedBy returns the rule among the inputs that only reports, if there is one.
func reportedBy(in policy.OutboundInputs) *reported {
	enforced, ok := in.Enforced()
	if !ok {
		return nil
	}
	return &reported{
		rule:     reportonly.Rule{Kind: reportonly.DestinationControl, Name: in.ReportOnly.Pattern.String()},
		decision: policy.Effective(enforced),
	}
}

// reportTaken counts a message that a peer has taken and that a rule would have
// held back. The evidence of the connection is judged as a replay would judge it.
func (a *attempt) reportTaken(to target, t terms, s *session, recipients []*addressee) {
	if a.Reports == nil || t.reported == nil || !anyDelivered(recipients) {
		return
	}
	peer := whatif.Peer{
		Host: to.hop.String(), Address: to.addr.String(), TLS: s.tls, MinVersion: t.decision.MinVersion,
		Evidence: evidenceOf(to, t, s, nil),
	}
	if t.rung.smallHello || t.rung.level < t.decision.Level {
		// A handshake has failed before. The ladder goes on where the smaller hello
		// has succeeded; a lower level shows that it has not.
		peer.Evidence = brokenUnlessEncrypted(peer.Evidence)
	}
	switch class := peer.Under(t.reported.decision, true); {
	case class == whatif.Unknown:
		a.Reports.CannotTell(t.reported.rule)
	case !class.Handed():
		a.Reports.Refuse(t.reported.rule, a.message.ID.String(), describeTaken(&peer))
	}
}

// brokenUnlessEncrypted is evidence of a peer with which a handshake has failed.
func brokenUnlessEncrypted(e *delivery.Evidence) *delivery.Evidence {
	if e.STARTTLS != delivery.PeerTLSWorks {
		e.STARTTLS = delivery.PeerTLSBroken
	}
	return e
}

// describeTaken says how a message went out.
func describeTaken(p *whatif.Peer) string {
	switch {
	case !p.TLS.Encrypted():
		return fmt.Sprintf("delivered in clear to %s", p.Host)
	case p.TLS.Verified:
		return fmt.Sprintf("delivered under %s to %s, %s", p.TLS.Version, p.Host, p.TLS.Verification)
	}
	return fmt.Sprintf("delivered under %s to %s, not verified: %s", p.TLS.Version, p.Host, p.TLS.Verification)
}
