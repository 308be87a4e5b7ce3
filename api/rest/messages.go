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

// MessageReader looks at the queue and at its history. A missing message is a
// NotFound error; bodies are never read.
type MessageReader interface {
	// Messages returns up to limit unfinished messages with their recipients,
	// oldest first, with ids above the given one.
	Messages(ctx context.Context, f delivery.MessageFilter, above delivery.MessageID, limit int) ([]*delivery.Message, error)
	// Message returns a message, finished or not.
	Message(ctx context.Context, id delivery.MessageID) (*delivery.Message, error)
	// Attempts returns up to limit attempts at a message, oldest first, with ids
	// above the given one.
	Attempts(ctx context.Context, id, above delivery.MessageID, limit int) ([]delivery.RecordedAttempt, error)
	// LatestAttempts returns up to limit attempts at a message, newest first.
	LatestAttempts(ctx context.Context, id delivery.MessageID, limit int) ([]delivery.RecordedAttempt, error)
	// Deliveries returns up to limit finished messages, newest first, with ids
	// below the given one, or as the filter says oldest first, with ids above it; 0
	// means from the beginning.
	Deliveries(ctx context.Context, f delivery.DeliveryFilter, from delivery.MessageID, limit int) ([]delivery.FinishedMessage, error)
}

// Message is a message under way, without its content.
type Message struct {
	// ID is the queue id, as replies, headers and logs show it.
	ID string `json:"id" validate:"required"`
	// State is queued, held (not tried until released) or finished.
	State string `json:"state" validate:"required" enums:"queued,held,finished"`
	// HeldReason says what holds the message: content filters by name, or whoever asked for it. Absent where it is not held.
	HeldReason string `json:"held_reason,omitempty"`
	// Sender is the envelope sender; empty for bounces.
	Sender string `json:"sender" validate:"required"`
	// ReceivedAt is when the message was accepted.
	ReceivedAt time.Time `json:"received_at" validate:"required" format:"date-time"`
	// Size of the content in octets.
	Size int64 `json:"size_octets"`
	// EightBit is whether the content has octets above 127.
	EightBit bool `json:"eight_bit,omitempty"`
	// UTF8 is whether addresses or headers need SMTPUTF8.
	UTF8 bool `json:"smtputf8,omitempty"`
	// RequireTLS is the REQUIRETLS flag that the client set, for all recipients (B58).
	RequireTLS bool `json:"require_tls,omitempty"`
	// TLSRequiredNo is the header TLS-Required: No, which lifts MTA-STS and DANE for this message (B58).
	TLSRequiredNo bool `json:"tls_required_no,omitempty"`
	// Listener is the name of the listener that took the message; empty for the gateway's own.
	Listener string `json:"listener"`
	// ClientAddress is the IP address of the client.
	ClientAddress string `json:"client_address"`
	// ClientHELO is the name that the client gave itself.
	ClientHELO string `json:"client_helo"`
	// ClientTLS is the state of TLS on the client's connection.
	ClientTLS delivery.SessionTLS `json:"client_tls"`
	// Revision of the configuration that accepted the message.
	Revision int64 `json:"revision"`
	// DelayNoticeSent is whether the sender was told of the delay.
	DelayNoticeSent bool `json:"delay_notice_sent,omitempty"`
	// Recipients in the order of the envelope.
	Recipients []Recipient `json:"recipients" validate:"required"`
}

// Recipient is one recipient of a message, and how far its delivery is.
type Recipient struct {
	// Index is the place in the envelope, from 0.
	Index int `json:"index"`
	// Address of the recipient.
	Address string `json:"address" validate:"required"`
	// RequireTLS is the REQUIRETLS flag of this recipient, by its address or by a content filter (B55).
	RequireTLS bool `json:"require_tls,omitempty"`
	// State is queued until the recipient is settled.
	State string `json:"state" validate:"required" enums:"queued,delivered,bounced,deleted"`
	// Attempts is how many tries there were.
	Attempts int `json:"attempts"`
	// NextAttemptAt is when the next try is due; absent where none is.
	NextAttemptAt *time.Time `json:"next_attempt_at,omitempty" format:"date-time"`
	// LastOutcome is how the last try ended; absent before the first.
	LastOutcome *delivery.Outcome `json:"last_outcome,omitempty"`
}

var messageQuery = append([]string{"state", "recipient_domain", "sender", "received_after", "received_before", "sort"}, listQuery...)

func (a *API) messagesOperations() []operation {
	const list, one = "/messages", "/messages/:id"
	return []operation{
		{http.MethodGet, list, "listMessages", account.RoleViewer, messageQuery, a.listMessages},
		{http.MethodGet, one, "getMessage", account.RoleViewer, nil, a.getMessage},
		{http.MethodGet, one + "/attempts", "listMessageAttempts", account.RoleViewer, listQuery, a.listMessageAttempts},
	}
}

