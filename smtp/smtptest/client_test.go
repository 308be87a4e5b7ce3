package smtptest_test

import (
	"crypto/tls"
	"strings"
	"testing"

	"postern/smtp/smtptest"
)

func TestClientComplaints(t *testing.T) {
	mx := smtptest.NewMX(t, smtptest.MXOptions{})
	tests := []struct {
		name string
		run  func(c *smtptest.Client)
		want string
	}{
		{"wrong code", func(c *smtptest.Client) { c.Expect(554) }, "reply 220 mx.test ESMTP, want 554"},
		{"open", func(c *smtptest.Client) { c.ExpectClosed() }, `the server sends "220 mx.test`},
		{"closed", func(c *smtptest.Client) { c.Greet(); c.Cmd(221, "QUIT"); c.Expect(250) }, "want 250: EOF"},
		{"dead", func(c *smtptest.Client) { c.Close(); c.Write("NOOP\r\n") }, "write"},
		{"not trusted", func(c *smtptest.Client) { c.Greet(); c.StartTLS(&tls.Config{ServerName: "mx.test"}) }, "handshake: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := complaint(func(tb testing.TB) {
				c := smtptest.Dial(tb, mx.Addr())
				defer c.Close()
				test.run(c)
			})
			if !strings.Contains(text, test.want) {
				t.Errorf("complaint %q, want %q in it", text, test.want)
			}
		})
	}
}

func TestClientTakesAnyCode(t *testing.T) {
	mx := smtptest.NewMX(t, smtptest.MXOptions{Greeting: "554 no"})
	if r := smtptest.Dial(t, mx.Addr()).Expect(0); r.Code != 554 {
		t.Errorf("reply %v", r)
	}
}

func TestStuff(t *testing.T) {
	tests := []struct{ content, want string }{
		{"", ".\r\n"},
		{"a", "a\r\n.\r\n"},
		{"a\nb\r\n", "a\r\nb\r\n.\r\n"},
		{".", "..\r\n.\r\n"},
		{"a\n.b\n..c.\n", "a\r\n..b\r\n...c.\r\n.\r\n"},
	}
	for _, test := range tests {
		if got := smtptest.Stuff(test.content); got != test.want {
			t.Errorf("Stuff(%q) = %q, want %q", test.content, got, test.want)
		}
	}
}
