package config_test

import (
	"crypto/tls"
	"net/netip"
	"testing"
	"time"

	"postern/domain/config"
	"postern/domain/config/configtest"
	"postern/domain/mailaddr"
	"postern/domain/policy"
)

// An entry that leaves the level unset has that of "default", which B2 raises: a
// limit on its connections must not send its mail in clear.
func TestInheritedLevelIsRaised(t *testing.T) {
	s, _ := configtest.Seeded(t)
	pattern, err := mailaddr.ParseHostPattern("limited.example")
	if err != nil {
		t.Fatal(err)
	}
	limited := policy.DestinationControl{Pattern: pattern, MaxConnections: 2}
	configtest.Commit(t, s, control(t, "none.example", policy.TLSNone), config.Edit{
		Kind: config.KindDestinationControl, Key: pattern.String(), Value: limited,
	}, config.Edit{
		Kind: config.KindSettings, Key: config.SectionTLS,
		Value: policy.TLSSettings{Enabled: true, SendSTARTTLS: true, MinVersion: tls.VersionTLS12},
	})
	for name, want := range map[mailaddr.DomainName]policy.TLSLevel{
		"limited.example": policy.TLSPreferred, "other.example": policy.TLSPreferred, "none.example": policy.TLSNone,
	} {
		d := policy.Effective(s.Snapshot().OutboundInputs(name, "mx.example.net", netip.Addr{}, time.Now()))
		if d.Level != want {
			t.Errorf("%s: %s, want %s", name, d.Level, want)
		}
	}
}
