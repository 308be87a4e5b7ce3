package policy

import (
	"bytes"
	"io"
	"mime"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
)

// MessageHeader is the header of a message as people read it, for filters to
// look at. It takes whatever senders write: what is no field is passed over, and
// what cannot be decoded stays as it was written, so that a broken line does not
// hide the fields below it.
type MessageHeader struct {
	fields []HeaderField
}

// ParseMessageHeader reads the header of a message: the lines before the first
// empty one. Lines end with CRLF or LF. The cost grows with the header, however
// it is folded or encoded.
func ParseMessageHeader(message []byte) (h MessageHeader) {
	name, lines := "", []string(nil)
	for line := range strings.SplitSeq(string(message), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			break
		}
		// RFC 5322 §2.2.3: a line that begins with white space continues a field.
		if line[0] == ' ' || line[0] == '\t' {
			lines = append(lines, line)
			continue
		}
		h.add(name, lines)
		var body string
		name, body = cutField(line)
		lines = []string{body}
	}
	h.add(name, lines)
	return h
}

// cutField cuts the first line of a field; the name is empty where it is none.
func cutField(line string) (name, body string) {
	name, body, found := strings.Cut(line, ":")
	// RFC 5322 §4.5: old messages may have white space before the colon.
	if name = strings.TrimRight(name, " \t"); !found || !isFieldName(name) {
		return "", ""
	}
	return name, body
}

// add takes a field with its lines. Where it was folded a person reads one space,
// whichever white space the sender's program has put there: many fold with a tab.
func (h *MessageHeader) add(name string, lines []string) {
	if name == "" {
		return
	}
	for i, line := range lines {
		lines[i] = strings.Trim(line, " \t")
	}
	lines = slices.DeleteFunc(lines, func(line string) bool { return line == "" })
	h.fields = append(h.fields, HeaderField{Name: name, Value: decodeField(strings.Join(lines, " "))})
}

// Values returns what the fields of the name say, in order.
func (h MessageHeader) Values(name string) (values []string) {
	for _, f := range h.fields {
		if strings.EqualFold(f.Name, name) {
			values = append(values, f.Value)
		}
	}
	return values
}

// decodeField decodes encoded words (RFC 2047).
func decodeField(body string) string {
	decoder := mime.WordDecoder{CharsetReader: charsetReader}
	if decoded, err := decoder.DecodeHeader(padWords(body)); err == nil {
		body = decoded
	}
	return strings.ToValidUTF8(body, "\uFFFD")
}

// base64Word is an encoded word in base64 (RFC 2047 §4.1), with its padding or
// without.
var base64Word = regexp.MustCompile(`(=\?[^?\s]+\?[bB]\?)([A-Za-z0-9+/]+)=*\?=`)

// padWords gives encoded words in base64 the padding that some senders leave out.
// Mail programs show such words decoded, so that a filter must not miss them.
func padWords(body string) string {
	if !strings.Contains(body, "=?") {
		return body
	}
	return base64Word.ReplaceAllStringFunc(body, func(word string) string {
		parts := base64Word.FindStringSubmatch(word)
		if len(parts[2])%4 == 1 { // no octets come to this length
			return word
		}
		return parts[1] + parts[2] + strings.Repeat("=", -len(parts[2])&3) + "?="
	})
}

// charsetReader decodes a charset by the names that mail and web use. An unknown
// one is read as it is: most have ASCII in common.
func charsetReader(charset string, input io.Reader) (io.Reader, error) {
	known, err := htmlindex.Get(charset)
	if err != nil || known == encoding.Replacement { // the web reads nothing in the latter
		return input, nil
	}
	// In one piece: a reader of x/text brings buffers far larger than a word.
	text, err := io.ReadAll(input)
	if err != nil {
		return nil, err
	}
	decoded, err := known.NewDecoder().Bytes(text)
	return bytes.NewReader(decoded), err
}

// isFieldName reports whether the text may name a header field (RFC 5322 §2.2).
func isFieldName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' })
}
