package main

import (
	"net/http"
	"testing"

	"postern/smtp/smtptest"
)

// sessionLine is what these tests look at of a session.
type sessionLine struct {
	ID            string
	Outcome       string
	TLS           string `json:"tls_result"`
	Accepted      int    `json:"messages_accepted"`
	ClientAddress string `json:"client_address"`
	Refusal       *struct{ By, Reply string }
}

func (g *gateway) sessionList(query string) []sessionLine {
	g.t.Helper()
	return decode[struct{ Items []sessionLine }](g.t, g.must("GET", "/sessions?"+query, "")).Items
}

// Sessions are remembered over a restart, and found by what they were (B72).
func TestSessionsAreRemembered(t *testing.T) {
	dir := t.TempDir()
	first := newGateway(t, dir)
	first.switchOnTLS()
	mx := smtptest.NewMX(t, smtptest.MXOptions{})
	first.routeTo("good.example", mx)
	first.relay(true, "b@good.example", "c@good.example")
	stranger := first.session("inbound")
	stranger.Cmd(250, "MAIL FROM:<a@stranger.example>")
	stranger.Cmd(550, "RCPT TO:<b@elsewhere.example>")
	stranger.Quit()
	mx.WaitMessages(t, 2)
	token := first.token
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	second := newGateway(t, dir)
	second.token = token
	all := second.sessionList("client=127.0.0.1")
	if len(all) != 2 {
		t.Fatalf("%+v", all)
	}
	refused, accepted := second.sessionList("outcome=refused&listener=inbound"), second.sessionList("tls_result=success")
	if len(refused) != 1 || refused[0].Refusal == nil || refused[0].Refusal.By != "relay" {
		t.Errorf("refused: %+v", refused)
	}
	if len(accepted) != 1 || accepted[0].Accepted != 2 || accepted[0].Outcome != "accepted" {
		t.Errorf("accepted: %+v", accepted)
	}
	if one := decode[sessionLine](t, second.must("GET", "/sessions/"+accepted[0].ID, "")); one != accepted[0] {
		t.Errorf("%+v", one)
	}
	if r := second.call("GET", "/sessions/0000000000001", ""); r.status != http.StatusNotFound {
		t.Errorf("an unknown session: %d", r.status)
	}
}
