package rest

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/domain/probe"
)

// TLSExplanation says what would happen and why (B71): the part that was asked for.
type TLSExplanation struct {
	// Destination explains mail to a recipient domain.
	Destination *DestinationExplanation `json:"destination,omitempty"`
	// Client explains a connection to a listener.
	Client *ClientExplanation `json:"client,omitempty"`
	// Message explains what becomes of a message.
	Message *MessageExplanation `json:"message,omitempty"`
}

// DestinationExplanation is how mail to a recipient domain would leave: the evidence, host by host, and the decision made of it.
type DestinationExplanation struct {
	// Domain is the recipient domain that was asked about; an address literal in brackets, where mail goes to one.
	Domain string `json:"domain" validate:"required"`
	// Revision of the configuration that would decide.
	Revision int64 `json:"revision" validate:"required"`
	// TLSSettings are the switches that bear on every destination (B1, B2, B3, B9).
	TLSSettings TLSSettings `json:"tls_settings" validate:"required"`
	// Route is the route that names the hosts; absent where MX records do (B31).
	Route *Route `json:"route,omitempty"`
	// MX is the answer of DNS; absent where it is not asked.
	MX *MXEvidence `json:"mx,omitempty"`
	// MTASTS is what is known of the MTA-STS policy of the domain; absent where it has none, or none is asked for (B60).
	MTASTS *MTASTSEvidence `json:"mta_sts,omitempty"`
	// Control is the destination control with inheritance resolved (B21).
	Control DestinationControl `json:"destination_control" validate:"required"`
	// TrustAnchors are the names of the trust anchors that count beside the roots of the system (B23).
	TrustAnchors []string `json:"trust_anchors" validate:"required"`
	// ControlOrigins say where each field of the destination control comes from.
	ControlOrigins []FieldOrigin `json:"destination_control_origins" validate:"required"`
	// LeftOut says which next hops are not tried because DNS leads back to this system (B33).
	LeftOut string `json:"left_out,omitempty"`
	// Outcome ends a delivery before any host is tried, as a null MX does; absent where hosts are tried.
	Outcome *delivery.Outcome `json:"outcome,omitempty"`
	// Candidates are the addresses that would be tried, in that order.
	Candidates []CandidateExplanation `json:"candidates" validate:"required"`
}

// FieldOrigin says where a field with inheritance got its value.
type FieldOrigin struct {
	// Field of the document.
	Field string `json:"field" validate:"required"`
	// Entry is the pattern of the entry that set it, "built-in", or the setting that stands in.
	Entry string `json:"entry" validate:"required"`
}

// MXEvidence is the answer of DNS to the question for the mail exchangers of a domain.
type MXEvidence struct {
	// Records by preference, the best first.
	Records []MXRecord `json:"records" validate:"required"`
	// Null is whether the domain takes no mail (RFC 7505).
	Null bool `json:"null"`
	// Implicit is whether there are no records, so that the domain itself is the only host.
	Implicit bool `json:"implicit"`
	// Authenticated is whether a validating resolver vouches for the answer (DNSSEC).
	Authenticated bool `json:"authenticated"`
	// Problem is why there is no answer.
	Problem string `json:"problem,omitempty"`
}

// MXRecord is one mail exchanger.
type MXRecord struct {
	// Preference of the record; the lowest is the best.
	Preference int `json:"preference"`
	// Host is its name.
	Host string `json:"host" validate:"required"`
}

// CandidateExplanation is one address that would be tried.
type CandidateExplanation struct {
	// Host is its name.
	Host string `json:"host" validate:"required"`
	// ServerProfile is the server profile that names the host; absent where none does (B32).
	ServerProfile string `json:"server_profile,omitempty"`
	// Address with the port; absent where the look-up failed.
	Address string `json:"address,omitempty"`
	// Preference counts the tiers of next hops, from 1; those of one tier take turns by chance.
	Preference int `json:"preference" validate:"required"`
	// Resting is whether the address was out of reach lately, so that it comes last (B33).
	Resting bool `json:"resting"`
	// Problem is why the host has no address.
	Problem string `json:"problem,omitempty"`
	// NoTLSHost is whether the address is on the one-hour list (B24).
	NoTLSHost bool `json:"no_tls_host"`
	// Decision is the effective requirement for the address, with its reasons (B27); absent where there is no address.
	Decision *policy.Decision `json:"decision,omitempty"`
	// Summary is the decision in a sentence.
	Summary string `json:"summary,omitempty"`
	// Ladder is what would be tried on new connections, one after the other, where the one before fails in the handshake (B24).
	Ladder []LadderRung `json:"ladder" validate:"required"`
	// DANE is what DNSSEC and TLSA records say of the host (B63); absent where they are not asked.
	DANE *DANEEvidence `json:"dane,omitempty"`
}

