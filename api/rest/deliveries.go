package rest

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/delivery"
	"postern/domain/policy"
)

// Attempt is the record of one try for some recipients of a message: what was decided and why, what happened, and under which revision.
type Attempt struct {
	// ID of the attempt; ids sort by time.
	ID string `json:"id" validate:"required"`
	// MessageID is the queue id of the message.
	MessageID string `json:"message_id" validate:"required"`
	// At is when the attempt began.
	At time.Time `json:"at" validate:"required" format:"date-time"`
	// DurationMilliseconds is how long it took.
	DurationMilliseconds int64 `json:"duration_milliseconds"`
	// Revision of the configuration that decided.
	Revision int64 `json:"revision"`
	// Host that settled the attempt; empty where none was reached.
	Host string `json:"host"`
	// Address that settled the attempt.
	Address string `json:"address"`
	// TLS is the state of TLS on the connection.
	TLS delivery.SessionTLS `json:"tls"`
	// Reused is whether an open connection was used.
	Reused bool `json:"reused"`
	// Decision is the effective requirement for the host, with its reasons (B27).
	Decision policy.Decision `json:"decision"`
	// Hosts are the candidates that were looked at, in order.
	Hosts []delivery.HostTry `json:"hosts" validate:"required"`
	// Results are the outcomes by recipient.
	Results []AttemptResult `json:"results" validate:"required"`
}

// AttemptResult is how an attempt ended for one recipient.
type AttemptResult struct {
	// Recipient is the index in the envelope.
	Recipient int `json:"recipient"`
	// Outcome says how it ended.
	Outcome delivery.Outcome `json:"outcome"`
	// DSN says that the peer has taken over what the sender wants to hear of.
	DSN bool `json:"dsn"`
}

// Delivery is a finished message: every recipient was delivered, bounced or deleted. Its content is gone.
type Delivery struct {
	Message
	// FinishedAt is when the last recipient was settled.
	FinishedAt time.Time `json:"finished_at" validate:"required" format:"date-time"`
}

var deliveryQuery = append([]string{"recipient_domain", "finished_after", "finished_before", "sort"}, listQuery...)

func (a *API) deliveriesOperations() []operation {
	return []operation{
		{http.MethodGet, "/deliveries", "listDeliveries", account.RoleViewer, deliveryQuery, a.listDeliveries},
	}
}

// listMessageAttempts godoc
//
//	@Summary	List the attempts at a message, oldest first
//	@ID			listMessageAttempts
//	@Tags		Messages
//	@Param		id	path		string	true	"Queue id"
//	@Success	200	{object}	Page[Attempt]
//	@Failure	404	{object}	Problem
//	@Router		/messages/{id}/attempts [get]
//	@x-shape	"list"
//	@x-role		"viewer"
func (a *API) listMessageAttempts(c echo.Context) error {
	id, err := messageID(c)
	if err != nil {
		return err
	}
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	above, err := messageAfter(p)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	if _, err := a.messages.Message(ctx, id); err != nil {
		return err
	}
	found, err := a.messages.Attempts(ctx, id, above, p.limit+1)
	if err != nil {
		return err
	}
	key := func(r delivery.RecordedAttempt) string { return r.ID.String() }
	return writePage(c, p, found, key, func(r delivery.RecordedAttempt) (Attempt, error) { return showAttempt(r), nil })
}

func showAttempt(r delivery.RecordedAttempt) Attempt {
	shown := Attempt{
		ID: r.ID.String(), MessageID: r.Message.String(), At: r.At.UTC(), DurationMilliseconds: r.Duration.Milliseconds(),
		Revision: r.Revision, Host: r.Host, Address: r.Address, TLS: r.TLS, Reused: r.Reused,
		Decision: r.Decision, Hosts: orEmpty(r.Hosts), Results: []AttemptResult{},
	}
	shown.Decision.Reasons = orEmpty(shown.Decision.Reasons)
	for _, result := range r.Results {
		shown.Results = append(shown.Results, AttemptResult{result.Recipient, result.Outcome, result.DSN})
	}
	return shown
}

// listDeliveries godoc
//
//	@Summary	List the finished messages, newest first
//	@ID			listDeliveries
//	@Tags		Messages
//	@Param		recipient_domain	query		string	false	"Only messages with a recipient in this domain"
//	@Param		finished_after		query		string	false	"Only messages finished after this time"	Format(date-time)
//	@Param		finished_before		query		string	false	"Only messages finished before this time"	Format(date-time)
//	@Param		sort				query		string	false	"By the time of acceptance: oldest first, or with a minus newest first, as without it"	Enums(received_at, -received_at)
//	@Success	200					{object}	Page[Delivery]
//	@Router		/deliveries [get]
//	@x-shape	"list"
//	@x-role		"viewer"
func (a *API) listDeliveries(c echo.Context) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	from, err := messageAfter(p)
	if err != nil {
		return err
	}
	filter, err := deliveryFilterOf(c)
	if err != nil {
		return err
	}
	found, err := a.messages.Deliveries(c.Request().Context(), filter, from, p.limit+1)
	if err != nil {
		return err
	}
	key := func(m delivery.FinishedMessage) string { return m.ID.String() }
	return writePage(c, p, found, key, func(m delivery.FinishedMessage) (Delivery, error) {
		return Delivery{Message: showMessage(m.Message), FinishedAt: m.FinishedAt.UTC()}, nil
	})
}

func deliveryFilterOf(c echo.Context) (f delivery.DeliveryFilter, err error) {
	if f.RecipientDomain, err = domainParam(c, "recipient_domain"); err != nil {
		return f, err
	}
	if f.FinishedAfter, err = timeParam(c, "finished_after"); err != nil {
		return f, err
	}
	if f.FinishedBefore, err = timeParam(c, "finished_before"); err != nil {
		return f, err
	}
	descending, err := sortParam(c, "received_at", true)
	f.OldestFirst = !descending
	return f, err
}
