package outbound

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/smtp/smtptest"
)

// answers gives a reply at a stage.
func answers(stage, reply string) smtptest.MXOptions {
	return smtptest.MXOptions{Actions: map[string]smtptest.Action{stage: smtptest.Answer(reply)}}
}

// responding gives replies by the argument of RCPT.
func responding(byAddress map[string]string) smtptest.MXOptions {
	return smtptest.MXOptions{Respond: func(c smtptest.Command) (smtptest.Action, bool) {
		for address, reply := range byAddress {
			if c.Stage == "RCPT" && strings.Contains(c.Argument, address) {
				return smtptest.Answer(reply), true
			}
		}
		return smtptest.Action{}, false
	}}
}

// styles are the ways of talking, which must come to the same.
func styles() map[string][]string {
	return map[string][]string{
		"pipelining and BDAT": nil,
		"pipelining and DATA": {"CHUNKING"},
		"lockstep and BDAT":   {"PIPELINING"},
		"lockstep and DATA":   {"PIPELINING", "CHUNKING"},
	}
}

// inStyles runs a test in every way of talking.
func inStyles(t *testing.T, options smtptest.MXOptions, test func(*testing.T, *rig, *smtptest.MX)) {
	t.Helper()
	for name, without := range styles() {
		t.Run(name, func(t *testing.T) {
			options := options
			options.Without = append(slices.Clone(options.Without), without...)
			r := newRig(t)
			mx := r.simple(options)
			test(t, r, mx)
			conforms(t, mx)
		})
	}
}

func TestContentArrivesAsItIs(t *testing.T) {
	contents := map[string]string{
		"small":  body,
		"dots":   "Subject: x\r\n\r\n.\r\n..\r\n.x\r\n",
		"big":    "Subject: x\r\n\r\n" + strings.Repeat(".line "+strings.Repeat("x", 70)+"\r\n", 5000),
		"header": "Subject: x\r\n\r\n",
	}
	for name, content := range contents {
		t.Run(name, func(t *testing.T) {
			inStyles(t, smtptest.MXOptions{}, func(t *testing.T, r *rig, mx *smtptest.MX) {
				want(t, r.deliver(mail(t, content, "b@example.com")), delivered)
				got := mx.Messages()
				if len(got) != 1 || string(got[0].Content) != content {
					t.Fatal("the content changed on the way")
				}
			})
		})
	}
}

// TestPerRecipient is N27: every recipient has its own outcome.
func TestPerRecipient(t *testing.T) {
	options := responding(map[string]string{"later@": "450 4.2.1 later", "never@": "550 5.1.1 no such user"})
	inStyles(t, options, func(t *testing.T, r *rig, mx *smtptest.MX) {
		a := r.send("ok@example.com", "later@example.com", "never@example.com", "ok2@example.com")
		if diff := cmp.Diff([]string{delivered, "deferred transfer 450 4.2.1", "bounced transfer 550 5.1.1", delivered}, outcomes(a)); diff != "" {
			t.Error(diff)
		}
		if !a.Results[2].Outcome.Remote || a.Results[2].Outcome.Text != "550 5.1.1 no such user" {
			t.Errorf("recorded %+v", a.Results[2].Outcome)
		}
		if got := mx.Messages()[0].Recipients; len(got) != 2 {
			t.Errorf("went to %v", got)
		}
	})
}

// TestNoRecipientAccepted shows that no content is sent without a recipient, and
// that the connection is of use afterwards.
func TestNoRecipientAccepted(t *testing.T) {
	options := responding(map[string]string{"never@": "550 5.1.1 no such user"})
	inStyles(t, options, func(t *testing.T, r *rig, mx *smtptest.MX) {
		want(t, r.send("never@example.com"), "bounced transfer 550 5.1.1")
		a := r.send("ok@example.com")
		want(t, a, delivered)
		if !a.Reused || mx.Connections() != 1 || len(mx.Messages()) != 1 {
			t.Errorf("reused %t, %d connections, %d messages", a.Reused, mx.Connections(), len(mx.Messages()))
		}
		if !slices.Contains(said(mx, 1), "RSET") {
			t.Error("no RSET between the transactions")
		}
	})
}

// TestDataAcceptedWithoutRecipients is a peer that says 354 all the same (RFC
// 2920 §3.1).
func TestDataAcceptedWithoutRecipients(t *testing.T) {
	options := responding(map[string]string{"never@": "550 5.1.1 no such user"})
	options.Without = []string{"CHUNKING"}
	ended := "554 5.5.1 no recipients"
	options.Actions = map[string]smtptest.Action{"DATA": smtptest.Answer("354 go on"), ".": smtptest.Answer(ended)}
	r := newRig(t)
	mx := r.simple(options)
	want(t, r.send("never@example.com"), "bounced transfer 550 5.1.1")
	if len(mx.Messages()) != 0 {
		t.Error("a message went out")
	}
}

// TestDataAcceptedWithoutSender is the same behind a refused MAIL: the connection
// stays in step.
func TestDataAcceptedWithoutSender(t *testing.T) {
	r := newRig(t)
	stubborn(t, r, false, "220 mx", "250-mx\r\n250 PIPELINING", "550 5.7.1 not you", "503 5.5.1 no", "354 go on", "554 5.5.1 none")
	want(t, r.send("b@example.com"), "bounced transfer 550 5.7.1")
	if r.IdleConnections() != 1 {
		t.Error("the connection was not kept")
	}
}

