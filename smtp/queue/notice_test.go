package queue

import (
	"io"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"postern/domain/delivery"
	"postern/domain/policy"
)

func TestFailureNotice(t *testing.T) {
	// RFC 3464, RFC 3461
	inBubble(t, func(r *rig) {
		m := r.message("ben@example.net", "carl@example.net")
		m.EnvelopeID = "env-1"
		m.Recipients[0].OriginalRecipient = "rfc822;benjamin@example.org"
		n := r.bounceOf(m, never)
		to := n.message.Recipients
		if len(to) != 1 || to[0].Address != m.Sender || to[0].Notify != "NEVER" || !n.message.Sender.IsNull() {
			t.Errorf("the notice goes to %+v", to)
		}
		if n.message.EightBit || n.message.UTF8 || n.message.Size != int64(len(n.raw)) {
			t.Errorf("envelope: %+v", n.message.Envelope)
		}
		for field, want := range map[string]string{
			"From": "Mail Delivery System <MAILER-DAEMON@gateway.example>", "To": "<anna@sender.example>",
			"Auto-Submitted": "auto-replied", "Mime-Version": "1.0",
		} {
			if got := n.header.Get(field); got != want {
				t.Errorf("%s is %q, want %q", field, got, want)
			}
		}
		if len(n.types) != 3 || n.types[1] != "message/delivery-status" || n.types[2] != "text/rfc822-headers" {
			t.Fatalf("parts: %v", n.types)
		}
		if !strings.Contains(n.parts[0], "<ben@example.net>") || !strings.Contains(n.parts[0], "no such user") {
			t.Errorf("text:\n%s", n.parts[0])
		}
		if n.parts[2] != "Subject: hello\r\n" {
			t.Errorf("returned: %q", n.parts[2])
		}
		if len(n.fields) != 3 {
			t.Fatalf("status:\n%s", n.parts[1])
		}
		wantFields(t, n.fields[0], map[string]string{
			"Reporting-Mta": "dns; gateway.example", "Original-Envelope-Id": "env-1",
		})
		wantFields(t, n.fields[1], map[string]string{
			"Original-Recipient": "rfc822;benjamin@example.org", "Final-Recipient": "rfc822; ben@example.net",
			"Action": "failed", "Status": "5.1.1", "Remote-Mta": "dns; mx.example.net",
			"Diagnostic-Code": "smtp; 550 5.1.1 no such user", "Will-Retry-Until": "",
		})
		if n.fields[1].Get("Last-Attempt-Date") == "" || n.fields[0].Get("Arrival-Date") == "" {
			t.Error("dates are missing")
		}
	})
}

func wantFields(t *testing.T, got textproto.MIMEHeader, want map[string]string) {
	t.Helper()
	for field, value := range want {
		if got.Get(field) != value {
			t.Errorf("%s is %q, want %q", field, got.Get(field), value)
		}
	}
}

func TestNoticeComesWithTheSettlement(t *testing.T) {
	// A crash between the two would lose the notice or double it.
	inBubble(t, func(r *rig) {
		before := r.store.batches
		r.peer.says(never)
		r.send("ben@example.net")
		r.wait(0)
		// The message, its bounce with the notice, the notice's delivery.
		if n := r.store.batches - before; n != 3 {
			t.Errorf("%d batches", n)
		}
	})
}

func TestDelayNoticeOnce(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.peer.says(later)
		r.send("ben@example.net", "carl@example.org")
		r.wait(3 * time.Hour)
		if n := len(r.store.notices()); n != 0 {
			t.Fatalf("%d notices before their time", n)
		}
		r.wait(48 * time.Hour)
		notices := r.store.notices()
		if len(notices) != 1 {
			t.Fatalf("%d notices", len(notices))
		}
		n := parseNotice(t, notices[0])
		if len(n.fields) != 3 { // both recipients are late
			t.Fatalf("status:\n%s", n.parts[1])
		}
		wantFields(t, n.fields[1], map[string]string{"Action": "delayed", "Status": "4.2.1"})
		if n.fields[1].Get("Will-Retry-Until") == "" || !strings.Contains(n.parts[0], "not yet") {
			t.Error("the notice does not say what happens next")
		}
	})
}

