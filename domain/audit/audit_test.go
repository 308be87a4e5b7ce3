package audit_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/domain"
	"postern/domain/account"
	"postern/domain/audit"
	"postern/domain/audit/audittest"
)

// clock is a clock that tests move.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newLog() (*audit.Service, *audittest.Store, *clock) {
	store := new(audittest.Store)
	c := &clock{time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)}
	return audit.NewService(store, c.Now), store, c
}

// record makes n calls with two entries each.
func record(t *testing.T, log *audit.Service, n int) {
	t.Helper()
	for i := range n {
		begun, err := log.Begin(t.Context(), audit.Entry{Actor: "ada", Operation: "patchTLSSettings", Target: fmt.Sprint("/", i)})
		if err == nil {
			err = log.Finish(t.Context(), begun, audit.Entry{Status: 200, Revision: int64(i), After: json.RawMessage(`{"enabled":true}`)})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func verify(t *testing.T, log *audit.Service) audit.Verification {
	t.Helper()
	v, err := log.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestChainHolds(t *testing.T) {
	log, store, _ := newLog()
	if v := verify(t, log); !v.Intact() || v.Anchor.Number != 0 {
		t.Errorf("empty log: %+v", v)
	}
	record(t, log, 3)
	v := verify(t, log)
	if !v.Intact() || v.Entries != 6 || v.Anchor.Number != 6 || v.Anchor.Hash != store.Log[5].Hash {
		t.Errorf("verification %+v", v)
	}
	anchor, err := log.Anchor(t.Context())
	if err != nil || anchor != v.Anchor {
		t.Errorf("anchor %+v, error %v", anchor, err)
	}
	if store.Log[1].Begun != 1 || store.Log[1].Actor != "ada" || store.Log[1].Operation != "patchTLSSettings" {
		t.Errorf("the outcome does not complete its call: %+v", store.Log[1])
	}
}

func TestTamperingIsNamed(t *testing.T) {
	for name, tc := range map[string]struct {
		tamper func(*audittest.Store)
		broken int64
	}{
		"actor":         {func(s *audittest.Store) { s.Log[2].Actor = "eve" }, 3},
		"after":         {func(s *audittest.Store) { s.Log[3].After = json.RawMessage(`{"enabled":false}`) }, 4},
		"time":          {func(s *audittest.Store) { s.Log[0].At = s.Log[0].At.Add(time.Microsecond) }, 1},
		"fields moved":  {func(s *audittest.Store) { s.Log[2].Actor, s.Log[2].From = "ad", "a" }, 3},
		"hash":          {func(s *audittest.Store) { s.Log[4].Hash[0]++ }, 5},
		"removed":       {func(s *audittest.Store) { s.Log = slices.Delete(s.Log, 2, 3) }, 3},
		"first removed": {func(s *audittest.Store) { s.Log = s.Log[1:] }, 1},
		"last removed":  {func(s *audittest.Store) { s.Log = s.Log[:5] }, 6},
		"all removed":   {func(s *audittest.Store) { s.Log = nil }, 1},
		"swapped":       {func(s *audittest.Store) { s.Log[1], s.Log[2] = s.Log[2], s.Log[1] }, 2},
		"added": {func(s *audittest.Store) {
			more := s.Log[5]
			more.Number = 7
			s.Log = append(s.Log, more)
		}, 7},
	} {
		t.Run(name, func(t *testing.T) {
			log, store, _ := newLog()
			record(t, log, 3)
			tc.tamper(store)
			if v := verify(t, log); v.Intact() || v.Broken != tc.broken {
				t.Errorf("broken at %d (%s), want %d", v.Broken, v.Reason, tc.broken)
			}
		})
	}
}

func TestPruningKeepsTheChainCheckable(t *testing.T) {
	log, store, c := newLog()
	record(t, log, 2)
	c.now = c.now.Add(audit.Keep)
	record(t, log, 1)
	c.now = c.now.Add(time.Second)
	if err := log.Prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	v := verify(t, log)
	if !v.Intact() || v.Pruned.Number != 4 || v.Entries != 3 {
		t.Errorf("verification %+v", v)
	}
	if last := store.Log[2]; last.Operation != "pruneAuditLog" || last.Count != 4 {
		t.Errorf("last entry %+v", last)
	}
	store.Log = store.Log[1:]
	if v := verify(t, log); v.Broken != 5 {
		t.Errorf("an entry behind the pruned ones is gone: %+v", v)
	}
}

func TestWhatCannotBeRecordedMayNotHappen(t *testing.T) {
	log, store, _ := newLog()
	store.Fill(true)
	_, err := log.Begin(t.Context(), audit.Entry{})
	if domain.KindOf(err) != domain.Unavailable {
		t.Errorf("error %v", err)
	}
}

func TestOutcomeIsRecordedThoughTheCallerHasGone(t *testing.T) {
	log, store, _ := newLog()
	ctx, cancel := context.WithCancel(t.Context())
	begun, err := log.Begin(ctx, audit.Entry{})
	cancel()
	if err = errors.Join(err, log.Finish(ctx, begun, audit.Entry{Status: 200})); err != nil || len(store.Log) != 2 {
		t.Errorf("%d entries, error %v", len(store.Log), err)
	}
}

// nobody lets nobody in.
type nobody struct{ audit.Authenticator }

func (nobody) Authenticate(context.Context, account.Credential, netip.Addr) (account.Principal, error) {
	return account.Principal{}, domain.E(domain.Unauthenticated, "wrong")
}

func TestGuessingDoesNotFillTheLog(t *testing.T) {
	log, store, c := newLog()
	gate := audit.NewGate(nobody{}, log, func(err error) { t.Error(err) })
	guess := func(user string, from netip.Addr) {
		_, err := gate.Authenticate(t.Context(), account.Credential{User: user, Password: "hunter2"}, from)
		if domain.KindOf(err) != domain.Unauthenticated {
			t.Fatal(err)
		}
	}
	neighbour := netip.MustParseAddr("2001:db8::1")
	for range 5 {
		guess("admin", neighbour)
		neighbour = neighbour.Next() // of the same /64
	}
	if len(store.Log) != 1 || store.Log[0].Actor != "admin" || store.Log[0].From != "2001:db8::/64" || store.Log[0].Status != 401 {
		t.Fatalf("entries %+v", store.Log)
	}
	for i := range 1000 {
		guess(fmt.Sprint("user", i), netip.MustParseAddr("192.0.2.1"))
	}
	if len(store.Log) > 66 {
		t.Errorf("%d entries in one window", len(store.Log))
	}
	early := len(store.Log)
	if err := log.Flush(t.Context(), false); err != nil || len(store.Log) != early {
		t.Errorf("the window was closed early: %v", err)
	}
	c.now = c.now.Add(10 * time.Minute)
	if err := log.Flush(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, e := range store.Log {
		total += e.Count
	}
	if total != 1005 {
		t.Errorf("%d refusals are accounted for, want 1005", total)
	}
	if text := fmt.Sprint(store.Log); strings.Contains(text, "hunter2") {
		t.Error("a password is in the log")
	}
	if v := verify(t, log); !v.Intact() {
		t.Errorf("verification %+v", v)
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		``:                                      ``,
		` {"a" : 1} `:                           `{"a":1}`,
		`{"password":"hunter2"}`:                `{"password":"[redacted]"}`,
		`{"password_set":true}`:                 `{"password_set":true}`,
		`{"secret":{"a":["b"]}}`:                `{"secret":"[redacted]"}`,
		`{"a":[{"API_Key":"x"}]}`:               `{"a":[{"API_Key":"[redacted]"}]}`,
		`{"private_key":null}`:                  `{"private_key":null}`,
		`{"note":"pstn_ABC"}`:                   `{"note":"[redacted]"}`,
		`["-----BEGIN EC PRIVATE KEY-----\nx"]`: `["[redacted]"]`,
		`{"n":12345678901234567890}`:            `{"n":12345678901234567890}`,
	} {
		got := string(audit.Redact([]byte(in)))
		if got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	if got := string(audit.Redact([]byte("a,b"))); !strings.HasPrefix(got, `{"octets":3,"sha256":"`) {
		t.Errorf("what is no JSON became %s", got)
	}
	if long := audit.Redact([]byte(`"` + strings.Repeat("é", 1000) + `"`)); len(long) > 600 || !json.Valid(long) {
		t.Errorf("a long text became %s", long)
	}
}

func TestTakenIsWhatWasWritten(t *testing.T) {
	var small, large audit.Taken
	for _, part := range []string{`{"a`, `":1}`} {
		_, _ = small.Write([]byte(part))
	}
	if got := string(small.Document()); got != `{"a":1}` {
		t.Errorf("%s", got)
	}
	for range 100 {
		_, _ = large.Write([]byte(strings.Repeat("x", 1000)))
	}
	if got := string(large.Document()); !strings.HasPrefix(got, `{"octets":100000,`) {
		t.Errorf("%s", got)
	}
}

func FuzzRedact(f *testing.F) {
	f.Add([]byte(`{"password":"pstn_x","a":[1,{"secret":null}]}`))
	f.Add([]byte("[[[["))
	f.Fuzz(func(t *testing.T, in []byte) {
		out := audit.Redact(in)
		if len(out) > 0 && !json.Valid(out) {
			t.Errorf("%q became %q", in, out)
		}
		if strings.Contains(string(out), `"pstn_`) {
			t.Errorf("%q became %q", in, out)
		}
	})
}
