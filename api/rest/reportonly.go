package rest

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain/account"
	"postern/domain/reportonly"
)

// ReportOnly tells what rules that only report would have refused.
type ReportOnly interface {
	List(ctx context.Context, q reportonly.Query) ([]reportonly.Line, error)
}

var _ ReportOnly = (*reportonly.Counter)(nil)

// ReportOnlyDay is what a rule that only reports would have done on one day (B72).
type ReportOnlyDay struct {
	// Day of UTC.
	Day string `json:"day" validate:"required" format:"date"`
	// Kind of the rule.
	Kind reportonly.Kind `json:"kind" validate:"required" swaggertype:"string" enums:"destination_control,mail_flow_policy,content_filter"`
	// Name of the rule: of a destination control its pattern.
	Name string `json:"name" validate:"required"`
	// Refused is how many messages it would have refused or held back.
	Refused int64 `json:"refused"`
	// CannotBeTold is of how many messages that is not known.
	CannotBeTold int64 `json:"cannot_be_told"`
	// FirstAt is when it would have refused the first of them; absent where it would have refused none.
	FirstAt *time.Time `json:"first_at,omitempty" format:"date-time"`
	// LastAt is when it would have refused the last of them.
	LastAt *time.Time `json:"last_at,omitempty" format:"date-time"`
	// Example is the queue id of the last of them.
	Example string `json:"example,omitempty"`
	// Detail says why that would have been refused.
	Detail string `json:"detail,omitempty"`
}

func (a *API) reportOnlyOperations() []operation {
	query := append([]string{"kind", "name"}, listQuery...)
	return []operation{
		{http.MethodGet, "/reports/report-only", "listReportOnly", account.RoleViewer, query, a.listReportOnly},
	}
}

// listReportOnly godoc
//
//	@Summary		List what rules that only report would have refused
//	@Description	By rule and day, the newest day first. Days are kept as long as the history of messages.
//	@ID				listReportOnly
//	@Tags			Reports
//	@Param			kind	query		string	false	"Only rules of this kind"	Enums(destination_control, mail_flow_policy, content_filter)
//	@Param			name	query		string	false	"Only rules of this name"
//	@Success		200		{object}	Page[ReportOnlyDay]
//	@Router			/reports/report-only [get]
//	@x-shape		"list"
//	@x-role			"viewer"
func (a *API) listReportOnly(c echo.Context) error {
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	query := reportonly.Query{Name: c.QueryParam("name"), Limit: p.limit + 1}
	if query.Kind, err = reportonly.ParseKind(c.QueryParam("kind")); err != nil {
		return badQuery("kind", "must be destination_control, mail_flow_policy or content_filter")
	}
	if query.After, err = reportOnlyAfter(p); err != nil {
		return err
	}
	found, err := a.reportOnly.List(c.Request().Context(), query)
	if err != nil {
		return err
	}
	key := func(l reportonly.Line) string {
		return l.Day.Format(time.DateOnly) + " " + string(l.Kind) + " " + l.Name
	}
	return writePage(c, p, found, key, func(l reportonly.Line) (ReportOnlyDay, error) { return showReportOnly(l), nil })
}

// reportOnlyAfter reads the key of a cursor.
func reportOnlyAfter(p pageRequest) (k reportonly.Key, err error) {
	if p.after == "" {
		return k, nil
	}
	day, rest, _ := strings.Cut(p.after, " ")
	kind, name, _ := strings.Cut(rest, " ")
	k.Kind, k.Name = reportonly.Kind(kind), name
	if k.Day, err = time.Parse(time.DateOnly, day); err != nil {
		return k, badQuery("cursor", "is not one that this list gave out")
	}
	return k, nil
}

func showReportOnly(l reportonly.Line) ReportOnlyDay {
	return ReportOnlyDay{
		Day: l.Day.Format(time.DateOnly), Kind: l.Kind, Name: l.Name, Refused: l.Refused, CannotBeTold: l.Untold,
		FirstAt: optionalTime(l.FirstAt), LastAt: optionalTime(l.LastAt), Example: l.Example, Detail: l.Detail,
	}
}
