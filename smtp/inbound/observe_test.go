package inbound

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/tlsreport"
	"postern/smtp/smtptest"
)

// observed writes down what an observer is told.
type observed struct {
	mu    sync.Mutex
	lines []string
}

func (o *observed) note(kind string, c tlsreport.Connection) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, strings.TrimRight(fmt.Sprintf("%s %s %s %s %s", kind, c.Domain, c.Requirement, c.Result, c.TLS.Verdict()), " "))
}

func (o *observed) CountConnection(c tlsreport.Connection) { o.note("connection", c) }
func (o *observed) CountMessage(c tlsreport.Connection)    { o.note("message", c) }

func (o *observed) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.lines)
}

// watched is a gateway whose sessions are observed.
func watched(t *testing.T, s setup) (*gateway, *observed) {
	t.Helper()
	g, o := newGateway(t, s), &observed{}
	g.deps.Observer = o
	g.use(t)
	return g, o
}

// want waits for the end of every session and compares.
func (o *observed) want(t *testing.T, g *gateway, lines ...string) {
	t.Helper()
	smtptest.Eventually(t, g.current.Load().Idle)
	o.mu.Lock()
	defer o.mu.Unlock()
	if diff := cmp.Diff(lines, o.lines); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// mailOne sends one message.
func mailOne(c *smtptest.Client) {
	c.Send("a@client.test", []string{"b@example.com"}, "Subject: x\r\n\r\nx\r\n")
}

// B66: what each kind of session counts as.
func TestObserverIsToldOfEverySession(t *testing.T) {
	with := func(mode policy.ListenerTLS) setup { return setup{policies: []policy.MailFlowPolicy{flow(mode)}} }
	smtps := with(policy.ListenerTLSPreferred)
	smtps.listener.Protocol = policy.ProtocolSMTPS
	for name, tt := range map[string]struct {
		setup   setup
		session func(t *testing.T, g *gateway)
		want    []string
	}{
		"encrypted": {with(policy.ListenerTLSPreferred), func(t *testing.T, g *gateway) {
			c := open(t, g)
			c.StartTLS(nil)
			c.Cmd(250, "EHLO client.test")
			mailOne(c)
			c.Quit()
		}, []string{"message 127.0.0.1 preferred success unchecked", "connection 127.0.0.1 preferred success unchecked"}},
		"mail in clear, then TLS": {with(policy.ListenerTLSPreferred), func(t *testing.T, g *gateway) {
			c := open(t, g)
			mailOne(c)
			c.StartTLS(nil)
			c.Cmd(250, "EHLO client.test")
			mailOne(c)
			c.Quit()
		}, []string{
			"message 127.0.0.1 preferred clear", "message 127.0.0.1 preferred success unchecked",
			"connection 127.0.0.1 preferred success unchecked",
		}},
		"clear": {with(policy.ListenerTLSPreferred), func(t *testing.T, g *gateway) {
			open(t, g).Quit()
		}, []string{"connection 127.0.0.1 preferred clear"}},
		"not offered": {with(policy.ListenerTLSOff), func(t *testing.T, g *gateway) {
			c := open(t, g)
			mailOne(c)
			c.Quit()
		}, []string{"message 127.0.0.1 none clear", "connection 127.0.0.1 none clear"}},
		"required and not used": {with(policy.ListenerTLSRequired), func(t *testing.T, g *gateway) {
			c := open(t, g)
			c.Cmd(530, "MAIL FROM:<a@client.test>")
			c.Quit()
		}, []string{"connection 127.0.0.1 required failed"}},
		"required and used": {with(policy.ListenerTLSRequired), func(t *testing.T, g *gateway) {
			c := open(t, g)
			c.StartTLS(nil)
			c.Close()
		}, []string{"connection 127.0.0.1 required success unchecked"}},
		"broken handshake": {with(policy.ListenerTLSPreferred), func(t *testing.T, g *gateway) {
			c := open(t, g)
			c.Cmd(220, "STARTTLS")
			c.Write("this is no ClientHello\r\n")
			c.Close()
		}, []string{"connection 127.0.0.1 preferred failed"}},
		"silent": {with(policy.ListenerTLSRequired), func(t *testing.T, g *gateway) {
			c := smtptest.Dial(t, g.addr())
			c.Expect(220)
			c.Close()
		}, []string{"connection 127.0.0.1 required none"}},
		"refused": {setup{policies: []policy.MailFlowPolicy{{Name: "FLOW", Action: policy.ActionReject}}}, func(t *testing.T, g *gateway) {
			smtptest.Dial(t, g.addr()).Expect(554)
		}, []string{"connection 127.0.0.1 none none"}},
		"no client certificate": {verifying(smtptest.NewCA(t), policy.ListenerTLSRequired), func(t *testing.T, g *gateway) {
			c := open(t, g)
			c.StartTLS(nil)
			c.Cmd(554, "EHLO client.test")
			c.Quit()
		}, []string{"connection 127.0.0.1 required failed no_certificate"}},
		"implicit TLS": {smtps, func(t *testing.T, g *gateway) {
			c := smtptest.DialTLS(t, g.addr(), nil)
			c.Greet()
			c.Quit()
		}, []string{"connection 127.0.0.1 required success unchecked"}},
		"implicit TLS, silent": {smtps, func(t *testing.T, g *gateway) {
			smtptest.Dial(t, g.addr()).Close()
		}, []string{"connection 127.0.0.1 required none"}},
		"implicit TLS, spoken to in clear": {smtps, func(t *testing.T, g *gateway) {
			c := smtptest.Dial(t, g.addr())
			c.Write("EHLO client.test\r\n")
			c.Close()
		}, []string{"connection 127.0.0.1 required failed"}},
	} {
		t.Run(name, func(t *testing.T) {
			g, told := watched(t, tt.setup)
			tt.session(t, g)
			smtptest.Eventually(t, func() bool { return told.count() >= len(tt.want) }, "the session ends")
			told.want(t, g, tt.want...)
		})
	}
}

// A confirmed name counts under its organisation, and nothing that the client
// says of itself.
func TestClientsAreCountedUnderTheirOrganisation(t *testing.T) {
	for name, want := range map[mailaddr.DomainName]string{
		"mail-1.out.example.co.uk": "example.co.uk", "localhost": "localhost", "mx.example.net": "example.net",
	} {
		s := preferred()
		// A host name in the table has the client's names looked up (B13).
		somewhere, err := mailaddr.ParseSenderPattern("somewhere.test")
		if err != nil {
			t.Fatal(err)
		}
		s.access = []policy.SenderGroup{
			{Name: "NAMED", Policy: "FLOW", Senders: []policy.Sender{{Pattern: somewhere}}}, {Name: policy.AllGroup, Policy: "FLOW"},
		}
		s.names = map[string][]mailaddr.DomainName{"127.0.0.1": {name}}
		g, told := watched(t, s)
		open(t, g).Quit()
		told.want(t, g, "connection "+want+" preferred clear")
	}
}

// The mail log's line has the fields that an outbound one has, and those of the
// listener (B68).
func TestMailLogFieldsInbound(t *testing.T) {
	g := newGateway(t, preferred())
	c := open(t, g)
	c.StartTLS(nil)
	c.Cmd(250, "EHLO client.test")
	mailOne(c)
	c.Quit()
	smtptest.Eventually(t, g.current.Load().Idle)
	var line map[string]any
	for text := range strings.SplitSeq(g.log.String(), "\n") {
		if strings.Contains(text, `"event":"connection"`) {
			if err := json.Unmarshal([]byte(text), &line); err != nil {
				t.Fatal(err)
			}
		}
	}
	for field, want := range map[string]any{
		"msg": "inbound", "event": "connection", "direction": "incoming", "address": "127.0.0.1", "domain": "127.0.0.1",
		"requirement": "preferred", "tls": "success", "tls_version": "TLS1.3", "verified": false, "verification": "", "error": "",
		"listener": "test", "group": "ALL", "policy": "FLOW", "messages": 1.0, "revision": float64(g.config.Snapshot().Revision),
	} {
		if line[field] != want {
			t.Errorf("%s is %v, want %v", field, line[field], want)
		}
	}
	if text, _ := line["cipher"].(string); !strings.HasPrefix(text, "TLS_") {
		t.Errorf("the cipher is %q", text)
	}
}
