package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"postern/smtp/smtptest"
)

func TestVerifyCommand(t *testing.T) {
	g := newGateway(t, t.TempDir())
	g.switchOnTLS()
	mx := smtptest.NewMX(t, smtptest.MXOptions{})
	g.routeTo("example.com", mx)
	g.must("PUT", "/destination-controls/example.com?wait=5s", `{"tls_level":"required"}`)

	out, code := g.command("verify", "example.com")
	for _, want := range []string{mx.Addr() + " is ready for mail", "STARTTLS", "TLS1.3", "self_signed", "for mx.test", "QUIT"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, no %q in %s", code, want, out)
		}
	}
	// The route makes the port one of SMTP's.
	if out, code := g.command("verify", "example.com", "--host", mx.Addr()); code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
	if out, code := g.command("verify", "--host", mx.Addr()); code != exitFailed || !strings.Contains(out, "/port") {
		t.Errorf("any port: exit code %d: %s", code, out)
	}
	g.must("PUT", "/destination-controls/example.com?wait=5s", `{"tls_level":"required_verify"}`)
	out, code = g.command("verify", "example.com")
	if code != exitFailed || !strings.Contains(out, "mail would be deferred at verify: 450 4.7.5") {
		t.Errorf("exit code %d: %s", code, out)
	}
	out, code = g.command("verify", "example.com", "--json", "--timeout", "5s")
	document, _, _ := strings.Cut(out, "\nerror:")
	var shown struct{ Verdict string }
	if err := json.Unmarshal([]byte(document), &shown); err != nil || shown.Verdict != "deferred" || code != exitFailed {
		t.Errorf("exit code %d, %v: %s", code, err, out)
	}
	if len(mx.Messages()) > 0 || len(mx.Violations()) > 0 {
		t.Errorf("messages %d, violations %q", len(mx.Messages()), mx.Violations())
	}
	for _, c := range mx.Commands() {
		if c.Stage == "MAIL" {
			t.Error("verify said MAIL")
		}
	}
	if out, code := g.command("verify"); code != exitUsage {
		t.Errorf("nothing to verify: exit code %d: %s", code, out)
	}
}

// Every fate of STARTTLS, over the whole way from the command to the peer.
func TestVerifyCommandAgainstFaults(t *testing.T) {
	g := newGateway(t, t.TempDir())
	g.switchOnTLS()
	g.must("PUT", "/destination-controls/default?wait=5s", `{"tls_level":"required"}`)
	for fate, want := range map[smtptest.StartTLS]string{
		smtptest.StartTLSWorks:    "is ready for mail",
		smtptest.StartTLSHidden:   "deferred at starttls: 450 4.7.4",
		smtptest.StartTLSRefused:  "deferred at starttls: 450 4.7.4",
		smtptest.StartTLSClosed:   "deferred at starttls: 450 4.7.5",
		smtptest.StartTLSGarbage:  "deferred at starttls: 450 4.7.5",
		smtptest.StartTLSInjected: "deferred at starttls: 450 4.7.5",
		smtptest.StartTLSAborted:  "deferred at starttls: 451 4.4.2",
		smtptest.StartTLSStalled:  "within the time of the test",
	} {
		t.Run(fmt.Sprint(fate), func(t *testing.T) {
			mx := smtptest.NewMX(t, smtptest.MXOptions{StartTLS: fate})
			g.routeTo("example.com", mx)
			timeout := "30s"
			if fate == smtptest.StartTLSStalled {
				timeout = "1s" // which it takes
			}
			out, code := g.command("verify", "example.com", "--timeout", timeout)
			if !strings.Contains(out, want) || (code == 0) != (fate == smtptest.StartTLSWorks) {
				t.Errorf("exit code %d, want %q in %s", code, want, out)
			}
		})
	}
}
