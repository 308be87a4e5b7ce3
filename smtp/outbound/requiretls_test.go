package outbound

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/tlsreport"
	"postern/smtp/smtptest"
)

// vouched is [rig.domain] with an answer that a validating resolver vouches for.
func (r *rig) vouched(name mailaddr.DomainName, hosts ...mailaddr.DomainName) {
	r.domain(name, hosts...)
	found := r.resolver.mx[name]
	found.Authenticated = true
	r.resolver.mx[name] = found
}

// exchangers puts a host of each kind behind example.com, in order of preference.
// DNSSEC vouches for the names.
func (r *rig) exchangers(kinds ...string) []*smtptest.MX {
	r.t.Helper()
	var hosts []mailaddr.DomainName
	var list []*smtptest.MX
	for i, kind := range kinds {
		host := mailaddr.DomainName(fmt.Sprintf("mx%d.example.com", i+1))
		hosts = append(hosts, host)
		mx := r.exchanger(host, kind)
		list = append(list, mx)
		switch kind {
		case "nameless":
			r.resolver.fail = append(r.resolver.fail, host)
		default:
			r.host(host, fmt.Sprintf("192.0.2.%d", i+1), mx)
		}
	}
	r.vouched("example.com", hosts...)
	return list
}

// exchanger is a host of a kind; nil where nothing listens.
func (r *rig) exchanger(host mailaddr.DomainName, kind string) *smtptest.MX {
	options := smtptest.MXOptions{Certificate: r.ca.IssueFor(r.t, host.String()).TLS, TLSKeywords: []string{"REQUIRETLS"}}
	switch kind {
	case "good":
	case "plain":
		options.TLSKeywords = nil
	case "clear":
		options.StartTLS = smtptest.StartTLSHidden
	case "broken":
		options.StartTLS = smtptest.StartTLSBroken
	case "stranger":
		options.Certificate = r.ca.IssueFor(r.t, "other.test").TLS
	case "busy":
		options.Greeting = "421 4.3.2 later"
	case "dead", "nameless":
		return nil
	default:
		r.t.Fatalf("no kind %q", kind)
	}
	return smtptest.NewMX(r.t, options)
}

func flagged(t *testing.T) *delivery.Message {
	m := mail(t, body, "b@example.com")
	m.RequireTLS = true
	return m
}

// heard are the arguments of a command on one connection to the exchanger.
func heard(mx *smtptest.MX, connection int, verb string) (list []string) {
	for _, c := range mx.Commands() {
		if c.Connection == connection && c.Stage == verb {
			list = append(list, c.Argument)
		}
	}
	return list
}

// B56, B57: of three hosts only the third qualifies, and it gets the message with
// the flag passed on. Mail that is not flagged goes to the first all the same.
func TestFlaggedMessageGoesToTheHostThatQualifies(t *testing.T) {
	r := newRig(t, control(t, "example.com", policy.TLSPreferred))
	hosts := r.exchangers("clear", "plain", "good")
	a := r.deliver(flagged(t))
	want(t, a, delivered)
	var tries []string
	for _, h := range a.Hosts {
		tries = append(tries, fmt.Sprintf("%s %s", h.Host, h.Stage))
	}
	if diff := cmp.Diff([]string{"mx1.example.com starttls", "mx2.example.com extensions", "mx3.example.com transfer"}, tries); diff != "" {
		t.Error(diff)
	}
	if got := heard(hosts[2], 1, "MAIL"); len(got) != 1 || !strings.HasSuffix(got[0], " REQUIRETLS") {
		t.Errorf("said %q", got)
	}
	if first, second := heard(hosts[0], 1, "MAIL"), heard(hosts[1], 1, "MAIL"); first != nil || second != nil {
		t.Errorf("hosts that do not qualify heard %q, %q", first, second)
	}
	want(t, r.send("c@example.com"), delivered)
	if n := len(hosts[0].Messages()); n != 1 {
		t.Errorf("the first host got %d messages", n)
	}
	conforms(t, hosts...)
}

// B57: what the failures of all hosts come to, in any order.
func TestOutcomeOfFlaggedMessage(t *testing.T) {
	for _, tt := range []struct {
		hosts []string
		want  string
	}{
		{[]string{"plain", "plain", "plain"}, "bounced extensions 550 5.7.30"},
		{[]string{"clear", "broken", "stranger"}, "bounced verify 550 5.7.10"},
		{[]string{"clear"}, "bounced starttls 550 5.7.10"},
		{[]string{"plain", "stranger"}, "bounced extensions 550 5.7.30"},
		{[]string{"clear", "plain"}, "bounced extensions 550 5.7.30"},
		{[]string{"plain", "dead"}, "deferred connect 451 4.4.1"},
		{[]string{"stranger", "busy"}, "deferred connect 421 4.3.2"},
		{[]string{"clear", "nameless"}, "deferred names 451 4.4.3"},
		{[]string{"dead", "nameless", "good"}, delivered},
	} {
		for range 2 {
			t.Run(strings.Join(tt.hosts, " "), func(t *testing.T) {
				r := newRig(t)
				r.exchangers(tt.hosts...)
				want(t, r.deliver(flagged(t)), tt.want)
			})
			slices.Reverse(tt.hosts)
		}
	}
}

