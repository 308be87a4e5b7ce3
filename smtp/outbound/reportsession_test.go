package outbound

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/delivery"
	"postern/domain/mtasts"
	"postern/domain/policy"
	"postern/domain/tlsreport"
	"postern/smtp/smtptest"
)

// sessionCounts are the sessions that reports would tell of, without the text of reasons.
type sessionCounts struct {
	mu       sync.Mutex
	sessions []tlsreport.Session
}

func (c *sessionCounts) CountSession(s tlsreport.Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Reason = ""
	c.sessions = append(c.sessions, s)
}

// B64: each kind of peer counts once a connection, under the result type of RFC 8460
// §4.3, whatever becomes of the mail.
func TestSessionsCountForReports(t *testing.T) {
	failed := func(f tlsreport.FailureType) tlsreport.Session {
		return tlsreport.Session{
			Domain: "example.com", Policy: tlsreport.PolicyNone, Failure: f, MXHost: "mx.example.com", Address: "192.0.2.1",
		}
	}
	passed := tlsreport.Session{Domain: "example.com", Policy: tlsreport.PolicyNone}
	names := []string{"mx.example.com", "example.com"}
	for name, tt := range map[string]struct {
		level policy.TLSLevel
		peer  func(*rig) smtptest.MXOptions
		want  []tlsreport.Session
	}{
		"encrypted":              {policy.TLSPreferred, starttls(0), []tlsreport.Session{passed}},
		"encrypted, other name":  {policy.TLSPreferred, certified(smtptest.Leaf{Names: []string{"other.test"}}), []tlsreport.Session{passed}},
		"not offered":            {policy.TLSPreferred, starttls(smtptest.StartTLSHidden), []tlsreport.Session{failed(tlsreport.STARTTLSNotSupported)}},
		"mandatory, not offered": {policy.TLSRequired, starttls(smtptest.StartTLSHidden), []tlsreport.Session{failed(tlsreport.STARTTLSNotSupported)}},
		"other name":             {policy.TLSRequiredVerify, certified(smtptest.Leaf{Names: []string{"other.test"}}), []tlsreport.Session{failed(tlsreport.CertificateOtherHost)}},
		"expired": {
			policy.TLSRequiredVerify, certified(smtptest.Leaf{Names: names, Validity: smtptest.Expired}),
			[]tlsreport.Session{failed(tlsreport.CertificateExpired)},
		},
		"self-signed": {policy.TLSRequiredVerify, func(r *rig) smtptest.MXOptions {
			return smtptest.MXOptions{Certificate: smtptest.SelfSigned(r.t, smtptest.Leaf{Names: names}).TLS}
		}, []tlsreport.Session{failed(tlsreport.CertificateNotTrusted)}},
		// Two connections, the second with a smaller hello.
		"broken handshake":      {policy.TLSPreferred, starttls(smtptest.StartTLSBroken), []tlsreport.Session{failed(tlsreport.ValidationFailure), failed(tlsreport.ValidationFailure)}},
		"clear by our own rule": {policy.TLSNone, starttls(0), nil},
		"never came to TLS":     {policy.TLSRequired, func(*rig) smtptest.MXOptions { return smtptest.MXOptions{Greeting: "554 5.7.1 no"} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, control(t, "example.com", tt.level))
			c := &sessionCounts{}
			r.ReportSessions = c
			r.simple(tt.peer(r))
			r.send("b@example.com")
			if diff := cmp.Diff(tt.want, c.sessions); diff != "" {
				t.Errorf("counted (-want +got):\n%s", diff)
			}
		})
	}
}

// What goes by a route is no affair of the recipient domain.
func TestRoutedMailCountsForNoReport(t *testing.T) {
	r := newRig(t, route(t, "example.com", "mx.example.com"))
	c := &sessionCounts{}
	r.ReportSessions = c
	r.simple(smtptest.MXOptions{})
	r.send("b@example.com")
	if len(c.sessions) > 0 {
		t.Errorf("counted %+v", c.sessions)
	}
}

// A session has one policy; TLSA records go before MTA-STS (RFC 8461 §2).
func TestPolicyThatASessionCountsUnder(t *testing.T) {
	for _, tt := range []struct {
		published *delivery.Published
		want      tlsreport.PolicyType
		barred    tlsreport.FailureType
		decided   bool
	}{
		{nil, tlsreport.PolicyNone, "", false},
		{&delivery.Published{DANE: "absent"}, tlsreport.PolicyNone, "", false},
		{&delivery.Published{MTASTS: "testing"}, tlsreport.PolicySTS, "", false},
		{&delivery.Published{MTASTS: "unlisted"}, tlsreport.PolicySTS, tlsreport.ValidationFailure, true},
		{&delivery.Published{MTASTS: "enforce", DANE: "usable"}, tlsreport.PolicyTLSA, "", false},
		{&delivery.Published{DANE: "unusable"}, tlsreport.PolicyTLSA, "", false},
		{&delivery.Published{MTASTS: "unlisted", DANE: "failed"}, tlsreport.PolicyTLSA, tlsreport.DNSSECInvalid, true},
	} {
		if got := policyTypeOf(tt.published); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.published, got, tt.want)
		}
		if got, decided := barredType(tt.published, policy.DANEOpportunistic); got != tt.barred || decided != tt.decided {
			t.Errorf("%+v barred: %s, %v", tt.published, got, decided)
		}
	}
}

