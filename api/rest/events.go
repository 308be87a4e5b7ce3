package rest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/eventlog"
)

// Events reads the log of events. To go on from where nothing is kept is a
// [*eventlog.GoneError].
type Events interface {
	Read(ctx context.Context, q eventlog.Query) (eventlog.Page, error)
	// Wait returns nil when there is an event with a higher number.
	Wait(ctx context.Context, after int64) error
	// Newest returns the highest number that was given.
	Newest() int64
}

var _ Events = (*eventlog.Log)(nil)

// Event is something that happened.
type Event struct {
	// Number is the place in the log: numbers rise by one, in the order in which events became durable.
	Number int64 `json:"number" validate:"required"`
	// Type is what sort of thing happened.
	Type eventlog.Type `json:"type" validate:"required" swaggertype:"string"`
	// At is when it happened.
	At time.Time `json:"at" validate:"required" format:"date-time"`
	// Subject is what it happened to.
	Subject EventSubject `json:"subject" validate:"required"`
	// Data says more; what is in it depends on the type. It holds no secrets and no mail.
	Data json.RawMessage `json:"data" validate:"required" swaggertype:"object"`
}

// EventSubject names a resource of the API.
type EventSubject struct {
	// Kind is the kind of resource, as certificate; empty where the type says it all.
	Kind string `json:"kind"`
	// Key is the name or id of the resource; empty where the event is about several.
	Key string `json:"key"`
}

// EventStretch is a stretch of the log.
type EventStretch struct {
	// Items are the events, oldest first.
	Items []Event `json:"items" validate:"required"`
	// After is the number from which to go on.
	After int64 `json:"after"`
	// Newest is the number of the newest event that there is, chosen or not.
	Newest int64 `json:"newest"`
}

func showEvent(e eventlog.Event) Event {
	return Event{Number: e.Number, Type: e.Type, At: e.At, Subject: EventSubject(e.Subject), Data: e.Data}
}

// eventsOperation has two forms: a stretch as JSON, and a stream.
const (
	eventsOperation = "listEvents"
	mediaEvents     = "text/event-stream"
)

func (a *API) eventsOperations() []operation {
	return []operation{
		{http.MethodGet, "/events", eventsOperation, account.RoleViewer, []string{"after", "types", "limit", "wait"}, a.listEvents},
	}
}

// listEvents godoc
//
//	@Summary		Follow what happens
//	@Description	Events have numbers that rise by one. Whoever asks for what comes after the last number that they saw misses nothing, also over restarts. Ask again with `after` as the reply has it, or with `Accept: text/event-stream` for a stream of server-sent events, whose ids are the numbers: it goes on behind `Last-Event-ID`, else behind `after`, else with what happens from now on.
//	@Description
//	@Description	Events are kept as long as other history, the newest 200000 of them. To go on behind one that is forgotten is 410, whose detail says from where to go on; a stream says so by an event `reset` and goes on from there. Load the state anew then.
//	@Description
//	@Description	Types: `configuration.committed`, `.applied`, `.stuck`, `.confirmed`, `.reverted` (nobody confirmed it in time); `draft.opened`, `.committed`, `.discarded`; `certificate.created`, `.installed` (the signed one came for a request), `.staged` (an activation is to come, or was taken back), `.activated`, `.exported` (with its private key), `.deleted`, `.expiring`; `digital_id.loaded`, `.refused` (the digital ID files); `tls.failed` (to a destination that requires it, once while its alert is open); `alert.opened`, `.acknowledged`, `.resolved`; `message.bounced`, `.held`, `.released`, `.retried`, `.deleted`; `queue.unhealthy`, `.recovered`; `job.finished`; `token.created`, `.deleted`; `administrator.created`, `.changed`, `.deleted`; `events.lost` (how many could not be kept). New types may come.
//	@ID				listEvents
//	@Tags			Events
//	@Param			after			query		int		false	"The number of the last event that was seen; absent: from the oldest that is kept"	minimum(0)
//	@Param			types			query		string	false	"Only events of these types, between commas; certificate.* are all of a part"	example(certificate.*,alert.opened)
//	@Param			limit			query		int		false	"How many events the reply has at most"	minimum(1)	maximum(1000)	default(100)
//	@Param			wait			query		string	false	"How long the reply may wait, up to 60s, until there is an event"	example(30s)
//	@Param			Last-Event-ID	header		string	false	"The id of the last event of a stream that broke off"
//	@Success		200				{object}	EventStretch
//	@Failure		410				{object}	Problem
//	@Router			/events [get]
//	@x-role			"viewer"
//	@x-also			["text/event-stream"]
func (a *API) listEvents(c echo.Context) error {
	q, given, err := eventQueryOf(c)
	if err != nil {
		return err
	}
	mediaType, err := negotiate(c.Request(), mediaJSON, mediaEvents)
	if err != nil {
		return err
	}
	if mediaType == mediaEvents {
		return a.streamEvents(c, q, given)
	}
	wait, err := waitParam(c)
	if err != nil {
		return err
	}
	page, err := a.pollEvents(c, &q, given, wait)
	if err != nil {
		return err
	}
	shown := EventStretch{Items: []Event{}, After: nextAfter(q, page), Newest: page.Newest}
	for _, e := range page.Events {
		shown.Items = append(shown.Items, showEvent(e))
	}
	return reply(c, http.StatusOK, shown)
}

