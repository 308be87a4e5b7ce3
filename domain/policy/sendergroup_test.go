package policy

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/mailaddr"
)

func table(t testing.TB, patterns ...string) HostAccessTable {
	t.Helper()
	g := SenderGroup{Name: "GROUP", Policy: "P"}
	for _, s := range patterns {
		p, err := mailaddr.ParseSenderPattern(s)
		if err != nil {
			t.Fatal(err)
		}
		g.Senders = append(g.Senders, Sender{Pattern: p})
	}
	return HostAccessTable{Listener: "l", Groups: []SenderGroup{g, {Name: AllGroup, Policy: "P"}}}
}

func TestEntriesThatCanNeverMatch(t *testing.T) { // B13
	for _, tc := range []struct {
		patterns []string
		dead     []int // of the entries
	}{
		{[]string{"192.0.2.1", "192.0.2.0/24", "192.0.2.7", "198.51.100.1"}, []int{2}},
		{[]string{"10.", "10.1.2.3", "10.0.0.0/8", "11.0.0.0/8"}, []int{1, 2}},
		{[]string{"192.0.2.10-20", "192.0.2.12-14", "192.0.2.9-14"}, []int{1}},
		{[]string{"192.0.2.0-127", "192.0.2.128-255", "192.0.2.0/24"}, nil},
		{[]string{".example.com", "example.com", "a.example.com", ".a.example.com"}, []int{2, 3}},
		{[]string{"a.example.com", "a.example.com", ".example.com"}, []int{1}},
		{[]string{"2001:db8::/32", "2001:db8::1"}, []int{1}},
		{[]string{"ALL", "192.0.2.1", ".example.com", "ALL"}, []int{1, 2, 3}},
	} {
		var dead []int
		for _, f := range table(t, tc.patterns...).Warnings(decides) {
			var i, j int
			if f.Pointer == "/sender_groups/1" {
				continue // the group ALL, below an entry ALL
			}
			if _, err := fmt.Sscanf(f.Pointer, "/sender_groups/%d/senders/%d/pattern", &i, &j); err != nil {
				t.Fatal(f.Pointer, err)
			}
			dead = append(dead, j)
		}
		if diff := cmp.Diff(tc.dead, dead); diff != "" {
			t.Errorf("%v:\n%s", tc.patterns, diff)
		}
	}
}

// decides is of a table in which no policy says continue.
func decides(string) bool { return false }

func TestGroupsThatCanNeverApply(t *testing.T) { // B12, B13
	all, wide := table(t, "ALL").Groups[0], table(t, "192.0.2.0/24").Groups[0]
	narrow := table(t, "192.0.2.1").Groups[0]
	last := SenderGroup{Name: AllGroup, Policy: "P"}
	skip := func(g SenderGroup) SenderGroup {
		g.Policy = "SKIP"
		return g
	}
	for _, tc := range []struct {
		name   string
		groups []SenderGroup
		want   []string
	}{
		{"in order", []SenderGroup{narrow, wide, last}, nil},
		{"narrower below", []SenderGroup{wide, narrow, last}, []string{"/sender_groups/1/senders/0/pattern"}},
		{"below ALL", []SenderGroup{all, narrow, last}, []string{"/sender_groups/1", "/sender_groups/2"}},
		{"continue decides nothing", []SenderGroup{skip(all), skip(wide), narrow, last}, nil},
		{"continue below ALL", []SenderGroup{all, skip(narrow), last}, []string{"/sender_groups/1", "/sender_groups/2"}},
	} {
		var got []string
		list := HostAccessTable{Listener: "l", Groups: tc.groups}
		for _, f := range list.Warnings(func(policy string) bool { return policy == "SKIP" }) {
			got = append(got, f.Pointer)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s:\n%s", tc.name, diff)
		}
	}
}

func TestHostAccessTableEndsWithALL(t *testing.T) { // B12
	good := table(t, "192.0.2.1")
	if err := good.Validate().Err(); err != nil {
		t.Error(err)
	}
	for name, groups := range map[string][]SenderGroup{
		"empty":            nil,
		"ALL is not last":  {good.Groups[1], good.Groups[0]},
		"no ALL":           good.Groups[:1],
		"ALL has senders":  {{Name: AllGroup, Policy: "P", Senders: good.Groups[0].Senders}},
		"a name twice":     {good.Groups[0], good.Groups[0], good.Groups[1]},
		"no policy":        {{Name: "X"}, good.Groups[1]},
		"name of any kind": {{Name: "a b", Policy: "P"}, good.Groups[1]},
	} {
		if (HostAccessTable{Listener: "l", Groups: groups}).Validate().Err() == nil {
			t.Errorf("%s: no fault", name)
		}
	}
}

func BenchmarkWarningsOf100000(b *testing.B) {
	var patterns []string
	for i := range 100_000 {
		patterns = append(patterns, fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255))
	}
	t := table(b, patterns...)
	for b.Loop() {
		if w := t.Warnings(decides); len(w) != 0 {
			b.Fatal(w[0])
		}
	}
}

// Without its pattern an entry could be stored, but not read again.
func TestSenderNeedsAPattern(t *testing.T) {
	hosts := table(t, "192.0.2.1")
	hosts.Groups[0].Senders = append(hosts.Groups[0].Senders, Sender{Comment: "nobody"})
	if f := hosts.Validate(); len(f) != 1 || f[0].Pointer != "/sender_groups/0/senders/1/pattern" {
		t.Errorf("faults %v", f)
	}
}
