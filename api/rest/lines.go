package rest

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// mediaNDJSON is one JSON document a line.
const mediaNDJSON = "application/x-ndjson"

// lines is the state of a list that is written line by line: whole, where the
// caller set no limit.
type lines struct {
	// mediaType is NDJSON, or CSV where the list is a table.
	mediaType string
	began     bool
	more      bool
	after     string
}

const linesKey = "lines"

// inLines lets a list be read as NDJSON, and some as CSV, all of it in one reply
// that is written as it is read: the handler is called for one page after the
// other.
func (a *API) inLines(o operation) echo.HandlerFunc {
	next := o.handler
	return func(c echo.Context) error {
		mediaType, err := negotiate(c.Request(), o.mediaTypes()...)
		if err != nil || mediaType != mediaNDJSON && mediaType != mediaCSV {
			return next(c)
		}
		state := &lines{mediaType: mediaType}
		c.Set(linesKey, state)
		control := http.NewResponseController(c.Response())
		for {
			// Each page has the time of a reply. A writer without deadlines has none.
			_ = control.SetWriteDeadline(time.Now().Add(writeTimeout))
			if err := next(c); err != nil {
				if state.began {
					// The reply has begun: without its end the caller sees that it is not whole.
					_ = control.SetWriteDeadline(time.Unix(1, 0))
				}
				return err
			}
			if !state.more {
				return nil
			}
			if err := c.Request().Context().Err(); err != nil {
				return err
			}
		}
	}
}

// writeLines writes one page of a list, a line for each item.
func writeLines[S, T any](c echo.Context, p pageRequest, found []S, key func(S) string, show func(S) (T, error)) error {
	p.lines.more = len(found) > p.limit
	if p.lines.more {
		found = found[:p.limit]
		p.lines.after = key(found[p.limit-1])
	}
	var body []byte
	if p.lines.mediaType == mediaCSV && !p.lines.began {
		body = appendCSV(body, columnNames(columnsOf[T]()))
	}
	for _, each := range found {
		item, err := show(each)
		if err != nil {
			return err
		}
		if p.lines.mediaType == mediaCSV {
			body = appendCSV(body, cellsOf(item))
			continue
		}
		body = append(append(body, mustJSON(item)...), '\n')
	}
	if c.QueryParam("limit") != "" && p.lines.more {
		p.lines.more = false // the caller wants pages
		linkNext(c, p.encode(p.lines.after))
	}
	if !p.lines.began {
		p.lines.began = true
		c.Response().Header().Set("Content-Type", p.lines.mediaType)
		c.Response().WriteHeader(http.StatusOK)
	}
	_, err := c.Response().Write(body)
	return err
}
