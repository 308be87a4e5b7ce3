package mailaddr

import (
	"strconv"
	"unicode/utf8"
)

// maxQuoted bounds how much of a faulty text an error repeats, in octets.
const maxQuoted = 80

// quote returns s as a quoted literal, safe in a log line and bounded: it comes
// from outside.
func quote(s string) string {
	if len(s) <= maxQuoted {
		return strconv.QuoteToASCII(s)
	}
	return strconv.QuoteToASCII(s[:maxQuoted]) + "…"
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetterOrDigit(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