// DANEEvidence is what DNSSEC and TLSA records say of a host.
type DANEEvidence struct {
	// State is usable: a record authenticates, and must match; unusable: there are records, but none that counts, and TLS is mandatory; absent: no signed addresses or no records; failed: not known, and the host must wait.
	State string `json:"state" validate:"required" enums:"absent,usable,unusable,failed"`
	// Base is the name that the records are published for, behind the port and protocol; absent where there are none.
	Base string `json:"base,omitempty"`
	// Records are those that are published, ten at most, in the form of a zone file.
	Records []string `json:"records" validate:"required"`
	// Usable is how many of the published records count.
	Usable int `json:"usable"`
	// Names are those of which a certificate must bear one to match a record of usage 2; none where there is no such record.
	Names []string `json:"names" validate:"required"`
	// SignedMX is whether the MX records that name the host are signed, so that it answers for the domain.
	SignedMX bool `json:"signed_mx"`
	// Detail says why the look-up failed, or why there is no DANE.
	Detail string `json:"detail,omitempty"`
}

// LadderRung is one way to use an address.
type LadderRung struct {
	// TLSLevel of the try; none is clear text.
	TLSLevel policy.TLSLevel `json:"tls_level" validate:"required" swaggertype:"string" enums:"none,preferred,preferred_verify,required,required_verify,required_verify_hosted"`
	// SmallClientHello leaves the post-quantum group out, for devices that lose larger segments.
	SmallClientHello bool `json:"small_client_hello"`
}

// ClientExplanation is what a client would be allowed on a listener.
type ClientExplanation struct {
	// Listener that was asked about.
	Listener string `json:"listener" validate:"required"`
	// Address of the client that was asked about.
	Address string `json:"address" validate:"required"`
	// Revision of the configuration that would decide.
	Revision int64 `json:"revision" validate:"required"`
	// Names are the PTR names of the address that lead back to it (B13).
	Names []string `json:"names" validate:"required"`
	// NamesLookedUp is whether the names were looked up: not where neither the sender groups nor the STARTTLS exemption list have host names.
	NamesLookedUp bool `json:"names_looked_up"`
	// NamesProblem is why there are none, or may be more: a look-up failed, or no name leads back to the address.
	NamesProblem string `json:"names_problem,omitempty"`
	// Stricter is the sender group of host names that the client may belong to, and that asks more of it than the one it falls into: until the names can be looked up the client is answered 421 4.4.3. Absent where none does.
	Stricter *StricterGroup `json:"stricter,omitempty"`
	// SenderGroups are those that the client is in, in order, down to the one that decides (B12).
	SenderGroups []MatchedGroup `json:"sender_groups" validate:"required"`
	// MailFlowPolicy is the policy that applies, with inheritance resolved (B14).
	MailFlowPolicy MailFlowPolicy `json:"mail_flow_policy" validate:"required"`
	// OffersSTARTTLS is whether EHLO lists STARTTLS (B15).
	OffersSTARTTLS bool `json:"offers_starttls"`
	// RequiresTLS is whether nothing is taken in clear: commands get 530 before TLS (B15, B26), and on smtps no session begins without.
	RequiresTLS bool `json:"requires_tls"`
	// ClientCertificate is what the handshake asks of the client: nothing, a valid certificate or none, or a valid one (B17).
	ClientCertificate probe.CertificateDemand `json:"client_certificate" validate:"required" swaggertype:"string" enums:"not_requested,verified_if_shown,required"`
	// Proxy is the entry of the listener's PROXY trust list that holds the address: a PROXY header is required from it, and the address in there is judged instead (B11).
	Proxy string `json:"proxy_protocol_from,omitempty"`
	// Exemption is the STARTTLS exemption in force for the client (B25).
	Exemption *STARTTLSExemption `json:"starttls_exemption,omitempty"`
	// Reasons are the rules that led to all that.
	Reasons []policy.Reason `json:"reasons" validate:"required"`
}

