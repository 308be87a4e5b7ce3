package rest

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/webhook"
)

// WebhookDispatcher posts events to webhooks. What does not exist is NotFound; to
// replay what is no longer in the log is a [*eventlog.GoneError].
type WebhookDispatcher interface {
	State(ctx context.Context, name string) (webhook.State, error)
	Deliveries(ctx context.Context, q webhook.Query) ([]webhook.Delivery, error)
	Test(ctx context.Context, name string) (webhook.Attempt, error)
	Replay(ctx context.Context, name string, after int64) (webhook.State, error)
	ReplayOne(ctx context.Context, name string, event int64) (webhook.Delivery, error)
}

// WebhookDelivery is what became of one event at a webhook.
type WebhookDelivery struct {
	// ID is the number of the event.
	ID string `json:"id" validate:"required"`
	// Type is the type of the event.
	Type string `json:"type" validate:"required"`
	// State says whether the event was taken. A failed one was refused, and is tried no more.
	State webhook.Outcome `json:"state" validate:"required" swaggertype:"string" enums:"pending,delivered,failed"`
	// Attempts are the tries, the newest last; of many the newest 20.
	Attempts []WebhookAttempt `json:"attempts" validate:"required"`
}

// WebhookAttempt is one try to post an event.
type WebhookAttempt struct {
	// At is when it began.
	At time.Time `json:"at" validate:"required" format:"date-time"`
	// Delivered says whether the event was taken.
	Delivered bool `json:"delivered"`
	// Status is the HTTP status of the answer; absent: there was none.
	Status int `json:"status,omitempty"`
	// Error says why it was not taken.
	Error string `json:"error,omitempty"`
	// Milliseconds is how long it took.
	Milliseconds int64 `json:"milliseconds"`
}

// WebhookState is how far a webhook has come.
type WebhookState struct {
	// Position is the number of the last event that is settled; 0: the webhook has not begun.
	Position int64 `json:"position"`
	// Failures is how many tries failed since the last good one.
	Failures int `json:"failures"`
	// FailingSince is when the first of them failed; absent: all is well.
	FailingSince *time.Time `json:"failing_since,omitempty" format:"date-time"`
	// NextTry is when the next try is made; absent: at once.
	NextTry *time.Time `json:"next_try,omitempty" format:"date-time"`
}

func showWebhookAttempt(a webhook.Attempt) WebhookAttempt {
	return WebhookAttempt{At: a.At, Delivered: a.Error == "", Status: a.Status, Error: a.Error, Milliseconds: a.Milliseconds}
}

func showWebhookDelivery(d webhook.Delivery) WebhookDelivery {
	shown := WebhookDelivery{ID: deliveryID(d), Type: d.Type, State: d.Outcome, Attempts: []WebhookAttempt{}}
	for _, a := range d.Attempts {
		shown.Attempts = append(shown.Attempts, showWebhookAttempt(a))
	}
	return shown
}

func deliveryID(d webhook.Delivery) string { return strconv.FormatInt(d.Event, 10) }

func showWebhookState(s webhook.State) WebhookState {
	return WebhookState{Position: s.Position, Failures: s.Failures, FailingSince: s.FailingSince, NextTry: s.NextTry}
}

var webhookDeliveryQuery = append([]string{"state"}, listQuery...)

func (a *API) webhookDeliveriesOperations() []operation {
	const one = "/webhooks/:name"
	return []operation{
		{http.MethodGet, one + "/state", "getWebhookState", account.RoleViewer, nil, a.getWebhookState},
		{http.MethodPost, one + "/test", "testWebhook", account.RoleOperator, nil, a.testWebhook},
		{http.MethodPost, one + "/replay", "replayWebhook", account.RoleOperator, []string{"after"}, a.replayWebhook},
		{http.MethodGet, one + "/deliveries", "listWebhookDeliveries", account.RoleViewer, webhookDeliveryQuery, a.listWebhookDeliveries},
		{http.MethodPost, one + "/deliveries/:id/replay", "replayWebhookDelivery", account.RoleOperator, nil, a.replayWebhookDelivery},
	}
}

