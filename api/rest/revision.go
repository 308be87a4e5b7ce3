package rest

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/config"
)

// Every write answers with both numbers: a revision that is committed is kept,
// one that is applied is in force (B70).
const (
	headerCommitted = "Revision-Committed"
	headerApplied   = "Revision-Applied"
	headerComment   = "Change-Comment"
)

// maxCommentOctets bounds the comment of a change.
const maxCommentOctets = 1000

// commit makes the edits one revision.
func (a *API) commit(c echo.Context, edits ...config.Edit) (config.Result, error) {
	return a.change(c, func(ctx context.Context, act config.Act) (config.Result, error) {
		return a.configuration(c).Commit(ctx, config.Change{
			Author: act.Author, Comment: act.Comment, ConfirmWithin: act.ConfirmWithin, Edits: edits,
		})
	})
}

// change makes a revision in the caller's name, waits as long as the request
// says for it to be applied, and announces both revisions.
func (a *API) change(c echo.Context, do func(ctx context.Context, act config.Act) (config.Result, error)) (config.Result, error) {
	act, err := actOf(c)
	if err != nil {
		return config.Result{}, err
	}
	wait, err := waitParam(c)
	if err != nil {
		return config.Result{}, err
	}
	ctx := c.Request().Context()
	result, err := do(ctx, act)
	if err != nil {
		return result, err
	}
	if wait > 0 {
		waiting, cancel := waitContext(c, wait)
		defer cancel()
		// Not applied in time is no failure: the headers say how far it came.
		_ = a.configuration(c).WaitApplied(waiting, result.Revision)
	}
	a.announceRevisions(c, result.Revision)
	return result, nil
}

// actOf is who changes the configuration by the request, why, and on what terms.
func actOf(c echo.Context) (config.Act, error) {
	comment, err := changeComment(c)
	if err != nil {
		return config.Act{}, err
	}
	confirm, err := confirmWithin(c)
	return config.Act{Author: principalOf(c).Name, Comment: comment, ConfirmWithin: confirm}, err
}

// announceRevisions sets the headers of a write that led to the revision.
func (a *API) announceRevisions(c echo.Context, committed int64) {
	header := c.Response().Header()
	header.Set(headerCommitted, strconv.FormatInt(committed, 10))
	header.Set(headerApplied, strconv.FormatInt(a.config.Status().Applied, 10))
}

func changeComment(c echo.Context) (string, error) {
	comment := c.Request().Header.Get(headerComment)
	if strings.ContainsFunc(comment, notInComment) {
		return "", &malformedError{detail: "The header " + headerComment + " must be UTF-8 text without control characters."}
	}
	if len(comment) > maxCommentOctets {
		return "", &malformedError{detail: "The header " + headerComment + " may have 1000 octets."}
	}
	return comment, nil
}

// notInComment reports what is no text.
func notInComment(r rune) bool { return r == utf8.RuneError || unicode.IsControl(r) }

// replyWritten answers a write with the document as stored, and with the
// warnings of the change, if there are any, as one more member of it.
func replyWritten(c echo.Context, status int, document any, warnings domain.Faults) error {
	body := mustJSON(document)
	if notes := problemFaults(warnings); len(notes) > 0 {
		body = append(body[:len(body)-1], `,"warnings":`...)
		body = append(append(body, mustJSON(notes)...), '}')
	}
	return replyRaw(c, status, mediaJSON, append(body, '\n'))
}

// replyRaw writes a reply whole. A client that went away is not our failure.
func replyRaw(c echo.Context, status int, mediaType string, body []byte) error {
	header := c.Response().Header()
	header.Set("Content-Type", mediaType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	c.Response().WriteHeader(status)
	_, _ = c.Response().Write(body)
	return nil
}

// reply answers with a JSON document.
func reply(c echo.Context, status int, value any) error {
	return replyRaw(c, status, mediaJSON, append(mustJSON(value), '\n'))
}

// replyTagged answers a GET of one object with its entity tag, or with 304
// where the caller has it already.
func replyTagged(c echo.Context, tag string, value any) error {
	have, err := parseTags(c.Request().Header, "If-None-Match")
	if err != nil {
		return err
	}
	setETag(c, tag)
	c.Response().Header().Set("Cache-Control", "no-cache")
	if have.present() && have.weakMatch(tag) {
		return c.NoContent(http.StatusNotModified)
	}
	return reply(c, http.StatusOK, value)
}

// replyObject answers with an object that has no entity tag of its own: its tag is
// that of what is shown.
func replyObject(c echo.Context, value any) error { return replyTagged(c, tagOf(value), value) }