func TestWhoHearsOfWhat(t *testing.T) {
	// RFC 3461 §4.1
	for name, c := range map[string]struct {
		notify          string
		failure, delays int
	}{
		"by default":   {"", 1, 1},
		"never":        {"NEVER", 0, 0},
		"failure":      {"FAILURE", 1, 0},
		"delay":        {"DELAY", 0, 1},
		"success":      {"SUCCESS", 0, 0},
		"both, others": {"success,failure,delay", 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				m := r.message("ben@example.net")
				m.Recipients[0].Notify = c.notify
				r.peer.says(later)
				r.enqueue(m)
				r.wait(6 * time.Hour)
				if n := len(r.store.notices()); n != c.delays {
					t.Errorf("%d delay notices, want %d", n, c.delays)
				}
				r.peer.says(never)
				r.wait(6 * time.Hour)
				r.wantStates(m.ID, "bounced")
				if n := len(r.store.notices()) - c.delays; n != c.failure {
					t.Errorf("%d failure notices, want %d", n, c.failure)
				}
			})
		})
	}
}

// RFC 3461 §5.2.2: success is reported to who asked for it, here only where the
// peer does not take that over.
func TestSuccessIsReportedWherePeersDoNot(t *testing.T) {
	for name, c := range map[string]struct {
		notify string
		dsn    bool
		want   int
	}{
		"asked, peer without DSN": {"SUCCESS", false, 1},
		"asked, peer with DSN":    {"SUCCESS", true, 0},
		"not asked":               {"FAILURE", false, 0},
		"by default":              {"", false, 0},
		"never":                   {"NEVER", false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				m := r.message("ben@example.net")
				m.Recipients[0].Notify, m.Return = c.notify, "FULL"
				r.peer.dsn = c.dsn
				r.peer.says(taken)
				r.enqueue(m)
				r.wait(time.Minute)
				r.wantStates(m.ID, "delivered")
				list := r.store.notices()
				if len(list) != c.want {
					t.Fatalf("%d notices, want %d", len(list), c.want)
				}
				if c.want == 0 {
					return
				}
				n := parseNotice(t, list[0])
				for _, want := range []string{"Action: relayed\r\n", "Status: 2.0.0\r\n"} {
					if !strings.Contains(n.parts[1], want) {
						t.Errorf("%q is missing in\n%s", want, n.parts[1])
					}
				}
				if n.types[2] != "text/rfc822-headers" {
					t.Errorf("returned as %s, want the header only", n.types[2])
				}
			})
		})
	}
}

func TestNullSenderGetsNoNotice(t *testing.T) {
	// P20
	inBubble(t, func(r *rig) {
		m := r.message("ben@example.net")
		m.Sender.Local, m.Sender.Domain = "", ""
		r.peer.says(later)
		r.enqueue(m)
		r.wait(6 * time.Hour)
		r.peer.says(never)
		r.wait(6 * time.Hour)
		r.wantStates(m.ID, "bounced")
		if n := r.store.unfinished(); n != 0 || len(r.store.messages) != 1 {
			t.Errorf("%d messages in all", len(r.store.messages))
		}
	})
}

func TestBouncedNoticeEndsThere(t *testing.T) {
	inBubble(t, func(r *rig) {
		r.peer.answer = func(*delivery.Message, int) delivery.Outcome { return never }
		r.send("ben@example.net")
		r.wait(time.Hour)
		if n := len(r.store.messages); n != 2 {
			t.Errorf("%d messages in all", n)
		}
		r.wantQuiet()
	})
}

func TestWhatANoticeReturns(t *testing.T) {
	body := "Subject: secret\r\n\r\ntext\r\n"
	big := body + strings.Repeat("x\r\n", maxReturnedMessage)
	for name, c := range map[string]struct {
		change   func(*delivery.Message)
		body     string
		wantType string
		want     string
	}{
		"header by default": {nil, body, "text/rfc822-headers", "Subject: secret\r\n"},
		"all on demand":     {func(m *delivery.Message) { m.Return = "FULL" }, body, "message/rfc822", body},
		"header if big":     {func(m *delivery.Message) { m.Return = "FULL" }, big, "text/rfc822-headers", "Subject: secret\r\n"},
		// B57; RFC 8689 §5
		"no body under REQUIRETLS": {func(m *delivery.Message) { m.Return, m.RequireTLS = "FULL", true }, body, "text/rfc822-headers", "Subject: secret\r\n"},
		"header beyond ASCII":      {nil, "Subject: gr\xfc\xdfe\r\n\r\nx\r\n", "text/rfc822-headers", "Subject: gr\xfc\xdfe\r\n"},
		"header of SMTPUTF8":       {func(m *delivery.Message) { m.UTF8 = true }, "Subject: grüße\r\n\r\nx\r\n", "message/global-headers", "Subject: grüße\r\n"},
		"all of SMTPUTF8":          {func(m *delivery.Message) { m.UTF8, m.Return = true, "FULL" }, "Subject: grüße\r\n\r\nx\r\n", "message/global", "Subject: grüße\r\n\r\nx\r\n"},
		"header only":              {nil, "Subject: x\r\nTo: y", "text/rfc822-headers", "Subject: x\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *rig) {
				m := r.message("ben@example.net")
				m.Body, m.Size = delivery.BytesBody(c.body), int64(len(c.body))
				if c.change != nil {
					c.change(m)
				}
				n := r.bounceOf(m, never)
				if len(n.parts) != 3 || n.types[2] != c.wantType || n.parts[2] != c.want {
					t.Errorf("returned %q as %q", n.parts[2:], n.types)
				}
				if n.message.EightBit {
					t.Error("the notice needs 8BITMIME")
				}
			})
		})
	}
}

