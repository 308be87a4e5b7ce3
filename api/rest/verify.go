package rest

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/probe"
)

// VerifyRequest asks for a live test of the hosts of a domain, or of one host.
type VerifyRequest struct {
	// Domain is the recipient domain whose policy applies. Without one that is the policy of the entry "default".
	Domain mailaddr.DomainName `json:"domain,omitempty" swaggertype:"string"`
	// Host is the only one to test, a name or an IP address; absent: those that the domain's route or MX records name.
	Host string `json:"host,omitempty" maxLength:"255"`
	// Port of the host: 25, 587, or that of a next hop in the domain's route; absent or 0: 25.
	Port int `json:"port,omitempty" minimum:"0" maximum:"65535"`
	// ServerProfile names the server profile whose URIs alone are tested (B32); it goes without host.
	ServerProfile string `json:"server_profile,omitempty" maxLength:"64"`
	// RequireTLS tests for mail under REQUIRETLS (B56).
	RequireTLS bool `json:"require_tls,omitempty"`
	// TimeoutSeconds bounds the test; absent or 0: 60.
	TimeoutSeconds int `json:"timeout_seconds,omitempty" minimum:"0" maximum:"60"`
}

// TLSVerification is what a live test found: the stages of a delivery, up to and not including MAIL, at every host.
type TLSVerification struct {
	// Domain that was asked about.
	Domain string `json:"domain,omitempty"`
	// Host and port that were asked about.
	Host string `json:"host,omitempty"`
	// ServerProfile that was asked about.
	ServerProfile string `json:"server_profile,omitempty"`
	// Revision of the configuration that decided.
	Revision int64 `json:"revision" validate:"required"`
	// Verdict is what would become of mail.
	Verdict probe.Verdict `json:"verdict" validate:"required" swaggertype:"string" enums:"deliverable,deferred,bounced"`
	// ReadyAt is the address of the first host that would be asked to take mail.
	ReadyAt string `json:"ready_at,omitempty"`
	// Outcome of mail that is not deliverable: that of the host which tells most.
	Outcome *delivery.Outcome `json:"outcome,omitempty"`
	// Candidates are the addresses that were tested, in the order in which they would be tried.
	Candidates []CandidateVerification `json:"candidates" validate:"required"`
	// CandidatesLeftOff is how many further addresses were not tested.
	CandidatesLeftOff int `json:"candidates_left_off"`
}

// CandidateVerification is what a live test found at one address.
type CandidateVerification struct {
	CandidateExplanation
	// Verdict is what would become of mail if there were no other address.
	Verdict probe.Verdict `json:"verdict" validate:"required" swaggertype:"string" enums:"deliverable,deferred,bounced"`
	// Outcome of mail that is not deliverable here.
	Outcome *delivery.Outcome `json:"outcome,omitempty"`
	// Connections that were made, down the ladder.
	Connections []TestConnection `json:"connections" validate:"required"`
	// Checks are the certificate against the names of each kind of check, whether the decision asks for it or not (B23).
	Checks []CertificateCheck `json:"checks" validate:"required"`
	// Certificates are the chain that the host showed, its own first.
	Certificates []PeerCertificate `json:"certificates" validate:"required"`
}

// TestConnection is one connection of a live test.
type TestConnection struct {
	LadderRung
	// Steps in order, each with its time.
	Steps []TestStep `json:"steps" validate:"required"`
	// TLS is the state of TLS on the connection.
	TLS delivery.SessionTLS `json:"tls"`
	// FailedAt is the stage that ended it; absent where it was ready for MAIL.
	FailedAt delivery.Stage `json:"failed_at,omitempty" swaggertype:"string" enums:"connect,starttls,verify,extensions,auth"`
	// Failure says why.
	Failure string `json:"failure,omitempty"`
}

// TestStep is one step of a connection.
type TestStep struct {
	// Name is connect, greeting, the verb of a command, handshake or verify. AUTH stands for the whole exchange.
	Name string `json:"name" validate:"required"`
	// OK is whether the step went well; a step that did not may still be no failure, where TLS is not mandatory.
	OK bool `json:"ok"`
	// Result is the peer's reply, or what was found.
	Result string `json:"result"`
	// DurationMicroseconds is how long it took.
	DurationMicroseconds int64 `json:"duration_microseconds"`
}

// CertificateCheck is how a certificate fares against the names of one kind of check.
type CertificateCheck struct {
	// Check is the kind: recipient domain, recipient domain or host, host alone, or the TLSA records of the host, where there are usable ones.
	Check policy.Check `json:"check" validate:"required" swaggertype:"string" enums:"domain,hosted,mx_host,dane"`
	// Required is whether the decision asks for it.
	Required bool `json:"required"`
	// Verified is whether it passes.
	Verified bool `json:"verified"`
	// Reason says why not, in a word.
	Reason string `json:"reason,omitempty"`
	// Detail says why not, in a sentence.
	Detail string `json:"detail,omitempty"`
	// Matched is the name that the certificate speaks for.
	Matched string `json:"matched,omitempty"`
	// Tried are the names that it was held against.
	Tried []string `json:"tried" validate:"required"`
}

