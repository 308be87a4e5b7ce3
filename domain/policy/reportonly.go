package policy

import "postern/domain/mailaddr"

// A rule that only reports does not act: in its place acts what would if the rule
// did not say it. It is counted what the rule would have refused, so that an
// administrator sees what it would do before it does (B72). Nothing else is
// weakened by it: other rules in force, and wider ones that the rule would have
// overruled, act as ever.

// ReportOnlyLevel is the TLS level of a destination control that only reports.
type ReportOnlyLevel struct {
	Pattern mailaddr.HostPattern
	Level   TLSLevel
}

// overruledByReportOnly is what a reason says that only reports.
const overruledByReportOnly = "report_only"

// report adds to a decision what a rule would have asked for.
func (d *Decision) report(r *ReportOnlyLevel) {
	if r == nil {
		return
	}
	d.Reasons = append(d.Reasons, Reason{
		Rule: "destination_control", Entry: r.Pattern.String(),
		Asks: "report only: would have required " + r.Level.String(), OverruledBy: overruledByReportOnly,
	})
}

// Enforced returns the inputs as they were if the level acted; false where there
// is none that only reports.
func (in OutboundInputs) Enforced() (OutboundInputs, bool) {
	if in.ReportOnly == nil {
		return in, false
	}
	level := in.ReportOnly.Level
	in.Control.TLSLevel, in.Control.Pattern = &level, in.ReportOnly.Pattern
	in.LevelIsDefault = in.ReportOnly.Pattern.IsAll()
	in.ReportOnly = nil
	return in, true
}

// Demands are what a mail flow policy refuses clients by (B15, B17).
type Demands struct {
	RequireTLS        bool
	VerifyCertificate bool
}

// Acting returns the policy as it acts: what only reports is moved to Reported.
// STARTTLS is still offered; the listener's default policy parameters keep what
// they demand by themselves.
func (p MailFlowPolicy) Acting() MailFlowPolicy {
	if !p.ReportOnly {
		return p
	}
	if p.TLS == ListenerTLSRequired {
		p.Reported.RequireTLS, p.TLS = true, ListenerTLSDefault
	}
	if p.VerifiesClients() {
		p.Reported.VerifyCertificate, p.VerifyClientCertificate = true, nil
	}
	return p
}

// AsksClients reports whether clients are asked for a certificate, be it for the
// record.
func (p MailFlowPolicy) AsksClients() bool {
	return p.VerifiesClients() || p.Reported.VerifyCertificate
}
