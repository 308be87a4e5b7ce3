package outbound

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/tlsreport"
	"postern/smtp/smtptest"
)

// observed writes down what an observer is told.
type observed struct {
	mu    sync.Mutex
	lines []string
	last  tlsreport.Connection
}

func (o *observed) note(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, fmt.Sprintf(format, args...))
}

func (o *observed) CountConnection(c tlsreport.Connection) {
	o.note("connection %s %s %s %s", c.Domain, c.Requirement, c.Result, c.TLS.Verdict())
	o.last = c
}

func (o *observed) CountMessage(c tlsreport.Connection) {
	o.note("message %s %s %s %s", c.Domain, c.Requirement, c.Result, c.TLS.Verdict())
}

func (o *observed) NoteFailure(name mailaddr.DomainName, outcome delivery.Outcome) {
	o.note("failure %s %s", name, outcome.Enhanced)
}

// watch makes a rig's deliveries observed.
func (r *rig) watch() *observed {
	o := &observed{}
	r.Observer = o
	return o
}

func (o *observed) want(t *testing.T, lines ...string) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range o.lines {
		o.lines[i] = strings.TrimRight(o.lines[i], " ")
	}
	if diff := cmp.Diff(lines, o.lines); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// B66: what each kind of peer counts as, at each class of requirement.
func TestObserverIsToldOfEveryConnection(t *testing.T) {
	other := func(r *rig) smtptest.MXOptions {
		return smtptest.MXOptions{Certificate: r.ca.IssueFor(t, "other.example").TLS}
	}
	mode := func(m smtptest.StartTLS) func(*rig) smtptest.MXOptions {
		return func(*rig) smtptest.MXOptions { return smtptest.MXOptions{StartTLS: m} }
	}
	for name, tt := range map[string]struct {
		level policy.TLSLevel
		peer  func(*rig) smtptest.MXOptions
		want  []string
	}{
		"encrypted": {policy.TLSPreferred, mode(0), []string{
			"connection example.com preferred success verified", "message example.com preferred success verified",
		}},
		"encrypted, another name": {policy.TLSPreferred, other, []string{
			"connection example.com preferred success name_mismatch", "message example.com preferred success name_mismatch",
		}},
		"required": {policy.TLSRequired, mode(0), []string{
			"connection example.com required success verified", "message example.com required success verified",
		}},
		"required and not verified": {policy.TLSRequiredVerify, other, []string{
			"connection example.com required failed name_mismatch", "failure example.com 4.7.5",
		}},
		"not offered": {policy.TLSPreferred, mode(smtptest.StartTLSHidden), []string{
			"connection example.com preferred clear", "message example.com preferred clear",
		}},
		"required and not offered": {policy.TLSRequired, mode(smtptest.StartTLSHidden), []string{
			"connection example.com required failed", "failure example.com 4.7.4",
		}},
		"none": {policy.TLSNone, mode(0), []string{
			"connection example.com none clear", "message example.com none clear",
		}},
		// One try, and one with a small ClientHello (B24).
		"broken handshake": {policy.TLSPreferred, mode(smtptest.StartTLSBroken), []string{
			"connection example.com preferred failed", "connection example.com preferred failed", "failure example.com 4.7.5",
		}},
		"refused in the greeting": {policy.TLSRequired, func(*rig) smtptest.MXOptions {
			return smtptest.MXOptions{Greeting: "554 5.7.1 go away"}
		}, []string{"connection example.com required none", "failure example.com 4.7.1"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, control(t, "example.com", tt.level))
			told := r.watch()
			r.simple(tt.peer(r))
			r.send("b@example.com")
			told.want(t, tt.want...)
		})
	}
}