func TestRepliesToStages(t *testing.T) {
	tests := []struct {
		stage, reply, want string
	}{
		{"MAIL", "550 5.7.1 not you", "bounced transfer 550 5.7.1"},
		{"MAIL", "451 4.7.1 greylisted", "deferred transfer 451 4.7.1"},
		{"MAIL", "550 not you", "bounced transfer 550 5.0.0"},
		{"RCPT", "421 4.3.2 closing", "deferred transfer 421 4.3.2"},
		{".", "554 5.6.0 spam", "bounced transfer 554 5.6.0"},
		{".", "451 4.3.0 later", "deferred transfer 451 4.3.0"},
		{".", "421 4.3.2 closing", "deferred transfer 421 4.3.2"},
		{"CONNECT", "421 4.3.2 busy", "deferred connect 421 4.3.2"},
		// A host that turns us away as a whole says nothing about the recipient.
		{"CONNECT", "554 5.7.1 go away", "deferred connect 554 4.7.1"},
		{"EHLO", "421 4.3.2 busy", "deferred connect 421 4.3.2"},
	}
	for _, tt := range tests {
		t.Run(tt.stage+" "+tt.reply, func(t *testing.T) {
			inStyles(t, answers(tt.stage, tt.reply), func(t *testing.T, r *rig, mx *smtptest.MX) {
				want(t, r.send("b@example.com"), tt.want)
				if len(mx.Messages()) != 0 {
					t.Error("the message went out")
				}
			})
		})
	}
}

// TestNoReplyToTheContent is a peer that says 354 twice: whether it took the
// message is not known.
func TestNoReplyToTheContent(t *testing.T) {
	inStyles(t, answers(".", "354 what"), func(t *testing.T, r *rig, mx *smtptest.MX) {
		want(t, r.send("b@example.com"), "deferred transfer 451 4.5.0")
		smtptest.Eventually(t, func() bool { return mx.OpenConnections() == 0 }, "the connection to be closed")
	})
}

// TestDataRefused covers the reply to DATA itself.
func TestDataRefused(t *testing.T) {
	for reply, outcome := range map[string]string{
		"554 5.7.1 no": "bounced transfer 554 5.7.1", "451 4.3.0 later": "deferred transfer 451 4.3.0",
	} {
		options := answers("DATA", reply)
		options.Without = []string{"CHUNKING"}
		r := newRig(t)
		r.simple(options)
		want(t, r.send("b@example.com"), outcome)
	}
}

// TestHELO is a peer that does not know EHLO (RFC 5321 §3.2).
func TestHELO(t *testing.T) {
	for _, reply := range []string{"500 what", "502 5.5.1 no"} {
		r := newRig(t)
		mx := r.simple(answers("EHLO", reply))
		want(t, r.send("b@example.com"), delivered)
		if got := said(mx, 1)[:3]; !slices.Equal(got, []string{"CONNECT", "EHLO", "HELO"}) {
			t.Errorf("said %q", got)
		}
		conforms(t, mx)
	}
}

// TestTooManyRecipients is the 452 of RFC 5321 §4.5.3.1.10: the rest goes in
// another transaction, at once.
func TestTooManyRecipients(t *testing.T) {
	for _, reply := range []string{"452 4.5.3 too many", "452 too many", "552 too many"} {
		t.Run(reply, func(t *testing.T) {
			count := 0
			options := smtptest.MXOptions{Respond: func(c smtptest.Command) (smtptest.Action, bool) {
				switch c.Stage {
				case "MAIL":
					count = 0
				case "RCPT":
					count++
					return smtptest.Answer(reply), count > 2
				}
				return smtptest.Action{}, false
			}}
			r := newRig(t)
			mx := r.simple(options)
			a := r.send("1@example.com", "2@example.com", "3@example.com", "4@example.com", "5@example.com")
			for _, got := range outcomes(a) {
				if got != delivered {
					t.Errorf("got %v", outcomes(a))
				}
			}
			if mx.Connections() != 1 || len(mx.Messages()) != 3 {
				t.Errorf("%d messages over %d connections", len(mx.Messages()), mx.Connections())
			}
			conforms(t, mx)
		})
	}
	// Without a single one accepted there is nothing to go on with.
	r := newRig(t)
	r.simple(answers("RCPT", "552 too many"))
	want(t, r.send("b@example.com"), "deferred transfer 452 4.0.0")
}

func TestLimitsOfThePeer(t *testing.T) {
	keywords := []string{"PIPELINING", "LIMITS RCPTMAX=2 MAILMAX=2", "CHUNKING"}
	r := newRig(t)
	mx := r.simple(smtptest.MXOptions{Keywords: keywords})
	a := r.send("1@example.com", "2@example.com", "3@example.com", "4@example.com", "5@example.com")
	for _, got := range outcomes(a) {
		if got != delivered {
			t.Errorf("got %v", outcomes(a))
		}
	}
	if len(mx.Messages()) != 3 || mx.Connections() != 2 {
		t.Errorf("%d messages over %d connections", len(mx.Messages()), mx.Connections())
	}
}

func TestManyRecipients(t *testing.T) {
	r := newRig(t)
	mx := r.simple(smtptest.MXOptions{})
	var list []string
	for i := range 250 {
		list = append(list, fmt.Sprintf("u%d@example.com", i))
	}
	a := r.send(list...)
	for i, got := range outcomes(a) {
		if got != delivered {
			t.Fatalf("recipient %d: %s", i, got)
		}
	}
	var sizes []int
	for _, m := range mx.Messages() {
		sizes = append(sizes, len(m.Recipients))
	}
	if !slices.Equal(sizes, []int{100, 100, 50}) || mx.Connections() != 1 {
		t.Errorf("batches of %v over %d connections", sizes, mx.Connections())
	}
	conforms(t, mx)
}