func TestReturnedMessageMayNeed8BITMIME(t *testing.T) {
	inBubble(t, func(r *rig) {
		m := r.message("ben@example.net")
		body := "Subject: x\r\n\r\ngr\xfc\xdfe\r\n"
		m.Body, m.Size, m.Return = delivery.BytesBody(body), int64(len(body)), "FULL"
		n := r.bounceOf(m, never)
		if !n.message.EightBit || n.header.Get("Content-Transfer-Encoding") != "8bit" || n.parts[2] != body {
			t.Errorf("8bit=%t, encoding %q", n.message.EightBit, n.header.Get("Content-Transfer-Encoding"))
		}
	})
}

func TestNoticesInUTF8(t *testing.T) {
	// RFC 6533
	t.Run("for a sender that can take them", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			m := r.message("jürgen@example.net")
			m.Sender, m.UTF8 = mailbox(t, "änne@sender.example"), true
			n := r.bounceOf(m, never)
			if !n.message.UTF8 || n.types[1] != "message/global-delivery-status" {
				t.Errorf("utf8=%t, parts %v", n.message.UTF8, n.types)
			}
			wantFields(t, n.fields[1], map[string]string{"Final-Recipient": "utf-8; jürgen@example.net"})
		})
	})
	t.Run("in ASCII for others", func(t *testing.T) {
		inBubble(t, func(r *rig) {
			m := r.message("jürgen@example.net")
			m.UTF8 = true
			n := r.bounceOf(m, never)
			if n.message.UTF8 || n.message.EightBit || n.types[1] != "message/delivery-status" {
				t.Errorf("utf8=%t, parts %v", n.message.UTF8, n.types)
			}
			wantFields(t, n.fields[1], map[string]string{"Final-Recipient": `utf-8; j\x{FC}rgen@example.net`})
		})
	})
}

func TestForeignWordsCannotBreakANotice(t *testing.T) {
	inBubble(t, func(r *rig) {
		m := r.message("ben@example.net")
		m.EnvelopeID = "e\r\nAction: delivered"
		m.Recipients[0].OriginalRecipient = "rfc822;x\r\n\r\nAction: delivered"
		evil := never
		evil.Text = "no\r\n\r\n--postern\r\nAction: delivered " + strings.Repeat("word ", 500) + "\x00\xff"
		n := r.bounceOf(m, evil)
		if len(n.parts) != 3 || len(n.fields) != 2 {
			t.Errorf("%d parts, %d groups:\n%s", len(n.parts), len(n.fields), n.raw)
		}
		wantFields(t, n.fields[1], map[string]string{"Action": "failed"})
	})
}

func TestUnreadableBodyDoesNotStopTheNotice(t *testing.T) {
	inBubble(t, func(r *rig) {
		n := &notices{snapshot: r.snapshot.Load, clock: r.clock, now: time.Now, newID: r.id, logger: r.deps.Logger}
		m := r.message("ben@example.net")
		m.Body = lostBody{}
		p := &plan{message: m, settings: policy.DefaultQueueSettings(), failed: m.Recipients}
		n.add(p)
		if len(p.settlement.Notices) != 1 {
			t.Fatal("no notice")
		}
		if got := parseNotice(t, *p.settlement.Notices[0]); len(got.parts) != 2 {
			t.Errorf("parts: %v", got.types)
		}
	})
}

// lostBody is a body that cannot be read.
type lostBody struct{}

func (lostBody) Size() int64                  { return 10 }
func (lostBody) Open() (io.ReadCloser, error) { return nil, io.ErrUnexpectedEOF }

func FuzzShown(f *testing.F) {
	for _, seed := range []string{"", "plain", "jürgen", "a\r\nb", "\x00\xff\u0085\u200f", `back\slash`} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, text string, utf8 bool) {
		r := report{utf8: utf8}
		shown := r.shown(text)
		if strings.ContainsAny(shown, "\r\n\x00") || !utf8 && !isASCII([]byte(shown)) {
			t.Errorf("%q is shown as %q", text, shown)
		}
	})
}
