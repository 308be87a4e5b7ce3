package rest

import (
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/mailaddr"
	"postern/domain/mtasts"
)

// MTASTSPolicy is what is known of the MTA-STS policy of another domain (B60).
type MTASTSPolicy struct {
	// Domain that the policy is of.
	Domain string `json:"domain" validate:"required"`
	// InForce is whether deliveries go by the policy: it was fetched, and it has not expired or is pinned.
	InForce bool `json:"in_force"`
	// ID of the TXT record under which the policy was fetched; absent where none ever was.
	ID string `json:"id,omitempty"`
	// Mode of the policy; absent where none was ever fetched.
	Mode mtasts.Mode `json:"mode,omitempty" swaggertype:"string" enums:"enforce,testing,none"`
	// MX are the hosts that the policy lists, in A-labels; *. stands for one label.
	MX []string `json:"mx" validate:"required"`
	// MaxAgeSeconds is how long the policy holds after it was fetched.
	MaxAgeSeconds int64 `json:"max_age_seconds"`
	// Text of the policy as it was received; absent where none ever was.
	Text string `json:"text,omitempty"`
	// FetchedAt is when that was.
	FetchedAt *time.Time `json:"fetched_at,omitempty" format:"date-time"`
	// ExpiresAt is when the policy ends, unless it is fetched again or pinned.
	ExpiresAt *time.Time `json:"expires_at,omitempty" format:"date-time"`
	// RefreshAt is when it will be fetched again ahead of that, if it is in use.
	RefreshAt *time.Time `json:"refresh_at,omitempty" format:"date-time"`
	// UsedAt is when mail last asked for it, to an hour.
	UsedAt *time.Time `json:"used_at,omitempty" format:"date-time"`
	// Pin keeps the policy in force as it is; absent where it is not pinned.
	Pin *MTASTSPinned `json:"pin,omitempty"`
	// Failure is why the last fetch failed; absent after success.
	Failure *MTASTSFailure `json:"failure,omitempty"`
}

// MTASTSPinned says who pinned a policy.
type MTASTSPinned struct {
	// By is the administrator.
	By string `json:"by"`
	// Reason is why.
	Reason string `json:"reason"`
	// At is when.
	At time.Time `json:"at" format:"date-time"`
}

// MTASTSFailure is why a policy could not be fetched.
type MTASTSFailure struct {
	// Result in the words of TLS reports where those have one.
	Result mtasts.Result `json:"result" validate:"required" swaggertype:"string" enums:"sts-policy-fetch-error,sts-policy-invalid,sts-webpki-invalid,local-fault"`
	// Detail explains.
	Detail string `json:"detail"`
	// At is when.
	At time.Time `json:"at" validate:"required" format:"date-time"`
	// Failures in a row.
	Failures int `json:"failures"`
	// NextTry is when the next fetch may be; under another id it need not wait.
	NextTry time.Time `json:"next_try" validate:"required" format:"date-time"`
}

// MTASTSPinRequest asks for a policy to be kept in force.
type MTASTSPinRequest struct {
	// Reason is why.
	Reason string `json:"reason" validate:"required" minLength:"1" maxLength:"1000"`
}

// MTASTSEvidence is what a delivery goes by.
type MTASTSEvidence struct {
	// Applies is whether a policy is in force.
	Applies bool `json:"applies"`
	// Unknown is whether it cannot be told if the domain has a policy, so that mail waits.
	Unknown bool `json:"unknown"`
	// Problem is why the newest policy is not known, although an older one may be in force; absent where it is known.
	Problem string `json:"problem,omitempty" enums:"sts-policy-fetch-error,sts-policy-invalid,sts-webpki-invalid,sts-record-error,dns-error,local-fault"`
	// Detail explains the problem.
	Detail string `json:"detail,omitempty"`
	// Policy that was fetched last; absent where none ever was.
	Policy *MTASTSPolicy `json:"policy,omitempty"`
}

func showMTASTSEvidence(f *mtasts.Finding) *MTASTSEvidence {
	if f == nil {
		return nil
	}
	shown := &MTASTSEvidence{Applies: f.Applies, Unknown: f.Unknown, Problem: string(f.Problem.Result), Detail: f.Problem.Detail}
	if f.Text != "" {
		policy := showMTASTSPolicy(f.Entry, f.Applies)
		shown.Policy = &policy
	}
	return shown
}

