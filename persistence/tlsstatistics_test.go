package persistence

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/tlsreport"
)

// key is a key of these tests: outgoing, at a number of hours after noon.
func key(hours int, domain string, r tlsreport.Requirement, result delivery.TLSResult) tlsreport.Key {
	k := tlsreport.Key{
		Hour: noon.Add(time.Duration(hours) * time.Hour), Direction: tlsreport.Outgoing, Domain: domain, Requirement: r, Result: result,
	}
	if result == delivery.TLSSuccess {
		k.Version, k.Cipher, k.Verification = "TLS1.3", "TLS_AES_128_GCM_SHA256", "verified"
	}
	return k
}

func (q *mail) countTLS(s tlsreport.Statistics) {
	q.t.Helper()
	if err := q.AddTLSStatistics(q.t.Context(), s, nil); err != nil {
		q.t.Fatal(err)
	}
}

// lines returns a report as "group direction requirement result connections messages".
func (q *mail) lines(query tlsreport.Query) (list []string) {
	q.t.Helper()
	if query.To.IsZero() {
		query.From, query.To = noon.AddDate(0, 0, -30), noon.AddDate(0, 0, 30)
	}
	err := q.TLSStatistics(q.t.Context(), query, func(l tlsreport.Line) bool {
		list = append(list, fmt.Sprintf("%s %s %s %s %d %d", l.Group, l.Direction, l.Requirement, l.Result, l.Connections, l.Messages))
		return true
	})
	if err != nil {
		q.t.Fatal(err)
	}
	return list
}

// script is what the tests below count, in two parts.
func (q *mail) script() {
	in := key(0, "a.example", tlsreport.Preferred, delivery.TLSClear)
	in.Direction = tlsreport.Incoming
	first := tlsreport.Statistics{
		key(0, "a.example", tlsreport.Required, delivery.TLSSuccess):  {Connections: 2, Messages: 5},
		key(0, "a.example", tlsreport.Required, delivery.TLSFailed):   {Connections: 1},
		key(0, "b.example", tlsreport.Preferred, delivery.TLSSuccess): {Connections: 4, Messages: 4},
		key(13, "b.example", tlsreport.Preferred, delivery.TLSClear):  {Connections: 3, Messages: 2},
		in: {Connections: 7},
	}
	q.countTLS(first)
	q.countTLS(first) // figures add up
}

func TestTLSStatisticsByEachGrouping(t *testing.T) { // B66
	q := newMail(t)
	q.script()
	day, next := noon.Truncate(24*time.Hour), noon.Truncate(24*time.Hour).AddDate(0, 0, 1)
	stamp := func(at time.Time) string { return at.Format(time.RFC3339) }
	const clear = "incoming preferred clear 14 0"
	for _, tt := range []struct {
		query tlsreport.Query
		want  []string
	}{
		{tlsreport.Query{}, []string{
			" " + clear, " outgoing preferred clear 6 4", " outgoing preferred success 8 8",
			" outgoing required failed 2 0", " outgoing required success 4 10",
		}},
		{tlsreport.Query{GroupBy: tlsreport.ByDomain}, []string{
			"a.example " + clear, "a.example outgoing required failed 2 0", "a.example outgoing required success 4 10",
			"b.example outgoing preferred clear 6 4", "b.example outgoing preferred success 8 8",
		}},
		{tlsreport.Query{GroupBy: tlsreport.ByHour, Domain: "b.example"}, []string{
			stamp(noon) + " outgoing preferred success 8 8", stamp(noon.Add(13*time.Hour)) + " outgoing preferred clear 6 4",
		}},
		{tlsreport.Query{GroupBy: tlsreport.ByDay, Direction: tlsreport.Outgoing}, []string{
			stamp(day) + " outgoing preferred success 8 8", stamp(day) + " outgoing required failed 2 0",
			stamp(day) + " outgoing required success 4 10", stamp(next) + " outgoing preferred clear 6 4",
		}},
		{tlsreport.Query{GroupBy: tlsreport.ByVersion, Domain: "a.example"}, []string{
			" " + clear, " outgoing required failed 2 0", "TLS1.3 outgoing required success 4 10",
		}},
		{tlsreport.Query{GroupBy: tlsreport.ByCipher, Domain: "a.example", Direction: tlsreport.Outgoing}, []string{
			" outgoing required failed 2 0", "TLS_AES_128_GCM_SHA256 outgoing required success 4 10",
		}},
		{tlsreport.Query{GroupBy: tlsreport.ByVerification, Domain: "b.example"}, []string{
			" outgoing preferred clear 6 4", "verified outgoing preferred success 8 8",
		}},
		{tlsreport.Query{From: noon, To: noon.Add(time.Hour), Direction: tlsreport.Incoming}, []string{" " + clear}},
		{tlsreport.Query{From: noon.Add(time.Hour), To: noon.Add(13 * time.Hour)}, nil},
	} {
		if diff := cmp.Diff(tt.want, q.lines(tt.query)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", tt.query, diff)
		}
	}
}

