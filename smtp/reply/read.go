package reply

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits bounds one reply of a peer. Zero fields take the defaults.
type Limits struct {
	Lines  int // default 128
	Octets int // with codes and line ends; default 65,536
}

const (
	defaultMaxLines  = 128
	defaultMaxOctets = 64 << 10
)

// ErrTooLong is returned by [Read] for a reply beyond the limits.
var ErrTooLong = errors.New("the reply is longer than the limits allow")

// SyntaxError is returned for text that is no SMTP reply.
type SyntaxError struct {
	Reason string
	Line   string // the line at fault, as it came
}

// maxErrorOctets bounds how much of a faulty line an error repeats.
const maxErrorOctets = 128

// Error returns the reason and the line, escaped and bounded.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf(`malformed reply: %s: "%s"`, e.Reason, Quote(e.Line, maxErrorOctets))
}

// Read reads one reply. Lines may end in CRLF or LF. The error is io.EOF where
// the peer closed before the first octet, io.ErrUnexpectedEOF where it closed
// within the reply, [ErrTooLong], a [*SyntaxError], or that of the reader.
func Read(br *bufio.Reader, limits Limits) (Reply, error) {
	limits = limits.withDefaults()
	var r Reply
	for room := limits.Octets; len(r.Lines) < limits.Lines; {
		line, err := readLine(br, room)
		if err != nil {
			return Reply{}, within(len(r.Lines), err)
		}
		room -= len(line)
		last, err := r.addLine(strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"))
		if err != nil {
			return Reply{}, err
		}
		if last {
			return r, nil
		}
	}
	return Reply{}, ErrTooLong
}

func (l Limits) withDefaults() Limits {
	if l.Lines <= 0 {
		l.Lines = defaultMaxLines
	}
	if l.Octets <= 0 {
		l.Octets = defaultMaxOctets
	}
	return l
}

// within turns an orderly end into an unexpected one where lines have been read.
func within(lines int, err error) error {
	if lines > 0 && errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readLine reads a line with its line feed, of at most room octets.
func readLine(br *bufio.Reader, room int) (string, error) {
	var line []byte
	for {
		piece, err := br.ReadSlice('\n')
		if len(line)+len(piece) > room {
			return "", ErrTooLong
		}
		line = append(line, piece...)
		switch {
		case err == nil:
			return string(line), nil
		case errors.Is(err, io.EOF) && len(line) > 0:
			return "", io.ErrUnexpectedEOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		}
	}
}

// Parse makes a reply of its lines, given without line ends. All lines must
// have the same code, and all but the last a hyphen behind it (RFC 5321
// §4.2.1). An enhanced code counts where its class is that of the basic code;
// where there is none the status is zero and Plain is set.
func Parse(lines []string) (Reply, error) {
	var r Reply
	for i, line := range lines {
		last, err := r.addLine(line)
		if err != nil {
			return Reply{}, err
		}
		if last != (i == len(lines)-1) {
			return Reply{}, &SyntaxError{Reason: "a line more or less than announced", Line: line}
		}
	}
	if len(lines) == 0 {
		return Reply{}, &SyntaxError{Reason: "there is no line"}
	}
	return r, nil
}

// addLine adds the next line and reports whether it is the last.
func (r *Reply) addLine(line string) (last bool, err error) {
	code, text, last, reason := parseLine(line)
	if reason == "" && len(r.Lines) > 0 && code != r.Code {
		reason = "the code changes between the lines"
	}
	if reason != "" {
		return false, &SyntaxError{Reason: reason, Line: line}
	}
	r.Code = code
	r.addText(text)
	return last, nil
}

// addText adds the text of a line and takes the enhanced code off it. The first
// line decides whether there is one; a line that has another keeps it as text.
func (r *Reply) addText(text string) {
	status, rest, found := cutEnhanced(text, r.Class())
	if len(r.Lines) == 0 {
		r.Status, r.Plain = status, !found
	}
	if found && !r.Plain && status == r.Status {
		text = rest
	}
	r.Lines = append(r.Lines, text)
}

// parseLine splits a line into its code, its text and whether it is the last.
func parseLine(line string) (code int, text string, last bool, reason string) {
	code, ok := parseCode(line)
	switch {
	case !ok:
		return 0, "", false, "it does not begin with a code of 200 to 599"
	case len(line) == 3: // RFC 5321 §4.2: the text may be missing altogether.
		return code, "", true, ""
	case line[3] != ' ' && line[3] != '-':
		return 0, "", false, "neither space nor hyphen follows the code"
	}
	return code, line[4:], line[3] == ' ', ""
}

// parseCode parses the basic code at the start of a line. RFC 5321 §4.2 knows
// only 0 to 5 as second digit; others occur, and the first digit decides
// (§4.3.2).
func parseCode(line string) (int, bool) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' {
		return 0, false
	}
	return parseNumber(line[:3])
}

// cutEnhanced splits "5.7.1 text". The class must be the given one (RFC 2034
// §4), and 3yz replies have no enhanced code.
func cutEnhanced(text string, class int) (status Status, rest string, found bool) {
	code, rest, _ := strings.Cut(text, " ")
	numbers := strings.Split(code, ".")
	if len(numbers) != 3 || numbers[0] != string(rune('0'+class)) || class == 3 {
		return Status{}, "", false
	}
	subject, subjectFound := parseNumber(numbers[1])
	detail, detailFound := parseNumber(numbers[2])
	if !subjectFound || !detailFound {
		return Status{}, "", false
	}
	return Status{Subject: subject, Detail: detail}, rest, true
}

// parseNumber parses one to three digits (RFC 3463 §2).
func parseNumber(digits string) (int, bool) {
	if len(digits) < 1 || len(digits) > 3 {
		return 0, false
	}
	n := 0
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, false
		}
		n = n*10 + int(digits[i]-'0')
	}
	return n, true
}
