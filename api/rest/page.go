package rest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"

	"github.com/labstack/echo/v4"
)

// The sizes of a page of a list.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// Page is a part of a list, in the order of the list.
type Page[T any] struct {
	Items []T `json:"items" validate:"required"`
	// NextCursor continues the list; it is absent on the last page.
	NextCursor string `json:"next_cursor,omitempty" example:"eyJrIjoiZXhhbXBsZS5jb20iLCJjIjoiN1E5cyJ9"`
}

// pageRequest is the part of a list that was asked for: at most limit items
// whose key comes after the given one. Keys, not numbers, so that a list stays
// stable while items come and go.
type pageRequest struct {
	limit int
	after string
	// list stands for the path and the filters: a cursor of another list is
	// refused.
	list string
	// secret signs cursors.
	secret []byte
	// lines, if it is set, takes the list line by line instead of a page.
	lines *lines
}

// cursor is the inside of an opaque cursor.
type cursor struct {
	Key   string `json:"k" validate:"required"`
	Check string `json:"c" validate:"required"`
}

// pageOf reads `limit` and `cursor`. The cursor belongs to the path and to all
// other query parameters.
func pageOf(c echo.Context) (pageRequest, error) {
	p := pageRequest{limit: defaultLimit, list: listIdentity(c.Request().URL)}
	p.secret, _ = c.Get(cursorSecretKey).([]byte)
	p.lines, _ = c.Get(linesKey).(*lines)
	if p.lines != nil {
		p.limit = maxLimit
	}
	if text := c.QueryParam("limit"); text != "" {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 1 || limit > maxLimit {
			return p, badQuery("limit", "must be a whole number from 1 to 1000")
		}
		p.limit = limit
	}
	if p.lines != nil && p.lines.began {
		p.after = p.lines.after
	} else if text := c.QueryParam("cursor"); text != "" {
		after, ok := p.decode(text)
		if !ok {
			return p, badQuery("cursor", "is not one that this list gave out")
		}
		p.after = after
	}
	return p, nil
}

func listIdentity(u *url.URL) string {
	query := u.Query()
	query.Del("limit")
	query.Del("cursor")
	return u.Path + "?" + query.Encode()
}

// bounds are the keys that the page lies between: a list that descends goes on
// before the cursor's key, one that ascends after it.
func (p pageRequest) bounds(descending bool) (before, after string) {
	if descending {
		return p.after, ""
	}
	return "", p.after
}

func (p pageRequest) encode(key string) string {
	inside := mustJSON(cursor{Key: key, Check: p.check(key)})
	return base64.RawURLEncoding.EncodeToString(inside)
}

func (p pageRequest) decode(text string) (key string, ok bool) {
	inside, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return "", false
	}
	c, err := decodeStrict[cursor](inside)
	return c.Key, err == nil && hmac.Equal([]byte(c.Check), []byte(p.check(c.Key)))
}

// cursorSecretKey is where a request carries the secret that signs cursors.
const cursorSecretKey = "cursor secret"

// check ties a key to its list by an HMAC: a cursor that was tampered with, or
// belongs to another list, filter or order, is refused. The secret outlives a
// restart, and so do cursors.
func (p pageRequest) check(key string) string {
	mac := hmac.New(sha256.New, p.secret)
	mac.Write([]byte(p.list + "\x00" + key))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// writePage answers with one page of a list. found may hold one more than the
// limit, which shows that the list goes on; key returns what a cursor continues
// after, show what the page shows.
func writePage[S, T any](c echo.Context, p pageRequest, found []S, key func(S) string, show func(S) (T, error)) error {
	if p.lines != nil {
		return writeLines(c, p, found, key, show)
	}
	page := Page[T]{Items: make([]T, 0, min(len(found), p.limit))}
	if len(found) > p.limit {
		found = found[:p.limit]
		page.NextCursor = p.encode(key(found[p.limit-1]))
		linkNext(c, page.NextCursor)
	}
	for _, each := range found {
		item, err := show(each)
		if err != nil {
			return err
		}
		page.Items = append(page.Items, item)
	}
	return reply(c, http.StatusOK, page)
}

// linkNext links to the next page: the same path and filters, with the cursor
// (RFC 8288).
func linkNext(c echo.Context, cursor string) {
	next := *c.Request().URL
	query := next.Query()
	query.Set("cursor", cursor)
	next.RawQuery = query.Encode()
	c.Response().Header().Set("Link", "<"+next.RequestURI()+`>; rel="next"`)
}