// A report that goes on behind any of its places is the rest of it.
func TestTLSStatisticsGoOnBehindAPlace(t *testing.T) {
	q := newMail(t)
	q.script()
	read := func(query tlsreport.Query) (list []tlsreport.Line) {
		query.From, query.To = noon, noon.AddDate(0, 0, 1)
		if err := q.TLSStatistics(t.Context(), query, func(l tlsreport.Line) bool { list = append(list, l); return true }); err != nil {
			t.Fatal(err)
		}
		return list
	}
	for _, g := range []tlsreport.Grouping{tlsreport.ByDomain, tlsreport.ByHour, tlsreport.ByDay, tlsreport.ByVersion} {
		whole := read(tlsreport.Query{GroupBy: g})
		for i, l := range whole {
			if i+1 < len(whole) && whole[i+1].Place == l.Place {
				continue
			}
			got := read(tlsreport.Query{GroupBy: g, After: l.Place})
			if want := whole[i+1:]; len(got)+len(want) > 0 && !cmp.Equal(want, got) {
				t.Errorf("%s behind %v: %v, want %v", g, l.Place, got, want)
			}
		}
	}
}

func TestTLSStatisticsAreForgottenWithTheHistory(t *testing.T) {
	q := newMail(t)
	q.script()
	seen := map[mailaddr.DomainName]delivery.DestinationHistory{
		"old.example": {TLS: delivery.LastTLS{At: noon}},
		"new.example": {TLS: delivery.LastTLS{At: noon}, Error: delivery.LastError{At: noon.Add(6 * time.Hour)}},
	}
	if err := q.AddTLSStatistics(t.Context(), nil, seen); err != nil {
		t.Fatal(err)
	}
	steps := 0
	for more := true; more; steps++ {
		var err error
		if more, err = q.Prune(t.Context(), noon.Add(5*time.Hour+time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	if steps != 2 {
		t.Errorf("%d steps, want one for the hour and one that finds nothing", steps)
	}
	if got := q.lines(tlsreport.Query{}); len(got) != 1 || got[0] != " outgoing preferred clear 6 4" {
		t.Errorf("left: %q", got)
	}
	if names, err := q.DestinationNames(t.Context(), "", 10); err != nil || len(names) != 1 || names[0] != "new.example" {
		t.Errorf("left: %v, %v", names, err)
	}
}

// Many rows go into one transaction by several statements.
func TestTLSStatisticsInBulk(t *testing.T) {
	q := newMail(t)
	s := tlsreport.Statistics{}
	for i := range 1234 {
		s[key(0, fmt.Sprintf("d%d.example", i), tlsreport.Preferred, delivery.TLSSuccess)] = tlsreport.Figures{Connections: 1, Messages: 2}
	}
	q.countTLS(s)
	if got := q.lines(tlsreport.Query{}); len(got) != 1 || got[0] != " outgoing preferred success 1234 2468" {
		t.Errorf("%q", got)
	}
}

func TestTLSStatisticsSurviveAClose(t *testing.T) {
	dir := t.TempDir()
	first, err := tryOpen(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	before := &mail{QueueStore: first.Queue(), t: t}
	before.script()
	want := before.lines(tlsreport.Query{GroupBy: tlsreport.ByDomain})
	closeTest(t, first)
	after := &mail{QueueStore: openTest(t, dir).Queue(), t: t}
	if diff := cmp.Diff(want, after.lines(tlsreport.Query{GroupBy: tlsreport.ByDomain})); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
}