// eventQueryOf reads the choice of events; given says whether it names where to
// begin.
func eventQueryOf(c echo.Context) (q eventlog.Query, given bool, err error) {
	q.Limit = defaultLimit
	if text := c.QueryParam("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 || q.Limit > maxLimit {
			return q, false, badQuery("limit", "must be a whole number from 1 to 1000")
		}
	}
	if text := c.QueryParam("types"); text != "" {
		if q.Types, err = eventlog.ParseTypes(strings.Split(text, ",")); err != nil {
			return q, false, badQuery("types", "must be event types between commas: "+err.Error())
		}
	}
	text := c.QueryParam("after")
	if text == "" {
		return q, false, nil
	}
	var ok bool
	if q.After, ok = parseNumber(text); !ok {
		return q, false, badQuery("after", "must be the number of an event")
	}
	return q, true, nil
}

// parseNumber reads the number of an event as we write it: digits without sign or
// leading zeros.
func parseNumber(text string) (int64, bool) {
	number, err := strconv.ParseInt(text, 10, 64)
	return number, err == nil && number >= 0 && strconv.FormatInt(number, 10) == text
}

// nextAfter is from where to go on: behind the last event where there may be more
// of the choice, else behind all that was looked at.
func nextAfter(q eventlog.Query, page eventlog.Page) int64 {
	if len(page.Events) == q.Limit {
		return page.Events[q.Limit-1].Number
	}
	return page.Newest
}

// pollEvents reads a stretch, and waits for one that is not empty as long as the
// caller wants.
func (a *API) pollEvents(c echo.Context, q *eventlog.Query, given bool, wait time.Duration) (eventlog.Page, error) {
	ctx := c.Request().Context()
	page, err := a.events.Read(ctx, *q)
	if gone, ok := errors.AsType[*eventlog.GoneError](err); ok && !given {
		q.After = gone.GoOn() // all that is kept
		page, err = a.events.Read(ctx, *q)
	}
	if err != nil || wait == 0 || len(page.Events) > 0 {
		return page, err
	}
	waiting, leave, err := a.streams.enter(c)
	if err != nil {
		return page, err
	}
	defer leave()
	waiting, cancel := context.WithTimeout(waiting, wait)
	defer cancel()
	for len(page.Events) == 0 && a.events.Wait(waiting, page.Newest) == nil {
		q.After = page.Newest
		if page, err = a.events.Read(ctx, *q); err != nil {
			return page, err
		}
	}
	return page, nil
}
