package outbound

import (
	"slices"
	"strings"

	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/domain/tlsreport"
	"postern/smtp/dane"
	"postern/smtp/tlsverify"
)

// ReportSessions counts sessions for reports to the domains that they were for
// (B64). It must not block.
type ReportSessions interface {
	CountSession(tlsreport.Session)
}

var _ ReportSessions = (*tlsreport.Days)(nil)

// reportSession counts a new connection, or a host that a policy forbids, for the
// report to the recipient domain: success and failure on one path.
func (a *attempt) reportSession(to target, t terms, s *session, f *failure) {
	if a.ReportSessions == nil || !reportable(to, t, f) {
		return
	}
	r := tlsreport.Session{Domain: t.recipient.domain, Policy: policyTypeOf(t.published)}
	r.PolicyText = a.policyText(r.Policy, to)
	var decided bool
	if r.Failure, decided = a.failureType(r.Policy, to, t, s, f); !decided {
		return
	}
	if r.Failure != tlsreport.NotFailed {
		r.MXHost, r.Address = to.host.String(), to.addr.Addr().String()
	}
	switch {
	case f != nil:
		r.Reason = f.detail
	case r.Failure != tlsreport.NotFailed:
		r.Reason = s.tls.Verification
	}
	a.ReportSessions.CountSession(r)
}

// reportable reports whether what happens at the host is the recipient domain's
// affair: its MX records name it, and we did not choose clear text ourselves.
func reportable(to target, t terms, f *failure) bool {
	switch {
	case !to.byMX || t.recipient.domain == "":
		return false
	case t.rung.level == policy.TLSNone && (f == nil || f.class != barred):
		return false
	// RFC 8689 §5: such mail goes out whatever the policies say, which is no
	// failure of theirs.
	case t.published != nil && t.published.TLSRequiredNo:
		return false
	}
	return true
}

// policyTypeOf is the policy that a session is counted under. Where the host has
// TLSA records these decide, since MTA-STS must not override them (RFC 8461 §2).
func policyTypeOf(p *delivery.Published) tlsreport.PolicyType {
	switch {
	case p == nil:
		return tlsreport.PolicyNone
	case publishedTLSA(p.DANE):
		return tlsreport.PolicyTLSA
	case p.MTASTS != "", stsFault(p) != tlsreport.NotFailed:
		return tlsreport.PolicySTS
	}
	return tlsreport.PolicyNone
}

// stsFault is why an MTA-STS policy that the domain announces is not known (RFC 8460
// §4.3.2.2). One that has not expired holds until the fault is mended, which is then
// none of the session.
func stsFault(p *delivery.Published) tlsreport.FailureType {
	if p.MTASTSPolicy == nil || p.MTASTSPolicy.Mode != "" {
		return tlsreport.NotFailed
	}
	switch fault := tlsreport.FailureType(p.MTASTSPolicy.Problem); fault {
	case tlsreport.STSFetchError, tlsreport.STSPolicyInvalid, tlsreport.STSWebPKIInvalid:
		return fault
	}
	return tlsreport.NotFailed
}

// policyText is what the domain published, line by line (RFC 8460 §4.4).
func (a *attempt) policyText(under tlsreport.PolicyType, to target) string {
	switch under {
	case tlsreport.PolicySTS:
		return a.sts.Text
	case tlsreport.PolicyTLSA:
		return strings.Join(texts(to.dane.All, dane.Text), "\n")
	}
	return ""
}

func publishedTLSA(state string) bool {
	for _, s := range []policy.DANEState{policy.DANEUsable, policy.DANEUnusable, policy.DANEFailed} {
		if state == s.String() {
			return true
		}
	}
	return false
}

// failureType sorts what became of the session (RFC 8460 §4.3); false where TLS never
// was a question.
func (a *attempt) failureType(under tlsreport.PolicyType, to target, t terms, s *session, f *failure) (_ tlsreport.FailureType, decided bool) {
	if f != nil && f.class == barred {
		return barredType(t.published, t.control.DANE)
	}
	switch result := resultOf(s.tls, f); {
	case result == delivery.TLSUndecided:
		return "", false
	case result == delivery.TLSClear:
		return tlsreport.STARTTLSNotSupported, true
	case f != nil && f.ofTLS(s.tls):
		return typeOf(f, s.tls.Verdict()), true
	case under == tlsreport.PolicySTS:
		return a.stsType(to, t, s, f), true
	case under == tlsreport.PolicyTLSA && t.published.DANE == policy.DANEUnusable.String():
		return tlsreport.TLSAInvalid, true // none authenticates; the mail goes encrypted all the same
	}
	return tlsreport.NotFailed, true
}

// stsType sorts a session with a host that the mail went to, but which is not what the
// MTA-STS policy asks for, as in mode testing, or of which that is not known.
func (a *attempt) stsType(to target, t terms, s *session, f *failure) tlsreport.FailureType {
	if fault := stsFault(t.published); fault != tlsreport.NotFailed {
		return fault
	}
	switch {
	case !a.sts.Policy.Lists(to.host):
		return tlsreport.ValidationFailure
	case !validForHost(to, t, s, f):
		return certificateType(s.tls.Verdict())
	}
	return tlsreport.NotFailed
}

// barredType is that of a host which a published policy forbids, or which has no TLSA
// records where we demand them; what else our own rules forbid is no affair of the
// domain.
func barredType(p *delivery.Published, mode policy.DANEMode) (_ tlsreport.FailureType, decided bool) {
	switch {
	case p == nil:
		return "", false
	case p.DANE == policy.DANEFailed.String():
		return tlsreport.DNSSECInvalid, true
	case mode == policy.DANEMandatory && p.DANE == policy.DANEAbsent.String():
		return tlsreport.DANERequired, true
	case p.MTASTS == policy.MTASTSUnlisted.String():
		return tlsreport.ValidationFailure, true
	}
	return "", false
}

// typeOf sorts a failure for want of TLS.
func typeOf(f *failure, verdict string) tlsreport.FailureType {
	switch f.class {
	case tlsNotOffered:
		return tlsreport.STARTTLSNotSupported
	case unverified:
		return certificateType(verdict)
	}
	return tlsreport.ValidationFailure
}

// certificateType sorts what verification found.
func certificateType(verdict string) tlsreport.FailureType {
	switch tlsverify.Reason(verdict) {
	case tlsverify.NameMismatch, delivery.VerificationPassed: // passed for another name than the host's
		return tlsreport.CertificateOtherHost
	case tlsverify.Expired, tlsverify.NotYetValid:
		return tlsreport.CertificateExpired
	case tlsverify.NoCertificate, tlsverify.Weak, tlsverify.SelfSigned, tlsverify.Untrusted:
		return tlsreport.CertificateNotTrusted
	}
	return tlsreport.ValidationFailure
}

// validForHost reports whether the certificate is what MTA-STS asks for (RFC 8461
// §4.2), whatever the decision asked for.
func validForHost(to target, t terms, s *session, f *failure) bool {
	e := evidenceOf(to, t, s, f)
	return e.Trusted && slices.Contains(e.Covers, policy.CheckMXHost)
}
