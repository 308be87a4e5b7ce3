package inbound

import (
	"crypto/tls"
	"net"
	"testing"

	"postern/smtp/smtptest"
)

func TestSessionsOutliveTheirGeneration(t *testing.T) {
	g := newGateway(t, preferred())
	clear, early := open(t, g), open(t, g)
	early.StartTLS(&tls.Config{InsecureSkipVerify: true})
	first := g.current.Load()
	g.use(t) // a new generation
	clear.StartTLS(&tls.Config{InsecureSkipVerify: true})
	for _, c := range []*smtptest.Client{clear, early} {
		c.Cmd(250, "EHLO client.test")
		c.Send("a@client.test", []string{"b@example.com"}, "\r\nx\r\n")
		c.Quit()
	}
	smtptest.Eventually(t, first.Idle)
	ours, theirs := net.Pipe()
	defer ours.Close()
	if first.Handle(theirs) {
		t.Error("a retired handler took a connection")
	}
	if len(g.all()) != 2 {
		t.Errorf("%d messages", len(g.all()))
	}
}

func TestDrainFinishesTheMessageUnderWay(t *testing.T) {
	g := newGateway(t, preferred())
	idle, busy := open(t, g), open(t, g)
	busy.Cmd(250, "MAIL FROM:<a@client.test>")
	busy.Cmd(250, "RCPT TO:<b@example.com>")
	busy.Cmd(354, "DATA")
	drained := make(chan error, 1)
	go func() { drained <- g.current.Load().Drain(t.Context()) }()
	idle.Expect(421)
	idle.ExpectClosed()
	busy.Write("\r\nx\r\n.\r\n")
	busy.Expect(250)
	busy.Expect(421)
	busy.ExpectClosed()
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if len(g.all()) != 1 {
		t.Errorf("%d messages", len(g.all()))
	}
	g.current.Store(nil)
	g.use(t)
}

func TestPolicyIsPinnedAtMail(t *testing.T) {
	g := newGateway(t, preferred())
	c := open(t, g)
	c.Cmd(250, "MAIL FROM:<a@client.test>")
	unhost(t, g)
	c.Cmd(250, "RCPT TO:<b@example.com>") // the message keeps its snapshot
	c.Cmd(250, "RSET")
	c.Cmd(250, "MAIL FROM:<a@client.test>")
	c.Cmd(550, "RCPT TO:<b@example.com>") // the next one has the newest
}
