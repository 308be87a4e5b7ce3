package rest

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/delivery"
	"postern/domain/session"
)

// Sessions looks at the history of incoming sessions.
type Sessions interface {
	// Sessions returns up to limit sessions that match, newest first, with ids
	// below the given one, or as the filter says oldest first, with ids above it; 0
	// means from the beginning.
	Sessions(ctx context.Context, f session.Filter, from session.ID, limit int) ([]session.Record, error)
	// Session returns one, or an error of kind NotFound.
	Session(ctx context.Context, id session.ID) (session.Record, error)
}

// Session is what became of an incoming connection: who came, what was decided about the client, whether it used TLS, and what refused it.
type Session struct {
	// ID of the session; ids sort by the end of sessions.
	ID string `json:"id" validate:"required"`
	// At is when the session began.
	At time.Time `json:"at" validate:"required" format:"date-time"`
	// DurationMilliseconds is how long it took.
	DurationMilliseconds int64 `json:"duration_milliseconds"`
	// Listener that it came to.
	Listener string `json:"listener" validate:"required"`
	// ClientAddress is the IP address of the client.
	ClientAddress string `json:"client_address"`
	// ClientNames are the forward-confirmed names of the client; absent where none was looked up or found (B13).
	ClientNames []string `json:"client_names,omitempty"`
	// ClientNamesKnown is whether the names were looked up, and that did not fail.
	ClientNamesKnown bool `json:"client_names_known"`
	// SenderGroup that decided about the client.
	SenderGroup string `json:"sender_group"`
	// MailFlowPolicy of the sender group.
	MailFlowPolicy string `json:"mail_flow_policy"`
	// Outcome is accepted where a message was, refused where something else was all that came of it, idle where nothing was asked for.
	Outcome session.Outcome `json:"outcome" validate:"required" swaggertype:"string" enums:"accepted,refused,idle"`
	// TLSOffered is whether the client could have used TLS.
	TLSOffered bool `json:"tls_offered"`
	// TLSResult is success where the session was encrypted, failed where that came to nothing, clear where it went on without, none where TLS was no question.
	TLSResult delivery.TLSResult `json:"tls_result" validate:"required" swaggertype:"string" enums:"success,failed,clear,none"`
	// TLS is the state of TLS.
	TLS delivery.SessionTLS `json:"tls"`
	// ClientCertificate is what became of the client's certificate (B17).
	ClientCertificate string `json:"client_certificate" validate:"required" enums:"not_asked,verified,missing,invalid"`
	// MessagesAccepted is how many messages were taken.
	MessagesAccepted int `json:"messages_accepted"`
	// MessagesRefused is how many messages and senders were not.
	MessagesRefused int `json:"messages_refused"`
	// Senders are the first envelope senders.
	Senders []SessionSender `json:"senders" validate:"required"`
	// MoreSenders is whether there were others.
	MoreSenders bool `json:"more_senders,omitempty"`
	// Refusal is the first thing that was refused; absent where nothing was.
	Refusal *SessionRefusal `json:"refusal,omitempty"`
	// Revision of the configuration that decided about the client.
	Revision int64 `json:"revision"`
}

// SessionSender is an envelope sender of a session.
type SessionSender struct {
	// Address of the sender; empty for bounces.
	Address string `json:"address"`
	// Encrypted is whether it was named under TLS.
	Encrypted bool `json:"encrypted"`
}

// SessionRefusal is what was refused, and how it was answered.
type SessionRefusal struct {
	// By is the rule that refused.
	By string `json:"by" validate:"required"`
	// Reply is what the client heard; absent where it heard nothing.
	Reply string `json:"reply,omitempty"`
}

var sessionQuery = append([]string{"listener", "client", "sender_group", "tls_result", "outcome", "since", "until", "sort"}, listQuery...)

func (a *API) sessionsOperations() []operation {
	return []operation{
		{http.MethodGet, "/sessions", "listSessions", account.RoleViewer, sessionQuery, a.listSessions},
		{http.MethodGet, "/sessions/:id", "getSession", account.RoleViewer, nil, a.getSession},
	}
}

