package rest

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/mailaddr"
	"postern/domain/tlsreport"
)

// TLSReports sums what became of TLS (B66).
type TLSReports interface {
	// Report answers with at most limit summaries.
	Report(ctx context.Context, q tlsreport.Query, limit int) (tlsreport.Report, error)
}

// TLSConnectionsReport says what became of TLS on the connections of a time, as sums by direction and group (B66).
type TLSConnectionsReport struct {
	// From is the beginning of the first hour.
	From time.Time `json:"from" validate:"required" format:"date-time"`
	// To is the end of the last hour.
	To time.Time `json:"to" validate:"required" format:"date-time"`
	// GroupBy is what the items are broken down by.
	GroupBy tlsreport.Grouping `json:"group_by" validate:"required" swaggertype:"string" enums:"domain,hour,day,version,cipher,verification"`
	// Totals are the sums of each direction over all groups, not only those of this page.
	Totals []TLSConnections `json:"totals" validate:"required"`
	// Items are the sums of each group and direction, in the order of the groups.
	Items []TLSConnections `json:"items" validate:"required"`
	// NextCursor continues the items; it is absent on the last page.
	NextCursor string `json:"next_cursor,omitempty"`
}

// TLSConnections are the sums of a group in one direction. Reused connections are not new ones; connections that ended before TLS was a question are not counted.
type TLSConnections struct {
	// Direction of the mail.
	Direction tlsreport.Direction `json:"direction" validate:"required" swaggertype:"string" enums:"incoming,outgoing"`
	// Group is the domain (outgoing: of the recipients; incoming: the organisational domain of the client's confirmed name, or its address), the beginning of the hour or day, the TLS version, the cipher, or what verification found; empty where the connections had none. Absent in totals.
	Group *string `json:"group,omitempty"`
	// Connections is how many there were.
	Connections int64 `json:"connections"`
	// Attempts are the connections on which TLS was tried or mandatory.
	Attempts int64 `json:"attempts"`
	// RequiredSuccess are those that had to be encrypted, and were.
	RequiredSuccess int64 `json:"required_success"`
	// RequiredFailed are those that had to be encrypted, and failed.
	RequiredFailed int64 `json:"required_failed"`
	// PreferredSuccess are those that could be encrypted, and were.
	PreferredSuccess int64 `json:"preferred_success"`
	// PreferredFailed are those on which TLS was tried without need, and failed.
	PreferredFailed int64 `json:"preferred_failed"`
	// Unencrypted are those that went on in clear.
	Unencrypted int64 `json:"unencrypted"`
	// EncryptedPercentage is the share of all connections that were encrypted, from 0 to 100; absent where there were none.
	EncryptedPercentage *float64 `json:"encrypted_percentage,omitempty"`
	// MessagesEncrypted are the messages that were taken under TLS.
	MessagesEncrypted int64 `json:"messages_encrypted"`
	// MessagesUnencrypted are the messages that were taken in clear.
	MessagesUnencrypted int64 `json:"messages_unencrypted"`
}

var (
	chartQuery  = []string{"direction", "from", "to", "domain"}
	reportQuery = append([]string{"direction", "from", "to", "domain", "group_by"}, listQuery...)
)

func (a *API) tlsReportOperations() []operation {
	const report = "/reports/tls-connections"
	return []operation{
		{http.MethodGet, report, reportOperation, account.RoleViewer, reportQuery, a.getTLSConnectionsReport},
		{http.MethodGet, report + ".svg", chartOperation, account.RoleViewer, chartQuery, a.getTLSConnectionsChart},
	}
}

// getTLSConnectionsReport godoc
//
//	@Summary		Report what became of TLS on connections
//	@Description	Sums by hour, kept as long as the history of messages. Accept: text/csv gives the items as CSV, image/svg+xml the picture of /reports/tls-connections.svg.
//	@ID				getTLSConnectionsReport
//	@Tags			Reports
//	@Param			direction	query		string	false	"Only this direction"	Enums(incoming, outgoing)
//	@Param			from		query		string	false	"Beginning, cut down to the hour; seven days before the end where absent"	Format(date-time)
//	@Param			to			query		string	false	"End, not included unless within an hour, which then counts whole; now where absent"	Format(date-time)
//	@Param			domain		query		string	false	"Only this domain, or the address of a client without a name"
//	@Param			group_by	query		string	false	"What to break down by; domain where absent"	Enums(domain, hour, day, version, cipher, verification)
//	@Success		200			{object}	TLSConnectionsReport
//	@Router			/reports/tls-connections [get]
//	@x-shape		"list"
//	@x-also			["text/csv", "image/svg+xml"]
//	@x-role			"viewer"
func (a *API) getTLSConnectionsReport(c echo.Context) error {
	mediaType, err := negotiate(c.Request(), mediaJSON, mediaCSV, mediaSVG)
	if err != nil {
		return err
	}
	if mediaType == mediaSVG {
		return a.getTLSConnectionsChart(c)
	}
	p, err := pageOf(c)
	if err != nil {
		return err
	}
	query, err := a.reportQueryOf(c, p)
	if err != nil {
		return err
	}
	report, err := a.reports.Report(c.Request().Context(), query, p.limit)
	if err != nil {
		return err
	}
	shown := showReport(query, report)
	if report.More {
		last := report.Items[len(report.Items)-1]
		shown.NextCursor = p.encode(string(last.Direction) + " " + last.Group)
		linkNext(c, shown.NextCursor)
	}
	if mediaType == mediaCSV {
		return replyRaw(c, http.StatusOK, mediaCSV, shown.csv())
	}
	return reply(c, http.StatusOK, shown)
}

