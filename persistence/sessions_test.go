package persistence

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/session"
)

// sessionAt is a session that ended so many minutes after noon.
func sessionAt(minutes int, low uint32) session.Record {
	at := noon.Add(time.Duration(minutes) * time.Minute)
	return session.Record{
		ID: delivery.NewMessageID(at, low), At: at.Add(-2 * time.Second), Duration: 2 * time.Second,
		Listener: "inbound", Client: netip.MustParseAddr("192.0.2.7"), Group: "ALL", Policy: "ACCEPTED",
		Result: delivery.TLSClear, Offered: true, Accepted: 1, Revision: 3,
	}
}

func (q *mail) addSessions(records ...session.Record) {
	q.t.Helper()
	if err := q.AddSessions(q.t.Context(), records); err != nil {
		q.t.Fatal(err)
	}
}

func (q *mail) sessions(f session.Filter, below session.ID, limit int) (ids []session.ID) {
	q.t.Helper()
	list, err := q.Sessions(q.t.Context(), f, below, limit)
	if err != nil {
		q.t.Fatal(err)
	}
	for _, r := range list {
		ids = append(ids, r.ID)
	}
	return ids
}

func TestSessionsAreStoredWhole(t *testing.T) {
	q := newMail(t)
	full := sessionAt(1, 1)
	full.Names, full.NamesKnown = []mailaddr.DomainName{"mx.client.example"}, true
	full.TLS = delivery.SessionTLS{Version: "TLS1.3", Cipher: "TLS_AES_128_GCM_SHA256", Verified: true, Verification: "verified as mx.client.example"}
	full.Certificate = session.CertificateVerified
	full.AddSender(session.Sender{Address: mailbox(t, "ann@client.example"), Encrypted: true})
	full.AddSender(session.Sender{Address: mailbox(t, "")})
	full.MoreSenders = true
	full.Refuse("relay", "550 5.7.1 no")
	bare := session.Record{ID: sessionAt(2, 0).ID, At: noon, Result: delivery.TLSUndecided}
	q.addSessions(full, bare)
	for _, want := range []session.Record{full, bare} {
		got, err := q.Session(t.Context(), want.ID)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("session (-want +got):\n%s", diff)
		}
	}
	if _, err := q.Session(t.Context(), 4711); domain.KindOf(err) != domain.NotFound {
		t.Errorf("error is %v", err)
	}
}

func TestSessionsByEachFilter(t *testing.T) {
	q := newMail(t)
	plain, other, refused, tls := sessionAt(1, 0), sessionAt(2, 0), sessionAt(3, 0), sessionAt(4, 0)
	other.Client, other.Listener = netip.MustParseAddr("2001:db8::1"), "outbound"
	refused.Accepted, refused.Group = 0, "BLOCKLIST"
	refused.Refuse("mail_flow_policy", "554 5.7.1 no")
	tls.Result = delivery.TLSSuccess
	q.addSessions(plain, other, refused, tls)
	for name, tt := range map[string]struct {
		filter session.Filter
		want   []session.ID
	}{
		"all":      {session.Filter{}, []session.ID{tls.ID, refused.ID, other.ID, plain.ID}},
		"listener": {session.Filter{Listener: "outbound"}, []session.ID{other.ID}},
		"client":   {session.Filter{Client: other.Client}, []session.ID{other.ID}},
		"group":    {session.Filter{Group: "BLOCKLIST"}, []session.ID{refused.ID}},
		"tls":      {session.Filter{TLS: delivery.TLSSuccess}, []session.ID{tls.ID}},
		"outcome":  {session.Filter{Outcome: session.Refused}, []session.ID{refused.ID}},
		"time": {
			session.Filter{Since: noon.Add(2 * time.Minute), Until: noon.Add(4 * time.Minute)},
			[]session.ID{refused.ID, other.ID},
		},
		"nothing": {session.Filter{Outcome: session.Idle}, nil},
	} {
		if diff := cmp.Diff(tt.want, q.sessions(tt.filter, 0, 10)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := q.sessions(session.Filter{}, refused.ID, 1); len(got) != 1 || got[0] != other.ID {
		t.Errorf("a page: %v", got)
	}
	if got := q.sessions(session.Filter{OldestFirst: true}, 0, 2); !slices.Equal(got, []session.ID{plain.ID, other.ID}) {
		t.Errorf("oldest first: %v", got)
	}
	if got := q.sessions(session.Filter{OldestFirst: true}, other.ID, 1); !slices.Equal(got, []session.ID{refused.ID}) {
		t.Errorf("the next oldest: %v", got)
	}
}

func TestOldSessionsAreForgottenInSteps(t *testing.T) {
	q := newMail(t)
	var records []session.Record
	for i := range 2*pruneBatch + 1 {
		records = append(records, sessionAt(-1, uint32(i)))
	}
	kept := sessionAt(0, 0)
	q.addSessions(append(records, kept)...)
	steps := 0
	for more := true; more; steps++ {
		var err error
		if more, err = q.Prune(t.Context(), noon); err != nil {
			t.Fatal(err)
		}
	}
	if got := q.sessions(session.Filter{}, 0, 10); len(got) != 1 || got[0] != kept.ID || steps != 4 {
		t.Errorf("%d are left after %d steps", len(got), steps)
	}
}
