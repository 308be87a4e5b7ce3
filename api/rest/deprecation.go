package rest

import (
	"fmt"
	"net/http"
	"time"
)

// deprecation says that an operation will go, and when.
type deprecation struct {
	since  time.Time
	sunset time.Time // zero: not before version 2
	// successor is the path below basePath that does the same; empty for none.
	successor string
}

// deprecations are those of version 1, by operationId. An operation in it has
// @Deprecated in its comment too, which a test sees to.
func deprecations() map[string]deprecation { return map[string]deprecation{} }

// announce says in a reply that the operation will go: RFC 9745 since when,
// RFC 8594 until when.
func (d deprecation) announce(header http.Header) {
	if d.since.IsZero() {
		return
	}
	header.Set("Deprecation", fmt.Sprintf("@%d", d.since.Unix())) // RFC 9745 §2.1: a date of structured fields
	if !d.sunset.IsZero() {
		header.Set("Sunset", d.sunset.UTC().Format(http.TimeFormat))
	}
	if d.successor != "" {
		header.Add("Link", "<"+basePath+d.successor+`>; rel="successor-version"`)
	}
}
