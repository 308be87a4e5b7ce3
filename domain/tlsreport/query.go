package tlsreport

import (
	"time"

	"postern/domain"
	"postern/domain/delivery"
)

// Grouping is what a report is broken down by.
type Grouping string

// The groupings.
const (
	ByNothing      Grouping = "" // totals
	ByDomain       Grouping = "domain"
	ByHour         Grouping = "hour"
	ByDay          Grouping = "day" // of UTC
	ByVersion      Grouping = "version"
	ByCipher       Grouping = "cipher"
	ByVerification Grouping = "verification"
)

// ParseGrouping reads the name of a grouping; totals have none.
func ParseGrouping(s string) (Grouping, error) {
	switch g := Grouping(s); g {
	case ByDomain, ByHour, ByDay, ByVersion, ByCipher, ByVerification:
		return g, nil
	}
	return "", domain.E(domain.Invalid, "%q is nothing to group by: use domain, hour, day, version, cipher or verification", s)
}

// Query asks for a report.
type Query struct {
	// From and To bound the hours: those that begin from From on, before To.
	From, To  time.Time
	Direction Direction // empty: both
	Domain    string    // empty: all
	GroupBy   Grouping
	// After is the place in the report that the answer continues behind.
	After Place
}

// Place is a place in a report, whose order is that of groups, then directions.
// The zero value is its beginning.
type Place struct {
	Group     string
	Direction Direction
}

// place returns where the summary stands.
func (s *Summary) place() Place { return Place{s.Group, s.Direction} }

// Line is an answer of the store: the figures of a group that have requirement
// and result in common.
type Line struct {
	Place
	Requirement Requirement
	Result      delivery.TLSResult
	Figures
}

// Report is the answer to a query.
type Report struct {
	// Totals has a summary for each direction that was asked for, whatever the
	// part of the report that Items shows.
	Totals []Summary
	Items  []Summary
	// More says that the report goes on behind Items.
	More bool
}

// collector sums lines, which come in the order of places, to summaries.
type collector struct {
	limit int // of summaries
	items []Summary
	more  bool
}

// add takes the next line; false once it has enough.
func (c *collector) add(l Line) bool {
	if n := len(c.items); n == 0 || c.items[n-1].place() != l.Place {
		if n == c.limit {
			c.more = true
			return false
		}
		c.items = append(c.items, Summary{Direction: l.Direction, Group: l.Group})
	}
	c.items[len(c.items)-1].Add(l.Requirement, l.Result, l.Figures)
	return true
}
