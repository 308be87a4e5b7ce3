package rest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"postern/domain"
	"postern/domain/config"
)

// maxTags bounds the entity tags of one header.
const maxTags = 50

// entityTag is a member of If-Match or If-None-Match.
type entityTag struct {
	weak   bool
	opaque string // without quotes
}

// tagList is the value of If-Match or If-None-Match (RFC 9110 §13.1.1,
// §13.1.2). The zero value means that the header is absent.
type tagList struct {
	any  bool // "*"
	tags []entityTag
}

func (l tagList) present() bool { return l.any || len(l.tags) > 0 }

// strongMatch is the comparison of If-Match: a weak tag never matches.
func (l tagList) strongMatch(current string) bool {
	return l.any || slices.Contains(l.tags, entityTag{opaque: current})
}

// weakMatch is the comparison of If-None-Match.
func (l tagList) weakMatch(current string) bool {
	return l.any || slices.ContainsFunc(l.tags, func(t entityTag) bool { return t.opaque == current })
}

// parseTags reads the lines of one header.
func parseTags(header http.Header, name string) (tagList, error) {
	lines := header.Values(name)
	text := strings.TrimSpace(strings.Join(lines, ","))
	if text == "*" {
		return tagList{any: true}, nil
	}
	var list tagList
	for text != "" {
		tag, rest, ok := cutTag(text)
		if !ok || len(list.tags) == maxTags {
			return tagList{}, badTags(name)
		}
		list.tags = append(list.tags, tag)
		text = rest
	}
	if len(lines) > 0 && len(list.tags) == 0 {
		return tagList{}, badTags(name)
	}
	return list, nil
}

func badTags(name string) error {
	return &malformedError{detail: "The header " + name + ` must be * or a list of quoted entity tags, like "5f2c".`}
}

// cutTag cuts the first entity tag and the comma behind it off a list.
//
//	entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE    (RFC 9110 §8.8.3)
func cutTag(text string) (tag entityTag, rest string, ok bool) {
	text, tag.weak = strings.CutPrefix(text, "W/")
	text, ok = strings.CutPrefix(text, `"`)
	if !ok {
		return tag, "", false
	}
	tag.opaque, rest, ok = strings.Cut(text, `"`)
	if !ok || strings.ContainsFunc(tag.opaque, notInTag) {
		return tag, "", false
	}
	rest = strings.TrimLeft(rest, " \t")
	if rest == "" {
		return tag, "", true
	}
	rest, ok = strings.CutPrefix(rest, ",")
	return tag, strings.TrimLeft(rest, ", \t"), ok
}

func notInTag(r rune) bool { return r <= ' ' || r == 0x7f }

// preconditions holds If-Match and If-None-Match of a write against the object
// as it is now. What it returns goes into the edit, so that the commit holds it
// against the object once more, in the same breath as it writes.
func preconditions(c echo.Context, current string, exists bool) (ifMatch string, ifNoneMatch bool, err error) {
	match, err := parseTags(c.Request().Header, "If-Match")
	if err != nil {
		return "", false, err
	}
	none, err := parseTags(c.Request().Header, "If-None-Match")
	if err != nil {
		return "", false, err
	}
	switch {
	case match.present() && !exists:
		return "", false, domain.E(domain.Stale, "it does not exist")
	case match.present() && !match.strongMatch(current):
		setETag(c, current)
		return "", false, domain.E(domain.Stale, "it was changed meanwhile: read it again and repeat the change")
	case none.present() && exists && none.weakMatch(current):
		setETag(c, current)
		return "", false, domain.E(domain.Stale, "it exists already")
	case match.any:
		ifMatch = "*"
	case match.present():
		ifMatch = current
	}
	return ifMatch, none.any, nil
}

// tagOf returns the entity tag of a document that has no stored one: it changes
// with what is shown.
func tagOf(document any) string { return config.ETagOf(mustJSON(document)) }

// setETag announces the strong entity tag of what is shown.
func setETag(c echo.Context, tag string) { c.Response().Header().Set("ETag", `"`+tag+`"`) }
