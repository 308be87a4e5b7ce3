package queue

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
)

// action is what a delivery status notification says of a recipient (RFC 3464
// §2.3.3).
type action string

const (
	actionFailed  action = "failed"
	actionDelayed action = "delayed"
	actionRelayed action = "relayed"
)

// words are what a notice tells people, by its action.
type words struct{ subject, text string }

func (r *report) words() words {
	switch r.action {
	case actionFailed:
		return words{"Mail could not be delivered", "Your message could not be delivered to the recipients below.\r\nIt will not be tried again.\r\n"}
	case actionRelayed:
		return words{"Mail was passed on", "Your message was passed on to the mail systems of the recipients below.\r\n" +
			"These send no word of their own when it is delivered.\r\n"}
	default:
		return words{"Mail is delayed", "Your message has not yet been delivered to the recipients below.\r\n" +
			"You need not send it again: delivery is tried until\r\n" + r.retryUntil.UTC().Format(time.RFC1123Z) + ".\r\n"}
	}
}

// report is a delivery status notification: a multipart/report of a text for
// people, fields for programs, and what is returned of the message (RFC 3464,
// RFC 6522; for senders with addresses beyond ASCII RFC 6533).
type report struct {
	original   *delivery.Message
	action     action
	recipients []delivery.Recipient
	host       string           // ours
	attempt    delivery.Attempt // the last one, for some of the recipients
	id         delivery.MessageID
	now        time.Time
	retryUntil time.Time
	utf8       bool // may hold more than ASCII in its fields
	returned   []byte
	full       bool // returned is the whole message
}

// format returns the report with CRLF line ends.
func (r *report) format() []byte {
	boundary := "postern." + rand.Text()
	content := r.parts(boundary)
	var b bytes.Buffer
	r.header(&b)
	if !isASCII(content) {
		b.WriteString("Content-Transfer-Encoding: 8bit\r\n")
	}
	fmt.Fprintf(&b, "Content-Type: multipart/report; report-type=%s;\r\n\tboundary=\"%s\"\r\n",
		strings.TrimPrefix(r.statusType(), "message/"), boundary)
	b.Write(content)
	return b.Bytes()
}