func showMTASTSPolicy(e mtasts.Entry, inForce bool) MTASTSPolicy {
	shown := MTASTSPolicy{
		Domain: e.Domain.String(), InForce: inForce, ID: e.RecordID, Mode: e.Policy.Mode, MX: []string{},
		MaxAgeSeconds: int64(e.Policy.MaxAge / time.Second), Text: e.Text, FetchedAt: momentOrNil(e.FetchedAt),
		ExpiresAt: momentOrNil(e.ExpiresAt), RefreshAt: momentOrNil(e.RefreshAt), UsedAt: momentOrNil(e.UsedAt),
	}
	for _, pattern := range e.Policy.MX {
		shown.MX = append(shown.MX, string(pattern))
	}
	if e.Pinned != nil {
		shown.Pin = &MTASTSPinned{By: e.Pinned.By, Reason: e.Pinned.Reason, At: e.Pinned.At.UTC()}
	}
	if e.Failures > 0 {
		shown.Failure = &MTASTSFailure{
			Result: e.Problem.Result, Detail: e.Problem.Detail, At: e.FailedAt.UTC(), Failures: e.Failures, NextTry: e.NextTry.UTC(),
		}
	}
	return shown
}

func momentOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC())
}

func (a *API) mtastsPoliciesOperations() []operation {
	const list, one = "/mta-sts-policies", "/mta-sts-policies/:domain"
	return []operation{
		{http.MethodGet, list, "listMTASTSPolicies", account.RoleViewer, listQuery, a.listMTASTSPolicies},
		{http.MethodDelete, list, "flushMTASTSPolicies", account.RoleOperator, nil, a.flushMTASTSPolicies},
		{http.MethodGet, one, "getMTASTSPolicy", account.RoleViewer, nil, a.getMTASTSPolicy},
		{http.MethodDelete, one, "flushMTASTSPolicy", account.RoleOperator, nil, a.flushMTASTSPolicy},
		{http.MethodPost, one + "/refresh", "refreshMTASTSPolicy", account.RoleOperator, nil, a.refreshMTASTSPolicy},
		{http.MethodPost, one + "/pin", "pinMTASTSPolicy", account.RoleOperator, nil, a.pinMTASTSPolicy},
		{http.MethodPost, one + "/unpin", "unpinMTASTSPolicy", account.RoleOperator, nil, a.unpinMTASTSPolicy},
	}
}

// listMTASTSPolicies godoc
//
//	@Summary	List what is known of the MTA-STS policies of other domains
//	@ID			listMTASTSPolicies
//	@Tags		MTA-STS
//	@Success	200	{object}	Page[MTASTSPolicy]
//	@Router		/mta-sts-policies [get]
//	@x-shape	"list"
//	@x-role		"viewer"
func (a *API) listMTASTSPolicies(c echo.Context) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	found := slices.DeleteFunc(a.mtastsPolicies.List(), func(e mtasts.Entry) bool { return e.Domain.String() <= p.after })
	found = found[:min(len(found), p.limit+1)]
	key := func(e mtasts.Entry) string { return e.Domain.String() }
	return writePage(c, p, found, key, func(e mtasts.Entry) (MTASTSPolicy, error) { return a.showEntry(e), nil })
}

func (a *API) showEntry(e mtasts.Entry) MTASTSPolicy { return showMTASTSPolicy(e, e.InForce(a.now())) }

// getMTASTSPolicy godoc
//
//	@Summary	Show what is known of the MTA-STS policy of another domain
//	@ID			getMTASTSPolicy
//	@Tags		MTA-STS
//	@Param		domain	path		string	true	"Domain name"
//	@Success	200		{object}	MTASTSPolicy
//	@Router		/mta-sts-policies/{domain} [get]
//	@x-shape	"read"
//	@x-role		"viewer"
func (a *API) getMTASTSPolicy(c echo.Context) error {
	e, err := a.mtastsEntry(c)
	if err != nil {
		return err
	}
	return replyObject(c, a.showEntry(e))
}

// mtastsDomain is the domain in the path.
func mtastsDomain(c echo.Context) (mailaddr.DomainName, error) {
	text, err := pathParam(c, "domain")
	if err != nil {
		return "", err
	}
	return mailaddr.ParseDomainName(text)
}

// mtastsEntry is what is known of the domain in the path.
func (a *API) mtastsEntry(c echo.Context) (mtasts.Entry, error) {
	text, err := pathParam(c, "domain")
	if err != nil {
		return mtasts.Entry{}, err
	}
	name, err := mailaddr.ParseDomainName(text)
	if err != nil {
		return mtasts.Entry{}, domain.E(domain.NotFound, "no MTA-STS policy is known of what is no domain name")
	}
	list := a.mtastsPolicies.List()
	i := slices.IndexFunc(list, func(e mtasts.Entry) bool { return e.Domain == name })
	if i < 0 {
		return mtasts.Entry{}, domain.E(domain.NotFound, "no MTA-STS policy of %s is known", name)
	}
	return list[i], nil
}

