package main

import (
	"strings"
	"testing"

	"postern/smtp/smtptest"
)

// A flagged recipient and one that is not, in one transaction to one domain: the
// first bounces at once and its notice keeps the body to itself, the second is
// served as if the feature were off (B55, B57).
func TestFlaggedMailBouncesWithoutItsBody(t *testing.T) {
	g := newGateway(t, t.TempDir())
	mx, home := smtptest.NewMX(t, smtptest.MXOptions{}), smtptest.NewMX(t, smtptest.MXOptions{})
	g.switchOnTLS()
	g.must("PUT", "/destination-controls/default", `{"tls_level":"preferred"}`)
	g.must("PUT", "/content-filters/bank", `{"enabled":true,"match":"all",
		"conditions":[{"field":"recipient","operator":"matches","value":"^bank@"}],"actions":[{"action":"flag_requiretls"}]}`)
	g.routeTo("sender.example", home)
	g.routeTo("example.com", mx)

	c := g.session("outbound")
	c.Cmd(250, "MAIL FROM:<a@sender.example> RET=FULL")
	for _, to := range []string{"b+requiretls@example.com", "c@example.com", "bank@example.com", "d@example.com"} {
		c.Cmd(250, "RCPT TO:<%s>", to)
	}
	c.Cmd(354, "DATA")
	c.Cmd(250, "Subject: plans\r\n\r\nthe secret\r\n.")
	c.Quit()

	m := mx.WaitMessages(t, 1)[0]
	if len(m.Recipients) != 2 || m.Recipients[0].Address != "c@example.com" || m.Recipients[1].Address != "d@example.com" {
		t.Errorf("delivered to %v", m.Recipients)
	}
	notice := string(home.WaitMessages(t, 1)[0].Content)
	for _, part := range []string{"Status: 5.7.10", "rfc822; b+requiretls@example.com", "rfc822; bank@example.com", "Subject: plans"} {
		if !strings.Contains(notice, part) {
			t.Errorf("the notice does not say %q", part)
		}
	}
	if strings.Contains(notice, "the secret") || strings.Contains(notice, "c@example.com") {
		t.Errorf("the notice tells more than it should:\n%s", notice)
	}
	if n, notices := len(mx.Messages()), len(home.Messages()); n != 1 || notices != 1 {
		t.Errorf("%d messages and %d notices went out", n, notices)
	}
}

// A filter holds a message until an administrator releases it, and marks it; one
// that is rejected never gets into the queue (B59).
func TestFilteredMailIsHeldAndReleased(t *testing.T) {
	g := newGateway(t, t.TempDir())
	mx := smtptest.NewMX(t, smtptest.MXOptions{})
	g.routeTo("example.com", mx)
	g.must("PUT", "/content-filters/hold?wait=5s", `{"enabled":true,"match":"any",
		"conditions":[{"field":"subject","operator":"contains","value":"invoice"}],
		"actions":[{"action":"add_header","header":"X-Reason","value":"invoice"},{"action":"hold"}]}`)
	g.must("PUT", "/content-filters/reject?wait=5s", `{"enabled":true,"match":"all",
		"conditions":[{"field":"size","operator":"greater","octets":300000}],"actions":[{"action":"reject","text":"too much"}]}`)

	c := g.session("outbound")
	large := "Subject: invoice\r\n\r\n" + strings.Repeat(strings.Repeat("x", 98)+"\r\n", 2500) // a file in the spool
	c.Send("a@sender.example", []string{"b@example.com"}, large)
	c.Cmd(250, "MAIL FROM:<a@sender.example>")
	c.Cmd(250, "RCPT TO:<b@example.com>")
	c.Cmd(354, "DATA")
	r := c.Cmd(550, "%s", large+large+".")
	if r.Text() != "too much" {
		t.Errorf("rejected with %q", r.Text())
	}
	c.Quit()

	type message struct {
		ID, State string
		Reason    string `json:"held_reason"`
	}
	list := decode[struct{ Items []message }](t, g.must("GET", "/messages", ""))
	if len(list.Items) != 1 || list.Items[0].State != "held" || list.Items[0].Reason != `content filter "hold"` {
		t.Fatalf("in the queue: %+v", list)
	}
	path := "/messages/" + list.Items[0].ID
	for _, again := range []string{"/hold", "/release"} { // who holds it first stays the reason
		if got := decode[message](t, g.must("GET", path, "")); got.Reason != `content filter "hold"` {
			t.Errorf("held by %s", got.Reason)
		}
		g.must("POST", path+again, "")
	}
	content := string(mx.WaitMessages(t, 1)[0].Content)
	received, rest, _ := strings.Cut(content, "X-Reason: invoice\r\n")
	if !strings.HasPrefix(received, "Received: ") || rest != large {
		t.Errorf("arrived with %d octets behind %q", len(rest), received)
	}
}