func (r *report) header(b *bytes.Buffer) {
	fmt.Fprintf(b, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n", r.host)
	fmt.Fprintf(b, "To: <%s>\r\n", r.original.Sender)
	fmt.Fprintf(b, "Subject: %s\r\n", r.words().subject)
	fmt.Fprintf(b, "Date: %s\r\n", r.now.Format(time.RFC1123Z))
	fmt.Fprintf(b, "Message-ID: <%s@%s>\r\n", r.id, r.host)
	b.WriteString("Auto-Submitted: auto-replied\r\n") // RFC 3834 §5
	b.WriteString("MIME-Version: 1.0\r\n")
}

func (r *report) parts(boundary string) []byte {
	var b bytes.Buffer
	part(&b, boundary, r.textType(), r.encoding())
	r.text(&b)
	part(&b, boundary, r.statusType(), r.encoding())
	r.status(&b)
	if len(r.returned) > 0 {
		r.returnedPart(&b, boundary)
	}
	fmt.Fprintf(&b, "\r\n--%s--\r\n", boundary)
	return b.Bytes()
}

// encoding is that of the parts that we write; empty: the 7bit that needs no
// word.
func (r *report) encoding() string {
	if r.utf8 {
		return "8bit"
	}
	return ""
}

func (r *report) textType() string {
	if r.utf8 {
		return "text/plain; charset=utf-8"
	}
	return "text/plain; charset=us-ascii"
}

func (r *report) statusType() string {
	if r.utf8 {
		return "message/global-delivery-status" // RFC 6533 §6
	}
	return "message/delivery-status"
}

// part opens a part of the report.
func part(b *bytes.Buffer, boundary, contentType, encoding string) {
	fmt.Fprintf(b, "\r\n--%s\r\nContent-Type: %s\r\n", boundary, contentType)
	if encoding != "" {
		fmt.Fprintf(b, "Content-Transfer-Encoding: %s\r\n", encoding)
	}
	b.WriteString("\r\n")
}

// text is the part for people.
func (r *report) text(b *bytes.Buffer) {
	fmt.Fprintf(b, "This is the mail gateway at %s.\r\n\r\n", r.host)
	b.WriteString(r.words().text)
	for _, recipient := range r.recipients {
		fmt.Fprintf(b, "\r\n<%s>:\r\n", r.shown(recipient.Address.String()))
		fold(b, "    ", r.shown(recipient.Last.Text))
	}
}

// status is the part for programs: fields for the message, then a group for
// each recipient.
func (r *report) status(b *bytes.Buffer) {
	fmt.Fprintf(b, "Reporting-MTA: dns; %s\r\n", r.host)
	if r.original.EnvelopeID != "" {
		fmt.Fprintf(b, "Original-Envelope-Id: %s\r\n", r.shown(r.original.EnvelopeID))
	}
	fmt.Fprintf(b, "Arrival-Date: %s\r\n", r.original.ReceivedAt.Format(time.RFC1123Z))
	for _, recipient := range r.recipients {
		b.WriteString("\r\n")
		r.recipientFields(b, recipient)
	}
}

func (r *report) recipientFields(b *bytes.Buffer, to delivery.Recipient) {
	if kind, address, ok := strings.Cut(to.OriginalRecipient, ";"); ok {
		fmt.Fprintf(b, "Original-Recipient: %s;%s\r\n", r.shown(kind), r.shown(address))
	}
	fmt.Fprintf(b, "Final-Recipient: %s\r\n", r.typed(to.Address))
	fmt.Fprintf(b, "Action: %s\r\n", r.action)
	fmt.Fprintf(b, "Status: %s\r\n", r.statusCode(to.Last))
	if to.Last.Remote && r.attempted(to.Index) {
		fmt.Fprintf(b, "Remote-MTA: dns; %s\r\n", r.shown(r.attempt.Host))
	}
	if text := r.shown(to.Last.Text); text != "" {
		kind := "x-postern"
		if to.Last.Remote {
			kind = "smtp"
		}
		fold(b, "", "Diagnostic-Code: "+kind+"; "+text)
	}
	fmt.Fprintf(b, "Last-Attempt-Date: %s\r\n", r.now.Format(time.RFC1123Z))
	if r.action == actionDelayed {
		fmt.Fprintf(b, "Will-Retry-Until: %s\r\n", r.retryUntil.Format(time.RFC1123Z))
	}
}

// attempted reports whether the last attempt was for the recipient and named
// its host.
func (r *report) attempted(recipient int) bool {
	return r.attempt.Host != "" && slices.ContainsFunc(r.attempt.Results, func(result delivery.Result) bool {
		return result.Recipient == recipient
	})
}

// typed returns the address with its type (RFC 3464 §2.3.2; RFC 6533 §3).
func (r *report) typed(m mailaddr.Mailbox) string {
	if m.IsASCII() {
		return "rfc822; " + m.String()
	}
	return "utf-8; " + r.shown(m.String())
}

// statusCode returns the enhanced code, in the class that belongs to the action
// (RFC 3464 §2.3.4).
func (r *report) statusCode(o delivery.Outcome) string {
	class := map[action]string{actionFailed: "5", actionDelayed: "4", actionRelayed: "2"}[r.action]
	if _, rest, ok := strings.Cut(o.Enhanced, "."); ok {
		return class + "." + rest
	}
	return class + ".0.0"
}

// shown makes text fit for a field or a line: no control characters, and no
// more than ASCII where the report may not hold it. Then other characters are
// written as \x{HEX}, the form that RFC 6533 §3 has for addresses.
func (r *report) shown(text string) string {
	if isPrintable(text) {
		return text
	}
	var b strings.Builder
	for _, c := range text {
		switch {
		case c < ' ' || c == 0x7f:
			b.WriteByte(' ')
		case c < utf8.RuneSelf || r.utf8 && c != utf8.RuneError && c > 0x9f:
			b.WriteRune(c)
		default:
			fmt.Fprintf(&b, `\x{%s}`, strings.ToUpper(strconv.FormatInt(int64(c), 16)))
		}
	}
	return b.String()
}

func isPrintable(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// returnedPart adds what is returned of the message.
func (r *report) returnedPart(b *bytes.Buffer, boundary string) {
	eightBit := !isASCII(r.returned)
	switch {
	case !eightBit:
		part(b, boundary, r.returnedType(), "")
		b.Write(r.returned)
	case r.full && !r.original.UTF8:
		part(b, boundary, r.returnedType(), "8bit") // RFC 2046 §5.2.1 has no other
		b.Write(r.returned)
	default:
		part(b, boundary, r.returnedType(), "base64")
		encode(b, r.returned)
	}
}

// returnedType is the type of the returned content; mail under SMTPUTF8 has
// types of its own (RFC 6533 §6).
func (r *report) returnedType() string {
	switch {
	case r.full && r.original.UTF8:
		return "message/global"
	case r.full:
		return "message/rfc822"
	case r.original.UTF8:
		return "message/global-headers"
	default:
		return "text/rfc822-headers"
	}
}

// encodedLine is how many octets make a line of base64 (RFC 2045 §6.8).
const encodedLine = 57

func encode(b *bytes.Buffer, content []byte) {
	for len(content) > 0 {
		n := min(len(content), encodedLine)
		b.WriteString(base64.StdEncoding.EncodeToString(content[:n]))
		b.WriteString("\r\n")
		content = content[n:]
	}
}

// foldAt is the line length from which lines are broken at the next space.
const foldAt = 70

// fold writes text on lines that begin with indent, those after the first also
// with a space, so that a header field stays one.
func fold(b *bytes.Buffer, indent, text string) {
	b.WriteString(indent)
	length := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i > 0 && length > foldAt:
			b.WriteString("\r\n " + indent)
			length = 0
		case i > 0:
			b.WriteByte(' ')
		}
		b.WriteString(word)
		length += len(word) + 1
	}
	b.WriteString("\r\n")
}

// headerOf returns the header of a message; of one that is cut within it, the
// lines that are whole.
func headerOf(content []byte) []byte {
	if i := bytes.Index(content, []byte("\r\n\r\n")); i >= 0 {
		return content[:i+2]
	}
	return content[:bytes.LastIndexByte(content, '\n')+1]
}

func isASCII(content []byte) bool {
	for _, c := range content {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
