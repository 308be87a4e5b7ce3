package queue

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"net/textproto"
	"strings"
	"testing"

	"postern/domain/delivery"
)

// notice is a notice, taken apart.
type notice struct {
	message delivery.Message
	raw     string
	header  mail.Header
	types   []string // of the parts
	parts   []string
	fields  []textproto.MIMEHeader // of the second part
}

func parseNotice(t *testing.T, m delivery.Message) (n notice) {
	t.Helper()
	n.message = m
	r, err := m.Body.Open()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	n.raw = string(raw)
	checkLines(t, n.raw)
	parsed, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	n.header = parsed.Header
	kind, params, err := mime.ParseMediaType(n.header.Get("Content-Type"))
	if err != nil || kind != "multipart/report" {
		t.Fatalf("type is %s, %v", kind, err)
	}
	parts := multipart.NewReader(parsed.Body, params["boundary"])
	for {
		p, err := parts.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		n.add(t, p)
	}
	return n
}

func (n *notice) add(t *testing.T, p *multipart.Part) {
	t.Helper()
	var content io.Reader = p
	if p.Header.Get("Content-Transfer-Encoding") == "base64" {
		content = base64.NewDecoder(base64.StdEncoding, p)
	}
	text, err := io.ReadAll(content)
	if err != nil {
		t.Fatal(err)
	}
	n.types = append(n.types, p.Header.Get("Content-Type"))
	n.parts = append(n.parts, string(text))
	if len(n.parts) != 2 {
		return
	}
	fields := textproto.NewReader(bufio.NewReader(strings.NewReader(string(text) + "\r\n\r\n")))
	for {
		group, err := fields.ReadMIMEHeader()
		if len(group) > 0 {
			n.fields = append(n.fields, group)
		}
		if err != nil || len(group) == 0 {
			return
		}
	}
}

// checkLines fails the test unless the text may travel as it is.
func checkLines(t *testing.T, text string) {
	t.Helper()
	for line := range strings.SplitSeq(text, "\r\n") {
		if strings.ContainsAny(line, "\r\n\x00") || len(line) > 998 {
			t.Errorf("line %.100q is not fit for mail", line)
		}
	}
}

// bounceOf sends a message that bounces and returns the notice.
func (r *rig) bounceOf(m *delivery.Message, o delivery.Outcome) notice {
	r.t.Helper()
	r.peer.says(o)
	r.enqueue(m)
	r.settle()
	notices := r.store.notices()
	if len(notices) != 1 {
		r.t.Fatalf("%d notices", len(notices))
	}
	return parseNotice(r.t, notices[0])
}
