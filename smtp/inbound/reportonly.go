package inbound

import (
	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/domain/reportonly"
	history "postern/domain/session"
)

// Reports counts what rules that only report would have refused (B72). It must
// not block.
type Reports interface {
	Refuse(rule reportonly.Rule, example, detail string)
}

var _ Reports = (*reportonly.Counter)(nil)

// report counts a message that a rule would have refused.
func (c *client) report(rule reportonly.Rule, id delivery.MessageID, detail string) {
	if reports := c.handler.deps.Reports; reports != nil {
		reports.Refuse(rule, id.String(), detail)
	}
}

// reportAccepted counts a message that was accepted, and that the client's policy
// would have refused if its demands acted.
func (s *session) reportAccepted() {
	c := s.leg.client
	if why := c.unmetDemand(s.leg.tls != nil); why != "" {
		c.report(reportonly.Rule{Kind: reportonly.MailFlowPolicy, Name: c.policy.Name}, s.mail.envelope.ID, why)
	}
}

// unmetDemand says which demand that only reports the session does not meet
// (B15, B17); empty where it meets all.
func (c *client) unmetDemand(encrypted bool) string {
	demands := c.policy.Reported
	required := demands.RequireTLS || c.policy.TLS == policy.ListenerTLSRequired
	switch {
	case demands.RequireTLS && !encrypted:
		return "the client did not use TLS"
	case !demands.VerifyCertificate || !encrypted:
		return ""
	case c.record.Certificate == history.CertificateInvalid:
		return "the client's certificate is not valid"
	case c.record.Certificate == history.CertificateMissing && required:
		return "the client showed no certificate"
	}
	return ""
}
