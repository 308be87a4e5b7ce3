package whatif

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/session"
)

// attemptCase is what becomes of one attempt at d.example by a change.
type attemptCase struct {
	before, after func(c *configuration) *config.Snapshot
	attempt       *delivery.RecordedAttempt
	want          string // "clear → deferred", "unchanged"
}

// step renders the only change of a side.
func step(side Side) string {
	switch {
	case side.Ignored == 1:
		return "ignored"
	case side.Judged != 1 || len(side.Changes) > 1:
		return fmt.Sprintf("%+v", side)
	case side.Unchanged == 1:
		return "unchanged"
	}
	return fmt.Sprintf("%s → %s", side.Changes[0].From, side.Changes[0].To)
}

func at(level policy.TLSLevel) func(*configuration) *config.Snapshot {
	return func(c *configuration) *config.Snapshot { return c.control("d.example", level) }
}

// with changes the attempt before it is judged.
func with(a *delivery.RecordedAttempt, change func(*delivery.RecordedAttempt)) *delivery.RecordedAttempt {
	change(a)
	return a
}

func (c *configuration) route(hop policy.NextHop) *config.Snapshot {
	c.tb.Helper()
	pattern, err := mailaddr.ParseHostPattern("d.example")
	if err != nil {
		c.tb.Fatal(err)
	}
	return c.set(config.KindRoute, "d.example", policy.Route{Pattern: pattern, NextHops: []policy.NextHop{hop}})
}

