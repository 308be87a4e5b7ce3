package reply

import (
	"strconv"
	"unicode/utf8"
)

const ellipsis = "…"

// Quote makes foreign text fit for logs, answers and bounces: what is not
// printable (control characters, bad UTF-8, marks that change the direction of
// writing) and the backslash are escaped as in a Go string, without the quotes
// around. The result has at most limit octets, and ends in "…" where it was cut;
// limit is at least 3.
func Quote(text string, limit int) string {
	if len(text) <= limit && isPlain(text) {
		return text
	}
	var quoted []byte
	cut := 0 // where "…" still has room
	for text != "" && len(quoted) <= limit {
		if len(quoted) <= limit-len(ellipsis) {
			cut = len(quoted)
		}
		r, size := utf8.DecodeRuneInString(text)
		quoted = appendEscaped(quoted, r, text[:size])
		text = text[size:]
	}
	if len(quoted) > limit {
		quoted = append(quoted[:cut], ellipsis...)
	}
	return string(quoted)
}

// isPlain reports whether text is printable ASCII without a backslash.
func isPlain(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' || text[i] == '\\' {
			return false
		}
	}
	return true
}

// appendEscaped appends the printable form of one rune, whose octets are raw.
func appendEscaped(dst []byte, r rune, raw string) []byte {
	if strconv.IsPrint(r) && r != '\\' && r != utf8.RuneError {
		return append(dst, raw...)
	}
	literal := strconv.Quote(raw)
	return append(dst, literal[1:len(literal)-1]...)
}