// B64: hosts with TLSA records count under these, a host that DNSSEC forbids too.
func TestSessionsUnderDANE(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*daneRig)
		policy tlsreport.PolicyType
		failed tlsreport.FailureType
	}{
		"matches":  {func(r *daneRig) { r.publish(3, true) }, tlsreport.PolicyTLSA, tlsreport.NotFailed},
		"no match": {func(r *daneRig) { r.publish(3, false) }, tlsreport.PolicyTLSA, tlsreport.ValidationFailure},
		"unusable": {func(r *daneRig) { r.publish(1, false) }, tlsreport.PolicyTLSA, tlsreport.TLSAInvalid},
		"none":     {func(*daneRig) {}, tlsreport.PolicyNone, tlsreport.NotFailed},
		"bogus":    {func(r *daneRig) { r.publish(3, true); r.dns.Fail(exampleTLSA, "TLSA", smtptest.ServFail) }, tlsreport.PolicyTLSA, tlsreport.DNSSECInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			r := newDANERig(t, anyName, smtptest.MXOptions{}, control(t, "example.com", policy.TLSPreferred))
			c := &sessionCounts{}
			r.ReportSessions = c
			tt.change(r)
			r.send("b@example.com")
			if len(c.sessions) != 1 || c.sessions[0].Policy != tt.policy || c.sessions[0].Failure != tt.failed {
				t.Fatalf("counted %+v, want %s %q", c.sessions, tt.policy, tt.failed)
			}
			if text := c.sessions[0].PolicyText; (tt.policy == tlsreport.PolicyTLSA && name != "bogus") != strings.Contains(text, " 1 1 ") {
				t.Errorf("policy text %q", text)
			}
		})
	}
}

// B64: a host without TLSA records where we demand them.
func TestSessionsUnderMandatoryDANE(t *testing.T) {
	mandatory := control(t, "example.com", policy.TLSPreferred)
	mandatory.DANE = policy.DANEMandatory
	r := newDANERig(t, anyName, smtptest.MXOptions{}, mandatory)
	c := &sessionCounts{}
	r.ReportSessions = c
	r.send("b@example.com")
	if len(c.sessions) != 1 || c.sessions[0].Failure != tlsreport.DANERequired {
		t.Errorf("counted %+v", c.sessions)
	}
}

// B64: what MTA-STS makes of a host with a good certificate, and of one with a bad one;
// in mode testing the mail goes, and the session counts as failed.
func TestSessionsUnderMTASTS(t *testing.T) {
	fault := func(r mtasts.Result) mtasts.Finding {
		return mtasts.Finding{Problem: mtasts.Problem{Result: r, Detail: "x"}}
	}
	for name, tt := range map[string]struct {
		finding   mtasts.Finding
		good, bad tlsreport.FailureType
		under     tlsreport.PolicyType
	}{
		"enforce":             {inForce(mtasts.ModeEnforce, "mx.example.com"), tlsreport.NotFailed, tlsreport.CertificateOtherHost, tlsreport.PolicySTS},
		"testing":             {inForce(mtasts.ModeTesting, "mx.example.com"), tlsreport.NotFailed, tlsreport.CertificateOtherHost, tlsreport.PolicySTS},
		"testing, not listed": {inForce(mtasts.ModeTesting, "other.example.com"), tlsreport.ValidationFailure, tlsreport.ValidationFailure, tlsreport.PolicySTS},
		"enforce, not listed": {inForce(mtasts.ModeEnforce, "other.example.com"), tlsreport.ValidationFailure, tlsreport.ValidationFailure, tlsreport.PolicySTS},
		"not fetched":         {fault(mtasts.ResultFetch), tlsreport.STSFetchError, tlsreport.STSFetchError, tlsreport.PolicySTS},
		"invalid":             {fault(mtasts.ResultInvalid), tlsreport.STSPolicyInvalid, tlsreport.STSPolicyInvalid, tlsreport.PolicySTS},
		"policy host":         {fault(mtasts.ResultWebPKI), tlsreport.STSWebPKIInvalid, tlsreport.STSWebPKIInvalid, tlsreport.PolicySTS},
		"bad record":          {fault(mtasts.ResultRecord), tlsreport.NotFailed, tlsreport.NotFailed, tlsreport.PolicyNone},
	} {
		for peer, want := range map[string]tlsreport.FailureType{"mx.example.com": tt.good, "other.test": tt.bad} {
			t.Run(name+" "+peer, func(t *testing.T) {
				r, _ := newPolicyRig(t, tt.finding, control(t, "example.com", policy.TLSPreferred))
				c := &sessionCounts{}
				r.ReportSessions = c
				r.simple(certified(smtptest.Leaf{Names: []string{peer}})(r))
				r.send("b@example.com")
				if len(c.sessions) != 1 || c.sessions[0].Failure != want || c.sessions[0].Policy != tt.under {
					t.Fatalf("counted %+v, want %q", c.sessions, want)
				}
				if c.sessions[0].PolicyText != tt.finding.Text {
					t.Errorf("policy text %q", c.sessions[0].PolicyText)
				}
			})
		}
	}
}
