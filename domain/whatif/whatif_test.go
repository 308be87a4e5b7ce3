package whatif

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/session"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// The property tests hold the replay against a check that knows nothing of
// evidence: tables that say what becomes of each kind of peer under each level,
// and of each kind of client under each policy, written down by hand from B15,
// B17, B22, B23 and B28.

// host is a kind of host, what a delivery that tried TLS shows of it, and its
// fate under each level, none first.
type host struct {
	evidence delivery.Evidence
	fates    [6]Class
}

var hosts = []host{
	{ // everything in order
		delivery.Evidence{STARTTLS: delivery.PeerTLSWorks, Trusted: true, Covers: []policy.Check{policy.CheckDomain, policy.CheckHosted, policy.CheckMXHost}},
		[6]Class{Clear, Verified, Verified, Verified, Verified, Verified},
	},
	{ // the usual case: the certificate is for the host
		delivery.Evidence{STARTTLS: delivery.PeerTLSWorks, Trusted: true, Covers: []policy.Check{policy.CheckHosted, policy.CheckMXHost}},
		[6]Class{Clear, Verified, Encrypted, Verified, Deferred, Verified},
	},
	{ // self-signed
		delivery.Evidence{STARTTLS: delivery.PeerTLSWorks, Covers: []policy.Check{policy.CheckDomain, policy.CheckHosted, policy.CheckMXHost}},
		[6]Class{Clear, Encrypted, Encrypted, Encrypted, Deferred, Deferred},
	},
	{delivery.Evidence{STARTTLS: delivery.PeerTLSAbsent}, [6]Class{Clear, Clear, Clear, Deferred, Deferred, Deferred}},
	{delivery.Evidence{STARTTLS: delivery.PeerTLSRefused}, [6]Class{Clear, Clear, Clear, Deferred, Deferred, Deferred}},
	{delivery.Evidence{STARTTLS: delivery.PeerTLSBroken}, [6]Class{Clear, Deferred, Deferred, Deferred, Deferred, Deferred}},
	{delivery.Evidence{STARTTLS: delivery.PeerTLSOffered}, [6]Class{Clear, Unknown, Unknown, Unknown, Unknown, Unknown}},
}

// attemptAt is an attempt at a host of the domain.
func attemptAt(name mailaddr.DomainName, e delivery.Evidence) *delivery.RecordedAttempt {
	e.ByMX = true
	try := delivery.HostTry{Host: "mx." + name.String(), Address: "192.0.2.1:25", Stage: delivery.StageTransfer, Evidence: &e}
	if e.STARTTLS == delivery.PeerTLSWorks {
		try.TLS = delivery.SessionTLS{Version: "TLS1.3"}
	}
	status := delivery.Delivered
	if e.STARTTLS == delivery.PeerTLSBroken {
		try.Stage, status = delivery.StageSTARTTLS, delivery.Deferred
	}
	return &delivery.RecordedAttempt{ID: 1, Attempt: delivery.Attempt{
		Message: 7, At: noon, Decision: policy.Decision{Domain: name, MinVersion: 0x0303},
		Hosts: []delivery.HostTry{try}, Results: []delivery.Result{{Outcome: delivery.Outcome{Status: status}}},
	}}
}

// configuration commits edits to a fresh installation with TLS on.
type configuration struct {
	tb      testing.TB
	service *config.Service
}

func newConfiguration(tb testing.TB) *configuration {
	tb.Helper()
	service, _ := configtest.Seeded(tb)
	c := &configuration{tb, service}
	c.set(config.KindSettings, config.SectionTLS, policy.TLSSettings{Enabled: true, MinVersion: 0x0303})
	return c
}

func (c *configuration) set(kind config.Kind, key string, value config.Value) *config.Snapshot {
	c.tb.Helper()
	configtest.Commit(c.tb, c.service, config.Edit{Kind: kind, Key: key, Value: value})
	return c.service.Snapshot()
}

func (c *configuration) control(name string, level policy.TLSLevel) *config.Snapshot {
	c.tb.Helper()
	pattern, err := mailaddr.ParseHostPattern(name)
	if err != nil {
		c.tb.Fatal(err)
	}
	return c.set(config.KindDestinationControl, name, policy.DestinationControl{Pattern: pattern, TLSLevel: &level})
}

// bruteForce counts units the slow way.
type bruteForce struct {
	judged, unchanged, untold int
	changes                   map[Transition]map[string]int
}

func (b *bruteForce) add(subject string, before, after Class, sameRules bool) {
	b.judged++
	switch {
	case sameRules || before == after && before != Unknown:
		b.unchanged++
		return
	case before == Unknown || after == Unknown:
		b.untold++
	}
	if b.changes == nil {
		b.changes = map[Transition]map[string]int{}
	}
	step := Transition{before, after}
	if b.changes[step] == nil {
		b.changes[step] = map[string]int{}
	}
	b.changes[step][subject]++
}

// compare holds a side of the report against the slow count.
func (b *bruteForce) compare(t interface{ Fatalf(string, ...any) }, side Side) {
	got := bruteForce{judged: side.Judged, unchanged: side.Unchanged, untold: side.CannotBeTold}
	for i, c := range side.Changes {
		if i > 0 && side.Changes[i-1].gravity() > c.gravity() {
			t.Fatalf("%v stands before %v", side.Changes[i-1].Transition, c.Transition)
		}
		total := 0
		for _, s := range c.Subjects {
			for range s.Count {
				got.addChanged(s.Name, c.Transition)
			}
			total += s.Count
		}
		if total != c.Count || c.Others != 0 {
			t.Fatalf("%v: %d counted, %d listed, %d others", c.Transition, c.Count, total, c.Others)
		}
	}
	if diff := cmp.Diff(*b, got, cmp.AllowUnexported(bruteForce{})); diff != "" {
		t.Fatalf("report (-brute force +got):\n%s", diff)
	}
}

