package inbound

import (
	"crypto/tls"
	"io"
	"strings"
	"testing"

	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/policy"
	"postern/smtp/smtptest"
)

func requireTLS(settings policy.RequireTLSSettings) config.Edit {
	return config.Edit{Kind: config.KindSettings, Key: config.SectionRequireTLS, Value: settings}
}

// encryptedSession begins a session inside TLS.
func encryptedSession(t *testing.T, g *gateway) *smtptest.Client {
	t.Helper()
	c := smtptest.Dial(t, g.addr())
	c.Expect(220)
	c.Cmd(250, "EHLO client.test")
	c.StartTLS(&tls.Config{InsecureSkipVerify: true})
	c.Cmd(250, "EHLO client.test")
	return c
}

// B55, B58: the flag of MAIL is kept with the envelope, for that message only,
// and nothing in the content tells of it.
func TestFlagOfMAILIsKeptInTheEnvelope(t *testing.T) {
	g := filtered(t)
	c := encryptedSession(t, g)
	for _, parameter := range []string{" REQUIRETLS", ""} {
		c.Cmd(250, "MAIL FROM:<a@client.test>%s", parameter)
		c.Cmd(250, "RCPT TO:<b@example.com>")
		c.Cmd(354, "DATA")
		c.Cmd(250, "Subject: x\r\n\r\n.")
	}
	c.Quit()
	all := g.all()
	if len(all) != 2 || !all[0].RequireTLS || all[1].RequireTLS {
		t.Fatalf("%d messages arrived, flagged %t and %t", len(all), all[0].RequireTLS, all[1].RequireTLS)
	}
	reader, err := all[0].Body.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if content, err := io.ReadAll(reader); err != nil || strings.Contains(strings.ToUpper(string(content)), "REQUIRETLS") {
		t.Errorf("the content %q tells of the flag (%v)", content, err)
	}
}

// A session that was offered REQUIRETLS gets none once it is switched off, and one
// that began before it was switched on may use it: MAIL goes by the newest
// configuration.
func TestSwitchOfREQUIRETLSIsHeardAtMAIL(t *testing.T) {
	g := filtered(t)
	c := encryptedSession(t, g)
	configtest.Commit(t, g.config, requireTLS(policy.RequireTLSSettings{}))
	c.Cmd(555, "MAIL FROM:<a@client.test> REQUIRETLS")
	configtest.Commit(t, g.config, requireTLS(policy.RequireTLSSettings{Enabled: true}))
	c.Cmd(250, "MAIL FROM:<a@client.test> REQUIRETLS")
	c.Quit()
}

// B55: where the tag is taken off, notices still name the address that the sender
// wrote, unless he has named another one.
func TestStrippedTagStaysKnownToTheSender(t *testing.T) {
	g := newGateway(t, setup{
		policies: []policy.MailFlowPolicy{flow(policy.ListenerTLSPreferred)},
		edits:    []config.Edit{requireTLS(policy.RequireTLSSettings{Enabled: true, StripTag: true})},
	})
	c := smtptest.Dial(t, g.addr())
	c.Expect(220)
	c.Cmd(250, "EHLO client.test")
	c.Cmd(250, "MAIL FROM:<a@client.test> SMTPUTF8")
	c.Cmd(250, "RCPT TO:<b+requiretls@example.com>")
	c.Cmd(250, "RCPT TO:<c+requiretls@example.com> ORCPT=rfc822;first@example.com")
	c.Cmd(250, "RCPT TO:<ä+requiretls@example.com>")
	c.Cmd(250, "RCPT TO:<d@example.com>")
	c.Cmd(354, "DATA")
	c.Cmd(250, "Subject: x\r\n\r\n.")
	c.Quit()
	want := []string{"rfc822;b+requiretls@example.com", "RFC822;first@example.com", "utf-8;ä+requiretls@example.com", ""}
	for i, r := range g.all()[0].Recipients {
		if r.OriginalRecipient != want[i] || strings.Contains(r.Address.Local, "+") {
			t.Errorf("%s has the original recipient %q, want %q", r.Address, r.OriginalRecipient, want[i])
		}
	}
}

