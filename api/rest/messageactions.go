package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
)

// MessageActor does what an administrator wants done to messages (B76), in the
// name that is given, and returns how many messages it was done to.
type MessageActor interface {
	Act(ctx context.Context, by string, action delivery.Action, ids ...delivery.MessageID) (int, error)
	ActOnAll(ctx context.Context, by string, action delivery.Action, f delivery.MessageFilter) (int, error)
}

// MessageAction asks for something to be done to all messages that match.
type MessageAction struct {
	// Action is what to do.
	Action delivery.Action `json:"action" validate:"required" swaggertype:"string" enums:"retry,hold,release,delete"`
	// Filter chooses the messages; a filter without members chooses all of them.
	Filter MessageFilter `json:"filter" validate:"required"`
}

// MessageFilter chooses unfinished messages.
type MessageFilter struct {
	// State chooses by state.
	State delivery.MessageState `json:"state,omitempty" swaggertype:"string" enums:"queued,held"`
	// RecipientDomain chooses messages with a recipient in the domain.
	RecipientDomain mailaddr.DomainName `json:"recipient_domain,omitempty" swaggertype:"string"`
	// Sender chooses by envelope sender; empty chooses bounces.
	Sender *string `json:"sender,omitempty"`
	// ReceivedAfter chooses messages that are younger.
	ReceivedAfter *time.Time `json:"received_after,omitempty" format:"date-time"`
	// ReceivedBefore chooses messages that are older.
	ReceivedBefore *time.Time `json:"received_before,omitempty" format:"date-time"`
}

// MessageActionResult says how far an action reached.
type MessageActionResult struct {
	// Changed is the number of messages to which it was done.
	Changed int `json:"changed"`
}

func (a *API) messageActionsOperations() []operation {
	const one = "/messages/:id"
	return []operation{
		{http.MethodPost, "/messages/actions", "actOnMessages", account.RoleOperator, nil, a.actOnMessages},
		{http.MethodPost, one + "/retry", "retryMessage", account.RoleOperator, nil, a.retryMessage},
		{http.MethodPost, one + "/hold", "holdMessage", account.RoleOperator, nil, a.holdMessage},
		{http.MethodPost, one + "/release", "releaseMessage", account.RoleOperator, nil, a.releaseMessage},
		{http.MethodDelete, one, "deleteMessage", account.RoleOperator, nil, a.deleteMessage},
	}
}

// retryMessage godoc
//
//	@Summary		Try a message now
//	@Description	Its waiting recipients are tried at once. A held message stays held.
//	@ID				retryMessage
//	@Tags			Messages
//	@Param			id	path	string	true	"Queue id"
//	@Success		204
//	@Router			/messages/{id}/retry [post]
//	@x-shape		"match"
//	@x-role			"operator"
func (a *API) retryMessage(c echo.Context) error { return a.actOnMessage(c, delivery.ActionRetry) }

// holdMessage godoc
//
//	@Summary		Hold a message
//	@Description	It is not tried until it is released; a delivery that is under way ends first.
//	@ID				holdMessage
//	@Tags			Messages
//	@Param			id	path	string	true	"Queue id"
//	@Success		204
//	@Router			/messages/{id}/hold [post]
//	@x-shape		"match"
//	@x-role			"operator"
func (a *API) holdMessage(c echo.Context) error { return a.actOnMessage(c, delivery.ActionHold) }

// releaseMessage godoc
//
//	@Summary	Release a held message, and try it at once
//	@ID			releaseMessage
//	@Tags		Messages
//	@Param		id	path	string	true	"Queue id"
//	@Success	204
//	@Router		/messages/{id}/release [post]
//	@x-shape	"match"
//	@x-role		"operator"
func (a *API) releaseMessage(c echo.Context) error { return a.actOnMessage(c, delivery.ActionRelease) }

// deleteMessage godoc
//
//	@Summary		Delete a message
//	@Description	Its waiting recipients are given up without a bounce.
//	@ID				deleteMessage
//	@Tags			Messages
//	@Param			id	path	string	true	"Queue id"
//	@Success		204
//	@Router			/messages/{id} [delete]
//	@x-shape		"match"
//	@x-role			"operator"
func (a *API) deleteMessage(c echo.Context) error { return a.actOnMessage(c, delivery.ActionDelete) }

// actOnMessage does the action to one message. That there is nothing to change,
// because the message is held already or is being tried now, is no failure.
func (a *API) actOnMessage(c echo.Context, action delivery.Action) error {
	id, err := messageID(c)
	if err != nil {
		return err
	}
	// An action waits for an attempt that is under way, but not for ever.
	ctx, cancel := context.WithTimeout(c.Request().Context(), maxWait)
	defer cancel()
	m, err := a.messages.Message(ctx, id)
	if err != nil {
		return err
	}
	if _, _, err := preconditions(c, tagOf(showMessage(m)), true); err != nil {
		return err
	}
	if stateOf(m) == stateFinished {
		return domain.E(domain.Conflict, "message %s is finished: there is nothing left to %s", id, action)
	}
	if _, err := a.messageActor.Act(ctx, principalOf(c).Name, action, id); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// actOnMessages godoc
//
//	@Summary	Retry, hold, release or delete all messages that match
//	@ID			actOnMessages
//	@Tags		Messages
//	@Param		body	body		MessageAction	true	"What to do, and to which messages"
//	@Success	200		{object}	MessageActionResult
//	@Router		/messages/actions [post]
//	@x-shape	"ask"
//	@x-role		"operator"
func (a *API) actOnMessages(c echo.Context) error {
	asked, err := readJSON[MessageAction](c)
	if err != nil {
		return err
	}
	filter, err := asked.check()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), maxWait)
	defer cancel()
	changed, err := a.messageActor.ActOnAll(ctx, principalOf(c).Name, asked.Action, filter)
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, MessageActionResult{Changed: changed})
}

// check reads the values that strict decoding takes for plain text.
func (m MessageAction) check() (delivery.MessageFilter, error) {
	var faults domain.Faults
	switch m.Action {
	case delivery.ActionRetry, delivery.ActionHold, delivery.ActionRelease, delivery.ActionDelete:
	default:
		faults.Add("/action", "%q is unknown: use retry, hold, release or delete", string(m.Action))
	}
	if _, err := delivery.ParseMessageState(string(m.Filter.State)); err != nil {
		faults.Add("/filter/state", "%q is unknown: use queued or held", string(m.Filter.State))
	}
	sender, err := m.Filter.sender()
	if err != nil {
		faults.Add("/filter/sender", "is no mail address")
	}
	return delivery.MessageFilter{
		State:           m.Filter.State,
		RecipientDomain: m.Filter.RecipientDomain,
		Sender:          sender,
		ReceivedAfter:   timeOr(m.Filter.ReceivedAfter),
		ReceivedBefore:  timeOr(m.Filter.ReceivedBefore),
	}, faults.Err()
}

// sender returns the mailbox to look for; nil for any.
func (f MessageFilter) sender() (*mailaddr.Mailbox, error) {
	if f.Sender == nil {
		return nil, nil
	}
	if *f.Sender == "" {
		return new(mailaddr.Mailbox), nil
	}
	sender, err := mailaddr.ParseMailbox(*f.Sender)
	return &sender, err
}

func timeOr(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
