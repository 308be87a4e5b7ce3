package rest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/domain/probe"
)

// groupView is a group of recipients as a client reads it.
type groupView struct {
	Why         string `json:"why"`
	Destination *struct {
		Domain string `json:"domain"`
	} `json:"destination"`
	LastAttempt *struct {
		ID       string         `json:"id"`
		Decision map[string]any `json:"decision"`
	} `json:"last_attempt"`
	Recipients []struct {
		Address string `json:"address"`
	} `json:"recipients"`
}

type messageExplanationView struct {
	Message struct {
		State, Why string
		Groups     []groupView
	} `json:"message"`
}

func (f *fixture) explainMessage(id delivery.MessageID) messageExplanationView {
	f.t.Helper()
	return decoded[messageExplanationView](f.call("GET", "/api/v1/tls/explain?message="+id.String(), "").want(http.StatusOK))
}

func TestExplainMessage(t *testing.T) {
	f := newFixture(t)
	f.probes.groups = []probe.MessageGroup{{Recipients: []int{0}, Destination: &probe.Destination{Domain: "example.net", Revision: 8, TLS: policy.DefaultTLSSettings()}}}
	got := f.explainMessage(f.queue.messages[0].ID).Message
	if got.State != "queued" || len(got.Groups) != 1 {
		t.Fatalf("%+v", got)
	}
	g := got.Groups[0]
	if g.Destination == nil || g.Destination.Domain != "example.net" || g.Recipients[0].Address != "ben0@example.net" {
		t.Errorf("%+v", g)
	}
	if g.LastAttempt == nil || g.LastAttempt.Decision["tls_level"] != "required" {
		t.Errorf("%+v", g.LastAttempt)
	}
	const why = "After attempt 1 it was deferred at starttls: 454 4.7.4 no; the next attempt is due at 2026-11-25T12:01:00Z."
	if g.Why != why {
		t.Errorf("why: %s", g.Why)
	}
}

func TestExplainHeldMessage(t *testing.T) {
	f := newFixture(t)
	f.probes.groups = []probe.MessageGroup{{Recipients: []int{0}}}
	got := f.explainMessage(f.queue.messages[1].ID).Message
	if got.State != "held" || got.Why != `It is held by content filter "invoices": nothing is tried until it is released.` || !strings.Contains(got.Groups[0].Why, "until the message is released") {
		t.Errorf("%+v", got)
	}
	if got.Groups[0].Destination != nil || got.Groups[0].LastAttempt != nil {
		t.Errorf("%+v", got.Groups[0])
	}
}

// Settled recipients stand together by the attempt that settled them; the record
// is the newest one that is about them.
func TestExplainSettledRecipients(t *testing.T) {
	f := newFixture(t)
	m := f.queue.messages[0]
	m.Recipients = nil
	states := []delivery.RecipientState{delivery.RecipientDelivered, delivery.RecipientDelivered, delivery.RecipientBounced, delivery.RecipientDeleted}
	for i, state := range states {
		m.Recipients = append(m.Recipients, delivery.Recipient{
			Index: i, Address: mailaddr.Mailbox{Local: string(rune('a' + i)), Domain: "example.net"}, State: state, Attempts: 2, Last: deferred,
		})
	}
	later := f.queue.attempts[0]
	later.ID++
	later.Results = []delivery.Result{{Recipient: 0}, {Recipient: 1}, {Recipient: 2}}
	f.queue.attempts = append(f.queue.attempts, later)
	got := f.explainMessage(m.ID).Message
	var groups []string
	for _, g := range got.Groups {
		text := ""
		for _, r := range g.Recipients {
			text += r.Address + " "
		}
		if g.LastAttempt != nil && g.LastAttempt.ID != later.ID.String() {
			text += "attempt " + g.LastAttempt.ID + " "
		}
		why, _, _ := strings.Cut(g.Why, ":")
		groups = append(groups, text+"| "+why)
	}
	want := []string{
		"a@example.net b@example.net | Attempt 2 was the last one", "c@example.net | Attempt 2 was the last one",
		"d@example.net | An administrator deleted it",
	}
	if diff := cmp.Diff(want, groups); diff != "" || got.State != "finished" {
		t.Error(got.State, diff)
	}
}
