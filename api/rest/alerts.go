package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/alert"
	"postern/domain/policy"
)

// Alerts looks at alerts and does to them what an administrator wants (B62). An
// action on a resolved alert is a Conflict.
type Alerts interface {
	List(ctx context.Context, q alert.Query) ([]alert.Alert, error)
	Get(ctx context.Context, id string) (alert.Alert, error)
	Acknowledge(ctx context.Context, id, who string) (alert.Alert, error)
	Silence(ctx context.Context, id string, until time.Time) (alert.Alert, error)
	ResolveByHand(ctx context.Context, id, who string) (alert.Alert, error)
}

var _ Alerts = (*alert.Service)(nil)

// Alert is one cause of concern, as it stands (B62).
type Alert struct {
	// ID names the alert; ids sort by age.
	ID string `json:"id" validate:"required"`
	// Type is what recipients subscribe to.
	Type policy.AlertType `json:"type" validate:"required" swaggertype:"string" enums:"system"`
	// Severity says how much it matters.
	Severity policy.AlertSeverity `json:"severity" validate:"required" swaggertype:"string" enums:"info,warning,critical"`
	// Kind is what sort of thing happened. tls_failed (warning): TLS failed to a destination that requires it. starttls_dropped (warning): a destination that was under TLS goes in clear. plaintext_share (warning): more mail is in clear than the settings allow. revision_not_applied (critical): a configuration cannot be put into force. spool_unhealthy (critical): messages cannot be stored. activation_failed (critical): a staged activation was refused at its time. digital_id_refused (critical): the digital ID files were not taken, or could not be written. certificate_expiry (info, warning or critical, by the days left): a certificate in use runs out. webhook_failing (warning): a webhook does not take its events. acme_failed (critical): a certificate could not be ordered by ACME. resolver_not_validating (warning): a DNS resolver that is believed does not validate, so that DANE is off. reported (warning): a program outside the gateway reported something by alert.send.
	Kind alert.Kind `json:"kind" validate:"required" swaggertype:"string" enums:"tls_failed,starttls_dropped,plaintext_share,revision_not_applied,spool_unhealthy,certificate_expiry,activation_failed,digital_id_refused,webhook_failing,acme_failed,resolver_not_validating,reported"`
	// About is what it happened to, such as the destination domain.
	About string `json:"about"`
	// Key is the same for all events of one cause; of each key at most one alert is not resolved.
	Key string `json:"key" validate:"required"`
	// Subject is the alert in one line.
	Subject string `json:"subject" validate:"required"`
	// Detail is what the newest event said.
	Detail string `json:"detail"`
	// Advice says what to do about it.
	Advice string `json:"advice,omitempty"`
	// Count is how many events there were.
	Count int64 `json:"count"`
	// FirstSeen is when the first event happened.
	FirstSeen time.Time `json:"first_seen" validate:"required" format:"date-time"`
	// LastSeen is when the newest event happened.
	LastSeen time.Time `json:"last_seen" validate:"required" format:"date-time"`
	// State says whether somebody looks after it, and whether it is over.
	State alert.State `json:"state" validate:"required" swaggertype:"string" enums:"open,acknowledged,resolved"`
	// SilencedUntil is until when nobody is told; absent: not silenced.
	SilencedUntil *time.Time `json:"silenced_until,omitempty" format:"date-time"`
	// AcknowledgedBy is who looks after it.
	AcknowledgedBy string `json:"acknowledged_by,omitempty"`
	// Resolution says why it is over, or who said so.
	Resolution string `json:"resolution,omitempty"`
	// ResolvedAt is when it was resolved.
	ResolvedAt *time.Time `json:"resolved_at,omitempty" format:"date-time"`
	// Notified is how many times its recipients were told.
	Notified int `json:"notified"`
	// NotifiedAt is when they were told last.
	NotifiedAt *time.Time `json:"notified_at,omitempty" format:"date-time"`
	// NextNotificationAfter is until when repeats are not told.
	NextNotificationAfter *time.Time `json:"next_notification_after,omitempty" format:"date-time"`
	// Notices are what came of the last notification.
	Notices []AlertNotice `json:"notices" validate:"required"`
}

// AlertNotice is what came of telling one recipient.
type AlertNotice struct {
	// Recipient is the name of the recipient.
	Recipient string `json:"recipient"`
	// At is when it came to this.
	At time.Time `json:"at" format:"date-time"`
	// State says whether the recipient was told.
	State string `json:"state" enums:"pending,sent,failed"`
	// Detail says why not.
	Detail string `json:"detail,omitempty"`
}

// AlertSilence asks for nobody to be told of an alert for a while.
type AlertSilence struct {
	// Until is the end of the silence, a year ahead at most; a time that is past ends it now.
	Until time.Time `json:"until" validate:"required" format:"date-time"`
}

var alertQuery = append([]string{"state", "type", "severity", "sort"}, listQuery...)

func (a *API) alertsOperations() []operation {
	const list, one = "/alerts", "/alerts/:id"
	return []operation{
		{http.MethodGet, list, "listAlerts", account.RoleViewer, alertQuery, a.listAlerts},
		{http.MethodGet, one, "getAlert", account.RoleViewer, nil, a.getAlert},
		{http.MethodPost, one + "/acknowledge", "acknowledgeAlert", account.RoleOperator, nil, a.acknowledgeAlert},
		{http.MethodPost, one + "/silence", "silenceAlert", account.RoleOperator, nil, a.silenceAlert},
		{http.MethodPost, one + "/resolve", "resolveAlert", account.RoleOperator, nil, a.resolveAlert},
	}
}

