package rest

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"postern/domain/config"
)

const mediaText = "text/plain"

// The operations that have their diff as text too.
const (
	changeDiffOperation   = "getChangeDiff"
	revisionDiffOperation = "getRevisionDiff"
)

// diffItems compares items before and after.
func diffItems(edits []config.RecordedEdit) ([]ItemDiff, error) {
	items := make([]ItemDiff, len(edits))
	for i, e := range edits {
		var err error
		if items[i], err = diffItem(e); err != nil {
			return nil, err
		}
	}
	return items, nil
}

// replyDiff answers with a diff as JSON, or as text to those who want to read it.
func replyDiff(c echo.Context, document any, items []ItemDiff, clashes []ChangeClash) error {
	mediaType, err := negotiate(c.Request(), mediaJSON, mediaText)
	if err != nil {
		return err
	}
	if mediaType == mediaJSON {
		return reply(c, http.StatusOK, document)
	}
	return replyRaw(c, http.StatusOK, mediaText+"; charset=utf-8", []byte(diffText(items, clashes)))
}

// diffText shows a diff to people: one line an item, with a sign for what becomes
// of it, and below it a line for each value.
func diffText(items []ItemDiff, clashes []ChangeClash) string {
	var text strings.Builder
	for _, item := range items {
		fmt.Fprintf(&text, "%s %s %s\n", sign(item.Action), item.Kind, item.Key)
		for _, change := range item.Changes {
			fmt.Fprintf(&text, "    %s: %s\n", change.Pointer, valueText(change))
		}
	}
	for _, clash := range clashes {
		fmt.Fprintf(&text, "! %s %s: changed underneath by %s in revision %d\n", clash.Kind, clash.Key, clash.Author, clash.Revision)
	}
	if text.Len() == 0 {
		return "no difference\n"
	}
	return text.String()
}

func sign(action string) string {
	switch action {
	case "created":
		return "+"
	case "deleted":
		return "-"
	}
	return "~"
}

func valueText(d ValueDiff) string {
	switch {
	case d.Before == nil:
		return string(mustJSON(d.After))
	case d.After == nil:
		return string(mustJSON(d.Before)) + " is gone"
	}
	return string(mustJSON(d.Before)) + " -> " + string(mustJSON(d.After))
}
