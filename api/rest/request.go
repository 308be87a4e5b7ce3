package rest

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"postern/domain"
)

// The media types of bodies.
const (
	mediaJSON       = "application/json"
	mediaMergePatch = "application/merge-patch+json"
)

// readJSON reads a body of JSON strictly into a T (see decodeStrict).
func readJSON[T any](c echo.Context) (T, error) {
	var none T
	data, err := readBody(c, mediaJSON)
	if err != nil {
		return none, err
	}
	return decodeStrict[T](data)
}

// readParts is readJSON for callers who judge also what can be read beside
// faults of type (see decodeParts).
func readParts[T any](c echo.Context) (T, domain.Faults, error) {
	data, err := readBody(c, mediaJSON)
	if err != nil {
		var none T
		return none, nil, err
	}
	return decodeParts[T](data)
}

// readBody reads a body of one of the media types, up to the limit.
func readBody(c echo.Context, mediaTypes ...string) ([]byte, error) {
	if err := checkContentType(c.Request().Header, mediaTypes); err != nil {
		return nil, err
	}
	return readOctets(c)
}

// readOctets reads a body up to the limit.
func readOctets(c echo.Context) ([]byte, error) {
	data, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, bodyLimit(c)))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &httpError{problemTooLarge, "the limit is " + strconv.FormatInt(tooLarge.Limit, 10) + " octets"}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, &httpError{problemTimeout, "the body did not arrive within " + readTimeout.String()}
	}
	if err != nil {
		return nil, &malformedError{detail: "The body ended early."}
	}
	return data, nil
}

func checkContentType(header http.Header, mediaTypes []string) error {
	if coding := header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return &httpError{problemContentType, "send the body without content encoding"}
	}
	mediaType, parameters, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil || !slices.Contains(mediaTypes, mediaType) {
		return &httpError{problemContentType, "set Content-Type to " + strings.Join(mediaTypes, " or ")}
	}
	if charset := parameters["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return &httpError{problemContentType, "send the body as UTF-8"}
	}
	return nil
}

// negotiate returns the media type that the caller likes best; among equals the
// first one (RFC 9110 §12.5.1). No Accept header means that everything is
// welcome.
func negotiate(r *http.Request, offers ...string) (string, error) {
	lines := r.Header.Values("Accept")
	if len(lines) == 0 {
		return offers[0], nil
	}
	best, chosen := 0.0, ""
	for _, offer := range offers {
		if q := quality(strings.Join(lines, ","), offer); q > best {
			best, chosen = q, offer
		}
	}
	if chosen == "" {
		return "", &httpError{problemAcceptable, "this resource is available as " + strings.Join(offers, ", ") + " only"}
	}
	return chosen, nil
}

// quality finds the most specific range that covers the media type and returns
// its weight; 0 where none does.
func quality(accept, mediaType string) float64 {
	major, _, _ := strings.Cut(mediaType, "/")
	ranges := [...]string{"*/*", major + "/*", mediaType}
	best, q := -1, 0.0
	for part := range strings.SplitSeq(accept, ",") {
		name, parameters, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		if specific := slices.Index(ranges[:], name); specific > best {
			best, q = specific, weight(parameters)
		}
	}
	return q
}

// weight is the q of a media range; what cannot be read counts as 1.
func weight(parameters map[string]string) float64 {
	q, err := strconv.ParseFloat(parameters["q"], 64)
	if err != nil {
		return 1
	}
	return q
}

// pathParam returns a segment of the path, decoded. The router hands out
// segments as they were written where one of them holds an escaped slash.
func pathParam(c echo.Context, name string) (string, error) {
	value := c.Param(name)
	if c.Request().URL.RawPath == "" {
		return value, nil
	}
	decoded, err := url.PathUnescape(value)
	if err != nil {
		return "", domain.E(domain.NotFound, "there is no such path")
	}
	return decoded, nil
}
