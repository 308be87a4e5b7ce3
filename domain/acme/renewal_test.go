package acme

import (
	"crypto/tls"
	"testing"
	"time"

	"postern/domain/policy"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// B48: renewal by schedule.
func TestDue(t *testing.T) {
	on := policy.ACMESettings{Enabled: true}
	names := []string{"mail.example.com"}
	known := Renewal{CertificateID: "1", Names: names, RenewAt: noon}
	failed := known
	failed.NextTry = noon.Add(time.Hour)
	for name, test := range map[string]struct {
		renewal  Renewal
		settings policy.ACMESettings
		names    []string
		now      time.Time
		want     bool
	}{
		"never ordered":    {Renewal{}, on, names, noon, true},
		"switched off":     {Renewal{}, policy.ACMESettings{}, names, noon, false},
		"not yet":          {known, on, names, noon.Add(-time.Second), false},
		"its time":         {known, on, names, noon, true},
		"another name":     {known, on, []string{"mx.example.com"}, noon.Add(-time.Hour), true},
		"after a failure":  {failed, on, names, noon, false},
		"when it is over":  {failed, on, names, noon.Add(time.Hour), true},
		"failed, new name": {failed, on, []string{"mx.example.com"}, noon, false},
	} {
		if got := test.renewal.Due(test.settings, test.names, test.now); got != test.want {
			t.Errorf("%s: due %v", name, got)
		}
	}
}

func TestPausesGrowAndHonourTheAuthority(t *testing.T) {
	var r Renewal
	for i, want := range []time.Duration{15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour, 16 * time.Hour, 24 * time.Hour, 24 * time.Hour} {
		if r = r.Failed(noon, 0, 0); r.NextTry.Sub(noon) != want || r.Failures != i+1 {
			t.Errorf("failure %d: pause %s, want %s", r.Failures, r.NextTry.Sub(noon), want)
		}
	}
	if r = (Renewal{}).Failed(noon, 40*time.Hour, 1); r.NextTry.Sub(noon) != 50*time.Hour {
		t.Errorf("pause %s though the authority asked for 40 hours", r.NextTry.Sub(noon))
	}
}

func TestLifetimeWindow(t *testing.T) {
	w := LifetimeWindow(noon, noon.Add(90*24*time.Hour))
	if w.End != noon.Add(60*24*time.Hour) || w.Start != w.End.Add(-108*time.Hour) {
		t.Errorf("window %v", w)
	}
	if got := w.Pick(0.5); !w.Holds(got) || got != w.Start.Add(54*time.Hour) {
		t.Errorf("picked %s", got)
	}
}

// RFC 8737 §3: only who offers nothing else is an authority.
func TestAsks(t *testing.T) {
	for _, test := range []struct {
		protos []string
		want   bool
	}{{nil, false}, {[]string{"http/1.1"}, false}, {[]string{ALPN, "http/1.1"}, false}, {[]string{ALPN}, true}} {
		if got := Asks(&tls.ClientHelloInfo{SupportedProtos: test.protos}); got != test.want {
			t.Errorf("%q: %v", test.protos, got)
		}
	}
}
