package policy

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlaintextShareBounds(t *testing.T) { // B62
	good := ShareBound{Enabled: true, AbovePercent: 20, MinMessages: 100, WindowHours: 24}
	for name, tc := range map[string]struct {
		share PlaintextShare
		want  []string
	}{
		"unset":       {},
		"good":        {share: PlaintextShare{Incoming: good, Outgoing: good}},
		"kept, off":   {share: PlaintextShare{Incoming: ShareBound{AbovePercent: 20, MinMessages: 100, WindowHours: 24}}},
		"only on":     {PlaintextShare{Outgoing: ShareBound{Enabled: true}}, []string{"/plaintext_share/outgoing/min_messages", "/plaintext_share/outgoing/window_hours"}},
		"100 percent": {PlaintextShare{Incoming: ShareBound{AbovePercent: 100}}, []string{"/plaintext_share/incoming/above_percent"}},
		"below zero":  {PlaintextShare{Incoming: ShareBound{AbovePercent: -1}}, []string{"/plaintext_share/incoming/above_percent"}},
		"over a week": {PlaintextShare{Incoming: ShareBound{WindowHours: 169}}, []string{"/plaintext_share/incoming/window_hours"}},
	} {
		var got []string
		for _, fault := range (AlertSettings{PlaintextShare: tc.share}).Validate() {
			got = append(got, fault.Pointer)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
