package tlsrpt

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"time"
)

// Letter is a report as mail (RFC 8460 §5.3).
type Letter struct {
	From, To  string
	MessageID string // without angle brackets
	Date      time.Time
	Domain    string // whose policies the report is about
	Submitter string // our domain
	Report    Report
}

// Format returns the message with CRLF line ends, not yet signed.
func (l Letter) Format() ([]byte, error) {
	attachment, err := Compress(l.Report)
	if err != nil {
		return nil, err
	}
	const boundary = "postern-tls-report" // occurs in no base64 and not in the text
	var b bytes.Buffer
	line := func(format string, values ...any) { fmt.Fprintf(&b, format+"\r\n", values...) }
	line("From: <%s>", l.From)
	line("To: <%s>", l.To)
	line("Subject: Report Domain: %s\r\n Submitter: %s\r\n Report-ID: <%s>", l.Domain, l.Submitter, l.Report.ID)
	line("Date: %s", l.Date.UTC().Format(time.RFC1123Z))
	line("Message-ID: <%s>", l.MessageID)
	line("TLS-Report-Domain: %s", l.Domain)
	line("TLS-Report-Submitter: %s", l.Submitter)
	line("TLS-Required: No") // RFC 8460 §5.3: the very failure it reports must not stop it
	line("Auto-Submitted: auto-generated")
	line("MIME-Version: 1.0")
	line("Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n boundary=\"%s\"", boundary)
	line("\r\n--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n", boundary)
	line("This is an aggregate TLS report from %s about %s.", l.Submitter, l.Domain)
	line("\r\n--%s\r\nContent-Type: application/tlsrpt+gzip", boundary)
	line("Content-Transfer-Encoding: base64")
	line("Content-Disposition: attachment;\r\n filename=\"%s\"\r\n", l.FileName())
	for chunk := base64.StdEncoding.EncodeToString(attachment); chunk != ""; {
		n := min(len(chunk), 76)
		line("%s", chunk[:n])
		chunk = chunk[n:]
	}
	line("\r\n--%s--", boundary)
	return b.Bytes(), nil
}

// FileName is the name of the attachment (RFC 8460 §5.1).
func (l Letter) FileName() string {
	return fmt.Sprintf("%s!%s!%d!%d.json.gz", l.Submitter, l.Domain, l.Report.Range.Start.Unix(), l.Report.Range.End.Unix())
}

// Compress returns the report as it is sent by both ways.
func Compress(r Report) ([]byte, error) {
	content, err := r.Encode()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	_, err = zip.Write(content)
	err = errors.Join(err, zip.Close()) // before what it has written is taken
	return b.Bytes(), err
}

// Bounds on a message that is searched for a report.
const (
	maxParts = 20
	maxDepth = 3
)

// FromMessage finds the report in a mail message.
func FromMessage(r io.Reader) (Report, error) {
	message, err := mail.ReadMessage(bufio.NewReader(io.LimitReader(r, 4*MaxCompressed)))
	if err != nil {
		return Report{}, fmt.Errorf("read the header of the message: %w", err)
	}
	return fromPart(message.Header.Get, message.Body, maxDepth)
}

// fromPart finds the report in a part of a message, or in the message itself.
func fromPart(header func(string) string, body io.Reader, depth int) (Report, error) {
	kind, parameters, _ := mime.ParseMediaType(header("Content-Type"))
	switch {
	case strings.HasPrefix(kind, "multipart/") && depth > 0:
		return fromParts(multipart.NewReader(body, parameters["boundary"]), depth-1)
	case holdsReport(kind, header("Content-Disposition"), parameters["name"]):
		return Open(decoded(header("Content-Transfer-Encoding"), body))
	}
	return Report{}, ErrNoReport
}

func fromParts(parts *multipart.Reader, depth int) (Report, error) {
	for range maxParts {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Report{}, fmt.Errorf("read the parts of the message: %w", err)
		}
		if r, err := fromPart(part.Header.Get, part, depth); !errors.Is(err, ErrNoReport) {
			return r, err
		}
	}
	return Report{}, ErrNoReport
}

// holdsReport tells a report by its media type or, where a reporter got that wrong,
// by its file name.
func holdsReport(kind, disposition, name string) bool {
	if kind == "application/tlsrpt+gzip" || kind == "application/tlsrpt+json" {
		return true
	}
	_, parameters, _ := mime.ParseMediaType(disposition)
	for _, n := range []string{name, parameters["filename"]} {
		if strings.HasSuffix(n, ".json.gz") || strings.HasSuffix(n, ".json") {
			return true
		}
	}
	return false
}

func decoded(encoding string, body io.Reader) io.Reader {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		return quotedprintable.NewReader(body)
	}
	return body
}
