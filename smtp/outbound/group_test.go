package outbound

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/config"
	"postern/domain/delivery"
	"postern/domain/mailaddr"
	"postern/domain/policy"
	"postern/smtp/smtptest"
)

// TestGroup is B29: recipients are split by next hop and effective requirement.
func TestGroup(t *testing.T) {
	limited := control(t, "limited.test", policy.TLSNone)
	limited.MaxConnections = 1
	r := newRig(t,
		route(t, ".test", "relay.example"), route(t, "own.test", "relay2.example"),
		control(t, "strict.test", policy.TLSRequired), control(t, "strict2.test", policy.TLSRequired),
		control(t, "verified.test", policy.TLSRequiredVerify), control(t, "verified2.test", policy.TLSRequiredVerify),
		limited)
	tests := []struct {
		name       string
		recipients []string
		want       [][]int
	}{
		{"one domain", []string{"a@x.example", "b@x.example"}, [][]int{{0, 1}}},
		{"by MX each domain goes alone", []string{"a@x.example", "a@y.example", "b@x.example"}, [][]int{{0, 2}, {1}}},
		{"one route", []string{"a@a.test", "a@b.test"}, [][]int{{0, 1}}},
		{"another route", []string{"a@a.test", "a@own.test"}, [][]int{{0}, {1}}},
		{"another requirement", []string{"a@a.test", "a@strict.test", "a@strict2.test"}, [][]int{{0}, {1, 2}}},
		{"verified domains go alone", []string{"a@verified.test", "a@verified2.test"}, [][]int{{0}, {1}}},
		{"other limits", []string{"a@a.test", "a@limited.test"}, [][]int{{0}, {1}}},
		{"literals", []string{"a@[192.0.2.1]", "b@[192.0.2.1]", "a@[192.0.2.2]"}, [][]int{{0, 1}, {2}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := mail(t, body, tt.recipients...)
			var all []int
			for i := range m.Recipients {
				all = append(all, i)
			}
			if diff := cmp.Diff(tt.want, r.Group(m, all)); diff != "" {
				t.Error(diff)
			}
		})
	}
	flagged := mail(t, body, "a@x.example", "b@x.example", "c@x.example", "a@a.test", "a@b.test")
	flagged.Recipients[1].RequireTLS, flagged.Recipients[4].RequireTLS = true, true
	if diff := cmp.Diff([][]int{{0, 2}, {1}, {3}, {4}}, r.Group(flagged, []int{0, 1, 2, 3, 4})); diff != "" {
		t.Errorf("the REQUIRETLS flag does not part recipients (B55): %s", diff)
	}
	m := mail(t, body, "a@a.test", "a@b.test", "a@c.test")
	if diff := cmp.Diff([][]int{{0, 2}}, r.Group(m, []int{0, 2})); diff != "" {
		t.Errorf("recipients that were not asked for: %s", diff)
	}
}

// A configuration that changes between grouping and delivery parts who no longer
// belongs together: nobody leaves under another domain's requirement (B29).
func TestAttemptGroupsUnderItsOwnSnapshot(t *testing.T) {
	relay := route(t, ".test", "relay.example")
	r := newRig(t, relay)
	mx := smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden})
	r.host("relay.example", "192.0.2.9", mx)
	m := mail(t, body, "a@a.test", "b@strict.test")
	groups := r.Group(m, []int{0, 1})
	if len(groups) != 1 {
		t.Fatalf("groups %v before the change", groups)
	}
	r.configure(relay, control(t, "strict.test", policy.TLSRequired))
	a := r.Deliver(t.Context(), m, groups[0])
	if len(a.Results) != 1 || a.Results[0].Recipient != 0 || !cmp.Equal(a.LeftOut, []int{1}) {
		t.Errorf("results %+v, left out %v", a.Results, a.LeftOut)
	}
	if got := mx.WaitMessages(t, 1); len(got) != 1 || len(got[0].Recipients) != 1 {
		t.Errorf("%d messages arrived: %+v", len(got), got)
	}
}

// Domains on one route that ask the same of a connection, and differ in what
// counts once the address is known: nobody leaves under the terms of another
// (B21, B26, B28, B29).
func TestGroupByWhatCountsAtAnAddress(t *testing.T) {
	to := route(t, ".test", "relay.example")
	to.PolicyDomain = true
	dane := control(t, "dane.test", policy.TLSPreferred)
	dane.DANE = policy.DANEMandatory
	lifted := control(t, "lifted.test", policy.TLSPreferred)
	lifted.DANE, lifted.OverrideRemotePolicy = policy.DANEMandatory, &policy.Override{Reason: "their records are broken"}
	atOnce := control(t, "at-once.test", policy.TLSPreferred)
	atOnce.BounceAtOnce = true
	// Without MTA-STS, for which each of the domains would be asked by itself (B60).
	off := policy.MTASTSSettings{}
	values := []config.Value{to, off, control(t, ".test", policy.TLSPreferred), dane, lifted, atOnce}
	pattern, err := mailaddr.ParseEndpointPattern("192.0.2.9")
	if err != nil {
		t.Fatal(err)
	}
	recipients := []string{"a@plain.test", "a@dane.test", "a@lifted.test", "a@at-once.test", "a@plain2.test"}
	for _, tt := range []struct {
		name   string
		values []config.Value
		want   []delivery.Status
	}{
		{"alone", nil, []delivery.Status{delivery.Delivered, delivery.Deferred, delivery.Delivered, delivery.Delivered, delivery.Delivered}},
		{
			"with a requirement at the address",
			[]config.Value{requirement{policy.STARTTLSEntry{Pattern: pattern, Reason: "test"}}},
			[]delivery.Status{delivery.Deferred, delivery.Deferred, delivery.Deferred, delivery.Bounced, delivery.Deferred},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, append(slices.Clone(values), tt.values...)...)
			r.host("relay.example", "192.0.2.9", smtptest.NewMX(t, smtptest.MXOptions{StartTLS: smtptest.StartTLSHidden}))
			m := mail(t, body, recipients...)
			groups := r.Group(m, []int{0, 1, 2, 3, 4})
			if diff := cmp.Diff([][]int{{0, 4}, {1}, {2}, {3}}, groups); diff != "" {
				t.Error(diff)
			}
			for _, group := range groups {
				for _, got := range r.Deliver(t.Context(), m, group).Results {
					if got.Outcome.Status != tt.want[got.Recipient] {
						t.Errorf("%s: %+v", recipients[got.Recipient], got.Outcome)
					}
				}
			}
		})
	}
}

// Recipients under REQUIRETLS never share an attempt with others, by USEDNS as
// little as by MX (B55).
func TestGroupByUseDNS(t *testing.T) {
	to := route(t, "example.com")
	to.NextHops = []policy.NextHop{{UseDNS: true}}
	r := newRig(t, to)
	m := mail(t, body, "a@example.com", "b@example.com", "c@example.com")
	m.Recipients[1].RequireTLS = true
	if diff := cmp.Diff([][]int{{0, 2}, {1}}, r.Group(m, []int{0, 1, 2})); diff != "" {
		t.Error(diff)
	}
}
