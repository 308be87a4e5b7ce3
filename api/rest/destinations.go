package rest

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// Destinations says how destinations fare (B67).
type Destinations interface {
	// List returns destinations in the state, or all, ascending, above a name.
	List(ctx context.Context, state delivery.DestinationState, above mailaddr.DomainName, limit int) ([]delivery.DestinationStatus, error)
	// Get returns one, or an error of kind NotFound.
	Get(ctx context.Context, name mailaddr.DomainName) (delivery.DestinationStatus, error)
}

// Destination is how mail to a recipient domain fares: what waits for it, what is done about it, and what was last seen there (B67).
type Destination struct {
	// Domain is the recipient domain, or an address literal in brackets.
	Domain mailaddr.DomainName `json:"domain" validate:"required" swaggertype:"string"`
	// State is active while a delivery is under way, suspended while the destination is left alone because no host of it could be reached, else idle.
	State delivery.DestinationState `json:"state" validate:"required" swaggertype:"string" enums:"active,suspended,idle"`
	// SuspendedUntil is when a suspended destination is tried again.
	SuspendedUntil *time.Time `json:"suspended_until,omitempty" format:"date-time"`
	// Connections is how many deliveries are under way.
	Connections int `json:"connections"`
	// Queued is how many recipients wait for their first try.
	Queued int `json:"queued"`
	// Deferred is how many recipients wait for another try.
	Deferred int `json:"deferred"`
	// Held is how many recipients of held messages there are.
	Held int `json:"held"`
	// NextAttemptAt is when the next recipient is due; absent where none waits.
	NextAttemptAt *time.Time `json:"next_attempt_at,omitempty" format:"date-time"`
	// LastTLS is what became of TLS on the newest connection; absent where none was made within the history.
	LastTLS *DestinationTLS `json:"last_tls,omitempty"`
	// LastError is the newest outcome that was no delivery; absent where there was none within the history. Mail may have been delivered since.
	LastError *DestinationError `json:"last_error,omitempty"`
	// Requirement is how mail must be encrypted, by configuration alone: that of the next hop that asks least, where a route names several. What hosts and their domains publish may raise it.
	Requirement DestinationRequirement `json:"requirement" validate:"required"`
}

// DestinationTLS is what became of TLS on a connection.
type DestinationTLS struct {
	// At is when.
	At time.Time `json:"at" validate:"required" format:"date-time"`
	// Host that was connected to, by name or address.
	Host string `json:"host"`
	// Result is success where the connection was encrypted, failed where that came to nothing, clear where it went on without.
	Result delivery.TLSResult `json:"result" validate:"required" swaggertype:"string" enums:"success,failed,clear"`
	// TLS is the state of TLS, with what verification found.
	TLS delivery.SessionTLS `json:"tls"`
	// Detail says why it failed.
	Detail string `json:"detail,omitempty"`
}

// DestinationError is an outcome that was no delivery.
type DestinationError struct {
	// At is when.
	At time.Time `json:"at" validate:"required" format:"date-time"`
	// Outcome of a recipient.
	Outcome delivery.Outcome `json:"outcome" validate:"required"`
}

// DestinationRequirement is the effective requirement, and the rule that it comes from (B27).
type DestinationRequirement struct {
	// TLSLevel that applies.
	TLSLevel policy.TLSLevel `json:"tls_level" validate:"required" swaggertype:"string" enums:"none,preferred,preferred_verify,required,required_verify,required_verify_hosted"`
	// Rule that asks for it, as destination_control; empty where none does.
	Rule string `json:"rule"`
	// Entry of the rule that matched.
	Entry string `json:"entry,omitempty"`
}

func (a *API) destinationsOperations() []operation {
	query := append([]string{"state"}, listQuery...)
	return []operation{
		{http.MethodGet, "/destinations", "listDestinations", account.RoleViewer, query, a.listDestinations},
		{http.MethodGet, "/destinations/:domain", "getDestination", account.RoleViewer, nil, a.getDestination},
	}
}