// listMessages godoc
//
//	@Summary	List the queue, oldest message first
//	@ID			listMessages
//	@Tags		Messages
//	@Param		state				query		string	false	"Only messages in this state"	Enums(queued, held)
//	@Param		recipient_domain	query		string	false	"Only messages with a recipient in this domain"
//	@Param		sender				query		string	false	"Only messages of this envelope sender; <> for bounces"
//	@Param		received_after		query		string	false	"Only messages younger than this time"	Format(date-time)
//	@Param		received_before		query		string	false	"Only messages older than this time"	Format(date-time)
//	@Param		sort				query		string	false	"Oldest first, or with a minus newest first"			Enums(received_at, -received_at)
//	@Success	200					{object}	Page[Message]
//	@Router		/messages [get]
//	@x-shape	"list"
//	@x-role		"viewer"
func (a *API) listMessages(c echo.Context) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	above, err := messageAfter(p)
	if err != nil {
		return err
	}
	filter, err := messageFilterOf(c)
	if err != nil {
		return err
	}
	found, err := a.messages.Messages(c.Request().Context(), filter, above, p.limit+1)
	if err != nil {
		return err
	}
	key := func(m *delivery.Message) string { return m.ID.String() }
	return writePage(c, p, found, key, func(m *delivery.Message) (Message, error) { return showMessage(m), nil })
}

// messageAfter reads the key of a cursor that is a queue id; 0 without a cursor.
func messageAfter(p pageRequest) (delivery.MessageID, error) {
	if p.after == "" {
		return 0, nil
	}
	id, err := delivery.ParseMessageID(p.after)
	if err != nil {
		return 0, badQuery("cursor", "is not one that this list gave out")
	}
	return id, nil
}

func messageFilterOf(c echo.Context) (f delivery.MessageFilter, err error) {
	if f.State, err = delivery.ParseMessageState(c.QueryParam("state")); err != nil {
		return f, badQuery("state", "must be queued or held")
	}
	if f.RecipientDomain, err = domainParam(c, "recipient_domain"); err != nil {
		return f, err
	}
	if f.Sender, err = senderParam(c); err != nil {
		return f, err
	}
	if f.ReceivedAfter, err = timeParam(c, "received_after"); err != nil {
		return f, err
	}
	if f.ReceivedBefore, err = timeParam(c, "received_before"); err != nil {
		return f, err
	}
	f.NewestFirst, err = sortParam(c, "received_at", false)
	return f, err
}

// senderParam reads `?sender=`; the null sender is written <>.
func senderParam(c echo.Context) (*mailaddr.Mailbox, error) {
	switch text := c.QueryParam("sender"); text {
	case "":
		return nil, nil
	case "<>":
		return &mailaddr.Mailbox{}, nil
	default:
		sender, err := mailaddr.ParseMailbox(text)
		if err != nil {
			return nil, badQuery("sender", "must be a mail address, or <>")
		}
		return &sender, nil
	}
}

func showMessage(m *delivery.Message) Message {
	shown := Message{
		ID: m.ID.String(), State: stateOf(m), Sender: m.Sender.String(), ReceivedAt: m.ReceivedAt.UTC(),
		Size: m.Size, EightBit: m.EightBit, UTF8: m.UTF8, RequireTLS: m.RequireTLS, TLSRequiredNo: m.TLSRequiredNo,
		Listener: m.Listener, ClientAddress: m.ClientAddr, ClientHELO: m.ClientHELO, ClientTLS: m.ClientTLS,
		Revision: m.Revision, DelayNoticeSent: m.DelayNoticeSent,
		Recipients: []Recipient{},
	}
	if shown.State == string(delivery.StateHeld) {
		shown.HeldReason = m.HeldReason
	}
	for _, r := range m.Recipients {
		shown.Recipients = append(shown.Recipients, showRecipient(r))
	}
	return shown
}

// stateFinished is the state of a message of which no recipient is left.
const stateFinished = "finished"

func stateOf(m *delivery.Message) string {
	for _, r := range m.Recipients {
		if r.State.Final() {
			continue
		}
		if m.Held {
			return string(delivery.StateHeld)
		}
		return string(delivery.StateQueued)
	}
	return stateFinished
}

func showRecipient(r delivery.Recipient) Recipient {
	shown := Recipient{Index: r.Index, Address: r.Address.String(), RequireTLS: r.RequireTLS, State: r.State.String(), Attempts: r.Attempts}
	if !r.State.Final() && !r.NextAttempt.IsZero() {
		next := r.NextAttempt.UTC()
		shown.NextAttemptAt = &next
	}
	if r.Attempts > 0 {
		shown.LastOutcome = &r.Last
	}
	return shown
}

// getMessage godoc
//
//	@Summary	Show a message with its recipients
//	@ID			getMessage
//	@Tags		Messages
//	@Param		id	path		string	true	"Queue id"
//	@Success	200	{object}	Message
//	@Router		/messages/{id} [get]
//	@x-shape	"read"
//	@x-role		"viewer"
func (a *API) getMessage(c echo.Context) error {
	id, err := messageID(c)
	if err != nil {
		return err
	}
	m, err := a.messages.Message(c.Request().Context(), id)
	if err != nil {
		return err
	}
	shown := showMessage(m)
	return replyTagged(c, tagOf(shown), shown)
}

func messageID(c echo.Context) (delivery.MessageID, error) { return parseMessageID(c.Param("id")) }

func parseMessageID(text string) (delivery.MessageID, error) {
	id, err := delivery.ParseMessageID(text)
	if err != nil {
		return 0, &domain.Error{Kind: domain.NotFound, Detail: "a queue id has 13 letters and digits", Err: err}
	}
	return id, nil
}
