package apifuzz

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
)

// bodies adds what is no body of the operation at all, and all that can be
// changed in one.
func (m *maker) bodies() {
	mediaType, media := m.media()
	if !slices.Contains(jsonTypes, mediaType) {
		return // tables are read line by line, and have tests of their own
	}
	m.brokenBodies()
	m.otherTypes()
	body := m.sample(media)
	for _, change := range mutationsOf(media.Schema, body, m.pins) {
		r := m.request()
		r.body = change.apply(body)
		pointer := change.pointer()
		t := trial{name: "body in which " + pointer + " " + change.name, request: r, refused: change.refused}
		if change.refused {
			t.pointer = &pointer
		}
		m.list = append(m.list, t)
	}
}

// brokenBodies are those that cannot be read.
func (m *maker) brokenBodies() {
	good := m.request().body
	for name, body := range map[string][]byte{
		"empty":              {},
		"cut off":            good[:len(good)-1],
		"followed by more":   append(bytes.Clone(good), []byte(" {}")...),
		"behind a BOM":       append([]byte("\xef\xbb\xbf"), good...),
		"no JSON":            []byte("name: a"),
		"NUL octets":         make([]byte, 100),
		"of UTF-16":          []byte("\xff\xfe{\x00}\x00"),
		"of deep arrays":     []byte(strings.Repeat("[", 20_000)),
		"of deep objects":    []byte(strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000)),
		"with a trailing ,":  append(bytes.Clone(good[:len(good)-1]), ",}"...),
		"with a comment":     append([]byte("/* */"), good...),
		"of 100,000 numbers": []byte("[" + strings.Repeat("1,", 100_000) + "1]"),
	} {
		r := m.request()
		r.body = body
		m.list = append(m.list, trial{name: "body that is " + name, request: r, refused: true})
	}
	r := m.request()
	r.body = append(bytes.Repeat([]byte(" "), 16<<20), good...)
	m.add("body that is too large", r, []int{http.StatusRequestEntityTooLarge})
}

// otherTypes say that the body is something else than it is.
func (m *maker) otherTypes() {
	unsupported := []int{http.StatusUnsupportedMediaType}
	for _, mediaType := range []string{"", "text/plain", "application/xml", "application/json; charset=utf-16", "a", "application/json/x"} {
		m.add("body of type "+mediaType, m.withHeader("Content-Type", mediaType), unsupported)
	}
	m.add("body that is said to be compressed", m.withHeader("Content-Encoding", "gzip"), unsupported)
}