func TestOutgoingCases(t *testing.T) {
	works := delivery.Evidence{STARTTLS: delivery.PeerTLSWorks, Trusted: true, Covers: []policy.Check{policy.CheckHosted, policy.CheckMXHost}}
	absent := delivery.Evidence{STARTTLS: delivery.PeerTLSAbsent}
	dane := works
	dane.Published = &delivery.Published{DANE: "usable"}
	for name, tt := range map[string]attemptCase{
		"TLS switched off, mandatory": {
			at(policy.TLSRequired), func(c *configuration) *config.Snapshot {
				return c.set(config.KindSettings, config.SectionTLS, policy.TLSSettings{MinVersion: 0x0303})
			}, attemptAt("d.example", works), "verified → deferred", // B1
		},
		"bounced at once": {
			at(policy.TLSPreferred), func(c *configuration) *config.Snapshot {
				level, pattern := policy.TLSRequired, c.pattern("d.example")
				return c.set(config.KindDestinationControl, "d.example", policy.DestinationControl{Pattern: pattern, TLSLevel: &level, BounceAtOnce: true})
			}, attemptAt("d.example", absent), "clear → bounced", // B28
		},
		"a version that the host has not": {
			at(policy.TLSRequired), func(c *configuration) *config.Snapshot {
				level, pattern := policy.TLSRequired, c.pattern("d.example")
				return c.set(config.KindDestinationControl, "d.example", policy.DestinationControl{Pattern: pattern, TLSLevel: &level, MinVersion: 0x0304})
			},
			with(attemptAt("d.example", works), func(a *delivery.RecordedAttempt) { a.Hosts[0].TLS.Version = "TLS1.2" }),
			"verified → deferred",
		},
		"a lower version may help": {
			at(policy.TLSRequired), func(c *configuration) *config.Snapshot {
				level, pattern := policy.TLSRequired, c.pattern("d.example")
				return c.set(config.KindDestinationControl, "d.example", policy.DestinationControl{Pattern: pattern, TLSLevel: &level, MinVersion: 0x0302})
			},
			attemptAt("d.example", delivery.Evidence{STARTTLS: delivery.PeerTLSBroken}),
			"deferred → cannot_be_told",
		},
		"one-hour list": {
			at(policy.TLSPreferred), func(c *configuration) *config.Snapshot {
				return c.set(config.KindSettings, config.SectionTLS, policy.TLSSettings{Enabled: true, RetryWithoutTLS: true, MinVersion: 0x0303})
			}, attemptAt("d.example", delivery.Evidence{STARTTLS: delivery.PeerTLSBroken}), "deferred → clear", // B24
		},
		"refused by the peer whatever we do": {
			at(policy.TLSPreferred), at(policy.TLSNone),
			with(attemptAt("d.example", works), func(a *delivery.RecordedAttempt) { a.Results[0].Outcome.Status = delivery.Bounced }),
			"unchanged",
		},
		"out of reach": {
			at(policy.TLSPreferred), at(policy.TLSRequired),
			with(attemptAt("d.example", works), func(a *delivery.RecordedAttempt) {
				a.Hosts[0] = delivery.HostTry{Host: "mx.d.example", Address: "192.0.2.1:25", Stage: delivery.StageConnect}
			}), "unchanged",
		},
		"recorded before evidence was": {
			at(policy.TLSPreferred), at(policy.TLSRequired),
			with(attemptAt("d.example", works), func(a *delivery.RecordedAttempt) { a.Hosts[0].Evidence = nil }),
			"cannot_be_told → cannot_be_told",
		},
		"recorded before, and nothing changes": {
			at(policy.TLSPreferred), func(c *configuration) *config.Snapshot { return c.control("other.example", policy.TLSRequired) },
			with(attemptAt("d.example", works), func(a *delivery.RecordedAttempt) { a.Hosts[0].Evidence = nil }),
			"unchanged",
		},
		"a route elsewhere": {
			at(policy.TLSPreferred), func(c *configuration) *config.Snapshot { return c.route(policy.NextHop{Host: "relay.example"}) },
			attemptAt("d.example", works), "verified → cannot_be_told",
		},
		"a route by DNS": {
			at(policy.TLSPreferred), func(c *configuration) *config.Snapshot { return c.route(policy.NextHop{UseDNS: true}) },
			attemptAt("d.example", works), "unchanged",
		},
		"DANE counts": {
			at(policy.TLSNone), at(policy.TLSPreferred),
			with(attemptAt("d.example", dane), func(a *delivery.RecordedAttempt) {
				a.Hosts[0].Evidence.Covers = append(a.Hosts[0].Evidence.Covers, policy.CheckDANE)
			}), "unchanged", // B27: DANE asks for more than both
		},
		"DANE no longer asked for": {
			at(policy.TLSNone), func(c *configuration) *config.Snapshot {
				none := policy.TLSNone
				return c.set(config.KindDestinationControl, "d.example", policy.DestinationControl{Pattern: c.pattern("d.example"), TLSLevel: &none, DANE: policy.DANEOff})
			},
			with(attemptAt("d.example", dane), func(a *delivery.RecordedAttempt) {
				a.Hosts[0].Evidence.Covers = append(a.Hosts[0].Evidence.Covers, policy.CheckDANE)
			}), "verified → clear", // B21
		},
		"the second host serves": {
			at(policy.TLSPreferred), at(policy.TLSRequired),
			with(attemptAt("d.example", absent), func(a *delivery.RecordedAttempt) {
				second := attemptAt("d.example", works).Hosts[0]
				second.Address = "192.0.2.2:25"
				a.Hosts = append(a.Hosts, second)
			}), "clear → verified",
		},
		"ended by the certificate, let go": {
			at(policy.TLSRequiredVerify), at(policy.TLSRequired),
			with(attemptAt("d.example", works), func(a *delivery.RecordedAttempt) {
				a.Hosts[0].Stage, a.Results[0].Outcome.Status = delivery.StageVerify, delivery.Deferred
			}), "deferred → verified",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConfiguration(t)
			r := NewReplay(tt.before(c), tt.after(c), noon)
			r.Attempt(tt.attempt)
			if got := step(r.Report().Outgoing); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func (c *configuration) pattern(s string) mailaddr.HostPattern {
	c.tb.Helper()
	p, err := mailaddr.ParseHostPattern(s)
	if err != nil {
		c.tb.Fatal(err)
	}
	return p
}

// accepting is a policy for clients with the mode.
func (c *configuration) accepting(mode policy.ListenerTLS, change func(*policy.MailFlowPolicy)) *config.Snapshot {
	c.tb.Helper()
	p := policy.MailFlowPolicy{Name: "ACCEPTED", Action: policy.ActionAccept}
	p.TLS = mode
	if change != nil {
		change(&p)
	}
	return c.set(config.KindMailFlowPolicy, p.Name, p)
}

func (c *configuration) exempt(text string) *config.Snapshot {
	c.tb.Helper()
	pattern, err := mailaddr.ParseEndpointPattern(text)
	if err != nil {
		c.tb.Fatal(err)
	}
	return c.set(config.KindSTARTTLSExemption, text, policy.STARTTLSEntry{Pattern: pattern, Reason: "old"})
}

func senders(t *testing.T, patterns ...string) (list []policy.Sender) {
	t.Helper()
	for _, text := range patterns {
		p, err := mailaddr.ParseSenderPattern(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, policy.Sender{Pattern: p})
	}
	return list
}

func TestIncomingCases(t *testing.T) {
	preferred := func(c *configuration) *config.Snapshot { return c.accepting(policy.ListenerTLSPreferred, nil) }
	required := func(c *configuration) *config.Snapshot { return c.accepting(policy.ListenerTLSRequired, nil) }
	mandatory := func(c *configuration) *config.Snapshot {
		return c.accepting(policy.ListenerTLSPreferred, func(p *policy.MailFlowPolicy) {
			pattern, err := mailaddr.ParseAddressPattern("@bank.example")
			if err != nil {
				t.Fatal(err)
			}
			p.TLSMandatorySenders = []mailaddr.AddressPattern{pattern}
		})
	}
	block := func(pattern string) func(c *configuration) *config.Snapshot {
		return func(c *configuration) *config.Snapshot {
			return c.everyone("ACCEPTED", policy.SenderGroup{Name: "BLOCKLIST", Policy: "BLOCKED", Senders: senders(t, pattern)})
		}
	}
	clear := session.Record{Offered: true, Result: delivery.TLSClear, Accepted: 1}
	tls := session.Record{Offered: true, Result: delivery.TLSSuccess, TLS: delivery.SessionTLS{Version: "TLS1.2"}, Accepted: 1}
	bank := clear
	bank.Senders = []session.Sender{{Address: mailaddr.Mailbox{Local: "ann", Domain: "bank.example"}}}
	many := clear
	many.Senders, many.MoreSenders = []session.Sender{{Address: mailaddr.Mailbox{Local: "x", Domain: "y.example"}}}, true
	named := clear
	named.NamesKnown, named.Names = true, []mailaddr.DomainName{"mx.bad.example"}
	refused := func(r session.Record, by string) session.Record {
		r.Accepted, r.Refusal = 0, &session.Refusal{By: by}
		return r
	}
	for name, tt := range map[string]struct {
		before, after func(c *configuration) *config.Snapshot
		record        session.Record
		want          string
	}{
		"clear, then required":        {preferred, required, clear, "clear → refused"},
		"required, then preferred":    {required, preferred, refused(session.Record{Offered: true, Result: delivery.TLSFailed}, "starttls_required"), "refused → clear"},
		"TLS, then exempt":            {preferred, func(c *configuration) *config.Snapshot { return c.exempt("192.0.2.0/24") }, tls, "encrypted → clear"},
		"required, then exempt":       {required, func(c *configuration) *config.Snapshot { return c.exempt("192.0.2.0/24") }, tls, "encrypted → refused"}, // B26
		"exempt by an unknown name":   {preferred, func(c *configuration) *config.Snapshot { return c.exempt("mx.bad.example") }, tls, "encrypted → cannot_be_told"},
		"mandatory sender":            {preferred, mandatory, bank, "clear → refused"},
		"mandatory sender under TLS":  {preferred, mandatory, tls, "unchanged"},
		"more senders than recorded":  {preferred, mandatory, many, "clear → cannot_be_told"},
		"blocked by address":          {preferred, block("192.0.2.7"), clear, "clear → refused"},
		"blocked by name":             {preferred, block(".bad.example"), named, "clear → refused"},
		"blocked by an unknown name":  {preferred, block(".bad.example"), clear, "clear → cannot_be_told"},
		"no longer blocked":           {block("192.0.2.7"), func(c *configuration) *config.Snapshot { return c.everyone("ACCEPTED") }, refused(session.Record{Result: delivery.TLSUndecided}, "reject"), "refused → clear"},
		"version":                     {preferred, func(c *configuration) *config.Snapshot { return c.minimum(0x0304) }, tls, "encrypted → refused"},
		"other cipher suites":         {preferred, func(c *configuration) *config.Snapshot { return c.ciphers(policy.CipherModern) }, tls, "encrypted → cannot_be_told"},
		"refused for another reason":  {preferred, func(c *configuration) *config.Snapshot { return c.accepting(policy.ListenerTLSOff, nil) }, refused(clear, "content_filter"), "unchanged"},
		"the listener is gone":        {preferred, func(c *configuration) *config.Snapshot { return c.withoutListener() }, clear, "clear → refused"},
		"nothing was asked":           {preferred, required, session.Record{Offered: true, Result: delivery.TLSClear}, "ignored"},
		"handshake failed":            {preferred, func(c *configuration) *config.Snapshot { return c.minimum(0x0302) }, session.Record{Offered: true, Result: delivery.TLSFailed}, "cannot_be_told → cannot_be_told"},
		"handshake failed, unchanged": {preferred, preferred, session.Record{Offered: true, Result: delivery.TLSFailed}, "unchanged"},
		"relaying no longer": {
			func(c *configuration) *config.Snapshot {
				return c.accepting(policy.ListenerTLSPreferred, func(p *policy.MailFlowPolicy) { p.Action = policy.ActionRelay })
			}, preferred, clear, "clear → cannot_be_told",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConfiguration(t)
			c.everyone("ACCEPTED")
			c.accepting(policy.ListenerTLSOff, nil)
			tt.record.Listener, tt.record.Client = "inbound", netip.MustParseAddr("192.0.2.7")
			r := NewReplay(tt.before(c), tt.after(c), noon)
			r.Session(&tt.record)
			if got := step(r.Report().Incoming); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func (c *configuration) listener(change func(*policy.Listener)) *config.Snapshot {
	c.tb.Helper()
	l, _ := c.service.Snapshot().Listener("inbound")
	change(&l)
	return c.set(config.KindListener, l.Name, l)
}

func (c *configuration) minimum(v policy.TLSVersion) *config.Snapshot {
	return c.listener(func(l *policy.Listener) { l.MinVersion = v })
}

func (c *configuration) ciphers(p policy.CipherProfile) *config.Snapshot {
	return c.listener(func(l *policy.Listener) { l.CipherProfile = p })
}

func (c *configuration) withoutListener() *config.Snapshot {
	return c.set(config.KindListener, "inbound", nil)
}

// A report is bounded, and its totals are not.
func TestReportsAreBounded(t *testing.T) {
	c := newConfiguration(t)
	r := NewReplay(c.control("default", policy.TLSPreferred), c.control("default", policy.TLSRequired), noon)
	for i := range 3 * maxListed {
		a := attemptAt(mailaddr.DomainName(fmt.Sprintf("d%d.example", i)), delivery.Evidence{STARTTLS: delivery.PeerTLSAbsent})
		r.Attempt(a)
		if i == 42 {
			a.At, a.Message = noon.Add(time.Minute), 8
			r.Attempt(a)
		}
	}
	change := r.Report().Outgoing.Changes[0]
	if change.Count != 3*maxListed+1 || len(change.Subjects) != maxListed || change.Others != 2*maxListed {
		t.Fatalf("%d counted, %d listed, %d others", change.Count, len(change.Subjects), change.Others)
	}
	most := change.Subjects[0]
	if most.Name != "d42.example" || most.Count != 2 || most.Example != delivery.MessageID(8).String() || !most.LastAt.Equal(noon.Add(time.Minute)) {
		t.Errorf("%+v", most)
	}
	if most.Because != "destination_control default: required" {
		t.Errorf("because %q", most.Because)
	}
}

func TestSubjectsBeyondTheBoundAreCounted(t *testing.T) {
	tally := newTally()
	tally.room = 2
	for i := range 5 {
		tally.add(unit{subject: fmt.Sprint(i)}, judgement{class: Clear, key: "a"}, judgement{class: Refused, key: "b"})
	}
	change := tally.result().Changes[0]
	if change.Count != 5 || len(change.Subjects) != 2 {
		t.Errorf("%+v", change)
	}
}

// failing is a history that cannot be read.
type failing struct{ err error }

func (f failing) Recorded(context.Context, time.Time) (int, error) { return 0, nil }
func (f failing) EachSession(context.Context, time.Time, func(*session.Record) bool) error {
	return f.err
}

func (f failing) EachAttempt(context.Context, time.Time, func(*delivery.RecordedAttempt) bool) error {
	return nil
}

func TestHalfAHistoryIsNoReport(t *testing.T) {
	s := newConfiguration(t).service.Snapshot()
	broken := errors.New("disk")
	if _, err := Run(t.Context(), failing{broken}, s, s, noon, noon, func(int, int) {}); !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(stopped, failing{}, s, s, noon, noon, func(int, int) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}
