package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/domain/mailaddr"
)

func TestControlOrigins(t *testing.T) {
	pattern := func(s string) mailaddr.HostPattern {
		p, err := mailaddr.ParseHostPattern(s)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	required, preferred := TLSRequired, TLSPreferred
	fallback := DestinationControl{Pattern: pattern("default"), TLSLevel: &preferred, MaxConnections: 5, BounceAtOnce: true, Description: "all others"}
	tests := map[string]struct {
		entries []DestinationControl
		want    map[string]string
	}{
		"nothing configured": {nil, map[string]string{
			"tls_level": "built-in", "dane": "built-in", "max_connections": "built-in", "messages_per_connection": "built-in", "limit_per": "built-in",
			"min_tls_version": "settings tls.min_version",
		}},
		"default": {[]DestinationControl{fallback}, map[string]string{
			"tls_level": "default", "max_connections": "default", "bounce_at_once": "default",
			"dane": "built-in", "messages_per_connection": "built-in", "limit_per": "built-in", "min_tls_version": "settings tls.min_version",
		}},
		// bounce_at_once is not inherited.
		"suffix before default": {[]DestinationControl{{Pattern: pattern(".example.com"), TLSLevel: &required, MinVersion: tls12}, fallback}, map[string]string{
			"tls_level": ".example.com", "min_tls_version": ".example.com", "max_connections": "default",
			"dane": "built-in", "messages_per_connection": "built-in", "limit_per": "built-in",
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := map[string]string{}
			for _, o := range ControlOrigins(tt.entries...) {
				got[o.Field] = o.Entry
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
