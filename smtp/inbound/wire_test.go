package inbound

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/reply"
	"postern/smtp/smtptest"
)

// preferred is the setup of most tests: STARTTLS offered, clear mail accepted.
func preferred() setup {
	return setup{policies: []policy.MailFlowPolicy{flow(policy.ListenerTLSPreferred)}}
}

// open dials, greets and says EHLO.
func open(t *testing.T, g *gateway) *smtptest.Client {
	t.Helper()
	c := smtptest.Dial(t, g.addr())
	c.Expect(220)
	c.Cmd(250, "EHLO client.test")
	return c
}

func TestMessageArrivesAsItWasSent(t *testing.T) {
	g := newGateway(t, preferred())
	content := "Subject: dots\r\n\r\n.one\r\n..two\r\n\r\n.\r\nü\r\n" + strings.Repeat("a long line ", 500) + "\r\n"
	c := open(t, g)
	c.StartTLS(&tls.Config{InsecureSkipVerify: true})
	c.Cmd(250, "EHLO client.test")
	c.Send("a@client.test", []string{`"quoted local"@example.com`, "B@example.com"}, content)
	c.Quit()

	m := g.all()[0]
	if got := body(t, m); got != content {
		t.Errorf("content\n%q, want\n%q", got, content)
	}
	if m.Size != m.Body.Size() || !m.EightBit || m.UTF8 {
		t.Errorf("size %d of %d, 8-bit %t, UTF8 %t", m.Size, m.Body.Size(), m.EightBit, m.UTF8)
	}
	if got := m.Recipients[0].Address.String() + " " + m.Recipients[1].Address.String(); got != `"quoted local"@example.com B@example.com` {
		t.Errorf("recipients %s", got)
	}
	if m.ClientTLS.Version != "TLS1.3" || m.Revision != g.config.Snapshot().Revision {
		t.Errorf("TLS %+v at revision %d", m.ClientTLS, m.Revision)
	}
}

func TestReceivedFieldTellsOfTLSAndQueueID(t *testing.T) { // B19
	g := newGateway(t, preferred())
	c := open(t, g)
	c.StartTLS(&tls.Config{InsecureSkipVerify: true})
	c.Cmd(250, "EHLO client.test")
	accepted := c.Send("a@client.test", []string{"b@example.com"}, "\r\nx\r\n")
	m := g.all()[0]
	r, err := m.Body.Open()
	if err != nil {
		t.Fatal(err)
	}
	all, _ := io.ReadAll(r)
	field, _, _ := strings.Cut(string(all), "\r\n\r\n")
	for _, want := range []string{"from client.test ([127.0.0.1])", "TLS1.3, TLS_", "by mail.example.com with ESMTPS id " + m.ID.String()} {
		if !strings.Contains(field, want) {
			t.Errorf("%q is not in %q", want, field)
		}
	}
	if !strings.Contains(accepted.Text(), m.ID.String()) {
		t.Errorf("the reply %q does not name the queue id %s", accepted, m.ID)
	}
}

// A stall within DATA ends the connection: what follows must never be taken for
// commands, or a body could carry a second message past every check.
func TestStalledDataIsNotReadAsCommands(t *testing.T) {
	impatient := preferred()
	impatient.policies[0].CommandTimeoutSeconds = 1
	g := newGateway(t, impatient)
	c := open(t, g)
	c.Cmd(250, "MAIL FROM:<a@client.test>")
	c.Cmd(250, "RCPT TO:<b@example.com>")
	c.Cmd(354, "DATA")
	c.Write("Subject: x\r\n\r\nfirst half\r\n")
	c.Expect(421) // 4.4.2, and the connection is over
	c.ExpectClosed()
	if got := len(g.all()); got != 0 {
		t.Errorf("%d messages were accepted", got)
	}
}

// Time for a message is counted from octet to octet, not from its beginning.
func TestSlowDataIsAccepted(t *testing.T) {
	patient := preferred()
	patient.policies[0].CommandTimeoutSeconds = 1
	g := newGateway(t, patient)
	c := open(t, g)
	c.Cmd(250, "MAIL FROM:<a@client.test>")
	c.Cmd(250, "RCPT TO:<b@example.com>")
	c.Cmd(354, "DATA")
	for range 4 {
		pause := time.NewTimer(400 * time.Millisecond)
		<-pause.C
		c.Write("line\r\n")
	}
	c.Write(".\r\n")
	c.Expect(250)
}