// refreshMTASTSPolicy godoc
//
//	@Summary		Fetch the MTA-STS policy of another domain now
//	@Description	It takes up to a minute. Where it fails the one that is in force stays, and `failure` says why.
//	@ID				refreshMTASTSPolicy
//	@Tags			MTA-STS
//	@Param			domain	path		string	true	"Domain name"
//	@Success		200		{object}	MTASTSPolicy
//	@Failure		404		{object}	Problem
//	@Failure		409		{object}	Problem
//	@Failure		422		{object}	Problem
//	@Router			/mta-sts-policies/{domain}/refresh [post]
//	@x-role			"operator"
func (a *API) refreshMTASTSPolicy(c echo.Context) error {
	name, err := mtastsDomain(c)
	if err != nil {
		return err
	}
	e, err := a.mtastsPolicies.Refresh(c.Request().Context(), name)
	return a.replyEntry(c, e, err)
}

func (a *API) replyEntry(c echo.Context, e mtasts.Entry, err error) error {
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, a.showEntry(e))
}

// pinMTASTSPolicy godoc
//
//	@Summary		Keep the MTA-STS policy of another domain in force as it is
//	@Description	A pinned policy neither expires nor is replaced by another one.
//	@ID				pinMTASTSPolicy
//	@Tags			MTA-STS
//	@Param			domain	path		string				true	"Domain name"
//	@Param			body	body		MTASTSPinRequest	true	"Why"
//	@Success		200		{object}	MTASTSPolicy
//	@Failure		409		{object}	Problem
//	@Router			/mta-sts-policies/{domain}/pin [post]
//	@x-shape		"ask"
//	@x-role			"operator"
func (a *API) pinMTASTSPolicy(c echo.Context) error {
	asked, err := readJSON[MTASTSPinRequest](c)
	if err != nil {
		return err
	}
	if asked.Reason == "" || len(asked.Reason) > 1000 {
		return domain.Faults{{Pointer: "/reason", Message: "is required, of at most 1000 octets: why the policy is pinned"}}.Err()
	}
	return a.setPin(c, &mtasts.Pin{By: principalOf(c).Name, Reason: asked.Reason, At: a.now().UTC()})
}

// unpinMTASTSPolicy godoc
//
//	@Summary	Let the MTA-STS policy of another domain expire and change again
//	@ID			unpinMTASTSPolicy
//	@Tags		MTA-STS
//	@Param		domain	path		string	true	"Domain name"
//	@Success	200		{object}	MTASTSPolicy
//	@Failure	404		{object}	Problem
//	@Failure	422		{object}	Problem
//	@Router		/mta-sts-policies/{domain}/unpin [post]
//	@x-role		"operator"
func (a *API) unpinMTASTSPolicy(c echo.Context) error { return a.setPin(c, nil) }

func (a *API) setPin(c echo.Context, pin *mtasts.Pin) error {
	name, err := mtastsDomain(c)
	if err != nil {
		return err
	}
	e, err := a.mtastsPolicies.Pin(c.Request().Context(), name, pin)
	return a.replyEntry(c, e, err)
}

// flushMTASTSPolicy godoc
//
//	@Summary		Forget the MTA-STS policy of another domain
//	@Description	The next mail finds out anew: until then nothing protects from someone who forges DNS.
//	@ID				flushMTASTSPolicy
//	@Tags			MTA-STS
//	@Param			domain	path	string	true	"Domain name"
//	@Success		204
//	@Router			/mta-sts-policies/{domain} [delete]
//	@x-shape		"match"
//	@x-role			"operator"
func (a *API) flushMTASTSPolicy(c echo.Context) error {
	e, err := a.mtastsEntry(c)
	if err != nil {
		return err
	}
	if _, _, err := preconditions(c, tagOf(a.showEntry(e)), true); err != nil {
		return err
	}
	if err := a.mtastsPolicies.Flush(c.Request().Context(), e.Domain); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// flushMTASTSPolicies godoc
//
//	@Summary		Forget the MTA-STS policies of other domains
//	@Description	All but those that are pinned. The next mail to each domain finds out anew.
//	@ID				flushMTASTSPolicies
//	@Tags			MTA-STS
//	@Success		204
//	@Router			/mta-sts-policies [delete]
//	@x-role			"operator"
func (a *API) flushMTASTSPolicies(c echo.Context) error {
	var names []mailaddr.DomainName
	for _, e := range a.mtastsPolicies.List() {
		if e.Pinned == nil {
			names = append(names, e.Domain)
		}
	}
	if len(names) > 0 {
		if err := a.mtastsPolicies.Flush(c.Request().Context(), names...); err != nil {
			return err
		}
	}
	return c.NoContent(http.StatusNoContent)
}
