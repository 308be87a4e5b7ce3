package rest

import (
	"context"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/session"
)

// sessions are some in memory, newest first, and the filter that was asked by.
type sessions struct {
	list   []session.Record
	filter session.Filter
}

func newSessions() *sessions {
	full := session.Record{
		ID: delivery.NewMessageID(noon, 2), At: noon, Duration: 1500 * time.Millisecond, Listener: "inbound",
		Client: netip.MustParseAddr("192.0.2.7"), Names: []mailaddr.DomainName{"mx.client.example"}, NamesKnown: true,
		Group: "ALL", Policy: "ACCEPTED", Offered: true, Result: delivery.TLSSuccess,
		TLS: delivery.SessionTLS{Version: "TLS1.3", Cipher: "TLS_AES_128_GCM_SHA256"}, Certificate: session.CertificateMissing,
		Accepted: 2, Refused: 1, Senders: []session.Sender{{Address: mailaddr.Mailbox{Local: "ann", Domain: "client.example"}, Encrypted: true}},
		MoreSenders: true, Refusal: &session.Refusal{By: "relay", Reply: "550 5.7.1 no"}, Revision: 7,
	}
	bare := session.Record{ID: delivery.NewMessageID(noon, 1), At: noon, Listener: "inbound", Result: delivery.TLSUndecided}
	return &sessions{list: []session.Record{full, bare}}
}

func (s *sessions) Sessions(_ context.Context, f session.Filter, from session.ID, limit int) (list []session.Record, _ error) {
	s.filter = f
	for _, r := range inOrder(s.list, f.OldestFirst) {
		if (from == 0 || (r.ID > from) == f.OldestFirst && r.ID != from) && len(list) < limit {
			list = append(list, r)
		}
	}
	return list, nil
}

func (s *sessions) Session(_ context.Context, id session.ID) (session.Record, error) {
	for _, r := range s.list {
		if r.ID == id {
			return r, nil
		}
	}
	return session.Record{}, domain.E(domain.NotFound, "there is no session %s", id)
}

func TestSessions(t *testing.T) {
	f := newFixture(t)
	first := decoded[Page[map[string]any]](f.callAs("viewer", "GET", "/api/v1/sessions?limit=1", "").want(http.StatusOK))
	want := []map[string]any{{
		"id": delivery.NewMessageID(noon, 2).String(), "at": "2026-11-25T12:00:00Z", "duration_milliseconds": 1500.0,
		"listener": "inbound", "client_address": "192.0.2.7", "client_names": []any{"mx.client.example"}, "client_names_known": true,
		"sender_group": "ALL", "mail_flow_policy": "ACCEPTED", "outcome": "accepted", "tls_offered": true, "tls_result": "success",
		"tls": map[string]any{"version": "TLS1.3", "cipher": "TLS_AES_128_GCM_SHA256"}, "client_certificate": "missing",
		"messages_accepted": 2.0, "messages_refused": 1.0, "more_senders": true, "revision": 7.0,
		"senders": []any{map[string]any{"address": "ann@client.example", "encrypted": true}},
		"refusal": map[string]any{"by": "relay", "reply": "550 5.7.1 no"},
	}}
	if diff := cmp.Diff(want, first.Items); diff != "" {
		t.Errorf("sessions (-want +got):\n%s", diff)
	}
	second := decoded[Page[map[string]any]](f.call("GET", "/api/v1/sessions?limit=1&cursor="+first.NextCursor, "").want(http.StatusOK))
	if len(second.Items) != 1 || second.NextCursor != "" || second.Items[0]["outcome"] != "idle" || second.Items[0]["client_certificate"] != "not_asked" {
		t.Errorf("%+v", second)
	}
	one := decoded[map[string]any](f.call("GET", "/api/v1/sessions/"+want[0]["id"].(string), "").want(http.StatusOK))
	if diff := cmp.Diff(want[0], one); diff != "" {
		t.Errorf("session (-want +got):\n%s", diff)
	}
	for _, id := range []string{"0000000000001", "what"} {
		f.call("GET", "/api/v1/sessions/"+id, "").want(http.StatusNotFound)
	}
}

func TestSessionFilters(t *testing.T) {
	f := newFixture(t)
	f.call("GET", "/api/v1/sessions?listener=inbound&client=::ffff:192.0.2.7&sender_group=ALL&tls_result=none&outcome=refused"+
		"&since=2026-11-25T12:00:00Z&until=2026-11-26T12:00:00Z", "").want(http.StatusOK)
	want := session.Filter{
		Listener: "inbound", Client: netip.MustParseAddr("192.0.2.7"), Group: "ALL", TLS: delivery.TLSUndecided,
		Outcome: session.Refused, Since: noon, Until: noon.Add(24 * time.Hour),
	}
	if got := f.api.sessions.(*sessions).filter; got != want {
		t.Errorf("asked by %+v, want %+v", got, want)
	}
	for _, query := range []string{"outcome=lost", "tls_result=maybe", "client=mx", "since=noon", "until=1", "group=ALL", "cursor=x"} {
		f.call("GET", "/api/v1/sessions?"+query, "").want(http.StatusBadRequest)
	}
}