func TestIdleClientIsTold(t *testing.T) {
	impatient := preferred()
	impatient.policies[0].CommandTimeoutSeconds = 1
	c := open(t, newGateway(t, impatient))
	c.Expect(421)
	c.ExpectClosed()
}

// RFC 3030: a connection that ends within a chunk voids the message.
func TestTruncatedChunkIsNoMessage(t *testing.T) {
	g := newGateway(t, preferred())
	conn, err := net.Dial("tcp", g.addr())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "EHLO c.test\r\nMAIL FROM:<a@c.test>\r\nRCPT TO:<b@example.com>\r\nBDAT 100 LAST\r\nSubject: x\r\n\r\nhalf\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answers, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if len(g.all()) != 0 || strings.Contains(string(answers), "queued") {
		t.Errorf("a truncated message was accepted: %q", answers)
	}
}

// countingConn counts the writes of a server.
type countingConn struct {
	net.Conn
	writes int
}

func (c *countingConn) Write(p []byte) (int, error) {
	c.writes++
	return c.Conn.Write(p)
}

func TestRepliesToABatchLeaveInOneWrite(t *testing.T) {
	g := newGateway(t, preferred())
	ours, theirs := net.Pipe()
	counted := &countingConn{Conn: theirs}
	if !g.current.Load().Handle(counted) {
		t.Fatal("not handled")
	}
	var seen bytes.Buffer
	readUntil := func(text string) {
		for !strings.Contains(seen.String(), text) {
			chunk := make([]byte, 4096)
			n, err := ours.Read(chunk)
			if err != nil {
				t.Fatal(err)
			}
			seen.Write(chunk[:n])
		}
	}
	readUntil("220 ")
	if _, err := io.WriteString(ours, "EHLO c.test\r\n"); err != nil {
		t.Fatal(err)
	}
	readUntil("250 ")
	if _, err := io.WriteString(ours, "MAIL FROM:<a@c.test>\r\n"+strings.Repeat("RCPT TO:<b@example.com>\r\n", 50)+"DATA\r\n"); err != nil {
		t.Fatal(err)
	}
	readUntil("354 ")
	if counted.writes != 3 { // banner, EHLO, the batch
		t.Errorf("%d writes, want 3", counted.writes)
	}
	_ = ours.Close()
}

func TestFirstMatchInTheHostAccessTable(t *testing.T) { // B12, B13, B14
	table := []policy.SenderGroup{
		{Name: "SKIPPED", Policy: "SKIP", Senders: senders(t, "127.0.0.1")},
		{Name: "NAMED", Policy: "REFUSE", Senders: senders(t, ".bad.example")},
		{Name: "LOCAL", Policy: "FLOW", Senders: senders(t, "127.0.0.")},
		{Name: policy.AllGroup, Policy: "REFUSE"},
	}
	policies := []policy.MailFlowPolicy{
		flow(policy.ListenerTLSOff), {Name: "SKIP", Action: policy.ActionContinue}, {Name: "REFUSE", Action: policy.ActionReject},
	}
	good := newGateway(t, setup{access: table, policies: policies, names: map[string][]mailaddr.DomainName{"127.0.0.1": {"host.good.example"}}})
	open(t, good)
	bad := newGateway(t, setup{access: table, policies: policies, names: map[string][]mailaddr.DomainName{"127.0.0.1": {"host.bad.example"}}})
	smtptest.Dial(t, bad.addr()).Expect(554)
}

func senders(t *testing.T, patterns ...string) []policy.Sender {
	t.Helper()
	var list []policy.Sender
	for _, s := range patterns {
		p, err := mailaddr.ParseSenderPattern(s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, policy.Sender{Pattern: p})
	}
	return list
}

func TestConnectionLimits(t *testing.T) { // B11, B14
	per := preferred()
	per.policies[0].ConnectionsPerAddress = 1
	g := newGateway(t, per)
	first := open(t, g)
	smtptest.Dial(t, g.addr()).Expect(421)
	first.Quit()
	smtptest.Eventually(t, func() bool { return g.deps.Limits.Connections("test") == 0 })
	open(t, g).Quit()

	all := preferred()
	all.listener.MaxConcurrency = 1
	g = newGateway(t, all)
	open(t, g)
	smtptest.Dial(t, g.addr()).Expect(421)
}

