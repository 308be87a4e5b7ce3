package smtptest_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/smtp/smtptest"
)

func TestMXTakesMessages(t *testing.T) {
	mx := smtptest.NewMX(t, smtptest.MXOptions{})
	c := smtptest.Dial(t, mx.Addr())
	c.Greet()
	c.Send("a@client.test", []string{"b@mx.test", `"c > d"@mx.test`}, "Subject: x\n\n.dot\nend")
	state := c.StartTLS(nil)
	c.Cmd(250, "EHLO again.test")
	c.Cmd(250, "MAIL FROM:<> BODY=8BITMIME SIZE=5")
	c.Cmd(250, "RCPT TO:<b@mx.test> NOTIFY=NEVER")
	c.Write("BDAT 2\r\nhiBDAT 3 LAST\r\n.\r\n")
	c.Expect(250)
	c.Expect(250)
	c.Quit()

	got := mx.WaitMessages(t, 2)
	want := []smtptest.Message{{
		Connection: 1, Hello: "client.test", Sender: smtptest.Path{Address: "a@client.test"},
		Recipients: []smtptest.Path{{Address: "b@mx.test"}, {Address: `"c > d"@mx.test`}},
		Content:    []byte("Subject: x\r\n\r\n.dot\r\nend\r\n"),
	}, {
		Connection: 1, Hello: "again.test", Sender: smtptest.Path{Parameters: "BODY=8BITMIME SIZE=5"},
		Recipients: []smtptest.Path{{Address: "b@mx.test", Parameters: "NOTIFY=NEVER"}},
		Content:    []byte("hi.\r\n"), Chunked: true, TLS: got[1].TLS,
	}}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b *tls.ConnectionState) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if got[1].TLS == nil || got[1].TLS.Version != state.Version {
		t.Errorf("TLS state %v", got[1].TLS)
	}
	if v := mx.Violations(); len(v) != 0 {
		t.Errorf("violations: %q", v)
	}
	if mx.Connections() != 1 {
		t.Errorf("%d connections", mx.Connections())
	}
	smtptest.Eventually(t, func() bool { return mx.OpenConnections() == 0 })
}

func TestMXKeywords(t *testing.T) {
	mx := smtptest.NewMX(t, smtptest.MXOptions{
		EHLOGreeting: "STARTTLS.example greets",
		Without:      []string{"PIPELINING", "SIZE"},
		TLSKeywords:  []string{"REQUIRETLS"},
	})
	c := smtptest.Dial(t, mx.Addr())
	lines := c.Greet().Lines
	want := []string{"STARTTLS.example greets", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING", "DSN", "STARTTLS"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
	c.StartTLS(nil)
	want[len(want)-1] = "REQUIRETLS"
	if diff := cmp.Diff(want, c.Cmd(250, "EHLO client.test").Lines); diff != "" {
		t.Error(diff)
	}
	c.Cmd(503, "STARTTLS")

	bare := smtptest.NewMX(t, smtptest.MXOptions{Keywords: []string{}, StartTLS: smtptest.StartTLSHidden})
	c = smtptest.Dial(t, bare.Addr())
	if got := c.Greet().Lines; len(got) != 1 {
		t.Errorf("EHLO reply %q, want the greeting alone", got)
	}
	c.Cmd(502, "STARTTLS")
}

func TestMXStartTLS(t *testing.T) {
	t.Run("refused", func(t *testing.T) {
		c := dialMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSRefused})
		c.Cmd(454, "STARTTLS")
		c.Cmd(250, "NOOP")
	})
	t.Run("closed", func(t *testing.T) {
		c := dialMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSClosed})
		c.Cmd(220, "STARTTLS")
		c.ExpectClosed()
	})
	t.Run("garbage", func(t *testing.T) {
		c := dialMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSGarbage})
		c.Cmd(220, "STARTTLS")
		if _, err := c.TryHandshake(nil); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("error %v, want one about the record", err)
		}
	})
	t.Run("injected", func(t *testing.T) {
		c := dialMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSInjected})
		c.Cmd(220, "STARTTLS")
		c.Expect(250)
		c.Handshake(nil)
		c.Cmd(250, "EHLO client.test")
	})
	t.Run("aborted", func(t *testing.T) {
		c := dialMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSAborted})
		c.StartTLS(nil)
		c.ExpectClosed()
	})
	t.Run("stalled", func(t *testing.T) {
		mx := smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSStalled})
		c := smtptest.Dial(t, mx.Addr())
		c.Greet()
		c.Cmd(220, "STARTTLS")
		c.Write("anything")
		if n := mx.OpenConnections(); n != 1 {
			t.Errorf("%d open connections, want the stalled one", n)
		}
	})
	t.Run("versions", func(t *testing.T) {
		options := smtptest.MXOptions{MaxTLS: tls.VersionTLS11}
		c := dialMX(t, options)
		c.Cmd(220, "STARTTLS")
		if _, err := c.TryHandshake(nil); err == nil {
			t.Error("a client for TLS 1.2 got through")
		}
		c = dialMX(t, options)
		state := c.StartTLS(&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10})
		if state.Version != tls.VersionTLS11 {
			t.Errorf("version %#x", state.Version)
		}
	})
	t.Run("post-quantum", func(t *testing.T) {
		options := smtptest.MXOptions{RefusePostQuantum: true}
		c := dialMX(t, options)
		c.Cmd(220, "STARTTLS")
		if _, err := c.TryHandshake(nil); err == nil {
			t.Error("a large ClientHello got through")
		}
		dialMX(t, options).StartTLS(&tls.Config{InsecureSkipVerify: true, CurvePreferences: []tls.CurveID{tls.X25519}})
	})
	t.Run("implicit with own certificate", func(t *testing.T) {
		ca := smtptest.NewCA(t)
		mx := smtptest.NewMX(t, smtptest.MXOptions{ImplicitTLS: true, Certificate: ca.IssueFor(t, "mx.example.com").TLS})
		c := smtptest.DialTLS(t, mx.Addr(), &tls.Config{RootCAs: ca.Pool(), ServerName: "mx.example.com"})
		if lines := c.Greet().Lines; slices.Contains(lines, "STARTTLS") {
			t.Errorf("STARTTLS offered inside TLS: %q", lines)
		}
		c.Quit()
	})
}

