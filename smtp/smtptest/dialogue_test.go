package smtptest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postern/smtp/smtptest"
)

func TestDialogue(t *testing.T) {
	mx := smtptest.NewMX(t, smtptest.MXOptions{TLSKeywords: []string{"REQUIRETLS"}})
	smtptest.RunDialogue(t, mx.Addr(), "testdata/example.smtp")
	got := mx.WaitMessages(t, 1)[0]
	if len(got.Recipients) != 3 || string(got.Content) != "xxxxx\r\n" {
		t.Errorf("the MX got %+v", got)
	}
}

func TestDialogueTLS(t *testing.T) {
	mx := smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSGarbage})
	smtptest.RunDialogue(t, mx.Addr(), write(t, "S: 220 *\nC: STARTTLS\nS: 220 *\n!tls fails\n"))
}

func TestDialogueComplaints(t *testing.T) {
	mx := smtptest.NewMX(t, smtptest.MXOptions{})
	tests := []struct{ name, text, want string }{
		{"wrong code", "S: 554 *", `:1: got "220 mx.test ESMTP", want "554 *"`},
		{"wrong text", "S: 220 other", `want "220 other"`},
		{"line too many", "S: 220 *\nC: EHLO x\nS: 250-*\nC: QUIT", ":4: the reply has more lines"},
		{"continuation", "S: 220 *\nC: EHLO x\nS: 250 *", "want \"250 *\""},
		{"has", "S: 220*\n!has other", `has "other": false, want true`},
		{"lacks", "S: 220*\n!lacks mx.*", `has "mx.*": true, want false`},
		{"still there", "S: 220*\nC: NOOP\n!close", `the server sends "250 2.0.0 OK`},
		{"closed too early", "S: 220*\nC: QUIT\nS: 221 *\nC: NOOP\nS: 250 *", `:5: want "250 *"`},
		{"no handshake", "S: 220*\nC: NOOP\n!tls", ":3: handshake"},
		{"clear before TLS", "S: 220*\nC-raw: \"NOOP\\r\\nNOOP\\r\\n\"\nS: 250*\n!tls", ":4: "},
		{"TLS that works", "S: 220*\nC: STARTTLS\nS: 220*\n!tls fails", "the handshake went well"},
		{"empty", "# nothing\n", ":1: no steps"},
		{"unknown step", "S: 220*\nX: what", ":2: no step"},
		{"unknown bang", "!what", ":1: no step"},
		{"TLS argument", "!tls what", ":1: no step"},
		{"certificate that is not there", "S: 220*\nC: STARTTLS\nS: 220*\n!tls certificate=x", `no certificate "x"`},
		{"short pattern", "S: 2", ":1: no step"},
		{"bad literal", "C-raw: hello", ":1: no Go string literal"},
		{"bad repeat", `C-raw: -1 "x"`, ":1: bad number of repeats"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := write(t, test.text)
			text := complaint(func(tb testing.TB) { smtptest.RunDialogue(tb, mx.Addr(), file) })
			if !strings.Contains(text, test.want) {
				t.Errorf("complaint %q, want %q in it", text, test.want)
			}
		})
	}
	text := complaint(func(tb testing.TB) { smtptest.RunDialogue(tb, mx.Addr(), "testdata/none.smtp") })
	if !strings.Contains(text, "none.smtp") {
		t.Errorf("complaint %q about a file that is not there", text)
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "test.smtp")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
