package alertmail

import (
	"bytes"
	"fmt"
	"mime"
	"mime/quotedprintable"
	"strings"
	"time"

	"postern/domain/alert"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
)

// letter is an alert as a mail message.
type letter struct {
	from, to mailaddr.Mailbox
	prefix   string // of the subject
	alert    alert.Alert
	gateway  mailaddr.DomainName
	date     time.Time
	id       delivery.MessageID
}

// format returns the message with CRLF line ends. Everything in it is ASCII,
// but for a recipient whose address is not (RFC 6532).
func (l letter) format() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: Postern <%s>\r\n", l.from)
	fmt.Fprintf(&b, "To: <%s>\r\n", l.to)
	fmt.Fprintf(&b, "Subject: %s\r\n", l.subject())
	fmt.Fprintf(&b, "Date: %s\r\n", l.date.UTC().Format(time.RFC1123Z))
	fmt.Fprintf(&b, "Message-ID: <%s@%s>\r\n", l.id, l.gateway)
	fmt.Fprintf(&b, "References: <%s@%s>\r\n", l.alert.ID, l.gateway) // puts repeats into one thread
	b.WriteString("Auto-Submitted: auto-generated\r\n")               // RFC 3834 §5
	b.WriteString("MIME-Version: 1.0\r\n")
	b.WriteString("Content-Type: text/plain; charset=utf-8\r\n")
	b.WriteString("Content-Transfer-Encoding: quoted-printable\r\n\r\n")
	text := strings.ReplaceAll(l.alert.Text(l.gateway.String()), "\n", "\r\n")
	body := quotedprintable.NewWriter(&b)
	_, _ = body.Write([]byte(text)) // a buffer takes everything
	_ = body.Close()
	return b.Bytes()
}

// subject is the alert's, behind the prefix, as one header line (RFC 2047).
func (l letter) subject() string {
	return mime.QEncoding.Encode("utf-8", strings.TrimSpace(l.prefix+" "+l.alert.Subject))
}