// PeerCertificate is a certificate as a host showed it.
type PeerCertificate struct {
	// Subject is who it is for.
	Subject string `json:"subject"`
	// Issuer is who signed it.
	Issuer string `json:"issuer"`
	// Names are the DNS names and addresses in it.
	Names []string `json:"names" validate:"required"`
	// NotBefore is when it begins to be valid.
	NotBefore time.Time `json:"not_before" format:"date-time"`
	// NotAfter is when it expires.
	NotAfter time.Time `json:"not_after" format:"date-time"`
	// Fingerprint is the SHA-256 digest of the certificate, in hexadecimal.
	Fingerprint string `json:"fingerprint_sha256"`
	// Key is the algorithm of its key, with the size.
	Key string `json:"key"`
}

func (a *API) verifyOperations() []operation {
	return []operation{
		{http.MethodPost, "/tls/verify", "verifyTLS", account.RoleOperator, nil, a.verifyTLS},
	}
}

// verifyTLS godoc
//
//	@Summary		Test live how mail to a domain or a host would leave
//	@Description	Connects as a delivery does, by the same code: greeting, EHLO, STARTTLS, handshake, verification, EHLO; and ends where MAIL would be said. Up to ten addresses are tested at the same time; two tests can run at a time. Deliveries do not notice: open connections, the one-hour list and back-off stay as they are. Hosts are asked at the ports of SMTP only, or where a route of the domain leads.
//	@ID				verifyTLS
//	@Tags			Gateway
//	@Param			body	body		VerifyRequest	true	"What to test"
//	@Success		200		{object}	TLSVerification
//	@Router			/tls/verify [post]
//	@x-shape		"ask"
//	@x-role			"operator"
func (a *API) verifyTLS(c echo.Context) error {
	asked, err := readJSON[VerifyRequest](c)
	if err != nil {
		return err
	}
	question, err := asked.question()
	if err != nil {
		return err
	}
	found, err := a.verify(c.Request().Context(), question)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, showVerification(found))
}

// question reads the values that strict decoding takes for plain text.
func (r VerifyRequest) question() (probe.Question, error) {
	var faults domain.Faults
	if r.Domain == "" && r.Host == "" && r.ServerProfile == "" {
		faults.Add("", "name a domain, a host or a server profile to test")
	}
	if r.Host == "" && r.Port != 0 {
		faults.Add("/port", "goes with a host only")
	}
	if r.Port < 0 || r.Port > 65535 {
		faults.Add("/port", "must be from 0 to 65535")
	}
	if r.TimeoutSeconds < 0 || r.TimeoutSeconds > int(probe.MaxVerifyTime/time.Second) {
		faults.Add("/timeout_seconds", "must be from 0 to 60")
	}
	limit := time.Duration(r.TimeoutSeconds) * time.Second
	return probe.Question{
		Domain: r.Domain, Host: r.Host, Port: r.Port, ServerProfile: r.ServerProfile, RequireTLS: r.RequireTLS, Limit: limit,
	}, faults.Err()
}

func showVerification(v probe.Verification) TLSVerification {
	shown := TLSVerification{
		Domain: v.Domain, Host: v.Host, ServerProfile: v.ServerProfile, Revision: v.Revision, Verdict: probe.VerdictOf(v.Outcome),
		ReadyAt: v.ReadyAt, Outcome: v.Outcome, Candidates: []CandidateVerification{}, CandidatesLeftOff: v.LeftOff,
	}
	for _, each := range v.Candidates {
		shown.Candidates = append(shown.Candidates, showTested(each))
	}
	return shown
}

func showTested(t probe.Tested) CandidateVerification {
	shown := CandidateVerification{
		CandidateExplanation: showCandidate(t.Candidate), Verdict: probe.VerdictOf(t.Outcome), Outcome: t.Outcome,
		Connections: []TestConnection{}, Checks: []CertificateCheck{}, Certificates: []PeerCertificate{},
	}
	for _, each := range t.Connections {
		shown.Connections = append(shown.Connections, showConnection(each))
	}
	for _, each := range t.Checks {
		each.Tried = orEmpty(each.Tried)
		shown.Checks = append(shown.Checks, CertificateCheck(each))
	}
	for _, each := range t.Chain {
		each.Names = orEmpty(each.Names)
		each.NotBefore, each.NotAfter = each.NotBefore.UTC(), each.NotAfter.UTC()
		shown.Certificates = append(shown.Certificates, PeerCertificate(each))
	}
	return shown
}

func showConnection(c probe.Connection) TestConnection {
	shown := TestConnection{
		LadderRung: showRung(c.Rung), Steps: []TestStep{}, TLS: c.TLS, FailedAt: c.FailedAt, Failure: c.Failure,
	}
	for _, s := range c.Steps {
		shown.Steps = append(shown.Steps, TestStep{s.Name, s.OK, s.Result, s.Duration.Microseconds()})
	}
	return shown
}