func (b *bruteForce) addChanged(subject string, step Transition) {
	if b.changes == nil {
		b.changes = map[Transition]map[string]int{}
	}
	if b.changes[step] == nil {
		b.changes[step] = map[string]int{}
	}
	b.changes[step][subject]++
}

// Whatever was delivered to whom, the replay counts what the table says.
func TestOutgoingReplayAgainstBruteForce(t *testing.T) {
	const domains = 4
	name := func(i int) mailaddr.DomainName { return mailaddr.DomainName(fmt.Sprintf("d%d.example", i)) }
	c := newConfiguration(t)
	level := rapid.Map(rapid.IntRange(0, 5), func(i int) policy.TLSLevel { return policy.TLSLevel(i) })
	rapid.Check(t, func(t *rapid.T) {
		var before, after [domains]policy.TLSLevel
		var from, to *config.Snapshot
		for i := range domains {
			before[i], after[i] = level.Draw(t, "before"), level.Draw(t, "after")
			from = c.control(name(i).String(), before[i])
		}
		for i := range domains {
			to = c.control(name(i).String(), after[i])
		}
		r, want := NewReplay(from, to, noon), bruteForce{}
		for range rapid.IntRange(0, 30).Draw(t, "attempts") {
			i, h := rapid.IntRange(0, domains-1).Draw(t, "domain"), rapid.SampledFrom(hosts).Draw(t, "host")
			r.Attempt(attemptAt(name(i), h.evidence))
			want.add(name(i).String(), h.fates[before[i]], h.fates[after[i]], before[i] == after[i])
		}
		want.compare(t, r.Report().Outgoing)
	})
}

// visitor is a kind of client, and its fate under STARTTLS off, preferred and
// required; then under the latter two with client certificates verified.
type visitor struct {
	record session.Record
	fates  [5]Class
}

var visitors = []visitor{
	{ // mails in clear although STARTTLS is offered
		session.Record{Offered: true, Result: delivery.TLSClear},
		[5]Class{Clear, Clear, Refused, Clear, Refused},
	},
	{ // was never offered STARTTLS
		session.Record{Result: delivery.TLSClear},
		[5]Class{Clear, Unknown, Unknown, Unknown, Unknown},
	},
	{ // uses TLS
		session.Record{Offered: true, Result: delivery.TLSSuccess, TLS: delivery.SessionTLS{Version: "TLS1.3"}},
		[5]Class{Clear, Encrypted, Encrypted, Unknown, Unknown},
	},
	{ // has a good certificate
		session.Record{Offered: true, Result: delivery.TLSSuccess, TLS: delivery.SessionTLS{Version: "TLS1.2"}, Certificate: session.CertificateVerified},
		[5]Class{Clear, Encrypted, Encrypted, Verified, Verified},
	},
	{ // has none
		session.Record{Offered: true, Result: delivery.TLSSuccess, TLS: delivery.SessionTLS{Version: "TLS1.3"}, Certificate: session.CertificateMissing},
		[5]Class{Clear, Encrypted, Encrypted, Encrypted, Refused},
	},
	{ // has a bad one
		session.Record{Offered: true, Result: delivery.TLSSuccess, TLS: delivery.SessionTLS{Version: "TLS1.3"}, Certificate: session.CertificateInvalid},
		[5]Class{Clear, Encrypted, Encrypted, Refused, Refused},
	},
}

// flow commits one of the five policies for everyone.
func (c *configuration) flow(kind int) *config.Snapshot {
	c.tb.Helper()
	mode := [5]policy.ListenerTLS{
		policy.ListenerTLSOff, policy.ListenerTLSPreferred, policy.ListenerTLSRequired, policy.ListenerTLSPreferred, policy.ListenerTLSRequired,
	}[kind]
	p := policy.MailFlowPolicy{Name: "ACCEPTED", Action: policy.ActionAccept}
	verify := kind >= 3
	p.TLS, p.VerifyClientCertificate = mode, &verify
	return c.set(config.KindMailFlowPolicy, p.Name, p)
}

// Whoever came, the replay counts what the table says.
func TestIncomingReplayAgainstBruteForce(t *testing.T) {
	c := newConfiguration(t)
	c.everyone("ACCEPTED")
	rapid.Check(t, func(t *rapid.T) {
		before, after := rapid.IntRange(0, 4).Draw(t, "before"), rapid.IntRange(0, 4).Draw(t, "after")
		from := c.flow(before)
		r, want := NewReplay(from, c.flow(after), noon), bruteForce{}
		for range rapid.IntRange(0, 30).Draw(t, "sessions") {
			v, last := rapid.SampledFrom(visitors).Draw(t, "client"), rapid.IntRange(1, 3).Draw(t, "address")
			one := v.record
			one.Listener, one.Accepted, one.Client = "inbound", 1, netip.AddrFrom4([4]byte{192, 0, 2, byte(last)})
			one.NamesKnown = true
			r.Session(&one)
			want.add(one.Client.String(), v.fates[before], v.fates[after], before == after)
		}
		want.compare(t, r.Report().Incoming)
	})
}

// everyone gets the policy on the listener inbound.
func (c *configuration) everyone(flow string, groups ...policy.SenderGroup) *config.Snapshot {
	c.tb.Helper()
	table := policy.HostAccessTable{Listener: "inbound", Groups: append(groups, policy.SenderGroup{Name: policy.AllGroup, Policy: flow})}
	return c.set(config.KindHostAccessTable, "inbound", table)
}
