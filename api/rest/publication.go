package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/mailaddr"
	"postern/domain/publication"
)

// DNSRecords are the DNS records that a hosted domain should publish (B61).
type DNSRecords struct {
	// Domain that they are for.
	Domain string `json:"domain" validate:"required"`
	// Records in the order in which to publish them.
	Records []DNSRecord `json:"records" validate:"required"`
	// Order explains it.
	Order []string `json:"order" validate:"required"`
}

// DNSRecord is a record to publish.
type DNSRecord struct {
	// Purpose of the record.
	Purpose publication.Purpose `json:"purpose" validate:"required" swaggertype:"string" enums:"mx,mta_sts_host,mta_sts_policy,mta_sts,tls_rpt,tlsa"`
	// Name of the record, without trailing dot.
	Name string `json:"name" validate:"required"`
	// Type of the record; HTTPS stands for the policy, which is on the web.
	Type string `json:"type" validate:"required" enums:"MX,TXT,CNAME,TLSA,HTTPS"`
	// Value as in a zone file, or the text of the policy.
	Value string `json:"value" validate:"required"`
	// Note says what to mind.
	Note string `json:"note,omitempty"`
}

// DNSCheck compares what a hosted domain should publish with what it does publish.
type DNSCheck struct {
	// Domain that was looked at.
	Domain string `json:"domain" validate:"required"`
	// Good is whether everything is.
	Good bool `json:"good"`
	// Checks of the records, in the order of publishing.
	Checks []DNSRecordCheck `json:"checks" validate:"required"`
}

// DNSRecordCheck is a record with what is published in its place.
type DNSRecordCheck struct {
	// Record to publish.
	Record DNSRecord `json:"record" validate:"required"`
	// State of what is published.
	State publication.State `json:"state" validate:"required" swaggertype:"string" enums:"good,missing,differs,unknown"`
	// Published is what was found, quoted and shortened.
	Published []string `json:"published" validate:"required"`
	// Detail says what is wrong.
	Detail string `json:"detail,omitempty"`
}

// MTASTSReadiness says whether a domain's policy may go from testing to enforce, and what is left to do.
type MTASTSReadiness struct {
	// Domain that was looked at.
	Domain string `json:"domain" validate:"required"`
	// Ready is whether every step is done.
	Ready bool `json:"ready"`
	// Steps on the way, in order.
	Steps []ReadinessStep `json:"steps" validate:"required"`
}

// ReadinessStep is a condition for mode enforce.
type ReadinessStep struct {
	// Step names the condition: the policy is hosted, what is published is good, senders that obey the policy reach every host, incoming TLS does not fail.
	Step string `json:"step" validate:"required" enums:"hosted,published,verified,incoming_tls"`
	// Done is whether it holds.
	Done bool `json:"done"`
	// Detail says what was found.
	Detail string `json:"detail" validate:"required"`
}

// publishingOrder is RFC 8461 §8.3 in words.
var publishingOrder = []string{
	"Have a certificate that covers each MX host, and one that covers mta-sts.<domain>.",
	"Let mta-sts.<domain> lead to the public web listener, and see by dns-check that the policy is served.",
	"Publish _mta-sts.<domain> last: senders that see a new id fetch the policy at once.",
	"After each change of the policy publish the new id; until then senders keep the former policy.",
	"Begin with mode testing and a TLS report address; go to enforce when readiness says so.",
	"To leave, publish mode none with its id, and delete the policy when the former max_age has passed.",
}

func (a *API) publicationOperations() []operation {
	const one = "/domains/:name"
	return []operation{
		{http.MethodGet, one + "/dns-records", "getDomainDNSRecords", account.RoleViewer, nil, a.getDomainDNSRecords},
		{http.MethodGet, one + "/dns-check", "checkDomainDNS", account.RoleViewer, nil, a.checkDomainDNS},
		{http.MethodGet, one + "/mta-sts/readiness", "getDomainMTASTSReadiness", account.RoleViewer, nil, a.getDomainMTASTSReadiness},
	}
}

