package inbound

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/mailaddr"
	"postern/domain/policy"
	history "postern/domain/session"
	"postern/smtp/smtptest"
)

// kept are the sessions that a history was given.
type kept struct {
	mu   sync.Mutex
	list []history.Record
}

func (k *kept) Record(r history.Record) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.list = append(k.list, r)
}

// only waits for the end of the session and returns its record.
func (k *kept) only(t *testing.T, g *gateway) history.Record {
	t.Helper()
	smtptest.Eventually(t, func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return len(k.list) == 1 && g.current.Load().Idle()
	}, "the session is recorded")
	return k.list[0]
}

// summary is a record in one line.
func summary(r history.Record) string {
	text := fmt.Sprintf("%s group=%s policy=%s offered=%t %s accepted=%d refused=%d", r.Outcome(), r.Group, r.Policy, r.Offered, r.Result, r.Accepted, r.Refused)
	for _, s := range r.Senders {
		text += fmt.Sprintf(" from=%s/%t", s.Address, s.Encrypted)
	}
	if r.Certificate != "" {
		text += " certificate=" + string(r.Certificate)
	}
	if r.Refusal != nil {
		text += fmt.Sprintf(" by=%s %.3s", r.Refusal.By, r.Refusal.Reply)
	}
	return strings.TrimSpace(text)
}

// Every session is recorded with what a replay needs (B72).
func TestSessionsAreRecorded(t *testing.T) {
	with := func(mode policy.ListenerTLS) setup { return setup{policies: []policy.MailFlowPolicy{flow(mode)}} }
	action := func(a policy.FlowAction) setup {
		return setup{policies: []policy.MailFlowPolicy{{Name: "FLOW", Action: a}}}
	}
	mandatory := with(policy.ListenerTLSPreferred)
	pattern, err := mailaddr.ParseAddressPattern("@client.test")
	if err != nil {
		t.Fatal(err)
	}
	mandatory.policies[0].TLSMandatorySenders = []mailaddr.AddressPattern{pattern}
	for name, tt := range map[string]struct {
		setup   setup
		session func(t *testing.T, g *gateway)
		want    string
	}{
		"encrypted": {with(policy.ListenerTLSPreferred), func(t *testing.T, g *gateway) {
			c := open(t, g)
			c.StartTLS(nil)
			c.Cmd(250, "EHLO client.test")
			mailOne(c)
			c.Quit()
		}, "accepted group=ALL policy=FLOW offered=true success accepted=1 refused=0 from=a@client.test/true"},
		"in clear": {with(policy.ListenerTLSPreferred), func(t *testing.T, g *gateway) {
			c := open(t, g)
			mailOne(c)
			mailOne(c)
			c.Quit()
		}, "accepted group=ALL policy=FLOW offered=true clear accepted=2 refused=0 from=a@client.test/false"},
		"not offered, and relaying refused": {with(policy.ListenerTLSOff), func(t *testing.T, g *gateway) {
			c := open(t, g)
			c.Cmd(250, "MAIL FROM:<a@client.test>")
			c.Cmd(550, "RCPT TO:<b@elsewhere.test>")
			c.Quit()
		}, "refused group=ALL policy=FLOW offered=false clear accepted=0 refused=0 from=a@client.test/false by=relay 550"},
		"required and not used": {with(policy.ListenerTLSRequired), func(t *testing.T, g *gateway) {
			c := open(t, g)
			c.Cmd(530, "MAIL FROM:<a@client.test>")
			c.Quit()
		}, "refused group=ALL policy=FLOW offered=true failed accepted=0 refused=0 by=starttls_required 530"},
		"sender must use TLS": {mandatory, func(t *testing.T, g *gateway) {
			c := open(t, g)
			c.Cmd(530, "MAIL FROM:<a@client.test>")
			c.Quit()
		}, "refused group=ALL policy=FLOW offered=true clear accepted=0 refused=1 from=a@client.test/false by=tls_mandatory_senders 530"},
		"rejected": {action(policy.ActionReject), func(t *testing.T, g *gateway) {
			smtptest.Dial(t, g.addr()).Expect(554)
		}, "refused group=ALL policy=FLOW offered=false none accepted=0 refused=0 by=reject 554"},
		"refused without a word": {action(policy.ActionTCPRefuse), func(t *testing.T, g *gateway) {
			smtptest.Dial(t, g.addr()).Close()
		}, "refused group=ALL policy=FLOW offered=false none accepted=0 refused=0 by=tcp_refuse"},
		"no client certificate": {verifying(smtptest.NewCA(t), policy.ListenerTLSRequired), func(t *testing.T, g *gateway) {
			c := open(t, g)
			c.StartTLS(nil)
			c.Cmd(554, "EHLO client.test")
			c.Quit()
		}, "refused group=ALL policy=FLOW offered=true failed accepted=0 refused=0 certificate=missing by=client_certificate 554"},
		"nothing asked": {with(policy.ListenerTLSPreferred), func(t *testing.T, g *gateway) {
			open(t, g).Quit()
		}, "idle group=ALL policy=FLOW offered=true clear accepted=0 refused=0"},
		"message too large": {with(policy.ListenerTLSOff), func(t *testing.T, g *gateway) {
			c := open(t, g)
			c.Cmd(250, "MAIL FROM:<a@client.test>")
			c.Cmd(250, "RCPT TO:<b@example.com>")
			c.Cmd(354, "DATA")
			c.Write("bare\nLF\r\n.\r\n")
			c.Expect(550)
			c.Quit()
		}, "refused group=ALL policy=FLOW offered=false clear accepted=0 refused=1 from=a@client.test/false by=message 550"},
	} {
		t.Run(name, func(t *testing.T) {
			g, k := newGateway(t, tt.setup), &kept{}
			g.deps.Sessions = k
			g.use(t)
			tt.session(t, g)
			r := k.only(t, g)
			if diff := cmp.Diff(tt.want, summary(r)); diff != "" {
				t.Errorf("recorded (-want +got):\n%s", diff)
			}
			if r.ID == 0 || r.At.IsZero() || r.Client.String() != "127.0.0.1" || r.Revision != g.config.Snapshot().Revision || r.NamesKnown {
				t.Errorf("%+v", r)
			}
		})
	}
}

// Names are known only where they were looked up, and the look-up answered.
func TestRecordsSayWhetherNamesAreKnown(t *testing.T) {
	for known, resolver := range map[bool]failing{
		true: {names: []mailaddr.DomainName{"mx.client.example"}}, false: {err: context.DeadlineExceeded},
	} {
		s := preferred()
		somewhere, err := mailaddr.ParseSenderPattern("somewhere.test")
		if err != nil {
			t.Fatal(err)
		}
		s.access = []policy.SenderGroup{
			{Name: "NAMED", Policy: "FLOW", Senders: []policy.Sender{{Pattern: somewhere}}}, {Name: policy.AllGroup, Policy: "FLOW"},
		}
		s.resolver = resolver
		g, k := newGateway(t, s), &kept{}
		g.deps.Sessions = k
		g.use(t)
		open(t, g).Quit()
		if r := k.only(t, g); r.NamesKnown != known || len(r.Names) != len(resolver.names) {
			t.Errorf("known %t, names %v", r.NamesKnown, r.Names)
		}
	}
}