// getWebhookState godoc
//
//	@Summary	Show how far a webhook has come
//	@ID			getWebhookState
//	@Tags		Events
//	@Param		name	path		string	true	"Name of the webhook"
//	@Success	200		{object}	WebhookState
//	@Failure	404		{object}	Problem
//	@Router		/webhooks/{name}/state [get]
//	@x-shape		"read"
//	@x-role		"viewer"
func (a *API) getWebhookState(c echo.Context) error {
	state, err := a.dispatcher.State(c.Request().Context(), c.Param("name"))
	if err != nil {
		return err
	}
	return replyObject(c, showWebhookState(state))
}

// testWebhook godoc
//
//	@Summary		Post a test to a webhook
//	@Description	One try, now, of an event of the type webhook.test, also where the webhook is switched off. The reply says what came of it.
//	@ID				testWebhook
//	@Tags			Events
//	@Param			name	path		string	true	"Name of the webhook"
//	@Success		200		{object}	WebhookAttempt
//	@Failure		404		{object}	Problem
//	@Router			/webhooks/{name}/test [post]
//	@x-role			"operator"
func (a *API) testWebhook(c echo.Context) error {
	attempt, err := a.dispatcher.Test(c.Request().Context(), c.Param("name"))
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, showWebhookAttempt(attempt))
}

// replayWebhook godoc
//
//	@Summary		Post events of the log again
//	@Description	The webhook begins again behind an event and gets what it got before once more, in order and under the same ids.
//	@ID				replayWebhook
//	@Tags			Events
//	@Param			name	path		string	true	"Name of the webhook"
//	@Param			after	query		int		true	"The number of the event behind which to begin"	minimum(0)
//	@Success		200		{object}	WebhookState
//	@Failure		404		{object}	Problem
//	@Failure		410		{object}	Problem
//	@Router			/webhooks/{name}/replay [post]
//	@x-role			"operator"
func (a *API) replayWebhook(c echo.Context) error {
	after, ok := parseNumber(c.QueryParam("after"))
	if !ok {
		return badQuery("after", "must be the number of an event")
	}
	state, err := a.dispatcher.Replay(c.Request().Context(), c.Param("name"), after)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, showWebhookState(state))
}

// listWebhookDeliveries godoc
//
//	@Summary		List the deliveries of a webhook, newest event first
//	@Description	They are kept as long as their events.
//	@ID				listWebhookDeliveries
//	@Tags			Events
//	@Param			name	path		string	true	"Name of the webhook"
//	@Param			state	query		string	false	"Only deliveries in this state"	Enums(pending, delivered, failed)
//	@Success		200		{object}	Page[WebhookDelivery]
//	@Failure		404		{object}	Problem
//	@Router			/webhooks/{name}/deliveries [get]
//	@x-shape		"list"
//	@x-role			"viewer"
func (a *API) listWebhookDeliveries(c echo.Context) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	q := webhook.Query{Webhook: c.Param("name"), Limit: p.limit + 1, Outcome: webhook.Outcome(c.QueryParam("state"))}
	switch q.Outcome {
	case "", webhook.Pending, webhook.Delivered, webhook.Failed:
	default:
		return badQuery("state", "must be pending, delivered or failed")
	}
	q.Before, _ = parseNumber(p.after) // empty on the first page
	found, err := a.dispatcher.Deliveries(c.Request().Context(), q)
	if err != nil {
		return err
	}
	return writePage(c, p, found, deliveryID, func(d webhook.Delivery) (WebhookDelivery, error) { return showWebhookDelivery(d), nil })
}

// replayWebhookDelivery godoc
//
//	@Summary		Post one event again
//	@Description	One try, now and under the same id. The reply says what became of the delivery.
//	@ID				replayWebhookDelivery
//	@Tags			Events
//	@Param			name	path		string	true	"Name of the webhook"
//	@Param			id		path		string	true	"Id of the delivery, which is the number of the event"
//	@Success		200		{object}	WebhookDelivery
//	@Failure		404		{object}	Problem
//	@Router			/webhooks/{name}/deliveries/{id}/replay [post]
//	@x-role			"operator"
func (a *API) replayWebhookDelivery(c echo.Context) error {
	number, ok := parseNumber(c.Param("id"))
	if !ok {
		return domain.E(domain.NotFound, "deliveries have the numbers of events as ids")
	}
	delivery, err := a.dispatcher.ReplayOne(c.Request().Context(), c.Param("name"), number)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, showWebhookDelivery(delivery))
}