// listDestinations godoc
//
//	@Summary		List the destinations that have mail or had some of late
//	@Description	In the order of their names. Destinations without mail are remembered as long as the history of messages.
//	@ID				listDestinations
//	@Tags			Messages
//	@Param			state	query		string	false	"Only destinations in this state"	Enums(active, suspended, idle)
//	@Success		200		{object}	Page[Destination]
//	@Router			/destinations [get]
//	@x-shape		"list"
//	@x-role			"viewer"
func (a *API) listDestinations(c echo.Context) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	state, err := delivery.ParseDestinationState(c.QueryParam("state"))
	if err != nil {
		return badQuery("state", "must be active, suspended or idle")
	}
	found, err := a.destinations.List(c.Request().Context(), state, mailaddr.DomainName(p.after), p.limit+1)
	if err != nil {
		return err
	}
	snapshot, now := a.snapshot(), a.now()
	key := func(d delivery.DestinationStatus) string { return d.Domain.String() }
	return writePage(c, p, found, key, func(d delivery.DestinationStatus) (Destination, error) {
		return showDestinationStatus(d, snapshot, now), nil
	})
}

// getDestination godoc
//
//	@Summary	Show how a destination fares
//	@ID			getDestination
//	@Tags		Messages
//	@Param		domain	path		string	true	"Recipient domain, or an address literal in brackets"
//	@Success	200		{object}	Destination
//	@Failure	404		{object}	Problem
//	@Router		/destinations/{domain} [get]
//	@x-shape		"read"
//	@x-role		"viewer"
func (a *API) getDestination(c echo.Context) error {
	text, err := pathParam(c, "domain")
	if err != nil {
		return err
	}
	name, err := destinationName(text)
	if err != nil {
		return &domain.Error{Kind: domain.NotFound, Detail: "no destination can have this name", Err: err}
	}
	found, err := a.destinations.Get(c.Request().Context(), name)
	if err != nil {
		return err
	}
	return replyObject(c, showDestinationStatus(found, a.snapshot(), a.now()))
}

func showDestinationStatus(d delivery.DestinationStatus, snapshot *config.Snapshot, now time.Time) Destination {
	shown := Destination{
		Domain: d.Domain, State: d.State, SuspendedUntil: optionalTime(d.SuspendedUntil), Connections: d.Connections,
		Queued: d.Queued, Deferred: d.Deferred, Held: d.Held, NextAttemptAt: optionalTime(d.Next),
		Requirement: requirementFor(d.Domain, snapshot, now),
	}
	if t := d.TLS; !t.At.IsZero() {
		shown.LastTLS = &DestinationTLS{At: t.At.UTC(), Host: t.Host, Result: t.Result, TLS: t.TLS, Detail: t.Detail}
	}
	if e := d.Error; !e.At.IsZero() {
		shown.LastError = &DestinationError{At: e.At.UTC(), Outcome: e.Outcome}
	}
	return shown
}

// optionalTime leaves out the zero time.
func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// requirementFor is the decision as far as the configuration knows the hosts
// (B27): that of the next hop that asks least, since the mail may leave by it.
func requirementFor(name mailaddr.DomainName, snapshot *config.Snapshot, now time.Time) DestinationRequirement {
	decision := slices.MinFunc(decisionsFor(name, snapshot, now), func(a, b policy.Decision) int {
		return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(len(a.Checks), len(b.Checks)))
	})
	shown := DestinationRequirement{TLSLevel: decision.Level}
	for _, r := range decision.Reasons {
		if r.OverruledBy == "" {
			shown.Rule, shown.Entry = r.Rule, r.Entry
			break
		}
	}
	return shown
}

// decisionsFor are those for each next hop that the configuration names, at least
// one. An address literal is a host by itself: no route leads there.
func decisionsFor(name mailaddr.DomainName, snapshot *config.Snapshot, now time.Time) (list []policy.Decision) {
	if addr, err := netip.ParseAddr(strings.Trim(name.String(), "[]")); err == nil {
		return append(list, policy.Effective(snapshot.OutboundInputs("", "", addr, now)))
	}
	for _, in := range snapshot.HopInputs(name, now) {
		list = append(list, policy.Effective(in))
	}
	return list
}
