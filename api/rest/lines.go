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
	began bool
	more  bool
	after string
}

const linesKey = "lines"

// inLines lets a list be read as NDJSON, all of it in one reply that is written
// as it is read: the handler is called for one page after the other.
func (a *API) inLines(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		mediaType, err := negotiate(c.Request(), mediaJSON, mediaNDJSON)
		if err != nil || mediaType != mediaNDJSON {
			return next(c)
		}
		state := new(lines)
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
	for _, each := range found {
		item, err := show(each)
		if err != nil {
			return err
		}
		body = append(append(body, mustJSON(item)...), '\n')
	}
	if c.QueryParam("limit") != "" && p.lines.more {
		p.lines.more = false // the caller wants pages
		linkNext(c, p.encode(p.lines.after))
	}
	if !p.lines.began {
		p.lines.began = true
		c.Response().Header().Set("Content-Type", mediaNDJSON)
		c.Response().WriteHeader(http.StatusOK)
	}
	_, err := c.Response().Write(body)
	return err
}