// MatchedGroup is a sender group that the client is in.
type MatchedGroup struct {
	// Name of the sender group.
	Name string `json:"name" validate:"required"`
	// Policy is the name of its mail flow policy.
	Policy string `json:"policy" validate:"required"`
	// Action of the policy; continue looks further down the table.
	Action policy.FlowAction `json:"action" validate:"required" swaggertype:"string" enums:"accept,relay,reject,tcp_refuse,continue"`
}

// StricterGroup is a sender group that a client may belong to.
type StricterGroup struct {
	// Name of the sender group.
	Name string `json:"name" validate:"required"`
	// Asks is what its policy demands beyond that of the group the client falls into, as requires TLS.
	Asks string `json:"asks" validate:"required"`
}

var explainQuery = []string{"domain", "require_tls", "listener", "client", "message", changeParam}

func (a *API) explainOperations() []operation {
	return []operation{
		{http.MethodGet, "/tls/explain", "explainTLS", account.RoleViewer, explainQuery, a.explainTLS},
	}
}

// explainTLS godoc
//
//	@Summary		Explain how mail to a domain would leave, how a client would be served, or what becomes of a message
//	@Description	Asks about a recipient domain, or about a listener and the address of a client, or about a message. With change= it is a draft that would decide. Look-ups are made; nothing is connected to.
//	@ID				explainTLS
//	@Tags			Gateway
//	@Param			domain		query		string	false	"Domain of a recipient"
//	@Param			require_tls	query		bool	false	"Ask for mail under REQUIRETLS (B56); together with domain"
//	@Param			listener	query		string	false	"Name of a listener; together with client"
//	@Param			client		query		string	false	"IP address of a client; together with listener"
//	@Param			message		query		string	false	"Queue id of a message"
//	@Success		200			{object}	TLSExplanation
//	@Failure		404			{object}	Problem
//	@Failure		409			{object}	Problem
//	@Failure		422			{object}	Problem
//	@Router			/tls/explain [get]
//	@x-draft		true
//	@x-role			"viewer"
func (a *API) explainTLS(c echo.Context) (err error) {
	var shown TLSExplanation
	switch askedWith(c, explainQuery) {
	case "domain", "domain require_tls", "domain change", "domain require_tls change":
		shown.Destination, err = a.explainDestination(c)
	case "listener client", "listener client change":
		shown.Client, err = a.explainConnection(c)
	case "message", "message change":
		shown.Message, err = a.explainOneMessage(c)
	default:
		err = &malformedError{detail: "Ask either with domain, or with listener and client, or with message; each also about a draft, with change."}
	}
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, shown)
}

// askedWith lists the query parameters that are not empty.
func askedWith(c echo.Context, known []string) string {
	var asked []string
	for _, name := range known {
		if c.QueryParam(name) != "" {
			asked = append(asked, name)
		}
	}
	return strings.Join(asked, " ")
}

func (a *API) explainDestination(c echo.Context) (*DestinationExplanation, error) {
	recipient, err := domainParam(c, "domain")
	if err != nil {
		return nil, err
	}
	flagged, err := boolParam(c, "require_tls")
	if err != nil {
		return nil, err
	}
	under, err := a.draftSnapshot(c)
	if err != nil {
		return nil, err
	}
	return showDestination(a.explainDomain(c.Request().Context(), under, recipient, flagged)), nil
}

func (a *API) explainConnection(c echo.Context) (*ClientExplanation, error) {
	client, err := addrParam(c, "client")
	if err != nil {
		return nil, err
	}
	under, err := a.draftSnapshot(c)
	if err != nil {
		return nil, err
	}
	explained, err := a.explainClient(c.Request().Context(), under, c.QueryParam("listener"), client)
	if err != nil {
		return nil, err
	}
	return showClient(explained), nil
}

// draftSnapshot compiles the draft that the question is about; nil where it is
// about things as they are.
func (a *API) draftSnapshot(c echo.Context) (*config.Snapshot, error) {
	if draftOf(c) == nil {
		return nil, nil
	}
	return a.snapshotOf(c)
}