func TestRecipientsPerHour(t *testing.T) { // B14
	s := preferred()
	s.policies[0].RecipientsPerHour = 2
	g := newGateway(t, s)
	c := open(t, g)
	c.Cmd(250, "MAIL FROM:<a@client.test>")
	c.Cmd(250, "RCPT TO:<1@example.com>")
	c.Cmd(250, "RCPT TO:<2@example.com>")
	c.Cmd(452, "RCPT TO:<3@example.com>")
}

func TestSpoolThatCannotStore(t *testing.T) { // B74, B77
	g := newGateway(t, preferred())
	c := open(t, g)
	g.breakDown(errFull, nil)
	c.Cmd(250, "MAIL FROM:<a@client.test>")
	c.Cmd(250, "RCPT TO:<b@example.com>")
	c.Cmd(354, "DATA")
	c.Write("\r\nx\r\n.\r\n")
	c.Expect(451)
	g.breakDown(errFull, errFull)
	c.Cmd(452, "MAIL FROM:<a@client.test>")
	smtptest.Dial(t, g.addr()).Expect(421)
}

func TestTooManyRefusalsEndTheSession(t *testing.T) {
	g := newGateway(t, preferred())
	c := open(t, g)
	c.Cmd(250, "MAIL FROM:<a@client.test>")
	for range maxRefusals {
		c.Cmd(550, "RCPT TO:<b@elsewhere.example>")
	}
	c.Cmd(550, "RCPT TO:<b@elsewhere.example>")
	if r := c.Expect(421); r.String() != reply.TooManyErrors().String() {
		t.Errorf("ended with %s", r)
	}
	c.ExpectClosed()
}

func TestTLSVersionAndTickets(t *testing.T) { // B9
	g := newGateway(t, preferred())
	c := open(t, g)
	c.Cmd(220, "STARTTLS")
	if _, err := c.TryHandshake(&tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 was negotiated")
	}
	cache := tls.NewLRUClientSessionCache(1)
	for range 2 {
		c := open(t, g)
		if state := c.StartTLS(&tls.Config{InsecureSkipVerify: true, ClientSessionCache: cache, ServerName: "x"}); state.DidResume {
			t.Error("a session was resumed")
		}
		c.Cmd(250, "EHLO client.test")
		c.Quit()
	}
}

func TestMailLogHasOneLineForAConnection(t *testing.T) { // B68
	g := newGateway(t, preferred())
	c := open(t, g)
	c.Quit()
	smtptest.Eventually(t, g.current.Load().Idle)
	text := g.log.String()
	if strings.Count(text, `"event":"connection"`) != 1 || !strings.Contains(text, `"tls":"clear"`) {
		t.Errorf("mail log:\n%s", text)
	}
}

// A chunk has no lines of its own: one long line in it is no long command.
func TestLongLineInAChunk(t *testing.T) {
	g := newGateway(t, preferred())
	c := open(t, g)
	c.Cmd(250, "MAIL FROM:<a@client.test>")
	c.Cmd(250, "RCPT TO:<b@example.com>")
	line := strings.Repeat("x", 20_000) + "\r\n"
	c.Write("BDAT 20002 LAST\r\n" + line)
	c.Expect(250)
	if got := body(t, g.all()[0]); got != line {
		t.Errorf("%d octets arrived, want %d", len(got), len(line))
	}
}

// A client that starts TLS and then says nothing is not waited for.
func TestHandshakeHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		w := newWire(theirs, time.Hour, time.Hour)
		began := time.Now()
		err := make(chan error, 1)
		go func() { err <- w.startTLS(new(tls.Config)) }()
		if _, readErr := ours.Read(make([]byte, 100)); readErr != nil { // the 220
			t.Fatal(readErr)
		}
		if <-err == nil || time.Since(began) > handshakeTimeout {
			t.Errorf("the handshake ended after %s", time.Since(began))
		}
		_ = ours.Close()
	})
}

// However slowly octets come, the session ends with its time.
func TestSessionHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		w := newWire(theirs, time.Minute, 10*time.Minute)
		began := time.Now()
		go func() {
			_, _ = w.readCommand()
			_ = w.close()
		}()
		go func() { _, _ = io.Copy(io.Discard, ours) }()
		for err := error(nil); err == nil; _, err = ours.Write([]byte("x")) {
			time.Sleep(30 * time.Second) // of the bubble
		}
		if lasted := time.Since(began); lasted > 11*time.Minute {
			t.Errorf("the session lasted %s", lasted)
		}
	})
}