// listSessions godoc
//
//	@Summary		List the incoming sessions, newest first
//	@Description	A session is listed a few seconds after its end, and kept as long as the history of messages.
//	@ID				listSessions
//	@Tags			Messages
//	@Param			listener		query		string	false	"Only sessions of this listener"
//	@Param			client			query		string	false	"Only sessions of this client, by its IP address"
//	@Param			sender_group	query		string	false	"Only clients that fell into this sender group"
//	@Param			tls_result		query		string	false	"Only sessions of which TLS became this"	Enums(success, failed, clear, none)
//	@Param			outcome			query		string	false	"Only sessions that ended so"	Enums(accepted, refused, idle)
//	@Param			since			query		string	false	"Only sessions that ended at this time or later"	Format(date-time)
//	@Param			until			query		string	false	"Only sessions that ended before this time"	Format(date-time)
//	@Param			sort			query		string	false	"Oldest first, as ids sort by the end of sessions, or with a minus newest first, as without it"	Enums(id, -id)
//	@Success		200				{object}	Page[Session]
//	@Router			/sessions [get]
//	@x-shape		"list"
//	@x-role			"viewer"
func (a *API) listSessions(c echo.Context) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	from, err := messageAfter(p)
	if err != nil {
		return err
	}
	filter, err := sessionFilterOf(c)
	if err != nil {
		return err
	}
	found, err := a.sessions.Sessions(c.Request().Context(), filter, from, p.limit+1)
	if err != nil {
		return err
	}
	key := func(r session.Record) string { return r.ID.String() }
	return writePage(c, p, found, key, func(r session.Record) (Session, error) { return showSession(r), nil })
}

func sessionFilterOf(c echo.Context) (f session.Filter, err error) {
	f.Listener, f.Group = c.QueryParam("listener"), c.QueryParam("sender_group")
	if f.Outcome, err = session.ParseOutcome(c.QueryParam("outcome")); err != nil {
		return f, badQuery("outcome", "must be accepted, refused or idle")
	}
	switch f.TLS = delivery.TLSResult(c.QueryParam("tls_result")); f.TLS {
	case "", delivery.TLSSuccess, delivery.TLSFailed, delivery.TLSClear, delivery.TLSUndecided:
	default:
		return f, badQuery("tls_result", "must be success, failed, clear or none")
	}
	if f.Client, err = addrParam(c, "client"); err != nil {
		return f, err
	}
	if f.Since, err = timeParam(c, "since"); err != nil {
		return f, err
	}
	if f.Until, err = timeParam(c, "until"); err != nil {
		return f, err
	}
	descending, err := sortParam(c, "id", true)
	f.OldestFirst = !descending
	return f, err
}

// getSession godoc
//
//	@Summary	Show an incoming session
//	@ID			getSession
//	@Tags		Messages
//	@Param		id	path		string	true	"Id of the session"
//	@Success	200	{object}	Session
//	@Failure	404	{object}	Problem
//	@Router		/sessions/{id} [get]
//	@x-shape		"read"
//	@x-role		"viewer"
func (a *API) getSession(c echo.Context) error {
	text, err := pathParam(c, "id")
	if err != nil {
		return err
	}
	id, err := delivery.ParseMessageID(text)
	if err != nil {
		return &domain.Error{Kind: domain.NotFound, Detail: "no session can have this id", Err: err}
	}
	found, err := a.sessions.Session(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return replyObject(c, showSession(found))
}

func showSession(r session.Record) Session {
	shown := Session{
		ID: r.ID.String(), At: r.At.UTC(), DurationMilliseconds: r.Duration.Milliseconds(), Listener: r.Listener,
		ClientNamesKnown: r.NamesKnown, SenderGroup: r.Group, MailFlowPolicy: r.Policy, Outcome: r.Outcome(),
		TLSOffered: r.Offered, TLSResult: r.Result, TLS: r.TLS,
		ClientCertificate: cmp.Or(string(r.Certificate), "not_asked"),
		MessagesAccepted:  r.Accepted, MessagesRefused: r.Refused,
		Senders: []SessionSender{}, MoreSenders: r.MoreSenders, Revision: r.Revision,
	}
	if r.Client.IsValid() {
		shown.ClientAddress = r.Client.String()
	}
	for _, name := range r.Names {
		shown.ClientNames = append(shown.ClientNames, name.String())
	}
	for _, s := range r.Senders {
		shown.Senders = append(shown.Senders, SessionSender{s.Address.String(), s.Encrypted})
	}
	if r.Refusal != nil {
		shown.Refusal = &SessionRefusal{By: r.Refusal.By, Reply: r.Refusal.Reply}
	}
	return shown
}