// hostedDomain is the domain in the path, in canonical form.
func hostedDomain(c echo.Context) (mailaddr.DomainName, error) {
	text, err := pathParam(c, "name")
	if err != nil {
		return "", err
	}
	name, err := mailaddr.ParseDomainName(text)
	if err != nil {
		return "", domain.E(domain.NotFound, "there is no domain of that name")
	}
	return name, nil
}

// getDomainDNSRecords godoc
//
//	@Summary		List the DNS records that a hosted domain should publish
//	@Description	The id of the MTA-STS policy is that of the policy which is served now.
//	@ID				getDomainDNSRecords
//	@Tags			MTA-STS
//	@Param			name	path		string	true	"Domain name"
//	@Success		200		{object}	DNSRecords
//	@Router			/domains/{name}/dns-records [get]
//	@x-shape		"read"
//	@x-role			"viewer"
func (a *API) getDomainDNSRecords(c echo.Context) error {
	name, err := hostedDomain(c)
	if err != nil {
		return err
	}
	records, err := a.publisher.Records(name)
	if err != nil {
		return err
	}
	shown := DNSRecords{Domain: name.String(), Records: []DNSRecord{}, Order: publishingOrder}
	for _, r := range records {
		shown.Records = append(shown.Records, showDNSRecord(r))
	}
	return replyObject(c, shown)
}

func showDNSRecord(r publication.Record) DNSRecord {
	return DNSRecord{Purpose: r.Purpose, Name: r.Name.String(), Type: r.Type, Value: r.Value, Note: r.Note}
}

// checkDomainDNS godoc
//
//	@Summary	Compare what a hosted domain publishes with what it should
//	@ID			checkDomainDNS
//	@Tags		MTA-STS
//	@Param		name	path		string	true	"Domain name"
//	@Success	200		{object}	DNSCheck
//	@Failure	404		{object}	Problem
//	@Router		/domains/{name}/dns-check [get]
//	@x-shape	"read"
//	@x-role		"viewer"
func (a *API) checkDomainDNS(c echo.Context) error {
	name, err := hostedDomain(c)
	if err != nil {
		return err
	}
	checks, err := a.publisher.Check(c.Request().Context(), name)
	if err != nil {
		return err
	}
	shown := DNSCheck{Domain: name.String(), Good: true, Checks: []DNSRecordCheck{}}
	for _, each := range checks {
		shown.Good = shown.Good && each.State == publication.StateGood
		shown.Checks = append(shown.Checks, DNSRecordCheck{
			Record: showDNSRecord(each.Record), State: each.State, Published: orEmpty(each.Published), Detail: each.Detail,
		})
	}
	return replyObject(c, shown)
}

// readinessTime bounds the look at everything.
const readinessTime = 25 * time.Second

// getDomainMTASTSReadiness godoc
//
//	@Summary		Say whether the MTA-STS policy of a hosted domain may go to enforce
//	@Description	Looks at what is published, tests the MX hosts as a sender would that obeys the policy, and reads the TLS statistics of incoming mail of the last 14 days.
//	@ID				getDomainMTASTSReadiness
//	@Tags			MTA-STS
//	@Param			name	path		string	true	"Domain name"
//	@Success		200		{object}	MTASTSReadiness
//	@Router			/domains/{name}/mta-sts/readiness [get]
//	@x-shape	"read"
//	@x-role			"viewer"
func (a *API) getDomainMTASTSReadiness(c echo.Context) error {
	name, err := hostedDomain(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), readinessTime)
	defer cancel()
	shown := MTASTSReadiness{Domain: name.String(), Ready: true}
	for _, step := range []func(context.Context, mailaddr.DomainName) (ReadinessStep, error){
		a.stepHosted, a.stepPublished, a.stepVerified, a.stepIncomingTLS,
	} {
		s, err := step(ctx, name)
		if err != nil {
			return err
		}
		shown.Ready = shown.Ready && s.Done
		shown.Steps = append(shown.Steps, s)
	}
	return replyObject(c, shown)
}
