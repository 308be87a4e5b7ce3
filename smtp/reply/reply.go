package reply

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Reply is one SMTP reply, of any number of lines.
type Reply struct {
	// Code is the basic code, 200 to 599.
	Code int
	// Status is subject and detail of the enhanced code; its class is the first
	// digit of Code. Zero means "nothing more is known".
	Status Status
	// Plain says that the enhanced code does not stand in the text: 3yz replies
	// never have one, greetings and EHLO replies need none (RFC 2034 §4), and
	// many peers know none at all.
	Plain bool
	// Lines is the text without codes and line ends. For a peer's reply this is
	// foreign text of any octets.
	Lines []string
}

// Status is subject and detail of an enhanced status code (RFC 3463 §3), each 0
// to 999.
type Status struct {
	Subject, Detail int
}

// maxStringOctets bounds what [Reply.String] tells.
const maxStringOctets = 512

// maxTextOctets bounds the text of one line on the wire: RFC 5321 §4.5.3.1.5
// allows 512 octets with codes and line end.
const maxTextOctets = 512 - len("550-5.999.999 \r\n")

// New makes a reply with an enhanced code. Prefer one of the named replies; New
// is for outcomes that have their code from elsewhere.
func New(code int, status Status, lines ...string) Reply {
	return Reply{Code: code, Status: status, Lines: lines}
}

// Class returns the first digit of the code: 2 done, 3 go on, 4 failed for now,
// 5 failed for good.
func (r Reply) Class() int { return r.Code / 100 }

// Positive reports whether the command was done (2yz).
func (r Reply) Positive() bool { return r.Class() == 2 }

// Intermediate reports whether the peer waits for more (3yz), as after DATA.
func (r Reply) Intermediate() bool { return r.Class() == 3 }

// Temporary reports a failure that trying again may mend (4yz).
func (r Reply) Temporary() bool { return r.Class() == 4 }

// Permanent reports a failure that trying again will not mend (5yz).
func (r Reply) Permanent() bool { return r.Class() == 5 }

// Enhanced returns the enhanced status code: class, subject, detail. The class
// is that of Code by construction.
func (r Reply) Enhanced() [3]int {
	return [3]int{r.Class(), r.Status.Subject, r.Status.Detail}
}

// EnhancedString returns the enhanced status code in dots, such as "5.7.1", the
// form of a DSN's Status field (RFC 3464 §2.3.4).
func (r Reply) EnhancedString() string {
	return string(r.appendEnhanced(nil))
}

// Permanently returns a temporary failure as the permanent one that it becomes
// when its time has run out (B28: 4.7.4 turns into 5.7.4). Other replies stay
// as they are.
func (r Reply) Permanently() Reply {
	if r.Temporary() {
		r.Code += 100
	}
	return r
}

// Text returns the text without codes, lines separated by a line feed.
func (r Reply) Text() string { return strings.Join(r.Lines, "\n") }

// String returns the reply in one line for logs, answers and bounces: codes and
// text, control characters escaped, at most 512 octets.
func (r Reply) String() string {
	codes := strconv.Itoa(r.Code)
	if r.hasEnhanced() {
		codes += " " + r.EnhancedString()
	}
	text := strings.TrimRight(codes+" "+strings.Join(r.Lines, " "), " ")
	return Quote(text, maxStringOctets)
}

// Append appends the wire form to dst: every line with the basic code, the
// enhanced code and CRLF (RFC 2034 §4). What may not stand in a reply, above
// all CR and LF, is replaced, and a line too long is cut.
func (r Reply) Append(dst []byte) []byte {
	lines := r.Lines
	if len(lines) == 0 {
		lines = []string{""}
	}
	for i, line := range lines {
		dst = strconv.AppendInt(dst, int64(r.Code), 10)
		separator := byte('-')
		if i == len(lines)-1 {
			separator = ' '
		}
		dst = append(dst, separator)
		if r.hasEnhanced() {
			dst = append(r.appendEnhanced(dst), ' ')
		}
		dst = append(appendText(dst, line), '\r', '\n')
	}
	return dst
}

// WriteTo writes the wire form in one write.
func (r Reply) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write(r.Append(nil))
	if err != nil {
		return int64(n), fmt.Errorf("write reply %d: %w", r.Code, err)
	}
	return int64(n), nil
}

// hasEnhanced reports whether the enhanced code stands in the text. RFC 2034 §4
// has it for classes 2, 4 and 5 only.
func (r Reply) hasEnhanced() bool { return !r.Plain && !r.Intermediate() }

func (r Reply) appendEnhanced(dst []byte) []byte {
	dst = strconv.AppendInt(dst, int64(r.Class()), 10)
	dst = append(dst, '.')
	dst = strconv.AppendInt(dst, int64(r.Status.Subject), 10)
	dst = append(dst, '.')
	return strconv.AppendInt(dst, int64(r.Status.Detail), 10)
}

// appendText appends text in printable ASCII, as RFC 5321 §4.2 has textstring
// for clients that did not ask for more.
func appendText(dst []byte, text string) []byte {
	if len(text) > maxTextOctets {
		text = text[:maxTextOctets]
	}
	for i := range len(text) {
		c := text[i]
		if c < ' ' || c > '~' {
			c = '?'
		}
		dst = append(dst, c)
	}
	return dst
}
