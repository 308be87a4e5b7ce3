package alertmail

import (
	"bytes"
	"mime"
	"net/mail"
	"strings"
	"testing"
	"time"

	"postern/domain/alert"
	"postern/domain/mailaddr"
)

// Whatever an alert says, the letter has our header fields and no others.
func FuzzLetter(f *testing.F) {
	f.Add("[gw]", "TLS failed to example.com", "450 4.7.4 no")
	f.Add("", "x\r\nBcc: y@example.net\r\n\r\nbody", ".\r\n\r\n.\n")
	f.Add("ü", "\x00\x7f\xff=?utf-8?q?x?=", strings.Repeat("a", 2000))
	f.Fuzz(func(t *testing.T, prefix, subject, detail string) {
		l := letter{
			from: mailaddr.Mailbox{Local: "postern", Domain: "example.com"}, to: mailaddr.Mailbox{Local: "a", Domain: "example.org"},
			prefix: prefix, alert: alert.Alert{ID: "1", Subject: subject, Detail: detail}, gateway: "mail.example.com", date: time.Now(),
		}
		content := l.format()
		if lines := bytes.Count(content, []byte("\r\n")); bytes.Count(content, []byte("\n")) != lines || bytes.Count(content, []byte("\r")) != lines {
			t.Fatalf("a bare line end in %q", content)
		}
		m, err := mail.ReadMessage(bytes.NewReader(content))
		if err != nil {
			t.Fatalf("%v: %q", err, content)
		}
		if len(m.Header) != 10 || len(m.Header["Bcc"]) > 0 {
			t.Fatalf("header fields %v", m.Header)
		}
		if _, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
			t.Fatalf("subject %q: %v", m.Header.Get("Subject"), err)
		}
	})
}
