package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain"
	"postern/domain/mailaddr"
)

func faultList(faults domain.Faults) []string {
	var list []string
	for _, f := range faults {
		list = append(list, f.Pointer+" "+f.Message)
	}
	return list
}

// TestRouteNextHops is B31: what a next hop may be.
func TestRouteNextHops(t *testing.T) {
	const one = " must have exactly one of host, server_profile, use_dns and discard"
	tests := []struct {
		name string
		hops []NextHop
		want []string
	}{
		{"none", nil, []string{"/next_hops must hold at least one next hop; delete the route to deliver by MX"}},
		{"hosts of equal priority", []NextHop{{Host: "a.example"}, {Host: "192.0.2.1", Port: 2525}}, nil},
		{"IPv6 in brackets", []NextHop{{Host: "[2001:db8::1]"}}, nil},
		{"profile and host by turns", []NextHop{{ServerProfile: "smarthost"}, {Host: "a.example"}}, nil},
		{"MX as the last resort", []NextHop{{Host: "a.example"}, {UseDNS: true, Priority: 1}}, nil},
		{"discard", []NextHop{{Discard: true}}, nil},
		{"nothing said", []NextHop{{Priority: 3}}, []string{"/next_hops/0" + one}},
		{"two things said", []NextHop{{Host: "a.example", UseDNS: true}}, []string{"/next_hops/0" + one}},
		{"a port of a profile", []NextHop{{ServerProfile: "p", Port: 25}}, []string{"/next_hops/0/port goes with host only"}},
		{"no host", []NextHop{{Host: "a b"}}, []string{`/next_hops/0/host "a b" is neither a host name nor an IP address`}},
		{
			"numbers",
			[]NextHop{{Host: "a.example", Port: 70000, Priority: -1}},
			[]string{"/next_hops/0/port must be from 0 to 65535", "/next_hops/0/priority must be from 0 to 65535"},
		},
		{
			"discard by turns",
			[]NextHop{{Host: "a.example"}, {Discard: true}},
			[]string{"/next_hops/1/priority /dev/null must be alone at its priority"},
		},
		{
			"MX by turns",
			[]NextHop{{UseDNS: true, Priority: 7}, {Host: "a.example", Priority: 7}},
			[]string{"/next_hops/0/priority USEDNS must be alone at its priority"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, faultList(Route{NextHops: tt.hops}.Validate())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRouteWarnsOfDiscardBesideOthers(t *testing.T) {
	r := Route{NextHops: []NextHop{{Host: "a.example"}, {Discard: true, Priority: 5}, {UseDNS: true, Priority: 9}}}
	want := []string{
		"/next_hops/1/discard mail is thrown away when a.example:25 is out of reach",
		"/next_hops/2 is never used: mail is discarded at priority 5",
	}
	if diff := cmp.Diff(want, faultList(r.Warnings())); diff != "" {
		t.Error(diff)
	}
	if got := (Route{NextHops: []NextHop{{Discard: true}}}).Warnings(); len(got) > 0 {
		t.Errorf("discard alone: %v", got)
	}
}

// There is one entry for all domains in each list, under one name (B21, B31): a
// control "ALL" would decide in place of "default", and lower it unseen.
func TestOneNameForAllDomains(t *testing.T) {
	for _, tt := range []struct {
		word           string
		control, route []string
	}{
		{"default", nil, []string{"/pattern the entry for all domains is called ALL here"}},
		{"ALL", []string{"/pattern the entry for all domains is called default here"}, nil},
		{"example.com", nil, nil},
	} {
		pattern, err := mailaddr.ParseHostPattern(tt.word)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.control, faultList(DestinationControl{Pattern: pattern}.Validate())); diff != "" {
			t.Errorf("destination control %s: %s", tt.word, diff)
		}
		if diff := cmp.Diff(tt.route, faultList(Route{Pattern: pattern, NextHops: []NextHop{{UseDNS: true}}}.Validate())); diff != "" {
			t.Errorf("route %s: %s", tt.word, diff)
		}
	}
}

func TestDestinationControlLimits(t *testing.T) {
	bad := DestinationControl{RecipientRate: &RecipientRate{Recipients: -1}, LimitPer: "host"}
	want := []string{
		"/recipients_per_minutes/recipients must be from 0 to 1000000",
		"/recipients_per_minutes/minutes must be from 1 to 1440",
		`/limit_per "host" is unknown: use one of , domain, mx_address`,
	}
	if diff := cmp.Diff(want, faultList(bad.Validate())); diff != "" {
		t.Error(diff)
	}
	base := DestinationControl{RecipientRate: &RecipientRate{Recipients: 5, Minutes: 1}, LimitPer: LimitPerMXAddress}
	if got := (DestinationControl{}).Inherit(base); !got.RecipientRate.Limits() || got.LimitPer != LimitPerMXAddress {
		t.Errorf("inherited %+v", got)
	}
	lifted := DestinationControl{RecipientRate: &RecipientRate{Minutes: 1}}
	if got := lifted.Inherit(base); got.RecipientRate.Limits() {
		t.Error("zero recipients lift the inherited limit")
	}
}