func (a *API) reportQueryOf(c echo.Context, p pageRequest) (q tlsreport.Query, err error) {
	if q, err = a.statisticsQueryOf(c); err != nil {
		return q, err
	}
	q.GroupBy = tlsreport.ByDomain
	if text := c.QueryParam("group_by"); text != "" {
		if q.GroupBy, err = tlsreport.ParseGrouping(text); err != nil {
			return q, badQuery("group_by", "must be domain, hour, day, version, cipher or verification")
		}
	}
	direction, group, _ := strings.Cut(p.after, " ")
	q.After = tlsreport.Place{Direction: tlsreport.Direction(direction), Group: group}
	if q.GroupBy == tlsreport.ByHour || q.GroupBy == tlsreport.ByDay {
		if _, err := time.Parse(time.RFC3339, group); p.after != "" && err != nil {
			return q, badQuery("cursor", "is not one that this list gave out")
		}
	}
	return q, nil
}

// reportTime is what a report is about where it is not told.
const reportTime = 7 * 24 * time.Hour

// statisticsQueryOf reads the filters of report and picture. Whole hours are
// counted, so that the hour under way is part of a report up to now.
func (a *API) statisticsQueryOf(c echo.Context) (q tlsreport.Query, err error) {
	if q.Direction, err = tlsreport.ParseDirection(c.QueryParam("direction")); err != nil {
		return q, badQuery("direction", "must be incoming or outgoing")
	}
	if q.Domain, err = reportDomain(c.QueryParam("domain")); err != nil {
		return q, badQuery("domain", "must be a domain name or an IP address")
	}
	if q.From, err = timeParam(c, "from"); err != nil {
		return q, err
	}
	if q.To, err = timeParam(c, "to"); err != nil {
		return q, err
	}
	if q.To.IsZero() {
		q.To = a.now()
	}
	q.To = q.To.UTC().Add(time.Hour - 1).Truncate(time.Hour)
	if q.From.IsZero() {
		q.From = q.To.Add(-reportTime)
	}
	if q.From = q.From.UTC().Truncate(time.Hour); !q.From.Before(q.To) {
		return q, badQuery("from", "must be before to")
	}
	return q, nil
}

// reportDomain reads what connections are counted under: a domain, an address or
// its network, or an address literal.
func reportDomain(text string) (string, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return tlsreport.ClientDomain(addr), nil
	}
	if network, err := netip.ParsePrefix(text); err == nil {
		return network.Masked().String(), nil
	}
	if text == "" || text == tlsreport.Others {
		return text, nil
	}
	name, err := destinationName(text)
	return name.String(), err
}

// destinationName reads a domain, or an address literal in brackets.
func destinationName(text string) (mailaddr.DomainName, error) {
	literal, ok := strings.CutPrefix(text, "[")
	if !ok {
		return mailaddr.ParseDomainName(text)
	}
	literal, ok = strings.CutSuffix(literal, "]")
	addr, err := netip.ParseAddr(literal)
	if !ok || err != nil {
		return "", domain.E(domain.Invalid, "%q is no address in brackets", text)
	}
	return mailaddr.DomainName("[" + addr.String() + "]"), nil
}

func showReport(q tlsreport.Query, r tlsreport.Report) TLSConnectionsReport {
	shown := TLSConnectionsReport{
		From: q.From, To: q.To, GroupBy: q.GroupBy, Totals: []TLSConnections{}, Items: []TLSConnections{},
	}
	for _, s := range r.Totals {
		shown.Totals = append(shown.Totals, showSummary(s))
	}
	for _, s := range r.Items {
		item := showSummary(s)
		item.Group = &s.Group
		shown.Items = append(shown.Items, item)
	}
	return shown
}

func showSummary(s tlsreport.Summary) TLSConnections {
	shown := TLSConnections{
		Direction: s.Direction, Connections: s.Connections(), Attempts: s.Attempts(),
		RequiredSuccess: s.RequiredSuccess, RequiredFailed: s.RequiredFailed,
		PreferredSuccess: s.PreferredSuccess, PreferredFailed: s.PreferredFailed, Unencrypted: s.Unencrypted,
		MessagesEncrypted: s.MessagesEncrypted, MessagesUnencrypted: s.MessagesUnencrypted,
	}
	if share, ok := s.EncryptedPercentage(); ok {
		shown.EncryptedPercentage = &share
	}
	return shown
}