func showDestination(d probe.Destination) *DestinationExplanation {
	shown := &DestinationExplanation{
		Domain: d.Domain, Revision: d.Revision, TLSSettings: TLSSettings(d.TLS), Control: DestinationControl(d.Control),
		ControlOrigins: []FieldOrigin{}, MX: showMX(d.MX), LeftOut: d.LeftOut, Outcome: d.Outcome, Candidates: []CandidateExplanation{},
		TrustAnchors: orEmpty(d.TrustAnchors), MTASTS: showMTASTSEvidence(d.MTASTS),
	}
	if d.Route != nil {
		route := Route(*d.Route)
		shown.Route = &route
	}
	for _, each := range d.Origins {
		shown.ControlOrigins = append(shown.ControlOrigins, FieldOrigin(each))
	}
	for _, each := range d.Candidates {
		shown.Candidates = append(shown.Candidates, showCandidate(each))
	}
	return shown
}

func showMX(mx *probe.MX) *MXEvidence {
	if mx == nil {
		return nil
	}
	shown := &MXEvidence{
		Records: []MXRecord{}, Null: mx.Null, Implicit: mx.Implicit, Authenticated: mx.Authenticated, Problem: mx.Problem,
	}
	for _, record := range mx.Records {
		shown.Records = append(shown.Records, MXRecord(record))
	}
	return shown
}

func showCandidate(c probe.Candidate) CandidateExplanation {
	shown := CandidateExplanation{
		Host: c.Host, ServerProfile: c.ServerProfile, Address: c.Address, Preference: c.Preference, Resting: c.Resting, Problem: c.Problem,
		NoTLSHost: c.OneHourListed, Ladder: []LadderRung{},
	}
	if c.Address != "" {
		c.Decision.Reasons = orEmpty(c.Decision.Reasons)
		shown.Decision, shown.Summary = &c.Decision, summaryOfCandidate(c)
	}
	if d := c.DANE; d != nil {
		shown.DANE = &DANEEvidence{d.State.String(), d.Base, orEmpty(d.Records), d.Usable, orEmpty(d.Names), d.SignedMX, d.Detail}
	}
	for _, rung := range c.Ladder {
		shown.Ladder = append(shown.Ladder, showRung(rung))
	}
	return shown
}

func showRung(r probe.Rung) LadderRung {
	return LadderRung{TLSLevel: r.Level, SmallClientHello: r.SmallClientHello}
}

// summaryOfCandidate says in a sentence how mail to the address would leave.
func summaryOfCandidate(c probe.Candidate) string {
	// B24: a listed address is used in clear where the decision grants it.
	if c.OneHourListed && c.Decision.Level != policy.TLSNone && len(c.Ladder) > 0 && c.Ladder[0].Level == policy.TLSNone {
		return "Mail leaves in clear: a handshake failed, and the address is on the one-hour list."
	}
	return summaryOfDecision(c.Decision)
}

// summaryOfDecision says a decision in a sentence (B22).
func summaryOfDecision(d policy.Decision) string {
	switch {
	case d.Refused != nil:
		return "Mail waits: " + d.Refused.Detail + "."
	case d.Mandatory() && len(d.Checks) > 0:
		return "Mail leaves encrypted and with a verified certificate, or not at all."
	case d.Mandatory():
		return "Mail leaves encrypted, or not at all; the certificate is not checked."
	case d.Level == policy.TLSNone:
		return "Mail leaves in clear: STARTTLS is not used."
	case d.ClearAfterFailedTLS:
		return "Mail leaves encrypted where TLS succeeds, in clear where it does not."
	}
	return "Mail leaves encrypted where the host offers STARTTLS, in clear where it does not."
}

func showClient(c probe.Client) *ClientExplanation {
	shown := &ClientExplanation{
		Listener: c.Listener, Address: c.Address, Revision: c.Revision,
		NamesLookedUp: c.NamesLookedUp, Names: orEmpty(c.Names), NamesProblem: c.NamesProblem, SenderGroups: []MatchedGroup{},
		MailFlowPolicy: showMailFlowPolicy(c.Policy),
		OffersSTARTTLS: c.OffersSTARTTLS, RequiresTLS: c.RequiresTLS, Reasons: orEmpty(c.Reasons),
		ClientCertificate: c.Certificate, Proxy: c.Proxy,
	}
	for _, group := range c.Groups {
		shown.SenderGroups = append(shown.SenderGroups, MatchedGroup(group))
	}
	if s := c.Stricter; s != nil {
		shown.Stricter = &StricterGroup{Name: s.Group, Asks: s.Asks}
	}
	if c.Exemption != nil {
		exemption := showExemption(*c.Exemption)
		shown.Exemption = &exemption
	}
	return shown
}