// B58; RFC 8689 §3: the header lowers protection, so that only the one form that
// is defined counts.
func TestTLSRequiredHeader(t *testing.T) {
	g := filtered(t)
	for name, tc := range map[string]struct {
		header string
		want   bool
	}{
		"as defined":               {"TLS-Required: No\r\n", true},
		"in any case":              {"tls-REQUIRED:nO \t\r\n", true},
		"below others":             {"Subject: x\r\n folded\r\nTLS-Required: No\r\nTo: b@example.com\r\n", true},
		"folded":                   {"TLS-Required:\r\n No\r\n", true},
		"another value":            {"TLS-Required: Yes\r\n", false},
		"more than the value":      {"TLS-Required: No\r\n thanks\r\n", false},
		"a comment":                {"TLS-Required: No (please)\r\n", false},
		"no value":                 {"TLS-Required:\r\n", false},
		"twice":                    {"TLS-Required: No\r\nTLS-Required: No\r\n", false},
		"twice, one of another":    {"TLS-Required: No\r\nTLS-Required: Yes\r\n", false},
		"another name":             {"X-TLS-Required: No\r\n", false},
		"a longer name":            {"TLS-Required-By: No\r\n", false},
		"folded into another":      {"Subject: x\r\n TLS-Required: No\r\n", false},
		"far to the right":         {"TLS-Required: " + strings.Repeat(" ", 80) + "No\r\n", false},
		"a value that goes on":     {"TLS-Required: No" + strings.Repeat(" ", 80) + "t\r\n", false},
		"folded without end":       {"TLS-Required: N\r\n" + strings.Repeat(" \r\n", 90) + "o\r\n", false},
		"in the body":              {"Subject: x\r\n\r\nTLS-Required: No\r\n", false},
		"not there":                {"Subject: x\r\n", false},
		"white space before colon": {"TLS-Required : No\r\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := g.sendTo(t, tc.header+"\r\nbody\r\n", "b@example.com").TLSRequiredNo; got != tc.want {
				t.Errorf("got %t", got)
			}
		})
	}
}

// B58: the header is ignored on flagged mail, and where the feature is off; it
// stays in the message all the same.
func TestTLSRequiredHeaderIsIgnored(t *testing.T) {
	const content = "TLS-Required: No\r\n\r\nbody\r\n"
	for name, tc := range map[string]struct {
		settings  policy.RequireTLSSettings
		parameter string
		want      bool
	}{
		"on":      {policy.RequireTLSSettings{Enabled: true}, "", true},
		"flagged": {policy.RequireTLSSettings{Enabled: true}, " REQUIRETLS", false},
		"off":     {policy.RequireTLSSettings{}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			g := filtered(t)
			configtest.Commit(t, g.config, requireTLS(tc.settings))
			c := encryptedSession(t, g)
			c.Cmd(250, "MAIL FROM:<a@client.test>%s", tc.parameter)
			c.Cmd(250, "RCPT TO:<b@example.com>")
			c.Cmd(354, "DATA")
			c.Cmd(250, "%s.", content)
			c.Quit()
			m := g.all()[0]
			if m.TLSRequiredNo != tc.want || body(t, m) != content {
				t.Errorf("lifted %t, content %q", m.TLSRequiredNo, body(t, m))
			}
		})
	}
}

func FuzzTLSRequired(f *testing.F) {
	for _, seed := range []string{"TLS-Required: No", "tls-required:\r\n no", "TLS-Required: No\r\nTLS-Required: No", "Subject: x\r\n No"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		var field tlsRequired
		lines, named := strings.Split(header, "\r\n"), 0
		for _, line := range lines {
			field.line([]byte(line[:min(len(line), headOctets)]), len(line) <= headOctets)
			if strings.HasPrefix(strings.ToLower(line), "tls-required:") {
				named++
			}
		}
		if field.no() && (named != 1 || !strings.Contains(strings.ToLower(header), "no")) {
			t.Errorf("%q counts, with %d fields", header, named)
		}
		if len(field.value) > 2*headOctets {
			t.Errorf("%d octets are kept", len(field.value))
		}
	})
}
