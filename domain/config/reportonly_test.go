package config_test

import (
	"net/netip"
	"testing"
	"time"

	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// A control that only reports counts as if its level were unset: the entry
// "default" acts, and behind it the built-in level (B21, B72).
func TestControlsThatOnlyReport(t *testing.T) {
	const reports = true
	required, preferred, none := policy.TLSRequired, policy.TLSPreferred, policy.TLSNone
	type entry struct {
		level      *policy.TLSLevel
		reportOnly bool
	}
	for name, tt := range map[string]struct {
		own, fallback entry
		acts          policy.TLSLevel
		reported      *policy.TLSLevel
	}{
		"nothing reports":             {entry{&required, false}, entry{&preferred, false}, required, nil},
		"the entry reports":           {entry{&required, reports}, entry{&preferred, false}, preferred, &required},
		"default reports":             {entry{nil, false}, entry{&required, reports}, none, &required},
		"default reports, but beaten": {entry{&preferred, false}, entry{&required, reports}, preferred, nil},
		"both report":                 {entry{&required, reports}, entry{&preferred, reports}, none, &required},
	} {
		t.Run(name, func(t *testing.T) {
			service, _ := configtest.Seeded(t)
			for key, e := range map[string]entry{"partner.example": tt.own, "default": tt.fallback} {
				pattern, err := mailaddr.ParseHostPattern(key)
				if err != nil {
					t.Fatal(err)
				}
				configtest.Commit(t, service, config.Edit{
					Kind: config.KindDestinationControl, Key: key,
					Value: policy.DestinationControl{Pattern: pattern, TLSLevel: e.level, ReportOnly: e.reportOnly},
				})
			}
			in := service.Snapshot().OutboundInputs("partner.example", "", netip.Addr{}, time.Now())
			if *in.Control.TLSLevel != tt.acts {
				t.Errorf("%s acts, want %s", in.Control.TLSLevel, tt.acts)
			}
			if got := in.ReportOnly; (got == nil) != (tt.reported == nil) || got != nil && got.Level != *tt.reported {
				t.Errorf("%+v is reported", got)
			}
		})
	}
}
