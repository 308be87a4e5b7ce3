package outbound

import (
	"strconv"
	"strings"

	"postern/smtp/reply"
)

// extensions are what a peer offers in its reply to EHLO, as far as we use it.
// The zero value is a peer that knows none, or HELO only.
type extensions struct {
	startTLS     bool  // RFC 3207
	pipelining   bool  // RFC 2920
	eightBitMIME bool  // RFC 6152
	smtpUTF8     bool  // RFC 6531
	chunking     bool  // RFC 3030
	dsn          bool  // RFC 3461
	requireTLS   bool  // RFC 8689
	size         bool  // RFC 1870
	maxSize      int64 // octets; 0: not told
	// maxRecipients and maxMessages are the limits per transaction and per
	// connection (RFC 9422); 0: not told.
	maxRecipients, maxMessages int
	auth                       mechanisms // RFC 4954
}

// parseExtensions reads the lines of a positive reply to EHLO.
func parseExtensions(r reply.Reply) extensions {
	var e extensions
	if len(r.Lines) < 2 {
		return e
	}
	// B30: the first line is the greeting, never a keyword.
	for _, line := range r.Lines[1:] {
		if words := strings.Fields(line); len(words) > 0 {
			e.add(strings.ToUpper(words[0]), words[1:])
		}
	}
	return e
}

// add notes one keyword with its parameters. Unknown ones are nothing to us.
func (e *extensions) add(keyword string, params []string) {
	switch keyword {
	case "STARTTLS":
		e.startTLS = true
	case "PIPELINING":
		e.pipelining = true
	case "8BITMIME":
		e.eightBitMIME = true
	case "SMTPUTF8":
		e.smtpUTF8 = true
	case "CHUNKING":
		e.chunking = true
	case "DSN":
		e.dsn = true
	case "REQUIRETLS":
		e.requireTLS = true
	case "SIZE":
		e.size = true
		if len(params) > 0 {
			e.maxSize = parseCount(params[0])
		}
	case "LIMITS":
		e.addLimits(params)
	case "AUTH":
		e.auth = parseMechanisms(params)
	}
}

func (e *extensions) addLimits(params []string) {
	for _, param := range params {
		name, value, _ := strings.Cut(param, "=")
		limit := int(min(parseCount(value), maxLimit))
		switch strings.ToUpper(name) {
		case "RCPTMAX":
			e.maxRecipients = limit
		case "MAILMAX":
			e.maxMessages = limit
		}
	}
}

// maxLimit is a RCPTMAX or MAILMAX that no longer limits anything.
const maxLimit = 1_000_000

// parseCount reads a decimal number; 0, which stands for "not told", where it
// is none. RFC 1870 §3 allows 20 digits, more than fit: those mean no limit too.
func parseCount(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