// listAlerts godoc
//
//	@Summary	List the alerts, newest first
//	@ID			listAlerts
//	@Tags		Alerts
//	@Param		state		query		string	false	"Only alerts in this state; unresolved: those that are not over"	Enums(unresolved, open, acknowledged, resolved)
//	@Param		type		query		string	false	"Only alerts of this type"	Enums(system)
//	@Param		severity	query		string	false	"Only alerts of this severity"	Enums(info, warning, critical)
//	@Param		sort		query		string	false	"Oldest first, as ids sort by age, or with a minus newest first, as without it"	Enums(id, -id)
//	@Success	200			{object}	Page[Alert]
//	@Router		/alerts [get]
//	@x-shape	"list"
//	@x-role		"viewer"
func (a *API) listAlerts(c echo.Context) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	query, err := alertQueryOf(c)
	if err != nil {
		return err
	}
	descending, err := sortParam(c, "id", true)
	if err != nil {
		return err
	}
	query.OldestFirst, query.Limit = !descending, p.limit+1
	query.Before, query.After = p.bounds(descending)
	found, err := a.alerts.List(c.Request().Context(), query)
	if err != nil {
		return err
	}
	key := func(each alert.Alert) string { return each.ID }
	return writePage(c, p, found, key, func(each alert.Alert) (Alert, error) { return showAlert(each), nil })
}

func alertQueryOf(c echo.Context) (q alert.Query, err error) {
	q = alert.Query{
		State: alert.State(c.QueryParam("state")), Type: policy.AlertType(c.QueryParam("type")),
		Severity: policy.AlertSeverity(c.QueryParam("severity")),
	}
	switch q.State {
	case "", alert.Open, alert.Acknowledged, alert.Resolved:
	case "unresolved":
		q.State, q.Unresolved = "", true
	default:
		return q, badQuery("state", "must be unresolved, open, acknowledged or resolved")
	}
	switch q.Severity {
	case "", policy.SeverityInfo, policy.SeverityWarning, policy.SeverityCritical:
	default:
		return q, badQuery("severity", "must be info, warning or critical")
	}
	if q.Type != "" && q.Type != policy.AlertSystem {
		return q, badQuery("type", "must be system")
	}
	return q, nil
}

func showAlert(a alert.Alert) Alert {
	shown := Alert{
		ID: a.ID, Type: a.Type, Severity: a.Severity, Kind: a.Kind, About: a.About, Key: a.Key(),
		Subject: a.Subject, Detail: a.Detail, Advice: a.Kind.Advice(), Count: a.Count,
		FirstSeen: a.FirstSeen.UTC(), LastSeen: a.LastSeen.UTC(), State: a.State,
		SilencedUntil: a.SilencedUntil, AcknowledgedBy: a.AcknowledgedBy, Resolution: a.Resolution, ResolvedAt: a.ResolvedAt,
		Notified: a.Notified, NotifiedAt: a.NotifiedAt, NextNotificationAfter: a.NextNotification, Notices: []AlertNotice{},
	}
	for _, n := range a.Notices {
		shown.Notices = append(shown.Notices, AlertNotice(n))
	}
	return shown
}

// getAlert godoc
//
//	@Summary	Show an alert
//	@ID			getAlert
//	@Tags		Alerts
//	@Param		id	path		string	true	"Id of the alert"
//	@Success	200	{object}	Alert
//	@Failure	404	{object}	Problem
//	@Router		/alerts/{id} [get]
//	@x-shape		"read"
//	@x-role		"viewer"
func (a *API) getAlert(c echo.Context) error {
	found, err := a.alerts.Get(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return replyObject(c, showAlert(found))
}

func replyAlert(c echo.Context, shown alert.Alert, err error) error {
	if err != nil {
		return err
	}
	return reply(c, http.StatusOK, showAlert(shown))
}

// acknowledgeAlert godoc
//
//	@Summary		Say that you look after an alert
//	@Description	Nobody is told of its repeats any more.
//	@ID				acknowledgeAlert
//	@Tags			Alerts
//	@Param			id	path		string	true	"Id of the alert"
//	@Success		200	{object}	Alert
//	@Failure		404	{object}	Problem
//	@Failure		409	{object}	Problem
//	@Router			/alerts/{id}/acknowledge [post]
//	@x-role			"operator"
func (a *API) acknowledgeAlert(c echo.Context) error {
	now, err := a.alerts.Acknowledge(c.Request().Context(), c.Param("id"), principalOf(c).Name)
	return replyAlert(c, now, err)
}

// silenceAlert godoc
//
//	@Summary	Tell nobody of an alert for a while
//	@ID			silenceAlert
//	@Tags		Alerts
//	@Param		id		path		string			true	"Id of the alert"
//	@Param		body	body		AlertSilence	true	"Until when"
//	@Success	200		{object}	Alert
//	@Failure	409		{object}	Problem
//	@Router		/alerts/{id}/silence [post]
//	@x-shape	"ask"
//	@x-role		"operator"
func (a *API) silenceAlert(c echo.Context) error {
	asked, err := readJSON[AlertSilence](c)
	if err != nil {
		return err
	}
	now, err := a.alerts.Silence(c.Request().Context(), c.Param("id"), asked.Until)
	return replyAlert(c, now, err)
}

// resolveAlert godoc
//
//	@Summary		End an alert
//	@Description	Its cause may raise it again.
//	@ID				resolveAlert
//	@Tags			Alerts
//	@Param			id	path		string	true	"Id of the alert"
//	@Success		200	{object}	Alert
//	@Failure		404	{object}	Problem
//	@Failure		409	{object}	Problem
//	@Router			/alerts/{id}/resolve [post]
//	@x-role			"operator"
func (a *API) resolveAlert(c echo.Context) error {
	now, err := a.alerts.ResolveByHand(c.Request().Context(), c.Param("id"), principalOf(c).Name)
	return replyAlert(c, now, err)
}
