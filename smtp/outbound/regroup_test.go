package outbound

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/domain/config"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/smtptest"
)

// TestDeliverRegroups is B29: a recipient that a newer configuration parts from
// the others does not leave by their next hops, nor at their level.
func TestDeliverRegroups(t *testing.T) {
	relay := route(t, ".test", "mx.example.com")
	tests := map[string]struct {
		change   []config.Value
		served   []int
		leftOut  []int
		requires policy.TLSLevel // of what is left out, afterwards
	}{
		"nothing":           {[]config.Value{relay}, []int{0, 1, 2}, nil, policy.TLSNone},
		"its requirement":   {[]config.Value{relay, control(t, "b.test", policy.TLSRequired)}, []int{0, 2}, []int{1}, policy.TLSRequired},
		"its route":         {[]config.Value{relay, route(t, "b.test", "mx2.example.com")}, []int{0, 2}, []int{1}, policy.TLSNone},
		"all requirements":  {[]config.Value{relay, control(t, ".test", policy.TLSRequired)}, []int{0, 1, 2}, nil, policy.TLSRequired},
		"that of the first": {[]config.Value{relay, control(t, "a.test", policy.TLSRequired)}, []int{0}, []int{1, 2}, policy.TLSNone},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, relay)
			r.simple(smtptest.MXOptions{})
			r.host("mx2.example.com", "192.0.2.2", smtptest.NewMX(t, smtptest.MXOptions{Certificate: r.ca.IssueFor(t, "mx2.example.com").TLS}))
			m := mail(t, body, "x@a.test", "x@b.test", "x@c.test")
			groups := r.Group(m, []int{0, 1, 2})
			if len(groups) != 1 {
				t.Fatalf("groups %v before the change", groups)
			}
			r.configure(tt.change...)

			a := r.Deliver(t.Context(), m, groups[0])
			var served []int
			for _, result := range a.Results {
				served = append(served, result.Recipient)
			}
			if diff := cmp.Diff([][]int{tt.served, tt.leftOut}, [][]int{served, a.LeftOut}); diff != "" {
				t.Fatal(diff)
			}
			if len(tt.leftOut) == 0 {
				return
			}
			next := r.Deliver(t.Context(), m, tt.leftOut)
			if next.Decision.Level != tt.requires || len(next.Results) != len(tt.leftOut) || len(next.LeftOut) > 0 {
				t.Errorf("the others at %s: %q, left out %v", next.Decision.Level, outcomes(next), next.LeftOut)
			}
		})
	}
}

// An exemption that ends while an attempt is under way ends for all of its
// recipients or for none: what was in force at the beginning holds (B25, B29).
func TestExpiryDoesNotPartAnAttempt(t *testing.T) {
	start := time.Now()
	expires := start.Add(time.Minute)
	pattern, err := mailaddr.ParseEndpointPattern("a.test")
	if err != nil {
		t.Fatal(err)
	}
	exempt := exemption{policy.STARTTLSEntry{Pattern: pattern, Reason: "test", Expires: &expires}}
	// a.test is exempt and so in clear, as b.test is without the exemption; later
	// it is not.
	r := newRig(t, route(t, ".test", "mx.example.com"), control(t, "a.test", policy.TLSPreferred), exempt)
	r.simple(smtptest.MXOptions{})
	m := mail(t, body, "x@a.test", "x@b.test")
	for _, tt := range []struct {
		begins  time.Time
		level   policy.TLSLevel
		leftOut []int
	}{
		{start, policy.TLSNone, nil},
		{start.Add(time.Hour), policy.TLSPreferred, []int{1}},
	} {
		readings := 0
		r.Now = func() time.Time { // an hour passes after the first look at the clock
			if readings++; readings > 1 {
				return tt.begins.Add(time.Hour)
			}
			return tt.begins
		}
		a := r.Deliver(t.Context(), m, []int{0, 1})
		if a.Decision.Level != tt.level || !cmp.Equal(a.LeftOut, tt.leftOut) {
			t.Errorf("begun at %s: level %s, left out %v", tt.begins.Sub(start), a.Decision.Level, a.LeftOut)
		}
	}
}
