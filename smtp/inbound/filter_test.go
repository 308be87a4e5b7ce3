package inbound

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/delivery"
	"postern/domain/policy"
	"postern/smtp/smtptest"
)

// when is a content filter with one condition.
func when(name string, c policy.FilterCondition, actions ...policy.FilterAction) policy.ContentFilter {
	return policy.ContentFilter{
		Name: name, Enabled: true, Match: policy.MatchAll, Conditions: []policy.FilterCondition{c}, Actions: actions,
	}
}

func filterEdit(filters ...policy.ContentFilter) config.Edit {
	return config.Edit{
		Kind: config.KindContentFilters, Key: config.ContentFiltersKey, Value: policy.ContentFilters{Filters: filters},
	}
}

// testFilters are those of the dialogue.
func testFilters() config.Edit {
	reject := func(text string) policy.FilterAction {
		return policy.FilterAction{Action: policy.ActionRejectMessage, Text: text}
	}
	above := policy.FilterCondition{Field: policy.FieldSize, Operator: policy.OperatorGreater, Octets: 21}
	below := policy.FilterCondition{Field: policy.FieldSize, Operator: policy.OperatorLess, Octets: 23}
	exactly22 := when("size", above, reject("the size of 22 is not liked"))
	exactly22.Conditions = append(exactly22.Conditions, below)
	return filterEdit(
		when("words", policy.FilterCondition{Field: policy.FieldSubject, Operator: policy.OperatorMatches, Value: `\bbad words\b`}, reject("no bad words")),
		when("nobody", policy.FilterCondition{Field: policy.FieldRecipient, Operator: policy.OperatorContains, Value: "nobody@"}, reject("")),
		exactly22,
	)
}

// filtered starts a gateway with the filters.
func filtered(t *testing.T, filters ...policy.ContentFilter) *gateway {
	t.Helper()
	return newGateway(t, setup{
		policies: []policy.MailFlowPolicy{flow(policy.ListenerTLSPreferred)}, edits: []config.Edit{filterEdit(filters...)},
	})
}

// sendTo sends one message from a@client.test.
func (g *gateway) sendTo(t *testing.T, content string, to ...string) *delivery.Message {
	t.Helper()
	c := smtptest.Dial(t, g.addr())
	c.Expect(220)
	c.Cmd(250, "EHLO client.test")
	c.Send("a@client.test", to, content)
	c.Quit()
	all := g.all()
	return all[len(all)-1]
}

// flags are the recipients under REQUIRETLS.
func flags(m *delivery.Message) (flagged []string) {
	for _, r := range m.Recipients {
		if r.RequireTLS {
			flagged = append(flagged, r.Address.String())
		}
	}
	return flagged
}

func TestFiltersActOnWhatIsQueued(t *testing.T) { // B55, B59
	secret := policy.FilterCondition{Field: policy.FieldSubject, Operator: policy.OperatorContains, Value: "secret"}
	g := filtered(t,
		when("flag", policy.FilterCondition{Field: policy.FieldRecipient, Operator: policy.OperatorMatches, Value: "^bank"},
			policy.FilterAction{Action: policy.ActionFlagRequireTLS}),
		when("mark", secret,
			policy.FilterAction{Action: policy.ActionAddHeader, Header: "X-Class", Value: "secret"},
			policy.FilterAction{Action: policy.ActionHold}),
		when("mark_more", policy.FilterCondition{Field: policy.FieldSize, Operator: policy.OperatorGreater, Octets: 40},
			policy.FilterAction{Action: policy.ActionAddHeader, Header: "X-Large", Value: "yes"}),
	)
	content := "Subject: top secret\r\n\r\n" + strings.Repeat("x", 30) + "\r\n"
	m := g.sendTo(t, content, "bank1@example.com", "shop@example.com", "bank2@example.com")
	if diff := cmp.Diff([]string{"bank1@example.com", "bank2@example.com"}, flags(m)); diff != "" {
		t.Errorf("flagged:\n%s", diff)
	}
	if got, want := body(t, m), "X-Class: secret\r\nX-Large: yes\r\n"+content; got != want {
		t.Errorf("content %q, want %q", got, want)
	}
	if m.HeldReason != `content filter "mark"` {
		t.Errorf("held %s", m.HeldReason)
	}
	if !m.Held || m.RequireTLS || m.Size != m.Body.Size() {
		t.Errorf("held %t, envelope flag %t, size %d of %d", m.Held, m.RequireTLS, m.Size, m.Body.Size())
	}
	m = g.sendTo(t, "Subject: hi\r\n\r\n", "shop@example.com")
	if m.Held || m.HeldReason != "" || flags(m) != nil || body(t, m) != "Subject: hi\r\n\r\n" {
		t.Errorf("held %t, flags %v, content %q", m.Held, flags(m), body(t, m))
	}
	smtptest.Eventually(t, g.current.Load().Idle, "the connections are over")
	if log := g.log.String(); !strings.Contains(log, `"filters":["flag","mark","mark_more"]`) || strings.Contains(log, "top secret") {
		t.Errorf("the log does not name the filters, or tells the subject: %s", log)
	}
}

