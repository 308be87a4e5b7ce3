package rest

import (
	"bytes"
	"encoding/csv"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"postern/api/rest/chart"
	"postern/domain/tlsreport"
)

// The media types of reports beside JSON.
const (
	mediaCSV = "text/csv"
	mediaSVG = "image/svg+xml"
)

// The operations that have other media types than JSON.
const (
	reportOperation = "getTLSConnectionsReport"
	chartOperation  = "getTLSConnectionsChart"
)

// mediaTypes are those that the operation can answer with, the usual one first.
func (o operation) mediaTypes() []string {
	switch o.id {
	case reportOperation:
		return []string{mediaJSON, mediaCSV, mediaSVG}
	case chartOperation:
		return []string{mediaSVG}
	case changeDiffOperation, revisionDiffOperation, applyOperation:
		return []string{mediaJSON, mediaText}
	case eventsOperation:
		return []string{mediaJSON, mediaEvents}
	}
	if o.isList() && slices.Contains(tables, o.path) {
		return []string{mediaJSON, mediaNDJSON, mediaCSV}
	}
	if o.isList() {
		return []string{mediaJSON, mediaNDJSON}
	}
	return []string{mediaJSON}
}

// csv returns the items as RFC 4180 has it, with a line of names first.
func (r TLSConnectionsReport) csv() []byte {
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	w.UseCRLF = true
	_ = w.Write([]string{
		"direction", string(r.GroupBy), "connections", "attempts", "required_success", "required_failed",
		"preferred_success", "preferred_failed", "unencrypted", "encrypted_percentage",
		"messages_encrypted", "messages_unencrypted",
	})
	for _, item := range r.Items {
		_ = w.Write(item.csv())
	}
	w.Flush() // a buffer takes everything
	return text.Bytes()
}

func (t TLSConnections) csv() []string {
	share := ""
	if t.EncryptedPercentage != nil {
		share = strconv.FormatFloat(*t.EncryptedPercentage, 'f', 1, 64)
	}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	return []string{
		string(t.Direction), *t.Group, number(t.Connections), number(t.Attempts), number(t.RequiredSuccess), number(t.RequiredFailed),
		number(t.PreferredSuccess), number(t.PreferredFailed), number(t.Unencrypted), share,
		number(t.MessagesEncrypted), number(t.MessagesUnencrypted),
	}
}

// The picture has a bar for each hour of a time up to this long, and for each
// day of a longer one.
const (
	longestByHour = 8 * 24 * time.Hour
	longestByDay  = 400 * 24 * time.Hour
)

// chartPolicy lets a picture use its own style, and nothing else.
const chartPolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

// getTLSConnectionsChart godoc
//
//	@Summary		Draw the share of TLS over time
//	@Description	A picture of the connections by hour, or by day where more than eight days are asked for: the shares that were encrypted, failed and went in clear, and how many connections they are shares of.
//	@ID				getTLSConnectionsChart
//	@Tags			Reports
//	@Produce		image/svg+xml
//	@Param			direction	query		string	false	"Only this direction"	Enums(incoming, outgoing)
//	@Param			from		query		string	false	"Beginning, cut down to the hour; seven days before the end where absent, and at most 400"	Format(date-time)
//	@Param			to			query		string	false	"End; now where absent"	Format(date-time)
//	@Param			domain		query		string	false	"Only this domain, or the address of a client without a name"
//	@Success		200			{string}	string	"An SVG picture"
//	@Router			/reports/tls-connections.svg [get]
//	@x-role			"viewer"
func (a *API) getTLSConnectionsChart(c echo.Context) error {
	q, err := a.statisticsQueryOf(c)
	if err != nil {
		return err
	}
	step := time.Hour
	q.GroupBy = tlsreport.ByHour
	if q.To.Sub(q.From) > longestByHour {
		step, q.GroupBy, q.From = 24*time.Hour, tlsreport.ByDay, q.From.Truncate(24*time.Hour)
	}
	if q.To.Sub(q.From) > longestByDay {
		return badQuery("from", "must be within 400 days before to, for a picture")
	}
	buckets := int(q.To.Sub(q.From)/step) + 1
	report, err := a.reports.Report(c.Request().Context(), q, buckets*len(tlsreport.Directions()))
	if err != nil {
		return err
	}
	c.Response().Header().Set("Content-Security-Policy", chartPolicy)
	return replyRaw(c, http.StatusOK, mediaSVG, chartOf(q, step, report).SVG())
}

func chartOf(q tlsreport.Query, step time.Duration, r tlsreport.Report) chart.Chart {
	const day = "2 January 2006"
	first, last := q.From.Format(day), q.To.Add(-1).Format(day)
	c := chart.Chart{Step: step, Title: "TLS of connections, " + first}
	if last != first {
		c.Title += " to " + last
	}
	if q.Domain != "" {
		c.Title += ", " + q.Domain
	}
	for _, total := range r.Totals {
		c.Panels = append(c.Panels, panelOf(total.Direction, q, step, r.Items))
	}
	return c
}

// panelOf puts the sums of a direction where they belong in time.
func panelOf(d tlsreport.Direction, q tlsreport.Query, step time.Duration, items []tlsreport.Summary) chart.Panel {
	p := chart.Panel{Title: map[tlsreport.Direction]string{tlsreport.Incoming: "Incoming", tlsreport.Outgoing: "Outgoing"}[d]}
	place := map[string]int{}
	for at := q.From; at.Before(q.To); at = at.Add(step) {
		place[at.Format(time.RFC3339)] = len(p.Buckets)
		p.Buckets = append(p.Buckets, chart.Bucket{At: at})
	}
	for _, s := range items {
		if i, ok := place[s.Group]; ok && s.Direction == d {
			b := &p.Buckets[i]
			b.Encrypted, b.Unencrypted, b.Failed = s.Encrypted(), s.Unencrypted, s.Failed()
		}
	}
	return p
}
