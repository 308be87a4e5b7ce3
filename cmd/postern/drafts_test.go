package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"postern/api/rest"
	"postern/smtp/smtptest"
)

// Mail flows while a revision that refuses clear text waits to be confirmed; nobody
// confirms it, and the policy is back (B70). What waited meanwhile is delivered.
func TestUnconfirmedPolicyIsBackWhileMailFlows(t *testing.T) {
	g := newGateway(t, t.TempDir())
	mx := smtptest.NewMX(t, smtptest.MXOptions{}) // TLS is off: mail leaves in clear
	g.routeTo("example.com", mx)
	g.sendTo("1@example.com")
	mx.WaitMessages(t, 1)

	draft := decode[rest.Change](t, g.must("POST", "/changes", `{"comment":"lock partner"}`))
	g.must("PUT", "/destination-controls/example.com?change="+draft.ID, `{"tls_level":"required"}`)
	g.sendTo("2@example.com") // the draft is not in force
	mx.WaitMessages(t, 2)
	made := decode[rest.Revision](t, g.must("POST", "/changes/"+draft.ID+"/commit?confirm_within=5s&wait=5s", ""))
	g.sendTo("3@example.com")
	g.waitShown("/messages", "3@example.com")
	if n := len(mx.Messages()); n != 2 {
		t.Errorf("%d messages left in spite of the policy", n)
	}
	if s := decode[rest.Status](t, g.must("GET", "/status", "")); s.Confirmation == nil || s.Confirmation.Revision != made.Number {
		t.Errorf("status shows %+v", s.Confirmation)
	}

	g.waitReverted(made.Number)
	late := g.call("POST", fmt.Sprintf("/revisions/%d/confirm", made.Number), "")
	if late.status != 409 || !strings.Contains(string(late.body), fmt.Sprintf("revision %d took it back", made.Number+1)) {
		t.Errorf("too late: %d %s", late.status, late.body)
	}
	g.sendTo("4@example.com") // waits for the destination, which failed
	g.must("POST", "/messages/"+g.firstMessage()+"/retry", "")
	mx.WaitMessages(t, 4)
}

// waitReverted waits until a revision was taken back and the engine runs without.
func (g *gateway) waitReverted(number int64) {
	g.t.Helper()
	smtptest.Eventually(g.t, func() bool {
		s := decode[rest.Status](g.t, g.must("GET", "/status", ""))
		return s.Confirmation == nil && s.RevisionApplied > number
	}, "the revision is taken back")
	was := decode[rest.Revision](g.t, g.must("GET", fmt.Sprintf("/revisions/%d", number), ""))
	back := decode[rest.Revision](g.t, g.must("GET", fmt.Sprintf("/revisions/%d", number+1), ""))
	if was.Confirmation != "reverted" || was.RevertedIn != back.Number || back.Reverts != number || back.Author != "postern" {
		g.t.Errorf("%+v, taken back by %+v", was, back)
	}
}

// unconfirmedEnv names the data directory to the process that is going to be killed.
const unconfirmedEnv = "POSTERN_TEST_UNCONFIRMED"

// The process that made the revision is killed before its time is up; the next one
// takes it back, and an open draft is still there.
func TestUnconfirmedPolicyIsBackAfterAKill(t *testing.T) {
	if dir := os.Getenv(unconfirmedEnv); dir != "" {
		g := newGateway(t, dir)
		draft := decode[rest.Change](t, g.must("POST", "/changes", `{"comment":"later"}`))
		g.must("PUT", "/domains/later.example?change="+draft.ID, `{}`)
		made := g.must("PUT", "/destination-controls/example.com?confirm_within=5s", `{"tls_level":"required"}`)
		fmt.Printf("\nunconfirmed %s %s %s\n", g.token, draft.ID, made.header.Get("Revision-Committed"))
		select {} // until it is killed
	}
	dir := t.TempDir()
	token, draft, number := runUntilUnconfirmed(t, dir)
	g := newGateway(t, dir)
	g.token = token
	g.waitReverted(number)
	if r := g.call("GET", "/destination-controls/example.com", ""); r.status != 404 {
		t.Errorf("the unconfirmed policy is in force: %s", r.body)
	}
	g.must("GET", "/domains/later.example?change="+draft, "")
	g.must("POST", "/changes/"+draft+"/commit", "")
	g.must("GET", "/domains/later.example", "")
}

// runUntilUnconfirmed runs a gateway in a process of its own and kills it with a
// revision that waits to be confirmed.
func runUntilUnconfirmed(t *testing.T, dir string) (token, draft string, number int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), smtptest.Timeout)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestUnconfirmedPolicyIsBackAfterAKill$", "-test.v")
	child.Env = append(os.Environ(), unconfirmedEnv+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if n, _ := fmt.Sscanf(lines.Text(), "unconfirmed %s %s %d", &token, &draft, &number); n == 3 {
			break
		}
	}
	if err := child.Process.Kill(); err != nil { // SIGKILL
		t.Fatal(err)
	}
	_ = child.Wait()
	if number == 0 {
		t.Fatal("the child made no revision")
	}
	return token, draft, number
}

// Explain answers for the draft that it is asked about, in both directions (B71).
func TestExplainUnderADraft(t *testing.T) {
	g := newGateway(t, t.TempDir())
	g.switchOnTLS()
	draft := decode[rest.Change](t, g.must("POST", "/changes", `{"comment":"partners"}`))
	in := "?change=" + draft.ID
	g.must("PUT", "/destination-controls/example.com"+in, `{"tls_level":"required_verify"}`)
	g.must("PUT", "/mail-flow-policies/PARTNERS"+in, `{"action":"relay","tls":"required"}`)
	g.must("PUT", "/listeners/inbound/sender-groups/PARTNERS"+in, `{"policy":"PARTNERS","senders":[{"pattern":"192.0.2.1"}]}`)
	g.must("PATCH", "/settings/queue?wait=5s", `{"retry_intervals_seconds":[3600]}`)
	g.routeTo("example.com", smtptest.NewMX(t, smtptest.MXOptions{Greeting: "421 4.3.2 not now"}))
	g.sendTo("waiting@example.com")
	g.waitShown("/messages", "4.3.2")
	for question, want := range map[string]string{
		"message=" + g.firstMessage():       `"tls_level":"required_verify"`,
		"domain=example.com":                `"tls_level":"required_verify"`,
		"listener=inbound&client=192.0.2.1": `"requires_tls":true`,
	} {
		live := g.must("GET", "/tls/explain?"+question, "")
		under := g.must("GET", "/tls/explain"+in+"&"+question, "")
		if strings.Contains(string(live.body), want) || !strings.Contains(string(under.body), want) {
			t.Errorf("%s:\n%s\nunder the draft:\n%s", question, live.body, under.body)
		}
	}
}