func dialMX(t *testing.T, options smtptest.MXOptions) *smtptest.Client {
	t.Helper()
	c := smtptest.Dial(t, smtptest.NewMX(t, options).Addr())
	c.Greet()
	return c
}

func TestMXActions(t *testing.T) {
	mx := smtptest.NewMX(t, smtptest.MXOptions{
		Greeting: "220-busy place\n220 mx.test",
		Actions: map[string]smtptest.Action{
			"MAIL": smtptest.Answer("451 4.3.0 later"),
			"NOOP": smtptest.Drop(),
		},
		Respond: func(c smtptest.Command) (smtptest.Action, bool) {
			return smtptest.Answer("550 5.7.1 not you"), c.Stage == "MAIL" && strings.Contains(c.Argument, "bad@")
		},
	})
	c := smtptest.Dial(t, mx.Addr())
	c.Greet()
	c.Cmd(451, "MAIL FROM:<a@client.test>")
	c.Cmd(550, "MAIL FROM:<bad@client.test>")
	c.Cmd(503, "RCPT TO:<b@mx.test>")
	c.Write("NOOP\r\n")
	c.ExpectClosed()

	mx.Update(func(o *smtptest.MXOptions) { o.Greeting, o.Actions = "", nil })
	c = smtptest.Dial(t, mx.Addr())
	c.Greet()
	c.Cmd(250, "MAIL FROM:<a@client.test>")
	c.Cmd(550, "MAIL FROM:<bad@client.test> then nested")

	var stages []string
	for _, command := range mx.Commands() {
		if command.Connection == 1 {
			stages = append(stages, command.Stage)
		}
	}
	if diff := cmp.Diff([]string{"CONNECT", "EHLO", "MAIL", "MAIL", "RCPT", "NOOP"}, stages); diff != "" {
		t.Error(diff)
	}
}

func TestMXKeepsTheOrder(t *testing.T) {
	mx := smtptest.NewMX(t, smtptest.MXOptions{Respond: func(c smtptest.Command) (smtptest.Action, bool) {
		return smtptest.Answer("451 4.3.0 later"), c.Connection == 2 && (c.Stage == "DATA" || c.Stage == "BDAT")
	}})
	c := smtptest.Dial(t, mx.Addr())
	c.Greet()
	c.Cmd(503, "RCPT TO:<b@mx.test>")
	c.Cmd(503, "DATA")
	c.Write("BDAT 3\r\nabc")
	c.Expect(503)
	c.Cmd(500, "WHAT")
	c.Cmd(250, "HELO old.test")
	c.Cmd(250, "MAIL FROM:<a@client.test>")
	c.Cmd(503, "DATA")
	c.Cmd(250, "RCPT TO:<b@mx.test>")
	c.Cmd(250, "RSET")
	c.Cmd(503, "RCPT TO:<b@mx.test>")
	if v := mx.Violations(); len(v) != 0 {
		t.Errorf("violations: %q", v)
	}

	c = smtptest.Dial(t, mx.Addr())
	c.Greet()
	for _, transfer := range []string{"DATA\r\n", "BDAT 1\r\nx"} {
		c.Cmd(250, "MAIL FROM:<a@client.test>")
		c.Cmd(250, "RCPT TO:<b@mx.test>")
		c.Write(transfer)
		c.Expect(451)
		c.Cmd(503, "RCPT TO:<b@mx.test>")
	}
	if addr := mx.AddrPort(); addr.String() != mx.Addr() {
		t.Errorf("address %v, want %s", addr, mx.Addr())
	}
}

