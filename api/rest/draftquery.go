package rest

import (
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"postern/domain/config"
)

// The query parameters by which a request chooses what it reads and changes: the
// configuration of now, or that of a draft (B69); and for how long (B70).
const (
	changeParam  = "change"
	confirmParam = "confirm_within"
)

// confirmQuery are those of an operation that makes a revision.
var confirmQuery = []string{"wait", confirmParam}

// inDrafts lets operations on configuration work on a draft too, and those that
// write do so on condition. What acts on the world, as a test does, is left out.
func inDrafts(operations ...[]operation) []operation {
	all := slices.Concat(operations...)
	for i, o := range all {
		if o.method == http.MethodPost {
			continue
		}
		all[i].query = append(slices.Clone(o.query), changeParam)
		if slices.Contains(o.query, "wait") {
			all[i].query = append(all[i].query, confirmParam)
		}
	}
	return all
}

const configurationKey = "configuration"

// chooseConfiguration looks up the draft that the request names, so that handlers
// need not know whether there is one.
func (a *API) chooseConfiguration(c echo.Context) error {
	if !c.QueryParams().Has(changeParam) {
		return nil
	}
	if c.QueryParams().Has(confirmParam) {
		return badQuery(confirmParam, "belongs to the commit of a draft, not to what is written into it")
	}
	if c.Request().Header.Get(headerComment) != "" {
		return &malformedError{detail: "The header " + headerComment + " belongs to the commit of a draft, not to what is written into it."}
	}
	view, err := a.changeCommits.View(c.Request().Context(), c.QueryParam(changeParam))
	if err != nil {
		return err
	}
	c.Set(configurationKey, view)
	return nil
}

// draftOf returns the draft that the request is about; nil where it is none.
func draftOf(c echo.Context) *config.DraftView {
	view, _ := c.Get(configurationKey).(*config.DraftView)
	return view
}

// configuration returns what the request reads and changes.
func (a *API) configuration(c echo.Context) Configuration {
	if view := draftOf(c); view != nil {
		return view
	}
	return a.config
}

// snapshotOf returns the compiled configuration that the request is about.
func (a *API) snapshotOf(c echo.Context) (*config.Snapshot, error) {
	if view := draftOf(c); view != nil {
		return view.Snapshot(c.Request().Context())
	}
	return a.snapshot(), nil
}

// confirmWithin reads `?confirm_within=10m`; zero without the parameter. The
// bounds are the domain's.
func confirmWithin(c echo.Context) (time.Duration, error) {
	if !c.QueryParams().Has(confirmParam) {
		return 0, nil
	}
	d, err := time.ParseDuration(c.QueryParam(confirmParam))
	if err != nil || d < config.MinConfirm || d > config.MaxConfirm {
		return 0, badQuery(confirmParam, "must be a duration from 5s to 24h, like 10m")
	}
	return d, nil
}

// boolParam reads a switch; false without the parameter.
func boolParam(c echo.Context, name string) (bool, error) {
	switch c.QueryParam(name) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, badQuery(name, "must be true or false")
}
