package tlsreport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

var nine = time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)

// memory is a store that can be told to fail.
type memory struct {
	statistics Statistics
	seen       map[mailaddr.DomainName]delivery.DestinationHistory
	writes     int
	fail       error
}

func newMemory() *memory {
	return &memory{statistics: Statistics{}, seen: map[mailaddr.DomainName]delivery.DestinationHistory{}}
}

func (m *memory) AddTLSStatistics(_ context.Context, s Statistics, seen map[mailaddr.DomainName]delivery.DestinationHistory) error {
	if m.fail != nil {
		return m.fail
	}
	m.writes++
	for k, f := range s {
		m.statistics.Add(k, f, 1<<30)
	}
	for name, h := range seen {
		known := m.seen[name]
		known.Merge(h)
		m.seen[name] = known
	}
	return nil
}

// TLSStatistics groups by nothing or by domain.
func (m *memory) TLSStatistics(_ context.Context, q Query, yield func(Line) bool) error {
	keys := slices.SortedFunc(maps.Keys(m.statistics), func(a, b Key) int {
		if q.GroupBy != ByNothing {
			return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Direction, b.Direction))
		}
		return cmp.Compare(a.Direction, b.Direction)
	})
	for _, k := range keys {
		l := Line{Place: Place{k.Domain, k.Direction}, Requirement: k.Requirement, Result: k.Result, Figures: m.statistics[k]}
		if q.GroupBy == ByNothing {
			l.Group = ""
		}
		if q.Direction != "" && q.Direction != k.Direction {
			continue
		}
		if !yield(l) {
			return nil
		}
	}
	return nil
}

var _ Store = (*memory)(nil)

// recorder counts for a clock that shows half past nine.
func newTestRecorder(m *memory) *Recorder {
	return NewRecorder(m, func() time.Time { return nine.Add(30 * time.Minute) })
}

// outgoing is a connection to a domain.
func outgoing(name string, r Requirement, result delivery.TLSResult) Connection {
	c := Connection{Direction: Outgoing, Domain: name, Requirement: r, Result: result, Host: "mx." + name}
	if result == delivery.TLSSuccess {
		c.TLS = delivery.SessionTLS{Version: "TLS1.3", Cipher: "TLS_AES_128_GCM_SHA256", Verified: true, Verification: "verified as mx." + name}
	}
	return c
}

func TestReportSumsByDomainAndDirection(t *testing.T) { // B66
	r := newTestRecorder(newMemory())
	for range 3 {
		r.CountConnection(outgoing("a.example", Required, delivery.TLSSuccess))
		r.CountMessage(outgoing("a.example", Required, delivery.TLSSuccess))
	}
	r.CountConnection(outgoing("a.example", Required, delivery.TLSFailed))
	r.CountConnection(outgoing("b.example", Preferred, delivery.TLSFailed))
	r.CountConnection(outgoing("b.example", Preferred, delivery.TLSClear))
	r.CountMessage(outgoing("b.example", Preferred, delivery.TLSClear))
	r.CountConnection(outgoing("b.example", Preferred, delivery.TLSSuccess))
	r.CountConnection(outgoing("c.example", NoTLS, delivery.TLSClear))
	r.CountConnection(outgoing("c.example", Required, delivery.TLSUndecided)) // says nothing
	in := outgoing("a.example", Preferred, delivery.TLSSuccess)
	in.Direction = Incoming
	r.CountConnection(in)

	report, err := r.Report(t.Context(), Query{GroupBy: ByDomain}, 10)
	if err != nil {
		t.Fatal(err)
	}
	want := Report{
		Totals: []Summary{
			{Direction: Incoming, PreferredSuccess: 1},
			{
				Direction: Outgoing, RequiredSuccess: 3, RequiredFailed: 1, PreferredSuccess: 1, PreferredFailed: 1, Unencrypted: 2,
				MessagesEncrypted: 3, MessagesUnencrypted: 1,
			},
		},
		Items: []Summary{
			{Direction: Incoming, Group: "a.example", PreferredSuccess: 1},
			{Direction: Outgoing, Group: "a.example", RequiredSuccess: 3, RequiredFailed: 1, MessagesEncrypted: 3},
			{Direction: Outgoing, Group: "b.example", PreferredSuccess: 1, PreferredFailed: 1, Unencrypted: 1, MessagesUnencrypted: 1},
			{Direction: Outgoing, Group: "c.example", Unencrypted: 1},
		},
	}
	if diff := gocmp.Diff(want, report); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	total := report.Totals[1]
	share, ok := total.EncryptedPercentage()
	if total.Connections() != 8 || total.Attempts() != 6 || !ok || share != 50 {
		t.Errorf("%d connections, %d attempts, %v %%", total.Connections(), total.Attempts(), share)
	}
	part, err := r.Report(t.Context(), Query{GroupBy: ByDomain, Direction: Outgoing}, 2)
	if err != nil || !part.More || len(part.Items) != 2 || len(part.Totals) != 1 {
		t.Errorf("a part: %+v, %v", part, err)
	}
}

func TestNoConnectionsHaveNoShare(t *testing.T) {
	if share, ok := new(Summary).EncryptedPercentage(); ok || share != 0 {
		t.Errorf("%v %%", share)
	}
	report, err := newTestRecorder(newMemory()).Report(t.Context(), Query{GroupBy: ByDomain}, 1)
	if err != nil || len(report.Totals) != 2 || len(report.Items) != 0 || report.More {
		t.Errorf("%+v, %v", report, err)
	}
}