func TestMXRefusesContent(t *testing.T) {
	mx := smtptest.NewMX(t, smtptest.MXOptions{Actions: map[string]smtptest.Action{".": smtptest.Answer("554 5.6.0 bad")}})
	c := smtptest.Dial(t, mx.Addr())
	c.Greet()
	for _, transfer := range []string{"DATA\r\n", "BDAT 3 LAST\r\nx\r\n"} {
		c.Cmd(250, "MAIL FROM:<a@client.test>")
		c.Cmd(250, "RCPT TO:<b@mx.test>")
		c.Write(transfer)
		if strings.HasPrefix(transfer, "DATA") {
			c.Expect(354)
			c.Write(smtptest.Stuff("x"))
		}
		c.Expect(554)
	}
	if got := mx.Messages(); len(got) != 0 {
		t.Errorf("recorded %d refused messages", len(got))
	}
}

func TestMXResetsAfterAcceptance(t *testing.T) {
	mx := smtptest.NewMX(t, smtptest.MXOptions{Actions: map[string]smtptest.Action{".": {Then: smtptest.Reset}}})
	conn, err := net.Dial("tcp", mx.Addr())
	if err != nil {
		t.Fatal(err)
	}
	c := smtptest.NewClient(t, conn)
	c.Greet()
	c.Send("a@client.test", []string{"b@mx.test"}, "x")
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("error %v, want a reset", err)
	}
	mx.WaitMessages(t, 1)
}

func TestMXSilenceEndsWithTheMX(t *testing.T) {
	mx := smtptest.NewMX(t, smtptest.MXOptions{Actions: map[string]smtptest.Action{"CONNECT": smtptest.Silence()}})
	c := smtptest.Dial(t, mx.Addr())
	smtptest.Eventually(t, func() bool { return mx.OpenConnections() == 1 })
	mx.Close()
	c.ExpectClosed()
}

func TestMXTarpit(t *testing.T) {
	mx := smtptest.NewMX(t, smtptest.MXOptions{Greeting: "220 x", Tarpit: 2 * time.Millisecond})
	start := time.Now()
	smtptest.Dial(t, mx.Addr()).Expect(220)
	if waited := time.Since(start); waited < 7*2*time.Millisecond {
		t.Errorf("7 octets came in %v", waited)
	}
}

func TestMXNotesViolations(t *testing.T) {
	weak := smtptest.MXOptions{Keywords: []string{}}
	transaction := "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"
	tests := []struct {
		name    string
		options smtptest.MXOptions
		text    string // sent behind EHLO
		want    string
	}{
		{"pipelining", weak, transaction, "without PIPELINING"},
		{"behind QUIT", smtptest.MXOptions{}, "QUIT\r\nNOOP\r\n", "behind QUIT"},
		{"behind STARTTLS", smtptest.MXOptions{}, "STARTTLS\r\nNOOP\r\n", "clear octets behind STARTTLS"},
		{"bare LF in a command", smtptest.MXOptions{}, "NOOP\n", "bare LF"},
		{"bare LF in content", smtptest.MXOptions{}, transaction + "BDAT 2 LAST\r\nx\n", "bare CR or LF"},
		{"bare CR in content", smtptest.MXOptions{}, transaction + "BDAT 2 LAST\r\n\rx", "bare CR or LF"},
		{"8-bit", weak, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 1 LAST\r\n\xe9", "8-bit content"},
		{"BDAT", weak, transaction + "BDAT 1 LAST\r\nx", "BDAT without CHUNKING"},
		{"malformed BDAT", smtptest.MXOptions{}, "BDAT x\r\n", "BDAT x"},
		{"parameter", weak, "MAIL FROM:<a@b> SIZE=1\r\n", "parameter SIZE=1"},
		{"8-bit parameter", weak, "MAIL FROM:<a@b> BODY=8BITMIME\r\n", "parameter BODY"},
		{"DSN parameter", weak, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d> NOTIFY=NEVER\r\n", "parameter NOTIFY"},
		{"address", weak, "MAIL FROM:<é@b>\r\n", "without SMTPUTF8"},
		{"no brackets", smtptest.MXOptions{}, "MAIL FROM:a@b\r\n", "MAIL FROM:a@b"},
		{"no FROM", smtptest.MXOptions{}, "MAIL <a@b>\r\n", "MAIL <a@b>"},
		{"junk behind the path", smtptest.MXOptions{}, transaction + "RCPT TO:<c@d>x\r\n", "RCPT TO:<c@d>x"},
		{"nested", smtptest.MXOptions{}, "MAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\n", "within a transaction"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			mx := smtptest.NewMX(t, test.options)
			c := smtptest.Dial(t, mx.Addr())
			c.Greet()
			c.Write(test.text)
			noted := func() bool {
				return slices.ContainsFunc(mx.Violations(), func(v string) bool { return strings.Contains(v, test.want) })
			}
			smtptest.Eventually(t, noted, "a violation with", test.want)
		})
	}
	mx := smtptest.NewMX(t, smtptest.MXOptions{})
	c := smtptest.Dial(t, mx.Addr())
	c.Expect(220)
	c.Cmd(503, "MAIL FROM:<a@b>")
	if len(mx.Violations()) != 1 {
		t.Errorf("violations %q, want one for MAIL before EHLO", mx.Violations())
	}
}
