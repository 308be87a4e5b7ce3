package rest

import (
	"context"
	"net/netip"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain/mailaddr"
)

// maxWait bounds `?wait=`.
const maxWait = time.Minute

// waitParam reads `?wait=10s`: how long the reply to a write may wait for the
// engine to run on it. Zero without the parameter.
func waitParam(c echo.Context) (time.Duration, error) {
	text := c.QueryParam("wait")
	if text == "" {
		return 0, nil
	}
	wait, err := time.ParseDuration(text)
	if err != nil || wait < 0 || wait > maxWait {
		return 0, badQuery("wait", "must be a duration from 0s to 60s, like 10s")
	}
	return wait, nil
}

// waitContext bounds what a reply waits for. The time that the server gives a
// request to be read in is over then, and does not end it.
func waitContext(c echo.Context, wait time.Duration) (context.Context, context.CancelFunc) {
	liftReadDeadline(c)
	return context.WithTimeout(c.Request().Context(), wait)
}

// domainParam reads a domain name; empty without the parameter.
func domainParam(c echo.Context, name string) (mailaddr.DomainName, error) {
	text := c.QueryParam(name)
	if text == "" {
		return "", nil
	}
	parsed, err := mailaddr.ParseDomainName(text)
	if err != nil {
		return "", badQuery(name, "must be a domain name")
	}
	return parsed, nil
}

// timeParam reads a time; zero without the parameter.
func timeParam(c echo.Context, name string) (time.Time, error) {
	text := c.QueryParam(name)
	if text == "" {
		return time.Time{}, nil
	}
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, badQuery(name, "must be a time of RFC 3339, like 2026-11-25T08:00:00Z")
	}
	return parsed, nil
}

// addrParam reads an IP address; invalid without the parameter.
func addrParam(c echo.Context, name string) (netip.Addr, error) {
	text := c.QueryParam(name)
	if text == "" {
		return netip.Addr{}, nil
	}
	parsed, err := netip.ParseAddr(text)
	if err != nil || parsed.Zone() != "" {
		return netip.Addr{}, badQuery(name, "must be an IP address")
	}
	return parsed.Unmap(), nil
}

// sortParam reads `sort`, the name of the one field that a list is sorted by, with
// a minus in front for descending order. Without the parameter the order is the
// list's own.
func sortParam(c echo.Context, field string, descends bool) (descending bool, err error) {
	switch c.QueryParam("sort") {
	case "":
		return descends, nil
	case field:
		return false, nil
	case "-" + field:
		return true, nil
	}
	return false, badQuery("sort", "must be "+field+" or -"+field)
}

func badQuery(name, message string) error {
	return &malformedError{detail: "Query parameter " + name + " " + message + "."}
}