// RFC 8689 §4.2.1: without a word of DNSSEC or MTA-STS no MX host is tried; the
// next hop of a route is the administrator's, and held to everything else.
func TestWhoNamesTheHostOfFlaggedMail(t *testing.T) {
	r := newRig(t, route(t, "routed.test", "mx1.example.com", "mx2.example.com"))
	hosts := r.exchangers("plain", "good")
	m := mail(t, body, "b@routed.test")
	m.Recipients[0].RequireTLS = true
	want(t, r.deliver(m), delivered)
	if n := len(hosts[1].Messages()); n != 1 {
		t.Errorf("the host that qualifies got %d messages", n)
	}
	r.domain("example.com", "mx2.example.com")
	want(t, r.deliver(flagged(t)), "bounced policy 550 5.7.10")
	if n := hosts[1].Connections(); n != 1 {
		t.Errorf("%d connections to a host for which nobody vouches", n)
	}
}

// RFC 8689 §5: mail with the null reverse-path goes without the word where nobody
// knows it, but not without proven TLS; and no other mail after it.
func TestFlaggedMailWithoutReversePath(t *testing.T) {
	bounce := func(t *testing.T) *delivery.Message {
		m := flagged(t)
		m.Sender = mailaddr.Mailbox{}
		return m
	}
	t.Run("offered", func(t *testing.T) {
		r := newRig(t)
		hosts := r.exchangers("good")
		want(t, r.deliver(bounce(t)), delivered)
		if got := heard(hosts[0], 1, "MAIL"); !strings.HasSuffix(got[0], " REQUIRETLS") {
			t.Errorf("said %q", got)
		}
	})
	t.Run("not offered", func(t *testing.T) {
		r := newRig(t)
		hosts := r.exchangers("plain")
		want(t, r.deliver(bounce(t)), delivered)
		if m := hosts[0].Messages()[0]; m.TLS == nil {
			t.Error("it went in clear")
		}
		if got := heard(hosts[0], 1, "MAIL"); strings.Contains(got[0], "REQUIRETLS") {
			t.Errorf("said %q", got)
		}
		want(t, r.deliver(flagged(t)), "bounced extensions 550 5.7.30")
		conforms(t, hosts...)
	})
	t.Run("no proven TLS", func(t *testing.T) {
		r := newRig(t)
		r.exchangers("stranger", "clear")
		want(t, r.deliver(bounce(t)), "bounced verify 550 5.7.10")
	})
}

// A connection that was made for flagged mail serves flagged mail, and no other
// connection does (B29).
func TestFlaggedMailHasConnectionsOfItsOwn(t *testing.T) {
	r := newRig(t, control(t, "example.com", policy.TLSRequired))
	hosts := r.exchangers("good")
	for _, m := range []*delivery.Message{mail(t, body, "b@example.com"), flagged(t), mail(t, body, "b@example.com"), flagged(t)} {
		want(t, r.deliver(m), delivered)
	}
	for connection, flag := range map[int]bool{1: false, 2: true} {
		for _, line := range heard(hosts[0], connection, "MAIL") {
			if strings.HasSuffix(line, " REQUIRETLS") != flag {
				t.Errorf("connection %d heard %q", connection, line)
			}
		}
	}
	if n := hosts[0].Connections(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

// TLS that was proven counts as such, though the message went nowhere.
func TestMissingREQUIRETLSIsNoFailureOfTLS(t *testing.T) {
	r := newRig(t)
	r.exchangers("plain")
	seen := &observed{}
	r.Observer = seen
	r.deliver(flagged(t))
	if seen.last.Result != delivery.TLSSuccess || seen.last.Requirement != tlsreport.RequirementOf(policy.TLSRequired) {
		t.Errorf("counted %+v", seen.last)
	}
}

// B58: the header is a part of what decides, and of the record; flagged mail
// passes over it.
func TestTLSRequiredNoDecides(t *testing.T) {
	r := newRig(t)
	r.exchangers("good")
	m := mail(t, body, "b@example.com", "c@example.com")
	m.TLSRequiredNo, m.Recipients[1].RequireTLS = true, true
	for i, ignored := range []bool{false, true} {
		a := r.Deliver(t.Context(), m, []int{i})
		want(t, a, delivered)
		if p := a.Hosts[0].Evidence.Published; p == nil || !p.TLSRequiredNo {
			t.Errorf("recorded %+v", p)
		}
		told := slices.ContainsFunc(a.Decision.Reasons, func(r policy.Reason) bool {
			return r.Rule == "tls_required_no" && r.OverruledBy == "requiretls"
		})
		if told != ignored {
			t.Errorf("recipient %d: reasons %+v", i, a.Decision.Reasons)
		}
	}
}