// Whatever is counted, every connection and message is in exactly one column.
func TestColumnsAddUp(t *testing.T) {
	requirements := []Requirement{Required, Preferred, NoTLS}
	results := []delivery.TLSResult{delivery.TLSSuccess, delivery.TLSFailed, delivery.TLSClear}
	rapid.Check(t, func(t *rapid.T) {
		var s Summary
		var want Figures
		for range rapid.IntRange(0, 20).Draw(t, "lines") {
			f := Figures{rapid.Int64Range(0, 1e6).Draw(t, "connections"), rapid.Int64Range(0, 1e6).Draw(t, "messages")}
			s.Add(rapid.SampledFrom(requirements).Draw(t, "requirement"), rapid.SampledFrom(results).Draw(t, "result"), f)
			want = want.plus(f)
		}
		if got := (Figures{s.Connections(), s.MessagesEncrypted + s.MessagesUnencrypted}); got != want {
			t.Fatalf("%+v sums to %+v, want %+v", s, got, want)
		}
	})
}

// A store that fails loses nothing and doubles nothing.
func TestFlushKeepsWhatCouldNotBeWritten(t *testing.T) {
	m := newMemory()
	r := newTestRecorder(m)
	m.fail = errors.New("disk full")
	r.CountConnection(outgoing("a.example", Required, delivery.TLSFailed))
	r.NoteFailure("a.example", delivery.Outcome{Code: 454, Enhanced: "4.7.5"})
	if err := r.Flush(t.Context()); !errors.Is(err, m.fail) {
		t.Fatalf("error %v", err)
	}
	if _, err := r.Report(t.Context(), Query{}, 1); !errors.Is(err, m.fail) {
		t.Errorf("a report that lacks something: %v", err)
	}
	r.CountConnection(outgoing("a.example", Required, delivery.TLSFailed))
	m.fail = nil
	for range 3 {
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := Statistics{{Hour: nine, Direction: Outgoing, Domain: "a.example", Requirement: Required, Result: delivery.TLSFailed}: {Connections: 2}}
	if diff := gocmp.Diff(want, m.statistics); diff != "" {
		t.Errorf("statistics (-want +got):\n%s", diff)
	}
	if m.writes != 1 {
		t.Errorf("%d writes: nothing to write is no write", m.writes)
	}
	seen := m.seen["a.example"]
	if seen.TLS.Result != delivery.TLSFailed || seen.TLS.Host != "mx.a.example" || seen.Error.Outcome.Enhanced != "4.7.5" {
		t.Errorf("seen %+v", seen)
	}
}

// Memory is bounded, and what is beyond the bound is counted all the same.
func TestManyDomainsAreCountedTogether(t *testing.T) {
	s := Statistics{}
	for i := range 10 {
		s.Add(Key{Domain: fmt.Sprint(i), Direction: Incoming}, Figures{Connections: 1}, 4)
	}
	if len(s) != 5 || s[Key{Domain: Others, Direction: Incoming}].Connections != 6 || s[Key{Domain: "3", Direction: Incoming}].Connections != 1 {
		t.Errorf("%v", s)
	}
}

func TestCountingSideBySide(t *testing.T) {
	m := newMemory()
	r := newTestRecorder(m)
	var counting sync.WaitGroup
	for i := range 8 {
		counting.Go(func() {
			for range 500 {
				c := outgoing(fmt.Sprintf("d%d.example", i%3), Preferred, delivery.TLSSuccess)
				r.CountConnection(c)
				r.CountMessage(c)
			}
		})
	}
	for range 50 {
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	counting.Wait()
	report, err := r.Report(t.Context(), Query{GroupBy: ByDomain}, 10)
	if err != nil || report.Totals[1].PreferredSuccess != 4000 || report.Totals[1].MessagesEncrypted != 4000 {
		t.Errorf("%+v, %v", report.Totals, err)
	}
}

func TestRequirements(t *testing.T) {
	for level, want := range map[policy.TLSLevel]Requirement{
		policy.TLSNone: NoTLS, policy.TLSPreferred: Preferred, policy.TLSPreferredVerify: Preferred,
		policy.TLSRequired: Required, policy.TLSRequiredVerify: Required, policy.TLSRequiredVerifyHosted: Required,
	} {
		if got := RequirementOf(level); got != want {
			t.Errorf("%s: %s, want %s", level, got, want)
		}
	}
}

func TestClientDomain(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "::1": "::/64",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := ClientDomain(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	for _, s := range []string{"", "incoming", "outgoing"} {
		if d, err := ParseDirection(s); err != nil || string(d) != s {
			t.Errorf("%q: %q, %v", s, d, err)
		}
	}
	for _, s := range []string{"domain", "hour", "day", "version", "cipher", "verification"} {
		if g, err := ParseGrouping(s); err != nil || string(g) != s {
			t.Errorf("%q: %q, %v", s, g, err)
		}
	}
	if _, err := ParseDirection("up"); err == nil {
		t.Error("up is a direction")
	}
	for _, s := range []string{"", "result"} {
		if _, err := ParseGrouping(s); err == nil {
			t.Errorf("%q groups", s)
		}
	}
}