// B66, B68: a connection that fails behind TLS was encrypted, and one in clear
// that gets no credentials has failed for want of TLS.
func TestFailureAtCredentialsIsSortedByItsTLS(t *testing.T) {
	profile := smarthost(policy.TransportSTARTTLSOptional, withCredentials)
	wrong := smtptest.Auth{Mechanisms: "PLAIN", Username: "postern", Password: "another"}
	for name, tt := range map[string]struct {
		profile policy.ServerProfile
		peer    smtptest.MXOptions
		want    []string
	}{
		"wrong password": {profile, smtptest.MXOptions{Auth: wrong}, []string{
			"connection example.com preferred success verified", "failure example.com 4.7.8",
		}},
		"no credentials in clear": {profile, smtptest.MXOptions{Auth: wrong, StartTLS: smtptest.StartTLSHidden}, []string{
			"connection example.com preferred failed", "failure example.com 4.7.11",
		}},
		"implicit TLS and refused": {
			smarthost("", implicit), smtptest.MXOptions{ImplicitTLS: true, Greeting: "421 4.3.2 not now"},
			[]string{"connection example.com required success verified", "failure example.com 4.3.2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, tt.profile, routeToProfile(t, "smarthost"))
			told := r.watch()
			r.relay(tt.peer)
			r.send("b@example.com")
			told.want(t, tt.want...)
		})
	}
}

// A reused connection is no new one; each message counts for its own domain.
func TestObserverCountsMessagesOfReusedConnections(t *testing.T) {
	r := newRig(t, control(t, "example.com", policy.TLSPreferred))
	told := r.watch()
	r.simple(smtptest.MXOptions{Actions: map[string]smtptest.Action{}})
	r.send("b@example.com", "c@example.com")
	if again := r.send("b@example.com"); !again.Reused {
		t.Fatal("the connection was not reused")
	}
	told.want(t, "connection example.com preferred success verified",
		"message example.com preferred success verified", "message example.com preferred success verified")
	if told.last.Host != "mx.example.com" || told.last.TLS.Version != "TLS1.3" {
		t.Errorf("told of %+v", told.last)
	}
}

// A message that nobody took is none, whatever the connection was.
func TestObserverCountsNoRefusedMessage(t *testing.T) {
	r := newRig(t, control(t, "example.com", policy.TLSPreferred))
	told := r.watch()
	r.simple(answers("RCPT", "550 5.1.1 no"))
	r.send("b@example.com")
	told.want(t, "connection example.com preferred success verified", "failure example.com 5.1.1")
}

func TestObserverNamesAddressLiterals(t *testing.T) {
	r := newRig(t)
	told := r.watch()
	r.host("unnamed.test", "192.0.2.9", smtptest.NewMX(t, smtptest.MXOptions{}))
	r.send("b@[192.0.2.9]")
	told.want(t, "connection [192.0.2.9] none clear", "message [192.0.2.9] none clear")
}

// The mail log's line has the fields that an inbound one has, and two more (B68).
func TestMailLogFieldsOutbound(t *testing.T) {
	r := newRig(t, control(t, "example.com", policy.TLSRequiredVerify))
	r.Logger = slog.New(slog.NewJSONHandler(r.log, nil))
	r.simple(smtptest.MXOptions{Certificate: r.ca.IssueFor(t, "other.example").TLS})
	r.send("b@example.com")
	var line map[string]any
	if err := json.Unmarshal([]byte(strings.SplitN(r.log.String(), "\n", 2)[0]), &line); err != nil {
		t.Fatalf("%v in %s", err, r.log)
	}
	for field, want := range map[string]any{
		"msg": "outbound", "event": "connection", "direction": "outgoing", "address": "192.0.2.1:25", "domain": "example.com",
		"requirement": "required", "tls": "failed", "tls_version": "TLS1.3", "verified": false, "revision": 7.0,
		"host": "mx.example.com", "level": "required_verify",
	} {
		if line[field] != want {
			t.Errorf("%s is %v, want %v", field, line[field], want)
		}
	}
	for _, field := range []string{"cipher", "verification", "error"} {
		if text, _ := line[field].(string); text == "" {
			t.Errorf("%s is empty in %v", field, line)
		}
	}
}