func TestFiltersWithoutLookAtTheHeaderKeepNone(t *testing.T) {
	c := &content{dst: new(strings.Builder), maxBytes: 1 << 20, maxHeader: 1000, maxLine: 1000}
	_, _ = c.Write([]byte("Subject: x\r\n\r\nbody\r\n"))
	if c.kept != nil {
		t.Errorf("kept %q", c.kept)
	}
	c = &content{dst: new(strings.Builder), maxBytes: 1 << 20, maxHeader: 1000, maxLine: 1000, keep: true}
	for _, octet := range []byte("Subject: x\r\n folded\r\n\r\nbody\r\n") {
		_, _ = c.Write([]byte{octet})
	}
	if got := string(c.kept); got != "Subject: x\r\n folded\r\n\r\n" {
		t.Errorf("kept %q", got)
	}
}

func TestTaggedRecipients(t *testing.T) { // B4, B55
	flag := when("all", policy.FilterCondition{Field: policy.FieldSize, Operator: policy.OperatorGreater},
		policy.FilterAction{Action: policy.ActionFlagRequireTLS})
	for name, tc := range map[string]struct {
		settings policy.RequireTLSSettings
		filters  []policy.ContentFilter
		wire     string
		flagged  []string
	}{
		"on":               {policy.RequireTLSSettings{Enabled: true}, nil, "b+RequireTLS@example.com", []string{"b+RequireTLS@example.com"}},
		"stripped":         {policy.RequireTLSSettings{Enabled: true, StripTag: true}, nil, "b@example.com", []string{"b@example.com"}},
		"off":              {policy.RequireTLSSettings{StripTag: true}, nil, "b+RequireTLS@example.com", nil},
		"off, with filter": {policy.RequireTLSSettings{}, []policy.ContentFilter{flag}, "b+RequireTLS@example.com", nil},
	} {
		t.Run(name, func(t *testing.T) {
			g := filtered(t, tc.filters...)
			configtest.Commit(t, g.config, config.Edit{Kind: config.KindSettings, Key: config.SectionRequireTLS, Value: tc.settings})
			m := g.sendTo(t, "Subject: x\r\n\r\n", "b+RequireTLS@example.com", "c@example.com")
			if diff := cmp.Diff(tc.flagged, flags(m)); diff != "" {
				t.Errorf("flagged:\n%s", diff)
			}
			if got := m.Recipients[0].Address.String(); got != tc.wire {
				t.Errorf("the address became %s", got)
			}
		})
	}
}

// A message keeps the filters that were in force at MAIL.
func TestFiltersArePinnedAtMAIL(t *testing.T) {
	g := filtered(t)
	c := smtptest.Dial(t, g.addr())
	c.Expect(220)
	c.Cmd(250, "EHLO client.test")
	c.Cmd(250, "MAIL FROM:<a@client.test>")
	c.Cmd(250, "RCPT TO:<b@example.com>")
	configtest.Commit(t, g.config, filterEdit(when("all", policy.FilterCondition{Field: policy.FieldSize, Operator: policy.OperatorGreater},
		policy.FilterAction{Action: policy.ActionRejectMessage})))
	c.Cmd(354, "DATA")
	c.Cmd(250, "Subject: x\r\n\r\n.")
	c.Cmd(250, "MAIL FROM:<a@client.test>")
	c.Cmd(250, "RCPT TO:<b@example.com>")
	c.Cmd(354, "DATA")
	c.Cmd(550, "Subject: x\r\n\r\n.")
	c.Quit()
}
